/*
 * uuxqt - runs the jobs that peers sent and may run here.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/program.h"
#include "spool/enclose.h"
#include "spool/job.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/helper.h"
#include "uucico-ssh/lock.h"
#include "uucico-ssh/notice.h"
#include "uucico-ssh/output.h"
#include "uucico-ssh/pair.h"
#include "uucico-ssh/work.h"

static const char usage[] = "uuxqt [-s SITE]";
static const char about[] = "Runs the jobs that peers sent, when they may run them here.";

enum {
	JOB_SECONDS = 3600,
	WORDS_MAX = 2000,
	PART_KEPT = 14 * 24 * 3600,	/* a part of a job that nobody goes on with */
};

/* Our own programs; others need their path in the site's commands. */
static const struct command {
	const char *name, *program;
} commands[] = {
	{ "rmail", "rmail" },
	{ "rsmtp", "bsmtp" },
	{ "rgsmtp", "bsmtp" },
	{ "rbsmtp", "bsmtp" },
	{ "rcsmtp", "bsmtp" },
	{ "rzsmtp", "bsmtp" },
	{ "rrecipients", "rrecipients" },
};

struct uuxqt {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const char *site;
	struct err worst;	/* becomes the exit status */
};

static const struct command *
command_named(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

/* The words of a command, parted at blanks and by nothing else.  All but the first
 * are addresses: one that looks like an option is an attack (ARG-01). */
static int
split(char *text, const char **words, struct err *err)
{
	size_t count = 0;

	for (char *at = text; *(at += strspn(at, " \t")) != '\0';) {
		if (count == WORDS_MAX)
			return err_set(err, ERR_PERM, "more than %d words", WORDS_MAX);
		if (count > 0 && *at == '-')
			return err_set(err, ERR_PERM, "the word \"%.40s\" would be an option", at);
		words[count++] = at;
		at += strcspn(at, " \t");
		if (*at != '\0')
			*at++ = '\0';
	}
	words[count] = NULL;
	return count > 0 ? 0 : err_set(err, ERR_PERM, "an empty command");
}

static void
tell_child(struct job *job)
{
	setenv("UU_MACHINE", str_c(&job->peer), 1);
	setenv("UU_USER", str_c(&job->user), 1);
	setenv("MOCHILA_JOB", str_c(&job->key), 1);
}

static const char **
child_environment(void)
{
	static const char *const names[] = { "PATH", "HOME", "LANG", "TZ", "MOCHILA_ROOT",
		"MOCHILA_CONFIG", "MOCHILA_SET", "MOCHILA_LIBEXEC", "MOCHILA_JOB", "UU_MACHINE", "UU_USER" };
	enum { NAMES = sizeof names / sizeof names[0] };
	const char **list = mem_get((NAMES + 1) * sizeof *list);
	size_t count = 0;

	for (size_t i = 0; i < NAMES; i++) {
		struct str word = {0};
		if (getenv(names[i]) == NULL)
			continue;
		str_printf(&word, "%s=%s", names[i], getenv(names[i]));
		str_c(&word);
		list[count++] = word.p;		/* handed over to the list */
	}
	return list;
}

static void
free_environment(const char **list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		free((char *)(uintptr_t)list[i]);
	free(list);
}

/* One of ours, or what the administrator wrote behind the command's name. */
static int
find_program(const char *name, struct span said, struct str *path, struct err *err)
{
	const struct command *command = command_named(name);

	if (said.len > 0) {
		str_set_span(path, said);
		return said.p[0] == '/' ? 0 : err_set(err, ERR_CONFIG, "commands = %s=%.*s: a program is named by its "
		    "whole path", name, (int)said.len, said.p);
	}
	if (command == NULL)
		return err_set(err, ERR_PERM, "%s is no program of ours, and commands names none for it", name);
	settings_program(command->program, path);
	return 0;
}

static int
execute(struct job *job, const char *const *words, struct span program, const struct work *work, int out,
    uint64_t written, struct err *err)
{
	struct str path = {0};
	int status = 0, result = find_program(words[0], program, &path, err);

	tell_child(job);
	const char **environment = child_environment();
	const struct child_limits limits = { .written = written };
	struct child child = { .argv = words, .path = str_c(&path), .environment = environment,
		.folder = work->folder, .in = job->fd, .out = out, .errors = 2, .limits = &limits };
	if (result == 0)
		result = child_run(&child, JOB_SECONDS, &status, err);
	if (result == 0) {
		child_status(status, words[0], err);
		result = err->kind == ERR_NONE ? 0 : -1;
	}
	free_environment(environment);
	str_free(&path);
	return result;
}

static int
too_much(const struct spool *spool, int fd, struct err *err)
{
	uint64_t most = spool->settings->spool.max_batch_unpacked;
	struct stat st;

	if (fstat(fd, &st) < 0 || most == 0 || (uint64_t)st.st_size < most)
		return 0;
	return err_set(err, ERR_PERM, "it printed %llu bytes, which is more than is taken", (unsigned long long)st.st_size);
}

/* What it prints goes where the job says, once it has ended well. */
static int
execute_out(struct uuxqt *x, struct job *job, const char *const *words, struct span program,
    const struct work *work, const struct filed *filed, struct err *err)
{
	const struct site_settings *site = settings_site(&x->settings, str_c(&job->peer));

	if (filed->out_path.len == 0)
		return execute(job, words, program, work, -1, 0, err);
	int fd = fs_scratch(x->spool.tmp, ".", err);
	if (fd < 0)
		return -1;
	/* Who prints without an end would fill the disk. */
	int result = execute(job, words, program, work, fd, x->spool.settings->spool.max_batch_unpacked, err);
	if (too_much(&x->spool, fd, err) < 0)
		result = -1;
	if (result == 0)
		result = output_put(&x->spool, site, job, filed, fd, err);
	close(fd);
	return result;
}

/* With its files around it, where it has any. */
static int
run_filed(struct uuxqt *x, struct job *job, const struct filed *filed, struct span program, struct err *err)
{
	char *text = mem_text_n(filed->command.p, filed->command.len);
	const char **words = mem_get((WORDS_MAX + 1) * sizeof *words);
	struct work work = {0};
	int result = split(text, words, err);

	if (result == 0 && filed->count > 0)
		result = work_make(&work, &x->settings, job, filed, err);
	if (result == 0)
		result = execute_out(x, job, words, program, &work, filed, err);
	work_remove(&work);
	free(words);
	free(text);
	return result;
}

static int
run_command(struct uuxqt *x, struct job *job, struct err *err)
{
	const struct site_settings *site = settings_site(&x->settings, str_c(&job->peer));
	struct span program = {0};
	struct copying copying;
	struct filed filed;

	if (site == NULL)
		return err_set(err, ERR_CONFIG, "there is no [site %s]", str_c(&job->peer));
	if (filed_parse(str_span(&job->command), &filed) < 0 || filed.total > job->have)
		return err_set(err, ERR_PERM, "a job whose files are not as it says");
	if (!pair_may_run(site, filed.command, &program))
		return err_set(err, ERR_PERM, "[site %s] commands does not permit \"%.*s\"", site->name,
		    filed.command.len > 60 ? 60 : (int)filed.command.len, filed.command.p);
	if (copying_parse(filed.command, &copying) > 0)
		return copying_run(&x->spool, site, job, &copying, err);
	return output_check(&x->spool, site, &filed, err) < 0 ? -1 : run_filed(x, job, &filed, program, err);
}

/* A file that it may not have or put here: by m it was a job, and nobody has told who asked. */
static void
tell_refused(struct uuxqt *x, struct job *job, const char *why)
{
	struct copying copying;
	const struct notice notice = { str_span(&job->user), str_span(&job->command), str_c(&job->peer), why, NULL };

	if (copying_parse(str_span(&job->command), &copying) > 0)
		notice_there(&x->spool, &notice);
}

/* Run, and what becomes of it: done (1), kept for later, or held for a person. */
static int
run_job(struct uuxqt *x, const char *peer, const char *key)
{
	struct job job;
	struct err err = {0}, trouble = {0};
	int result = job_load(&job, &x->spool, peer, key, &err);

	/* Known to seen/ before it runs: else a crash would let the peer send it again. */
	if (result == 0)
		result = job_seen(&job, &err);
	if (result == 0)
		result = run_command(x, &job, &err);
	if (result == 0 && job_done(&job, &trouble) == 0) {
		log_info("%s: event=job-done peer=%s command=\"%s\"", key, peer, str_c(&job.command));
	} else if (result < 0 && err.kind == ERR_PERM) {
		log_error("%s: event=job-held peer=%s why=\"%s\"", key, peer, err.text);
		if (job_hold(&job, err.text, &trouble) == 0)
			tell_refused(x, &job, err.text);
	} else if (result < 0) {
		log_warn("%s: event=job-kept peer=%s why=\"%s\"", key, peer, err.text);
		x->worst = err;
	}
	if (trouble.kind != ERR_NONE) {
		log_error("%s: peer=%s %s", key, peer, trouble.text);
		x->worst = trouble;
	}
	job_close(&job);
	return result == 0 && trouble.kind == ERR_NONE;
}

/* One round over what is there, which stays in names; how many were done. */
static size_t
run_round(struct uuxqt *x, const char *peer, struct fs_names *names)
{
	size_t done = 0;

	fs_names_free(names);
	job_names(&x->spool, peer, names, &x->worst);
	for (size_t i = 0; i < names->count; i++)
		done += (size_t)run_job(x, peer, names->name[i]);
	return done;
}

/* Is there another one than the last round has seen?  The uuxqt that was started for it may have found the lock
 * ours still, and gone. */
static bool
has_come(struct uuxqt *x, const char *peer, const struct fs_names *seen)
{
	struct fs_names names;
	size_t at = 0;
	bool come = false;

	job_names(&x->spool, peer, &names, &x->worst);
	for (size_t i = 0; i < names.count && !come; i++) {	/* both are sorted by age */
		while (at < seen->count && strcmp(names.name[i], seen->name[at]) != 0)
			at++;
		come = at++ >= seen->count;
	}
	fs_names_free(&names);
	return come;
}

static bool
run_locked(struct uuxqt *x, const char *peer, struct fs_names *seen)
{
	struct err err = {0};
	struct spool_lock lock;
	bool locked = lock_jobs(&lock, &x->spool, peer, &err) == 0;

	if (!locked && errno == EWOULDBLOCK)
		return false;		/* another uuxqt is at it, and looks again behind its end */
	if (!locked || job_expire(&x->spool, peer, PART_KEPT, &err) < 0 ||
	    pair_all(&x->spool, peer, &err) < 0)
		x->worst = err;
	while (locked && run_round(x, peer, seen) > 0)
		;
	spool_unlock(&lock);
	return locked;
}

static void
run_peer(struct uuxqt *x, const char *peer)
{
	struct fs_names seen = {0};

	while (run_locked(x, peer, &seen) && has_come(x, peer, &seen))
		;
	fs_names_free(&seen);
}

static void
run_all(struct uuxqt *x)
{
	struct fs_names peers;

	if (fs_names(x->spool.xqt, ".", &peers, &x->worst) < 0)
		return;
	for (size_t i = 0; i < peers.count; i++)
		if (settings_site_name(peers.name[i]))
			run_peer(x, peers.name[i]);
	fs_names_free(&peers);
}

static int
start(struct uuxqt *x, int argc, char **argv, struct err *err)
{
	const struct opt_row rows[] = {
		{ "site", 's', "SITE", "only the jobs of this site", OPT_TEXT, &x->site },
		SETTINGS_OPTS(&x->args),
		{0},
	};
	int done = settings_start(&x->settings, &x->args, rows, "uuxqt", usage, about, false, &argc, &argv,
	    err);

	if (done != 0)
		return done;
	if (argc > 0 || (x->site != NULL && !settings_site_name(x->site))) {
		err_set(err, ERR_CONFIG, "an operand, or a site whose name is none (--help lists the options)");
		return err_as(err, EX_USAGE, NULL);
	}
	helper_environment(&x->settings, &x->args);
	if (spool_open(&x->spool, &x->settings, true, err) < 0)
		return -1;
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL | ENCLOSE_FILES };
	return enclose(&x->settings, &x->args, &mine, err);
}

int
PROGRAM(uuxqt)(int argc, char **argv)
{
	struct uuxqt x = {0};

	umask(027);
	signal(SIGPIPE, SIG_IGN);	/* the call that left us here may have ended, and its stderr */
	int done = start(&x, argc, argv, &x.worst);
	if (done == 0 && x.site != NULL)
		run_peer(&x, x.site);
	else if (done == 0)
		run_all(&x);
	if (done == 0)
		gather_settle(&x.spool);
	int status = log_failure(&x.worst);
	if (done == 0)
		spool_close(&x.spool);
	helper_stop();
	opt_list_free(&x.args.set);
	settings_free(&x.settings);
	return status;
}
