#include "relay/pool.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "relay/relay.h"
#include "spool/table.h"

enum { HEARD_MAX = TABLE_VALUE_MAX + 2048 };

static void go_on(struct pool *pool);

/* ---- questions ---- */

static void
forget_text(struct pool_question *question)
{
	if (question->text.p != NULL)
		explicit_bzero(question->text.p, question->text.size);
	str_free(&question->text);
}

static void
unlink_question(struct pool_question *question)
{
	struct pool *pool = question->pool;

	*question->at = question->next;
	if (question->next != NULL)
		question->next->at = question->at;
	else
		pool->last = question->at;
	question->at = NULL;
	pool->waiting--;
}

static void
answered(struct pool_question *question, int result, struct span words)
{
	forget_text(question);
	question->pool = NULL;
	question->answer(question, result, words);
}

/* ---- workers ---- */

static void
worker_end(struct pool_worker *w)
{
	struct pool_question *question = w->question;

	if (w->pid > 0) {
		watch_free(&w->watch);
		timer_free(&w->late);
		close(w->from);
		if (!w->ended) {
			close(w->to);
			kill(w->pid, SIGKILL);
			waitpid(w->pid, NULL, 0);
		}
	}
	str_free(&w->heard);
	*w = (struct pool_worker){ .pool = w->pool };
	if (question != NULL)
		answered(question, -1, (struct span){0});
}

static void
worker_failed(struct pool_worker *w, const char *why)
{
	struct pool *pool = w->pool;

	log_warn("-: event=%s-process-ended why=\"%s\"", pool->event, why);
	worker_end(w);
	go_on(pool);
}

static void
on_late(void *ctx)
{
	worker_failed(ctx, "it took too long");
}

static void
heard_line(struct pool_worker *w, struct span line)
{
	struct span number = span_word(&line);
	struct pool *pool = w->pool;
	struct pool_question *question = w->question;
	uint64_t said;

	if (!w->busy || span_number(number, UINT64_MAX, &said) < 0 || said != w->number) {
		worker_failed(w, "an answer to nothing");
		return;
	}
	timer_clear(&w->late);
	w->busy = false;
	w->question = NULL;
	if (question != NULL)
		answered(question, 0, span_trim(line));
	go_on(pool);
}

static void
on_readable(void *ctx)
{
	struct pool_worker *w = ctx;
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

static pid_t
spawn(struct pool *pool, int in, int out, struct err *err)
{
	const char *argv[POOL_ARGS_MAX + 2] = { pool->program };
	struct str path = {0};

	settings_program(pool->program, &path);
	for (size_t i = 0; i < pool->args; i++)
		argv[i + 1] = str_c(&pool->arg[i]);
	struct child child = { .argv = argv, .path = str_c(&path), .in = in, .out = out,
		.errors = pool->tells ? 2 : -1 };
	pid_t pid = child_start(&child, err);
	str_free(&path);
	return pid;
}

static int
worker_start(struct pool_worker *w, struct err *err)
{
	int to[2] = { -1, -1 }, from[2] = { -1, -1 };

	if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		err_sys(err, "pipe");
	else
		w->pid = spawn(w->pool, to[0], from[1], err);
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
	watch_start(&w->watch, &w->pool->relay->loop, w->from, WATCH_READ, on_readable, w);
	timer_start(&w->late, &w->pool->relay->loop, on_late, w);
	return 0;
}

/* A question is smaller than a pipe holds, and the worker waits for it: this never blocks. */
static int
hand_over(struct pool_worker *w, struct pool_question *question, struct err *err)
{
	struct str text = {0};

	w->number = ++w->pool->number;
	str_printf(&text, "%llu %zu\n", (unsigned long long)w->number, question->text.len);
	str_add_span(&text, str_span(&question->text));
	int result = fs_write(w->to, text.p, text.len, err);
	explicit_bzero(text.p, text.size);
	str_free(&text);
	forget_text(question);
	w->question = question;
	w->busy = true;
	timer_set(&w->late, w->pool->seconds * CLOCK_SECOND);
	return result;
}

static struct pool_worker *
idle_worker(struct pool *pool)
{
	struct pool_worker *none = NULL;

	for (size_t i = 0; i < pool->workers; i++) {
		struct pool_worker *w = &pool->worker[i];
		if (w->pid > 0 && !w->busy)
			return w;
		if (w->pid == 0)
			none = w;
	}
	return none;
}

static void
on_soon(void *ctx)
{
	go_on(ctx);
}

static void
go_on(struct pool *pool)
{
	struct pool_worker *w;
	struct err err = {0};

	while (pool->first != NULL && (w = idle_worker(pool)) != NULL) {
		struct pool_question *question = pool->first;
		unlink_question(question);
		if ((w->pid > 0 || worker_start(w, &err) == 0) && hand_over(w, question, &err) == 0)
			continue;
		log_error("-: event=%s-trouble why=\"%s\"", pool->event, err.text);
		if (w->question != NULL) {	/* it died idle: its question is answered so */
			worker_end(w);
			continue;
		}
		answered(question, -1, (struct span){0});
	}
}

/* ---- for who asks ---- */

void
pool_start(struct pool *pool, struct relay *relay, const char *program, const char *event, size_t workers,
    int64_t seconds)
{
	*pool = (struct pool){ .relay = relay, .program = program, .event = event, .workers = workers,
		.seconds = seconds };
	pool->last = &pool->first;
	timer_start(&pool->soon, &relay->loop, on_soon, pool);
	for (size_t i = 0; i < POOL_WORKERS; i++)
		pool->worker[i].pool = pool;
}

static size_t
add_word(struct str *word, const char *option, const char *value)
{
	if (value == NULL)
		return 0;
	str_printf(word, "--%s=%s", option, value);
	return 1;
}

size_t
pool_words(const struct relay *relay, struct str word[POOL_ARGS_MAX])
{
	const struct settings_args *args = relay->args;
	size_t count = 0;

	if (args->set.count > POOL_ARGS_MAX - 4)
		return 0;
	count += add_word(&word[count], "root", relay->setup->settings.root);
	count += add_word(&word[count], "config", args->config);
	count += add_word(&word[count], "log", args->log);
	count += add_word(&word[count], "log-level", args->log_level);
	for (size_t i = 0; i < args->set.count; i++)
		count += add_word(&word[count], "set", args->set.text[i]);
	return count;
}

void
pool_restart(struct pool *pool)
{
	for (size_t i = 0; i < pool->workers; i++)
		worker_end(&pool->worker[i]);
}

void
pool_finish(struct pool *pool)
{
	for (size_t i = 0; i < pool->workers; i++) {
		struct pool_worker *w = &pool->worker[i];
		if (w->pid <= 0)
			continue;
		close(w->to);
		waitpid(w->pid, NULL, 0);
		w->ended = true;
	}
	pool_restart(pool);
}

int
pool_ask(struct pool *pool, struct pool_question *question, const struct span *fields, size_t count,
    struct err *err)
{
	if (pool->waiting >= POOL_QUEUE_MAX)
		return err_set(err, ERR_TEMP, "too many ask at once");
	str_clear(&question->text);
	for (size_t i = 0; i < count; i++) {
		str_add_span(&question->text, fields[i]);
		if (i + 1 < count)
			str_add_char(&question->text, '\0');
	}
	if (question->text.len > POOL_QUESTION_MAX) {
		forget_text(question);
		return err_set(err, ERR_PERM, "too long to be asked about");
	}
	question->pool = pool;
	question->next = NULL;
	question->at = pool->last;
	*pool->last = question;
	pool->last = &question->next;
	pool->waiting++;
	timer_set(&pool->soon, 0);	/* from the loop: no answer comes before we have returned */
	return 0;
}

void
pool_leave(struct pool_question *question)
{
	struct pool *pool = question->pool;

	if (pool == NULL)
		return;
	if (question->at != NULL)
		unlink_question(question);
	for (size_t i = 0; i < pool->workers; i++)
		if (pool->worker[i].question == question)
			pool->worker[i].question = NULL;
	forget_text(question);
	question->pool = NULL;
}

void
pool_close(struct pool *pool)
{
	pool_restart(pool);
	timer_free(&pool->soon);
	for (size_t i = 0; i < POOL_ARGS_MAX; i++)
		str_free(&pool->arg[i]);
	pool->args = 0;
}
