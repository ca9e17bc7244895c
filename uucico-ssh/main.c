/*
 * uucico-ssh - calls a site, or answers its call, and moves batches both ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/program.h"
#include "spool/enclose.h"
#include "spool/queue.h"
#include "spool/retry.h"
#include "spool/way.h"
#include "uucico-ssh/call.h"
#include "uucico-ssh/helper.h"
#include "uucico-ssh/lock.h"
#include "uucico-ssh/outgoing.h"
#include "uucico-ssh/stay.h"
#include "uucico-ssh/tool.h"

static const char usage[] = "uucico-ssh -s SITE | -r 0 --peer=SITE | --new-key [FILE] | "
    "--host-key=LINK | --fingerprint=FILE";
static const char about[] = "Calls a site, or answers its call, and moves batches both ways.";

enum { PACK_SECONDS = 600, JOBS_SECONDS = 24 * 3600, STAY_SECONDS = 15 * 60 };

struct main {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const struct site_settings *site;
	const char *call, *role, *peer, *stats, *grade;
	const char *host_key, *fingerprint, *key_type;
	bool new_key;
	bool no_pack, no_jobs, quiet;
	bool deliver;		/* mail came for a sink of bsmtp */
	bool teaches;		/* call.h */
	bool now, stay;
	struct way way;			/* over which it is called; site is its settings then */
	bool stood, told;		/* the last call stayed, as protocol m can; it was told to stop */
	bool last_way, connected;	/* there is no other; the far end answered over it */
};

static int
usage_error(struct err *err, const char *text)
{
	err_set(err, ERR_CONFIG, "%s (--help lists the options)", text);
	return err_as(err, EX_USAGE, NULL);
}

static bool
answering(const struct main *m)
{
	return m->role != NULL && strcmp(m->role, "0") == 0;
}

static int
check_options(struct main *m, int operands, struct err *err)
{
	if (operands > 0)
		return usage_error(err, "operands mean nothing here");
	if (m->role != NULL && strcmp(m->role, "0") != 0 && strcmp(m->role, "1") != 0)
		return usage_error(err, "-r is 0 to answer or 1 to call");
	if (answering(m) && m->call != NULL)
		return usage_error(err, "-s calls and -r 0 answers; take one");
	if (answering(m) && m->peer == NULL)
		return usage_error(err, "who calls is not said: the forced command of the key needs "
		    "--peer=SITE, as in restrict,command=\"exec uucico-ssh -r 0 --peer=home\"");
	if (answering(m) && (m->now || m->stay))
		return usage_error(err, "--now and --stay are for calls of ours");
	if (m->grade != NULL && (answering(m) || strlen(m->grade) != 1 || m->grade[0] <= ' '))
		return usage_error(err, "--grade is one letter or digit, and for calls of ours");
	if (!answering(m) && m->call == NULL)
		return usage_error(err, "-s SITE says whom to call, -r 0 --peer=SITE answers");
	return 0;
}

static int
find_site(struct main *m, struct err *err)
{
	const char *name = answering(m) ? m->peer : m->call;

	m->site = settings_site(&m->settings, name);
	if (m->site == NULL)
		return settings_no_site(&m->settings, name, ERR_CONFIG, err);
	if (!answering(m) && m->site->link[0] == '\0')
		return err_set(err, ERR_CONFIG, "[site %s] has no link: it calls us", name);
	for (const char *letter = m->site->protocols; *letter != '\0'; letter++)
		if (uucp_letter_known(*letter))
			return 0;
	return err_set(err, ERR_CONFIG, "[site %s] protocols = %s: none of them is spoken here; say %s", name,
	    m->site->protocols, MOCHILA_SMALL ? "mi" : "mietygGv");
}

/* What our standard error would carry costs the caller bytes, and he cannot use it. */
static int
log_to_spool(struct main *m, struct err *err)
{
	struct str path = {0};
	enum log_level level = LOG_LEVEL_INFO;

	if (strcmp(m->settings.spool.log, "stderr") != 0)
		return 0;
	settings_path(&m->settings, m->settings.spool.path, &path);
	if (m->settings.spool.shared)
		str_printf(&path, "/log/uucico-ssh-%s.log", m->settings.spool.node);
	else
		str_add_text(&path, "/log/uucico-ssh.log");
	log_level_of(m->settings.spool.log_level, &level);
	int result = log_open("uucico-ssh", str_c(&path), level, err);
	str_free(&path);
	return result;
}

/* What is no call at all. */
static bool
is_tool(const struct main *m)
{
	return m->new_key || m->host_key != NULL || m->fingerprint != NULL;
}

static int
run_tool(struct main *m, const char *operand, struct err *err)
{
	if (m->new_key)
		return tool_new_key(&m->settings, operand, m->key_type, err);
	if (m->host_key != NULL)
		return tool_host_key(&m->settings, m->call != NULL ? settings_site(&m->settings, m->call) : NULL,
		    m->host_key, err);
	return tool_fingerprint(&m->settings, m->fingerprint, err);
}

/* 0: go on with a call; 1: all is done; -1. */
static int
start(struct main *m, int argc, char **argv, struct err *err)
{
	const struct opt_row rows[] = {
		{ "site", 's', "SITE", "call this site", OPT_TEXT, &m->call },
		{ "role", 'r', "ROLE", "0: answer a call on standard input and output", OPT_TEXT, &m->role },
		{ "peer", 0, "SITE", "who calls, with -r 0", OPT_TEXT, &m->peer },
		{ "grade", 'g', "GRADE", "move only this grade and better ones", OPT_TEXT, &m->grade },
		{ "now", 0, NULL, "call outside the site's call-window, too", OPT_FLAG, &m->now },
		{ "stay", 0, NULL, "go on: call again when mail comes, and each quarter of an hour", OPT_FLAG, &m->stay },
		{ "no-pack", 0, NULL, "do not pack what waits before the call", OPT_FLAG, &m->no_pack },
		{ "no-jobs", 0, NULL, "do not run received jobs after the call, nor prepare the next", OPT_FLAG, &m->no_jobs },
		{ "quiet", 'q', NULL, "no progress on a terminal", OPT_FLAG, &m->quiet },
		{ "wire-stats", 0, "FILE", "append the numbers of the call to FILE", OPT_TEXT, &m->stats },
		{ "new-key", 0, NULL, "make a key pair, in FILE or keys/id_ed25519", OPT_FLAG, &m->new_key },
		{ "key-type", 0, "TYPE", "of --new-key: ed25519 or ecdsa", OPT_TEXT, &m->key_type },
		{ "host-key", 0, "LINK", "print the host key that an ssh:// link shows", OPT_TEXT, &m->host_key },
		{ "fingerprint", 0, "FILE", "print the fingerprint of a public key", OPT_TEXT, &m->fingerprint },
		SETTINGS_OPTS(&m->args),
		{0},
	};
	int done = settings_start(&m->settings, &m->args, rows, "uucico-ssh", usage, about, false,
	    &argc, &argv, err);

	if (done != 0)
		return done;
	if (is_tool(m))
		return run_tool(m, argc > 0 ? argv[0] : NULL, err) < 0 ? -1 : 1;
	if (check_options(m, argc, err) < 0 || find_site(m, err) < 0 ||
	    spool_open(&m->spool, &m->settings, true, err) < 0 || outgoing_ready(&m->spool, err) < 0)
		return -1;
	helper_environment(&m->settings, &m->args);
	if (answering(m) && log_to_spool(m, err) < 0)
		return -1;
	/* From here on the far end speaks. */
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL | ENCLOSE_FILES | (answering(m) ? ENCLOSE_ANSWERS : ENCLOSE_CALLS),
		.site = m->site->name, .written = m->stats };
	return enclose(&m->settings, &m->args, &mine, err);
}

/* A failed call of ours makes the site's destination wait; one that worked, whoever called,
 * makes it due. */
static void
remember(struct main *m, const struct err *why)
{
	struct err err;

	if (why->kind != ERR_NONE && !m->connected && !m->last_way)
		return;		/* the site may yet be reached otherwise */
	if (why->kind == ERR_NONE)
		retry_clear(&m->spool, m->site->name);
	else if (!answering(m) && retry_failed(&m->spool, m->site->name, why->text, &err) < 0)
		log_warn("site=%s the failure is not noted: %s", m->site->name, err.text);
}

/* What is left of the month's budget; a caller is turned away when that is nothing. */
static int
may_spend(struct main *m, struct call *call, struct err *err)
{
	struct budget left;

	budget_left(&m->spool, m->site, &left);
	const char *spent = budget_over(&left, 0, 0);
	if (spent == NULL) {
		call->budget = left;
		return 0;
	}
	if (!answering(m))
		return err_set(err, ERR_TEMP, "%s: %s is used up until the month ends (--set 'site %s.%s=0' calls "
		    "all the same)", m->site->name, spent, m->site->name, spent);
	log_warn("site=%s turned away: %s is used up until the month ends", m->site->name, spent);
	call->busy = "LCK";
	return 0;
}

/* Who spoke m the last time gets its mail from the queue as it is. */
static bool
speaks_m(const struct main *m, const char *target)
{
	struct m_peer_memory memory;

	m_peer_load(&m->spool, m->site->name, target, &memory);
	return memory.speaks && strchr(m->site->protocols, 'm') != NULL;
}

/* The better one of what was asked for and what the way is open for. */
static char
grade_of_call(const struct main *m)
{
	char asked = m->grade != NULL ? m->grade[0] : '\0', open = m->now ? '\0' : m->way.grade;

	return asked == '\0' || (open != '\0' && open < asked) ? open : asked;
}

/* What was remembered of the peer may be wrong: then nothing was lost, and the call is made
 * again, as with a stranger. */
static int
call_and_pack(struct main *m, struct call *call, struct err *err)
{
	bool may_pack = call->busy == NULL && !m->no_pack && m->site->pack;
	bool packs = may_pack && !speaks_m(m, call->target);

	if (packs)
		helper_run("bsmtp", "pack", m->site->name, PACK_SECONDS);
	int result = call_run(call, err);
	bool again = call->redial || (result == 0 && may_pack && !packs && !call->spoke_m);
	if (answering(m) || !again)
		return result;
	log_info("peer=%s event=calls-again why=\"it does not speak m any more\"", m->site->name);
	if (may_pack && !packs)
		helper_run("bsmtp", "pack", m->site->name, PACK_SECONDS);
	call->patient = true;
	*err = (struct err){0};
	return call_run(call, err);
}

/* What came by protocol m for a sink of bsmtp waits in out/. */
static void
deliver(const struct main *m)
{
	struct str to = {0};

	str_printf(&to, "--to=%s", m->site->unpack);
	if (m->deliver && answering(m))
		helper_leave("bsmtp", "deliver", str_c(&to));
	else if (m->deliver)
		helper_run("bsmtp", "deliver", str_c(&to), JOBS_SECONDS);
	str_free(&to);
}

static int
converse(struct main *m, const char *busy, const struct spool_lock *lock, struct err *err)
{
	struct call call = {
		.spool = &m->spool, .site = m->site, .stats = m->stats, .busy = busy,
		.target = answering(m) ? "stdio:" : m->site->link, .began = clock_now(),
		.grade = grade_of_call(m), .way = m->way.name, .lock = lock, .stay = m->stay,
		.run_jobs = !m->no_jobs && m->site->run_jobs,
		.progress = !m->quiet && !answering(m) && isatty(2),
	};

	if (busy == NULL && may_spend(m, &call, err) < 0)
		return -1;
	int result = call_and_pack(m, &call, err);
	m->connected = call.link.down > 0;
	m->stood = m->stood || call.stood;
	m->told = call.told;
	if (!answering(m))	/* there a hang-up at the end is usual: it must not keep us from the jobs */
		link_signals_off();
	if (result == 0)	/* what was met on the way to success is no failure */
		*err = (struct err){0};
	if (call.spent == NULL && call.ended.kind == ERR_NONE)	/* else the line was good */
		remember(m, err);
	m->deliver = call.deliver;
	m->teaches = call.teaches;
	return result < 0 ? err_prefix(err, "%s", m->site->name) : 0;
}

/* A batch goes the way of its largest message: what an alternate may carry is not to be in one
 * with what it may not. */
static void
pack_apart(struct main *m, const struct site_settings *site)
{
	struct way way;

	if (m->no_pack || !site->pack || speaks_m(m, site->link))
		return;
	for (size_t n = 1; way_nth(&m->settings, site, n, &way); n++) {
		if (way.site.call_largest == site->call_largest)
			continue;
		struct str set = {0};
		str_printf(&set, "--set=site %s.call-largest=%llu", site->name, (unsigned long long)way.site.call_largest);
		const char *const words[] = { "bsmtp", "pack", str_c(&set), site->name, NULL };
		helper_run_words(words, PACK_SECONDS);
		str_free(&set);
	}
}

/* Over its link, and when that does not connect, over its alternates, each in its own hours. */
static int
converse_somehow(struct main *m, const struct spool_lock *lock, struct err *err)
{
	const struct site_settings *site = m->site;
	struct str why = {0};
	struct way next;
	int result = -1;

	err_set(err, ERR_TEMP, "%s: not called", site->name);
	m->connected = false;
	pack_apart(m, site);
	for (size_t n = 0; !m->connected && way_nth(&m->settings, site, n, &m->way); n++) {
		m->site = &m->way.site;
		m->last_way = !way_nth(&m->settings, site, n + 1, &next);
		str_clear(&why);
		if (!way_open(&m->spool, &m->way, clock_now(), &why) && !m->now) {
			log_info("site=%s event=way-closed way=\"%s\" why=\"%s\"", site->name, m->way.name, str_c(&why));
			if (n == 0)
				err_set(err, ERR_TEMP, "%s: %s", site->name, str_c(&why));
			continue;
		}
		result = converse(m, NULL, lock, err);
		if (result == 0)
			break;
		if (!m->connected && !m->last_way)
			log_warn("site=%s event=no-connection way=\"%s\" why=\"%s\"", site->name, m->way.name, err->text);
	}
	m->site = site;
	str_free(&why);
	return result;
}

/* Whoever started the answering end waits for it, or ends it when it lingers. */
static void
after(const struct main *m, const char *program, const char *word)
{
	if (answering(m))
		helper_leave(program, word, m->site->name);
	else
		helper_run(program, word, m->site->name, JOBS_SECONDS);
}

static int
run(struct main *m, struct err *err)
{
	struct spool_lock lock;

	if (answering(m) && link_greet(&m->settings, m->site, err) < 0)	/* strangers end no call of the site's */
		return err_prefix(err, "%s", m->site->name);
	bool busy = lock_call(&lock, &m->spool, m->site->name, !answering(m), err) < 0;

	if (busy && !(answering(m) && errno == EWOULDBLOCK))
		return -1;
	int result = answering(m) ? converse(m, busy ? "LCK" : NULL, busy ? NULL : &lock, err) :
	    converse_somehow(m, &lock, err);
	if (busy)
		return result;
	lock_over(&lock);	/* the site may call again while its jobs run */
	deliver(m);
	if (!m->no_jobs && m->site->run_jobs)
		after(m, "uuxqt", "-s");
	if (!m->no_jobs && m->teaches)
		after(m, "bsmtp", "teach");
	return result;
}

/* Until we are told to stop, which is no failure. */
static void
stay(struct main *m, struct err *err)
{
	struct stay stay = { .spool = &m->spool, .site = m->site->name, .every = STAY_SECONDS * CLOCK_SECOND };

	do {
		*err = (struct err){0};
		stay_begin(&stay);
		int result = run(m, err);
		if (result < 0)
			log_failure(err);
		stay_end(&stay, result < 0);
		stay.stands = m->stood;
		link_signals();
	} while (!m->told && stay_wait(&stay, err) == 0);
	log_info("site=%s event=stay-ends %s", m->site->name, err->text);
	*err = (struct err){0};
}

int
PROGRAM(uucico)(int argc, char **argv)
{
	struct main m = {0};
	struct err err = {0};

	umask(027);
	int done = start(&m, argc, argv, &err);
	if (done == 0) {
		if (m.stay)
			stay(&m, &err);
		else
			run(&m, &err);
		spool_close(&m.spool);
	}
	helper_stop();
	int status = log_failure(&err);
	opt_list_free(&m.args.set);
	settings_free(&m.settings);
	return status;
}
