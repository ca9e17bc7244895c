#include "relay/hop-secrets.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/closed.h"
#include "relay/relay.h"
#include "relay/secretsfile.h"

static void
forget(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* What a client line of E-MailRelay's file says; "=" and "=" that there is to be no login. */
static int
read_emailrelay(const char *path, const char *selector, struct str *name, struct str *password, bool *token,
    struct err *err)
{
	struct str text = {0};
	int result = secretsfile_load(path, &text, err);

	if (result == 0 && secretsfile_client(str_span(&text), span_of(selector), name, password, token) == 0)
		result = err_set(err, ERR_CONFIG, "login emailrelay:%s: it has no client line that can be used%s%s", path,
		    selector[0] != '\0' ? " for " : "", selector);
	closed_forget(&text);
	return result;
}

static int
load_file(struct hop_secrets *secrets, const struct hop_settings *set, struct err *err)
{
	static const char emailrelay[] = "emailrelay:";
	struct str path = {0}, name = {0}, password = {0};
	bool theirs = strncmp(set->login, emailrelay, strlen(emailrelay)) == 0, token = false;

	settings_path(&secrets->setup->settings, set->login + (theirs ? strlen(emailrelay) : 0), &path);
	int result = theirs ? read_emailrelay(str_c(&path), set->login_selector, &name, &password, &token, err) :
	    closed_login(str_c(&path), "login", &name, &password, err);	/* CFG-01 */
	if (result == 0 && name.len > 0) {
		secrets->name = mem_text_n(name.p, name.len);
		secrets->password = mem_text_n(password.p, password.len);
		secrets->login = (struct smtp_login){ secrets->name, secrets->password, set->login_in_clear, token };
	}
	closed_forget(&password);
	str_free(&name);
	str_free(&path);
	return result;
}

static int
load_login(struct hop_secrets *secrets, const struct hop_settings *set, struct err *err)
{
	secrets->by_token = set->login_token[0] != '\0';
	if (secrets->by_token) {
		secrets->name = mem_text(set->login_name);
		secrets->login = (struct smtp_login){ secrets->name, NULL, set->login_in_clear, true };
	}
	return set->login[0] != '\0' ? load_file(secrets, set, err) : 0;
}

static int
show_ours(const struct settings *settings, const struct hop_settings *set, struct tls *tls, struct err *err)
{
	struct str cert = {0}, key = {0};

	if (set->tls_cert[0] == '\0')
		return 0;
	settings_path(settings, set->tls_cert, &cert);
	if (set->tls_key[0] != '\0')
		settings_path(settings, set->tls_key, &key);
	int result = tls_show(tls, str_c(&cert), str_c(&key), err);
	str_free(&cert);
	str_free(&key);
	return result;
}

static int
believe(const struct settings *settings, const struct hop_settings *set, struct tls *tls, struct err *err)
{
	struct str path = {0};

	if (set->tls_ca[0] != '\0')
		settings_path(settings, set->tls_ca, &path);
	int result = tls_believe(tls, str_c(&path), err);
	str_free(&path);
	return result;
}

static int
load_tls(struct hop_secrets *secrets, const struct hop_settings *set, bool implicit, struct err *err)
{
	static const struct { const char *word; enum tls_policy policy; bool must; } policies[] = {
		{ "off", TLS_OPPORTUNISTIC, false }, { "opportunistic", TLS_OPPORTUNISTIC, false },
		{ "required", TLS_REQUIRED, true }, { "verified", TLS_VERIFIED, true }, { "pinned", TLS_PINNED, true },
	};
	const struct settings *settings = &secrets->setup->settings;

	for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
		if (strcmp(set->tls, policies[i].word) != 0)
			continue;
		secrets->policy = policies[i].policy;
		secrets->must = policies[i].must;
	}
	if (strcmp(set->tls, "off") == 0 && !implicit)
		return 0;
	secrets->pins = set->tls_pins;
	if (secrets->policy == TLS_PINNED && (set->tls_pins[0] == '\0' || tls_check_pins(set->tls_pins, err) < 0))
		return set->tls_pins[0] != '\0' ? -1 : err_set(err, ERR_CONFIG, "[hop %s] tls = pinned, and no tls-pins",
		    set->name);
	secrets->tls = tls_new(TLS_CLIENT, err);
	if (secrets->tls == NULL || show_ours(settings, set, secrets->tls, err) < 0)
		return -1;
	return secrets->policy == TLS_VERIFIED ? believe(settings, set, secrets->tls, err) : 0;
}

int
hop_secrets_load(struct hop_secrets *secrets, struct setup *setup, const char *kind, const char *rest,
    struct err *err)
{
	const struct hop_settings *set = settings_hop(&setup->settings, kind, rest);

	if (secrets->setup == setup)
		return 0;
	hop_secrets_free(secrets);
	secrets->setup = setup_hold(setup);
	secrets->max_messages = set->max_messages;
	if (load_tls(secrets, set, strcmp(kind, "smtps") == 0, err) == 0 && load_login(secrets, set, err) == 0)
		return 0;
	hop_secrets_free(secrets);
	if (err->kind == ERR_PERM)
		err->kind = ERR_CONFIG;
	return err_prefix(err, "[hop]");
}

void
hop_secrets_free(struct hop_secrets *secrets)
{
	tls_drop(secrets->tls);
	forget(secrets->name);
	forget(secrets->password);
	setup_drop(secrets->setup);
	*secrets = (struct hop_secrets){0};
}
