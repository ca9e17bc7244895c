#include "lib/base/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/helper.h"

enum { FILE_BYTES_MAX = 1 << 20 };	/* a system's bundle of CAs is a fifth of it */

static int
check(int fd, bool secret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_CONFIG, "not a regular file");
	if (secret && (st.st_mode & 07) != 0)
		return err_set(err, ERR_CONFIG, "holds a private key and is open to everybody (mode %03o): "
		    "chmod o= it", (unsigned)(st.st_mode & 0777));
	return 0;
}

int
cert_load(const char *path, bool secret, struct str *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == EACCES)
		fd = helper_open(path, HELPER_READ);
	int result = fd < 0 ? err_sys(err, "open") : check(fd, secret, err);

	if (result == 0)
		result = fs_read_all(fd, FILE_BYTES_MAX, out, err);
	if (fd >= 0)
		close(fd);
	if (result == 0)
		return 0;
	err->kind = ERR_CONFIG;
	return err_prefix(err, "%s", path);
}

void
cert_wipe(struct str *pem)
{
	if (pem->p != NULL)
		OPENSSL_cleanse(pem->p, pem->size);
	str_free(pem);
}

static int64_t
time_of(const ASN1_TIME *said)
{
	struct tm tm;

	return ASN1_TIME_to_tm(said, &tm) == 1 ? (int64_t)timegm(&tm) * CLOCK_SECOND : 0;
}

static void
add_name(struct str *names, const ASN1_STRING *name)
{
	if (names->len > 0)
		str_add_char(names, ' ');
	for (int i = 0; i < ASN1_STRING_length(name); i++) {
		unsigned char c = ASN1_STRING_get0_data(name)[i];
		str_add_char(names, c > ' ' && c < 0x7F ? (char)c : '?');
	}
}

static void
add_names(X509 *cert, struct str *names)
{
	GENERAL_NAMES *list = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
		if (name->type == GEN_DNS)
			add_name(names, name->d.dNSName);
	}
	GENERAL_NAMES_free(list);
}

static X509 *
first_of(const struct str *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->p, (int)pem->len);
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

int
cert_facts(const char *path, struct cert_facts *facts, struct err *err)
{
	struct str pem = {0};

	*facts = (struct cert_facts){0};
	if (cert_load(path, false, &pem, err) < 0) {
		cert_wipe(&pem);
		return -1;
	}
	X509 *cert = first_of(&pem);
	cert_wipe(&pem);		/* a key may stand in it too */
	if (cert == NULL)
		return err_set(err, ERR_CONFIG, "%s: no certificate in it (PEM)", path);
	facts->since = time_of(X509_get0_notBefore(cert));
	facts->until = time_of(X509_get0_notAfter(cert));
	add_names(cert, &facts->names);
	X509_free(cert);
	return 0;
}

void
cert_facts_free(struct cert_facts *facts)
{
	str_free(&facts->names);
}
