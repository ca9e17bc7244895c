/* mochila-login - answers the relay's questions about passwords; see relay/login.h. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "relay/login.h"

static int
read_exactly(int fd, char *to, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t got = read(fd, to, len);
		if (got < 0)
			return err_sys(err, "standard input");
		if (got == 0)
			return err_set(err, ERR_PERM, "the question ended in its middle");
		to += got;
		len -= (size_t)got;
	}
	return 0;
}

/* "NUMBER LENGTH\n": 1, or 0 at the end. */
static int
read_head(uint64_t *number, uint64_t *len, struct err *err)
{
	char line[64];
	size_t at = 0;

	for (; at < sizeof line; at++) {
		ssize_t got = read(0, line + at, 1);
		if (got == 0 && at == 0)
			return 0;
		if (got != 1)
			return err_set(err, ERR_PERM, "no question");
		if (line[at] == '\n')
			break;
	}
	struct span rest = { line, at }, first = span_word(&rest);
	if (at == sizeof line || span_number(first, UINT64_MAX, number) < 0 ||
	    span_number(span_trim(rest), LOGIN_QUESTION_MAX, len) < 0)
		return err_set(err, ERR_PERM, "no question");
	return 1;
}

static struct span
next_part(struct span *rest)
{
	struct span part = {0};

	span_cut(rest, '\0', &part);
	return part;
}

/* 1, 0, -1 as a row says, and where all of them stand. */
static int
ask_all(char **sources, const struct login *who, struct str *mailbox, struct err *err)
{
	int result = 0;

	for (; *sources != NULL; sources++) {
		const char *rest;
		const struct login_row *row = login_row_of(*sources, &rest);
		struct err why = {0};
		str_clear(mailbox);
		int said = row->check(rest, who, mailbox, &why);
		if (said > 0)
			return 1;
		if (said < 0) {
			*err = why;
			result = -1;
		}
	}
	return result;
}

static int
answer(uint64_t number, int result, struct str *mailbox, const struct err *why, struct err *err)
{
	struct str line = {0};

	if (result > 0)
		str_printf(&line, "%llu yes %s\n", (unsigned long long)number, str_c(mailbox));
	else if (result == 0)
		str_printf(&line, "%llu no\n", (unsigned long long)number);
	else
		str_printf(&line, "%llu later %s\n", (unsigned long long)number, why->text);
	for (size_t i = 0; i + 1 < line.len; i++)
		if ((unsigned char)line.p[i] < ' ')
			line.p[i] = ' ';
	int sent = fs_write(1, line.p, line.len, err);
	str_free(&line);
	return sent;
}

static int
serve_one(char **sources, struct err *err)
{
	uint64_t number, len;
	char question[LOGIN_QUESTION_MAX + 1];
	struct str mailbox = {0};
	struct err why = {0};
	int got = read_head(&number, &len, err);

	if (got <= 0 || read_exactly(0, question, (size_t)len, err) < 0)
		return got == 0 ? 0 : -1;
	struct span rest = { question, (size_t)len };
	struct login who = { .user = next_part(&rest), .pass = next_part(&rest) };
	who.service = next_part(&rest);
	who.client = next_part(&rest);
	who.token = span_is(rest, "token");
	int said = ask_all(sources, &who, &mailbox, &why);
	explicit_bzero(question, sizeof question);
	got = answer(number, said, &mailbox, &why, err) < 0 ? -1 : 1;
	str_free(&mailbox);
	return got;
}

int
main(int argc, char **argv)
{
	struct err err = {0};
	const char *rest;
	int got = 1;

	/* The relay ends us by the end of our input: what is under way is answered. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	for (int i = 1; i < argc; i++) {
		if (login_row_of(argv[i], &rest) == NULL) {
			err_set(&err, ERR_CONFIG, "usage: mochila-login SOURCE ...; no source is called %.100s", argv[i]);
			err_as(&err, EX_USAGE, NULL);
			return log_failure(&err);
		}
	}
	while (got > 0)
		got = serve_one(argv + 1, &err);
	return got == 0 ? 0 : log_failure(&err);
}
