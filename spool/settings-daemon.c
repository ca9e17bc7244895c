/*
 * What mochila.conf says of mail that goes other ways than calls: [relay], [filter], [hop] and [addresses].
 * In mochila-small of --enable-small=core spool/small-settings.c stands in its place.
 */
#include "spool/settings.h"

#include <stdlib.h>
#include <string.h>

#include "spool/route.h"
#include "spool/table.h"

static int
one_of(void *field, const char *words, const char *value)
{
	struct span rest = span_of(words), word;

	while ((word = span_word(&rest)).len > 0)
		if (span_is(word, value))
			return conf_text.set(field, value);
	return -1;
}

static int
hop_tls_set(void *field, const char *value)
{
	return one_of(field, "off opportunistic required verified pinned", value);
}

static int
forward_set(void *field, const char *value)
{
	return one_of(field, "queued disconnect at-once connect", value);
}

static int
down_set(void *field, const char *value)
{
	return one_of(field, "spool refuse", value);
}

static const struct conf_type conf_forward = {
	"queued, disconnect, at-once or connect", forward_set, conf_text_show, conf_text_drop,
};
static const struct conf_type conf_down = { "spool or refuse", down_set, conf_text_show, conf_text_drop };

static const struct conf_type conf_hop_tls = {
	"off, opportunistic, required, verified or pinned", hop_tls_set, conf_text_show, conf_text_drop,
};

#define CONF_OF struct hop_settings
static const struct conf_row hop_rows[] = {
	ROW("tls", hop_tls, tls, "opportunistic", "off, opportunistic, required, verified or pinned"),
	ROW("tls-pins", text, tls_pins, "", "of pinned: sha256: fingerprints of certificates or keys"),
	ROW("tls-ca", text, tls_ca, "", "of verified: CAs (PEM) that are believed; empty: the system's"),
	ROW("tls-cert", text, tls_cert, "", "certificate (PEM) that we show"),
	ROW("tls-key", text, tls_key, "", "its private key; empty: in the same file"),
	ROW("login", text, login, "", "file with the name and password that are told to it, or emailrelay:FILE"),
	ROW("login-selector", text, login_selector, "", "of emailrelay: which of its client lines; empty: one without any"),
	ROW("login-token", text, login_token, "", "exec:COMMAND that prints an OAuth token, instead of a login"),
	ROW("login-name", text, login_name, "", "of login-token: whose it is"),
	ROW("login-in-clear", yesno, login_in_clear, "no", "they are told without TLS, too"),
	ROW("proxy", text, proxy, "", "socks5://HOST:PORT or socks4a://HOST:PORT on the way"),
	ROW("max-messages", number, max_messages, "100", "most messages over one connection; 0: any number"),
	ROW("connections", number, connections, "5", "most connections to it at a time, 1 to 100"),
	ROW("in-flight", number, in_flight, "4", "most messages under way over one connection, 1 to 16"),
	ROW("keep", seconds, keep, "2s", "how long a connection without work waits for more; 0: not at all"),
	ROW("filters", text, filters, "", "names of [filter]s that mail goes through before it is sent there"),
	{0},
};
#undef CONF_OF

static int
spf_set(void *field, const char *value)
{
	return strcmp(value, "no") == 0 || strcmp(value, "note") == 0 || strcmp(value, "refuse") == 0 ?
	    conf_text.set(field, value) : -1;
}

static const struct conf_type conf_spf = { "no, note or refuse", spf_set, conf_text_show, conf_text_drop };

#define CONF_OF struct relay_settings
static const struct conf_row relay_rows[] = {
	ROW("listen", text, listen, "127.0.0.1:2525", "[tls:][lmtp:]HOST:PORT, unix:PATH or systemd:NAME; several apart by blanks"),
	ROW("relay-from", text, relay_from, "127.0.0.0/8 ::1/128", "networks that may send anywhere"),
	ROW("timeout", seconds, timeout, "5m", "for a command, or a reply"),
	ROW("max-connections", number, max_connections, "100", "connections in all"),
	ROW("max-client-connections", number, max_client_connections, "10", "connections of one client"),
	ROW("max-errors", number, max_errors, "20", "errors before a client is sent away"),
	ROW("min-data-rate", bytes, min_data_rate, "50", "bytes a second at which a body must come in"),
	ROW("max-client-rate", number, max_client_rate, "0", "connections of one client in a minute; 0: any"),
	ROW("greeting-delay", seconds, greeting_delay, "0", "before the greeting; who does not wait is sent away"),
	ROW("proxy-from", text, proxy_from, "", "proxies (networks) that say first who is behind them"),
	ROW("xclient-from", text, xclient_from, "", "hosts (networks) that may say XCLIENT"),
	ROW("max-hold", seconds, max_hold, "30d", "how long our clients may have mail kept; 0: not at all"),
	ROW("tls", text, tls, "offer", "off; offer STARTTLS if there is a certificate; require it for mail"),
	ROW("tls-cert", text, tls_cert, "", "certificate with its chain (PEM); several for several names"),
	ROW("tls-key", text, tls_key, "", "their private keys; empty: in the same files"),
	ROW("tls-client-ca", text, tls_client_ca, "", "CAs (PEM) that vouch for clients' certificates"),
	ROW("relay-from-certificates", text, relay_from_certificates, "",
	    "clients that may send anywhere: names, or sha256: fingerprints"),
	ROW("login", text, login, "file:users", "who may log in: file:USERS, pam:SERVICE, dovecot:SOCKET, ..."),
	ROW("login-mechanisms", text, login_mechanisms, "PLAIN LOGIN", "how they may say it: mechanisms of SASL"),
	ROW("login-required", yesno, login_required, "no", "mail is taken only from those who logged in"),
	ROW("login-sender", yesno, login_sender, "no", "whoever logged in sends by his own address only"),
	ROW("login-in-clear", yesno, login_in_clear, "no", "a password may be said without TLS"),
	ROW("report-rate", number, report_rate, "100", "reports of success that a stranger may ask for in an hour; 0: any"),
	ROW("user-rate", number, user_rate, "0", "recipients that a user may send to in an hour; 0: any"),
	ROW("user-max-size", bytes, user_max_size, "0", "largest message of a user; 0: as of everybody"),
	ROW("add-missing", yesno, add_missing, "yes", "give a user's mail the Date, From, Message-ID it lacks"),
	ROW("remove-bcc", yesno, remove_bcc, "no", "take Bcc fields off a user's mail"),
	ROW("trace-user", yesno, trace_user, "no", "name the user in Received"),
	ROW("deny-from", text, deny_from, "", "networks whose mail is not taken, but where a nearer one below says so"),
	ROW("welcome-from", text, welcome_from, "", "networks of which lists, SPF and greylist are not asked"),
	ROW("lists", text, lists, "", "lists of clients in the DNS: ZONE[/ADDRESS,...][:WEIGHT] apart by blanks"),
	ROW("lists-refuse", number, lists_refuse, "1", "sum of weights from which mail is refused"),
	ROW("lists-wait", seconds, lists_wait, "5s", "what did not answer by then counts nothing"),
	ROW("spf", spf, spf, "no", "no; note the result in the header; refuse what fails"),
	ROW("verify-recipients", text, verify_recipients, "", "who knows our recipients: local:, maildir:DIR, file:PATH, "
	    "|PROGRAM, net:HOST:PORT, call:"),
	ROW("verify-senders", text, verify_senders, "", "the same of senders"),
	ROW("greylist", seconds, greylist, "0", "who sends for the first time comes back after this; 0: no greylist"),
	ROW("greylist-keep", seconds, greylist_keep, "36d", "and is known for so long after his last mail"),
	ROW("pop-before-smtp", seconds, pop_before_smtp, "0", "who read mail may send from there for so long; 0: no"),
	ROW("forward", forward, forward, "queued", "when mail goes on: queued, disconnect, at-once or connect"),
	ROW("forward-down", down, forward_down, "spool", "at-once without its next hop: spool, or refuse (451)"),
	ROW("metrics-listen", text, metrics_listen, "", "where Prometheus reads metrics: unix:PATH or HOST:PORT"),
	ROW("admin-listen", text, admin_listen, "", "a socket, unix:PATH, that takes the verbs of mochila(1)"),
	ROW("pop3-listen", text, pop3_listen, "", "where mail is read by POP3: HOST:PORT ..."),
	ROW("pop3-mailbox", text, pop3_mailbox, "mail/%u", "the Maildir of a user; or queue:SITE, what waits for that"),
	ROW("pop3-delete", yesno, pop3_delete, "yes", "what a reader deletes is removed"),
	ROW("pop3-timeout", seconds, pop3_timeout, "10m", "silence after which a reader is cut off"),
	ROW("filters", text, filters, "", "names of [filter]s that mail goes through before it is accepted"),
	ROW("from-filter", yesno, from_filter, "no", "mail that comes in here comes back from a filter"),
	{0},
};
#undef CONF_OF

static int
trouble_set(void *field, const char *value)
{
	return one_of(field, "defer pass", value);
}

static int
found_set(void *field, const char *value)
{
	return one_of(field, "reject hold mark drop", value);
}

static const struct conf_type conf_trouble = { "defer or pass", trouble_set, conf_text_show, conf_text_drop };
static const struct conf_type conf_found = { "reject, hold, mark or drop", found_set, conf_text_show, conf_text_drop };

#define CONF_OF struct filter_settings
static const struct conf_row filter_rows[] = {
	ROW("run", text, run, "", "KIND:REST, as exec:/PROGRAM or milter:HOST:PORT"),
	ROW("timeout", seconds, timeout, "1m", "for one message"),
	ROW("max-size", bytes, max_size, "0", "what is larger does not go through it; 0: all does"),
	ROW("max-cpu", number, max_cpu, "120", "seconds of processor time of its program for one message; 0: any"),
	ROW("max-memory", bytes, max_memory, "4G", "address space of each of its processes; 0: any"),
	ROW("max-written", bytes, max_written, "512M", "largest file that they write; 0: any"),
	ROW("users", text, users, "", "patterns of recipients whose mail goes through it, on the way out; empty: all"),
	ROW("on-trouble", trouble, on_trouble, "defer", "a message whose filter fails: defer or pass"),
	ROW("found", found, found, "reject", "spam, or a virus: reject, hold, mark or drop"),
	{0},
};
#undef CONF_OF

/* A list of tables, or nothing. */
static int
tables_set(void *field, const char *value)
{
	struct err ignored;
	return table_check(value, &ignored) < 0 ? -1 : conf_text.set(field, value);
}

static const struct conf_type conf_tables = {
	"tables apart by commas: file:PATH, cdb:PATH or |/PROGRAM", tables_set, conf_text_show, conf_text_drop,
};

#define CONF_OF struct address_settings
static const struct conf_row address_rows[] = {
	ROW("routes", tables, routes, "", "tables of destinations, asked where only \"*\" of [routes] is left"),
	ROW("aliases", tables, aliases, "", "tables of the addresses that an address stands for"),
	ROW("forward", text, forward, "", "file of a user with the addresses he wants his mail sent to, as mail/%u/forward"),
	ROW("extension", text, extension, "", "letters, as +, behind which a local part is only a remark"),
	ROW("masquerade", tables, masquerade, "", "tables of what our addresses are called in mail that leaves"),
	ROW("unmask", tables, unmask, "", "tables of what they are here, for mail that comes"),
	{0},
};
#undef CONF_OF

static int
fill_relays(struct settings *s, struct err *err)
{
	const char *name;

	for (; (name = conf_name(&s->conf, "relay", s->relays)) != NULL; s->relays++) {
		s->relay = mem_resize(s->relay, s->relays + 1, sizeof *s->relay);
		s->relay[s->relays] = (struct relay_settings){ .name = mem_text(name) };
		if (conf_fill(&s->conf, "relay", name, relay_rows, &s->relay[s->relays], err) < 0) {
			s->relays++;
			return -1;
		}
	}
	if (s->relays == 0) {	/* nothing said: one relay with the presets */
		s->relay = mem_get(sizeof *s->relay);
		s->relay[0].name = mem_text("main");
		s->relays = 1;
		return conf_fill(&s->conf, "relay", "main", relay_rows, &s->relay[0], err);
	}
	return 0;
}

static int
add_hop(struct settings *s, const char *name, struct err *err)
{
	s->hop = mem_resize(s->hop, s->hops + 1, sizeof *s->hop);
	struct hop_settings *hop = &s->hop[s->hops++];
	*hop = (struct hop_settings){ .name = mem_text(name) };
	return conf_fill(&s->conf, "hop", name, hop_rows, hop, err);
}

static int
fill_hops(struct settings *s, struct err *err)
{
	const char *name;

	for (size_t i = 0; (name = conf_name(&s->conf, "hop", i)) != NULL; i++)
		if (add_hop(s, name, err) < 0)
			return -1;
	return add_hop(s, "*", err);
}

static int
fill_filters(struct settings *s, struct err *err)
{
	const char *name;

	for (; (name = conf_name(&s->conf, "filter", s->filters)) != NULL; s->filters++) {
		if (!settings_site_name(name))
			return err_set(err, ERR_CONFIG, "[filter %s]: its name is 1-40 of A-Z a-z 0-9 . _ -", name);
		s->filter = mem_resize(s->filter, s->filters + 1, sizeof *s->filter);
		s->filter[s->filters] = (struct filter_settings){ .name = mem_text(name) };
		if (conf_fill(&s->conf, "filter", name, filter_rows, &s->filter[s->filters], err) < 0) {
			s->filters++;
			return -1;
		}
	}
	return 0;
}

int
settings_fill_daemon(struct settings *s, struct err *err)
{
	return conf_fill(&s->conf, "addresses", "", address_rows, &s->addresses, err) < 0 || fill_relays(s, err) < 0 ||
	    fill_hops(s, err) < 0 ? -1 : fill_filters(s, err);
}

static int
check_chain(const struct settings *s, const char *chain, const char *kind, const char *name, struct err *err)
{
	struct span rest = span_of(chain), word;

	while ((word = span_word(&rest)).len > 0)
		if (settings_filter(s, word) == NULL)
			return err_set(err, ERR_CONFIG, "[%s %s] filters: there is no [filter %.*s]", kind, name,
			    word.len > 40 ? 40 : (int)word.len, word.p);
	return 0;
}

static int
check_filters(const struct settings *s, struct err *err)
{
	int result = 0;

	if (s->spool.max_filters < 1 || s->spool.max_filters > 100)
		return err_set(err, ERR_CONFIG, "spool.max-filters: want 1 to 100");
	for (size_t i = 0; i < s->sites && result == 0; i++)
		result = check_chain(s, s->site[i].filters, "site", s->site[i].name, err);
	for (size_t i = 0; i < s->relays && result == 0; i++)
		result = check_chain(s, s->relay[i].filters, "relay", s->relay[i].name, err);
	for (size_t i = 0; i < s->hops && result == 0; i++)
		result = check_chain(s, s->hop[i].filters, "hop", s->hop[i].name, err);
	return result;
}

/* What is said at AUTH has blanks, ^A and line ends for its own. */
static bool
is_name(const char *text)
{
	size_t len = 0;

	while (text[len] != '\0' && (unsigned char)text[len] > ' ' && text[len] != 0x7f)
		len++;
	return len > 0 && text[len] == '\0';
}

static int
check_hop(const struct hop_settings *hop, struct err *err)
{
	bool emailrelay = strncmp(hop->login, "emailrelay:", strlen("emailrelay:")) == 0;

	if (hop->login_token[0] == '\0' && hop->login_name[0] != '\0')
		return err_set(err, ERR_CONFIG, "[hop %s] login-name: it goes with login-token; a password stands in the "
		    "file of login, behind its name", hop->name);
	if (hop->login_token[0] != '\0' && strncmp(hop->login_token, "exec:/", strlen("exec:/")) != 0)
		return err_set(err, ERR_CONFIG, "[hop %s] login-token: want exec: and a program by its whole path", hop->name);
	if (hop->login_token[0] != '\0' && (!is_name(hop->login_name) || hop->login[0] != '\0'))
		return err_set(err, ERR_CONFIG, "[hop %s] login-token: it wants a login-name, and no login", hop->name);
	if (hop->login_selector[0] != '\0' && !emailrelay)
		return err_set(err, ERR_CONFIG, "[hop %s] login-selector: only login = emailrelay:FILE has lines to "
		    "select from", hop->name);
	return 0;
}

static int
check_hops(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->hops; i++)
		if (check_hop(&s->hop[i], err) < 0)
			return -1;
	return 0;
}

int
settings_check_daemon(const struct settings *s, struct err *err)
{
	return check_filters(s, err) < 0 ? -1 : check_hops(s, err);
}

void
settings_show_daemon(const struct settings *s, struct str *out)
{
	conf_show(&s->conf, "addresses", "", address_rows, &s->addresses, out);
	for (size_t i = 0; i < s->relays; i++)
		conf_show(&s->conf, "relay", s->relay[i].name, relay_rows, &s->relay[i], out);
	for (size_t i = 0; i + 1 < s->hops; i++)
		conf_show(&s->conf, "hop", s->hop[i].name, hop_rows, &s->hop[i], out);
	for (size_t i = 0; i < s->filters; i++)
		conf_show(&s->conf, "filter", s->filter[i].name, filter_rows, &s->filter[i], out);
}

void
settings_free_daemon(struct settings *s)
{
	conf_drop(address_rows, &s->addresses);
	for (size_t i = 0; i < s->relays; i++) {
		conf_drop(relay_rows, &s->relay[i]);
		free(s->relay[i].name);
	}
	free(s->relay);
	for (size_t i = 0; i < s->hops; i++) {
		conf_drop(hop_rows, &s->hop[i]);
		free(s->hop[i].name);
	}
	free(s->hop);
	for (size_t i = 0; i < s->filters; i++) {
		conf_drop(filter_rows, &s->filter[i]);
		free(s->filter[i].name);
	}
	free(s->filter);
}

const struct hop_settings *
settings_hop(const struct settings *settings, const char *kind, const char *rest)
{
	struct str destination = {0};
	size_t i = 0;

	str_printf(&destination, "%s:%s", kind, rest);
	while (i + 1 < settings->hops && !span_glob(str_span(&destination), settings->hop[i].name))
		i++;
	str_free(&destination);
	return &settings->hop[i];
}

bool
settings_filter_means(const struct filter_settings *filter, struct span recipient)
{
	struct span rest = span_of(filter->users), word;
	bool means = filter->users[0] == '\0';

	while (!means && (word = span_word(&rest)).len > 0) {
		char *pattern = mem_text_n(word.p, word.len);
		means = span_glob(recipient, pattern);
		free(pattern);
	}
	return means;
}

const struct filter_settings *
settings_filter(const struct settings *settings, struct span name)
{
	for (size_t i = 0; i < settings->filters; i++)
		if (span_is(name, settings->filter[i].name))
			return &settings->filter[i];
	return NULL;
}

const char *
settings_filters_of(const struct settings *settings, const char *folder)
{
	const struct site_settings *site = settings_site(settings, folder);
	struct str destination = {0};

	if (settings->filters == 0 || strncmp(folder, "filter:", 7) == 0)
		return "";
	if (site != NULL)
		return site->filters;
	route_of_folder(folder, &destination);
	const char *rest = strchr(str_c(&destination), ':');
	char *kind = mem_text_n(destination.p, rest != NULL ? (size_t)(rest - destination.p) : 0);
	const char *filters = rest != NULL ? settings_hop(settings, kind, rest + 1)->filters : "";
	free(kind);
	str_free(&destination);
	return filters;
}

const struct relay_settings *
settings_relay(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->relays; i++)
		if (strcmp(settings->relay[i].name, name) == 0)
			return &settings->relay[i];
	return NULL;
}
