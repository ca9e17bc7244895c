/*
 * filter-exec - a program, by E-MailRelay's contract.
 *
 *	exec:/usr/bin/filter -v		is called as  /usr/bin/filter -v CONTENT ENVELOPE
 *
 * CONTENT is the message, ENVELOPE what lib/mail/envelope-file.h writes; both lie in a folder
 * of this process's own, and the program may change them.  There is no shell, PATH and IFS
 * are all of its environment, it reads nothing, and what it prints is looked at for <<words>> to
 * the client, or [[words]], and behind them others for the log.  Its exit status decides:
 *
 *			before the 250			on the way out
 *	0, 101		goes on				goes on
 *	1-99		refused				returned
 *	100		gone: the program has it	not now
 *	102		gone, and look for more		goes on; then no more this round
 *	103		goes on, and look for more	goes on
 *	104		refused, and look for more	not now; no more this round
 *	105		refused				returned; no more this round
 *
 * What ended by a signal, too late or otherwise has failed itself, and the message waits.
 */
#include "relay/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/mail/crlf.h"
#include "lib/mail/envelope-file.h"
#include "relay/filter-exit.h"

enum { WORDS_MAX = 100, SAID_MAX = 8192, ENVELOPE_MAX = 8 << 20 };

struct work {
	struct filter_job *job;
	struct letter *letter;
	int dir;
	struct str content, envelope;	/* names in dir */
	struct str written;		/* of the envelope */
	struct stat before;		/* of the content */
	struct str said;
	int status;
};

static int
exec_check(const char *rest, struct err *err)
{
	return rest[0] == '/' && rest[1] != '\0' && rest[1] != ' ' ? 0 :
	    err_set(err, ERR_CONFIG, "a program is named by its whole path");
}

/* what it finds */

static int
put_file(struct work *work, struct str *name, struct span bytes, struct stat *st, struct err *err)
{
	int fd = fs_create(work->dir, str_c(name), 0600, err);
	int result = fd < 0 ? -1 : fs_write(fd, bytes.p, bytes.len, err);

	if (result == 0 && st != NULL && fstat(fd, st) < 0)
		result = err_sys(err, "%s", str_c(name));
	if (fd >= 0)
		close(fd);
	return result;
}

static void
describe(const struct work *work, struct envelope_file *file)
{
	const struct letter *letter = work->letter;

	envelope_copy(&file->env, &letter->env);
	file->local = mem_get((letter->env.rcpts + 1) * sizeof *file->local);
	for (size_t i = 0; i < letter->env.rcpts; i++)
		file->local[i] = filter_is_local(work->job, str_span(&letter->env.rcpt[i].to));
	str_set_span(&file->client, str_span(&letter->info.client));
	str_set_span(&file->user, str_span(&work->job->user));
	str_set_span(&file->forward_to, str_span(&letter->forward_to));
	str_set_span(&file->forward_to_address, str_span(&letter->forward_to_address));
	str_set_span(&file->selector, str_span(&letter->selector));
}

/* The names differ in one word only, as scripts know: s/content/envelope.new/ */
static int
put_files(struct work *work, struct err *err)
{
	static unsigned count;
	struct envelope_file file = {0};
	const struct str *id = &work->letter->info.id;

	str_printf(&work->content, "mochila.%.*s.%u.content", (int)id->len, id->p, ++count);
	str_printf(&work->envelope, "mochila.%.*s.%u.envelope.%s", (int)id->len, id->p, count,
	    work->job->arrival ? "new" : "busy");
	describe(work, &file);
	envelope_file_write(&file, &work->written);
	envelope_file_free(&file);
	int result = put_file(work, &work->content, letter_text(work->letter), &work->before, err);
	return result < 0 ? -1 : put_file(work, &work->envelope, str_span(&work->written), NULL, err);
}

static void
empty_dir(int dir)
{
	struct fs_names names = {0};
	struct err ignored;

	if (fs_names(dir, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		fs_remove_tree(dir, names.name[i], &ignored);
	fs_names_free(&names);
}

/* how it is run */

static void
read_said(struct work *work, int fd)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(fd, piece, sizeof piece)) > 0) {
		size_t room = work->said.len < SAID_MAX ? SAID_MAX - work->said.len : 0;
		str_add(&work->said, piece, (size_t)got < room ? (size_t)got : room);
	}
}

/* Until it has ended; -1: the time was over first. */
static int
watch_it(struct work *work, pid_t pid, int out)
{
	int ended = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd fds[] = { { .fd = ended, .events = POLLIN }, { .fd = out, .events = POLLIN } };
	int64_t left = 1;

	while ((fds[0].revents & POLLIN) == 0 && (left = (work->job->deadline - clock_mono()) / 1000) > 0) {
		fds[1].revents = 0;
		poll(fds, 2, ended < 0 ? 20 : left > 60000 ? 60000 : (int)left + 1);
		read_said(work, out);
		if ((fds[1].revents & (POLLHUP | POLLERR)) != 0)
			fds[1].fd = -1;
		siginfo_t info = {0};
		if (ended < 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid)
			break;
	}
	if (ended >= 0)
		close(ended);
	return left > 0 ? 0 : -1;
}

static int
run_argv(struct work *work, const char *const *argv, const char *root, struct err *err)
{
	static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "IFS= \t\n", NULL };
	int pipe_fd[2];

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe");
	fcntl(pipe_fd[1], F_SETFL, 0);	/* the program's end is an ordinary one */
	const struct child child = { .argv = argv, .environment = environment, .folder = root, .session = true,
		.dies_with_us = true, .in = -1, .out = pipe_fd[1], .errors = -1 };
	pid_t pid = child_start(&child, err);
	close(pipe_fd[1]);
	int result = -1;
	if (pid > 0) {
		bool late = watch_it(work, pid, pipe_fd[0]) < 0;
		kill(-pid, SIGKILL);	/* it, or what it left behind */
		result = child_wait(pid, 0, &work->status, err);
		read_said(work, pipe_fd[0]);
		if (result == 0 && late)
			result = err_set(err, ERR_TEMP, "no end in time; killed");
	}
	close(pipe_fd[0]);
	return result;
}

static int
run_program(struct work *work, const struct str *rest, struct err *err)
{
	const char *argv[WORDS_MAX + 3];
	struct span words = str_span(rest), word;
	struct str folder = work->job->folder, root = work->job->root, paths[2] = {0};
	char *own[WORDS_MAX];
	size_t count = 0;

	while (count < WORDS_MAX && (word = span_word(&words)).len > 0) {
		own[count] = mem_text_n(word.p, word.len);
		argv[count] = own[count];
		count++;
	}
	str_printf(&paths[0], "%s/%s", str_c(&folder), str_c(&work->content));
	str_printf(&paths[1], "%s/%s", str_c(&folder), str_c(&work->envelope));
	argv[count] = str_c(&paths[0]);
	argv[count + 1] = str_c(&paths[1]);
	argv[count + 2] = NULL;
	int result = run_argv(work, argv, str_c(&root), err);
	while (count > 0)
		free(own[--count]);
	str_free(&paths[0]);
	str_free(&paths[1]);
	return result;
}

/* what it left */

static int
take_content(struct work *work, struct err *err)
{
	struct stat st;
	int fd = fs_open(work->dir, str_c(&work->content), O_RDONLY, err);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_ino == work->before.st_ino && st.st_size == work->before.st_size &&
	    st.st_mtim.tv_sec == work->before.st_mtim.tv_sec && st.st_mtim.tv_nsec == work->before.st_mtim.tv_nsec) {
		close(fd);
		return 0;
	}
	struct str raw = {0}, text = {0};
	struct crlf crlf = {0};
	int result = fs_read_all(fd, INT32_MAX, &raw, err);
	close(fd);
	if (result == 0 && !span_same(str_span(&raw), letter_text(work->letter))) {
		crlf_add(&crlf, str_span(&raw), &text);
		crlf_end(&crlf, &text);
		letter_replace_take(work->letter, &text);
	}
	if (result < 0)
		err->kind = ERR_TEMP;
	str_free(&raw);
	str_free(&text);
	return result;
}

static struct span
args_of(const struct envelope *env, const struct str *to)
{
	for (size_t i = 0; i < env->rcpts; i++)
		if (span_same(str_span(&env->rcpt[i].to), str_span(to)))
			return str_span(&env->rcpt[i].args);
	return SPAN("");
}

/* Whom it added was asked nothing for; the others keep what was. */
static void
take_addresses(struct work *work, const struct envelope_file *file)
{
	struct letter *letter = work->letter;
	struct envelope env = {0};

	envelope_from(&env, str_span(&file->env.from), str_span(&letter->env.args));
	for (size_t i = 0; i < file->env.rcpts; i++)
		envelope_add(&env, str_span(&file->env.rcpt[i].to), args_of(&letter->env, &file->env.rcpt[i].to));
	envelope_free(&letter->env);
	letter->env = env;
	letter->changed = true;
	str_set_span(&letter->forward_to, str_span(&file->forward_to));
	str_set_span(&letter->forward_to_address, str_span(&file->forward_to_address));
	str_set_span(&letter->selector, str_span(&file->selector));
}

static int
take_envelope(struct work *work, struct err *err)
{
	struct str text = {0};
	int result = fs_load(work->dir, str_c(&work->envelope), ENVELOPE_MAX, &text, err);

	if (result == 0 && !span_same(str_span(&text), str_span(&work->written))) {
		struct envelope_file file;
		result = envelope_file_read(str_span(&text), &file, err);
		if (result == 0 && file.env.rcpts == 0)
			work->letter->gone = true;
		else if (result == 0)
			take_addresses(work, &file);
		envelope_file_free(&file);
	}
	if (result < 0)
		err->kind = ERR_TEMP;
	str_free(&text);
	return result;
}

static int
exec_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str folder = job->folder;
	struct work work = { .job = job, .letter = letter, .dir = fs_dir(AT_FDCWD, str_c(&folder), err) };
	int result = work.dir < 0 ? -1 : put_files(&work, err);

	if (result == 0)
		result = run_program(&work, &spec->rest, err);
	if (result == 0) {
		result = filter_exit_means(job, work.status, str_span(&work.said), err);
		letter->gone = result == 0;
	}
	if (result > 0)
		result = take_content(&work, err) < 0 || take_envelope(&work, err) < 0 ?
		    err_prefix(err, "what the filter left") : 0;
	if (work.dir >= 0) {
		empty_dir(work.dir);
		close(work.dir);
	}
	str_free(&work.content);
	str_free(&work.envelope);
	str_free(&work.written);
	str_free(&work.said);
	return result;
}

const struct filter filter_exec = {
	.scheme = "exec:",
	.check = exec_check,
	.run = exec_run,
	.form = "exec:/PROGRAM [ARGUMENT ...]",
};

/* E-MailRelay's name for the same. */
const struct filter filter_file = {
	.scheme = "file:",
	.check = exec_check,
	.run = exec_run,
	.form = "file:/PROGRAM",
};
