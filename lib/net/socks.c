#include "lib/net/socks.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/net/place.h"

enum { FIELD_MAX = 255 };

/* --- where --- */

int
socks_proxy_parse(const char *text, struct socks_proxy *proxy, struct err *err)
{
	static const struct { const char *scheme; bool five; } kinds[] = {
		{ "socks5://", true }, { "socks4a://", false },
	};
	struct str host = {0}, port = {0};
	int result = -1;

	*proxy = (struct socks_proxy){0};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && result < 0; i++) {
		if (!span_begins(span_of(text), kinds[i].scheme))
			continue;
		proxy->five = kinds[i].five;
		str_set(&proxy->where, text + strlen(kinds[i].scheme));
		result = place_split(str_c(&proxy->where), &host, &port, err);
	}
	str_free(&host);
	str_free(&port);
	if (result == 0)
		return 0;
	socks_proxy_free(proxy);
	return err_set(err, ERR_CONFIG, "proxy %.100s: it is socks5://HOST:PORT or socks4a://HOST:PORT", text);
}

void
socks_proxy_free(struct socks_proxy *proxy)
{
	if (proxy->password.p != NULL)
		OPENSSL_cleanse(proxy->password.p, proxy->password.size);
	str_free(&proxy->password);
	str_free(&proxy->name);
	str_free(&proxy->where);
}

/* --- words --- */

static void
await(struct socks *socks, size_t wants, int (*heard)(struct socks *socks, struct err *err))
{
	str_clear(&socks->in);
	socks->wants = wants;
	socks->heard = heard;
}

static unsigned
byte_of(const struct socks *socks, size_t at)
{
	return (unsigned char)socks->in.p[at];
}

static void
add_port(struct socks *socks)
{
	uint64_t number = 0;

	span_number(str_span(&socks->port), 65535, &number);
	str_add_char(&socks->out, (char)(number >> 8));
	str_add_char(&socks->out, (char)(number & 0xff));
}

static void
add_field(struct str *out, struct span bytes)
{
	str_add_char(out, (char)bytes.len);
	str_add_span(out, bytes);
}

/* Whatever a proxy says, another try may find the way open. */
static int
refused(const struct socks *socks, const char *why, struct err *err)
{
	return err_set(err, ERR_TEMP, "the proxy %.*s: %s", (int)socks->proxy->where.len,
	    socks->proxy->where.p, why);
}

static int
no_socks(const struct socks *socks, struct err *err)
{
	err_set(err, ERR_CONFIG, "the proxy %.*s does not speak SOCKS%s", (int)socks->proxy->where.len,
	    socks->proxy->where.p, socks->proxy->five ? "5" : "4a");
	return -1;
}

static int
connected(struct socks *socks)
{
	await(socks, 0, NULL);
	socks->done = true;
	return 0;
}

/* --- SOCKS5 --- */

static const char *const replies[] = {	/* RFC 1928 6 */
	"", "it failed", "its rules do not allow it", "the network cannot be reached from it",
	"the host cannot be reached from it", "the connection is refused there", "the time is up",
	"it does not connect", "it does not know this kind of address",
};

/* 05 REP 00 ATYP, then an address of that kind and a port. */
static int
heard_rest(struct socks *socks, struct err *err)
{
	(void)err;
	return connected(socks);
}

static int
heard_reply(struct socks *socks, struct err *err)
{
	static const size_t lengths[] = { [1] = 4, [4] = 16 };
	unsigned reply = byte_of(socks, 1), kind = byte_of(socks, 3);

	if (byte_of(socks, 0) != 5)
		return no_socks(socks, err);
	if (reply != 0)
		return refused(socks, reply < sizeof replies / sizeof replies[0] ? replies[reply] :
		    "it refuses, with a number we do not know", err);
	/* A name comes with its length before it: of that byte the fifth is the first. */
	size_t length = kind == 3 ? 1 + (size_t)byte_of(socks, 4) : kind == 1 || kind == 4 ? lengths[kind] : 0;
	if (length == 0)
		return no_socks(socks, err);
	await(socks, length + 2 - 1, heard_rest);
	return 0;
}

static int
ask_five(struct socks *socks, struct err *err)
{
	unsigned char address[16];
	const char *host = str_c(&socks->host);

	(void)err;
	str_add(&socks->out, "\5\1\0", 3);
	if (inet_pton(AF_INET, host, address) == 1) {
		str_add_char(&socks->out, 1);
		str_add(&socks->out, address, 4);
	} else if (inet_pton(AF_INET6, host, address) == 1) {
		str_add_char(&socks->out, 4);
		str_add(&socks->out, address, 16);
	} else {
		str_add_char(&socks->out, 3);
		add_field(&socks->out, str_span(&socks->host));
	}
	add_port(socks);
	await(socks, 5, heard_reply);
	return 0;
}

static int
heard_verdict(struct socks *socks, struct err *err)
{
	if (byte_of(socks, 1) == 0)
		return ask_five(socks, err);
	refused(socks, "it refuses our name and password", err);
	err->kind = ERR_CONFIG;
	return -1;
}

static int
heard_method(struct socks *socks, struct err *err)
{
	const struct socks_proxy *proxy = socks->proxy;

	if (byte_of(socks, 0) != 5)
		return no_socks(socks, err);
	if (byte_of(socks, 1) == 0)
		return ask_five(socks, err);
	if (byte_of(socks, 1) != 2 || proxy->name.len == 0) {
		refused(socks, proxy->name.len == 0 ? "it wants a name and a password" :
		    "it wants another kind of login than a name and a password", err);
		err->kind = ERR_CONFIG;
		return -1;
	}
	str_add_char(&socks->out, 1);
	add_field(&socks->out, str_span(&proxy->name));
	add_field(&socks->out, str_span(&proxy->password));
	await(socks, 2, heard_verdict);
	return 0;
}

static void
start_five(struct socks *socks)
{
	if (socks->proxy->name.len > 0)
		str_add(&socks->out, "\5\2\0\2", 4);
	else
		str_add(&socks->out, "\5\1\0", 3);
	await(socks, 2, heard_method);
}

/* --- SOCKS4a --- */

static int
heard_four(struct socks *socks, struct err *err)
{
	if (byte_of(socks, 0) != 0)
		return no_socks(socks, err);
	if (byte_of(socks, 1) != 90)
		return refused(socks, "it refuses the connection, or cannot make it", err);
	return connected(socks);
}

static void
start_four(struct socks *socks)
{
	unsigned char address[4];
	bool number = inet_pton(AF_INET, str_c(&socks->host), address) == 1;

	str_add(&socks->out, "\4\1", 2);
	add_port(socks);
	str_add(&socks->out, number ? (const char *)address : "\0\0\0\1", 4);
	str_add_span(&socks->out, str_span(&socks->proxy->name));
	str_add_char(&socks->out, '\0');
	if (!number) {
		str_add_span(&socks->out, str_span(&socks->host));
		str_add_char(&socks->out, '\0');
	}
	await(socks, 8, heard_four);
}

/* --- all --- */

int
socks_start(struct socks *socks, const struct socks_proxy *proxy, const char *host,
    const char *port, struct err *err)
{
	uint64_t number;

	*socks = (struct socks){ .proxy = proxy };
	if (host[0] == '\0' || strlen(host) > FIELD_MAX || span_number(span_of(port), 65535, &number) < 0)
		return err_set(err, ERR_CONFIG, "%.100s port %.20s: no place that a proxy could be asked for", host, port);
	if (proxy->name.len > FIELD_MAX || proxy->password.len > FIELD_MAX)
		return err_set(err, ERR_CONFIG, "a name or password for the proxy of more than %d bytes", FIELD_MAX);
	bool nul = proxy->name.len > 0 && memchr(proxy->name.p, '\0', proxy->name.len) != NULL;
	if (!proxy->five && (nul || strchr(host, ':') != NULL))
		return err_set(err, ERR_CONFIG, "%.100s: SOCKS4a knows names and IPv4 only; take socks5://", host);
	str_set(&socks->host, host);
	str_set(&socks->port, port);
	(proxy->five ? start_five : start_four)(socks);
	return 0;
}

size_t
socks_wants(const struct socks *socks)
{
	return socks->wants - socks->in.len;
}

int
socks_feed(struct socks *socks, const void *bytes, size_t len, struct err *err)
{
	struct span rest = { bytes, len };

	while (rest.len > 0 && !socks->done) {
		size_t take = rest.len < socks_wants(socks) ? rest.len : socks_wants(socks);
		str_add_span(&socks->in, span_to(rest, take));
		rest = span_from(rest, take);
		if (socks_wants(socks) == 0 && socks->heard(socks, err) < 0)
			return -1;
	}
	return rest.len == 0 ? 0 : err_set(err, ERR_TEMP, "more of the proxy's words were read than were wanted");
}

void
socks_free(struct socks *socks)
{
	if (socks->out.p != NULL)
		OPENSSL_cleanse(socks->out.p, socks->out.size);
	str_free(&socks->out);
	str_free(&socks->in);
	str_free(&socks->host);
	str_free(&socks->port);
}
