#include "uucico-ssh/quick.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { SIGNATURE = 64, LATE = 2 /* RFC 4254 5.1: connect failed */ };

static const char ours[] = "SSH-2.0-mochila";

/* --- saying --- */

/* Nothing but the exchange itself goes while keys are exchanged (RFC 4253 7.1). */
static void
say(struct quick *quick, struct span payload)
{
	if (quick->exchanging)
		quick_put(&quick->held, payload);
	else
		quick_packet(quick, payload);
}

static void
say_held(struct quick *quick)
{
	struct str held = quick->held;
	struct span rest = str_span(&held), payload;

	quick->held = (struct str){0};
	while (rest.len > 0 && quick_get(&rest, &payload) == 0)
		quick_packet(quick, payload);
	str_free(&held);
}

static void
say_type(struct quick *quick, enum quick_type type)
{
	const char byte = (char)type;

	say(quick, (struct span){ &byte, 1 });
}

/* What is for the channel, and a number behind it where there is one. */
static void
say_channel(struct quick *quick, enum quick_type type, const uint32_t *number)
{
	struct str payload = {0};

	str_add_char(&payload, (char)type);
	quick_put_number(&payload, quick->channel);
	if (number != NULL)
		quick_put_number(&payload, *number);
	say(quick, str_span(&payload));
	str_free(&payload);
}

/* --- the login, in one flight --- */

static bool
sign(const struct quick *quick, struct span text, unsigned char signature[SIGNATURE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, quick->seed, sizeof quick->seed);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = SIGNATURE;
	bool good = key != NULL && context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestSign(context, signature, &len, (const unsigned char *)text.p, text.len) == 1 && len == SIGNATURE;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

static void
put_typed(struct str *out, const unsigned char *bytes, size_t len)
{
	struct str blob = {0};

	quick_put(&blob, SPAN("ssh-ed25519"));
	quick_put(&blob, (struct span){ (const char *)bytes, len });
	quick_put(out, str_span(&blob));
	str_free(&blob);
}

/* Signed at once: to ask first whether the key would do is a turn (RFC 4252 7 lets us).  The secret is
 * needed no more then. */
static int
say_login(struct quick *quick, struct err *err)
{
	unsigned char signature[SIGNATURE] = {0};
	struct str request = {0}, text = {0};

	str_add_char(&request, SSH_SERVICE_REQUEST);
	quick_put(&request, SPAN("ssh-userauth"));
	say(quick, str_span(&request));
	str_clear(&request);
	str_add_char(&request, SSH_USERAUTH_REQUEST);
	quick_put(&request, str_span(&quick->user));
	quick_put(&request, SPAN("ssh-connection"));
	quick_put(&request, SPAN("publickey"));
	str_add_char(&request, 1);
	quick_put(&request, SPAN("ssh-ed25519"));
	put_typed(&request, quick->public, sizeof quick->public);
	quick_put(&text, (struct span){ (const char *)quick->session, sizeof quick->session });
	str_add_span(&text, str_span(&request));
	bool good = sign(quick, str_span(&text), signature);
	OPENSSL_cleanse(quick->seed, sizeof quick->seed);
	put_typed(&request, signature, sizeof signature);
	if (good)
		say(quick, str_span(&request));
	str_free(&request);
	str_free(&text);
	return good ? 0 : quick_otherwise(quick, err, "OpenSSL does not sign with this key");
}

static void
say_open(struct quick *quick)
{
	struct str payload = {0};

	str_add_char(&payload, SSH_CHANNEL_OPEN);
	quick_put(&payload, SPAN("session"));
	quick_put_number(&payload, 0);
	quick_put_number(&payload, QUICK_WINDOW);
	quick_put_number(&payload, QUICK_PIECE);
	say(quick, str_span(&payload));
	str_free(&payload);
}

static void
say_command(struct quick *quick)
{
	struct str payload = {0};

	str_add_char(&payload, SSH_CHANNEL_REQUEST);
	quick_put_number(&payload, quick->channel);
	quick_put(&payload, SPAN("exec"));
	str_add_char(&payload, 1);
	quick_put(&payload, str_span(&quick->command));
	say(quick, str_span(&payload));
	str_free(&payload);
	quick->asked = true;
}

/* Whose first channel is number 0, as their sources have it. */
static bool
begins_with_0(const struct quick *quick)
{
	struct span version = str_span(&quick->version);

	return span_begins(version, "SSH-2.0-OpenSSH_") || span_begins(version, "SSH-2.0-dropbear");
}

static int
say_flight(struct quick *quick, struct err *err)
{
	if (say_login(quick, err) < 0)
		return -1;
	say_open(quick);
	quick->our_window = QUICK_WINDOW;
	quick->their_packet = QUICK_CHUNK;
	if (begins_with_0(quick))
		say_command(quick);
	quick->state = QUICK_LOGIN;
	return 0;
}

/* --- what the channel says --- */

static int
refuse(struct quick *quick, enum quick_end end, struct err *err, const char *why)
{
	quick->end = end;
	return err_set(err, ERR_CONFIG, "%s", why);
}

static int
confirmed(struct quick *quick, struct span rest, struct err *err)
{
	uint32_t own, theirs, window, packet;

	if (quick_get_number(&rest, &own) < 0 || quick_get_number(&rest, &theirs) < 0 || quick_get_number(&rest, &window) < 0 ||
	    quick_get_number(&rest, &packet) < 0 || own != 0 || packet == 0 || quick->state != QUICK_CHANNEL)
		return quick_broken(quick, err, "a channel that was not asked for");
	if (quick->asked && theirs != quick->channel)
		return quick_otherwise(quick, err, "it counts channels from elsewhere; \"quick-login = no\" does not guess");
	quick->channel = theirs;
	quick->their_window += window;
	quick->their_packet = packet < QUICK_CHUNK ? packet : QUICK_CHUNK;
	quick->state = QUICK_OPEN;
	if (!quick->asked)
		say_command(quick);
	return 0;
}

static int
widened(struct quick *quick, struct span rest, struct err *err)
{
	uint32_t more;

	if (quick_get_number(&rest, &more) < 0 || quick->their_window + more > UINT32_MAX)
		return quick_broken(quick, err, "a window that cannot be");
	quick->their_window += more;
	return 0;
}

static int
data(struct quick *quick, struct span rest, bool extended, struct err *err)
{
	uint32_t kind = 0;
	struct span bytes;

	if ((extended && quick_get_number(&rest, &kind) < 0) || quick_get(&rest, &bytes) < 0 || bytes.len > quick->our_window)
		return quick_broken(quick, err, "more than its window holds");
	quick->our_window -= (uint32_t)bytes.len;
	if (!extended)
		str_add_span(&quick->said, bytes);
	else if (quick->noise.len < QUICK_NOISE)
		str_add_span(&quick->noise, span_to(bytes, QUICK_NOISE - quick->noise.len));
	return 0;
}

static int
asked_of_us(struct quick *quick, struct span rest, struct err *err)
{
	struct span what;

	if (quick_get(&rest, &what) < 0 || rest.len < 1)
		return quick_broken(quick, err, "a request that ends early");
	if (rest.p[0] != 0)
		say_channel(quick, SSH_CHANNEL_FAILURE, NULL);
	return 0;
}

static int
channel_gone(struct quick *quick)
{
	quick->eof = quick->closed = true;
	if (!quick->said_close)
		say_channel(quick, SSH_CHANNEL_CLOSE, NULL);
	quick->said_close = true;
	return 0;
}

static int
in_channel(struct quick *quick, enum quick_type type, struct span rest, struct err *err)
{
	uint32_t own;

	if (type == SSH_CHANNEL_CONFIRMED)
		return confirmed(quick, rest, err);
	if (quick_get_number(&rest, &own) < 0 || own != 0 || quick->closed ||
	    (type != SSH_CHANNEL_REFUSED && quick->state != QUICK_OPEN))
		return quick_broken(quick, err, "a channel that is not there");
	switch (type) {
	case SSH_CHANNEL_WINDOW: return widened(quick, rest, err);
	case SSH_CHANNEL_DATA: return data(quick, rest, false, err);
	case SSH_CHANNEL_EXTENDED: return data(quick, rest, true, err);
	case SSH_CHANNEL_EOF: quick->eof = true; return 0;
	case SSH_CHANNEL_CLOSE: return channel_gone(quick);
	case SSH_CHANNEL_REQUEST: return asked_of_us(quick, rest, err);
	case SSH_CHANNEL_SUCCESS: return 0;
	case SSH_CHANNEL_FAILURE: return refuse(quick, QUICK_NOTHING, err, "it runs no command");
	default: return refuse(quick, QUICK_NOTHING, err, "it opens no channel");
	}
}

/* --- what they say --- */

/* A channel that they want: to nothing. */
static int
wants_channel(struct quick *quick, struct span rest, struct err *err)
{
	struct str payload = {0};
	struct span kind;
	uint32_t theirs;

	if (quick_get(&rest, &kind) < 0 || quick_get_number(&rest, &theirs) < 0)
		return quick_broken(quick, err, "a channel of nothing");
	str_add_char(&payload, SSH_CHANNEL_REFUSED);
	quick_put_number(&payload, theirs);
	quick_put_number(&payload, LATE);
	quick_put(&payload, SPAN(""));
	quick_put(&payload, SPAN(""));
	say(quick, str_span(&payload));
	str_free(&payload);
	return 0;
}

static int
wants_global(struct quick *quick, struct span rest, struct err *err)
{
	struct span what;

	if (quick_get(&rest, &what) < 0 || rest.len < 1)
		return quick_broken(quick, err, "a request that ends early");
	if (rest.p[0] != 0)
		say_type(quick, SSH_REQUEST_FAILURE);
	return 0;
}

static int
hangs_up(struct quick *quick, struct span rest, struct err *err)
{
	struct span why = {0};
	uint32_t reason;

	if (quick_get_number(&rest, &reason) < 0 || quick_get(&rest, &why) < 0)
		why = SPAN("without a word");
	quick->end = quick->state < QUICK_CHANNEL ? QUICK_OTHERWISE : QUICK_BROKEN;
	return err_set(err, ERR_TEMP, "it hangs up: %.*s", why.len > 200 ? 200 : (int)why.len, why.p);
}

/* Theirs may come first, and asks for ours, at any time. */
static int
exchange_begins(struct quick *quick, struct span payload, struct err *err)
{
	if (quick->their_init.len > 0)
		return quick_broken(quick, err, "two exchanges at a time");
	if (!quick->exchanging)
		quick_offer(quick);
	return quick_offered(quick, payload, err);
}

static int
replied(struct quick *quick, struct span payload, struct err *err)
{
	bool first = !quick->has_session;

	if (quick->wrong_guess) {
		quick->wrong_guess = false;
		return 0;
	}
	if (quick_reply(quick, payload, err) < 0)
		return -1;
	if (first)
		return say_flight(quick, err);
	say_held(quick);
	return 0;
}

static int
logged_in(struct quick *quick, enum quick_type type, struct err *err)
{
	if (quick->state != QUICK_LOGIN)
		return quick_broken(quick, err, "a word about a login");
	if (type == SSH_USERAUTH_FAILURE)
		return refuse(quick, QUICK_REFUSED, err, "it refuses the key");
	if (type == SSH_USERAUTH_SUCCESS)
		quick->state = QUICK_CHANNEL;
	return 0;
}

/* In the clear there is the exchange, and nothing beside it: what else stands there may be anybody's. */
static bool
may_be_clear(enum quick_type type)
{
	return type == SSH_DISCONNECT || type == SSH_KEXINIT || type == SSH_ECDH_REPLY || type == SSH_NEWKEYS;
}

static int
understand(struct quick *quick, struct span payload, struct err *err)
{
	enum quick_type type = (unsigned char)payload.p[0];
	struct span rest = span_from(payload, 1);

	if (quick->state < QUICK_OPEN && ++quick->packets > QUICK_BEFORE)
		return quick_broken(quick, err, "much, and no channel");
	if (quick->down.cipher == NULL && !may_be_clear(type))
		return quick->strict ? quick_broken(quick, err, "words before there are keys") :
		    quick_otherwise(quick, err, "it says more than an exchange of keys");
	switch (type) {
	case SSH_DISCONNECT: return hangs_up(quick, rest, err);
	case SSH_IGNORE: case SSH_DEBUG: case SSH_UNIMPLEMENTED: case SSH_EXT_INFO: return 0;
	case SSH_KEXINIT: return exchange_begins(quick, payload, err);
	case SSH_ECDH_REPLY: return replied(quick, payload, err);
	case SSH_NEWKEYS: return quick_new_keys(quick, err);
	default: break;
	}
	switch (type) {
	case SSH_SERVICE_ACCEPT: case SSH_USERAUTH_BANNER: return 0;
	case SSH_USERAUTH_FAILURE: case SSH_USERAUTH_SUCCESS: return logged_in(quick, type, err);
	default: break;
	}
	if (quick->state < QUICK_CHANNEL)
		return quick_broken(quick, err, "words before the login");
	switch (type) {
	case SSH_GLOBAL_REQUEST: return wants_global(quick, rest, err);
	case SSH_REQUEST_SUCCESS: case SSH_REQUEST_FAILURE: return 0;
	case SSH_CHANNEL_OPEN: return wants_channel(quick, rest, err);
	case SSH_CHANNEL_CONFIRMED: case SSH_CHANNEL_REFUSED: case SSH_CHANNEL_WINDOW: case SSH_CHANNEL_DATA:
	case SSH_CHANNEL_EXTENDED: case SSH_CHANNEL_EOF: case SSH_CHANNEL_CLOSE: case SSH_CHANNEL_REQUEST:
	case SSH_CHANNEL_SUCCESS: case SSH_CHANNEL_FAILURE: return in_channel(quick, type, rest, err);
	default: break;
	}
	struct str payload_back = {0};		/* RFC 4253 11.4 */
	str_add_char(&payload_back, SSH_UNIMPLEMENTED);
	quick_put_number(&payload_back, quick->down.number - 1);
	say(quick, str_span(&payload_back));
	str_free(&payload_back);
	return 0;
}

/* Their version: 1, not yet: 0; -1.  Lines before it are for people (RFC 4253 4.2). */
static int
read_version(struct quick *quick, struct err *err)
{
	char *end;

	while (quick->in.len > 0 && (end = memchr(quick->in.p, '\n', quick->in.len)) != NULL) {
		struct span line = { quick->in.p, (size_t)(end - quick->in.p) };
		size_t whole = line.len + 1;
		line.len -= line.len > 0 && line.p[line.len - 1] == '\r';
		bool version = span_begins(line, "SSH-");
		if (version)
			str_set_span(&quick->version, line);
		str_cut(&quick->in, whole);
		if (whole > QUICK_LINE + 1 || (!version && ++quick->lines > QUICK_LINES))
			return quick_otherwise(quick, err, "it says much, and no version of ssh");
		if (!version)
			continue;
		if (!span_begins(str_span(&quick->version), "SSH-2.0-") && !span_begins(str_span(&quick->version), "SSH-1.99-"))
			return quick_otherwise(quick, err, "it is no ssh of version 2");
		quick->state = QUICK_EXCHANGE;
		return 1;
	}
	return quick->in.len > QUICK_LINE ? quick_otherwise(quick, err, "it says no version of ssh") : 0;
}

/* --- keys that are used up --- */

static uint64_t
used(const struct quick *quick)
{
	return quick->up.bytes > quick->down.bytes ? quick->up.bytes : quick->down.bytes;
}

static void
renew(struct quick *quick)
{
	if (quick->state == QUICK_OPEN && !quick->exchanging && quick->their_init.len == 0 && used(quick) >= QUICK_KEY_BYTES)
		quick_offer(quick);
}

int
quick_feed(struct quick *quick, const void *bytes, size_t len, struct err *err)
{
	struct str payload = {0};
	int got = 1;

	if (quick->end != QUICK_GOING)
		return err_set(err, ERR_TEMP, "the ssh session is over");
	str_add(&quick->in, bytes, len);
	if (quick->state == QUICK_VERSION)
		got = read_version(quick, err);
	while (got > 0 && quick->end == QUICK_GOING && (got = quick_unpack(quick, &payload, err)) > 0)
		got = understand(quick, str_span(&payload), err) < 0 ? -1 : 1;
	if (got >= 0 && quick->out.len + quick->held.len > QUICK_ASKED)
		got = quick_broken(quick, err, "it asks, and does not listen");
	if (got >= 0 && used(quick) / 2 >= QUICK_KEY_BYTES)
		got = quick_broken(quick, err, "it goes on and on with its old keys");
	if (got >= 0)
		renew(quick);
	str_free(&payload);
	return got < 0 ? -1 : 0;
}

/* --- what is ours to say --- */

void
quick_start(struct quick *quick)
{
	str_add_text(&quick->out, ours);
	str_add_text(&quick->out, "\r\n");
	quick_offer(quick);
}

bool
quick_ready(const struct quick *quick)
{
	return quick->state == QUICK_OPEN || (quick->state >= QUICK_LOGIN && quick->asked);
}

static size_t
room(const struct quick *quick)
{
	int64_t left = quick->state == QUICK_OPEN ? quick->their_window : QUICK_EARLY + quick->their_window;

	return left <= 0 || quick->out.len + quick->held.len >= QUICK_OUT ? 0 : (size_t)left;
}

size_t
quick_write(struct quick *quick, const void *bytes, size_t len)
{
	size_t done = 0, most;

	if (!quick_ready(quick) || quick->end != QUICK_GOING || quick->said_eof || quick->closed)
		return 0;
	renew(quick);
	while (done < len && (most = room(quick)) > 0) {
		struct str payload = {0};
		size_t some = len - done < most ? len - done : most;
		some = some < quick->their_packet ? some : quick->their_packet;
		str_add_char(&payload, (char)SSH_CHANNEL_DATA);
		quick_put_number(&payload, quick->channel);
		quick_put(&payload, (struct span){ (const char *)bytes + done, some });
		say(quick, str_span(&payload));
		str_free(&payload);
		quick->their_window -= (int64_t)some;
		done += some;
	}
	return done;
}

/* The window is opened again when half of it is used up. */
size_t
quick_take(struct quick *quick, void *to, size_t len)
{
	size_t some = len < quick->said.len ? len : quick->said.len;

	if (some > 0)
		memcpy(to, quick->said.p, some);
	str_cut(&quick->said, some);
	uint32_t more = QUICK_WINDOW - quick->our_window - (uint32_t)quick->said.len;
	if (quick->state == QUICK_OPEN && !quick->closed && !quick->eof && more >= QUICK_WINDOW / 2) {
		say_channel(quick, SSH_CHANNEL_WINDOW, &more);
		quick->our_window += more;
	}
	return some;
}

void
quick_eof(struct quick *quick)
{
	if (quick_ready(quick) && !quick->said_eof && !quick->closed)
		say_channel(quick, SSH_CHANNEL_EOF, NULL);
	quick->said_eof = true;
}

void
quick_goodbye(struct quick *quick)
{
	struct str payload = {0};

	if (quick->up.cipher != NULL && !quick->exchanging) {
		str_add_char(&payload, SSH_DISCONNECT);
		quick_put_number(&payload, 11);		/* by application */
		quick_put(&payload, SPAN("bye"));
		quick_put(&payload, SPAN(""));
		quick_packet(quick, str_span(&payload));
	}
	str_free(&payload);
}

void
quick_free(struct quick *quick)
{
	struct quick_way *ways[] = { &quick->up, &quick->down, &quick->next_up, &quick->next_down };
	struct str *all[] = { &quick->user, &quick->command, &quick->out, &quick->said, &quick->noise, &quick->version,
		&quick->host_key, &quick->in, &quick->our_init, &quick->their_init, &quick->held };

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
		quick_way_free(ways[i]);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	EVP_PKEY_free(quick->secret);
	quick->secret = NULL;
	OPENSSL_cleanse(quick->seed, sizeof quick->seed);
}
