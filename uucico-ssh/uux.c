/*
 * uux - queues a command, with its standard input, to be run at a site.
 */
#include <errno.h>
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
#include "uucico-ssh/helper.h"
#include "uucico-ssh/queued.h"

static const char usage[] = "uux [-p] [-r] [-n] [-z] [-g GRADE] [-a ADDRESS] [-j] [-] SITE!COMMAND [WORD ...]";
static const char about[] = "Queues a command, with its standard input, to be run at a site.";

struct uux {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const char *grade, *requestor;
	struct filed filed;	/* of our own files, which go along */
	char *names[FILED_MAX];
	int files[FILED_MAX];
	int in;			/* a file that is the standard input, or -1 */
	bool input, no_call, silent, on_failure, print, compat;
};

/* "-" among the options means the same as -p. */
static void
take_dashes(int argc, char **argv)
{
	static char same[] = "-p";

	for (int i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--") == 0)
			return;
		if (strcmp(argv[i], "-") == 0)
			argv[i] = same;
		else if (argv[i][1] != '-' && strchr("gasx", argv[i][strlen(argv[i]) - 1]) != NULL)
			i++;	/* its value */
	}
}

static int
usage_error(struct err *err, const char *text, const char *word)
{
	err_set(err, ERR_CONFIG, "%s: %s (--help lists the options)", word, text);
	return err_as(err, EX_USAGE, NULL);
}

/* One word of the command line as the far end gets it: it parts the line at blanks, so a
 * word must be one; pipes, and files of other sites, are refused. */
static int
add_word(struct str *command, const char *word, struct err *err)
{
	size_t len = strlen(word);
	bool quoted = len >= 2 && word[0] == '(' && word[len - 1] == ')';
	struct span text = quoted ? (struct span){ word + 1, len - 2 } : span_of(word);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return usage_error(err, "a word with blanks or control characters", word);
	if (text.len == 0)
		return usage_error(err, "an empty word", word);
	if (!quoted && strpbrk(word, "<>|;&`*?") != NULL)
		return usage_error(err, "files and pipes of other sites are not taken here", word);
	if (!quoted && strchr(word, '!') != NULL)
		return usage_error(err, "a file of a site; an address stands in parentheses", word);
	str_add_char(command, ' ');
	str_add_span(command, text);
	return 0;
}

/* --- files --- */

/* One of ours: it is copied now, and the far end's command finds it by its last name. */
static int
open_file(const char *path, int *fd, uint64_t *size, struct err *err)
{
	struct stat st;

	*fd = fs_open(AT_FDCWD, path, O_RDONLY, err);
	if (*fd < 0 || fstat(*fd, &st) < 0) {
		if (*fd >= 0)
			err_sys(err, "%s", path);
		return err_as(err, EX_NOINPUT, NULL);
	}
	*size = (uint64_t)st.st_size;
	return 0;
}

static int
add_file(struct uux *x, struct str *command, const char *path, struct err *err)
{
	struct filed *filed = &x->filed;
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;

	if (!filed_name_ok(span_of(name)))
		return usage_error(err, "a file whose name is no plain one", path);
	if (filed->count == FILED_MAX)
		return usage_error(err, "too many files", path);
	for (size_t i = 0; i < filed->count; i++)
		if (strcmp(x->names[i], name) == 0)
			return usage_error(err, "two files of one name", path);
	if (open_file(path, &x->files[filed->count], &filed->file[filed->count].size, err) < 0)
		return -1;
	x->names[filed->count] = mem_text(name);
	filed->file[filed->count].name = span_of(x->names[filed->count]);
	filed->count++;
	str_printf(command, " %s", name);
	return 0;
}

/* "<!file", "< !file", "<file" */
static int
take_input(struct uux *x, char ***words, struct err *err)
{
	const char *path = (**words)[1] != '\0' ? **words + 1 : *++*words;
	uint64_t size;

	if (path == NULL || x->in >= 0 || x->input)
		return usage_error(err, "one standard input is expected", "<");
	path += path[0] == '!';
	if (path[0] == '\0' || strchr(path, '!') != NULL)
		return usage_error(err, "the input is a file of ours", path);
	return open_file(path, &x->in, &size, err);
}

/* "SITE!/path" where the command runs: there it is but a path. */
static bool
is_there(const struct site_settings *site, const char *word)
{
	size_t len = strlen(site->name);
	return strncmp(word, site->name, len) == 0 && word[len] == '!' && strchr(word + len + 1, '!') == NULL;
}

static int
take_words(struct uux *x, char **words, const struct site_settings *site, struct str *command, struct err *err)
{
	for (; *words != NULL; words++) {
		const char *word = *words;
		int result;
		if (word[0] == '<')
			result = take_input(x, &words, err);
		else if (word[0] == '!' && word[1] != '\0')
			result = add_file(x, command, word + 1, err);
		else
			result = add_word(command, is_there(site, word) ? word + strlen(site->name) + 1 : word, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int
make_command(struct uux *x, char **words, const struct site_settings **site, struct str *command, struct err *err)
{
	char *bang = strchr(words[0], '!');

	if (bang == NULL || bang[1] == '\0')
		return usage_error(err, "SITE!COMMAND is expected; nothing runs here by uux", words[0]);
	char *name = mem_text_n(words[0], (size_t)(bang - words[0]));
	*site = settings_site(&x->settings, name);
	if (*site == NULL) {
		settings_no_site(&x->settings, name, ERR_PERM, err);
		err_as(err, EX_NOHOST, NULL);
	}
	free(name);
	if (*site == NULL)
		return -1;
	if (strpbrk(bang + 1, " \t!<>|;&`*?()/@") != NULL)
		return usage_error(err, "a command is one plain name", words[0]);
	str_set(command, bang + 1);
	return take_words(x, words + 1, *site, command, err);
}

static int
fill_head(const struct uux *x, struct queued *head, struct err *err)
{
	const struct passwd *me = getpwuid(getuid());
	struct span address = span_of(x->requestor);

	str_set(&head->user, me != NULL && me->pw_name[0] != '\0' ? me->pw_name : "uucp");
	str_set(&head->options, "C");
	if (x->silent)
		str_add_char(&head->options, 'N');
	if (x->on_failure)
		str_add_char(&head->options, 'Z');
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.p[i] <= ' ' || address.p[i] == 0x7f || address.p[i] == '"')
			return usage_error(err, "no address", x->requestor);
	if (address.len > 0)
		str_add_char(&head->options, 'R');
	str_set_span(&head->notify, address);
	return 0;
}

static int
check_size(const struct queued *head, struct err *err)
{
	if (head->command.len + head->notify.len < QUEUED_HEAD_MAX / 2)
		return 0;
	err_set(err, ERR_PERM, "a command of %zu bytes is too long", head->command.len);
	return err_as(err, EX_USAGE, NULL);
}

static int
queue_command(struct uux *x, char **words, struct err *err)
{
	const struct site_settings *site = NULL;
	struct queued head = { .fd = -1 };
	struct str name = {0};
	char grade = x->grade != NULL ? x->grade[0] : 'N';

	int result = make_command(x, words, &site, &head.command, err);
	x->filed.command = str_span(&head.command);
	if (result == 0)
		result = fill_head(x, &head, err);
	if (result == 0)
		result = check_size(&head, err);
	if (result == 0)
		result = spool_open(&x->spool, &x->settings, true, err);
	const bool opened = result == 0;
	if (result == 0)
		result = queued_add(&x->spool, site->name, grade, &head, &x->filed, x->files,
		    x->input ? 0 : x->in, &name, err);
	if (result == 0) {
		spool_event(&x->spool, str_c(&name), "event=queued site=%s user=%s command=\"%s\"", site->name,
		    str_c(&head.user), str_c(&head.command));
		spool_ring(&x->spool);
	}
	if (result == 0 && x->print)
		printf("%s\n", str_c(&name));
	if (result == 0 && !x->no_call && site->link[0] != '\0')
		helper_leave("uucico-ssh", "-qs", site->name);
	if (opened)
		spool_close(&x->spool);
	str_free(&name);
	queued_close(&head);
	return result;
}

static int
start(struct uux *x, int argc, char **argv, struct err *err)
{
	const struct opt_row rows[] = {
		{ "stdin", 'p', NULL, "the command gets our standard input; as does -", OPT_FLAG, &x->input },
		{ "nouucico", 'r', NULL, "do not call the site now", OPT_FLAG, &x->no_call },
		{ "notification-no", 'n', NULL, "no mail about what becomes of it", OPT_FLAG, &x->silent },
		{ "notification-error", 'z', NULL, "mail when it fails", OPT_FLAG, &x->on_failure },
		{ "grade", 'g', "GRADE", "0-9, A-Z, a-z, best first; N", OPT_TEXT, &x->grade },
		{ "requestor", 'a', "ADDRESS", "who gets that mail", OPT_TEXT, &x->requestor },
		{ "jobid", 'j', NULL, "print the name of what was queued", OPT_FLAG, &x->print },
		{ "nocopy", 'c', NULL, "means nothing here; nor does -C", OPT_FLAG, &x->compat },
		{ "copy", 'C', NULL, "see -c", OPT_FLAG, &x->compat },
		SETTINGS_OPTS(&x->args),
		{0},
	};

	take_dashes(argc, argv);
	int done = settings_start(&x->settings, &x->args, rows, "uux", usage, about, true, &argc, &argv, err);
	if (done != 0)
		return done;
	if (argc == 0)
		return usage_error(err, "no command is given", "uux");
	if (x->grade != NULL && (strlen(x->grade) != 1 || strspn(x->grade,
	    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != 1))
		return usage_error(err, "a grade is one letter or digit", x->grade);
	helper_environment(&x->settings, &x->args);
	return queue_command(x, argv, err);
}

int
PROGRAM(uux)(int argc, char **argv)
{
	struct uux x = { .in = -1 };
	struct err err = {0};

	umask(027);
	start(&x, argc, argv, &err);
	int status = log_failure(&err);
	for (size_t i = 0; i < x.filed.count; i++)
		free(x.names[i]);
	opt_list_free(&x.args.set);
	settings_free(&x.settings);
	return status;
}
