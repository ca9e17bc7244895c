#include "relay/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "relay/service.h"

int
ready_check(struct ready *ready, struct err *err)
{
	uint64_t number;

	ready->fd = ready->parent = -1;
	if (ready->fd_text == NULL)
		return 0;
	if (span_number(span_of(ready->fd_text), 1 << 20, &number) < 0 ||
	    fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0) {
		err_set(err, ERR_CONFIG, "--ready-fd %s: not an open descriptor", ready->fd_text);
		return err_as(err, EX_USAGE, NULL);
	}
	ready->fd = (int)number;
	return 0;
}

/* The parent's part: leave when the child is ready, or as it left. */
static _Noreturn void
wait_for_child(int from_child, pid_t child)
{
	char byte;
	int status;

	if (read(from_child, &byte, 1) == 1)
		_exit(EX_OK);
	if (waitpid(child, &status, 0) == child && WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	_exit(EX_SOFTWARE);
}

int
ready_detach(struct ready *ready, struct err *err)
{
	int ends[2];

	if (!ready->background)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "going to the background");
	pid_t child = fork();
	if (child < 0)
		return err_sys(err, "going to the background");
	if (child > 0) {
		close(ends[1]);
		wait_for_child(ends[0], child);
	}
	close(ends[0]);
	ready->parent = ends[1];
	setsid();
	return 0;
}

static int
write_pid(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? mem_text(".") : mem_text_n(path, (size_t)(slash - path) + 1);
	struct str text = {0};
	int dir = fs_dir(AT_FDCWD, folder, err);
	int result = -1;

	str_printf(&text, "%ld\n", (long)getpid());
	if (dir >= 0) {
		result = fs_replace(dir, slash == NULL ? path : slash + 1, str_span(&text), 0644, err);
		close(dir);
	}
	str_free(&text);
	free(folder);
	return result < 0 ? err_prefix(err, "--pid-file %s", path) : 0;
}

static int
write_doors(int fd, const struct relay *relay, struct err *err)
{
	struct str text = {0};

	for (size_t i = 0; i < relay->doors; i++)
		str_printf(&text, "%s %s%s %.*s\n", relay->door[i]->instance,
		    relay->door[i]->lmtp ? "lmtp" : relay->door[i]->service->name,
		    relay->door[i]->tls ? "s" : "",
		    (int)relay->door[i]->listener.where.len, relay->door[i]->listener.where.p);
	int result = fs_write(fd, text.p, text.len, err);
	str_free(&text);
	close(fd);
	return result < 0 ? err_prefix(err, "--ready-fd") : 0;
}

/* The terminal is its user's again.  A log on stderr goes on in syslog. */
static int
let_go(struct ready *ready, const struct settings *settings, struct err *err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	enum log_level level = LOG_LEVEL_INFO;

	log_level_of(settings->spool.log_level, &level);
	if (strcmp(settings->spool.log, "stderr") == 0 &&
	    log_open("mochila-relay", "syslog", level, err) < 0)
		return -1;
	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	ssize_t told = write(ready->parent, "", 1);
	(void)told;	/* a parent that is gone need not know */
	close(ready->parent);
	ready->parent = -1;
	return 0;
}

int
ready_tell(struct ready *ready, const struct relay *relay, struct err *err)
{
	if (ready->pid_file != NULL && write_pid(ready->pid_file, err) < 0)
		return -1;
	if (ready->fd >= 0 && write_doors(ready->fd, relay, err) < 0)
		return -1;
	ready->fd = -1;
	return ready->parent >= 0 ? let_go(ready, &relay->setup->settings, err) : 0;
}

void
ready_gone(const struct ready *ready)
{
	if (ready->pid_file != NULL && unlink(ready->pid_file) < 0 && errno == EACCES)
		helper_open(ready->pid_file, HELPER_REMOVE);
}
