/*
 * sink sendmail: each message to a sendmail-compatible program, which is run once for each
 * of them, with an argument list and no shell:
 *
 *	PROGRAM -i -f SENDER -- RECIPIENT...
 *
 * Its exit status speaks for all recipients: 0 has them, 75 is later, any other is refused.
 * Of -N, -R and -V nothing is said: to Exim the first means "deliver nothing".  So who asked
 * to be told of success is told that the message was passed on.
 */
#include "bsmtp/sink.h"

#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/opt.h"
#include "lib/mail/crlf.h"
#include "spool/body.h"

extern const struct sink sink_sendmail;

enum { CHILD_SECONDS = 1800, ARGS_MAX = 64 << 10 };

static int
check_sendmail(const char *where, struct err *err)
{
	return where[0] == '/' ? 0 :
	    err_set(err, ERR_CONFIG, "sendmail:%.200s: a program is named by its whole path", where);
}

static int
open_sendmail(const struct settings *settings, const char *where, void **work, struct err *err)
{
	(void)settings;
	if (access(where, F_OK) < 0) {
		err_sys(err, "sendmail:%.200s", where);
		err->kind = ERR_CONFIG;
		return -1;
	}
	*work = mem_text(where);
	return 0;
}

struct feeding {
	int fd;
	bool cr;
	struct str lines;
};

static int
feed_piece(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct feeding *f = ctx;

	str_clear(&f->lines);
	crlf_to_lf((struct span){ bytes, len }, &f->cr, &f->lines);
	return fs_write(f->fd, f->lines.p, f->lines.len, err);
}

static int
feed_body(const struct message *m, int fd, struct err *err)
{
	struct feeding f = { .fd = fd };
	int result = body_pieces(m->fd, m->entry.body_at, m->entry.body_len, feed_piece, &f, err);

	if (result == 0 && f.cr)
		result = fs_write(fd, "\r", 1, err);
	str_free(&f.lines);
	return result;
}

/* A file without a name.  It is whole before the program sees any of it, or a message that became
 * shorter would be sent so; and one that does not read it keeps nobody waiting. */
static int
write_input(const struct message *m, struct err *err)
{
	int fd = fs_scratch(m->spool->tmp, ".", err);

	if (fd < 0)
		return -1;
	int result = feed_body(m, fd, err);
	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = err_sys(err, "a file for the program");
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

/* 0, or the program's refusal. */
static int
run_program(struct child *child, struct message *m, struct err *err)
{
	int status = 0;

	if ((child->in = write_input(m, err)) < 0)
		return -1;
	if (!message_still_there(m)) {
		close(child->in);
		return err_set(err, ERR_TEMP, "it was moved away");
	}
	int result = child_feed(child, child->argv[0], CHILD_SECONDS, &status, err);
	if (status == EX_OSERR)		/* its host's trouble, not the message's */
		err->kind = ERR_TEMP;
	return result;
}

static void
told(struct message *m, const struct waiting *w, size_t from, size_t to, const struct err *err)
{
	for (size_t i = from; i < to; i++) {
		if (err != NULL) {
			sink_failed(m, w->at[i], err, NULL);
			continue;
		}
		message_rcpt(m, w->at[i], RCPT_DONE, "250 2.0.0 taken by the program");
		message_report(m, w->at[i], DSN_RELAYED);
	}
}

/* As many recipients as an argument list bears; *next is the first that is left. */
static int
send_some(const char *program, struct message *m, struct waiting *w, size_t *next, struct err *err)
{
	struct opt_list argv = {0};
	size_t bytes = 0;

	opt_list_add(&argv, program);
	opt_list_add(&argv, "-i");
	opt_list_add(&argv, "-f");
	opt_list_add(&argv, w->env.from.len > 0 ? str_c(&w->env.from) : "<>");
	opt_list_add(&argv, "--");
	for (; *next < w->env.rcpts && bytes < ARGS_MAX; (*next)++) {
		opt_list_add(&argv, str_c(&w->env.rcpt[*next].to));
		bytes += w->env.rcpt[*next].to.len + 1;
	}
	opt_list_add(&argv, NULL);
	struct child child = { .argv = argv.text, .out = -1, .errors = STDERR_FILENO };
	int result = run_program(&child, m, err);
	opt_list_free(&argv);
	return result;
}

static int
send_sendmail(void *work, struct message *m, struct err *err)
{
	struct waiting w;
	size_t next = 0;

	(void)err;
	waiting_of(m, &w);
	while (next < w.env.rcpts) {
		struct err why = {0};
		size_t first = next;
		int result = send_some(work, m, &w, &next, &why);
		told(m, &w, first, next, result < 0 ? &why : NULL);
	}
	waiting_drop(&w);
	return 0;
}

const struct sink sink_sendmail = {
	.name = "sendmail", .form = "sendmail:PROGRAM", .check = check_sendmail,
	.open = open_sendmail, .send = send_sendmail, .close = free,
};
