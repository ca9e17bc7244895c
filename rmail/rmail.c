#include "rmail/rmail.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/program.h"
#include "lib/mail/fromline.h"
#include "rmail/submit.h"
#include "spool/enclose.h"

static const char usage_text[] = "rmail [OPTION...] ADDRESS...";
static const char about_text[] = "Takes one message from UUCP on standard input; see rmail(8).";

/* The next hop's form: h!u is u at h, and what h does with the rest is its affair. */
static void
from_bang(struct span word, struct str *address)
{
	struct span rest = word, host;

	if (memchr(word.p, '@', word.len) == NULL && memchr(word.p, '!', word.len) != NULL &&
	    span_cut(&rest, '!', &host) && host.len > 0 && rest.len > 0) {
		str_add_span(address, rest);
		str_add_char(address, '@');
		str_add_span(address, host);
	} else {
		str_add_span(address, word);
	}
}

static int
add_recipient(struct envelope *env, const char *word, struct err *err)
{
	struct str address = {0};

	int result = submit_address_ok(span_of(word), err);
	if (result == 0) {
		from_bang(span_of(word), &address);
		result = submit_address_ok(str_span(&address), err);
	}
	if (result == 0)
		envelope_add(env, str_span(&address), (struct span){ "", 0 });
	str_free(&address);
	return result;
}

static int
add_recipients(struct envelope *env, int count, char **words, struct err *err)
{
	if (count == 0) {
		err_set(err, ERR_PERM, "no recipient: usage: %s", usage_text);
		return err_as(err, EX_USAGE, NULL);
	}
	for (int i = 0; i < count; i++)
		if (add_recipient(env, words[i], err) < 0)
			return -1;
	return 0;
}

static struct span
first_line(const struct str *body)
{
	struct span line = str_span(body);
	const char *end = line.len > 0 ? memchr(line.p, '\n', line.len) : NULL;

	return end != NULL ? span_to(line, (size_t)(end - line.p) + 1) : line;
}

/* Takes the From_ lines off the top and makes the sender of them. */
static int
take_sender(struct submission *s, struct str *sender, struct err *err)
{
	struct from_path path = {0};
	int got;

	for (;;) {
		struct span line = first_line(&s->body), text = line;
		while (text.len > 0 && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
			text.len--;
		got = fromline_take(&path, text, err);
		if (got <= 0)
			break;
		str_cut(&s->body, line.len);
	}
	if (got == 0 && path.lines == 0) {
		err_set(err, ERR_PERM, "no From_ line: this is no mail from UUCP");
		got = err_as(err, EX_DATAERR, NULL);
	}
	if (got == 0)
		fromline_sender(&path, sender);
	from_path_free(&path);
	return got;
}

static int
take(struct submission *s, int count, char **words, struct err *err)
{
	struct envelope rcpts = {0};
	struct str sender = {0};

	int result = add_recipients(&rcpts, count, words, err);
	if (result == 0)
		result = submit_read(STDIN_FILENO, s->settings->spool.max_size, false, &s->body, err);
	if (result == 0)
		result = take_sender(s, &sender, err);
	if (result == 0)
		result = submit_sender_ok(str_span(&sender), err);
	if (result == 0) {
		envelope_from(&s->env, str_span(&sender), (struct span){ "", 0 });
		for (size_t i = 0; i < rcpts.rcpts; i++)
			envelope_add(&s->env, str_span(&rcpts.rcpt[i].to), (struct span){ "", 0 });
		result = submit(s, err);
	}
	envelope_free(&rcpts);
	str_free(&sender);
	return result;
}

/* "spool:", or "sendmail:PROGRAM" */
static int
choose_way(struct submission *s, const char *program, struct err *err)
{
	const char *said = s->settings->spool.rmail;

	if (program == NULL && strncmp(said, "sendmail:", 9) == 0)
		program = said + 9;
	else if (program == NULL && strcmp(said, "spool:") != 0)
		return err_set(err, ERR_CONFIG, "spool.rmail = %.200s: want spool: or sendmail:PROGRAM", said);
	if (program != NULL && program[0] != '/')
		return err_set(err, ERR_CONFIG, "%.200s: a program is named by its whole path", program);
	s->program = program;
	return 0;
}

static int
give_away(const struct submission *s, const struct settings_args *args, struct err *err)
{
	const struct enclosing mine = { .needs = s->program == NULL ? ENCLOSE_SPOOL | ENCLOSE_NEW : 0, .program = s->program };

	return enclose(s->settings, args, &mine, err);
}

static const char *
said_in(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Run by UUCP, every word is from the wire and is an address; options are for people
 * (ARG-01). */
int
rmail_main(int argc, char **argv, struct err *err)
{
	struct settings settings;
	struct settings_args args = {0};
	const char *program = NULL, *peer = said_in("UU_MACHINE");
	const struct opt_row rows[] = {
		{ "sendmail", 0, "PROGRAM", "give it to this sendmail, not to the spool", OPT_TEXT, &program },
		SETTINGS_OPTS(&args),
		{0},
	};
	char *alone[] = { argv[0], NULL }, **words = argv + 1, **none = alone;
	int count = argc - 1, one = 1, result;

	if (peer != NULL && !settings_site_name(peer))
		return err_set(err, ERR_CONFIG, "UU_MACHINE is not a site's name");
	if (peer != NULL) {
		result = settings_start(&settings, &args, rows, "rmail", usage_text, about_text, true,
		    &one, &none, err);
	} else {
		words = argv;
		count = argc;
		result = settings_start(&settings, &args, rows, "rmail", usage_text, about_text, true,
		    &count, &words, err);
	}
	struct submission s = {
		.settings = &settings, .as = "rmail", .client = "", .peer = peer,
		.job = peer != NULL ? said_in("MOCHILA_JOB") : NULL,
	};
	if (result == 0 && (choose_way(&s, program, err) < 0 || give_away(&s, &args, err) < 0 ||
	    take(&s, count, words, err) < 0))
		result = -1;
	helper_stop();
	submission_free(&s);
	settings_free(&settings);
	opt_list_free(&args.set);
	return result < 0 ? -1 : 0;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* The names of sendmail, and the mode that each stands for; 0: rmail's. */
static char
mode_of(const char *name)
{
	static const struct { const char *name; char mode; } names[] = {
		{ "sendmail", 'm' }, { "mailq", 'p' }, { "newaliases", 'i' },
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strstr(name, names[i].name) != NULL)
			return names[i].mode;
	return 0;
}

int
PROGRAM(mailer)(int argc, char **argv)
{
	static char name[] = "rmail";
	char *nothing[] = { name, NULL };
	struct err err = {0};

	if (argc < 1) {		/* ARG-03 */
		argc = 1;
		argv = nothing;
	}
	signal(SIGPIPE, SIG_IGN);
	/* Programs that submit read our words as trouble; the spool has its own history. */
	log_open(base_name(argv[0]), "stderr", LOG_LEVEL_WARN, &err);
	char mode = mode_of(base_name(argv[0]));
	int result = mode != 0 ? sendmail_main(mode, argc, argv, &err) : rmail_main(argc, argv, &err);
	return result < 0 ? log_failure(&err) : EX_OK;
}
