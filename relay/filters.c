#include "relay/filters.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum { GRACE_SECONDS = 15 };	/* beyond what its filters may take, and they see to that themselves */

static void go_on(struct filters *filters);

/* ---- the queue ---- */

static void
unlink_asking(struct filters_asking *asking)
{
	struct filters *filters = asking->filters;

	*asking->at = asking->next;
	if (asking->next != NULL)
		asking->next->at = asking->at;
	else
		filters->last = asking->at;
	asking->at = NULL;
	filters->waiting--;
}

static void
tell(struct filters_asking *asking, struct filtered *filtered)
{
	str_free(&asking->text);
	asking->filters = NULL;
	asking->answer(asking, filtered);
}

static void
tell_later(struct filters_asking *asking, const char *why)
{
	struct filtered filtered = { .verdict = FILTERED_LATER, .fd = -1 };

	err_set(&filtered.err, ERR_TEMP, "%s", why);
	tell(asking, &filtered);
}

/* ---- workers ---- */

static void
worker_end(struct filters_worker *w)
{
	struct filters_asking *asking = w->asking;

	if (w->pid > 0) {
		watch_free(&w->watch);
		timer_free(&w->late);
		close(w->sock);
		kill(w->pid, SIGKILL);
		waitpid(w->pid, NULL, 0);
	}
	str_free(&w->folder);
	*w = (struct filters_worker){ .filters = w->filters };
	if (asking != NULL)
		tell_later(asking, "the message could not be filtered");
}

static void
worker_failed(struct filters_worker *w, const char *why)
{
	struct filters *filters = w->filters;

	log_warn("-: event=filter-process-ended why=\"%s\"", why);
	worker_end(w);
	go_on(filters);
}

static void
on_late(void *ctx)
{
	worker_failed(ctx, "it took too long");
}

static void
on_readable(void *ctx)
{
	struct filters_worker *w = ctx;
	struct filters *filters = w->filters;
	struct filters_asking *asking = w->asking;
	struct filters_packet packet;
	struct filtered filtered;
	struct err err = {0};
	int got = filters_receive(w->sock, &packet, MSG_DONTWAIT, &err);

	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0 || !w->busy || packet.number != w->number) {
		worker_failed(w, got <= 0 ? "it closed" : "an answer to nothing");
		return;
	}
	timer_clear(&w->late);
	w->busy = false;
	w->asking = NULL;
	if (filtered_read(str_span(&packet.text), &filtered, &err) < 0)
		filtered = (struct filtered){ .verdict = FILTERED_LATER, .err = err };
	filtered.fd = packet.fd[0];
	if (packet.fd[1] >= 0)
		close(packet.fd[1]);
	str_free(&packet.text);
	if (asking != NULL)
		tell(asking, &filtered);
	else
		filtered_free(&filtered);
	go_on(filters);
}

/* run/filter/PID-N: below it is only what programs are to find, and after a crash nobody's. */
static int
make_folder(struct filters_worker *w, struct err *err)
{
	const struct settings *settings = &w->filters->relay->setup->settings;
	struct str path = {0};

	settings_run(settings, "filter", &path);
	int result = settings_make_run(settings, err);
	if (result == 0)
		result = fs_make_dir(AT_FDCWD, str_c(&path), 0700, err);
	str_printf(&path, "/%ld-%zu", (long)getpid(), (size_t)(w - w->filters->worker));
	if (result == 0)
		result = fs_make_dir(AT_FDCWD, str_c(&path), 0700, err);
	str_set_span(&w->folder, str_span(&path));
	str_free(&path);
	return result;
}

static pid_t
spawn(struct filters_worker *w, int sock, struct err *err)
{
	const char *argv[POOL_ARGS_MAX + 3] = { "mochila-filter" };
	struct str path = {0}, word[POOL_ARGS_MAX] = {0};
	size_t count = pool_words(w->filters->relay, word);

	for (size_t i = 0; i < count; i++)
		argv[i + 1] = str_c(&word[i]);
	argv[count + 1] = str_c(&w->folder);
	settings_program("mochila-filter", &path);
	const struct child child = { .argv = argv, .path = str_c(&path), .in = sock, .out = -1, .errors = 2 };
	pid_t pid = child_start(&child, err);
	for (size_t i = 0; i < count; i++)
		str_free(&word[i]);
	str_free(&path);
	return pid;
}

static int
worker_start(struct filters_worker *w, struct err *err)
{
	int pair[2];

	if (make_folder(w, err) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "socketpair");
	w->pid = spawn(w, pair[1], err);
	close(pair[1]);
	if (w->pid <= 0) {
		close(pair[0]);
		w->pid = 0;
		return -1;
	}
	w->sock = pair[0];
	watch_start(&w->watch, &w->filters->relay->loop, w->sock, WATCH_READ, on_readable, w);
	timer_start(&w->late, &w->filters->relay->loop, on_late, w);
	return 0;
}

static int
question_file(const struct str *text, struct err *err)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "memory for a message");
	if (fs_write(fd, text->p, text->len, err) == 0)
		return fd;
	close(fd);
	return -1;
}

/* The packet is a few bytes, and an idle worker has none that waits: this never blocks. */
static int
hand_over(struct filters_worker *w, struct filters_asking *asking, struct err *err)
{
	int fds[2] = { question_file(&asking->text, err), asking->file };

	if (fds[0] < 0)
		return -1;
	w->number = ++w->filters->number;
	int result = filters_send(w->sock, w->number, (struct span){ "", 0 }, fds, err);
	close(fds[0]);
	if (result < 0)
		return -1;
	w->asking = asking;
	w->busy = true;
	timer_set(&w->late, (asking->seconds + GRACE_SECONDS) * CLOCK_SECOND);
	return 0;
}

static struct filters_worker *
idle_worker(struct filters *filters)
{
	struct filters_worker *none = NULL;

	for (size_t i = 0; i < filters->workers; i++) {
		struct filters_worker *w = &filters->worker[i];
		if (w->pid > 0 && !w->busy)
			return w;
		if (w->pid == 0 && none == NULL)
			none = w;
	}
	return none;
}

static void
go_on(struct filters *filters)
{
	struct filters_worker *w;

	while (filters->first != NULL && (w = idle_worker(filters)) != NULL) {
		struct filters_asking *asking = filters->first;
		struct err err = {0};
		unlink_asking(asking);
		/* One that died idle is found out here, and another begun. */
		if (w->pid > 0 && hand_over(w, asking, &err) == 0)
			continue;
		worker_end(w);
		if (worker_start(w, &err) == 0 && hand_over(w, asking, &err) == 0)
			continue;
		log_error("-: event=filter-trouble why=\"%s\"", err.text);
		worker_end(w);
		tell_later(asking, "the message could not be filtered");
	}
}

static void
on_turn(void *ctx)
{
	go_on(ctx);
}

/* ---- for who asks ---- */

void
filters_start(struct filters *filters, struct relay *relay)
{
	*filters = (struct filters){ .relay = relay };
	filters->last = &filters->first;
	timer_start(&filters->turn, &relay->loop, on_turn, filters);
}

/* What programs of a relay that is dead were to find. */
static void
remove_left(const struct settings *settings)
{
	struct str path = {0};
	struct fs_names names = {0};
	struct err ignored;
	uint64_t pid;

	settings_run(settings, "filter", &path);
	int dir = fs_dir(AT_FDCWD, str_c(&path), &ignored);
	str_free(&path);
	if (dir < 0 || fs_names(dir, ".", &names, &ignored) < 0)
		names.count = 0;
	for (size_t i = 0; i < names.count; i++) {
		struct span rest = span_of(names.name[i]), number;
		span_cut(&rest, '-', &number);
		if (span_number(number, INT32_MAX, &pid) == 0 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			fs_remove_tree(dir, names.name[i], &ignored);
	}
	fs_names_free(&names);
	if (dir >= 0)
		close(dir);
}

/* How many there may be is said once: at the first question. */
static void
make_room(struct filters *filters)
{
	if (filters->workers > 0)
		return;
	remove_left(&filters->relay->setup->settings);
	filters->workers = (size_t)filters->relay->setup->settings.spool.max_filters;
	filters->worker = mem_get(filters->workers * sizeof *filters->worker);
	for (size_t i = 0; i < filters->workers; i++)
		filters->worker[i].filters = filters;
}

int
filters_ask(struct filters *filters, const struct filter_job *job, const struct entry_info *info,
    const struct envelope *env, const struct filters_text *text, struct filters_asking *asking, struct err *err)
{
	make_room(filters);
	if (filters->waiting >= FILTERS_QUEUE_MAX)
		return err_set(err, ERR_TEMP, "too many messages wait for their filters");
	str_clear(&asking->text);
	bool inside = text->text.p != NULL;
	chain_write(job, info, env, text->len, &asking->text);
	if (inside)
		str_add_span(&asking->text, text->text);
	else
		str_printf(&asking->text, "%lld\n", (long long)text->at);
	asking->file = inside ? -1 : text->file;
	asking->seconds = chain_seconds(job);
	asking->filters = filters;
	asking->next = NULL;
	asking->at = filters->last;
	*filters->last = asking;
	filters->last = &asking->next;
	filters->waiting++;
	timer_set_before(&filters->turn, 0);
	return 0;
}

bool
filters_quick(struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    struct span text, struct filtered *filtered)
{
	if (text.p == NULL || !chain_is_quick(job))
		return false;
	chain_run(job, info, env, content_borrow(text), filtered);
	return true;
}

void
filters_leave(struct filters_asking *asking)
{
	struct filters *filters = asking->filters;

	if (filters == NULL)
		return;
	if (asking->at != NULL)
		unlink_asking(asking);
	for (size_t i = 0; i < filters->workers; i++)
		if (filters->worker[i].asking == asking)
			filters->worker[i].asking = NULL;
	str_free(&asking->text);
	asking->filters = NULL;
}

void
filters_close(struct filters *filters)
{
	for (size_t i = 0; i < filters->workers; i++)
		worker_end(&filters->worker[i]);
	free(filters->worker);
	timer_free(&filters->turn);
	*filters = (struct filters){0};
}
