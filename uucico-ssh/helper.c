#include "uucico-ssh/helper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/log.h"

extern char **environ;

static const char default_path[] = "/usr/local/bin:/usr/bin:/bin";

/* What an ssh server, a cron or a user's shell left us is none of our business. */
static void
forget_the_rest(void)
{
	static const char *const kept[] = { "PATH=", "HOME=", "LANG=", "TZ=", "SSH_AUTH_SOCK=", "MOCHILA_" };
	size_t at = 0;

	while (environ[at] != NULL) {
		bool keep = false;
		for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
			keep = keep || strncmp(environ[at], kept[i], strlen(kept[i])) == 0;
		char *name = mem_text_n(environ[at], strcspn(environ[at], "="));
		if (keep || name[0] == '\0' || unsetenv(name) < 0)
			at++;
		free(name);
	}
	setenv("PATH", default_path, 0);
}

void
helper_environment(const struct settings *settings, const struct settings_args *args)
{
	struct str set = {0};

	forget_the_rest();
	setenv("MOCHILA_ROOT", settings->root, 1);
	if (args->config != NULL)
		setenv("MOCHILA_CONFIG", args->config, 1);
	if (args->set.count == 0)
		return;
	if (getenv("MOCHILA_SET") != NULL)
		str_printf(&set, "%s\n", getenv("MOCHILA_SET"));
	for (size_t i = 0; i < args->set.count; i++)
		str_printf(&set, "%s\n", args->set.text[i]);
	setenv("MOCHILA_SET", str_c(&set), 1);
	str_free(&set);
}

static void
failed(const char *name, const struct err *err)
{
	log_error("event=helper-failed program=%s %s", name, err->text);
}

static pid_t
start_words(const char *const *argv, struct err *err)
{
	struct str path = {0};

	settings_program(argv[0], &path);
	struct child child = { .argv = argv, .path = str_c(&path), .in = -1, .out = -1, .errors = 2 };
	pid_t pid = child_start(&child, err);
	str_free(&path);
	return pid;
}

static pid_t
start(const char *name, const char *word, const char *word2, struct err *err)
{
	const char *argv[] = { name, word, word2, NULL };

	return start_words(argv, err);
}

int
helper_run_words(const char *const *argv, int64_t seconds)
{
	struct err err = {0};
	int status = 0;
	pid_t pid = start_words(argv, &err);

	if (pid > 0 && child_wait(pid, seconds, &status, &err) == 0)
		child_status(status, argv[0], &err);
	if (err.kind != ERR_NONE)
		failed(argv[0], &err);
	return err.kind == ERR_NONE ? 0 : -1;
}

int
helper_run(const char *name, const char *word, const char *word2, int64_t seconds)
{
	const char *argv[] = { name, word, word2, NULL };

	return helper_run_words(argv, seconds);
}

pid_t
helper_leave(const char *name, const char *word, const char *word2)
{
	struct err err = {0};
	pid_t pid = start(name, word, word2, &err);

	if (pid < 0)
		failed(name, &err);
	return pid;
}
