/*
 * E-MailRelay's options, from its configuration file or its command line, its secrets and its
 * spool.  What it did by default and we do otherwise is said, too.
 */
#include "spool/import.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/mail/base64.h"
#include "spool/users.h"

/* What becomes of an option: a key, as it is (value NULL) or as something else; or a reason why
 * there is none.  What is more than a key has a function below. */
struct option {
	const char *name;
	char letter;
	bool arg;
	const char *section, *key, *value, *why;
};

#define NOT_NEEDED "not needed here: "
#define BY_HAND "by hand: "

static const struct option options[] = {
	{ "forward-to", 'o', true, NULL, NULL, NULL, NULL },
	{ "port", 'p', true, NULL, NULL, NULL, NULL },
	{ "interface", 'I', true, NULL, NULL, NULL, NULL },
	{ "spool-dir", 's', true, NULL, NULL, NULL, NULL },
	{ "client-auth", 'C', true, NULL, NULL, NULL, NULL },
	{ "server-auth", 'S', true, NULL, NULL, NULL, NULL },
	{ "pop-auth", 'F', true, NULL, NULL, NULL, NULL },
	{ "pop", 'B', false, NULL, NULL, NULL, NULL },
	{ "pop-port", 'E', true, NULL, NULL, NULL, NULL },
	{ "client-tls", 'j', false, NULL, NULL, NULL, NULL },
	{ "client-tls-connection", 'b', false, NULL, NULL, NULL, NULL },
	{ "client-tls-required", 0, false, NULL, NULL, NULL, NULL },
	{ "client-tls-verify", 0, true, NULL, NULL, NULL, NULL },
	{ "client-tls-certificate", 0, true, NULL, NULL, NULL, NULL },
	{ "server-tls", 'K', false, NULL, NULL, NULL, NULL },
	{ "server-tls-connection", 0, false, NULL, NULL, NULL, NULL },
	{ "server-tls-required", 0, false, NULL, NULL, NULL, NULL },
	{ "as-client", 'q', true, NULL, NULL, NULL, NULL },
	{ "as-proxy", 'y', true, NULL, NULL, NULL, NULL },
	{ "server-tls-certificate", 0, true, "relay main", "tls-cert", NULL, NULL },
	{ "server-tls-verify", 0, true, "relay main", "tls-client-ca", NULL, NULL },
	{ "domain", 'D', true, "spool", "host", NULL, NULL },
	{ "size", 'M', true, "spool", "max-size", NULL, NULL },
	{ "idle-timeout", 0, true, "relay main", "timeout", NULL, NULL },
	{ "log-file", 'N', true, "spool", "log", NULL, NULL },
	{ "syslog", 'k', false, "spool", "log", "syslog", NULL },
	{ "debug", 'g', false, "spool", "log-level", "debug", NULL },
	{ "forward", 'f', false, NULL, NULL, NULL, NOT_NEEDED "what waits is sent as soon as it can be" },
	{ "forward-on-disconnect", '1', false, NULL, NULL, NULL, NOT_NEEDED "what has come is sent at once" },
	{ "poll", 'O', true, NULL, NULL, NULL, NOT_NEEDED "mail goes at once, and again after retry-after" },
	{ "immediate", 'm', false, NULL, NULL, NULL, NOT_NEEDED "what was taken is on disk, and is sent at once" },
	{ "forward-to-some", 0, false, NULL, NULL, NULL, NOT_NEEDED "each recipient has a fate of his own" },
	{ "as-server", 'd', false, NULL, NULL, NULL, NOT_NEEDED "mochila-relay is one" },
	{ "log", 'l', false, NULL, NULL, NULL, NOT_NEEDED "it logs; see log and log-level in [spool]" },
	{ "verbose", 'v', false, NULL, NULL, NULL, NOT_NEEDED "see log-level in [spool]" },
	{ "log-time", 'L', false, NULL, NULL, NULL, NOT_NEEDED "the history has times, always" },
	{ "log-address", 0, false, NULL, NULL, NULL, NOT_NEEDED "clients are always named" },
	{ "log-format", 0, true, NULL, NULL, NULL, NOT_NEEDED "lines are key=value here" },
	{ "close-stderr", 'e', false, NULL, NULL, NULL, NOT_NEEDED "see log in [spool]" },
	{ "no-syslog", 'n', false, NULL, NULL, NULL, NOT_NEEDED "see log in [spool]" },
	{ "no-daemon", 't', false, NULL, NULL, NULL, NOT_NEEDED "mochila-relay stays in the foreground" },
	{ "dont-serve", 'x', false, NULL, NULL, NULL, NOT_NEEDED "without a daemon: mochila bsmtp deliver" },
	{ "no-smtp", 'X', false, NULL, NULL, NULL, BY_HAND "remove listen from [relay main]" },
	{ "pid-file", 'i', true, NULL, NULL, NULL, NOT_NEEDED "systemd, OpenRC and procd know its pid" },
	{ "user", 'u', true, NULL, NULL, NULL, NOT_NEEDED "it is started as the account mochila" },
	{ "localedir", 0, true, NULL, NULL, NULL, NOT_NEEDED "it speaks English" },
	{ "connection-timeout", 'U', true, NULL, NULL, NULL, NOT_NEEDED "RFC 5321's times are used" },
	{ "response-timeout", 'T', true, NULL, NULL, NULL, NOT_NEEDED "RFC 5321's times are used" },
	{ "prompt-timeout", 'w', true, NULL, NULL, NULL, NOT_NEEDED "RFC 5321's times are used" },
	{ "remote-clients", 'r', false, NULL, NULL, NULL,
	    BY_HAND "relay-from in [relay main] names the networks that may send anywhere" },
	{ "anonymous", 'A', false, NULL, NULL, NULL, "there is nothing like it: Received fields tell the truth" },
	{ "filter", 'z', true, NULL, NULL, NULL, BY_HAND "a [filter NAME] in mochila.conf(5), named by filters of [relay main]" },
	{ "client-filter", 'Y', true, NULL, NULL, NULL, BY_HAND "a [filter NAME] in mochila.conf(5), named by filters of its [hop]" },
	{ "filter-timeout", 'W', true, NULL, NULL, NULL, BY_HAND "a [filter NAME] in mochila.conf(5), named by filters of [relay main]" },
	{ "address-verifier", 'Z', true, NULL, NULL, NULL, BY_HAND "verify-recipients in [relay main]" },
	{ "verifier", 0, true, NULL, NULL, NULL, BY_HAND "verify-recipients in [relay main]" },
	{ "dnsbl", 0, true, NULL, NULL, NULL, BY_HAND "lists and lists-refuse in [relay main]" },
	{ "admin", 'a', true, NULL, NULL, NULL, NOT_NEEDED "mochila status, list, retry; no port is open for them" },
	{ "admin-terminate", 'Q', false, NULL, NULL, NULL, NOT_NEEDED "mochila status, list, retry" },
	{ "client-tls-server-name", 0, true, NULL, NULL, NULL, NOT_NEEDED "the host of the route is named" },
	{ "client-tls-verify-name", 0, true, NULL, NULL, NULL, NOT_NEEDED "verified means the host of the route" },
	{ "client-interface", '6', true, NULL, NULL, NULL, "there is nothing like it here" },
	{ "tls-config", '9', true, NULL, NULL, NULL, NOT_NEEDED "TLS 1.2 and 1.3, by OpenSSL's own settings" },
	{ "pop-by-name", 'J', false, NULL, NULL, NULL, NOT_NEEDED "each user has a Maildir: pop3-mailbox" },
	{ "pop-no-delete", 'G', false, NULL, NULL, NULL, "there is nothing like it here" },
	{ "server-auth-config", 0, true, NULL, NULL, NULL, BY_HAND "login-mechanisms in [relay main]" },
	{ "client-auth-config", 0, true, NULL, NULL, NULL, NOT_NEEDED "passwords go over TLS only" },
	{ "server-smtp-config", 0, true, NULL, NULL, NULL, NOT_NEEDED "extensions are announced as they are carried" },
	{ "client-smtp-config", 'c', true, NULL, NULL, NULL, NOT_NEEDED "extensions are used where they are offered" },
};

enum { OPTIONS = sizeof options / sizeof options[0] };

struct emailrelay {
	struct import *im;
	const char *name;			/* of the file, or "option" */
	struct span said[OPTIONS];		/* the values; p NULL: not said */
	size_t line[OPTIONS];
};

/* ---- What was said ---- */

static void
old_of(const struct emailrelay *e, size_t i, struct str *old)
{
	str_clear(old);
	if (e->line[i] > 0)
		str_printf(old, "%s:%zu: ", e->name, e->line[i]);
	str_printf(old, "%s", options[i].name);
	if (options[i].arg)
		str_printf(old, " %.*s", (int)(e->said[i].len > 160 ? 160 : e->said[i].len), e->said[i].p);
}

static size_t
find_option(struct span name, char letter)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (letter != 0 ? options[i].letter == letter : span_is(name, options[i].name))
			return i;
	return OPTIONS;
}

static const char *
said(const struct emailrelay *e, const char *name, struct span *value)
{
	size_t i = find_option(span_of(name), 0);

	*value = i < OPTIONS ? e->said[i] : (struct span){0};
	return value->p;
}

static bool
is_said(const struct emailrelay *e, const char *name)
{
	struct span value;
	return said(e, name, &value) != NULL;
}

static void
unknown(struct emailrelay *e, struct span name, size_t line)
{
	struct str old = {0};

	if (line > 0)
		str_printf(&old, "%s:%zu: ", e->name, line);
	str_printf(&old, "%.*s", (int)(name.len > 60 ? 60 : name.len), name.p);
	import_no(e->im, str_c(&old), memchr(name.p, '-', name.len) != NULL ?
	    "unknown; a second instance (in-port ...) becomes another [relay NAME], by hand" : "unknown");
	str_free(&old);
}

static int
read_config(struct emailrelay *e, const char *path, struct str *text, struct err *err)
{
	int there = import_load(path, text, err);
	size_t number = 0;

	if (there < 0)
		return -1;
	if (there == 0) {
		err_set(err, ERR_CONFIG, "%s: there is no such file", path);
		return err_as(err, EX_NOINPUT, NULL);
	}
	struct span rest = str_span(text), line;
	while (span_cut(&rest, '\n', &line)) {
		number++;
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		line = span_trim(line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		struct span key = span_word(&line);
		size_t i = find_option(key, 0);
		line = span_trim(line);
		if (line.len >= 2 && line.p[0] == '"' && line.p[line.len - 1] == '"')
			line = (struct span){ line.p + 1, line.len - 2 };
		if (i == OPTIONS) {
			unknown(e, key, number);
			continue;
		}
		e->said[i] = options[i].arg ? line : SPAN("yes");
		e->line[i] = number;
	}
	return 0;
}

/* "--port=25", "--port 25", "-p 25", "-tf" */
static int
read_argv(struct emailrelay *e, int argc, char **argv)
{
	for (int n = 0; n < argc; n++) {
		struct span word = span_of(argv[n]), name;
		if (span_begins(word, "--")) {
			word = span_from(word, 2);
			bool joined = span_cut(&word, '=', &name) && word.p != NULL;
			size_t i = find_option(name, 0);
			if (i == OPTIONS) {
				unknown(e, name, 0);
				continue;
			}
			e->said[i] = SPAN("yes");
			if (options[i].arg)
				e->said[i] = joined ? word : span_of(n + 1 < argc ? argv[++n] : "");
			continue;
		}
		for (size_t at = 1; word.p[0] == '-' && at < word.len; at++) {
			size_t i = find_option(word, word.p[at]);
			if (i == OPTIONS) {
				unknown(e, span_to(span_from(word, at), 1), 0);
				continue;
			}
			e->said[i] = SPAN("yes");
			if (options[i].arg) {
				e->said[i] = at + 1 < word.len ? span_from(word, at + 1) :
				    span_of(n + 1 < argc ? argv[++n] : "");
				break;
			}
		}
	}
	return 0;
}

/* ---- Secrets ---- */

/* xtext as E-MailRelay writes it: "+XX" any byte. */
static bool
decode_plain(struct span secret, bool base64, struct str *out)
{
	unsigned char bytes[USERS_PASS_MAX];
	int got;

	str_clear(out);
	if (base64) {
		if (BASE64_BYTES(secret.len) > sizeof bytes || (got = base64_read(secret, bytes)) < 0)
			return false;
		str_add(out, bytes, (size_t)got);
		explicit_bzero(bytes, sizeof bytes);
		return true;
	}
	for (size_t i = 0; i < secret.len; i++) {
		if (secret.p[i] != '+') {
			str_add_char(out, secret.p[i]);
			continue;
		}
		char hex[3] = { i + 1 < secret.len ? secret.p[i + 1] : 0, i + 2 < secret.len ? secret.p[i + 2] : 0, 0 };
		if (!isxdigit((unsigned char)hex[0]) || !isxdigit((unsigned char)hex[1]))
			return false;
		str_add_char(out, (char)strtoul(hex, NULL, 16));
		i += 2;
	}
	return true;
}

static int
add_user(struct emailrelay *e, const char *name, struct span password, const char *old, struct err *err)
{
	struct str secret = {0}, file = {0};
	struct err why = {0};
	int result = 0;

	settings_path(&e->im->door->settings, "users", &file);
	if (!users_name_ok(span_of(name)) || password.len == 0 || password.len > USERS_PASS_MAX)
		import_no(e->im, old, "not a name and a password that can be kept");
	else if (e->im->dry)
		import_note(e->im, old, "a line in ROOT/users");
	else if ((result = users_hash(password, &secret, err)) == 0) {
		if (users_put(str_c(&file), name, str_c(&secret), NULL, USERS_NEW, &why) == 0)
			import_note(e->im, old, "a line in ROOT/users");
		else if (why.kind == ERR_PERM)
			import_no(e->im, old, "a user of that name is there already, and kept");
		else {
			*err = why;
			result = -1;
		}
	}
	if (secret.p != NULL)
		explicit_bzero(secret.p, secret.len);
	str_free(&secret);
	str_free(&file);
	return result;
}

/* "client plain NAME SECRET" or "server plain:b NAME SECRET"; the secret is never shown. */
static int
take_secret(struct emailrelay *e, struct span line, size_t number, const char *side, const char *hop, struct err *err)
{
	struct span who = span_word(&line), type = span_word(&line), name = span_word(&line), secret = span_word(&line);
	struct str user = {0}, password = {0}, old = {0};
	bool b = span_is_case(type, "plain:b");
	int result = 0;

	if (!span_is_case(who, side))
		return 0;
	str_printf(&old, "secrets:%zu: %s %.*s", number, side, (int)(name.len > 60 ? 60 : name.len), name.p);
	if (span_is_case(type, "none")) {
		import_no(e->im, str_c(&old), "trusted without a password: name its network in relay-from of [relay main]");
	} else if (!b && !span_is_case(type, "plain")) {
		import_no(e->im, str_c(&old), "only what the password can be got from is taken (plain, plain:b): mochila user add");
	} else if (!decode_plain(name, b, &user) || !decode_plain(secret, b, &password) ||
	    user.len == 0 || memchr(user.p, '\0', user.len) != NULL) {
		import_no(e->im, str_c(&old), "it cannot be decoded");
	} else if (strcmp(side, "server") == 0) {
		result = add_user(e, str_c(&user), str_span(&password), str_c(&old), err);
	} else if (hop != NULL) {
		result = import_login(e->im, hop, "smarthost", str_span(&user), str_span(&password), str_c(&old), err);
	}
	if (password.p != NULL)
		explicit_bzero(password.p, password.len);
	str_free(&user);
	str_free(&password);
	str_free(&old);
	return result;
}

static int
read_secrets(struct emailrelay *e, const char *option, const char *side, const char *hop, struct err *err)
{
	struct str text = {0}, old = {0};
	struct span value, rest, line;
	size_t number = 0;
	int result = 0;

	if (said(e, option, &value) == NULL)
		return 0;
	char *path = mem_text_n(value.p, value.len);
	old_of(e, find_option(span_of(option), 0), &old);
	if (path[0] != '/') {
		import_no(e->im, str_c(&old), "only a file by its whole path is read");
	} else if ((result = import_load(path, &text, err)) == 0) {
		import_no(e->im, str_c(&old), "there is no such file");
	} else if (result > 0) {
		result = 0;
		rest = str_span(&text);
		while (result == 0 && span_cut(&rest, '\n', &line)) {
			number++;
			line = span_trim(line);
			if (line.len > 0 && line.p[0] != '#')
				result = take_secret(e, line, number, side, hop, err);
		}
	}
	if (text.p != NULL)
		explicit_bzero(text.p, text.len);
	free(path);
	str_free(&text);
	str_free(&old);
	return result;
}

/* ---- What is more than one key ---- */

static int
say(struct emailrelay *e, const char *option, const char *section, const char *key, struct span value, struct err *err)
{
	struct str old = {0};

	old_of(e, find_option(span_of(option), 0), &old);
	int result = import_key(e->im, section, key, value, str_c(&old), err);
	str_free(&old);
	return result;
}

static bool
is_host_port(struct span value)
{
	return span_has_only(value, ".-_:[]") && value.len > 0 && memchr(value.p, ':', value.len) != NULL;
}

/* The smart host: a route for all, and how it is spoken with; its section in hop. */
static int
say_forward(struct emailrelay *e, struct str *hop, struct err *err)
{
	const char *option = is_said(e, "forward-to") ? "forward-to" : is_said(e, "as-proxy") ? "as-proxy" : "as-client";
	const char *tls = is_said(e, "client-tls-verify") ? "verified" : is_said(e, "client-tls-required") ? "required" :
	    is_said(e, "client-tls") || is_said(e, "client-tls-connection") ? "opportunistic" : "off";
	const char *tls_option = is_said(e, "client-tls-verify") ? "client-tls-verify" : is_said(e, "client-tls-required") ?
	    "client-tls-required" : is_said(e, "client-tls") ? "client-tls" : "client-tls-connection";
	struct str route = {0}, old = {0};
	struct span value;
	int result = 0;

	if (said(e, option, &value) == NULL)
		return 0;
	old_of(e, find_option(span_of(option), 0), &old);
	if (!is_host_port(value)) {
		import_no(e->im, str_c(&old), "not HOST:PORT; write the route by hand");
	} else {
		str_printf(&route, "%s:%.*s", is_said(e, "client-tls-connection") ? "smtps" : "smtp", (int)value.len, value.p);
		str_printf(hop, "hop %s", str_c(&route));
		result = import_key(e->im, "routes", "*", str_span(&route), str_c(&old), err);
		if (result == 0 && is_said(e, tls_option))
			result = say(e, tls_option, str_c(hop), "tls", span_of(tls), err);
		if (result == 0 && said(e, "client-tls-verify", &value) != NULL && value.len > 0 && value.p[0] == '/')
			result = say(e, "client-tls-verify", str_c(hop), "tls-ca", value, err);
		if (result == 0 && said(e, "client-tls-certificate", &value) != NULL)
			result = say(e, "client-tls-certificate", str_c(hop), "tls-cert", value, err);
	}
	str_free(&route);
	str_free(&old);
	return result;
}

/* "interface 192.0.2.1,::1" and "port 587" are one list here. */
static int
say_listen(struct emailrelay *e, struct err *err)
{
	struct span interfaces = SPAN("0.0.0.0"), port = SPAN("25"), one;
	const char *tls = is_said(e, "server-tls-connection") ? "tls:" : "";
	struct str listen = {0}, old = {0};
	uint64_t number;
	int result = 0;

	if (is_said(e, "interface"))
		said(e, "interface", &interfaces);
	if (is_said(e, "port"))
		said(e, "port", &port);
	if (!is_said(e, "interface") && !is_said(e, "port") && !is_said(e, "server-tls-connection"))
		return 0;
	const char *option = is_said(e, "port") ? "port" : is_said(e, "interface") ? "interface" : "server-tls-connection";
	old_of(e, find_option(span_of(option), 0), &old);
	if (span_number(port, 65535, &number) < 0)
		interfaces = span_of(NULL);
	while (interfaces.len > 0 && span_cut(&interfaces, ',', &one)) {
		one = span_trim(one);
		bool plain = one.len > 0;
		for (size_t i = 0; i < one.len; i++)
			plain = plain && (isxdigit((unsigned char)one.p[i]) || strchr(".:", one.p[i]) != NULL);
		if (!plain) {
			str_clear(&listen);
			break;
		}
		bool six = memchr(one.p, ':', one.len) != NULL;
		str_printf(&listen, "%s%s%s%.*s%s:%.*s", listen.len > 0 ? " " : "", tls, six ? "[" : "", (int)one.len, one.p,
		    six ? "]" : "", (int)port.len, port.p);
	}
	if (listen.len == 0)
		import_no(e->im, str_c(&old), "only addresses and a port are taken; write listen of [relay main] by hand");
	else
		result = import_key(e->im, "relay main", "listen", str_span(&listen), str_c(&old), err);
	str_free(&listen);
	str_free(&old);
	return result;
}

static int
say_server(struct emailrelay *e, struct err *err)
{
	struct str listen = {0};
	struct span port = SPAN("110");
	int result = 0;

	if (is_said(e, "server-tls-required"))
		result = say(e, "server-tls-required", "relay main", "tls", SPAN("require"), err);
	else if (is_said(e, "server-tls"))
		result = say(e, "server-tls", "relay main", "tls", SPAN("offer"), err);
	if (result == 0 && is_said(e, "server-auth"))
		result = say(e, "server-auth", "relay main", "login-required", SPAN("yes"), err);
	if (result == 0 && is_said(e, "pop")) {
		if (is_said(e, "pop-port"))
			said(e, "pop-port", &port);
		str_printf(&listen, "0.0.0.0:%.*s", (int)port.len, port.p);
		result = say(e, "pop", "relay main", "pop3-listen", str_span(&listen), err);
	}
	str_free(&listen);
	return result;
}

static int
say_plain(struct emailrelay *e, struct err *err)
{
	struct str old = {0};
	int result = 0;

	for (size_t i = 0; i < OPTIONS && result == 0; i++) {
		if (e->said[i].p == NULL || (options[i].why == NULL && options[i].key == NULL))
			continue;
		old_of(e, i, &old);
		if (options[i].why != NULL && span_begins(span_of(options[i].why), NOT_NEEDED))
			import_note(e->im, str_c(&old), options[i].why);
		else if (options[i].why != NULL)
			import_no(e->im, str_c(&old), options[i].why);
		else
			result = import_key(e->im, options[i].section, options[i].key,
			    options[i].value != NULL ? span_of(options[i].value) : e->said[i], str_c(&old), err);
	}
	str_free(&old);
	return result;
}

static int
say_all(struct emailrelay *e, struct err *err)
{
	struct str hop = {0};
	struct span folder;
	int result = say_forward(e, &hop, err);

	if (result == 0)
		result = say_listen(e, err);
	if (result == 0)
		result = say_server(e, err);
	if (result == 0)
		result = say_plain(e, err);
	if (result == 0)
		result = read_secrets(e, "client-auth", "client", hop.len > 0 ? str_c(&hop) : NULL, err);
	if (result == 0)
		result = read_secrets(e, "server-auth", "server", NULL, err);
	if (result == 0 && is_said(e, "pop-auth"))
		result = read_secrets(e, "pop-auth", "server", NULL, err);
	if (said(e, "spool-dir", &folder) != NULL)
		e->im->mail = mem_text_n(folder.p, folder.len);
	str_free(&hop);
	return result;
}

static int
run_emailrelay(struct import *im, int argc, char **argv, struct err *err)
{
	struct emailrelay *e = mem_get(sizeof *e);
	struct str text = {0};
	int result;

	e->im = im;
	e->name = "option";
	if (argc < 1) {
		err_set(err, ERR_CONFIG, "mochila import emailrelay /etc/emailrelay.conf, or -- and its options");
		result = err_as(err, EX_USAGE, NULL);
	} else if (argv[0][0] == '-') {
		result = read_argv(e, argc, argv);
	} else {
		const char *slash = strrchr(argv[0], '/');
		e->name = slash != NULL ? slash + 1 : argv[0];
		result = read_config(e, argv[0], &text, err);
	}
	if (result == 0)
		result = say_all(e, err);
	str_free(&text);
	free(e);
	return result;
}

const struct import_kind import_emailrelay = {
	"emailrelay", "FILE | -- OPTIONS", "options, secrets and spool of E-MailRelay", run_emailrelay
};
