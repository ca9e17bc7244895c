#include "lib/base/digest.h"

#include <errno.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

static void
must(bool ok)
{
	if (!ok)	/* libcrypto has no memory, or no SHA-256: nothing may be trusted */
		_exit(EX_TEMPFAIL);
}

void
digest_start(struct digest *digest)
{
	digest_free(digest);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	must(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
	digest->state = ctx;
}

void
digest_add(struct digest *digest, const void *bytes, size_t len)
{
	must(EVP_DigestUpdate(digest->state, bytes, len) == 1);
}

void
digest_peek(const struct digest *digest, unsigned char out[DIGEST_SIZE])
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	must(copy != NULL && EVP_MD_CTX_copy_ex(copy, digest->state) == 1);
	must(EVP_DigestFinal_ex(copy, out, NULL) == 1);
	EVP_MD_CTX_free(copy);
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
	EVP_MD_CTX_free(digest->state);
	digest->state = NULL;
}

void
digest_of(const void *bytes, size_t len, unsigned char out[DIGEST_SIZE])
{
	must(EVP_Digest(bytes, len, out, NULL, EVP_sha256(), NULL) == 1);
}

void
digest_hex(const unsigned char *bytes, size_t len, struct str *out)
{
	for (size_t i = 0; i < len; i++)
		str_printf(out, "%02x", bytes[i]);
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
