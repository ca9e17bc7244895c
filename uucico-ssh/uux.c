/*
 * uux - queues a command, with its standard input, to be run at a site.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "uucico-ssh/helper.h"
#include "uucico-ssh/queued.h"

static const char usage[] = "uux [-p] [-r] [-n] [-z] [-g GRADE] [-a ADDRESS] [-j] [-] SITE!COMMAND [WORD ...]";
static const char about[] = "Queues a command, with its standard input, to be run at a site.";

struct uux {
	struct settings settings;
	struct settings_args args;
	struct spool spool;
	const char *grade, *requestor;
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
 * word must be one, and what uux has always taken for files and pipes is refused. */
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

static int
make_command(char **words, const struct site_settings **site, const struct settings *settings,
    struct str *command, struct err *err)
{
	char *bang = strchr(words[0], '!');

	if (bang == NULL || bang[1] == '\0')
		return usage_error(err, "SITE!COMMAND is expected; nothing runs here by uux", words[0]);
	char *name = mem_text_n(words[0], (size_t)(bang - words[0]));
	*site = settings_site(settings, name);
	if (*site == NULL) {
		err_set(err, ERR_PERM, "there is no [site %s] in mochila.conf", name);
		err_as(err, EX_NOHOST, NULL);
	}
	free(name);
	if (*site == NULL)
		return -1;
	if (strpbrk(bang + 1, " \t!<>|;&`*?()/") != NULL)
		return usage_error(err, "a command is one plain name", words[0]);
	str_set(command, bang + 1);
	for (words++; *words != NULL; words++)
		if (add_word(command, *words, err) < 0)
			return -1;
	return 0;
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

	int result = make_command(words, &site, &x->settings, &head.command, err);
	if (result == 0)
		result = fill_head(x, &head, err);
	if (result == 0)
		result = check_size(&head, err);
	if (result == 0)
		result = spool_open(&x->spool, &x->settings, true, err);
	if (result == 0)
		result = queued_add(&x->spool, site->name, grade, &head, x->input ? 0 : -1, &name, err);
	if (result == 0) {
		spool_event(&x->spool, str_c(&name), "event=queued site=%s user=%s command=\"%s\"", site->name,
		    str_c(&head.user), str_c(&head.command));
		spool_ring(&x->spool);
	}
	if (result == 0 && x->print)
		printf("%s\n", str_c(&name));
	if (result == 0 && !x->no_call && site->link[0] != '\0')
		helper_leave("uucico-ssh", "-qs", site->name);
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
main(int argc, char **argv)
{
	struct uux x = {0};
	struct err err = {0};

	umask(027);
	start(&x, argc, argv, &err);
	int status = log_failure(&err);
	opt_list_free(&x.args.set);
	settings_free(&x.settings);
	return status;
}
