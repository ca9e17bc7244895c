#include "relay/secrets.h"

#include <stdlib.h>
#include <string.h>

/* A word of a list of paths, whole; "" at its end. */
static void
next_path(const struct settings *settings, struct span *rest, struct str *path)
{
	struct span word = span_word(rest);

	str_clear(path);
	if (word.len == 0)
		return;
	char *said = mem_text_n(word.p, word.len);
	settings_path(settings, said, path);
	free(said);
}

/* The n-th key is for the n-th certificate; without any, each is in its certificate's file. */
static int
show_all(const struct settings *settings, const struct relay_settings *relay, struct tls *tls, struct err *err)
{
	struct span certs = span_of(relay->tls_cert), keys = span_of(relay->tls_key);
	struct str cert = {0}, key = {0};
	int result = 0;

	next_path(settings, &certs, &cert);
	next_path(settings, &keys, &key);
	bool apart = key.len > 0;
	while (result == 0 && cert.len > 0) {
		if (apart && key.len == 0)
			result = err_set(err, ERR_CONFIG, "tls-key: there is none for %s", str_c(&cert));
		else
			result = tls_show(tls, str_c(&cert), str_c(&key), err);
		next_path(settings, &certs, &cert);
		next_path(settings, &keys, &key);
	}
	if (result == 0 && key.len > 0)
		result = err_set(err, ERR_CONFIG, "tls-key: %s is for no certificate of tls-cert", str_c(&key));
	str_free(&cert);
	str_free(&key);
	return result;
}

static int
believe(const struct settings *settings, const struct relay_settings *relay, struct tls *tls, struct err *err)
{
	struct span rest = span_of(relay->tls_client_ca);
	struct str path = {0};
	int result = 0;

	if (relay->relay_from_certificates[0] != '\0')
		tls_ask(tls);
	for (next_path(settings, &rest, &path); result == 0 && path.len > 0; next_path(settings, &rest, &path))
		result = tls_believe(tls, str_c(&path), err);
	str_free(&path);
	return result;
}

/* A name needs somebody who vouches for it; what looks like a fingerprint must be one. */
static int
check_clients(const struct relay_settings *relay, struct err *err)
{
	struct span rest = span_of(relay->relay_from_certificates), word;

	while ((word = span_word(&rest)).len > 0) {
		char *one = mem_text_n(word.p, word.len);
		bool pin = strchr(one, ':') != NULL;
		int result = pin ? tls_check_pins(one, err) : 0;
		if (!pin && relay->tls_client_ca[0] == '\0')
			result = err_set(err, ERR_CONFIG, "relay-from-certificates: %s is a name, so tls-client-ca is "
			    "needed", one);
		free(one);
		if (result < 0)
			return -1;
	}
	return 0;
}

int
secrets_load(const struct settings *settings, const struct relay_settings *relay, struct tls **tls, struct err *err)
{
	bool off = strcmp(relay->tls, "off") == 0;

	*tls = NULL;
	if (!off && strcmp(relay->tls, "offer") != 0 && strcmp(relay->tls, "require") != 0)
		return err_set(err, ERR_CONFIG, "tls = %s: off, offer or require", relay->tls);
	if (strcmp(relay->tls, "require") == 0 && relay->tls_cert[0] == '\0')
		return err_set(err, ERR_CONFIG, "tls = require needs a certificate, tls-cert");
	if (off || relay->tls_cert[0] == '\0')
		return 0;
	if (check_clients(relay, err) < 0 || (*tls = tls_new(TLS_SERVER, err)) == NULL)
		return -1;
	if (show_all(settings, relay, *tls, err) == 0 && believe(settings, relay, *tls, err) == 0)
		return 0;
	tls_drop(*tls);
	*tls = NULL;
	return -1;
}
