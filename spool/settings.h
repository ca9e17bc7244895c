/*
 * settings - everything mochila.conf can say, as one value.
 *
 * The file is the contract between the programs, so all its rows stand here
 * (settings.c, settings-daemon.c) and every program reads, checks and shows all of it: a slip in
 * a [relay] section is found by rmail too.  Adding a key is one row and one
 * field.  mochila.conf(5) is compared with the rows by a test.
 *
 * Where things are:  --root DIR, else $MOCHILA_ROOT, else LOCALSTATEDIR/lib/mochila.
 * The file is --config FILE, else $MOCHILA_CONFIG, else ROOT/mochila.conf, else
 * SYSCONFDIR/mochila/mochila.conf; none need exist.  Then come the environment
 * (MOCHILA_SET: lines of "kind name.key=value") and --set.  Relative paths in
 * values are below ROOT.
 */
#ifndef SPOOL_SETTINGS_H
#define SPOOL_SETTINGS_H

#include "lib/base/conf.h"
#include "lib/base/opt.h"

struct spool_settings {		/* [spool] */
	char *site;		/* our own site name, by which peers know us */
	char *host;		/* our host name in Received, HELO and Message-ID */
	char *path;		/* the spool's folder */
	char *keys;		/* folder of private keys and known_hosts, 0700 */
	char *log, *log_level;
	uint64_t log_size, log_keep;	/* of the history: bytes of a file, and how many older ones */
	uint64_t max_size;	/* bytes: largest message taken */
	uint64_t max_recipients;
	uint64_t max_hops;	/* Received fields before a message counts as looping */
	uint64_t max_batch_unpacked;	/* bytes: a batch that grows beyond is refused */
	char *rmail;		/* where rmail gives mail to: spool:, sendmail:PROGRAM */
	uint64_t min_free;	/* bytes that stay free on the spool's file system */
	uint64_t quota;		/* bytes of all that waits, 0 = none */
	uint64_t mailbox_quota;	/* bytes of a Maildir, 0 = none */
	char *retry_after, *retry_max, *delay_after, *expire_after;	/* settings_patience() */
	int64_t seen_keep;	/* how long ids of peers are remembered */
	uint64_t history_budget;	/* bytes of all rings */
	char *bounce_from;	/* From of our reports; "" = postmaster@host */
	uint64_t bounce_size;	/* bytes: a larger original is not returned whole */
	bool shared;		/* several hosts work this spool (spool/lease.h) */
	bool sandbox;		/* lib/base/sandbox.h */
	char *resolver;		/* name servers for MX, "" = the system's */
	uint64_t max_filters;	/* messages that are filtered at a time */
	uint64_t max_outgoing;	/* destinations served at a time, 0 = any */
	char *node;		/* this one among them: [A-Za-z0-9_-], 1 to 40 */
	int64_t lease;		/* seconds without a sign of life before one is taken for dead */
};

struct site_settings {		/* [site NAME] */
	char *name;		/* the section's; not a key */
	char *link;		/* ssh://USER@HOST[:PORT][/COMMAND], exec:COMMAND, "" = it calls us */
	char *key;		/* private key file for ssh; "" = the agent */
	char *passphrase;	/* of that key: a file, or exec:COMMAND */
	char *known_hosts;	/* pinned host keys */
	char *login;		/* file with a name and a password, for tcp: */
	char *key_auth;		/* file with a secret that each byte of its calls is proved by */
	bool quick_login;	/* by uucico-ssh/quick.h, where that can be */
	char *jump, *jump_key;	/* USER@HOST[:PORT] that ssh goes through; its key, "" = key */
	char *proxy, *proxy_login;	/* socks5://HOST:PORT or socks4a://HOST:PORT; a file as login */
	char *protocols;	/* UUCP letters we offer or choose, best first */
	char *codec;		/* of batches packed for it: a row of bsmtp/codec.h */
	char *level;		/* fast, default, metered */
	uint64_t batch_size;	/* bytes: a batch is closed when it is larger */
	uint64_t batch_count;	/* messages in a batch at most */
	int64_t batch_age;	/* less than a batch waits until its oldest is this old; 0: never */
	char *format;		/* a row of bsmtp/format.h */
	uint64_t max_size;	/* bytes of the largest message it takes, 0 = any */
	uint64_t line_length;	/* of the longest line it takes, 0 = any */
	bool eight_bit;		/* it takes bytes above 127 */
	uint64_t history;	/* bytes of what went there and came that codecs may refer to; 0: none */
	int64_t confirm_after;	/* a batch that refers to it is packed again when no word came for so long */
	char *recipients;	/* whom there is here, to be told to it (spool/recipients.h) */
	char *recipients_domains;	/* in these domains, blank-separated */
	char *speaks_for;	/* patterns of domains whose recipients it may tell us */
	bool pack, run_jobs;	/* around a call: bsmtp pack, uuxqt */
	char *commands;		/* what its jobs may run here */
	char *requests;		/* folders whose files it may ask for, blank-separated */
	char *receive;		/* folders that it may send files to */
	char *forward_to;	/* sites that the output of its commands may go to; "": only itself */
	bool sequence;		/* calls are numbered, both ways */
	char *unpack;		/* where its batches go: spool:, smtp:HOST:PORT */
	uint64_t hold_over;	/* bytes: what is larger does not come unasked; 0: any */
	char *welcome;		/* senders whose mail comes unasked: patterns, or a file; "": all */
	bool announce;		/* summaries of what is held back are mailed to its recipients */
	char *robot;		/* by a mail to it they bring what we hold back; "": they do not */
	int64_t timeout;	/* seconds of silence before a call is given up */
	int64_t keepalive;	/* seconds between signs of life in protocol m */
	int64_t half_duplex;	/* seconds of a burst where one end speaks at a time; 0: both do */
	char *alternates;	/* names of [way]s, in the order in which they are tried behind link */
	char *call_window, *time_zone;	/* spool/hours.h */
	uint64_t call_bytes, month_bytes;	/* budgets (spool/budget.h): both ways, 0 = any */
	int64_t call_time, month_time;	/* seconds */
	uint64_t call_largest;	/* message that a call moves */
	uint64_t month_money, money_per_megabyte, money_per_minute;	/* millionths of it */
	uint64_t user_month_bytes, user_month_money, user_largest;	/* of one user (spool/allowance.h) */
	int64_t user_month_time;
	uint64_t quota;		/* bytes that may wait for it, 0 = none */
	char *filters;		/* names of [filter]s that its mail goes through first */
	char *retry_after, *retry_max, *delay_after, *expire_after;	/* settings_patience() */
};

struct way_settings {		/* [way NAME]: another link to a site, that may be dearer (spool/way.h) */
	char *name;
	char *link;
	char *call_window;
	uint64_t call_largest, money_per_megabyte, money_per_minute;
};

struct link_settings {		/* [link NAME] */
	char *name;		/* of a network interface, or a pattern of such names */
	char *destinations;	/* folders below out/, or patterns of them, blank-separated */
	bool call;		/* those of them that are sites with a link are called */
};

struct relay_settings {		/* [relay NAME] */
	char *name;
	char *listen;		/* [tls:][lmtp:]HOST:PORT, unix:PATH or systemd:NAME, blank-separated */
	char *relay_from;	/* networks that may send anywhere a route leads */
	int64_t timeout;	/* seconds for a command or a reply */
	uint64_t max_connections, max_client_connections;
	uint64_t max_errors;
	uint64_t min_data_rate;	/* bytes a second at which a body must come in */
	uint64_t max_client_rate;	/* connections of one client in a minute; 0: any */
	int64_t greeting_delay;	/* seconds before the greeting; who talks in it goes */
	char *proxy_from, *xclient_from;	/* networks whose hosts say for whom they speak */
	int64_t max_hold;	/* seconds for which a client of ours may have a message kept; 0: none */
	char *tls;		/* off, offer, require */
	char *tls_cert, *tls_key;	/* files, blank-separated, the n-th key for the n-th certificate */
	char *tls_client_ca;	/* files of CAs that vouch for clients */
	char *relay_from_certificates;	/* names and fingerprints that may send as relay_from does */
	char *login;		/* who may log in: file:USERS dovecot:SOCKET command:PROGRAM (relay/login.h) */
	char *login_mechanisms;	/* of SASL, as clients are told them (lib/proto/sasl.h) */
	bool login_required;	/* no mail without a login */
	bool login_sender;	/* whose sender's address is the login's */
	bool login_in_clear;	/* a password may be said without TLS, by others than this host, too */
	uint64_t report_rate;	/* reports of success that a stranger may ask for in an hour, 0 = any */
	uint64_t user_rate, user_max_size;
	bool add_missing, remove_bcc, trace_user;	/* of mail from those who logged in */
	char *deny_from, *welcome_from;	/* networks */
	char *lists;		/* relay/lists.h */
	uint64_t lists_refuse;
	int64_t lists_wait;
	char *spf;		/* no, note, refuse */
	char *verify_recipients, *verify_senders;	/* relay/check.h */
	int64_t greylist, greylist_keep;	/* seconds */
	int64_t pop_before_smtp;	/* seconds; 0 = no */
	char *forward;		/* queued, disconnect, at-once, connect (relay/pass.h) */
	char *forward_down;	/* spool, refuse */
	char *metrics_listen;	/* the same, for Prometheus */
	char *admin_listen;	/* unix:PATH: the verbs of mochila(1) */
	char *pop3_listen;	/* HOST:PORT, blank-separated; "" = none */
	char *pop3_mailbox;	/* the Maildir of who has none of his own: %u, %d (spool/maildir.h) */
	bool pop3_delete;
	int64_t pop3_timeout;	/* seconds for a command */
	char *filters;		/* names of [filter]s that mail goes through before its 250 */
	bool from_filter;	/* what comes in here has been through those of where it goes */
};

struct filter_settings {	/* [filter NAME] (relay/filter.h) */
	char *name;
	char *run;		/* KIND:REST */
	int64_t timeout;	/* seconds for one message */
	uint64_t max_size;	/* bytes: what is larger does not go through it, 0 = all does */
	uint64_t max_cpu, max_memory, max_written;	/* of its program: seconds, bytes, bytes of a file; 0 = any */
	char *users;		/* patterns of recipients whose mail goes through it; "": all of it */
	char *on_trouble;	/* defer, pass: a message whose filter cannot be asked */
	char *found;		/* reject, hold, mark, drop: one in which it found what it looks for */
};

struct address_settings {	/* [addresses]: lists of tables (spool/table.h) */
	char *routes;		/* asked where no row of [routes] but "*" means an address */
	char *aliases;
	char *forward;		/* a file of each user, with %u and %d; "": there are none */
	char *extension;	/* letters that begin one: "+" */
	char *masquerade, *unmask;	/* tables: spool/masquerade.h */
};

struct hop_settings {		/* [hop PATTERN]: next hops that are spoken with by SMTP or LMTP */
	char *name;		/* of destinations, as routes say them: smtp:HOST:PORT, mx:* */
	char *tls;		/* off, opportunistic, required, verified, pinned */
	char *tls_pins, *tls_ca;
	char *tls_cert, *tls_key;	/* of our own */
	char *login;		/* a file with a name and a password, or emailrelay:FILE */
	char *login_selector;	/* which of that file's lines */
	char *login_token, *login_name;	/* exec:COMMAND that prints a token; whose it is */
	bool login_in_clear;
	char *proxy;		/* socks5://HOST:PORT, socks4a://HOST:PORT */
	uint64_t max_messages;	/* over one connection, 0 = any */
	uint64_t connections;	/* at a time, at most */
	uint64_t in_flight;	/* messages under way over one, at most */
	int64_t keep;		/* seconds for which one that has nothing to do stays */
	char *filters;		/* names of [filter]s that mail goes through before it is sent there */
};

struct route {			/* [routes] PATTERN = DESTINATION, in order */
	char *pattern;		/* home.example, *.home.example (below it), user@dom, /RE/, * */
	char *destination;	/* site:NAME, smtp:HOST:PORT ... (spool/route.h) */
};

struct class_rule {		/* [classes] PATTERN = CLASS, in order */
	char *pattern;		/* as of a route */
	char *class;		/* "none": of no history */
};

struct settings {
	struct conf conf;
	char *root;		/* absolute, no trailing slash */
	char *file;		/* the configuration's, whether it is there or not */
	struct spool_settings spool;
	struct site_settings *site;
	size_t sites;
	struct relay_settings *relay;
	size_t relays;
	struct link_settings *link;
	size_t links;
	struct way_settings *way;
	size_t ways;
	struct hop_settings *hop;	/* in order; the last is that of all others */
	size_t hops;
	struct filter_settings *filter;
	size_t filters;
	struct address_settings addresses;
	struct tables *tables;	/* those that were opened */
	struct route *route;
	size_t routes;
	struct class_rule *class_rule;
	size_t class_rules;
};

struct settings_args {		/* what every program takes on its command line */
	const char *root, *config, *log, *log_level;
	struct opt_list set;
	bool verbose, show_config, help, version;
};

/* Rows for a program's option table: */
#define SETTINGS_OPTS(args) \
	{ "root", 0, "DIR", "everything below DIR", OPT_TEXT, &(args)->root }, \
	{ "config", 0, "FILE", "read this configuration", OPT_TEXT, &(args)->config }, \
	{ "set", 0, "SECTION.KEY=VALUE", "say it here", OPT_LIST, &(args)->set }, \
	{ "log", 0, "WHERE", "stderr, syslog, none or a file", OPT_TEXT, &(args)->log }, \
	{ "log-level", 0, "LEVEL", "error, warn, info, debug or trace", OPT_TEXT, &(args)->log_level }, \
	{ "verbose", 'v', NULL, "dialogues on standard error, without secrets", OPT_FLAG, &(args)->verbose }, \
	{ "show-config", 0, NULL, "print every setting and where it is from", OPT_FLAG, &(args)->show_config }, \
	{ "help", 0, NULL, "print this, or all of it", OPT_HELP, &(args)->help }, \
	{ "version", 0, NULL, "print the version", OPT_FLAG, &(args)->version }

int settings_load(struct settings *settings, const struct settings_args *args, struct err *err);
void settings_show(const struct settings *settings, struct str *out);
void settings_free(struct settings *settings);

/* What main() does first, for every program: parses the options (rows must hold
 * SETTINGS_OPTS(args)), answers --help, --version and --show-config, loads the
 * settings and opens the log.  Returns 0 to go on, 1 when answered (exit 0), or
 * -1 with err.  usage and about are for --help. */
int settings_start(struct settings *settings, struct settings_args *args,
    const struct opt_row *rows, const char *program, const char *usage, const char *about,
    bool first_operand_ends, int *argc, char ***argv, struct err *err);

/* The same for the sections of mail that goes other ways than calls, for settings.c alone (settings-daemon.c). */
int settings_fill_daemon(struct settings *settings, struct err *err);
int settings_check_daemon(const struct settings *settings, struct err *err);
void settings_show_daemon(const struct settings *settings, struct str *out);
void settings_free_daemon(struct settings *settings);

/* -1, with where it should stand and what makes it. */
int settings_no_site(const struct settings *settings, const char *name, enum err_kind kind, struct err *err);
const struct site_settings *settings_site(const struct settings *settings, const char *name);
/* How long mail of a grade waits for a destination: what [site SITE] says, if it is a site
 * and says it, else [spool]; with grade 0, what is said without one.  Microseconds. */
struct patience {
	int64_t retry_after, retry_max;		/* first and longest pause after a TEMP failure */
	int64_t delay_after, expire_after;	/* a delay is told, a message given up; 0 = never */
};
struct patience settings_patience(const struct settings *settings, const char *site, char grade);

const struct way_settings *settings_way(const struct settings *settings, struct span name);

/* The first [hop] whose pattern means kind:rest, or the presets. */
const struct hop_settings *settings_hop(const struct settings *settings, const char *kind, const char *rest);
const struct filter_settings *settings_filter(const struct settings *settings, struct span name);
bool settings_filter_means(const struct filter_settings *filter, struct span recipient);
/* The names of those that mail for out/FOLDER goes through before it is there; "": none. */
const char *settings_filters_of(const struct settings *settings, const char *folder);
const struct relay_settings *settings_relay(const struct settings *settings, const char *name);
void settings_path(const struct settings *settings, const char *path, struct str *out);
				/* absolute: below root unless it is already */
/* A private key: the one that was said, else keys/id_ed25519, or keys/id_ecdsa where only that is. */
void settings_key(const struct settings *settings, const char *said, struct str *out);
void settings_run(const struct settings *settings, const char *name, struct str *out);	/* below
				run/, where what belongs to this host alone is; "": run/ itself */
int settings_make_run(const struct settings *settings, struct err *err);

/* The whole path of one of our own programs that are not on PATH (bsmtp, rmail, uuxqt,
 * uucico-ssh ...): in $MOCHILA_LIBEXEC, else where make install put them. */
void settings_program(const char *name, struct str *out);
void settings_door(struct str *out);	/* that of mochila, which is on PATH */
/* The same for a file that is shipped with them (the dictionaries of bsmtp). */
void settings_shipped(const char *name, struct str *out);

/* True for a name fit to be a site and a folder: 1-40 of [A-Za-z0-9._-], not
 * beginning with a dot or dash. */
bool settings_site_name(const char *name);

#endif
