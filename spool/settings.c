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

#define TIMES "a time, as 90, 15m, 36h or 5d, and then those of grades, as A-F:2h"
static const struct conf_type conf_times = { TIMES, times_set, conf_text_show, conf_text_drop };
static const struct conf_type conf_own_times = { TIMES, own_times_set, conf_text_show, conf_text_drop };

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
	conf_text_show, conf_text_drop };
static const struct conf_type conf_zone = { "a time zone that this host knows (Debian's tzdata), as Europe/Berlin",
	zone_set, conf_text_show, conf_text_drop };

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
	const struct site_settings *site = settings_site(settings, name);
	const struct spool_settings *spool = &settings->spool;

	return (struct patience){
		.retry_after = wait_for(site != NULL ? site->retry_after : NULL, spool->retry_after, grade),
		.retry_max = wait_for(site != NULL ? site->retry_max : NULL, spool->retry_max, grade),
		.delay_after = wait_for(site != NULL ? site->delay_after : NULL, spool->delay_after, grade),
		.expire_after = wait_for(site != NULL ? site->expire_after : NULL, spool->expire_after, grade),
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
	"sources apart by commas: file:PATH, maildir:DIR or |/PROGRAM", sources_set, conf_text_show, conf_text_drop,
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

bool
settings_site_name(const char *name)
{
	size_t len = strlen(name);

	if (len < 1 || len > 40 || name[0] == '.' || name[0] == '-')
		return false;
	return span_has_only(span_of(name), "._-");
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

/* It becomes part of names in the spool. */
static void
preset_node(struct spool_settings *spool, const char *host)
{
	char *node = mem_text_n(host, strlen(host) < NODE_MAX ? strlen(host) : NODE_MAX);

	for (size_t i = 0; node[i] != '\0'; i++)
		if (!span_has_only((struct span){ node + i, 1 }, "_-"))
			node[i] = '_';
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

static struct route *
route_said(const struct settings *s, const char *pattern)
{
	for (size_t i = 0; i < s->routes; i++)
		if (strcmp(s->route[i].pattern, pattern) == 0)
			return &s->route[i];
	return NULL;
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
check_values(const struct settings *s, struct err *err)
{
	enum log_level level;

	if (!settings_site_name(s->spool.site))
		return err_set(err, ERR_CONFIG, "spool.site = %s: a site's name is 1-40 of A-Z a-z 0-9 . _ -",
		    s->spool.site);
	if (s->spool.node[0] == '\0' || strlen(s->spool.node) > NODE_MAX ||
	    !span_has_only(span_of(s->spool.node), "_-"))
		return err_set(err, ERR_CONFIG, "spool.node = %s: want 1-%d of A-Z a-z 0-9 _ -", s->spool.node, NODE_MAX);
	if (s->spool.lease < 1)
		return err_set(err, ERR_CONFIG, "spool.lease = 0: want a second at least; a minute is right");
	if (log_level_of(s->spool.log_level, &level) < 0)
		return err_set(err, ERR_CONFIG, "spool.log-level = %s: not error, warn, info, debug or trace",
		    s->spool.log_level);
	return check_routes(s, err) < 0 || check_ways(s, err) < 0 || settings_check_daemon(s, err) < 0 ? -1 :
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
	    conf_fill(&settings->conf, "spool", "", spool_rows, &settings->spool, err) < 0)
		return -1;
	settings->tables = mem_get(sizeof *settings->tables);
	settings->tables->root = settings->root;
	preset_names(&settings->spool);
	if (fill_sites(settings, err) < 0 || fill_links(settings, err) < 0 || fill_ways(settings, err) < 0 ||
	    settings_fill_daemon(settings, err) < 0)
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
	for (size_t i = 0; i < s->sites; i++)
		conf_show(&s->conf, "site", s->site[i].name, site_rows, &s->site[i], out);
	for (size_t i = 0; i < s->links; i++)
		conf_show(&s->conf, "link", s->link[i].name, link_rows, &s->link[i], out);
	for (size_t i = 0; i < s->ways; i++)
		conf_show(&s->conf, "way", s->way[i].name, way_rows, &s->way[i], out);
	settings_show_daemon(s, out);
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
	if (s->tables != NULL)
		tables_close(s->tables);
	free(s->tables);
	for (size_t i = 0; i < s->sites; i++) {
		conf_drop(site_rows, &s->site[i]);
		free(s->site[i].name);
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
	settings_free_daemon(s);
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
