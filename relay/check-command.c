/*
 * check |PROGRAM and net: - somebody's program or server, as E-MailRelay's address verifiers are.
 *
 * The program's arguments are the address, the sender, the client (ADDRESS:PORT), our host name, the
 * mechanism by which the client logged in ("none") and his name; a server gets them as a line,
 * parted by "|".  It ends with, or answers, 0 (one of ours) or 1 (one elsewhere): yes; 3: later;
 * 100: end the session; any other: no.  The first line it prints, or the second field, is
 * what the client is told for a no or later; the next one is for us.  Whom the address belongs
 * to, which a yes may tell, is for aliases to say here.
 */
#include "relay/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "relay/lines.h"

enum { FIELDS = 6, WORDS_MAX = 32, ANSWER_MAX = 4096 };

static void
gather(const struct checking *c, struct str field[FIELDS])
{
	const struct span spans[FIELDS] = { c->address, c->from, c->client, c->host,
		c->mechanism.len > 0 ? c->mechanism : SPAN("none"), c->user };

	for (size_t i = 0; i < FIELDS; i++)
		str_set_span(&field[i], spans[i]);
	str_clear(&field[4]);
	str_add_lower(&field[4], spans[4]);
}

static void
drop(struct str field[FIELDS])
{
	for (size_t i = 0; i < FIELDS; i++)
		str_free(&field[i]);
}

/* code: of the program or server; the rest is what it said to us and to the client. */
static enum check_result
judge(int code, struct span text, struct span for_us, struct str *said)
{
	if (code == 0 || code == 1)
		return CHECK_YES;
	struct span why = span_trim(for_us);
	if (code != 100)
		str_add_span(said, text);
	if (why.len > 0) {
		str_add_char(said, '\t');
		str_add_span(said, why);
	}
	if (code == 100)
		return CHECK_ABORT;
	return code == 3 ? CHECK_LATER : CHECK_NO;
}

static int
run(const char *const *argv, struct str *answer, struct err *err)
{
	static const char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", NULL };
	int out = memfd_create("answer", MFD_CLOEXEC), status = -1;
	struct child child = { .argv = argv, .environment = environment, .in = -1, .out = out, .errors = -1 };

	if (out < 0)
		return err_sys(err, "memory for an answer");
	if (child_run(&child, CHECK_ONE, &status, err) < 0 || lseek(out, 0, SEEK_SET) < 0 ||
	    fs_read_all(out, ANSWER_MAX, answer, err) < 0)
		status = -1;
	close(out);
	return status;
}

static struct span
next_line(struct span *rest)
{
	struct span line = {0};

	span_cut(rest, '\n', &line);
	return span_trim(line);
}

static enum check_result
command_ask(const char *rest, const struct checking *c, struct str *said)
{
	const char *argv[WORDS_MAX + FIELDS + 1];
	struct str field[FIELDS] = {{0}}, answer = {0};
	struct err err = {0};
	size_t args = 0;
	char *line = mem_text(rest);
	int status = -1;

	bool named = child_words(line, argv, WORDS_MAX + 1, &err) == 0;
	while (argv[args] != NULL)
		args++;
	gather(c, field);
	for (size_t i = 0; i < FIELDS; i++)
		argv[args + i] = str_c(&field[i]);
	argv[args + FIELDS] = NULL;
	if (named)
		status = run(argv, &answer, &err);
	else
		err_prefix(&err, "|%s", rest);
	struct span text = str_span(&answer), first = next_line(&text), second = next_line(&text);
	enum check_result result = CHECK_LATER;
	if (status < 0)
		str_printf(said, "\t%s", err.text);
	else
		result = judge(status, first, second, said);
	str_free(&answer);
	drop(field);
	free(line);
	return result;
}

/* One connection a process is kept, to whom it asked last. */
static struct lines kept = { .fd = -1 };
static struct str kept_for;

static int
ask_server(const char *where, struct span question, struct str *answer, struct err *err)
{
	bool old = kept.fd >= 0 && span_is(str_span(&kept_for), where);

	if (!old) {
		lines_close(&kept);
		str_set(&kept_for, where);
		if (lines_dial(&kept, where, CHECK_ONE, err) < 0)
			return -1;
	}
	lines_patience(&kept, CHECK_ONE);
	if (lines_say(&kept, question, err) == 0 && lines_hear(&kept, answer, err) == 0)
		return 0;
	lines_close(&kept);
	/* It may have closed while nobody asked. */
	return old ? ask_server(where, question, answer, err) : -1;
}

static enum check_result
net_ask(const char *rest, const struct checking *c, struct str *said)
{
	struct str field[FIELDS] = {{0}}, question = {0}, answer = {0};
	struct err err = {0};
	struct span text, code, first;
	uint64_t number;
	enum check_result result = CHECK_LATER;
	bool odd = false;

	gather(c, field);
	for (size_t i = 0; i < FIELDS; i++) {
		odd = odd || (field[i].len > 0 && memchr(field[i].p, '|', field[i].len) != NULL);
		str_printf(&question, "%s%s", i > 0 ? "|" : "", str_c(&field[i]));
	}
	str_add_char(&question, '\n');
	if (odd)	/* it would be another question */
		result = CHECK_NO;
	else if (ask_server(rest, str_span(&question), &answer, &err) < 0)
		str_printf(said, "\t%s", err.text);
	text = str_span(&answer);
	if (answer.len > 0 && span_cut(&text, '|', &code) && span_number(span_trim(code), 999, &number) == 0) {
		first = (struct span){0};
		span_cut(&text, '|', &first);
		result = judge((int)number, first, text, said);
	}
	drop(field);
	str_free(&question);
	str_free(&answer);
	return result;
}

const struct check_row check_command = { "|", false, command_ask };
const struct check_row check_net = { "net:", false, net_ask };
