#include "lib/base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

/* The socket's end in the process that asks; -1: there is no helper. */
static int to_helper = -1;
static pid_t helper_pid;

enum { HAS_IN = 1, HAS_OUT = 2, HAS_ERRORS = 4, HAS_PATH = 8, HAS_ENVIRONMENT = 16, HAS_FOLDER = 32, SESSION = 64,
	DIES = 128, AGAIN = 256, THREE = 512, FILE_READ = 1024, FILE_APPEND = 2048, FILE_REMOVE = 4096 };

static const uint32_t ways[] = { [HELPER_READ] = FILE_READ, [HELPER_APPEND] = FILE_APPEND, [HELPER_REMOVE] = FILE_REMOVE };

struct request {
	struct child_limits limits;	/* of the child */
	uint32_t flags, words, environment, len;	/* numbers of strings, and bytes of them all */
};

struct answer {
	int32_t pid, dead, number, refused;
};

/* the wire: a request with its descriptors, then its strings, each with its NUL */

static int
send_head(int fd, const void *head, size_t len, const int *fds, size_t count)
{
	char control[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct iovec part = { .iov_base = (void *)(uintptr_t)head, .iov_len = len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (count > 0) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(rights), fds, count * sizeof(int));
	}
	ssize_t sent;
	while ((sent = sendmsg(fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	return sent == (ssize_t)len ? 0 : -1;
}

static int
receive_head(int fd, void *head, size_t len, int *fds, size_t *count)
{
	char control[CMSG_SPACE(3 * sizeof(int))];
	struct iovec part = { .iov_base = head, .iov_len = len };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t got;

	*count = 0;
	while ((got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL)) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)len)
		return -1;
	const struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
	if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS) {
		*count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(rights), *count * sizeof(int));
	}
	return 0;
}

static int
read_all(int fd, void *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t got = read(fd, (char *)bytes + at, len - at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		at += (size_t)got;
	}
	return 0;
}

/* in the helper */

/* The next string of what was sent; it ends with its NUL, which was checked. */
static const char *
take_word(const char **at)
{
	const char *word = *at;

	*at += strlen(word) + 1;
	return word;
}

static const char **
take_words(const char **at, uint32_t count)
{
	const char **words = mem_get((count + 1) * sizeof *words);

	for (uint32_t i = 0; i < count; i++)
		words[i] = take_word(at);
	return words;
}

/* As many strings as the head says, and not a byte more. */
static bool
is_whole(const struct request *request, const char *bytes)
{
	uint64_t want = (uint64_t)request->words + request->environment + ((request->flags & HAS_PATH) != 0) +
	    ((request->flags & HAS_FOLDER) != 0), found = 0;

	for (uint32_t i = 0; i < request->len; i++)
		found += bytes[i] == '\0';
	return request->words > 0 && want == found && request->len > 0 && bytes[request->len - 1] == '\0';
}

static void
start_it(const struct helper_rules *rules, const struct request *request, const char *bytes, const int *fds,
    struct answer *answer)
{
	struct child child = { .in = -1, .out = -1, .errors = -1, .session = (request->flags & SESSION) != 0,
		.dies_with_us = (request->flags & DIES) != 0, .three = (request->flags & THREE) != 0,
		.limits = &request->limits };
	struct err err = {0};
	size_t fd = 0;
	pid_t dead = 0;

	child.in = request->flags & HAS_IN ? fds[fd++] : -1;
	child.out = request->flags & HAS_OUT ? fds[fd++] : -1;
	child.errors = request->flags & HAS_ERRORS ? fds[fd++] : -1;
	child.path = request->flags & HAS_PATH ? take_word(&bytes) : NULL;
	child.folder = request->flags & HAS_FOLDER ? take_word(&bytes) : NULL;
	const char **words = take_words(&bytes, request->words), **environment = take_words(&bytes, request->environment);
	child.argv = words;
	child.environment = request->flags & HAS_ENVIRONMENT ? environment : NULL;
	const char *path = child.path != NULL ? child.path : words[0];
	if (rules->may(rules->ctx, path, words)) {
		answer->pid = (int32_t)child_start_beside(&child, &dead, &err);
		answer->number = errno;
		answer->dead = dead;
	} else {
		*answer = (struct answer){ .pid = -1, .number = EPERM, .refused = 1 };
	}
	free(words);
	free(environment);
}

/* No folder: it would be listed. */
static int
open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = EACCES;
	}
	return -1;
}

/* Of a path that the rules know: a descriptor, or nothing but its end. */
static int
open_it(const struct helper_rules *rules, uint32_t flags, const char *path, struct answer *answer)
{
	static const int kinds[] = { [HELPER_READ] = O_RDONLY, [HELPER_APPEND] = O_WRONLY | O_APPEND | O_CREAT };
	enum helper_way way = flags & FILE_REMOVE ? HELPER_REMOVE : flags & FILE_APPEND ? HELPER_APPEND : HELPER_READ;
	int fd = -1, done = -1;

	*answer = (struct answer){ .pid = -1, .number = EACCES };
	if (rules->may_open == NULL || !rules->may_open(rules->ctx, path, way))
		return -1;
	if (way == HELPER_REMOVE)
		done = unlink(path);
	else
		done = fd = open_file(path, kinds[way]);
	answer->number = done < 0 ? errno : 0;
	answer->pid = done < 0 ? -1 : 0;
	return fd;
}

/* One request; false when whoever asks is gone, or talks nonsense. */
static bool
serve_one(int fd, const struct helper_rules *rules)
{
	struct request request;
	struct answer answer = { .pid = -1 };
	int fds[3] = { -1, -1, -1 }, opened = -1;
	size_t count;

	if (receive_head(fd, &request, sizeof request, fds, &count) < 0)
		return false;
	size_t want = ((request.flags & HAS_IN) != 0) + ((request.flags & HAS_OUT) != 0) + ((request.flags & HAS_ERRORS) != 0);
	if (request.len > HELPER_REQUEST_MAX || request.words > HELPER_WORDS_MAX || request.environment > HELPER_WORDS_MAX ||
	    count != want)
		return false;
	char *bytes = mem_get(request.len + 1);
	bool good = read_all(fd, bytes, request.len) == 0;
	if (good && (request.flags & AGAIN) != 0) {
		answer.pid = 0;
		if (rules->again != NULL)
			rules->again(rules->ctx);
	} else if (good && !(good = is_whole(&request, bytes))) {
		;
	} else if (good && (request.flags & (FILE_READ | FILE_APPEND | FILE_REMOVE)) != 0) {
		opened = open_it(rules, request.flags, bytes, &answer);
	} else if (good) {
		start_it(rules, &request, bytes, fds, &answer);
	}
	free(bytes);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	good = good && send_head(fd, &answer, sizeof answer, &opened, opened >= 0 ? 1 : 0) == 0;
	if (opened >= 0)
		close(opened);
	return good;
}

static _Noreturn void
serve(int fd, const struct helper_rules *rules)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	/* It ends with who asks, who may be told to end by the same signal. */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	fd = dup2(fd, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);	/* musl has no function of that name */
	/* Whoever reads what we write is to see its end when that is closed. */
	int nothing = open("/dev/null", O_RDWR);
	dup2(nothing, STDIN_FILENO);
	dup2(nothing, STDOUT_FILENO);
	if (rules->silent)
		dup2(nothing, STDERR_FILENO);
	close(nothing);
	while (serve_one(fd, rules))
		;
	_exit(0);
}

/* in who asks */

int
helper_start(const struct helper_rules *rules, struct err *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "the helper's socket");
	log_write();	/* or it would be written by both */
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		serve(ends[1], rules);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return err_sys(err, "the helper");
	}
	to_helper = ends[0];
	helper_pid = pid;
	return 0;
}

bool
helper_runs(void)
{
	return to_helper >= 0;
}

bool
helper_is(pid_t pid)
{
	return to_helper >= 0 && pid == helper_pid;
}

/* *opened: of a file, or -1. */
static int
ask(const struct request *request, const int *fds, size_t count, struct span words, struct answer *answer, int *opened,
    struct err *err)
{
	struct err ignored;
	size_t got = 0;

	*opened = -1;
	if (send_head(to_helper, request, sizeof *request, fds, count) < 0 ||
	    fs_write(to_helper, words.p, words.len, &ignored) < 0 ||
	    receive_head(to_helper, answer, sizeof *answer, opened, &got) < 0)
		return err_set(err, ERR_TEMP, "the helper, which starts programs, is gone; restart us");
	return 0;
}

static uint32_t
add_words(const char *const *list, struct str *words)
{
	uint32_t count = 0;

	for (; list != NULL && list[count] != NULL; count++)
		str_add(words, list[count], strlen(list[count]) + 1);
	return count;
}

pid_t
helper_child(const struct child *child, struct err *err)
{
	const char *path = child->path != NULL ? child->path : child->argv[0];
	struct request request = { .flags = (child->session ? SESSION : 0) | (child->dies_with_us ? DIES : 0) |
		(child->three ? THREE : 0) };
	struct answer answer = { .pid = -1 };
	struct str words = {0};
	const struct { int fd; uint32_t flag; } ends[] = { { child->in, HAS_IN }, { child->out, HAS_OUT },
		{ child->errors, HAS_ERRORS } };
	int fds[3], opened;
	size_t count = 0;

	if (child->limits != NULL)
		request.limits = *child->limits;
	for (size_t i = 0; i < 3; i++) {
		if (ends[i].fd < 0)
			continue;
		fds[count++] = ends[i].fd;
		request.flags |= ends[i].flag;
	}
	if (child->path != NULL) {
		request.flags |= HAS_PATH;
		str_add(&words, child->path, strlen(child->path) + 1);
	}
	if (child->folder != NULL) {
		request.flags |= HAS_FOLDER;
		str_add(&words, child->folder, strlen(child->folder) + 1);
	}
	request.words = add_words(child->argv, &words);
	request.environment = add_words(child->environment, &words);
	request.flags |= child->environment != NULL ? HAS_ENVIRONMENT : 0;
	request.len = (uint32_t)words.len;
	int result = words.len > HELPER_REQUEST_MAX || request.words > HELPER_WORDS_MAX ?
	    err_set(err, ERR_PERM, "%s: its arguments are too long", path) :
	    ask(&request, fds, count, str_span(&words), &answer, &opened, err);
	str_free(&words);
	if (result < 0)
		return -1;
	if (answer.refused)
		return err_set(err, ERR_CONFIG, "cannot run %s: the helper starts only what the settings name", path);
	if (answer.dead > 0)
		waitpid(answer.dead, NULL, 0);
	if (answer.pid < 0) {
		errno = answer.number;
		err_sys(err, "cannot run %s", path);
		if (answer.number == ENOENT || answer.number == ENOEXEC)
			err->kind = ERR_CONFIG;
		return -1;
	}
	return answer.pid;
}

void
helper_again(void)
{
	const struct request request = { .flags = AGAIN };
	struct answer answer;
	struct err ignored;
	int opened;

	if (to_helper >= 0)
		ask(&request, NULL, 0, (struct span){0}, &answer, &opened, &ignored);
}

int
helper_open(const char *path, enum helper_way way)
{
	const struct span word = { path, strlen(path) + 1 };
	const struct request request = { .flags = ways[way], .words = 1, .len = (uint32_t)word.len };
	struct answer answer = { .number = EACCES };
	struct err ignored;
	int opened = -1;

	if (to_helper < 0 || word.len > HELPER_REQUEST_MAX ||
	    ask(&request, NULL, 0, word, &answer, &opened, &ignored) < 0 || answer.pid < 0) {
		errno = answer.number;
		return -1;
	}
	return way == HELPER_REMOVE ? 0 : opened;
}

void
helper_stop(void)
{
	if (to_helper < 0)
		return;
	close(to_helper);
	to_helper = -1;
	while (waitpid(helper_pid, NULL, 0) < 0 && errno == EINTR)
		;
}
