#include "lib/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"

extern char **environ;

static bool
kept(const char *word)
{
	static const char *const names[] = { "PATH=", "HOME=", "LANG=", "TZ=", "MOCHILA_" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static char **
clean_environment(void)
{
	char **list = NULL;
	size_t count = 0;

	for (char **word = environ; word != NULL && *word != NULL; word++) {
		if (!kept(*word))
			continue;
		list = mem_resize(list, count + 2, sizeof *list);
		list[count++] = *word;
	}
	list = mem_resize(list, count + 1, sizeof *list);
	list[count] = NULL;
	return list;
}

static int
set_limits(const struct child_limits *limits)
{
	const struct { int what; uint64_t most; } rows[] = {
		{ RLIMIT_CPU, limits->cpu }, { RLIMIT_AS, limits->memory }, { RLIMIT_FSIZE, limits->written },
		{ RLIMIT_NOFILE, limits->files },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct rlimit now;
		if (rows[i].most == 0)
			continue;
		if (getrlimit(rows[i].what, &now) < 0)
			return -1;
		rlim_t most = now.rlim_max < rows[i].most ? now.rlim_max : (rlim_t)rows[i].most;
		/* At the hard one of processor time comes SIGKILL, which tells nobody why. */
		const struct rlimit limit = { most, rows[i].what == RLIMIT_CPU && most < now.rlim_max ? most + 1 : most };
		if (setrlimit(rows[i].what, &limit) < 0)
			return -1;
	}
	return 0;
}

/* Between fork and exec: only what is safe there. */
static _Noreturn void
become(const struct child *child, char **environment, int report, pid_t parent)
{
	int from[4] = { child->three ? -1 : child->in, child->out, child->errors, child->three ? child->in : -1 };
	const int count = child->three ? 4 : 3;
	sigset_t none;

	for (int i = 0; i < count; i++) {
		/* Away from 0-3 first, so that none is trodden on by another. */
		int fd = from[i] >= 0 ? fcntl(from[i], F_DUPFD_CLOEXEC, 4) :
		    open("/dev/null", i == 0 ? O_RDONLY | O_CLOEXEC : O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && fd < 4)
			fd = fcntl(fd, F_DUPFD_CLOEXEC, 4);
		if (fd < 0)
			goto failed;
		from[i] = fd;
	}
	for (int i = 0; i < count; i++)
		if (dup2(from[i], i) < 0)
			goto failed;
	/* What whoever started us left open is not for the child either. */
	syscall(SYS_close_range, (unsigned)count, ~0U, 1U << 2);	/* CLOSE_RANGE_CLOEXEC, which musl has not */
	if (child->session && setsid() < 0)
		goto failed;
	if (child->dies_with_us && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
		goto failed;
	if (child->limits != NULL && set_limits(child->limits) < 0)
		goto failed;
	if (child->folder != NULL && chdir(child->folder) < 0)
		goto failed;
	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(child->path != NULL ? child->path : child->argv[0],
	    (char *const *)(uintptr_t)child->argv, environment);
failed:;
	int number = errno;
	ssize_t told = write(report, &number, sizeof number);
	_exit(told < 0 ? 126 : 127);
}

/* fork(), for us or for our parent. */
static pid_t
split(bool beside)
{
	return beside ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) : fork();
}

static pid_t
start(const struct child *child, bool beside, pid_t *dead, struct err *err)
{
	const char *path = child->path != NULL ? child->path : child->argv[0];
	int pipe_fd[2], number = 0;

	if (strchr(path, '/') == NULL)
		return err_set(err, ERR_CONFIG, "%s: a program is named by its whole path", path);
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	/* Its end must survive the dup2()s in become(). */
	int report = fcntl(pipe_fd[1], F_DUPFD_CLOEXEC, 10);
	close(pipe_fd[1]);
	if (report < 0) {
		close(pipe_fd[0]);
		return err_sys(err, "pipe");
	}
	char **environment = child->environment == NULL ? clean_environment() : NULL;
	sigset_t all, before;
	pid_t parent = beside ? getppid() : getpid();
	/* Until it is another program a vforked one has our memory: no handler of ours may run there. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	log_write();	/* or it would be written by both */
	pid_t pid = child->quick && !beside ? vfork() : split(beside);
	if (pid == 0)
		become(child, environment != NULL ? environment : (char **)(uintptr_t)child->environment, report, parent);
	int fork_number = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(environment);
	close(report);
	if (pid < 0) {
		close(pipe_fd[0]);
		errno = fork_number;
		return err_sys(err, "fork");
	}
	ssize_t got;
	while ((got = read(pipe_fd[0], &number, sizeof number)) < 0 && errno == EINTR)
		;
	close(pipe_fd[0]);
	if (got == (ssize_t)sizeof number) {
		if (beside)
			*dead = pid;
		else
			waitpid(pid, NULL, 0);
		errno = number;
		err_sys(err, "cannot run %s", path);
		if (number == ENOENT || number == ENOEXEC)
			err->kind = ERR_CONFIG;
		errno = number;
		return -1;
	}
	return pid;
}

int
child_words(char *line, const char **argv, size_t room, struct err *err)
{
	char *rest = line, *word;
	size_t count = 0;

	argv[0] = NULL;
	while ((word = strtok_r(count == 0 ? line : NULL, " \t", &rest)) != NULL && count + 1 < room) {
		argv[count++] = word;
		argv[count] = NULL;
	}
	if (count == 0 || argv[0][0] != '/')
		return err_set(err, ERR_CONFIG, "the program's whole path belongs there");
	return word == NULL ? 0 : err_set(err, ERR_CONFIG, "%s: more than %zu words", argv[0], room - 1);
}

pid_t
child_start(const struct child *child, struct err *err)
{
	return helper_runs() ? helper_child(child, err) : start(child, false, NULL, err);
}

pid_t
child_start_beside(const struct child *child, pid_t *dead, struct err *err)
{
	*dead = 0;
	return start(child, true, dead, err);
}

static int
exit_status(int raw)
{
	return WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
}

static int
wait_until(pid_t pid, int64_t deadline, int *raw)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	pid_t done = 0;

	while (done == 0) {
		int64_t left = (deadline - clock_mono()) / 1000;
		if (left <= 0)
			break;
		if (fd >= 0) {
			struct pollfd wait_for = { .fd = fd, .events = POLLIN };
			poll(&wait_for, 1, left > 60000 ? 60000 : (int)left);
		} else {
			poll(NULL, 0, left > 50 ? 50 : (int)left);
		}
		done = waitpid(pid, raw, WNOHANG);
		if (done < 0 && errno == EINTR)
			done = 0;
	}
	if (fd >= 0)
		close(fd);
	return done == pid ? 0 : -1;
}

int
child_wait(pid_t pid, int64_t seconds, int *status, struct err *err)
{
	int raw = 0;

	if (seconds > 0 && wait_until(pid, clock_mono() + seconds * CLOCK_SECOND, &raw) == 0) {
		*status = exit_status(raw);
		return 0;
	}
	if (seconds > 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &raw, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "waitpid");
	*status = exit_status(raw);
	if (seconds > 0)
		return err_set(err, ERR_TEMP, "no end after %lld s; killed", (long long)seconds);
	return 0;
}

int
child_run(const struct child *child, int64_t seconds, int *status, struct err *err)
{
	pid_t pid = child_start(child, err);
	if (pid < 0)
		return -1;
	if (child_wait(pid, seconds, status, err) < 0)
		return err_prefix(err, "%s", child->argv[0]);
	return 0;
}

/* Who has it open has one place in it with us. */
static bool
has_read_all(int in)
{
	struct stat st;

	return fstat(in, &st) == 0 && lseek(in, 0, SEEK_CUR) >= st.st_size;
}

int
child_feed(struct child *child, const char *name, int64_t seconds, int *status, struct err *err)
{
	int result = child_run(child, seconds, status, err);
	bool read_all = has_read_all(child->in);

	close(child->in);
	child->in = -1;
	if (result < 0)
		return -1;
	child_status(*status, name, err);
	if (*status == 0 && !read_all)
		return err_set(err, ERR_TEMP, "%s did not read all of the message", name);
	return *status == 0 ? 0 : -1;
}

/* "pid (name) state ...", where the name may hold anything. */
static uint64_t
began(struct span stat)
{
	struct span rest = {0}, word;
	uint64_t ticks = 0;
	bool over = false;

	for (size_t i = stat.len; i > 0 && rest.p == NULL; i--)
		if (stat.p[i - 1] == ')')
			rest = span_from(stat, i);
	for (int field = 3; field <= 22 && (word = span_word(&rest)).len > 0; field++) {
		if (field == 3)
			over = span_is(word, "Z") || span_is(word, "X");
		if (field == 22 && span_number(word, UINT64_MAX, &ticks) < 0)
			ticks = 0;
	}
	return over ? 0 : ticks;
}

uint64_t
process_began(pid_t pid)
{
	struct str path = {0}, text = {0};
	struct err ignored;

	str_printf(&path, "/proc/%ld/stat", (long)pid);
	int fd = open(str_c(&path), O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		fs_read_all(fd, 4096, &text, &ignored);
	if (fd >= 0)
		close(fd);
	uint64_t ticks = began(str_span(&text));
	str_free(&path);
	str_free(&text);
	return ticks;
}

void
child_status(int status, const char *name, struct err *err)
{
	if (status == 0)
		*err = (struct err){0};
	else if (status > 128)
		err_set(err, ERR_TEMP, "%s ended by signal %d", name, status - 128);
	else if (status == EX_TEMPFAIL)
		err_set(err, ERR_TEMP, "%s says try again (exit status %d)", name, status);
	else if (status == EX_CONFIG || status == 126 || status == 127)
		err_set(err, ERR_CONFIG, "%s cannot run as configured (exit status %d)", name, status);
	else if (err_set(err, ERR_PERM, "%s failed with exit status %d", name, status) < 0)
		err_as(err, status, NULL);
}
