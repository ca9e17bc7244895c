#include "relay/answering.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "relay/pool.h"

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
	    span_number(span_trim(rest), POOL_QUESTION_MAX, len) < 0)
		return err_set(err, ERR_PERM, "no question");
	return 1;
}

static int
say(uint64_t number, struct span words, struct err *err)
{
	struct str line = {0};

	str_printf(&line, "%llu ", (unsigned long long)number);
	str_add_span(&line, words);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t')
			line.p[i] = ' ';
	str_add_char(&line, '\n');
	int sent = fs_write(1, line.p, line.len, err);
	str_free(&line);
	return sent;
}

static int
serve_one(void (*answer)(void *ctx, struct span question, struct str *words), void *ctx, struct err *err)
{
	uint64_t number = 0, len = 0;
	char question[POOL_QUESTION_MAX + 1];
	struct str words = {0};
	int got = read_head(&number, &len, err);

	if (got <= 0 || read_exactly(0, question, (size_t)len, err) < 0)
		return got == 0 ? 0 : -1;
	answer(ctx, (struct span){ question, (size_t)len }, &words);
	explicit_bzero(question, sizeof question);
	got = say(number, str_span(&words), err) < 0 ? -1 : 1;
	str_free(&words);
	return got;
}

struct span
answering_field(struct span *rest)
{
	struct span part = {0};

	span_cut(rest, '\0', &part);
	return part;
}

int
answering(void (*answer)(void *ctx, struct span question, struct str *words), void *ctx, struct err *err)
{
	int got = 1;

	/* The relay ends us by the end of our input: what is under way is answered. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	while (got > 0)
		got = serve_one(answer, ctx, err);
	return got;
}
