#include "lib/proto/proxy.h"

#include <arpa/inet.h>
#include <string.h>

enum { V1_MAX = 107, V2_HEAD = 16, V2_LOCAL = 0x20, V2_PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21 };

static const char v2_sign[] = "\r\n\r\n\0\r\nQUIT\n";	/* twelve bytes */

static int
no_header(struct err *err)
{
	return err_set(err, ERR_PERM, "a proxy is to say first who is behind it, and this does not");
}

static bool
is_ip(struct span text, int family)
{
	unsigned char bytes[16];
	char copy[INET6_ADDRSTRLEN];

	if (text.len >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	return inet_pton(family, copy, bytes) == 1;
}

/* "PROXY TCP4 192.0.2.7 192.0.2.1 56324 25" */
static int
read_v1(struct proxy *proxy, struct span line, struct err *err)
{
	struct span word[6] = {{0}};
	size_t words = 0;
	uint64_t port;

	while (words < 6 && span_cut(&line, ' ', &word[words]))
		words++;
	if (words >= 2 && span_is(word[0], "PROXY") && span_is(word[1], "UNKNOWN"))
		return 1;
	int family = span_is(word[1], "TCP4") ? AF_INET : span_is(word[1], "TCP6") ? AF_INET6 : AF_UNSPEC;
	if (words != 6 || line.p != NULL || !span_is(word[0], "PROXY") || family == AF_UNSPEC ||
	    !is_ip(word[2], family) || !is_ip(word[3], family) || span_number(word[4], 65535, &port) < 0 ||
	    span_number(word[5], 65535, &port) < 0)
		return no_header(err);
	proxy->named = true;
	str_set_span(&proxy->ip, word[2]);
	str_set_span(&proxy->port, word[4]);
	return 1;
}

static int
take_v1(struct proxy *proxy, struct span *in, struct err *err)
{
	while (in->len > 0) {
		str_add_char(&proxy->in, in->p[0]);
		*in = span_from(*in, 1);
		if (proxy->in.len >= 2 && memcmp(proxy->in.p + proxy->in.len - 2, "\r\n", 2) == 0)
			return read_v1(proxy, span_to(str_span(&proxy->in), proxy->in.len - 2), err);
		if (proxy->in.len >= V1_MAX)
			return no_header(err);
	}
	return 0;
}

static int
read_v2(struct proxy *proxy, struct err *err)
{
	const unsigned char *head = (const unsigned char *)proxy->in.p;
	char text[INET6_ADDRSTRLEN];
	bool six = head[13] == TCP6;
	size_t size = six ? 16 : 4;

	if (head[12] == V2_LOCAL)
		return 1;
	if (head[12] != V2_PROXY || (head[13] != TCP4 && !six) || proxy->in.len < V2_HEAD + 2 * size + 4)
		return no_header(err);
	inet_ntop(six ? AF_INET6 : AF_INET, head + V2_HEAD, text, sizeof text);
	proxy->named = true;
	str_set(&proxy->ip, text);
	str_printf(&proxy->port, "%u", (unsigned)(head[V2_HEAD + 2 * size] << 8 | head[V2_HEAD + 2 * size + 1]));
	return 1;
}

static int
take_v2(struct proxy *proxy, struct span *in, struct err *err)
{
	for (;;) {
		const unsigned char *head = (const unsigned char *)proxy->in.p;
		size_t want = proxy->in.len < V2_HEAD ? V2_HEAD : V2_HEAD + (size_t)(head[14] << 8 | head[15]);
		if (want > PROXY_MAX)
			return no_header(err);
		if (proxy->in.len == want)
			return read_v2(proxy, err);
		struct span piece = span_to(*in, want - proxy->in.len);
		if (piece.len == 0)
			return 0;
		str_add_span(&proxy->in, piece);
		*in = span_from(*in, piece.len);
		size_t known = proxy->in.len < sizeof v2_sign - 1 ? proxy->in.len : sizeof v2_sign - 1;
		if (memcmp(proxy->in.p, v2_sign, known) != 0)
			return no_header(err);
	}
}

int
proxy_feed(struct proxy *proxy, struct span *in, struct err *err)
{
	char first = proxy->in.len > 0 ? proxy->in.p[0] : in->len > 0 ? in->p[0] : '\0';

	if (first == '\0' && proxy->in.len == 0 && in->len == 0)
		return 0;
	if (first == v2_sign[0])
		return take_v2(proxy, in, err);
	return first == 'P' ? take_v1(proxy, in, err) : no_header(err);
}

void
proxy_free(struct proxy *proxy)
{
	str_free(&proxy->in);
	str_free(&proxy->ip);
	str_free(&proxy->port);
	*proxy = (struct proxy){0};
}
