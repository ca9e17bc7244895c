#include "tests/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void
must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "certs: %s\n", what);
	exit(1);
}

static FILE *
file(const char *prefix, const char *ending, const char *mode)
{
	char path[4096];

	snprintf(path, sizeof path, "%s.%s", prefix, ending);
	FILE *f = fopen(path, mode);
	must(f != NULL, path);
	return f;
}

static EVP_PKEY *
new_key(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
	EVP_PKEY *key = NULL;

	must(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1 &&
	    EVP_PKEY_keygen(ctx, &key) == 1, "key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext != NULL && X509_add_ext(cert, ext, -1) == 1, value);
	X509_EXTENSION_free(ext);
}

static void
name_it(X509 *cert, const char *names)
{
	char copy[1024], list[2048] = "", *save = NULL;
	size_t len = 0;

	snprintf(copy, sizeof copy, "%s", names);
	for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		const char *kind = word[strspn(word, "0123456789.")] == '\0' ? "IP" : strchr(word, '@') ? "email" : "DNS";
		if (len == 0)
			X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
			    (const unsigned char *)word, -1, -1, 0);
		len += (size_t)snprintf(list + len, sizeof list - len, "%s%s:%s", len > 0 ? "," : "", kind, word);
	}
	extend(cert, NID_subject_alt_name, list);
}

static void
sign(X509 *cert, EVP_PKEY *key, const char *ca)
{
	if (ca == NULL) {
		X509_set_issuer_name(cert, X509_get_subject_name(cert));
		must(X509_sign(cert, key, EVP_sha256()) > 0, "sign");
		return;
	}
	FILE *ca_cert = file(ca, "pem", "r"), *ca_key = file(ca, "key", "r");
	X509 *issuer = PEM_read_X509(ca_cert, NULL, NULL, NULL);
	EVP_PKEY *with = PEM_read_PrivateKey(ca_key, NULL, NULL, NULL);
	must(issuer != NULL && with != NULL, ca);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	must(X509_sign(cert, with, EVP_sha256()) > 0, "sign");
	X509_free(issuer);
	EVP_PKEY_free(with);
	fclose(ca_cert);
	fclose(ca_key);
}

void
certs_make(const char *prefix, const char *names, int days, const char *ca)
{
	EVP_PKEY *key = new_key();
	X509 *cert = X509_new();
	unsigned char serial[8];

	must(cert != NULL && RAND_bytes(serial, sizeof serial) == 1, "certificate");
	serial[0] &= 0x7F;
	X509_set_version(cert, 2);
	BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	X509_gmtime_adj(X509_getm_notBefore(cert), days < 0 ? (days - 1) * 86400L : -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), days * 86400L);
	X509_set_pubkey(cert, key);
	extend(cert, NID_basic_constraints, ca == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	name_it(cert, names);
	sign(cert, key, ca);
	FILE *pem = file(prefix, "pem", "w"), *secret = file(prefix, "key", "w");
	fchmod(fileno(secret), 0600);
	must(PEM_write_X509(pem, cert) == 1 && PEM_write_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    fclose(pem) == 0 && fclose(secret) == 0, "write");
	X509_free(cert);
	EVP_PKEY_free(key);
}

void
certs_pin(const char *prefix, bool key, char pin[CERTS_PIN])
{
	unsigned char *der = NULL, digest[32];
	FILE *pem = file(prefix, "pem", "r");
	X509 *cert = PEM_read_X509(pem, NULL, NULL, NULL);

	must(cert != NULL, prefix);
	int len = key ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : i2d_X509(cert, &der);
	must(len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1, "digest");
	size_t at = (size_t)snprintf(pin, CERTS_PIN, "sha256:");
	for (size_t i = 0; i < sizeof digest; i++)
		at += (size_t)snprintf(pin + at, CERTS_PIN - at, "%02x", digest[i]);
	OPENSSL_free(der);
	X509_free(cert);
	fclose(pem);
}
