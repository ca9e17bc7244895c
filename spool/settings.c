#include "spool/settings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "spool/hours.h"
#include "spool/recipients.h"
#include "spool/route.h"
#include "spool/table.h"

/* Times that may differ by grade: "5d", "5d A-F:4h z:1d".  They are kept as they were said. */

/* "A:4h" or "A-F:4h": 1 when it is about this grade, 0 when about others, -1. */
static int
time_of_grade(struct span word, char grade, int64_t *seconds)
{
	struct span rest = word, grades;

	span_cut(&rest, ':', &grades);
	bool range = grades.len == 3 && grades.p[1] == '-';
	if ((grades.len != 1 && !range) || !isalnum((unsigned char)grades.p[0]) ||
	    !isalnum((unsigned char)grades.p[grades.len - 1]) || grades.p[0] > grades.p[grades.len - 1])
		return -1;
	char *text = mem_text_n(rest.p, rest.len);
	int64_t said;
	int result = conf_seconds.set(&said, text);
	free(text);
	if (result < 0)
		return -1;
	if (grade < grades.p[0] || grade > grades.p[grades.len - 1])
		return 0;
	*seconds = said;
	return 1;
}

/* What it says of the grade, else of all; -1 when it is no such value. */
static int
time_said(const char *value, char grade, int64_t *seconds)
{
	struct span rest = span_of(value), word = span_word(&rest);
	char *general = mem_text_n(word.p, word.len);
	int result = conf_seconds.set(seconds, general);

	free(general);
	while (result >= 0 && (word = span_word(&rest)).len > 0)
		result = time_of_grade(word, grade, seconds);
	return result < 0 ? -1 : 0;
}

static int
times_set(void *field, const char *value)
{
	int64_t ignored;
	return time_said(value, 0, &ignored) < 0 ? -1 : conf_text.set(field, value);
}

static int
own_times_set(void *field, const char *value)
{
	return value[0] == '\0' ? conf_text.set(field, value) : times_set(field, value);
}

static void
times_show(const void *field, struct str *out)
{
	conf_text.show(field, out);
}

static void
times_drop(void *field)
{
	conf_text.drop(field);
}

#define TIMES "a time, as 90, 15m, 36h or 5d, and then those of grades, as A-F:2h"
static const struct conf_type conf_times = { TIMES, times_set, times_show, times_drop };
static const struct conf_type conf_own_times = { TIMES ", or nothing", own_times_set, times_show, times_drop };

/* An amount of money, whatever it is called; kept in millionths. */

enum { MONEY_PLACES = 6 };

static int
money_set(void *field, const char *value)
{
	return span_decimal(span_of(value), MONEY_PLACES, field);
}

static void
money_show(const void *field, struct str *out)
{
	str_add_decimal(out, *(const uint64_t *)field, MONEY_PLACES);
}

static const struct conf_type conf_money = { "an amount, as 20 or 0.35", money_set, money_show, NULL };

/* Hours and the zone they are of: spool/hours.h. */

static int
hours_set(void *field, const char *value)
{
	return hours_valid(value) ? conf_text.set(field, value) : -1;
}

static int
zone_set(void *field, const char *value)
{
	return hours_zone_known(value) ? conf_text.set(field, value) : -1;
}

static const struct conf_type conf_hours = { "windows, as Mon-Fri 19:00-07:00 grade<=C, Sat-Sun", hours_set,
	times_show, times_drop };
static const struct conf_type conf_zone = { "a time zone that this host knows (Debian's tzdata), as Europe/Berlin",
	zone_set, times_show, times_drop };

static int64_t
wait_for(const char *of_site, const char *of_spool, char grade)
{
	int64_t seconds = 0;

	time_said(of_site != NULL && of_site[0] != '\0' ? of_site : of_spool, grade, &seconds);
	return seconds * CLOCK_SECOND;
}

struct patience
settings_patience(const struct settings *settings, const char *name, char grade)
{
	static const struct site_settings nothing;
	const struct site_settings *found = settings_site(settings, name), *site = found != NULL ? found : &nothing;
	const struct spool_settings *spool = &settings->spool;

	return (struct patience){
		.retry_after = wait_for(site->retry_after, spool->retry_after, grade),
		.retry_max = wait_for(site->retry_max, spool->retry_max, grade),
		.delay_after = wait_for(site->delay_after, spool->delay_after, grade),
		.expire_after = wait_for(site->expire_after, spool->expire_after, grade),
	};
}

#define CONF_OF struct spool_settings
static const struct conf_row spool_rows[] = {
	ROW("site", text, site, "", "our site name (preset: the host name up to its first dot)"),
	ROW("host", text, host, "", "our name in Received, HELO and Message-ID (preset: the host name)"),
	ROW("path", text, path, "spool", "the spool's folder"),
	ROW("keys", text, keys, "keys", "folder of private keys and known_hosts"),
	ROW("log", text, log, "stderr", "stderr, syslog, none or a file"),
	ROW("log-level", text, log_level, "info", "error, warn, info, debug or trace"),
	ROW("log-size", bytes, log_size, "16M", "the history begins a new file at this size; 0: never"),
	ROW("log-keep", number, log_keep, "8", "older files of the history that are kept, 1 to 1000"),
	ROW("max-size", bytes, max_size, "35M", "largest message taken"),
	ROW("max-recipients", number, max_recipients, "1000", "most recipients of a message"),
	ROW("max-hops", number, max_hops, "50", "Received fields of a message that loops"),
	ROW("max-batch-unpacked", bytes, max_batch_unpacked, "2G", "a batch that grows beyond is refused"),
	ROW("rmail", text, rmail, "spool:", "where rmail gives mail to: spool: or sendmail:PROGRAM"),
	ROW("min-free", bytes, min_free, "64M", "stays free on the spool's file system"),
	ROW("quota", bytes, quota, "0", "no mail is taken while more than that waits; 0: none"),
	ROW("mailbox-quota", bytes, mailbox_quota, "0", "a Maildir that holds more takes no mail; 0: none"),
	ROW("retry-after", times, retry_after, "5m", "first pause of a destination that failed"),
	ROW("retry-max", times, retry_max, "4h", "longest pause of a destination that failed"),
	ROW("delay-after", times, delay_after, "4h", "age at which a sender is told of a delay; 0: never"),
	ROW("expire-after", times, expire_after, "5d", "age at which a message is returned; 0: never"),
	ROW("resolver", text, resolver, "", "name servers HOST:PORT for MX records (preset: those of the system)"),
	ROW("max-outgoing", number, max_outgoing, "100", "messages on their way to next hops at a time; 0: any number"),
	ROW("max-filters", number, max_filters, "4", "messages that are filtered at a time, 1 to 100"),
	ROW("sandbox", yesno, sandbox, "yes", "what reads the words of strangers gives away what it never needs"),
	ROW("bounce-from", text, bounce_from, "", "From of our reports (preset: postmaster@HOST)"),
	ROW("bounce-size", bytes, bounce_size, "100K", "a larger original is returned by its header only"),
	ROW("seen-keep", seconds, seen_keep, "90d", "how long the ids of peers are remembered"),
	ROW("history-budget", bytes, history_budget, "256M", "disk for the history of all sites together"),
	ROW("shared", yesno, shared, "no", "several hosts work this spool on a cluster file system"),
	ROW("node", text, node, "", "this host among those that share the spool (preset: the host name)"),
	ROW("lease", seconds, lease, "1m", "a process of a shared spool without a sign of life is dead"),
	{0},
};
#undef CONF_OF

static int
sources_set(void *field, const char *value)
{
	struct err ignored;
	return recipients_check(value, &ignored) < 0 ? -1 : conf_text.set(field, value);
}

static const struct conf_type conf_sources = {
	"sources apart by commas: file:PATH, maildir:DIR or |/PROGRAM", sources_set, times_show, times_drop,
};

#define CONF_OF struct site_settings
static const struct conf_row site_rows[] = {
	ROW("link", text, link, "", "ssh://USER@HOST[:PORT], exec:COMMAND, tcp:HOST[:PORT], or empty: it calls us"),
	ROW("key", text, key, "", "private key for ssh; empty: keys/id_ed25519, or the agent"),
	ROW("passphrase", text, passphrase, "", "of that key: a file, or exec:COMMAND that prints it"),
	ROW("login", text, login, "", "file with the name and password that a tcp: link asks for"),
	ROW("key-auth", text, key_auth, "", "file with a secret: proves both ends and each byte, in the clear"),
	ROW("quick-login", yesno, quick_login, "yes", "ssh links log in in one flight where they can"),
	ROW("jump", text, jump, "", "USER@HOST[:PORT] that an ssh link goes through"),
	ROW("jump-key", text, jump_key, "", "private key for that host; empty: as key"),
	ROW("proxy", text, proxy, "", "for ssh and tcp links: socks5://HOST:PORT or socks4a://HOST:PORT"),
	ROW("proxy-login", text, proxy_login, "", "file with the name and password for it"),
	ROW("known-hosts", text, known_hosts, "", "pinned host keys; empty: keys/known_hosts"),
	ROW("protocols", text, protocols, "mietygGv", "protocols offered and chosen, best first; m: between two mochilas"),
	ROW("codec", text, codec, "gz", "of batches packed for it: none, gz, bz2, zstd, zstd-plain or mix"),
	ROW("level", text, level, "default", "how hard to pack: fast, default, or metered where bytes are dear"),
	ROW("batch-size", bytes, batch_size, "1M", "a batch that has grown this large is closed"),
	ROW("batch-count", number, batch_count, "1000", "most messages in a batch"),
	ROW("batch-age", seconds, batch_age, "0", "what is less than a batch waits this long for more"),
	ROW("format", text, format, "full", "what it reads: full, reduced or rmail"),
	ROW("max-size", bytes, max_size, "0", "largest message it takes; 0: any"),
	ROW("line-length", number, line_length, "0", "longest line it takes; 0: any"),
	ROW("eight-bit", yesno, eight_bit, "yes", "it takes bytes above 127"),
	ROW("history", bytes, history, "4M", "mail sent and received that batches may refer to; 0: none"),
	ROW("confirm-after", seconds, confirm_after, "14d", "no word of a batch with history: it is packed again"),
	ROW("pack", yesno, pack, "yes", "pack what waits for it before a call"),
	ROW("run-jobs", yesno, run_jobs, "yes", "run its jobs after a call"),
	ROW("requests", text, requests, "", "folders whose files it may ask for; empty: none"),
	ROW("receive", text, receive, "", "folders it may send files to; empty: none"),
	ROW("forward-to", text, forward_to, "", "sites to which the output of its commands may go, besides its own"),
	ROW("sequence", yesno, sequence, "no", "number the calls, and take none whose number was there"),
	ROW("commands", text, commands, "rmail rsmtp rgsmtp rbsmtp rcsmtp rzsmtp rrecipients", "what its jobs may run here"),
	ROW("recipients", sources, recipients, "", "where the addresses there are here stand: it is told them"),
	ROW("recipients-domains", text, recipients_domains, "", "in which domains these are all there are"),
	ROW("speaks-for", text, speaks_for, "", "domains, or patterns of them, whose addresses it may tell us"),
	ROW("unpack", text, unpack, "spool:", "where its batches go: spool:, or another sink of bsmtp"),
	ROW("hold-over", bytes, hold_over, "0", "what is larger is only announced by it, until asked for; 0: any"),
	ROW("welcome", text, welcome, "", "senders whose mail comes unasked: patterns, or a file; empty: all"),
	ROW("announce", yesno, announce, "no", "mail a summary of what is held back to its recipients"),
	ROW("robot", text, robot, "", "its summaries of what we hold back tell this address to reply to"),
	ROW("timeout", seconds, timeout, "5m", "silence after which a call is given up"),
	ROW("keepalive", seconds, keepalive, "1m", "in protocol m, an idle call says something so often; 0: never"),
	ROW("half-duplex", seconds, half_duplex, "0", "one end speaks at a time, for so long at most; 0: both; alike there"),
	ROW("alternates", text, alternates, "", "names of [way]s, tried in this order when link does not connect"),
	ROW("call-window", hours, call_window, "", "when it is called, as Mon-Fri 19:00-07:00 grade<=C, Sat-Sun"),
	ROW("time-zone", zone, time_zone, "", "of its windows; empty: the host's"),
	ROW("call-bytes", bytes, call_bytes, "0", "most bytes of one call, both ways; 0: any"),
	ROW("call-time", seconds, call_time, "0", "a call is ended in good order after so long; 0: never"),
	ROW("call-largest", bytes, call_largest, "0", "largest message that a call moves, others wait; 0: any"),
	ROW("month-bytes", bytes, month_bytes, "0", "most bytes of all calls in a month; 0: any"),
	ROW("month-time", seconds, month_time, "0", "longest time of all calls in a month; 0: any"),
	ROW("month-money", money, month_money, "0", "what all calls of a month may cost; 0: anything"),
	ROW("user-month-bytes", bytes, user_month_bytes, "0", "mail of one user that goes in a month; 0: any"),
	ROW("user-month-time", seconds, user_month_time, "0", "their share of the time of all calls; 0: any"),
	ROW("user-month-money", money, user_month_money, "0", "and of what they cost; 0: anything"),
	ROW("user-largest", bytes, user_largest, "0", "largest message of a user that goes; 0: any"),
	ROW("money-per-megabyte", money, money_per_megabyte, "0", "of 1,000,000 bytes, both ways"),
	ROW("money-per-minute", money, money_per_minute, "0", "of a call"),
	ROW("quota", bytes, quota, "0", "no mail is taken while more than that waits for it; 0: none"),
	ROW("filters", text, filters, "", "names of [filter]s that mail for it goes through"),
	ROW("retry-after", own_times, retry_after, "", "as in [spool]; empty: what it says"),
	ROW("retry-max", own_times, retry_max, "", "as in [spool]; empty: what it says"),
	ROW("delay-after", own_times, delay_after, "0", "as in [spool]; waiting for a call is no delay"),
	ROW("expire-after", own_times, expire_after, "30d", "as in [spool]"),
	{0},
};
#undef CONF_OF

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
	"queued, disconnect, at-once or connect", forward_set, times_show, times_drop,
};
static const struct conf_type conf_down = { "spool or refuse", down_set, times_show, times_drop };

static const struct conf_type conf_hop_tls = {
	"off, opportunistic, required, verified or pinned", hop_tls_set, times_show, times_drop,
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

static const struct conf_type conf_spf = { "no, note or refuse", spf_set, times_show, times_drop };

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

static const struct conf_type conf_trouble = { "defer or pass", trouble_set, times_show, times_drop };
static const struct conf_type conf_found = { "reject, hold, mark or drop", found_set, times_show, times_drop };

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

#define CONF_OF struct way_settings
static const struct conf_row way_rows[] = {
	ROW("link", text, link, "", "as of a site"),
	ROW("call-window", hours, call_window, "", "when it is used"),
	ROW("call-largest", bytes, call_largest, "0", "largest message that goes this way; 0: as the site says"),
	ROW("money-per-megabyte", money, money_per_megabyte, "0", "of 1,000,000 bytes, both ways"),
	ROW("money-per-minute", money, money_per_minute, "0", "of a call"),
	{0},
};
#undef CONF_OF

#define CONF_OF struct link_settings
static const struct conf_row link_rows[] = {
	ROW("destinations", text, destinations, "*", "due when it comes up: sites, smtp:HOST:PORT, patterns"),
	ROW("call", yesno, call, "no", "call those of them that are sites with a link, too"),
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
	"tables apart by commas: file:PATH, cdb:PATH or |/PROGRAM", tables_set, times_show, times_drop,
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

bool
settings_site_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > 40 || name[0] == '.' || name[0] == '-')
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static int
find_root(struct settings *settings, const struct settings_args *args, struct err *err)
{
	const char *said = args->root != NULL ? args->root : getenv("MOCHILA_ROOT");
	char *absolute;

	if (said == NULL || said[0] == '\0') {
		settings->root = mem_text(LOCALSTATEDIR "/lib/mochila");
		return 0;
	}
	absolute = realpath(said, NULL);
	if (absolute == NULL && errno != ENOENT)
		return err_sys(err, "--root %s", said);
	if (absolute == NULL && said[0] != '/') {
		char here[PATH_MAX];
		if (getcwd(here, sizeof here) == NULL)
			return err_sys(err, "--root %s", said);
		struct str path = {0};
		str_printf(&path, "%s/%s", here, said);
		absolute = mem_text(str_c(&path));
		str_free(&path);
	} else if (absolute == NULL) {
		absolute = mem_text(said);
	}
	size_t len = strlen(absolute);
	while (len > 1 && absolute[len - 1] == '/')
		absolute[--len] = '\0';
	settings->root = absolute;
	return 0;
}

/* Which file it is, whether it is there or not. */
static void
find_file(struct settings *settings, const struct settings_args *args)
{
	static const char of_system[] = SYSCONFDIR "/mochila/mochila.conf";
	const char *said = args->config != NULL ? args->config : getenv("MOCHILA_CONFIG");
	struct str path = {0};

	if (said != NULL && said[0] != '\0') {
		settings->file = mem_text(said);
		return;
	}
	str_printf(&path, "%s/mochila.conf", settings->root);
	/* To name the system's own root changes nothing: the lines of authorized_keys do. */
	bool own = strcmp(settings->root, LOCALSTATEDIR "/lib/mochila") != 0 &&
	    (args->root != NULL || getenv("MOCHILA_ROOT") != NULL);
	bool of_root = access(str_c(&path), F_OK) == 0 || own || access(of_system, F_OK) != 0;
	settings->file = mem_text(of_root ? str_c(&path) : of_system);
	str_free(&path);
}

static int
read_file(struct settings *settings, const struct settings_args *args, struct err *err)
{
	const char *said = args->config != NULL ? args->config : getenv("MOCHILA_CONFIG");

	find_file(settings, args);
	/* Only a file that was asked for must be there. */
	if ((said == NULL || said[0] == '\0') && faccessat(AT_FDCWD, settings->file, F_OK, AT_EACCESS) != 0)
		return 0;
	return conf_read(&settings->conf, settings->file, err);
}

static int
read_overrides(struct settings *settings, const struct settings_args *args, struct err *err)
{
	const char *environment = getenv("MOCHILA_SET");
	struct span rest = span_of(environment), line;

	while (span_cut(&rest, '\n', &line)) {
		if (span_trim(line).len == 0)
			continue;
		char *text = mem_text_n(line.p, line.len);
		int result = conf_say_text(&settings->conf, text, "MOCHILA_SET", err);
		free(text);
		if (result < 0)
			return -1;
	}
	for (size_t i = 0; i < args->set.count; i++)
		if (conf_say_text(&settings->conf, args->set.text[i], "--set", err) < 0)
			return -1;
	if (args->log != NULL)
		conf_say(&settings->conf, "spool", "", "log", args->log, "--log");
	if (args->log_level != NULL)
		conf_say(&settings->conf, "spool", "", "log-level", args->log_level, "--log-level");
	return 0;
}

enum { NODE_MAX = 40 };
static const char node_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

/* It becomes part of names in the spool. */
static void
preset_node(struct spool_settings *spool, const char *host)
{
	char *node = mem_text_n(host, strlen(host) < NODE_MAX ? strlen(host) : NODE_MAX);

	for (char *c = node; *(c += strspn(c, node_letters)) != '\0';)
		*c = '_';
	conf_text.set(&spool->node, node);
	free(node);
}

static void
preset_names(struct spool_settings *spool)
{
	char host[256] = "localhost";

	if (gethostname(host, sizeof host - 1) < 0 || host[0] == '\0')
		snprintf(host, sizeof host, "localhost");
	if (spool->host[0] == '\0')
		conf_text.set(&spool->host, host);
	if (spool->node[0] == '\0')
		preset_node(spool, host);
	if (spool->site[0] == '\0') {
		host[strcspn(host, ".")] = '\0';
		conf_text.set(&spool->site, host);
	}
}

static int
fill_sites(struct settings *s, struct err *err)
{
	const char *name;

	for (; (name = conf_name(&s->conf, "site", s->sites)) != NULL; s->sites++) {
		if (!settings_site_name(name))
			return err_set(err, ERR_CONFIG, "[site %s]: a site's name is 1-40 of A-Z a-z 0-9 . _ -",
			    name);
		s->site = mem_resize(s->site, s->sites + 1, sizeof *s->site);
		s->site[s->sites] = (struct site_settings){ .name = mem_text(name) };
		if (conf_fill(&s->conf, "site", name, site_rows, &s->site[s->sites], err) < 0) {
			s->sites++;
			return -1;
		}
	}
	return 0;
}

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
fill_links(struct settings *s, struct err *err)
{
	const char *name;

	for (; (name = conf_name(&s->conf, "link", s->links)) != NULL; s->links++) {
		s->link = mem_resize(s->link, s->links + 1, sizeof *s->link);
		s->link[s->links] = (struct link_settings){ .name = mem_text(name) };
		if (conf_fill(&s->conf, "link", name, link_rows, &s->link[s->links], err) < 0) {
			s->links++;
			return -1;
		}
	}
	return 0;
}

static int
fill_ways(struct settings *s, struct err *err)
{
	const char *name;

	for (; (name = conf_name(&s->conf, "way", s->ways)) != NULL; s->ways++) {
		if (!settings_site_name(name))
			return err_set(err, ERR_CONFIG, "[way %s]: a way's name is 1-40 of A-Z a-z 0-9 . _ -", name);
		s->way = mem_resize(s->way, s->ways + 1, sizeof *s->way);
		s->way[s->ways] = (struct way_settings){ .name = mem_text(name) };
		if (conf_fill(&s->conf, "way", name, way_rows, &s->way[s->ways], err) < 0) {
			s->ways++;
			return -1;
		}
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

static struct route *
route_said(const struct settings *s, const char *pattern)
{
	for (size_t i = 0; i < s->routes; i++)
		if (strcmp(s->route[i].pattern, pattern) == 0)
			return &s->route[i];
	return NULL;
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

static void
fill_routes(struct settings *s)
{
	for (size_t i = 0; i < s->conf.words; i++) {
		const struct conf_word *word = &s->conf.word[i];
		if (strcmp(word->kind, "routes") != 0)
			continue;
		struct route *said = route_said(s, word->key);
		if (said != NULL) {	/* said again, by --set: the later word counts */
			conf_text.set(&said->destination, word->value);
			continue;
		}
		s->route = mem_resize(s->route, s->routes + 1, sizeof *s->route);
		s->route[s->routes++] = (struct route){ mem_text(word->key), mem_text(word->value) };
	}
}

static void
fill_classes(struct settings *s)
{
	for (size_t i = 0; i < s->conf.words; i++) {
		const struct conf_word *word = &s->conf.word[i];
		if (strcmp(word->kind, "classes") != 0)
			continue;
		s->class_rule = mem_resize(s->class_rule, s->class_rules + 1, sizeof *s->class_rule);
		s->class_rule[s->class_rules++] = (struct class_rule){ mem_text(word->key), mem_text(word->value) };
	}
}

static int
check_classes(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->class_rules; i++)
		if (!settings_site_name(s->class_rule[i].class))
			return err_set(err, ERR_CONFIG, "[classes] %.100s = %.100s: a class is 1-40 of A-Z a-z 0-9 . _ -",
			    s->class_rule[i].pattern, s->class_rule[i].class);
	return 0;
}

static int
check_routes(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->routes; i++)
		if (route_check(s->route[i].pattern, s->route[i].destination, err) < 0)
			return -1;
	return 0;
}

static int
check_ways(const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->sites; i++) {
		struct span rest = span_of(s->site[i].alternates), word;
		while ((word = span_word(&rest)).len > 0) {
			const struct way_settings *way = settings_way(s, word);
			if (way == NULL)
				return err_set(err, ERR_CONFIG, "[site %s] alternates: there is no [way %.*s]", s->site[i].name,
				    word.len > 40 ? 40 : (int)word.len, word.p);
			if (way->link[0] == '\0')
				return err_set(err, ERR_CONFIG, "[way %s] has no link", way->name);
		}
		if (s->site[i].alternates[0] != '\0' && s->site[i].link[0] == '\0')
			return err_set(err, ERR_CONFIG, "[site %s] has alternates and no link: the first way is its link",
			    s->site[i].name);
	}
	return 0;
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

static int
check_values(const struct settings *s, struct err *err)
{
	enum log_level level;

	if (!settings_site_name(s->spool.site))
		return err_set(err, ERR_CONFIG, "spool.site = %s: a site's name is 1-40 of A-Z a-z 0-9 . _ -",
		    s->spool.site);
	if (s->spool.node[0] == '\0' || strlen(s->spool.node) > NODE_MAX ||
	    strspn(s->spool.node, node_letters) != strlen(s->spool.node))
		return err_set(err, ERR_CONFIG, "spool.node = %s: want 1-%d of A-Z a-z 0-9 _ -", s->spool.node, NODE_MAX);
	if (s->spool.lease < 1)
		return err_set(err, ERR_CONFIG, "spool.lease = 0: want a second at least; a minute is right");
	if (log_level_of(s->spool.log_level, &level) < 0)
		return err_set(err, ERR_CONFIG, "spool.log-level = %s: not error, warn, info, debug or trace",
		    s->spool.log_level);
	return check_routes(s, err) < 0 || check_ways(s, err) < 0 || check_filters(s, err) < 0 || check_hops(s, err) < 0 ? -1 :
	    check_classes(s, err);
}

int
settings_load(struct settings *settings, const struct settings_args *args, struct err *err)
{
	static const char *const kinds[] = { "spool", "addresses", "filter", "hop", "site", "relay", "link", "way", "routes", "classes", NULL };

	*settings = (struct settings){0};
	if (find_root(settings, args, err) < 0 ||
	    read_file(settings, args, err) < 0 ||
	    read_overrides(settings, args, err) < 0 ||
	    conf_kinds(&settings->conf, kinds, err) < 0 ||
	    conf_fill(&settings->conf, "spool", "", spool_rows, &settings->spool, err) < 0 ||
	    conf_fill(&settings->conf, "addresses", "", address_rows, &settings->addresses, err) < 0)
		return -1;
	settings->tables = mem_get(sizeof *settings->tables);
	settings->tables->root = settings->root;
	preset_names(&settings->spool);
	if (fill_sites(settings, err) < 0 || fill_relays(settings, err) < 0 ||
	    fill_links(settings, err) < 0 || fill_ways(settings, err) < 0 ||
	    fill_hops(settings, err) < 0 || fill_filters(settings, err) < 0)
		return -1;
	fill_routes(settings);
	fill_classes(settings);
	return check_values(settings, err);
}

void
settings_show(const struct settings *s, struct str *out)
{
	str_printf(out, "# root: %s\n# file: %s\n", s->root, s->file);
	conf_show(&s->conf, "spool", "", spool_rows, &s->spool, out);
	conf_show(&s->conf, "addresses", "", address_rows, &s->addresses, out);
	for (size_t i = 0; i < s->sites; i++)
		conf_show(&s->conf, "site", s->site[i].name, site_rows, &s->site[i], out);
	for (size_t i = 0; i < s->relays; i++)
		conf_show(&s->conf, "relay", s->relay[i].name, relay_rows, &s->relay[i], out);
	for (size_t i = 0; i < s->links; i++)
		conf_show(&s->conf, "link", s->link[i].name, link_rows, &s->link[i], out);
	for (size_t i = 0; i < s->ways; i++)
		conf_show(&s->conf, "way", s->way[i].name, way_rows, &s->way[i], out);
	for (size_t i = 0; i + 1 < s->hops; i++)
		conf_show(&s->conf, "hop", s->hop[i].name, hop_rows, &s->hop[i], out);
	for (size_t i = 0; i < s->filters; i++)
		conf_show(&s->conf, "filter", s->filter[i].name, filter_rows, &s->filter[i], out);
	str_add_text(out, "[routes]\n");
	for (size_t i = 0; i < s->routes; i++)
		str_printf(out, "%s = %s\n", s->route[i].pattern, s->route[i].destination);
	str_add_text(out, "[classes]\n");
	for (size_t i = 0; i < s->class_rules; i++)
		str_printf(out, "%s = %s\n", s->class_rule[i].pattern, s->class_rule[i].class);
}

void
settings_free(struct settings *s)
{
	conf_free(&s->conf);
	free(s->root);
	free(s->file);
	conf_drop(spool_rows, &s->spool);
	conf_drop(address_rows, &s->addresses);
	if (s->tables != NULL)
		tables_close(s->tables);
	free(s->tables);
	for (size_t i = 0; i < s->sites; i++) {
		conf_drop(site_rows, &s->site[i]);
		free(s->site[i].name);
	}
	for (size_t i = 0; i < s->relays; i++) {
		conf_drop(relay_rows, &s->relay[i]);
		free(s->relay[i].name);
	}
	for (size_t i = 0; i < s->links; i++) {
		conf_drop(link_rows, &s->link[i]);
		free(s->link[i].name);
	}
	for (size_t i = 0; i < s->routes; i++) {
		free(s->route[i].pattern);
		free(s->route[i].destination);
	}
	for (size_t i = 0; i < s->ways; i++) {
		conf_drop(way_rows, &s->way[i]);
		free(s->way[i].name);
	}
	free(s->site);
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
	free(s->link);
	free(s->way);
	free(s->route);
	for (size_t i = 0; i < s->class_rules; i++) {
		free(s->class_rule[i].pattern);
		free(s->class_rule[i].class);
	}
	free(s->class_rule);
	*s = (struct settings){0};
}

/* -v is short for two of them. */
static void
be_verbose(struct settings_args *args)
{
	if (!args->verbose)
		return;
	args->log = args->log != NULL ? args->log : "stderr";
	args->log_level = args->log_level != NULL ? args->log_level : "trace";
}

int
settings_start(struct settings *settings, struct settings_args *args,
    const struct opt_row *rows, const char *program, const char *usage, const char *about,
    bool first_operand_ends, int *argc, char ***argv, struct err *err)
{
	struct str out = {0};
	enum log_level level = LOG_LEVEL_INFO;

	*settings = (struct settings){0};
	log_open(program, "stderr", level, err);
	if (opt_parse(rows, first_operand_ends, argc, argv, err) < 0)
		return -1;
	be_verbose(args);
	if (args->version)
		str_printf(&out, "%s (mochila) %s\n", program, MOCHILA_VERSION);
	else if (args->help)
		opt_help(usage, about, rows, &out);
	else if (settings_load(settings, args, err) < 0)
		return -1;
	else if (args->show_config)
		settings_show(settings, &out);
	if (out.len > 0) {
		int result = fs_write(1, out.p, out.len, err);
		str_free(&out);
		return result < 0 ? -1 : 1;
	}
	log_level_of(settings->spool.log_level, &level);
	str_free(&out);
	if (strchr(settings->spool.log, '/') == NULL)
		return log_open(program, settings->spool.log, level, err);
	struct str path = {0};
	settings_path(settings, settings->spool.log, &path);
	int result = log_open(program, str_c(&path), level, err);
	str_free(&path);
	return result;
}

const struct site_settings *
settings_site(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->sites; i++)
		if (strcmp(settings->site[i].name, name) == 0)
			return &settings->site[i];
	return NULL;
}

const struct way_settings *
settings_way(const struct settings *settings, struct span name)
{
	for (size_t i = 0; i < settings->ways; i++)
		if (span_is(name, settings->way[i].name))
			return &settings->way[i];
	return NULL;
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

void
settings_path(const struct settings *settings, const char *path, struct str *out)
{
	if (path[0] != '/')
		str_printf(out, "%s/", settings->root);
	str_add_text(out, path);
}

int
settings_no_site(const struct settings *settings, const char *name, enum err_kind kind, struct err *err)
{
	return err_set(err, kind, "there is no [site %.40s] in %s; \"mochila pair %.40s ssh://USER@HOST\" makes it, or, for a site "
	    "that calls us, with --accept and its key", name, settings->file, name);
}

void
settings_key(const struct settings *settings, const char *said, struct str *out)
{
	struct str path = {0}, other = {0};

	settings_path(settings, said[0] != '\0' ? said : settings->spool.keys, &path);
	if (said[0] == '\0') {
		str_printf(&other, "%s/id_ecdsa", str_c(&path));
		str_add_text(&path, "/id_ed25519");
		if (access(str_c(&path), F_OK) < 0 && access(str_c(&other), F_OK) == 0)
			str_set_span(&path, str_span(&other));
	}
	str_add_span(out, str_span(&path));
	str_free(&path);
	str_free(&other);
}

void
settings_run(const struct settings *settings, const char *name, struct str *out)
{
	settings_path(settings, "run", out);
	if (settings->spool.shared)	/* with the spool, run/ may be on the disk of several */
		str_printf(out, "/%s", settings->spool.node);
	if (name[0] != '\0')
		str_printf(out, "/%s", name);
}

int
settings_make_run(const struct settings *settings, struct err *err)
{
	struct str path = {0};

	settings_path(settings, "run", &path);
	int result = fs_make_dir(AT_FDCWD, str_c(&path), 0750, err);
	str_clear(&path);
	settings_run(settings, "", &path);
	if (result == 0)
		result = fs_make_dir(AT_FDCWD, str_c(&path), 0750, err);
	str_free(&path);
	return result;
}

void
settings_program(const char *name, struct str *out)
{
	const char *said = getenv("MOCHILA_LIBEXEC");
	str_printf(out, "%s/%s", said != NULL && said[0] == '/' ? said : LIBEXECDIR, name);
}

void
settings_door(struct str *out)
{
	const char *said = getenv("MOCHILA_LIBEXEC");
	str_printf(out, "%s/mochila", said != NULL && said[0] == '/' ? said : BINDIR);
}

void
settings_shipped(const char *name, struct str *out)
{
	const char *said = getenv("MOCHILA_LIBEXEC");
	str_printf(out, "%s/%s", said != NULL && said[0] == '/' ? said : PKGDATADIR, name);
}
