#include "tests/unit/quick-host.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

const unsigned char quick_host_seed[QUICK_KEY] = "the host key of these tests, 32.";

static void
must(bool good)
{
	if (!good)
		abort();
}

void
quick_host_public(const unsigned char *seed, unsigned char out[QUICK_KEY])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, QUICK_KEY);
	size_t len = QUICK_KEY;

	must(key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1);
	EVP_PKEY_free(key);
}

void
quick_host_say(struct quick_host *host, struct span payload)
{
	quick_packet(&host->side, payload);
}

void
quick_host_offer(struct quick_host *host)
{
	const char *cipher = host->ctr ? "aes128-ctr" : "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com";
	struct str exchange = {0};

	str_printf(&exchange, "%s%s", host->exchange, host->strict && !host->has_session ? ",kex-strict-s-v00@openssh.com" : "");
	const char *lists[] = { str_c(&exchange), host->types, cipher, cipher, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", "" };

	str_clear(&host->init);
	str_add_char(&host->init, SSH_KEXINIT);
	for (int i = 0; i < 16; i++)
		str_add_char(&host->init, (char)i);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		quick_put(&host->init, span_of(lists[i]));
	str_add(&host->init, "\0\0\0\0\0", 5);
	str_free(&exchange);
	quick_host_say(host, str_span(&host->init));
}

void
quick_host_start(struct quick_host *host, const char *version)
{
	host->version = version;
	host->exchange = host->exchange != NULL ? host->exchange : "sntrup761x25519-sha512@openssh.com,curve25519-sha256";
	host->types = host->types != NULL ? host->types : "rsa-sha2-512,ssh-ed25519";
	str_printf(&host->side.out, "%s\r\n", version);
	quick_host_offer(host);
}

static void
add_typed(struct str *out, const void *bytes, size_t len)
{
	quick_put(out, SPAN("ssh-ed25519"));
	quick_put(out, (struct span){ bytes, len });
}

static void
add_secret(struct str *out, const unsigned char *bytes)
{
	size_t from = 0;

	while (from < QUICK_KEY && bytes[from] == 0)
		from++;
	bool high = from < QUICK_KEY && bytes[from] >= 0x80;
	quick_put_number(out, (uint32_t)(QUICK_KEY - from + high));
	if (high)
		str_add_char(out, 0);
	str_add(out, bytes + from, QUICK_KEY - from);
}

static void
make(const struct quick_host *host, struct span secret, const unsigned char *hash, char letter, unsigned char out[DIGEST_SIZE])
{
	struct str all = {0};

	str_add_span(&all, secret);
	str_add(&all, hash, DIGEST_SIZE);
	str_add_char(&all, letter);
	str_add(&all, host->session, DIGEST_SIZE);
	digest_of(all.p, all.len, out);
	str_free(&all);
}

static void
make_way(struct quick_host *host, struct span secret, const unsigned char *hash, bool up, struct quick_way *way)
{
	unsigned char iv[DIGEST_SIZE], key[DIGEST_SIZE], sum[DIGEST_SIZE];

	make(host, secret, hash, up ? 'B' : 'A', iv);
	make(host, secret, hash, up ? 'D' : 'C', key);
	make(host, secret, hash, up ? 'F' : 'E', sum);
	must(quick_key_way(way, !host->ctr, up, key, iv, sum) == 0);
}

static void
sign(const struct quick_host *host, const unsigned char *hash, unsigned char out[64])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, quick_host_seed, QUICK_KEY);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t len = 64;

	must(EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 && EVP_DigestSign(context, out, &len, hash, DIGEST_SIZE) == 1);
	out[5] ^= host->lies ? 1 : 0;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
}

/* Their half of the secret; the answer with ours, and new keys both ways. */
static void
answer(struct quick_host *host, struct span theirs)
{
	unsigned char public[QUICK_KEY], shared[QUICK_KEY], hash[DIGEST_SIZE], host_public[QUICK_KEY], proof[64];
	size_t len = QUICK_KEY;
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, (const unsigned char *)theirs.p, theirs.len);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
	struct str key = {0}, secret = {0}, all = {0}, signature = {0}, reply = {0};

	must(peer != NULL && EVP_PKEY_derive_init(context) == 1 && EVP_PKEY_derive_set_peer(context, peer) == 1 &&
	    EVP_PKEY_derive(context, shared, &len) == 1 && EVP_PKEY_get_raw_public_key(own, public, &len) == 1);
	if (host->nothing)
		memset(public, 0, sizeof public);
	quick_host_public(quick_host_seed, host_public);
	add_typed(&key, host_public, sizeof host_public);
	add_secret(&secret, shared);
	quick_put(&all, str_span(&host->heard_version));
	quick_put(&all, span_of(host->version));
	quick_put(&all, str_span(&host->heard_init));
	quick_put(&all, str_span(&host->init));
	quick_put(&all, str_span(&key));
	quick_put(&all, theirs);
	quick_put(&all, (struct span){ (const char *)public, sizeof public });
	str_add_span(&all, str_span(&secret));
	digest_of(all.p, all.len, hash);
	if (!host->has_session)
		memcpy(host->session, hash, sizeof hash);
	host->has_session = true;
	sign(host, hash, proof);
	add_typed(&signature, proof, sizeof proof);
	str_add_char(&reply, SSH_ECDH_REPLY);
	quick_put(&reply, str_span(&key));
	quick_put(&reply, (struct span){ (const char *)public, sizeof public });
	quick_put(&reply, str_span(&signature));
	quick_host_say(host, str_span(&reply));
	quick_host_say(host, (struct span){ (const char []){ SSH_NEWKEYS }, 1 });
	quick_way_free(&host->side.next_up);
	quick_way_free(&host->side.next_down);
	make_way(host, str_span(&secret), hash, true, &host->side.next_up);
	make_way(host, str_span(&secret), hash, false, &host->side.next_down);
	uint32_t number = host->strict ? 0 : host->side.up.number;
	quick_way_free(&host->side.up);
	host->side.up = host->side.next_up;
	host->side.up.number = number;
	host->side.next_up = (struct quick_way){0};
	struct str *mine[] = { &key, &secret, &all, &signature, &reply };
	for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
		str_free(mine[i]);
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
}

static void
new_keys(struct quick_host *host)
{
	uint32_t number = host->strict ? 0 : host->side.down.number;

	must(host->side.next_down.cipher != NULL);
	quick_way_free(&host->side.down);
	host->side.down = host->side.next_down;
	host->side.down.number = number;
	host->side.next_down = (struct quick_way){0};
	host->keyed = true;
}

/* What is signed: the session, and the request up to the signature (RFC 4252 7). */
static void
note_login(struct quick_host *host, struct span payload)
{
	struct span rest = span_from(payload, 1), word, blob, type, public, signature, proof;

	for (int i = 0; i < 3; i++)
		must(quick_get(&rest, &word) == 0);
	must(rest.len > 1 && rest.p[0] == 1);
	rest = span_from(rest, 1);
	must(quick_get(&rest, &word) == 0 && quick_get(&rest, &blob) == 0);
	must(quick_get(&blob, &type) == 0 && quick_get(&blob, &public) == 0);
	str_set_span(&host->signer, public);
	str_clear(&host->signed_text);
	quick_put(&host->signed_text, (struct span){ (const char *)host->session, DIGEST_SIZE });
	str_add_span(&host->signed_text, span_to(payload, payload.len - rest.len));
	must(quick_get(&rest, &signature) == 0 && quick_get(&signature, &type) == 0 && quick_get(&signature, &proof) == 0);
	str_set_span(&host->signature, proof);
}

static void
hear(struct quick_host *host, struct span payload)
{
	struct span rest = span_from(payload, 1), bytes;
	uint32_t number;

	switch ((unsigned char)payload.p[0]) {
	case SSH_KEXINIT: str_set_span(&host->heard_init, payload); return;
	case SSH_ECDH_INIT: must(quick_get(&rest, &bytes) == 0); answer(host, bytes); return;
	case SSH_NEWKEYS: new_keys(host); return;
	case SSH_USERAUTH_REQUEST: note_login(host, payload); break;
	case SSH_CHANNEL_DATA:
		must(quick_get_number(&rest, &number) == 0 && quick_get(&rest, &bytes) == 0);
		str_add_span(&host->data, bytes);
		break;
	default: break;
	}
	str_printf(&host->types_heard, "%u ", (unsigned)(unsigned char)payload.p[0]);
}

void
quick_host_hear(struct quick_host *host, struct str *bytes)
{
	struct str payload = {0};
	struct err err = {0};

	str_add_span(&host->side.in, str_span(bytes));
	str_clear(bytes);
	char *end = host->heard_version.len == 0 && host->side.in.len > 0 ? memchr(host->side.in.p, '\n', host->side.in.len) : NULL;
	if (end != NULL) {
		str_set_span(&host->heard_version, span_to(str_span(&host->side.in), (size_t)(end - host->side.in.p) - 1));
		str_cut(&host->side.in, (size_t)(end - host->side.in.p) + 1);
	}
	while (quick_unpack(&host->side, &payload, &err) > 0)
		hear(host, str_span(&payload));
	must(err.kind == ERR_NONE);
	str_free(&payload);
}

void
quick_host_free(struct quick_host *host)
{
	struct str *all[] = { &host->init, &host->heard_init, &host->heard_version, &host->types_heard, &host->data,
		&host->signed_text, &host->signature, &host->signer };

	quick_free(&host->side);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	*host = (struct quick_host){0};
}
