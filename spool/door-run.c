#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"

/* What was said on our command line reaches the others by their environment: not
 * every one of them has room for options of ours. */
static void
pass_settings_on(const struct door *door)
{
	const struct settings_args *args = door->args;
	const char *before = getenv("MOCHILA_SET");
	struct str said = {0};

	if (args->root != NULL)
		setenv("MOCHILA_ROOT", door->settings.root, 1);
	if (args->config != NULL)
		setenv("MOCHILA_CONFIG", args->config, 1);
	str_add_text(&said, before != NULL ? before : "");
	for (size_t i = 0; i < args->set.count; i++)
		str_printf(&said, "\n%s", args->set.text[i]);
	if (args->log != NULL)
		str_printf(&said, "\nspool.log=%s", args->log);
	if (args->log_level != NULL)
		str_printf(&said, "\nspool.log-level=%s", args->log_level);
	if (said.len > 0)
		setenv("MOCHILA_SET", str_c(&said), 1);
	str_free(&said);
}

static int
start(struct door *door, const char *name, const char *const words[], int in, int out, struct str *path,
    struct err *err)
{
	settings_program(name, path);
	pass_settings_on(door);
	struct child child = { .argv = words, .path = str_c(path), .in = in, .out = out, .errors = 2 };
	return child_start(&child, err);
}

static int
wait_for(pid_t pid, const char *name, struct err *err)
{
	int status;

	if (child_wait(pid, 0, &status, err) < 0)
		return -1;
	if (status == 0)
		return 0;
	child_status(status, name, err);
	return -1;
}

int
door_run(struct door *door, const char *name, const char *const words[], int out,
    struct err *err)
{
	struct str path = {0};
	pid_t pid = start(door, name, words, 0, out, &path, err);

	str_free(&path);
	return pid < 0 ? -1 : wait_for(pid, name, err);
}

int
door_feed(struct door *door, const char *name, const char *const words[], int in, struct err *err)
{
	struct str path = {0};
	pid_t pid = start(door, name, words, in, 1, &path, err);

	str_free(&path);
	return pid < 0 ? -1 : wait_for(pid, name, err);
}

int
door_read(struct door *door, const char *name, const char *const words[], size_t max,
    struct str *text, struct err *err)
{
	struct str path = {0};
	int end[2];

	if (pipe2(end, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	pid_t pid = start(door, name, words, 0, end[1], &path, err);
	str_free(&path);
	close(end[1]);
	int result = pid < 0 ? -1 : fs_read_all(end[0], max, text, err);
	close(end[0]);
	if (pid < 0)
		return -1;
	struct err ended = {0};
	if (wait_for(pid, name, &ended) < 0 && result == 0) {
		*err = ended;
		return -1;
	}
	return result;
}

int
door_become(struct door *door, const char *name, char *const words[], struct err *err)
{
	struct str path = {0};

	settings_program(name, &path);
	pass_settings_on(door);
	execv(str_c(&path), words);
	int number = errno;
	err_sys(err, "cannot run %s", str_c(&path));
	err->kind = ERR_CONFIG;
	if (number == ENOENT)
		err_as(err, EX_UNAVAILABLE, NULL);
	str_free(&path);
	return -1;
}
