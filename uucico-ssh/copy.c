/*
 * uucp - queues plain files to be sent to a site, or to be fetched from it.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/program.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/files.h"
#include "uucico-ssh/helper.h"
#include "uucico-ssh/queued.h"

static const char usage[] = "uucp [-r] [-g GRADE] [-j] FILE ... SITE!PATH | uucp [-r] [-g GRADE] [-j] SITE!PATH ... PATH";
static const char about[] = "Queues plain files to be sent to a site, or to be fetched from it.";

struct copy {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const struct site_settings *site;
	const char *grade;
	bool no_call, print, compat;
};

static int
usage_error(struct err *err, const char *text, const char *word)
{
	err_set(err, ERR_CONFIG, "%s: %s (--help lists the options)", word, text);
	return err_as(err, EX_USAGE, NULL);
}

/* "SITE!PATH": the path, and its site becomes the one that is meant; NULL with err. */
static const char *
take_site(struct copy *c, const char *word, struct err *err)
{
	const char *bang = strchr(word, '!');

	if (bang == NULL || bang == word || strchr(bang + 1, '!') != NULL) {
		usage_error(err, "SITE!PATH is expected, and no site behind it", word);
		return NULL;
	}
	char *name = mem_text_n(word, (size_t)(bang - word));
	const struct site_settings *site = settings_site(&c->settings, name);
	if (site == NULL) {
		settings_no_site(&c->settings, name, ERR_PERM, err);
		err_as(err, EX_NOHOST, NULL);
	}
	free(name);
	if (site == NULL)
		return NULL;
	if (c->site != NULL && c->site != site)
		usage_error(err, "files of two sites", word);
	else if (!copying_path_ok(span_of(bang + 1)))
		usage_error(err, "a path with blanks or control characters, or none", word);
	else
		c->site = site;
	return err->kind == ERR_NONE ? bang + 1 : NULL;
}

static int
queue_one(struct copy *c, const struct copying *copying, int fd, struct err *err)
{
	const struct passwd *me = getpwuid(getuid());
	struct queued head = { .fd = -1 };
	struct filed filed = {0};
	struct str name = {0};

	str_set(&head.user, me != NULL && me->pw_name[0] != '\0' ? me->pw_name : "uucp");
	str_set(&head.options, "C");
	copying_print(copying, &head.command);
	filed.command = str_span(&head.command);
	int result = queued_add(&c->spool, c->site->name, c->grade != NULL ? c->grade[0] : 'N', &head, &filed, NULL,
	    fd, &name, err);
	if (result == 0)
		spool_event(&c->spool, str_c(&name), "event=queued site=%s user=%s command=\"%s\"", c->site->name,
		    str_c(&head.user), str_c(&head.command));
	if (result == 0 && c->print)
		printf("%s\n", str_c(&name));
	queued_close(&head);
	str_free(&name);
	return result;
}

/* It is copied now: what becomes of the file later changes nothing. */
static int
send_file(struct copy *c, const char *file, const char *to, struct err *err)
{
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	const struct copying copying = { false, span_of(name), span_of(to) };

	if (strchr(file, '!') != NULL)
		return usage_error(err, "from one site to another nothing is copied here", file);
	if (!copying_path_ok(span_of(name)))
		return usage_error(err, "a name with blanks or control characters, or none", file);
	int fd = fs_open(AT_FDCWD, file, O_RDONLY, err);
	if (fd < 0)
		return err_as(err, EX_NOINPUT, NULL);
	int result = queue_one(c, &copying, fd, err);
	close(fd);
	return result;
}

/* Where the site may put what it sends, it may put what was asked for. */
static int
fetch_file(struct copy *c, const char *from, const char *to, struct err *err)
{
	const struct copying copying = { true, span_of(from), span_of(to) };
	struct files_target target;

	if (!copying_path_ok(span_of(to)))
		return usage_error(err, "a path with blanks or control characters, or none", to);
	int result = files_target(&c->settings, c->site->receive, span_of(to), span_of(from), true, &target, err);
	files_target_free(&target);
	if (result == 0)
		return queue_one(c, &copying, -1, err);
	err_set(err, ERR_PERM, "%s: [site %s] receive names no folder for it (\"~/NAME\" is in the first that it names)",
	    to, c->site->name);
	return err_as(err, EX_NOPERM, NULL);
}

static int
queue_all(struct copy *c, int argc, char **argv, struct err *err)
{
	const char *last = argv[argc - 1], *there = NULL;
	bool sending = strchr(last, '!') != NULL;

	if (sending && (there = take_site(c, last, err)) == NULL)
		return -1;
	for (int i = 0; i < argc - 1; i++)
		if (!sending && take_site(c, argv[i], err) == NULL)
			return -1;
	if (spool_open(&c->spool, &c->settings, true, err) < 0)
		return -1;
	int result = 0;
	for (int i = 0; i < argc - 1 && result == 0; i++)
		result = sending ? send_file(c, argv[i], there, err) : fetch_file(c, strchr(argv[i], '!') + 1, last, err);
	spool_ring(&c->spool);
	if (result == 0 && !c->no_call && c->site->link[0] != '\0')
		helper_leave("uucico-ssh", "-qs", c->site->name);
	spool_close(&c->spool);
	return result;
}

static int
start(struct copy *c, int argc, char **argv, struct err *err)
{
	const struct opt_row rows[] = {
		{ "nouucico", 'r', NULL, "do not call the site now", OPT_FLAG, &c->no_call },
		{ "grade", 'g', "GRADE", "0-9, A-Z, a-z, best first; N", OPT_TEXT, &c->grade },
		{ "jobid", 'j', NULL, "print the name of what was queued", OPT_FLAG, &c->print },
		{ "directories", 'd', NULL, "means nothing here, as it is always so; nor does -C", OPT_FLAG, &c->compat },
		{ "copy", 'C', NULL, "see -d", OPT_FLAG, &c->compat },
		SETTINGS_OPTS(&c->args),
		{0},
	};
	int done = settings_start(&c->settings, &c->args, rows, "uucp", usage, about, true, &argc, &argv, err);

	if (done != 0)
		return done;
	if (argc < 2)
		return usage_error(err, "a file and where it is to be are expected", "uucp");
	if (c->grade != NULL && (strlen(c->grade) != 1 || !span_has_only(span_of(c->grade), "")))
		return usage_error(err, "a grade is one letter or digit", c->grade);
	helper_environment(&c->settings, &c->args);
	return queue_all(c, argc, argv, err);
}

int
PROGRAM(uucp)(int argc, char **argv)
{
	struct copy c = {0};
	struct err err = {0};

	umask(027);
	start(&c, argc, argv, &err);
	int status = log_failure(&err);
	opt_list_free(&c.args.set);
	settings_free(&c.settings);
	return status;
}
