#include "bsmtp/bsmtp.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/program.h"
#include "spool/queue.h"

static const struct command {
	const char *name;
	int (*run)(const struct bsmtp *b, int count, char **args, struct err *err);
} commands[] = {
	{ "pack", pack },
	{ "unpack", unpack },
	{ "deliver", deliver_to },
	{ "list", list },
	{ "check", check },
	{ "cat", cat },
	{ "diff", diff },
	{ "teach", teach },
	{0},
};

static const char which[] = "pack, unpack or what?";
static const char about_text[] = "Makes batches of mail and takes them apart; see bsmtp(1), batch(5).";

int
usage(struct err *err, const char *what)
{
	err_set(err, ERR_CONFIG, "%s (bsmtp --help shows the ways to call it)", what);
	return err_as(err, EX_USAGE, NULL);
}

static int
open_in_spool(const struct bsmtp *b, const char *name, struct err *err)
{
	const char *slash = strchr(name, '/');
	struct spool spool;

	char *site = mem_text_n(name, (size_t)(slash - name));
	int fd = spool_open(&spool, &b->settings, false, err);
	if (fd == 0) {
		fd = batch_open(&spool, site, slash + 1, err);
		spool_close(&spool);
	}
	free(site);
	return fd;
}

int
open_batch(const struct bsmtp *b, const char *name, struct err *err)
{
	if (name == NULL || strcmp(name, "-") == 0)
		return STDIN_FILENO;
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	const char *slash = strchr(name, '/');
	if (errno == ENOENT && slash != NULL && slash > name && strchr(slash + 1, '/') == NULL)
		return open_in_spool(b, name, err);
	err_sys(err, "%s", name);
	return err_as(err, EX_NOINPUT, NULL);
}

void
close_batch(int fd)
{
	if (fd > STDIN_FILENO)
		close(fd);
}

/* our names */

/* rsmtp, rgsmtp: the codec of that command; rbsmtp: any.  True for these. */
static bool
is_receiver(const char *name, const struct codec **codec)
{
	bool any = strcmp(name, "rbsmtp") == 0;

	*codec = any ? NULL : codec_of_command(name);
	return any || *codec != NULL;
}

/* What UUCP runs: no words from the wire mean anything, only the environment that
 * our own side made. */
static int
receive(struct bsmtp *b, int argc, struct err *err)
{
	const char *peer = getenv("UU_MACHINE");

	if (argc > 1)
		return usage(err, "this name takes no arguments: the batch is on standard input");
	if (peer != NULL && peer[0] != '\0') {
		if (!settings_site_name(peer))
			return err_set(err, ERR_CONFIG, "UU_MACHINE is not a site's name");
		b->peer = peer;
		const struct site_settings *site = settings_site(&b->settings, peer);
		if (site != NULL)
			opt_list_add(&b->to, site->unpack);
	}
	return unpack(b, 0, NULL, err);
}

static int
choose(struct bsmtp *b, const char *grade, const char *older, struct err *err)
{
	int64_t seconds = 0;

	if (grade != NULL && (!isalnum((unsigned char)grade[0]) || grade[1] != '\0'))
		return usage(err, "--grade: one of 0-9, A-Z, a-z");
	if (older != NULL && conf_seconds.set(&seconds, older) < 0)
		return usage(err, "--older: a time, as 90, 15m, 36h or 5d");
	b->choice.grade = grade != NULL ? grade[0] : 0;
	b->choice.older = seconds * CLOCK_SECOND;
	return 0;
}

static int
run_command(struct bsmtp *b, const char *codec, int argc, char **argv, struct err *err)
{
	if (codec != NULL && (b->codec = codec_named(codec, err)) == NULL)
		return -1;
	if (b->peer != NULL && !settings_site_name(b->peer))
		return usage(err, "--peer: not a site's name");
	if (argc == 0)
		return usage(err, which);
	for (const struct command *c = commands; c->name != NULL; c++)
		if (strcmp(c->name, argv[0]) == 0)
			return c->run(b, argc - 1, argv + 1, err);
	return usage(err, which);
}

static const char *
base_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : path != NULL ? path : "bsmtp";
}

int
PROGRAM(bsmtp)(int argc, char **argv)
{
	const char *name = base_name(argc > 0 ? argv[0] : NULL), *codec = NULL, *grade = NULL,
	    *older = NULL;
	struct bsmtp b = {0};
	struct settings_args args = {0};
	struct err err = {0};
	char *alone[] = { argc > 0 ? argv[0] : (char *)(uintptr_t)"bsmtp", NULL };
	const struct opt_row rows[] = {
		{ "peer", 0, "SITE", "unpack: the site that it comes from", OPT_TEXT, &b.peer },
		{ "again", 0, NULL, "unpack: without --peer, messages unpacked here before, too", OPT_FLAG,
		    &b.again },
		{ "codec", 0, "NAME", "none, gz, bz2, zstd or zstd-plain; reading, it is seen by itself",
		    OPT_TEXT, &codec },
		{ "level", 0, "NAME", "pack: fast, default or metered", OPT_TEXT, &b.level },
		{ "mbox", 0, "FILE", "pack: the messages of this mailbox (- reads it)", OPT_TEXT, &b.mbox },
		{ "maildir", 0, "DIR", "pack: the messages of this Maildir", OPT_TEXT, &b.maildir },
		{ "files", 0, NULL, "pack: the operands are messages, one a file", OPT_FLAG, &b.files },
		{ "to", 0, "WHERE", "pack: an address, for each recipient; unpack, deliver: a sink, spool:, "
		    "smtp: or lmtp:HOST:PORT, lmtp:/SOCKET, maildir:DIR, sendmail:PROGRAM", OPT_LIST, &b.to },
		{ "from", 0, "ADDRESS", "pack: their sender, whatever the input says", OPT_TEXT, &b.from },
		{ "output", 'o', "FILE", "pack: the batch goes here (- is standard output)", OPT_TEXT, &b.output },
		{ "format", 0, "NAME", "pack: full, reduced or rmail, in place of the site's", OPT_TEXT, &b.format },
		{ "all", 0, NULL, "pack: for every site", OPT_FLAG, &b.choice.all },
		{ "due", 0, NULL, "pack: only if it fills a batch, or some of it is as old as batch-age",
		    OPT_FLAG, &b.choice.due },
		{ "grade", 0, "GRADE", "pack: only messages of this grade or a better one", OPT_TEXT, &grade },
		{ "domain", 0, "PATTERN", "pack: only messages for such a domain", OPT_TEXT,
		    &b.choice.domain },
		{ "older", 0, "TIME", "pack: only messages this old, as 90 or 15m", OPT_TEXT, &older },
		{ "json", 0, NULL, "list, diff: as JSON", OPT_FLAG, &b.json },
		{ "frame", 0, NULL, "cat: what stands behind the label, as it is", OPT_FLAG, &b.frame },
		{ "label", 0, NULL, "cat: the label, in words", OPT_FLAG, &b.label },
		{ "reference", 0, NULL, "cat: the bytes of history that the batch refers to", OPT_FLAG, &b.reference },
		SETTINGS_OPTS(&args),
		{0},
	};

	bool receiver = is_receiver(name, &b.codec);
	int said = argc;
	if (receiver || argc < 1) {	/* its words are from the wire: not even --help */
		argc = 1;
		argv = alone;
	}
	signal(SIGPIPE, SIG_IGN);
	b.args = &args;
	int result = settings_start(&b.settings, &args, rows, name, bsmtp_usage, about_text, false,
	    &argc, &argv, &err);
	if (result == 0)
		result = choose(&b, grade, older, &err);
	if (result == 0)
		result = receiver ? receive(&b, said, &err) : run_command(&b, codec, argc, argv, &err);
	settings_free(&b.settings);
	opt_list_free(&b.to);
	opt_list_free(&args.set);
	return result < 0 ? log_failure(&err) : EX_OK;
}
