/*
 * sendmail: the options that programs have used since 1983.  Those that tell a
 * daemon or a queue how to work have nothing to tell here and are taken in silence, as
 * every other sendmail does; an unknown letter is a mistake and is told.
 */
#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/xtext.h"
#include "rmail/compose.h"
#include "rmail/rmail.h"
#include "rmail/submit.h"
#include "spool/route.h"

struct sending {
	struct settings settings;
	struct submission submission;
	const char *from, *full_name, *notify, *ret, *envid, *body, *queue;
	char mode;		/* of -b; 'q': -q */
	bool from_header, ignore_dots, gateway;
	int first;		/* index of the first recipient in argv */
};

/* the command line */

struct option {
	char letter;
	char kind;		/* '-' takes none, ':' takes a value, '?' one in the same word */
	void (*take)(struct sending *s, const char *value);	/* NULL: of no meaning here */
};

static void
take_mode(struct sending *s, const char *value)
{
	s->mode = value[0];
}

static void
take_from(struct sending *s, const char *value)
{
	s->from = value;
}

static void
take_name(struct sending *s, const char *value)
{
	s->full_name = value;
}

static void
take_dots(struct sending *s, const char *value)
{
	(void)value;
	s->ignore_dots = true;
}

static void
take_from_header(struct sending *s, const char *value)
{
	(void)value;
	s->from_header = true;
}

static void
take_notify(struct sending *s, const char *value)
{
	s->notify = value;
}

static void
take_ret(struct sending *s, const char *value)
{
	s->ret = value;
}

static void
take_envid(struct sending *s, const char *value)
{
	s->envid = value;
}

/* -oi, and -O IgnoreDots=true; the other settings of sendmail.cf are not ours. */
static void
take_setting(struct sending *s, const char *value)
{
	const char *said = strchr(value, '=');

	if (value[0] == 'i' || strncasecmp(value, "IgnoreDots", 10) == 0)
		s->ignore_dots = said == NULL || strchr("fFnN", said[1]) == NULL;
}

static void
take_body(struct sending *s, const char *value)
{
	s->body = value;
}

static void
take_gateway(struct sending *s, const char *value)
{
	(void)value;
	s->gateway = true;
}

/* -q, -qIID, -qRSITE: now.  -q30m is how often a daemon looks, and so nothing here. */
static void
take_queue(struct sending *s, const char *value)
{
	if (value[0] == '\0' || strchr("IRS", value[0]) != NULL)
		s->queue = value;
}

static void
take_newaliases(struct sending *s, const char *value)
{
	(void)value;
	s->mode = 'i';
}

static const struct option options[] = {
	{ 'b', ':', take_mode },
	{ 'f', ':', take_from }, { 'r', ':', take_from },
	{ 'F', ':', take_name },
	{ 'i', '-', take_dots },
	{ 't', '-', take_from_header },
	{ 'N', ':', take_notify }, { 'R', ':', take_ret }, { 'V', ':', take_envid },
	{ 'o', ':', take_setting }, { 'O', ':', take_setting },
	{ 'I', '-', take_newaliases },
	{ 'B', ':', take_body },
	{ 'G', '-', take_gateway },
	{ 'q', '?', take_queue },
	{ 'A', '?', NULL }, { 'C', ':', NULL }, { 'c', '-', NULL }, { 'D', ':', NULL },
	{ 'd', '?', NULL }, { 'E', '-', NULL }, { 'e', '?', NULL }, { 'h', ':', NULL },
	{ 'L', ':', NULL }, { 'M', '?', NULL }, { 'm', '-', NULL }, { 'n', '-', NULL },
	{ 'p', '?', NULL }, { 's', '-', NULL }, { 'T', ':', NULL }, { 'U', '-', NULL },
	{ 'v', '-', NULL }, { 'X', ':', NULL }, { 'x', '?', NULL },
	{0},
};

static int
bad_usage(struct err *err, const char *format, const char *what)
{
	err_set(err, ERR_PERM, "%s%.100s", format, what);
	return err_as(err, EX_USAGE, NULL);
}

static const struct option *
option_of(char letter)
{
	for (const struct option *o = options; o->letter != 0; o++)
		if (o->letter == letter)
			return o;
	return NULL;
}

/* One word of options: "-ti", "-fann@example.org", "-f" with the value in the next. */
static int
take_word(struct sending *s, const char *word, const char *next, int *used, struct err *err)
{
	for (const char *at = word + 1; *at != '\0'; at++) {
		const struct option *option = option_of(*at);
		const char *value = at + 1;
		if (option == NULL)
			return bad_usage(err, "unknown option ", word);
		if (option->kind == ':' && *value == '\0') {
			if (next == NULL)
				return bad_usage(err, "a value is missing behind ", word);
			value = next;
			(*used)++;
		}
		if (option->take != NULL)
			option->take(s, value);
		if (option->kind != '-')
			return 0;
	}
	return 0;
}

static int
read_options(struct sending *s, int argc, char **argv, struct err *err)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		int used = 1;
		if (take_word(s, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, err) < 0)
			return -1;
		i += used;
	}
	s->first = i;
	return 0;
}

/* the envelope */

static void
user_name(struct str *name)
{
	const struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		str_add_text(name, user->pw_name);
	else
		str_printf(name, "uid-%lu", (unsigned long)getuid());
}

static int
add_sender(struct sending *s, struct err *err)
{
	struct str user = {0}, sender = {0};
	struct span said = span_of(s->from);

	user_name(&user);
	s->submission.client = mem_text(str_c(&user));
	if (s->from == NULL)
		said = str_span(&user);
	if (said.len >= 2 && said.p[0] == '<' && said.p[said.len - 1] == '>')
		said = (struct span){ said.p + 1, said.len - 2 };
	compose_qualify(said, s->settings.spool.host, &sender);
	int result = submit_sender_ok(str_span(&sender), err);
	if (result == 0)
		envelope_from(&s->submission.env, str_span(&sender), (struct span){ "", 0 });
	str_free(&user);
	str_free(&sender);
	return result;
}

static int
add_recipient(struct sending *s, const char *word, struct err *err)
{
	struct str address = {0};

	int result = submit_address_ok(span_of(word), err);
	compose_qualify(span_of(word), s->settings.spool.host, &address);
	if (result == 0)
		result = submit_address_ok(str_span(&address), err);
	if (result == 0)
		envelope_add(&s->submission.env, str_span(&address), (struct span){ "", 0 });
	str_free(&address);
	return result;
}

static int
one_of(const char *said, const char *const words[], const char *option, struct err *err)
{
	for (size_t i = 0; words[i] != NULL; i++)
		if (strcasecmp(said, words[i]) == 0)
			return 0;
	return bad_usage(err, option, said);
}

static void
add_upper(struct str *args, const char *keyword, struct span value)
{
	if (args->len > 0)
		str_add_char(args, ' ');
	str_add_text(args, keyword);
	for (size_t i = 0; i < value.len; i++)
		str_add_char(args, (char)toupper((unsigned char)value.p[i]));
}

static int
check_notify(const char *said, struct err *err)
{
	static const char *const alone[] = { "never", NULL };
	static const char *const words[] = { "success", "failure", "delay", NULL };
	struct span rest = span_of(said), word;

	if (strcasecmp(said, alone[0]) == 0)
		return 0;
	while (span_cut(&rest, ',', &word)) {
		char *text = mem_text_n(word.p, word.len);
		int result = one_of(text, words, "-N: not never, success, failure or delay: ", err);
		free(text);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int
add_body(struct sending *s, struct err *err)
{
	static const char *const bodies[] = { "7bit", "8bitmime", NULL };

	if (s->body == NULL)
		return 0;
	if (one_of(s->body, bodies, "-B: not 7BIT or 8BITMIME: ", err) < 0)
		return -1;
	if (s->body[0] == '8')		/* that it is 7bit, the text itself has to say */
		add_upper(&s->submission.env.args, "BODY=", span_of(s->body));
	return 0;
}

/* -N, -R, -V become the parameters of RFC 3461. */
static int
add_dsn(struct sending *s, struct err *err)
{
	static const char *const rets[] = { "full", "hdrs", NULL };
	struct envelope *env = &s->submission.env;

	if (s->ret != NULL) {
		if (one_of(s->ret, rets, "-R: not full or hdrs: ", err) < 0)
			return -1;
		add_upper(&env->args, "RET=", span_of(s->ret));
	}
	if (s->envid != NULL) {
		add_upper(&env->args, "ENVID=", (struct span){ "", 0 });
		xtext_encode(span_of(s->envid), &env->args);
	}
	if (s->notify != NULL && check_notify(s->notify, err) < 0)
		return -1;
	for (size_t i = 0; s->notify != NULL && i < env->rcpts; i++)
		add_upper(&env->rcpt[i].args, "NOTIFY=", span_of(s->notify));
	return 0;
}

/* the ways to be called */

static int
check_words(const struct sending *s, struct err *err)
{
	for (const char *c = s->full_name; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f || *c == '"' || *c == '\\')
			return bad_usage(err, "-F: a name has no control characters, quotes or backslashes", "");
	for (const char *c = s->envid; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			return bad_usage(err, "-V: printable ASCII only", "");
	if (s->envid != NULL && (s->envid[0] == '\0' || strlen(s->envid) > 100))
		return bad_usage(err, "-V: 1 to 100 characters", "");
	return 0;
}

static int
gather(struct sending *s, int argc, char **argv, struct str *text, struct err *err)
{
	struct envelope *env = &s->submission.env;
	uint64_t max = s->settings.spool.max_size;

	if (check_words(s, err) < 0 || add_sender(s, err) < 0)
		return -1;
	for (int i = s->first; i < argc; i++)
		if (add_recipient(s, argv[i], err) < 0)
			return -1;
	if (env->rcpts == 0 && !s->from_header)
		return bad_usage(err, "no recipient: name some, or say -t", "");
	if (submit_read(STDIN_FILENO, max, !s->ignore_dots, text, err) < 0)
		return -1;
	if (s->from_header &&
	    compose_recipients(str_span(text), s->settings.spool.host, env, err) < 0)
		return -1;
	if (env->rcpts == 0)
		return bad_usage(err, "no recipient in To, Cc or Bcc", "");
	return add_body(s, err) < 0 ? -1 : add_dsn(s, err);
}

static int
send_message(struct sending *s, int argc, char **argv, struct err *err)
{
	struct str text = {0};

	int result = gather(s, argc, argv, &text, err);
	/* With -G it is somebody else's, on its way: nothing is added and nothing taken off. */
	s->submission.as_it_is = s->gateway;
	if (result == 0 && s->gateway) {
		str_add_span(&s->submission.body, str_span(&text));
		result = submit(&s->submission, err);
	} else if (result == 0) {
		struct composing composing = {
			.host = s->settings.spool.host, .from = str_c(&s->submission.env.from),
			.full_name = s->full_name, .strip_bcc = true, .now = clock_now(),
		};
		compose_message(&composing, str_span(&text), &s->submission.body);
		result = submit(&s->submission, err);
	}
	str_free(&text);
	return result;
}

/* The operator's door does it; comes back only when it cannot. */
static int
ask_door(const char *word, const char *what, struct err *err)
{
	struct str path = {0};

	settings_door(&path);
	execl(str_c(&path), "mochila", word, what, (char *)NULL);
	err_sys(err, "%s", str_c(&path));
	err_as(err, EX_UNAVAILABLE, NULL);
	str_free(&path);
	return -1;
}

static int
print_queue(struct sending *s, int argc, char **argv, struct err *err)
{
	(void)s;
	(void)argc;
	(void)argv;
	return ask_door("list", NULL, err);
}

static int
run_queue(struct sending *s, int argc, char **argv, struct err *err)
{
	(void)argc;
	(void)argv;
	if (s->queue[0] != '\0' && (s->queue[1] == '\0' || s->queue[1] == '-'))
		return bad_usage(err, "which? -q", s->queue);
	return ask_door("retry", s->queue[0] != '\0' ? s->queue + 1 : NULL, err);
}

/* -bv, -bt: where mail for these addresses would go; nothing is sent. */
static int
show_route(struct sending *s, struct span said, struct str *out)
{
	struct str address = {0}, destination = {0};
	struct err why = {0};
	int status = EX_OK;

	compose_qualify(said, s->settings.spool.host, &address);
	struct route_match match = route_find(&s->settings, str_span(&address));
	log_escape(out, str_span(&address), 300);
	if (submit_address_ok(str_span(&address), &why) < 0) {
		str_printf(out, "... no address: %s\n", why.text);
		status = EX_DATAERR;
	} else if (!route_waits(match.kind)) {
		str_printf(out, "... %s\n", match.kind == ROUTE_NONE ? "no route" : match.rest);
		status = match.kind == ROUTE_NONE ? EX_NOHOST : match.kind == ROUTE_LATER ? EX_TEMPFAIL : EX_NOUSER;
	} else {
		struct str folder = {0};
		route_folder(&match, &folder);
		route_of_folder(str_c(&folder), &destination);
		str_printf(out, "... deliverable: %s\n", str_c(&destination));
		str_free(&folder);
	}
	str_free(&address);
	str_free(&destination);
	return status;
}

static int
show_routes(struct sending *s, struct span words, struct err *err)
{
	struct str out = {0};
	struct span word;
	int worst = EX_OK;

	while ((word = span_word(&words)).len > 0) {
		int status = show_route(s, word, &out);
		worst = worst == EX_OK ? status : worst;
	}
	int result = fs_write(STDOUT_FILENO, out.p, out.len, err);
	str_free(&out);
	if (result < 0 || worst == EX_OK)
		return result;
	err_set(err, ERR_PERM, "not every address has a place to go to");
	return err_as(err, worst, NULL);
}

static int
verify(struct sending *s, int argc, char **argv, struct err *err)
{
	struct str words = {0};

	if (s->first == argc)
		return bad_usage(err, "-bv: which addresses?", "");
	for (int i = s->first; i < argc; i++)
		str_printf(&words, "%s ", argv[i]);
	int result = show_routes(s, str_span(&words), err);
	str_free(&words);
	return result;
}

/* An address a line; sendmail's own begins it with the numbers of rule sets. */
static int
test_addresses(struct sending *s, int argc, char **argv, struct err *err)
{
	struct str text = {0}, words = {0};
	struct span rest, line;

	(void)argc;
	(void)argv;
	int result = submit_read(STDIN_FILENO, 1 << 20, false, &text, err);
	rest = str_span(&text);
	while (result == 0 && span_cut(&rest, '\n', &line)) {
		line = span_trim(line);
		while (line.len > 0 && (isdigit((unsigned char)line.p[0]) || strchr(", \r", line.p[0]) != NULL))
			line = span_from(line, 1);
		str_add_span(&words, line);
		str_add_char(&words, ' ');
	}
	for (size_t i = 0; i < words.len; i++)
		if (words.p[i] == '\r')
			words.p[i] = ' ';
	if (result == 0)
		result = show_routes(s, str_span(&words), err);
	str_free(&text);
	str_free(&words);
	return result;
}

static int
be_no_daemon(struct sending *s, int argc, char **argv, struct err *err)
{
	(void)s;
	(void)argc;
	(void)argv;
	return bad_usage(err, "the daemon here is mochila-relay", "");
}

static int
do_nothing(struct sending *s, int argc, char **argv, struct err *err)
{
	(void)s;
	(void)argc;
	(void)argv;
	(void)err;
	return 0;
}

static int
speak_smtp(struct sending *s, int argc, char **argv, struct err *err)
{
	(void)argc;
	(void)argv;
	return add_sender(s, err) < 0 ? -1 : talk(&s->submission, err);
}

static const struct mode {
	char letter;
	int (*run)(struct sending *s, int argc, char **argv, struct err *err);
} modes[] = {
	{ 'm', send_message },
	{ 'p', print_queue }, { 'P', print_queue },
	{ 'q', run_queue },
	{ 's', speak_smtp }, { 'a', speak_smtp },
	{ 't', test_addresses },
	{ 'v', verify },
	{ 'd', be_no_daemon }, { 'D', be_no_daemon }, { 'l', be_no_daemon },
	{ 'i', do_nothing },	/* there are no aliases here to make anew */
	{ 'h', do_nothing }, { 'H', do_nothing },	/* nor a store of what hosts have said */
	{0},
};

static int
run_mode(struct sending *s, int argc, char **argv, struct err *err)
{
	for (const struct mode *mode = modes; mode->letter != 0; mode++)
		if (mode->letter == s->mode)
			return mode->run(s, argc, argv, err);
	char letter[2] = { s->mode, '\0' };
	return bad_usage(err, "not done here: -b", letter);
}

int
sendmail_main(char mode, int argc, char **argv, struct err *err)
{
	struct sending s = { .mode = mode, .submission = { .as = "sendmail" } };
	struct settings_args args = {0};

	s.submission.settings = &s.settings;
	int result = settings_load(&s.settings, &args, err);
	if (result == 0)
		result = read_options(&s, argc, argv, err);
	if (result == 0 && s.queue != NULL && s.mode == 'm' && s.first == argc && !s.from_header)
		s.mode = 'q';
	if (result == 0)
		result = run_mode(&s, argc, argv, err);
	free((char *)(uintptr_t)s.submission.client);
	submission_free(&s.submission);
	settings_free(&s.settings);
	return result;
}
