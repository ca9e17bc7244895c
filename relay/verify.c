#include "relay/verify.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum {
	SOURCES_MAX = 16,
	HEARD_MAX = 2048,
	SLOW_MAX = 15,		/* seconds that a "no" is held back at most */
	FORGIVEN = 600,		/* seconds after which a client's wrong words are forgotten */
};

static void go_on(struct verify *verify);

/* ---- who guesses ---- */

static struct guesser *
guesser_of(struct verify *verify, const struct ip *ip)
{
	struct guesser *oldest = &verify->guesser[0];

	for (size_t i = 0; i < VERIFY_GUESSERS; i++) {
		struct guesser *g = &verify->guesser[i];
		if (g->wrong > 0 && ip_same(&g->ip, ip))
			return g;
		if (g->last < oldest->last)
			oldest = g;
	}
	*oldest = (struct guesser){ .ip = *ip };
	return oldest;
}

/* Seconds that this "no" waits: 1, 2, 4 ... */
static unsigned
pause_of(struct verify *verify, const struct ip *ip)
{
	struct guesser *g = guesser_of(verify, ip);
	int64_t now = clock_mono();

	if (now - g->last > FORGIVEN * CLOCK_SECOND)
		g->wrong = 0;
	g->last = now;
	g->wrong++;
	return g->wrong > 4 ? SLOW_MAX : 1u << (g->wrong - 1);
}

/* ---- answers ---- */

static void
forget_text(struct verify_question *question)
{
	if (question->text.p != NULL)
		explicit_bzero(question->text.p, question->text.size);
	str_free(&question->text);
}

static void
unlink_question(struct verify_question *question)
{
	struct verify *verify = question->verify;

	*question->at = question->next;
	if (question->next != NULL)
		question->next->at = question->at;
	else
		verify->last = question->at;
	question->at = NULL;
	verify->waiting--;
}

static void
tell(struct verify_question *question, int result, struct span mailbox, const struct err *err)
{
	forget_text(question);
	timer_free(&question->slow);
	question->verify = NULL;
	question->answer(question, result, mailbox, err);
}

static void
slow_enough(void *ctx)
{
	tell(ctx, 0, (struct span){0}, NULL);
}

static void
answered(struct verify *verify, struct verify_question *question, int result, struct span mailbox,
    const struct err *err)
{
	if (result != 0) {
		tell(question, result, mailbox, err);
		return;
	}
	timer_start(&question->slow, &verify->relay->loop, slow_enough, question);
	timer_set(&question->slow, pause_of(verify, &question->ip) * CLOCK_SECOND);
}

/* ---- workers ---- */

static void
worker_end(struct verify_worker *w)
{
	struct verify_question *question = w->question;

	if (w->pid > 0) {
		watch_free(&w->watch);
		timer_free(&w->late);
		close(w->to);
		close(w->from);
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	str_free(&w->heard);
	*w = (struct verify_worker){ .verify = w->verify };
	if (question != NULL) {
		struct err err = {0};
		err_set(&err, ERR_TEMP, "the password could not be checked");
		answered(question->verify, question, -1, (struct span){0}, &err);
	}
}

static void
worker_failed(struct verify_worker *w, const char *why)
{
	struct verify *verify = w->verify;

	log_warn("-: event=login-process-ended why=\"%s\"", why);
	worker_end(w);
	go_on(verify);
}

static void
on_late(void *ctx)
{
	worker_failed(ctx, "it took too long");
}

/* "NUMBER yes MAILBOX", "NUMBER no", "NUMBER later WHY" */
static void
heard_line(struct verify_worker *w, struct span line)
{
	struct span number = span_word(&line), word = span_word(&line);
	struct verify *verify = w->verify;
	struct verify_question *question = w->question;
	struct err err = {0};
	uint64_t said;

	if (!w->busy || span_number(number, UINT64_MAX, &said) < 0 || said != w->number) {
		worker_failed(w, "an answer to nothing");
		return;
	}
	timer_clear(&w->late);
	w->busy = false;
	w->question = NULL;
	char *rest = mem_text_n(span_trim(line).p, span_trim(line).len);
	int result = span_is(word, "yes") ? 1 : span_is(word, "no") ? 0 :
	    err_set(&err, ERR_TEMP, "the password could not be checked");
	if (result < 0)
		log_warn("-: event=login-trouble why=\"%s\"", rest);
	if (question != NULL)
		answered(verify, question, result, span_of(rest), &err);
	free(rest);
	go_on(verify);
}

static void
on_readable(void *ctx)
{
	struct verify_worker *w = ctx;
	ssize_t got = read(w->from, str_room(&w->heard, 512), 512);

	if (got <= 0 || w->heard.len + (size_t)got > HEARD_MAX) {
		worker_failed(w, "it closed");
		return;
	}
	w->heard.len += (size_t)got;
	const char *lf = memchr(w->heard.p, '\n', w->heard.len);
	if (lf == NULL)
		return;
	struct str line = w->heard;
	w->heard = (struct str){0};
	heard_line(w, (struct span){ line.p, (size_t)(lf - line.p) });
	str_free(&line);
}

/* The paths of files are below the root, as everywhere. */
static void
source_of(const struct settings *settings, struct span word, struct str *out)
{
	static const struct span file = { "file:", 5 };

	if (!span_begins(word, file.p)) {
		str_add_span(out, word);
		return;
	}
	char *path = mem_text_n(word.p + file.len, word.len - file.len);
	str_add_span(out, file);
	settings_path(settings, path, out);
	free(path);
}

/* Sources are parted by blanks; "command:" takes all that is behind it. */
static size_t
split_sources(const struct settings *settings, const char *sources, struct str words[SOURCES_MAX])
{
	struct span rest = span_trim(span_of(sources));
	size_t count = 0;

	while (rest.len > 0 && count < SOURCES_MAX) {
		struct span word = span_begins(rest, "command:") ? rest : span_word(&rest);
		if (word.p == rest.p)
			rest.len = 0;
		source_of(settings, word, &words[count++]);
		rest = span_trim(rest);
	}
	return count;
}

static pid_t
spawn(struct verify *verify, int in, int out, struct err *err)
{
	struct str words[SOURCES_MAX] = {0}, path = {0};
	const char *argv[SOURCES_MAX + 2] = { "mochila-login" };
	size_t count = split_sources(&verify->relay->setup->settings, verify->sources, words);

	settings_program("mochila-login", &path);
	for (size_t i = 0; i < count; i++)
		argv[i + 1] = str_c(&words[i]);
	struct child child = { .argv = argv, .path = str_c(&path), .in = in, .out = out, .errors = -1 };
	pid_t pid = child_start(&child, err);
	for (size_t i = 0; i < count; i++)
		str_free(&words[i]);
	str_free(&path);
	return pid;
}

static int
worker_start(struct verify_worker *w, struct err *err)
{
	int to[2] = { -1, -1 }, from[2] = { -1, -1 };

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		err_sys(err, "pipe");
	else
		w->pid = spawn(w->verify, to[0], from[1], err);
	const int theirs[] = { to[0], from[1] }, ours[] = { to[1], from[0] };
	for (size_t i = 0; i < 2; i++) {
		if (theirs[i] >= 0)
			close(theirs[i]);
		if (w->pid <= 0 && ours[i] >= 0)
			close(ours[i]);
	}
	if (w->pid <= 0) {
		w->pid = 0;
		return -1;
	}
	w->to = to[1];
	w->from = from[0];
	watch_start(&w->watch, &w->verify->relay->loop, w->from, WATCH_READ, on_readable, w);
	timer_start(&w->late, &w->verify->relay->loop, on_late, w);
	return 0;
}

/* A question is smaller than a pipe holds, and the worker waits for it: this never blocks. */
static int
hand_over(struct verify_worker *w, struct verify_question *question, struct err *err)
{
	struct str text = {0};

	w->number = ++w->verify->number;
	str_printf(&text, "%llu %zu\n", (unsigned long long)w->number, question->text.len);
	str_add_span(&text, str_span(&question->text));
	int result = fs_write(w->to, text.p, text.len, err);
	explicit_bzero(text.p, text.size);
	str_free(&text);
	forget_text(question);
	w->question = question;
	w->busy = true;
	timer_set(&w->late, LOGIN_SECONDS * CLOCK_SECOND);
	return result;
}

static struct verify_worker *
idle_worker(struct verify *verify)
{
	struct verify_worker *none = NULL;

	for (size_t i = 0; i < VERIFY_WORKERS; i++) {
		struct verify_worker *w = &verify->worker[i];
		if (w->pid > 0 && !w->busy)
			return w;
		if (w->pid == 0)
			none = w;
	}
	return none;
}

static void
go_on(struct verify *verify)
{
	struct verify_worker *w;
	struct err err = {0};

	while (verify->first != NULL && (w = idle_worker(verify)) != NULL) {
		struct verify_question *question = verify->first;
		unlink_question(question);
		if ((w->pid > 0 || worker_start(w, &err) == 0) && hand_over(w, question, &err) == 0)
			continue;
		log_error("-: event=login-trouble why=\"%s\"", err.text);
		if (w->question != NULL) {	/* it died idle: its question is answered so */
			worker_end(w);
			continue;
		}
		err_set(&err, ERR_TEMP, "the password could not be checked");
		tell(question, -1, (struct span){0}, &err);
	}
}

/* ---- for the services ---- */

void
verify_start(struct verify *verify, struct relay *relay)
{
	*verify = (struct verify){ .relay = relay };
	verify->last = &verify->first;
	for (size_t i = 0; i < VERIFY_WORKERS; i++)
		verify->worker[i].verify = verify;
}

static void
end_workers(struct verify *verify)
{
	for (size_t i = 0; i < VERIFY_WORKERS; i++)
		worker_end(&verify->worker[i]);
}

/* Other sources than before: processes that know the old ones end. */
static void
use_sources(struct verify *verify, const char *sources)
{
	if (verify->sources != NULL && strcmp(verify->sources, sources) == 0)
		return;
	end_workers(verify);
	free(verify->sources);
	verify->sources = mem_text(sources);
}

int
verify_ask(struct verify *verify, const char *sources, const struct login *who, const struct ip *ip,
    struct verify_question *question, struct err *err)
{
	const struct span parts[] = { who->user, who->pass, who->service, who->client,
		who->token ? SPAN("token") : SPAN("password") };
	enum { PARTS = sizeof parts / sizeof parts[0] };

	use_sources(verify, sources);
	if (verify->waiting >= VERIFY_QUEUE_MAX)
		return err_set(err, ERR_TEMP, "too many log in at once");
	str_clear(&question->text);
	for (size_t i = 0; i < PARTS; i++) {
		str_add_span(&question->text, parts[i]);
		if (i < PARTS - 1)
			str_add_char(&question->text, '\0');
	}
	if (question->text.len > LOGIN_QUESTION_MAX) {
		forget_text(question);
		return err_set(err, ERR_PERM, "too long for a name and a password");
	}
	question->ip = *ip;
	question->verify = verify;
	question->next = NULL;
	question->at = verify->last;
	*verify->last = question;
	verify->last = &question->next;
	verify->waiting++;
	go_on(verify);
	return 0;
}

void
verify_refuse(struct verify *verify, const struct ip *ip, struct verify_question *question)
{
	question->ip = *ip;
	question->verify = verify;
	question->at = NULL;
	answered(verify, question, 0, (struct span){0}, NULL);
}

void
verify_leave(struct verify_question *question)
{
	struct verify *verify = question->verify;

	if (verify == NULL)
		return;
	if (question->at != NULL)
		unlink_question(question);
	for (size_t i = 0; i < VERIFY_WORKERS; i++)
		if (verify->worker[i].question == question)
			verify->worker[i].question = NULL;
	timer_free(&question->slow);
	forget_text(question);
	question->verify = NULL;
}

int
verify_check(const char *sources, struct err *err)
{
	struct span rest = span_trim(span_of(sources));
	const char *behind;

	while (rest.len > 0) {
		struct span word = span_begins(rest, "command:") ? rest : span_word(&rest);
		if (word.p == rest.p)
			rest.len = 0;
		char *text = mem_text_n(word.p, word.len);
		const struct login_row *row = login_row_of(text, &behind);
		free(text);
		if (row == NULL)
			return err_set(err, ERR_CONFIG, "login: %.*s is no file:, dovecot: or command:", (int)word.len, word.p);
		rest = span_trim(rest);
	}
	return 0;
}

void
verify_close(struct verify *verify)
{
	end_workers(verify);
	free(verify->sources);
	verify->sources = NULL;
}
