#include "lib/net/tls-link.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/net/tls-side.h"

struct tls_link {
	struct tls *tls;
	SSL *ssl;
	struct bufferevent *io;
	enum tls_policy policy;
	char *pins;
	bool shaken;
};

/* A BIO that is the two buffers of a bufferevent. */

static int
buffer_read(BIO *bio, char *bytes, int room)
{
	struct bufferevent *io = BIO_get_data(bio);
	int got = evbuffer_remove(bufferevent_get_input(io), bytes, room > 0 ? (size_t)room : 0);

	BIO_clear_retry_flags(bio);
	if (got > 0)
		return got;
	BIO_set_retry_read(bio);
	return -1;
}

static int
buffer_write(BIO *bio, const char *bytes, int len)
{
	BIO_clear_retry_flags(bio);
	if (len > 0)
		bufferevent_write(BIO_get_data(bio), bytes, (size_t)len);
	return len;
}

static long
buffer_ctrl(BIO *bio, int what, long number, void *p)
{
	(void)bio;
	(void)number;
	(void)p;
	return what == BIO_CTRL_FLUSH;
}

/* Made once, and there as long as the process. */
static const BIO_METHOD *
buffer_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "bufferevent");
	tls_need(method != NULL && BIO_meth_set_read(method, buffer_read) == 1 &&
	    BIO_meth_set_write(method, buffer_write) == 1 && BIO_meth_set_ctrl(method, buffer_ctrl) == 1);
	return method;
}

static BIO *
buffer_bio(struct bufferevent *io)
{
	BIO *bio = BIO_new(buffer_method());

	tls_need(bio != NULL);
	BIO_set_data(bio, io);
	BIO_set_init(bio, 1);
	return bio;
}

/* A client's certificate that nobody vouches for is no certificate, and no reason to part. */
static int
never_mind(int ok, X509_STORE_CTX *ctx)
{
	(void)ok;
	(void)ctx;
	return 1;
}

static bool
is_address(const char *name)
{
	return name[strspn(name, "0123456789.")] == '\0' || strchr(name, ':') != NULL;
}

static void
as_client(struct tls_link *link, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(link->ssl);

	SSL_set_connect_state(link->ssl);
	if (name[0] != '\0' && !is_address(name))
		tls_need(SSL_set_tlsext_host_name(link->ssl, name) == 1);
	if (link->policy != TLS_VERIFIED) {
		SSL_set_verify(link->ssl, SSL_VERIFY_NONE, NULL);
		return;
	}
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* One that is no address though it looks so fits nothing. */
	if (!is_address(name) || X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1)
		tls_need(X509_VERIFY_PARAM_set1_host(param, name[0] != '\0' ? name : ".", 0) == 1);
	SSL_set_verify(link->ssl, SSL_VERIFY_PEER, NULL);
}

static void
as_server(struct tls_link *link)
{
	SSL_set_accept_state(link->ssl);
	if (link->tls->asks)
		SSL_set_verify(link->ssl, SSL_VERIFY_PEER, never_mind);
}

struct tls_link *
tls_link_new(struct tls *tls, struct bufferevent *io, enum tls_policy policy, const char *name,
    const char *pins)
{
	struct tls_link *link = mem_get(sizeof *link);

	*link = (struct tls_link){ .tls = tls_hold(tls), .ssl = SSL_new(tls->ctx[0]), .io = io,
	    .policy = policy, .pins = mem_text(pins != NULL ? pins : "") };
	tls_need(link->ssl != NULL);
	BIO *bio = buffer_bio(io);
	SSL_set_bio(link->ssl, bio, bio);
	if (tls->side == TLS_CLIENT)
		as_client(link, name != NULL ? name : "");
	else
		as_server(link);
	return link;
}

void
tls_link_free(struct tls_link *link)
{
	if (link == NULL)
		return;
	SSL_free(link->ssl);
	tls_drop(link->tls);
	free(link->pins);
	free(link);
}

/* A failure is of the connection, so always TEMP: the mail stays. */
static int
broken(const struct tls_link *link, struct err *err)
{
	long verdict = SSL_get_verify_result(link->ssl);

	if (!link->shaken && link->tls->side == TLS_CLIENT && link->policy == TLS_VERIFIED &&
	    verdict != X509_V_OK) {
		ERR_clear_error();
		err_set(err, ERR_TEMP, "TLS: the server's certificate: %s", X509_verify_cert_error_string(verdict));
	} else {
		tls_err(err, ERR_TEMP, "TLS");
	}
	return err_as(err, 0, "4.7.5");
}

static int
check_pins(const struct tls_link *link, struct err *err)
{
	X509 *cert = SSL_get_peer_certificate(link->ssl);
	bool known = tls_cert_is(cert, link->pins, false);

	X509_free(cert);
	if (known)
		return 0;
	err_set(err, ERR_TEMP, "TLS: the server shows another certificate than the one that is pinned");
	return err_as(err, 0, "4.7.5");
}

int
tls_link_shake(struct tls_link *link, struct err *err)
{
	ERR_clear_error();
	int result = SSL_do_handshake(link->ssl);

	if (result != 1 && SSL_get_error(link->ssl, result) == SSL_ERROR_WANT_READ)
		return TLS_GOES_ON;
	if (result != 1)
		return broken(link, err);
	if (link->tls->side == TLS_CLIENT && link->policy == TLS_PINNED && check_pins(link, err) < 0)
		return -1;
	link->shaken = true;
	return 0;
}

int
tls_link_read(struct tls_link *link, void *bytes, size_t room, size_t *got, struct err *err)
{
	ERR_clear_error();
	int result = SSL_read_ex(link->ssl, bytes, room, got);

	if (result == 1)
		return 0;
	switch (SSL_get_error(link->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_GOES_ON;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_PEER_DONE;
	default:
		return broken(link, err);
	}
}

int
tls_link_write(struct tls_link *link, const void *bytes, size_t len, struct err *err)
{
	size_t done;

	if (len == 0)
		return 0;
	ERR_clear_error();
	/* The buffer takes all, so what is not written whole will never be. */
	return SSL_write_ex(link->ssl, bytes, len, &done) == 1 ? 0 : broken(link, err);
}

bool
tls_link_pending(const struct tls_link *link)
{
	return SSL_has_pending(link->ssl) == 1;
}

void
tls_link_goodbye(struct tls_link *link)
{
	ERR_clear_error();
	if (link->shaken)
		SSL_shutdown(link->ssl);
	ERR_clear_error();
}

void
tls_link_about(const struct tls_link *link, struct str *out)
{
	str_printf(out, "%s %s", SSL_get_version(link->ssl), SSL_get_cipher_name(link->ssl));
}

bool
tls_link_knows(const struct tls_link *link, const char *names)
{
	X509 *cert = SSL_get_peer_certificate(link->ssl);
	bool known = tls_cert_is(cert, names, SSL_get_verify_result(link->ssl) == X509_V_OK);

	X509_free(cert);
	return known;
}

/* The first name of this kind. */
static bool
name_of_kind(const GENERAL_NAMES *names, int kind, struct str *name)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_IA5STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != kind || value == NULL || value->length <= 0 ||
		    memchr(value->data, '\0', (size_t)value->length) != NULL)
			continue;
		str_add(name, value->data, (size_t)value->length);
		return true;
	}
	return false;
}

void
tls_link_who(const struct tls_link *link, struct str *name)
{
	X509 *cert = SSL_get_peer_certificate(link->ssl);
	GENERAL_NAMES *names = cert != NULL && SSL_get_verify_result(link->ssl) == X509_V_OK ?
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL) : NULL;

	if (names != NULL && !name_of_kind(names, GEN_EMAIL, name))
		name_of_kind(names, GEN_DNS, name);
	GENERAL_NAMES_free(names);
	X509_free(cert);
}

void
tls_link_binding(const struct tls_link *link, struct str *bytes)
{
	static const char label[] = "EXPORTER-Channel-Binding";
	unsigned char secret[32];

	if (SSL_version(link->ssl) >= TLS1_3_VERSION && SSL_export_keying_material(link->ssl, secret,
	    sizeof secret, label, sizeof label - 1, NULL, 0, 0) == 1)
		str_add(bytes, secret, sizeof secret);
}
