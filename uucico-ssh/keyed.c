#include "uucico-ssh/keyed.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sysexits.h>

enum { HELLO = 4 + KEYED_NONCE + KEYED_TAG, LENGTH = 2, LONGEST = 6 };

static const char mark[] = "MKA1";

/* --- tags --- */

static void
hmac(const void *key, size_t key_len, struct span bytes, unsigned char sum[DIGEST_SIZE])
{
	unsigned len = DIGEST_SIZE;

	HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)bytes.p, bytes.len, sum, &len);
}

static void
hello_tag(const struct keyed *k, bool caller, const unsigned char *nonce, unsigned char sum[DIGEST_SIZE])
{
	struct str text = {0};

	str_add_text(&text, caller ? "hello caller" : "hello called");
	str_add(&text, nonce, KEYED_NONCE);
	hmac(k->secret.p, k->secret.len, str_span(&text), sum);
	str_free(&text);
}

static void
make_key(const struct keyed *k, const char *label, const unsigned char *nonce, const unsigned char *other,
    struct keyed_side *side)
{
	struct str text = {0};

	str_add_text(&text, label);
	str_add(&text, nonce, KEYED_NONCE);
	if (other != NULL)
		str_add(&text, other, KEYED_NONCE);
	hmac(k->secret.p, k->secret.len, str_span(&text), side->key);
	side->number = 0;
	str_free(&text);
}

static void
make_keys(struct keyed *k)
{
	const unsigned char *caller = k->caller ? k->ours : k->theirs, *called = k->caller ? k->theirs : k->ours;

	make_key(k, "frames caller", caller, called, k->caller ? &k->sending : &k->receiving);
	make_key(k, "frames called", caller, called, k->caller ? &k->receiving : &k->sending);
}

/* Over the number, and the frame without its tag. */
static void
frame_tag(const struct keyed_side *side, struct span frame, unsigned char sum[DIGEST_SIZE])
{
	struct str text = {0};

	for (int shift = 56; shift >= 0; shift -= 8)
		str_add_char(&text, (char)(side->number >> shift & 0xff));
	str_add_span(&text, frame);
	hmac(side->key, sizeof side->key, str_span(&text), sum);
	str_free(&text);
}

/* --- out --- */

static void
say_hello(struct keyed *k)
{
	unsigned char sum[DIGEST_SIZE];

	hello_tag(k, k->caller, k->ours, sum);
	str_add(&k->out, mark, 4);
	str_add(&k->out, k->ours, KEYED_NONCE);
	str_add(&k->out, sum, KEYED_TAG);
}

static void
put_frame(struct keyed *k, struct span data)
{
	unsigned char sum[DIGEST_SIZE];
	size_t at = k->out.len;

	str_add_char(&k->out, (char)(data.len >> 8));
	str_add_char(&k->out, (char)(data.len & 0xff));
	str_add_span(&k->out, data);
	frame_tag(&k->sending, span_from(str_span(&k->out), at), sum);
	str_add(&k->out, sum, KEYED_TAG);
	k->sending.number++;
}

size_t
keyed_put(struct keyed *k, const void *bytes, size_t len)
{
	struct span rest = { bytes, len };

	if (!k->caller && !k->heard)
		return 0;
	while (rest.len > 0) {
		struct span data = span_to(rest, rest.len < KEYED_FRAME ? rest.len : KEYED_FRAME);
		put_frame(k, data);
		rest = span_from(rest, data.len);
	}
	return len;
}

void
keyed_start_with(struct keyed *k, bool caller, struct span secret, const unsigned char nonce[KEYED_NONCE])
{
	*k = (struct keyed){ .caller = caller };
	str_add_span(&k->secret, secret);
	memcpy(k->ours, nonce, KEYED_NONCE);
	if (!caller)
		return;
	say_hello(k);
	make_key(k, "early caller", k->ours, NULL, &k->sending);
}

void
keyed_start(struct keyed *k, bool caller, struct span secret)
{
	unsigned char nonce[KEYED_NONCE];

	random_bytes(nonce, sizeof nonce);
	keyed_start_with(k, caller, secret, nonce);
}

void
keyed_free(struct keyed *k)
{
	if (k->secret.p != NULL)
		OPENSSL_cleanse(k->secret.p, k->secret.size);
	struct str *all[] = { &k->secret, &k->out, &k->in, &k->early, &k->raw };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	OPENSSL_cleanse(k, sizeof *k);
}

/* --- in --- */

static int
no_key(struct err *err, const char *text)
{
	err_set(err, ERR_CONFIG, "%s", text);
	return err_as(err, EX_PROTOCOL, NULL);
}

/* What stands before the hello is passed over, within limits. */
static int
find_hello(struct keyed *k, struct err *err)
{
	static const char uucp[] = "\020Shere";
	const char *at = memmem(str_c(&k->raw), k->raw.len, mark, 4);
	size_t skip = k->raw.len > LONGEST ? k->raw.len - LONGEST : 0;	/* either word may have begun */

	if (at == NULL && memmem(str_c(&k->raw), k->raw.len, uucp, LONGEST) != NULL)
		return no_key(err, "the far end speaks UUCP without key-auth; both ends need it, or none");
	if (at != NULL)
		skip = (size_t)(at - k->raw.p);
	str_cut(&k->raw, skip);
	k->noise += skip;
	return k->noise <= KEYED_NOISE ? 0 : no_key(err, "the far end says much, and no hello of key-auth");
}

/* 1: heard; 0: not whole yet; -1. */
static int
take_hello(struct keyed *k, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];

	if (find_hello(k, err) < 0)
		return -1;
	if (k->raw.len < HELLO || memcmp(k->raw.p, mark, 4) != 0)
		return 0;
	memcpy(k->theirs, k->raw.p + 4, KEYED_NONCE);
	hello_tag(k, !k->caller, k->theirs, sum);
	if (CRYPTO_memcmp(sum, k->raw.p + 4 + KEYED_NONCE, KEYED_TAG) != 0)
		return no_key(err, "the far end has another secret than our key-auth");
	str_cut(&k->raw, HELLO);
	k->heard = true;
	make_keys(k);
	if (!k->caller) {
		make_key(k, "early caller", k->theirs, NULL, &k->hasty);
		say_hello(k);
	}
	put_frame(k, (struct span){ "", 0 });	/* who hears it knows that we have heard him */
	return 1;
}

static bool
authentic(struct keyed_side *side, struct span frame)
{
	unsigned char sum[DIGEST_SIZE];
	struct span body = span_to(frame, frame.len - KEYED_TAG);

	frame_tag(side, body, sum);
	if (CRYPTO_memcmp(sum, body.p + body.len, KEYED_TAG) != 0)
		return false;
	side->number++;
	return true;
}

static int
take_data(struct keyed *k, struct span frame, struct err *err)
{
	struct span data = span_to(span_from(frame, LENGTH), frame.len - LENGTH - KEYED_TAG);

	if (authentic(&k->receiving, frame)) {
		str_add_span(&k->in, str_span(&k->early));	/* it was no recording, then */
		str_free(&k->early);
		k->sure = true;
		str_add_span(&k->in, data);
		return 0;
	}
	if (k->caller || k->sure || !authentic(&k->hasty, frame)) {
		err_set(err, ERR_TEMP, "a frame that is not authentic: it was damaged on its way, or is not of "
		    "the far end");
		return err_as(err, EX_PROTOCOL, NULL);
	}
	if (k->early.len + data.len > KEYED_EARLY)
		return err_set(err, ERR_TEMP, "the caller says more than %d bytes before it hears us", KEYED_EARLY);
	str_add_span(&k->early, data);
	return 0;
}

/* 1: one was taken; 0: none is whole; -1. */
static int
take_frame(struct keyed *k, struct span *rest, struct err *err)
{
	const unsigned char *p = (const unsigned char *)rest->p;

	if (rest->len < LENGTH)
		return 0;
	size_t len = (size_t)p[0] << 8 | p[1];
	if (len > KEYED_FRAME) {
		err_set(err, ERR_TEMP, "a frame of %zu bytes: it was damaged on its way, or is not of the far end", len);
		return err_as(err, EX_PROTOCOL, NULL);
	}
	size_t whole = LENGTH + len + KEYED_TAG;
	if (rest->len < whole)
		return 0;
	if (take_data(k, span_to(*rest, whole), err) < 0)
		return -1;
	*rest = span_from(*rest, whole);
	return 1;
}

int
keyed_feed(struct keyed *k, const void *bytes, size_t len, struct err *err)
{
	int got = 1;

	str_add(&k->raw, bytes, len);
	if (!k->heard)
		got = take_hello(k, err);
	if (got <= 0)
		return got;
	struct span rest = str_span(&k->raw);
	while ((got = take_frame(k, &rest, err)) > 0)
		;
	str_cut(&k->raw, k->raw.len - rest.len);
	return got;
}
