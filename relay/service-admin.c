/*
 * service-admin - the operator's verbs over a socket of this host: what mochila(1) says to
 * a person at a terminal it says to a program here.
 *
 * A line is a verb and its words, parted by blanks, as behind "mochila"; no shell reads it.
 * mochila itself is started for it, so the two cannot disagree.  Each line of its answer
 * comes behind a blank, and the end is a line "ok", or "error N" with its exit status:
 * whatever a message holds, it cannot look like the end.
 *
 * The socket is its owner's (0600), and who connects must be him, or root.
 */
#include "relay/service.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/log.h"
#include "relay/relay.h"
#include "relay/session.h"

enum { LINE_MAX_BYTES = 4096, WORDS_MAX = 100, PIECE = 16 << 10, COMMAND_SECONDS = 300 };

/* What changes settings, needs a terminal, or is another program's work is not for a socket. */
static const char verbs[] = "status list show hold release retry link-up remove bounce log history recipients doctor";

struct admin {
	struct session *session;
	struct str in;		/* lines that wait */
	pid_t pid;		/* of the one that is answered; 0: none */
	int from;		/* what it says */
	bool begun;		/* a line of that, which is not ended yet */
	struct watch watch;
};

static void next_line(struct admin *admin);

static const char *
admin_listen(const struct relay_settings *settings)
{
	return settings->admin_listen;
}

static void
say(struct admin *admin, const char *line)
{
	stream_send(&admin->session->stream, line, strlen(line));
}

static void
admin_open(struct session *session)
{
	struct admin *admin = mem_get(sizeof *admin);

	*admin = (struct admin){ .session = session, .from = -1 };
	session->work = admin;
	if (stream_is_ours(&session->stream))
		return;
	log_warn("-: event=refused service=admin why=\"neither root nor who runs us\"");
	say(admin, "error 77 you are neither root nor who runs mochila-relay\n");
	session_end(session);
}

/* the answer */

/* Each line behind a blank. */
static void
send_on(struct admin *admin, struct span bytes)
{
	struct str out = {0};

	for (size_t i = 0; i < bytes.len; i++) {
		if (!admin->begun)
			str_add_char(&out, ' ');
		str_add_char(&out, bytes.p[i]);
		admin->begun = bytes.p[i] != '\n';
	}
	stream_send_str(&admin->session->stream, &out);
	str_free(&out);
}

static void
forget_child(struct admin *admin)
{
	watch_free(&admin->watch);
	if (admin->from >= 0)
		close(admin->from);
	admin->from = -1;
	admin->pid = 0;
}

static void
over(struct admin *admin)
{
	struct err err;
	struct str end = {0};
	int status = 0;

	if (child_wait(admin->pid, COMMAND_SECONDS, &status, &err) < 0)
		log_warn("-: event=admin why=\"%s\"", err.text);
	forget_child(admin);
	str_add_text(&end, admin->begun ? "\n" : "");
	admin->begun = false;
	if (status == 0)
		str_add_text(&end, "ok\n");
	else
		str_printf(&end, "error %d\n", status);
	stream_send_str(&admin->session->stream, &end);
	str_free(&end);
	stream_deadline(&admin->session->stream, admin->session->instance->settings->timeout);
	stream_pause(&admin->session->stream, false);
	next_line(admin);
}

static void
readable(void *ctx)
{
	struct admin *admin = ctx;
	char piece[PIECE];

	if (stream_backlog(&admin->session->stream) > STREAM_MUCH) {
		watch_pause(&admin->watch);	/* admin_sent goes on */
		return;
	}
	ssize_t got = read(admin->from, piece, sizeof piece);
	if (got > 0)
		send_on(admin, (struct span){ piece, (size_t)got });
	else
		over(admin);
}

static void
admin_sent(struct session *session)
{
	struct admin *admin = session->work;

	if (admin->from >= 0)
		watch_resume(&admin->watch);
}

/* the question */

static int
start(struct admin *admin, const char *const *argv, struct err *err)
{
	struct child child = { .argv = argv, .in = -1, .dies_with_us = true };
	struct str path = {0};
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	relay_tell(admin->session->relay);	/* what happened before it is asked, it can read */
	settings_door(&path);
	child.path = str_c(&path);
	child.out = child.errors = ends[1];
	admin->pid = child_start(&child, err);
	str_free(&path);
	close(ends[1]);
	if (admin->pid < 0) {
		admin->pid = 0;
		close(ends[0]);
		return -1;
	}
	admin->from = ends[0];
	watch_start(&admin->watch, &admin->session->relay->loop, ends[0], WATCH_READ, readable, admin);
	return 0;
}

static int
run(struct admin *admin, struct span line, struct err *err)
{
	const struct settings *settings = &admin->session->relay->setup->settings;
	const char *argv[WORDS_MAX + 6] = { "mochila", "--root", settings->root, "--config", settings->file };
	char *words[WORDS_MAX];
	size_t count = 0;
	struct span word;
	int result = 0;

	while ((word = span_word(&line)).len > 0 && result == 0) {
		if (count == WORDS_MAX || memchr(word.p, '\0', word.len) != NULL)
			result = err_set(err, ERR_PERM, "too many words, or a NUL in one");
		else
			words[count++] = mem_text_n(word.p, word.len);
	}
	if (result == 0 && (count == 0 || !span_lists(SPAN(verbs), span_of(words[0]))))
		result = err_set(err, ERR_PERM, "there are: %s", verbs);
	for (size_t i = 0; i < count; i++)
		argv[5 + i] = words[i];
	if (result == 0)
		result = start(admin, argv, err);
	for (size_t i = 0; i < count; i++)
		free(words[i]);
	return result;
}

/* The next of those that wait, when none is being answered. */
static void
next_line(struct admin *admin)
{
	struct span rest = str_span(&admin->in), line;
	struct str said = {0};
	struct err err;

	while (admin->pid == 0 && rest.len > 0 && memchr(rest.p, '\n', rest.len) != NULL) {
		span_cut(&rest, '\n', &line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (run(admin, line, &err) == 0) {
			log_info("-: event=admin line=\"%.*s\"", (int)(line.len < 200 ? line.len : 200), line.p);
			stream_pause(&admin->session->stream, true);
			stream_deadline(&admin->session->stream, COMMAND_SECONDS);
			break;
		}
		str_printf(&said, "error 64 %s\n", err.text);
		stream_send_str(&admin->session->stream, &said);
	}
	str_cut(&admin->in, admin->in.len - rest.len);
	str_free(&said);
}

static void
admin_input(struct session *session, const void *bytes, size_t len)
{
	struct admin *admin = session->work;

	str_add(&admin->in, bytes, len);
	next_line(admin);
	if (admin->pid == 0 && admin->in.len > LINE_MAX_BYTES) {
		say(admin, "error 64 that is a long line\n");
		session_end(session);
	}
}

static void
admin_over(struct session *session)
{
	session_end(session);
}

/* Whoever has said all he wants may close his end, and still hear. */
static void
admin_close(struct session *session)
{
	struct admin *admin = session->work;
	struct err ignored;
	int status;

	if (admin->pid > 0) {
		kill(admin->pid, SIGKILL);
		child_wait(admin->pid, COMMAND_SECONDS, &status, &ignored);
	}
	forget_child(admin);
	str_free(&admin->in);
	free(admin);
}

const struct service service_admin = {
	.name = "admin",
	.private = true,
	.listen = admin_listen,
	.open = admin_open,
	.input = admin_input,
	.sent = admin_sent,
	.secured = admin_over,
	.gone = admin_over,
	.late = admin_over,
	.stop = admin_over,
	.close = admin_close,
	.full = "error 75 too many connections\n",
	.client_full = "error 75 too many connections\n",
};
