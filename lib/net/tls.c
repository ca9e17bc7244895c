#include "lib/net/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "lib/base/cert.h"
#include "lib/base/digest.h"
#include "lib/net/tls-side.h"

/* Mozilla, "Server Side TLS" 5.7, intermediate. */
static const char ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";
static const char curves[] = "X25519:P-256:P-384";

static const unsigned long options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET;

void
tls_need(bool ok)
{
	if (ok)
		return;
	fputs("out of memory\n", stderr);
	exit(EX_TEMPFAIL);
}

int
tls_err(struct err *err, enum err_kind kind, const char *what)
{
	unsigned long number = ERR_peek_error();
	const char *reason = number != 0 ? ERR_reason_error_string(number) : NULL;

	ERR_clear_error();
	if (reason == NULL)
		reason = "OpenSSL does not say why";
	return err_set(err, kind, "%s: %s", what, reason);
}

/* A name that a caller asks for chooses the certificate that is for it. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const struct tls *tls = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	for (size_t i = 0; name != NULL && i < tls->shows; i++) {
		X509 *cert = SSL_CTX_get0_certificate(tls->ctx[i]);
		if (cert == NULL || X509_check_host(cert, name, 0, 0, NULL) != 1)
			continue;
		SSL_set_SSL_CTX(ssl, tls->ctx[i]);
		break;
	}
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
context(struct tls *tls, struct err *err)
{
	bool server = tls->side == TLS_SERVER;
	SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	tls_need(ctx != NULL);
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);	/* for the many that are idle */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_dh_auto(ctx, 1);
	/* Of the context, not of a connection: that takes it from the one which it changes to. */
	tls_need(SSL_CTX_set1_verify_cert_store(ctx, tls->believed) == 1);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, ciphers) != 1 || SSL_CTX_set1_curves_list(ctx, curves) != 1) {
		tls_err(err, ERR_CONFIG, "OpenSSL lacks what TLS 1.2 needs");
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (server) {
		SSL_CTX_set_num_tickets(ctx, 0);
		SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
		SSL_CTX_set_tlsext_servername_arg(ctx, tls);
	}
	return ctx;
}

struct tls *
tls_new(enum tls_side side, struct err *err)
{
	struct tls *tls = mem_get(sizeof *tls);

	*tls = (struct tls){ .side = side, .holders = 1, .believed = X509_STORE_new() };
	tls_need(tls->believed != NULL);
	tls->ctx = mem_get(sizeof *tls->ctx);
	tls->ctx[0] = context(tls, err);
	if (tls->ctx[0] != NULL)
		return tls;
	tls_drop(tls);
	return NULL;
}

struct tls *
tls_hold(struct tls *tls)
{
	tls->holders++;
	return tls;
}

void
tls_drop(struct tls *tls)
{
	if (tls == NULL || --tls->holders > 0)
		return;
	for (size_t i = 0; i < (tls->shows > 0 ? tls->shows : 1); i++)
		SSL_CTX_free(tls->ctx[i]);
	X509_STORE_free(tls->believed);
	free(tls->ctx);
	free(tls);
}

/* certificates */

enum { NOT_THERE = -2 };

/* There is nobody to type a pass phrase. */
static int
no_pass(char *buf, int size, int writing, void *arg)
{
	(void)writing;
	(void)arg;
	if (size > 0)
		buf[0] = '\0';
	return -1;
}

static int
use_certs(SSL_CTX *ctx, BIO *pem)
{
	X509 *cert = PEM_read_bio_X509_AUX(pem, NULL, no_pass, NULL);
	int ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

	if (cert == NULL)
		return NOT_THERE;
	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(pem, NULL, no_pass, NULL)) != NULL) {
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	/* Whatever ended it: the file has no more. */
	if (ok)
		ERR_clear_error();
	return ok ? 0 : -1;
}

/* One that wants a pass phrase is there, though it cannot be read. */
static int
has_key(SSL_CTX *ctx, BIO *pem)
{
	char *name, *head;
	unsigned char *bytes;
	long len;
	bool found = false;

	(void)ctx;
	while (!found && PEM_read_bio(pem, &name, &head, &bytes, &len) == 1) {
		size_t at = strlen(name);
		found = at >= 11 && strcmp(name + at - 11, "PRIVATE KEY") == 0;
		OPENSSL_free(name);
		OPENSSL_free(head);
		OPENSSL_clear_free(bytes, (size_t)len);
	}
	ERR_clear_error();
	return found ? 0 : NOT_THERE;
}

static int
use_key(SSL_CTX *ctx, BIO *pem)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_pass, NULL);
	int ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(key);
	return ok ? 0 : -1;
}

static int
use(SSL_CTX *ctx, const char *path, bool secret, int (*how)(SSL_CTX *, BIO *), struct err *err)
{
	struct str pem = {0};
	int result = cert_load(path, secret, &pem, err);

	if (result == 0) {
		BIO *bio = BIO_new_mem_buf(pem.p != NULL ? pem.p : "", (int)pem.len);
		tls_need(bio != NULL);
		ERR_clear_error();
		result = how(ctx, bio);
		if (result == NOT_THERE)
			err_set(err, ERR_CONFIG, how == use_certs ? "%s: there is no certificate in it (PEM)" :
			    "%s: there is no private key in it (PEM); tls-key names a file of its own", path);
		else if (result < 0)
			result = tls_err(err, ERR_CONFIG, path);
		BIO_free(bio);
	}
	cert_wipe(&pem);
	return result < 0 ? -1 : 0;
}

int
tls_show(struct tls *tls, const char *cert, const char *key, struct err *err)
{
	if (tls->shows > 0) {
		tls->ctx = mem_resize(tls->ctx, tls->shows + 1, sizeof *tls->ctx);
		tls->ctx[tls->shows] = context(tls, err);
		if (tls->ctx[tls->shows] == NULL)
			return -1;
	}
	SSL_CTX *ctx = tls->ctx[tls->shows++];
	const char *at = key[0] != '\0' ? key : cert;
	/* Before anything is said of who may read it: there may be nothing to hide. */
	return use(ctx, cert, false, use_certs, err) < 0 || use(ctx, at, false, has_key, err) < 0 ? -1 :
	    use(ctx, at, true, use_key, err);
}

int
tls_believe(struct tls *tls, const char *file, struct err *err)
{
	struct str pem = {0};

	tls->asks = true;
	ERR_clear_error();
	if (file[0] == '\0')
		return X509_STORE_set_default_paths(tls->believed) == 1 ? 0 :
		    tls_err(err, ERR_CONFIG, "the system's CAs");
	if (cert_load(file, false, &pem, err) < 0) {
		str_free(&pem);
		return -1;
	}
	BIO *bio = BIO_new_mem_buf(pem.p != NULL ? pem.p : "", (int)pem.len);
	tls_need(bio != NULL);
	size_t count = 0;
	X509 *cert;
	while ((cert = PEM_read_bio_X509(bio, NULL, no_pass, NULL)) != NULL) {
		count += X509_STORE_add_cert(tls->believed, cert) == 1;
		X509_free(cert);
	}
	BIO_free(bio);
	str_free(&pem);
	ERR_clear_error();
	return count > 0 ? 0 : err_set(err, ERR_CONFIG, "%s: no certificate in it (PEM)", file);
}

void
tls_ask(struct tls *tls)
{
	tls->asks = true;
}

/* pins */

/* "sha256:AB:CD..." or "sha256:abcd..." as bytes. */
static int
pin_bytes(struct span word, unsigned char out[DIGEST_SIZE])
{
	size_t digits = 0;

	if (!span_begins_case(word, "sha256:"))
		return -1;
	for (word = span_from(word, 7); word.len > 0; word = span_from(word, 1)) {
		static const char hex[] = "0123456789abcdef";
		const char *at = word.p[0] != '\0' ? strchr(hex, word.p[0] | 0x20) : NULL;
		if (word.p[0] == ':')
			continue;
		if (at == NULL || digits == 2 * DIGEST_SIZE)
			return -1;
		out[digits / 2] = (unsigned char)(digits % 2 == 0 ? (at - hex) << 4 : out[digits / 2] | (at - hex));
		digits++;
	}
	return digits == 2 * DIGEST_SIZE ? 0 : -1;
}

int
tls_check_pins(const char *pins, struct err *err)
{
	unsigned char bytes[DIGEST_SIZE];
	struct span rest = span_of(pins), word;

	while ((word = span_word(&rest)).len > 0)
		if (pin_bytes(word, bytes) < 0)
			return err_set(err, ERR_CONFIG, "%.*s: not a fingerprint, as sha256: and 64 hex digits",
			    (int)(word.len < 100 ? word.len : 100), word.p);
	return 0;
}

static bool
is_der(unsigned char *der, int len, const unsigned char want[DIGEST_SIZE])
{
	unsigned char digest[DIGEST_SIZE];

	tls_need(len > 0);
	digest_of(der, (size_t)len, digest);
	OPENSSL_free(der);
	return memcmp(digest, want, DIGEST_SIZE) == 0;
}

static bool
is_pinned(X509 *cert, const unsigned char want[DIGEST_SIZE])
{
	unsigned char *whole = NULL, *key = NULL;
	int whole_len = i2d_X509(cert, &whole);
	bool same = is_der(whole, whole_len, want);

	if (same)
		return true;
	int key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &key);
	return is_der(key, key_len, want);
}

bool
tls_cert_is(X509 *cert, const char *names, bool verified)
{
	unsigned char pin[DIGEST_SIZE];
	struct span rest = span_of(names), word;

	while (cert != NULL && (word = span_word(&rest)).len > 0) {
		if (pin_bytes(word, pin) == 0 && is_pinned(cert, pin))
			return true;
		if (!verified || span_begins_case(word, "sha256:"))
			continue;
		if (X509_check_host(cert, word.p, word.len, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1 ||
		    X509_check_email(cert, word.p, word.len, 0) == 1)
			return true;
	}
	return false;
}
