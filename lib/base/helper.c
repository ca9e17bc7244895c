#include "lib/base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"

/* The socket's end in the process that asks; -1: there is no helper. */
static int to_helper = -1;
static pid_t helper_pid;

enum { HAS_IN = 1, HAS_OUT = 2, HAS_ERRORS = 4, HAS_PATH = 8, HAS_ENVIRONMENT = 16, HAS_FOLDER = 32, SESSION = 64,
	DIES = 128, AGAIN = 256 };

struct request {
	uint64_t written;	/* a limit of the child */
	uint32_t flags, words, environment, len;	/* numbers of strings, and bytes of them all */
};

struct answer {
	int32_t pid, dead, number, refused;
};

/* the wire: a request with its descriptors, then its strings, each with its NUL */

static int
send_head(int fd, const struct request *request, const int *fds, size_t count)
{
	char control[CMSG_SPACE(3 * sizeof(int))] = {0};
	struct iovec part = { .iov_base = (void *)(uintptr_t)request, .iov_len = sizeof *request };
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
	return sent == (ssize_t)sizeof *request ? 0 : -1;
}

static int
receive_head(int fd, struct request *request, int *fds, size_t *count)
{
	char control[CMSG_SPACE(3 * sizeof(int))];
	struct iovec part = { .iov_base = request, .iov_len = sizeof *request };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = sizeof control };
	ssize_t got;

	*count = 0;
	while ((got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL)) < 0 && errno == EINTR)
		;
	if (got != (ssize_t)sizeof *request)
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
		.dies_with_us = (request->flags & DIES) != 0 };
	const struct child_limits limits = { .written = request->written };
	struct err err = {0};
	size_t fd = 0;
	pid_t dead = 0;

	child.limits = limits.written > 0 ? &limits : NULL;

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

/* One request; false when whoever asks is gone, or talks nonsense. */
static bool
serve_one(int fd, const struct helper_rules *rules)
{
	struct request request;
	struct answer answer = { .pid = -1 };
	int fds[3] = { -1, -1, -1 };
	size_t count;

	if (receive_head(fd, &request, fds, &count) < 0)
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
	} else if (good && (good = is_whole(&request, bytes))) {
		start_it(rules, &request, bytes, fds, &answer);
	}
	free(bytes);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	return good && send(fd, &answer, sizeof answer, MSG_NOSIGNAL) == (ssize_t)sizeof answer;
}

static _Noreturn void
serve(int fd, const struct helper_rules *rules)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };

	/* It ends with who asks, who may be told to end by the same signal. */
	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		signal(ignored[i], SIG_IGN);
	fd = dup2(fd, 3);
	close_range(4, ~0U, 0);
	/* Whoever reads what we write is to see its end when that is closed. */
	int nothing = open("/dev/null", O_RDWR);
	dup2(nothing, STDIN_FILENO);
	dup2(nothing, STDOUT_FILENO);
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

static int
ask(const struct request *request, const int *fds, size_t count, struct span words, struct answer *answer,
    struct err *err)
{
	struct err ignored;

	if (send_head(to_helper, request, fds, count) < 0 || fs_write(to_helper, words.p, words.len, &ignored) < 0 ||
	    read_all(to_helper, answer, sizeof *answer) < 0)
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
	struct request request = { .flags = (child->session ? SESSION : 0) | (child->dies_with_us ? DIES : 0),
		.written = child->limits != NULL ? child->limits->written : 0 };
	struct answer answer;
	struct str words = {0};
	const struct { int fd; uint32_t flag; } ends[] = { { child->in, HAS_IN }, { child->out, HAS_OUT },
		{ child->errors, HAS_ERRORS } };
	int fds[3];
	size_t count = 0;

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
	    ask(&request, fds, count, str_span(&words), &answer, err);
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

	if (to_helper >= 0)
		ask(&request, NULL, 0, (struct span){0}, &answer, &ignored);
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
