/*
 * login checkpassword: a program as DJB's checkpassword (cr.yp.to/checkpwd/interface.html): it
 * reads name, password and a third word, each ended by NUL, from descriptor 3, and runs the
 * program that its arguments name if they are right, else ends with 1; 2 and 111 are troubles.  What
 * it runs for us is true(1).
 */
#include "relay/login.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"

enum { WORDS_MAX = 32, QUESTION_MAX = 512 };	/* of the interface */

static int
question(const struct login *who, struct err *err)
{
	static const char third[] = "mochila";	/* for APOP's stamp; anything will do */
	struct str words = {0};
	int ends[2] = { -1, -1 }, result = 0;

	str_add_span(&words, who->user);
	str_add_char(&words, '\0');
	str_add_span(&words, who->pass);
	str_add_char(&words, '\0');
	str_add(&words, third, sizeof third);
	if (words.len > QUESTION_MAX)
		result = err_set(err, ERR_PERM, "too long a name and password");
	else if (pipe2(ends, O_CLOEXEC) < 0)
		result = err_sys(err, "pipe");
	if (result == 0) {
		result = fs_write(ends[1], words.p, words.len, err);
		close(ends[1]);
		if (result < 0)
			close(ends[0]);
	}
	explicit_bzero(words.p, words.size);
	str_free(&words);
	return result < 0 ? -1 : ends[0];
}

static int
run(char *line, int in, struct err *err)
{
	static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "PROTO=TCP", NULL };
	const char *argv[WORDS_MAX + 2] = {0};
	size_t count = 0;
	int status = 0;

	if (child_words(line, argv, WORDS_MAX + 1, err) < 0)
		return err_prefix(err, "checkpassword");
	while (argv[count] != NULL)
		count++;
	argv[count] = "/bin/true";
	struct child child = { .argv = argv, .environment = environment, .in = in, .three = true, .out = -1, .errors = -1 };
	if (child_run(&child, LOGIN_SECONDS / 2, &status, err) < 0)
		return -1;
	return status <= 1 ? status == 0 : err_set(err, ERR_TEMP, "%s ended with %d", argv[0], status);
}

static int
checkpassword_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	char *line = mem_text(rest);
	int in = -1, result = 0;

	(void)mailbox;
	if (!who->token && memchr(who->user.p, '\0', who->user.len) == NULL &&
	    memchr(who->pass.p, '\0', who->pass.len) == NULL) {
		in = question(who, err);
		result = in >= 0 ? run(line, in, err) : err->kind == ERR_PERM ? 0 : -1;
	}
	if (in >= 0)
		close(in);
	free(line);
	return result;
}

const struct login_row login_checkpassword = { .scheme = "checkpassword:", .check = checkpassword_check };
