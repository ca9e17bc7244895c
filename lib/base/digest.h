/*
 * digest - SHA-256 as a stream, and random bytes, from OpenSSL.
 */
#ifndef LIB_BASE_DIGEST_H
#define LIB_BASE_DIGEST_H

#include "lib/base/str.h"

enum { DIGEST_SIZE = 32 };

struct digest {
	void *state;		/* an EVP_MD_CTX of ours */
};

void digest_start(struct digest *digest);
void digest_add(struct digest *digest, const void *bytes, size_t len);
void digest_peek(const struct digest *digest, unsigned char out[DIGEST_SIZE]);	/* so far */
void digest_end(struct digest *digest, unsigned char out[DIGEST_SIZE]);	/* and frees */
void digest_free(struct digest *digest);	/* without a result; {0} is fine */

void digest_of(const void *bytes, size_t len, unsigned char out[DIGEST_SIZE]);
void digest_hex(const unsigned char *bytes, size_t len, struct str *out);	/* lower case */

/* MD5 and HMAC-MD5, for APOP and CRAM-MD5 alone: nothing else may rest on them. */
enum { DIGEST_MD5_SIZE = 16 };
void digest_md5(struct span text, unsigned char out[DIGEST_MD5_SIZE]);
void digest_hmac_md5(struct span key, struct span text, unsigned char out[DIGEST_MD5_SIZE]);
/* What some keep instead of the key: the states of both sums behind it, the inner one first. */
void digest_hmac_md5_states(struct span key, unsigned char states[2 * DIGEST_MD5_SIZE]);
void digest_hmac_md5_from(const unsigned char states[2 * DIGEST_MD5_SIZE], struct span text,
    unsigned char out[DIGEST_MD5_SIZE]);
bool digest_same(const void *a, const void *b, size_t len);	/* takes as long whatever they are */

void random_bytes(void *out, size_t len);	/* unguessable; never fails */

#endif
