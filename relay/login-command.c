/*
 * login command: a program of somebody's, which gets the user's name and the password as two
 * lines on its standard input and says by its exit status: 0 yes (and a mailbox, if it prints a
 * line), 1 no, any other: ask again later.  So a directory or a data base needs no library of
 * ours.  In its environment are MOCHILA_SERVICE ("pop3", "smtp"), MOCHILA_CLIENT and
 * MOCHILA_SECRET: "password", or "token" where the second line is an OAuth token.
 */
#include "relay/login.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"

enum { ANSWER_MAX = 4096, WORDS_MAX = 100 };

/* Both lines fit into a pipe, so nobody waits for anybody. */
static int
question(const struct login *who, struct err *err)
{
	struct str lines = {0};
	int pipe_ends[2];

	if (memchr(who->user.p, '\n', who->user.len) != NULL || memchr(who->pass.p, '\n', who->pass.len) != NULL)
		return err_set(err, ERR_PERM, "a line end in a name or password");
	if (pipe2(pipe_ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	str_printf(&lines, "%.*s\n%.*s\n", (int)who->user.len, who->user.p, (int)who->pass.len, who->pass.p);
	int result = fs_write(pipe_ends[1], lines.p, lines.len, err);
	explicit_bzero(lines.p, lines.size);
	str_free(&lines);
	close(pipe_ends[1]);
	if (result == 0)
		return pipe_ends[0];
	close(pipe_ends[0]);
	return -1;
}

static int
run_it(const char *const *words, const struct login *who, int in, int out, int *status, struct err *err)
{
	struct str service = {0}, client = {0};
	str_printf(&service, "MOCHILA_SERVICE=%.*s", (int)who->service.len, who->service.p);
	str_printf(&client, "MOCHILA_CLIENT=%.*s", (int)who->client.len, who->client.p);
	const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", str_c(&service), str_c(&client),
		who->token ? "MOCHILA_SECRET=token" : "MOCHILA_SECRET=password", NULL };
	struct child child = { .argv = words, .environment = environment,
		.in = in, .out = out, .errors = -1 };
	int result = child_run(&child, LOGIN_SECONDS / 2, status, err);

	str_free(&service);
	str_free(&client);
	return result;
}

static int
command_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	const char *words[WORDS_MAX];
	char *line = mem_text(rest);
	int in = -1, out = -1, status = 0, result = -1;

	if (child_words(line, words, WORDS_MAX, err) < 0)
		err_prefix(err, "command:%s", rest);
	else if ((in = question(who, err)) < 0)
		result = err->kind == ERR_PERM ? 0 : -1;
	else if ((out = fs_scratch(AT_FDCWD, "/tmp", err)) >= 0)
		result = run_it(words, who, in, out, &status, err);
	if (result == 0 && in >= 0 && status > 1)
		result = err_set(err, ERR_TEMP, "%s ended with %d", words[0], status);
	else if (result == 0 && in >= 0)
		result = status == 0;
	if (result > 0 && lseek(out, 0, SEEK_SET) == 0 && fs_read_all(out, ANSWER_MAX, mailbox, err) < 0)
		result = -1;
	if (result > 0 && mailbox->len > 0)
		mailbox->len = strcspn(str_c(mailbox), "\r\n");
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	free(line);
	return result;
}

const struct login_row login_command = { .scheme = "command:", .check = command_check };
