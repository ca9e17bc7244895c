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
#include "uucico-ssh/copying.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/helper.h"

static const char usage[] = "uux [-p] [-r] [-n] [-z] [-g GRADE] [-a ADDRESS] [-j] [-] SITE!COMMAND [WORD ...]";
static const char about[] = "Queues a command, with its standard input, to be run at a site.";

struct uux {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const char *grade, *requestor;
	const struct site_settings *site;	/* where it runs */
	struct gather_file file[GATHER_MAX];	/* that go along; the standard input is the last */
	size_t count;
	struct gather_file in;	/* a file that is the standard input */
	bool has_in, asks;	/* asks: one of them is of another site */
	struct span out_site, out_path;
	bool input, no_call, silent, on_failure, print, compat;
};

/* Does a value stand behind it, as a word of its own? */
static bool
wants_value(const struct opt_row *rows, const char *option)
{
	if (option[1] != '-')
		return strchr("gasx", option[strlen(option) - 1]) != NULL;
	while (rows->name != NULL && strcmp(rows->name, option + 2) != 0)
		rows++;
	return rows->arg != NULL;
}

/* "-" among the options means the same as -p. */
static void
take_dashes(const struct opt_row *rows, int argc, char **argv)
{
	static char same[] = "-p";

	for (int i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--") == 0)
			return;
		if (strcmp(argv[i], "-") == 0)
			argv[i] = same;
		else if (wants_value(rows, argv[i]))
			i++;
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
		return usage_error(err, "pipes and patterns are not taken here", word);
	str_add_char(command, ' ');
	str_add_span(command, text);
	return 0;
}

/* --- files --- */

/* "SITE!path", "!path" or "path": *site is NULL where it is ours. */
static int
part_file(struct uux *x, const char *word, const struct site_settings **site, const char **path, struct err *err)
{
	const char *bang = strchr(word, '!');

	*site = NULL;
	*path = bang != NULL ? bang + 1 : word;
	if (**path == '\0' || strchr(*path, '!') != NULL)
		return usage_error(err, "a file of ours or of a site is expected", word);
	if (bang == NULL || bang == word)
		return 0;
	char *name = mem_text_n(word, (size_t)(bang - word));
	*site = settings_site(&x->settings, name);
	bool known = *site != NULL || strcmp(name, x->settings.spool.site) == 0;
	if (!known) {
		settings_no_site(&x->settings, name, ERR_PERM, err);
		err_as(err, EX_NOHOST, NULL);
	}
	free(name);
	return known ? 0 : -1;
}

/* One of ours: it is copied now. */
static int
open_file(const char *path, int *fd, struct err *err)
{
	*fd = fs_open(AT_FDCWD, path, O_RDONLY, err);
	return *fd < 0 ? err_as(err, EX_NOINPUT, NULL) : 0;
}

/* Ours is opened, that of a site is asked for, and where it runs it needs neither. */
static int
get_file(struct uux *x, const struct site_settings *site, const char *path, struct gather_file *file, struct err *err)
{
	*file = (struct gather_file){ .fd = -1, .path = path };
	if (site == NULL)
		return open_file(path, &file->fd, err);
	if (!copying_path_ok(span_of(path)))
		return usage_error(err, "a path with blanks or control characters", path);
	file->site = site->name;
	x->asks = true;
	return 0;
}

/* The far end's command finds it by its last name. */
static int
add_file(struct uux *x, struct str *command, const struct site_settings *site, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	struct gather_file *file = &x->file[x->count];

	if (!filed_name_ok(span_of(name)))
		return usage_error(err, "a file whose name is no plain one", path);
	if (x->count == FILED_MAX)
		return usage_error(err, "too many files", path);
	for (size_t i = 0; i < x->count; i++)
		if (strcmp(x->file[i].name, name) == 0)
			return usage_error(err, "two files of one name", path);
	if (get_file(x, site, path, file, err) < 0)
		return -1;
	file->name = name;
	x->count++;
	str_printf(command, " %s", name);
	return 0;
}

/* "<!file", "< !file", "<file", "<SITE!file" */
static int
take_input(struct uux *x, char ***words, struct err *err)
{
	const char *word = (**words)[1] != '\0' ? **words + 1 : *++*words, *path;
	const struct site_settings *site;

	if (word == NULL || x->has_in || x->input)
		return usage_error(err, "one standard input is expected", "<");
	x->has_in = true;
	if (part_file(x, word, &site, &path, err) < 0)
		return -1;
	if (site == x->site)
		return usage_error(err, "the input is no file of where it runs", word);
	return get_file(x, site, path, &x->in, err);
}

/* Where the site may put what it sends, it may put what its commands print. */
static int
check_out(struct uux *x, struct err *err)
{
	struct files_target target = { .dir = -1 };
	int result = files_target(&x->settings, x->site->receive, x->out_path, SPAN("out"), true, &target, err);

	files_target_free(&target);
	if (result == 0)
		return 0;
	err_set(err, ERR_PERM, "%.*s: [site %s] receive names no folder for it (\"~/NAME\" is in the first that it names)",
	    (int)x->out_path.len, x->out_path.p, x->site->name);
	return err_as(err, EX_NOPERM, NULL);
}

/* ">!file", "> !file", ">file", ">SITE!file" */
static int
take_output(struct uux *x, char ***words, struct err *err)
{
	const char *word = (**words)[1] != '\0' ? **words + 1 : *++*words, *path;
	const struct site_settings *site;

	if (word == NULL || x->out_path.len > 0)
		return usage_error(err, "one standard output is expected", ">");
	if (part_file(x, word, &site, &path, err) < 0)
		return -1;
	x->out_path = span_of(path);
	x->out_site = span_of(site != NULL ? site->name : x->settings.spool.site);
	if (!copying_path_ok(x->out_path))
		return usage_error(err, "a path with blanks or control characters", path);
	return site == NULL ? check_out(x, err) : 0;
}

/* What stands in parentheses is none; "SITE!/path" where the command runs is but a path there. */
static int
take_word(struct uux *x, const char *word, struct str *command, struct err *err)
{
	const struct site_settings *site;
	const char *path;

	if (word[0] == '(' || strchr(word, '!') == NULL)
		return add_word(command, word, err);
	if (part_file(x, word, &site, &path, err) < 0)
		return -1;
	return site == x->site ? add_word(command, path, err) : add_file(x, command, site, path, err);
}

static int
take_words(struct uux *x, char **words, struct str *command, struct err *err)
{
	for (; *words != NULL; words++) {
		int result = (*words)[0] == '<' ? take_input(x, &words, err) :
		    (*words)[0] == '>' ? take_output(x, &words, err) : take_word(x, *words, command, err);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int
make_command(struct uux *x, char **words, struct str *command, struct err *err)
{
	char *bang = strchr(words[0], '!');

	if (bang == NULL || bang[1] == '\0')
		return usage_error(err, "SITE!COMMAND is expected; nothing runs here by uux", words[0]);
	char *name = mem_text_n(words[0], (size_t)(bang - words[0]));
	x->site = settings_site(&x->settings, name);
	if (x->site == NULL) {
		settings_no_site(&x->settings, name, ERR_PERM, err);
		err_as(err, EX_NOHOST, NULL);
	}
	free(name);
	if (x->site == NULL)
		return -1;
	if (strpbrk(bang + 1, " \t!<>|;&`*?()/@") != NULL)
		return usage_error(err, "a command is one plain name", words[0]);
	str_set(command, bang + 1);
	return take_words(x, words + 1, command, err);
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

static void
call_site(const struct site_settings *site)
{
	if (site != NULL && site->link[0] != '\0')
		helper_leave("uucico-ssh", "-qs", site->name);
}

/* Those that are to give files, or the one that is to run it. */
static void
call_sites(const struct uux *x, int result)
{
	if (result < 0 || x->no_call)
		return;
	if (!x->asks)
		call_site(x->site);
	for (size_t i = 0; i < x->count; i++)
		if (x->file[i].fd < 0)
			call_site(settings_site(&x->settings, x->file[i].site));
}

/* Its files are all of ours, or some are waited for. */
static int
queue_it(struct uux *x, struct queued *head, char grade, struct str *name, struct err *err)
{
	struct filed filed = { .command = str_span(&head->command), .out_site = x->out_site, .out_path = x->out_path };
	int files[FILED_MAX], in = x->input ? 0 : x->has_in ? x->in.fd : -1;
	struct stat st;

	if (x->asks) {
		struct str command = {0};
		filed_print(&filed, &command);
		if (x->input)
			x->in = (struct gather_file){ .fd = 0 };
		if (x->input || x->has_in)
			x->file[x->count++] = x->in;
		int result = gather_add(&x->spool, x->site->name, grade, head, str_span(&command), x->file, x->count, name, err);
		str_free(&command);
		return result;
	}
	for (size_t i = 0; i < x->count; i++) {
		if (fstat(x->file[i].fd, &st) < 0)
			return err_sys(err, "%s", x->file[i].path);
		files[i] = x->file[i].fd;
		filed.file[filed.count++] = (struct filed_file){ (uint64_t)st.st_size, span_of(x->file[i].name) };
	}
	return queued_add(&x->spool, x->site->name, grade, head, &filed, files, in, name, err);
}

static int
queue_command(struct uux *x, char **words, struct err *err)
{
	struct queued head = { .fd = -1 };
	struct str name = {0};
	char grade = x->grade != NULL ? x->grade[0] : 'N';

	int result = make_command(x, words, &head.command, err);
	if (result == 0)
		result = fill_head(x, &head, err);
	if (result == 0)
		result = check_size(&head, err);
	if (result == 0)
		result = spool_open(&x->spool, &x->settings, true, err);
	const bool opened = result == 0;
	if (result == 0)
		result = queue_it(x, &head, grade, &name, err);
	if (result == 0) {
		spool_event(&x->spool, str_c(&name), "event=%s site=%s user=%s command=\"%s\"", x->asks ? "gathering" : "queued",
		    x->site->name, str_c(&head.user), str_c(&head.command));
		spool_ring(&x->spool);
	}
	if (result == 0 && x->print)
		printf("%s\n", str_c(&name));
	call_sites(x, result);
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

	take_dashes(rows, argc, argv);
	int done = settings_start(&x->settings, &x->args, rows, "uux", usage, about, true, &argc, &argv, err);
	if (done != 0)
		return done;
	if (argc == 0)
		return usage_error(err, "no command is given", "uux");
	if (x->grade != NULL && (strlen(x->grade) != 1 || !span_has_only(span_of(x->grade), "")))
		return usage_error(err, "a grade is one letter or digit", x->grade);
	helper_environment(&x->settings, &x->args);
	return queue_command(x, argv, err);
}

int
PROGRAM(uux)(int argc, char **argv)
{
	struct uux x = { .in = { .fd = -1 } };
	struct err err = {0};

	umask(027);
	start(&x, argc, argv, &err);
	int status = log_failure(&err);
	opt_list_free(&x.args.set);
	settings_free(&x.settings);
	return status;
}
