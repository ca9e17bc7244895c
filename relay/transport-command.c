/*
 * transport-command - to a program of this host, once for each recipient.
 *
 *	command:/usr/bin/filter -d %u
 *
 * There is no shell: blanks part the words, and what %u, %d, %r or %s stand for never is a
 * word more, nor an option.  The message comes on standard input as a file would have it (LF,
 * Return-Path and Delivered-To on top); SENDER and RECIPIENT are in the environment.  The
 * program runs as we do, in a session of its own, which is killed when it has ended or takes
 * too long.  Its exit status is one of sysexits.h, the first line that it prints the reason.
 */
#include "relay/transport.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/crlf.h"
#include "relay/errand.h"
#include "relay/lane.h"
#include "relay/mailbox.h"
#include "relay/relay.h"

enum { COMMAND_SECONDS = 300, WORDS_MAX = 100, SAID_MAX = 400, BUFFERED = 64 << 10 };

struct work {
	struct lane *lane;
	size_t next;		/* the recipient in hand */
	struct errand errand;
};

/* what it reads */

struct pipe_text {
	int fd;
	struct str text;
	bool cr;
};

static int
flush(struct pipe_text *p, size_t keep, struct err *err)
{
	if (p->text.len <= keep)
		return 0;
	int result = fs_write(p->fd, p->text.p, p->text.len, err);
	str_clear(&p->text);
	return result;
}

static int
write_field(void *ctx, const char *name, struct span value, struct err *err)
{
	struct pipe_text *p = ctx;

	str_printf(&p->text, "%s: %.*s\n", name, (int)value.len, value.p);
	return flush(p, BUFFERED, err);
}

static int
write_body(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct pipe_text *p = ctx;

	crlf_to_lf((struct span){ bytes, len }, &p->cr, &p->text);
	return flush(p, BUFFERED, err);
}

/* A file without a name: the program reads at its own pace, and we never wait for it. */
static int
write_input(struct work *work, struct err *err)
{
	static const struct mailbox_writer writer = { write_field, write_body };
	struct pipe_text p = { .fd = fs_scratch(work->lane->relay->spool.tmp, ".", err) };
	int result = p.fd < 0 ? -1 : mailbox_write(work->lane, NULL, work->next, &writer, &p, err);

	if (result == 0 && p.cr)
		str_add_char(&p.text, '\r');
	if (result == 0)
		result = flush(&p, 0, err);
	if (result == 0 && lseek(p.fd, 0, SEEK_SET) < 0)
		result = err_sys(err, "a file for the program");
	str_free(&p.text);
	if (result == 0)
		return p.fd;
	if (p.fd >= 0)
		close(p.fd);
	return -1;
}

/* how it is called */

struct words {
	char **text;		/* NULL-ended when whole */
	size_t count;
};

static void
add_text(struct words *words, const char *text)
{
	words->text = mem_resize(words->text, words->count + 2, sizeof *words->text);
	words->text[words->count++] = mem_text(text);
	words->text[words->count] = NULL;
}

static void
words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->text[i]);
	free(words->text);
}

static struct span
meant_by(const struct work *work, char letter)
{
	const struct envelope *env = &work->lane->message.entry.env;
	struct span rcpt = str_span(&env->rcpt[work->next].to), domain = envelope_domain(rcpt);

	switch (letter) {
	case 'd': return domain;
	case 'r': return rcpt;
	case 's': return str_span(&env->from);
	case 'u': return domain.len > 0 ? span_to(rcpt, rcpt.len - domain.len - 1) : rcpt;
	default: return (struct span){0};
	}
}

/* "-d" is as good as it stands; a recipient called "-oQ/x" is not (ARG-01). */
static int
add_word(const struct work *work, struct span word, struct words *argv, struct err *err)
{
	struct str out = {0};
	int result = 0;

	for (size_t i = 0; i < word.len; i++) {
		struct span meant = word.p[i] == '%' && i + 1 < word.len ? meant_by(work, word.p[i + 1]) : (struct span){0};
		if (meant.p == NULL) {
			str_add_char(&out, word.p[i]);
			continue;
		}
		if (out.len == 0 && meant.len > 0 && meant.p[0] == '-')
			result = err_set(err, ERR_PERM, "an address that begins with a dash is not taken here");
		str_add_span(&out, meant);
		i++;
	}
	add_text(argv, str_c(&out));
	str_free(&out);
	return result < 0 ? err_as(err, 0, "5.1.3") : 0;
}

static int
make_words(const struct work *work, struct words *argv, struct err *err)
{
	struct span rest = span_of(work->lane->rest), word;
	int result = 0;

	while ((word = span_word(&rest)).len > 0 && result == 0)
		result = argv->count < WORDS_MAX ? add_word(work, word, argv, err) :
		    err_set(err, ERR_CONFIG, "more than %d words", WORDS_MAX);
	return result;
}

static void
add_variable(struct words *list, const char *name, struct span value)
{
	struct str text = {0};

	str_printf(&text, "%s=%.*s", name, (int)value.len, value.p != NULL ? value.p : "");
	add_text(list, str_c(&text));
	str_free(&text);
}

static void
make_environment(const struct work *work, struct words *list)
{
	const char *path = getenv("PATH"), *home = getenv("HOME");

	add_variable(list, "PATH", span_of(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin"));
	if (home != NULL)
		add_variable(list, "HOME", span_of(home));
	add_variable(list, "SENDER", meant_by(work, 's'));
	add_variable(list, "RECIPIENT", meant_by(work, 'r'));
}

static void go_on(struct work *work);

/* its end */

static const char *
code_of(int status)
{
	static const struct { int status; const char *code; } codes[] = {
		{ EX_DATAERR, "5.6.0" }, { EX_NOUSER, "5.1.1" }, { EX_NOHOST, "5.1.2" }, { EX_NOPERM, "5.7.1" },
		{ EX_CANTCREAT, "5.2.0" },
	};

	for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].status == status)
			return codes[i].code;
	return NULL;
}

/* What it printed says more than its number. */
static void
explain(const struct work *work, int status, struct err *err)
{
	struct span rest = str_span(&work->errand.words), line;

	if (status == EX_OSERR || status == EX_IOERR || status == EX_OSFILE)
		err->kind = ERR_TEMP;
	else if (err->kind == ERR_PERM && code_of(status) != NULL)
		err_as(err, 0, code_of(status));
	if (span_cut(&rest, '\n', &line) && span_trim(line).len > 0)
		err_prefix(err, "%.*s", (int)line.len, line.p);
}

static void
tell(struct work *work, const struct err *err)
{
	if (err->kind == ERR_NONE)
		lane_rcpt_done(work->lane, work->next, "250 2.0.0 given to the program", dsn_of_success(DSN_BY_PLAIN_HOP));
	else
		lane_rcpt_err(work->lane, work->next, err);
}

static void
on_end(void *ctx, int status, const struct err *trouble)
{
	struct work *work = ctx;
	const struct lane *lane = work->lane;
	struct err err = *trouble;

	if (err.kind == ERR_NONE) {
		char *program = mem_text_n(lane->rest, strcspn(lane->rest, " "));
		child_status(status, program, &err);
		free(program);
		if (err.kind != ERR_NONE)
			explain(work, status, &err);
	}
	tell(work, &err);
	work->next++;
	go_on(work);
}

/* its beginning */

static int
start_with(struct work *work, const struct words *argv, struct err *err)
{
	struct words environment = {0};
	int in = write_input(work, err);

	if (in < 0)
		return -1;
	make_environment(work, &environment);
	const struct child child = { .argv = (const char *const *)argv->text,
		.environment = (const char *const *)environment.text,
		.folder = work->lane->relay->setup->settings.root, .in = in };
	int result = errand_start(&work->errand, &work->lane->relay->loop, &child, err);
	close(in);
	words_free(&environment);
	return result;
}

static int
start_program(struct work *work, struct err *err)
{
	struct words argv = {0};

	int result = mailbox_loops(work->lane, work->next) ? mailbox_loop(err) : make_words(work, &argv, err);
	if (result == 0)
		result = start_with(work, &argv, err);
	words_free(&argv);
	return result;
}

static void
go_on(struct work *work)
{
	for (; work->next < work->lane->message.entry.env.rcpts; work->next++) {
		struct err err;
		if (!lane_waiting(work->lane, work->next))
			continue;
		if (!message_still_there(&work->lane->message)) {
			log_info("%s: event=moved-away by=command:%s", str_c(&work->lane->message.id), work->lane->rest);
			break;
		}
		if (start_program(work, &err) == 0)
			return;
		tell(work, &err);
	}
	lane_done(work->lane, NULL);
}

static void
command_open(struct lane *lane)
{
	struct work *work = mem_get(sizeof *work);

	*work = (struct work){ .lane = lane, .errand = { .most = SAID_MAX, .seconds = COMMAND_SECONDS,
		.errors_too = true, .done = on_end, .ctx = work } };
	lane->work = work;
}

static void
command_send(struct lane *lane)
{
	struct work *work = lane->work;

	work->next = 0;
	go_on(work);
}

static void
command_close(struct lane *lane)
{
	struct work *work = lane->work;

	errand_stop(&work->errand);
	free(work);
	lane->work = NULL;
}

const struct transport transport_command = {
	.name = "command",
	.kind = ROUTE_COMMAND,
	.open = command_open,
	.send = command_send,
	.close = command_close,
};
