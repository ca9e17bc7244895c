/*
 * The exchange of keys: curve25519-sha256 and ed25519 (RFC 4253 7, 8; RFC 8731; RFC 8709).
 *
 * Of what decides how it goes on one thing each is offered, so that our part of the exchange need
 * not wait for what they offer; the cipher matters only behind it.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "uucico-ssh/quick.h"

enum { COOKIE = 16, SIGNATURE = 64, LISTS = 10 };

static const char exchange[] = "curve25519-sha256", host_key[] = "ssh-ed25519", mac[] = "hmac-sha2-256",
    gcm[] = "aes128-gcm@openssh.com", ctr[] = "aes128-ctr",
    our_strict[] = "kex-strict-c-v00@openssh.com", their_strict[] = "kex-strict-s-v00@openssh.com";

/* --- ours --- */

static void
put_list(struct str *out, const char *first, const char *second)
{
	struct str list = {0};

	str_add_text(&list, first);
	if (second != NULL)
		str_printf(&list, ",%s", second);
	quick_put(out, str_span(&list));
	str_free(&list);
}

/* What is no algorithm stands in the first one only. */
static void
put_init(struct str *out, bool first)
{
	unsigned char cookie[COOKIE];

	random_bytes(cookie, sizeof cookie);
	str_clear(out);
	str_add_char(out, SSH_KEXINIT);
	str_add(out, cookie, sizeof cookie);
	put_list(out, exchange, first ? our_strict : NULL);
	put_list(out, host_key, NULL);
	for (int way = 0; way < 2; way++)
		put_list(out, gcm, ctr);
	for (int way = 0; way < 2; way++)
		put_list(out, mac, NULL);
	for (int way = 0; way < 2; way++)
		put_list(out, "none", NULL);
	quick_put(out, SPAN(""));
	quick_put(out, SPAN(""));
	str_add_char(out, 0);
	quick_put_number(out, 0);
}

static EVP_PKEY *
new_secret(unsigned char public[QUICK_KEY])
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, NULL);
	EVP_PKEY *key = NULL;
	size_t len = QUICK_KEY;

	if (context == NULL || EVP_PKEY_keygen_init(context) != 1 || EVP_PKEY_keygen(context, &key) != 1 ||
	    EVP_PKEY_get_raw_public_key(key, public, &len) != 1) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(context);
	return key;
}

static struct span
bytes_of(const unsigned char *bytes, size_t len)
{
	return (struct span){ (const char *)bytes, len };
}

/* Where OpenSSL makes no such key the reply cannot be used, and libssh2 does it. */
void
quick_offer(struct quick *quick)
{
	unsigned char public[QUICK_KEY] = {0};
	struct str payload = {0};

	put_init(&quick->our_init, !quick->has_session);
	quick_packet(quick, str_span(&quick->our_init));
	EVP_PKEY_free(quick->secret);
	quick->secret = new_secret(public);
	str_add_char(&payload, SSH_ECDH_INIT);
	quick_put(&payload, bytes_of(public, sizeof public));
	quick_packet(quick, str_span(&payload));
	str_free(&payload);
	quick->exchanging = true;
}

/* --- theirs --- */

bool
quick_lists(struct span list, const char *name)
{
	struct span one;

	while (span_cut(&list, ',', &one))
		if (span_is(one, name))
			return true;
	return false;
}

static bool
is_first(struct span list, const char *name)
{
	struct span one = {0};

	return span_cut(&list, ',', &one) && span_is(one, name);
}

/* Ours is first: the first of ours that they have, too. */
static bool
agree_way(struct quick_way *way, struct span ciphers, struct span macs)
{
	way->gcm = quick_lists(ciphers, gcm);
	return way->gcm || (quick_lists(ciphers, ctr) && quick_lists(macs, mac));
}

int
quick_offered(struct quick *quick, struct span payload, struct err *err)
{
	struct span rest = span_from(payload, 1 + COOKIE), list[LISTS];

	for (size_t i = 0; i < LISTS; i++)
		if (quick_get(&rest, &list[i]) < 0)
			return quick_broken(quick, err, "a KEXINIT that ends early");
	if (rest.len < 1)
		return quick_broken(quick, err, "a KEXINIT that ends early");
	str_set_span(&quick->their_init, payload);
	if (!quick_lists(list[0], exchange) || !quick_lists(list[1], host_key) ||
	    !agree_way(&quick->next_up, list[2], list[4]) || !agree_way(&quick->next_down, list[3], list[5]) ||
	    !quick_lists(list[6], "none") || !quick_lists(list[7], "none"))
		return quick_otherwise(quick, err, "it has other algorithms");
	if (!quick->has_session)
		quick->strict = quick_lists(list[0], their_strict);
	/* They have guessed, too, and what follows is for nothing when that was wrong. */
	quick->wrong_guess = rest.p[0] != 0 && (!is_first(list[0], exchange) || !is_first(list[1], host_key));
	return 0;
}

/* A number that is not below zero (RFC 4251 5, mpint). */
static void
put_secret(struct str *out, const unsigned char *bytes, size_t len)
{
	while (len > 0 && bytes[0] == 0)
		bytes++, len--;
	bool high = len > 0 && (bytes[0] & 0x80) != 0;
	quick_put_number(out, (uint32_t)(len + high));
	if (high)
		str_add_char(out, 0);
	str_add(out, bytes, len);
}

/* False, too, where it comes out as all zeros: then anybody knows it (RFC 8731 3). */
static bool
derive(EVP_PKEY *secret, struct span theirs, unsigned char shared[QUICK_KEY])
{
	static const unsigned char nothing[QUICK_KEY];

	EVP_PKEY *peer = theirs.len == QUICK_KEY ?
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, (const unsigned char *)theirs.p, theirs.len) : NULL;
	EVP_PKEY_CTX *context = peer != NULL ? EVP_PKEY_CTX_new(secret, NULL) : NULL;
	size_t len = QUICK_KEY;
	bool good = context != NULL && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
	    EVP_PKEY_derive(context, shared, &len) == 1 && len == QUICK_KEY && !digest_same(shared, nothing, QUICK_KEY);

	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(peer);
	return good;
}

static bool
is_signed(struct span public, struct span signature, const unsigned char hash[DIGEST_SIZE])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)public.p, public.len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.len, hash, DIGEST_SIZE) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

/* "ssh-ed25519" and so many bytes: a key, or a signature. */
static bool
typed(struct span blob, size_t len, struct span *bytes)
{
	struct span type;

	return quick_get(&blob, &type) == 0 && span_is(type, host_key) && quick_get(&blob, bytes) == 0 && bytes->len == len &&
	    blob.len == 0;
}

static void
hash_of(const struct quick *quick, struct span key, struct span theirs, struct span secret, unsigned char hash[DIGEST_SIZE])
{
	unsigned char public[QUICK_KEY] = {0};
	size_t len = sizeof public;
	struct str all = {0};

	EVP_PKEY_get_raw_public_key(quick->secret, public, &len);
	quick_put(&all, SPAN("SSH-2.0-mochila"));
	quick_put(&all, str_span(&quick->version));
	quick_put(&all, str_span(&quick->our_init));
	quick_put(&all, str_span(&quick->their_init));
	quick_put(&all, key);
	quick_put(&all, bytes_of(public, sizeof public));
	quick_put(&all, theirs);
	str_add_span(&all, secret);
	digest_of(all.p, all.len, hash);
	OPENSSL_cleanse(all.p, all.len);
	str_free(&all);
}

static void
make_key(const struct quick *quick, struct span secret, const unsigned char hash[DIGEST_SIZE], char letter,
    unsigned char out[DIGEST_SIZE])
{
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, secret.p, secret.len);
	digest_add(&digest, hash, DIGEST_SIZE);
	digest_add(&digest, &letter, 1);
	digest_add(&digest, quick->session, sizeof quick->session);
	digest_end(&digest, out);
}

static int
make_way(const struct quick *quick, struct span secret, const unsigned char hash[DIGEST_SIZE], bool up, struct quick_way *way)
{
	unsigned char iv[DIGEST_SIZE], key[DIGEST_SIZE], sum[DIGEST_SIZE];
	bool gcm_way = way->gcm;

	make_key(quick, secret, hash, up ? 'A' : 'B', iv);
	make_key(quick, secret, hash, up ? 'C' : 'D', key);
	make_key(quick, secret, hash, up ? 'E' : 'F', sum);
	quick_way_free(way);
	int result = quick_key_way(way, gcm_way, up, key, iv, sum);
	OPENSSL_cleanse(iv, sizeof iv);
	OPENSSL_cleanse(key, sizeof key);
	OPENSSL_cleanse(sum, sizeof sum);
	return result;
}

static int
keys(struct quick *quick, struct span key, struct span theirs, const unsigned char *shared, struct span signature,
    struct err *err)
{
	unsigned char hash[DIGEST_SIZE];
	struct span public, proof;
	struct str secret = {0};
	int result = 0;

	put_secret(&secret, shared, QUICK_KEY);
	hash_of(quick, key, theirs, str_span(&secret), hash);
	if (!typed(key, QUICK_KEY, &public) || !typed(signature, SIGNATURE, &proof) || !is_signed(public, proof, hash))
		result = quick_broken(quick, err, "it has not proved its host key");
	if (!quick->has_session)
		memcpy(quick->session, hash, sizeof hash);
	if (result == 0 && (make_way(quick, str_span(&secret), hash, true, &quick->next_up) < 0 ||
	    make_way(quick, str_span(&secret), hash, false, &quick->next_down) < 0))
		result = quick_otherwise(quick, err, "OpenSSL has no such cipher");
	OPENSSL_cleanse(secret.p, secret.len);
	str_free(&secret);
	return result;
}

int
quick_reply(struct quick *quick, struct span payload, struct err *err)
{
	unsigned char shared[QUICK_KEY];
	struct span rest = span_from(payload, 1), key, theirs, signature;

	if (!quick->exchanging || quick->their_init.len == 0 || quick->next_down.cipher != NULL)
		return quick_broken(quick, err, "a reply to nothing");
	if (quick_get(&rest, &key) < 0 || quick_get(&rest, &theirs) < 0 || quick_get(&rest, &signature) < 0)
		return quick_broken(quick, err, "a reply that ends early");
	if (quick->has_session && !span_same(key, str_span(&quick->host_key)))
		return quick_broken(quick, err, "it has another host key now");
	str_set_span(&quick->host_key, key);
	if (quick->secret == NULL)
		return quick_otherwise(quick, err, "OpenSSL makes no key of curve25519");
	if (!derive(quick->secret, theirs, shared))
		return quick_broken(quick, err, "its half of the secret is none");
	int result = keys(quick, key, theirs, shared, signature, err);
	OPENSSL_cleanse(shared, sizeof shared);
	if (result == 0 && !quick->has_session && quick->known(quick->arg, key, err) < 0) {
		quick->end = QUICK_STRANGER;
		result = -1;
	}
	if (result < 0)
		return -1;
	quick->has_session = true;
	quick_packet(quick, (struct span){ (const char []){ SSH_NEWKEYS }, 1 });
	uint32_t number = quick->strict ? 0 : quick->up.number;
	quick_way_free(&quick->up);
	quick->up = quick->next_up;
	quick->up.number = number;
	quick->next_up = (struct quick_way){0};
	quick->exchanging = false;
	return 0;
}

int
quick_new_keys(struct quick *quick, struct err *err)
{
	uint32_t number = quick->strict ? 0 : quick->down.number;

	if (quick->next_down.cipher == NULL)
		return quick_broken(quick, err, "new keys for nothing");
	quick_way_free(&quick->down);
	quick->down = quick->next_down;
	quick->down.number = number;
	quick->next_down = (struct quick_way){0};
	EVP_PKEY_free(quick->secret);
	quick->secret = NULL;
	str_clear(&quick->their_init);
	return 0;
}
