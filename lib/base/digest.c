#include "lib/base/digest.h"

#define OPENSSL_SUPPRESS_DEPRECATED	/* MD5 from a state in its middle */

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>

static void
must(bool ok)
{
	if (!ok)	/* libcrypto has no memory, or no SHA-256: nothing may be trusted */
		_exit(EX_TEMPFAIL);
}

/* Looked for once: libcrypto would do so each time.  To have one of these at hand that was given
 * back is worth more than half of what a short sum takes. */
static _Atomic(const EVP_MD *) sha256;
static _Atomic(EVP_MD_CTX *) kept;

static EVP_MD_CTX *
get_context(void)
{
	EVP_MD_CTX *ctx = atomic_exchange(&kept, NULL);

	if (ctx == NULL)
		ctx = EVP_MD_CTX_new();
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	must(ctx != NULL && sha256 != NULL);
	return ctx;
}

static void
put_context(EVP_MD_CTX *ctx)
{
	EVP_MD_CTX_free(atomic_exchange(&kept, ctx));
}

void
digest_start(struct digest *digest)
{
	digest_free(digest);
	digest->state = get_context();
	must(EVP_DigestInit_ex(digest->state, sha256, NULL) == 1);
}

void
digest_add(struct digest *digest, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(digest->state, bytes, len) == 1);
}

void
digest_peek(const struct digest *digest, unsigned char out[DIGEST_SIZE])
{
	EVP_MD_CTX *copy = get_context();
	must(EVP_MD_CTX_copy_ex(copy, digest->state) == 1);
	must(EVP_DigestFinal_ex(copy, out, NULL) == 1);
	put_context(copy);
}

void
digest_end(struct digest *digest, unsigned char out[DIGEST_SIZE])
{
	must(EVP_DigestFinal_ex(digest->state, out, NULL) == 1);
	digest_free(digest);
}

void
digest_free(struct digest *digest)
{
	if (digest->state != NULL)
		put_context(digest->state);
	digest->state = NULL;
}

void
digest_of(const void *bytes, size_t len, unsigned char out[DIGEST_SIZE])
{
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, bytes, len);
	digest_end(&digest, out);
}

void
digest_hex(const unsigned char *bytes, size_t len, struct str *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		str_add_char(out, digits[bytes[i] >> 4]);
		str_add_char(out, digits[bytes[i] & 15]);
	}
}

void
random_bytes(void *out, size_t len)
{
	char *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);
		must(got > 0 || errno == EINTR);
		if (got > 0) {
			at += got;
			len -= (size_t)got;
		}
	}
}

void
digest_hmac_md5(struct span key, struct span text, unsigned char out[DIGEST_MD5_SIZE])
{
	unsigned len = 0;

	must(HMAC(EVP_md5(), key.p, (int)key.len, (const unsigned char *)text.p, text.len, out, &len) != NULL &&
	    len == DIGEST_MD5_SIZE);
}

void
digest_md5(struct span text, unsigned char out[DIGEST_MD5_SIZE])
{
	unsigned len = 0;

	must(EVP_Digest(text.p, text.len, out, &len, EVP_md5(), NULL) == 1 && len == DIGEST_MD5_SIZE);
}

static void
put_state(const MD5_CTX *md5, unsigned char out[DIGEST_MD5_SIZE])
{
	const uint32_t words[] = { md5->A, md5->B, md5->C, md5->D };

	for (size_t i = 0; i < DIGEST_MD5_SIZE; i++)
		out[i] = (unsigned char)(words[i / 4] >> (8 * (i % 4)));
}

/* RFC 2104: a block of the key and the pad stands before the text. */
void
digest_hmac_md5_states(struct span key, unsigned char states[2 * DIGEST_MD5_SIZE])
{
	static const unsigned char pads[] = { 0x36, 0x5c };
	unsigned char whole[MD5_CBLOCK] = {0}, block[MD5_CBLOCK];
	MD5_CTX md5;

	if (key.len > sizeof whole)
		digest_md5(key, whole);
	else if (key.len > 0)
		memcpy(whole, key.p, key.len);
	for (size_t side = 0; side < 2; side++) {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = whole[i] ^ pads[side];
		must(MD5_Init(&md5) == 1 && MD5_Update(&md5, block, sizeof block) == 1);
		put_state(&md5, states + side * DIGEST_MD5_SIZE);
	}
	OPENSSL_cleanse(whole, sizeof whole);
	OPENSSL_cleanse(block, sizeof block);
	OPENSSL_cleanse(&md5, sizeof md5);
}

static void
go_on_from(const unsigned char state[DIGEST_MD5_SIZE], struct span text, unsigned char out[DIGEST_MD5_SIZE])
{
	uint32_t words[4] = {0};
	MD5_CTX md5;

	for (size_t i = 0; i < DIGEST_MD5_SIZE; i++)
		words[i / 4] |= (uint32_t)state[i] << (8 * (i % 4));
	must(MD5_Init(&md5) == 1);
	md5.A = words[0];
	md5.B = words[1];
	md5.C = words[2];
	md5.D = words[3];
	md5.Nl = MD5_CBLOCK * 8;	/* bits of that block */
	must(MD5_Update(&md5, text.p, text.len) == 1 && MD5_Final(out, &md5) == 1);
}

void
digest_hmac_md5_from(const unsigned char states[2 * DIGEST_MD5_SIZE], struct span text,
    unsigned char out[DIGEST_MD5_SIZE])
{
	unsigned char inner[DIGEST_MD5_SIZE];

	go_on_from(states, text, inner);
	go_on_from(states + DIGEST_MD5_SIZE, (struct span){ (const char *)inner, sizeof inner }, out);
}

bool
digest_same(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}
