#include "uucico-ssh/command.h"

#include <string.h>

static int
digit_of(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

	return at != NULL ? (int)(at - digits) : -1;
}

static int
number_in(struct span word, unsigned base, uint64_t *number)
{
	*number = 0;
	if (word.len == 0)
		return -1;
	for (size_t i = 0; i < word.len; i++) {
		int digit = digit_of(word.p[i]);
		if (digit < 0 || (unsigned)digit >= base)
			return -1;
		if (*number > (UINT64_MAX - (unsigned)digit) / base)
			*number = UINT64_MAX;	/* saturates: all ones are "no limit" */
		else
			*number = *number * base + (unsigned)digit;
	}
	return 0;
}

int
command_number(struct span word, uint64_t *number)
{
	if (span_begins(word, "0x") || span_begins(word, "0X"))
		return number_in(span_from(word, 2), 16, number);
	return number_in(word, 10, number);
}

/* Fields stand one blank apart; the next one, which may not be empty. */
static int
field(struct span *rest, struct span *into)
{
	return span_cut(rest, ' ', into) && into->len > 0 ? 0 : -1;
}

/* Option q: \\ and \ooo stand for other bytes. */
static int
unquote(struct str *text)
{
	struct str plain = {0};

	for (size_t i = 0; i < text->len; i++) {
		uint64_t byte;
		if (text->p[i] != '\\') {
			str_add_char(&plain, text->p[i]);
		} else if (i + 1 < text->len && text->p[i + 1] == '\\') {
			str_add_char(&plain, text->p[++i]);
		} else if (i + 3 < text->len &&
		    number_in((struct span){ text->p + i + 1, 3 }, 8, &byte) == 0 && byte < 256) {
			str_add_char(&plain, (char)byte);
			i += 3;
		} else {
			str_free(&plain);
			return -1;
		}
	}
	str_free(text);
	*text = plain;
	return 0;
}

static int
unquote_all(struct uucp_job *job)
{
	struct str *quoted[] = { &job->from, &job->to, &job->user, &job->notify };

	for (size_t i = 0; i < sizeof quoted / sizeof quoted[0]; i++)
		if (unquote(quoted[i]) < 0)
			return -1;
	return 0;
}

/* "temp mode [notify [size]]" of S and E. */
static int
parse_file(struct span *rest, struct uucp_job *job)
{
	struct span temp, mode, notify, size;
	uint64_t number;

	if (field(rest, &temp) < 0 || field(rest, &mode) < 0 || number_in(mode, 8, &number) < 0)
		return -1;
	str_set_span(&job->temp, temp);
	job->mode = (unsigned)(number & 0777);
	if (field(rest, &notify) < 0)
		return job->kind == 'S' ? 0 : -1;
	if (!span_is(notify, "\"\"") && !span_is(notify, "dummy"))
		str_set_span(&job->notify, notify);
	if (field(rest, &size) < 0)
		return job->kind == 'S' ? 0 : -1;
	return command_number(size, &job->size);
}

/* The largest file that who asks takes, where it is told. */
static int
parse_limit(struct span *rest, unsigned features, struct uucp_job *job)
{
	struct span size;

	if ((features & UUCP_SIZES) == 0 || field(rest, &size) < 0)
		return 0;
	return command_number(size, &job->size);
}

int
command_parse(struct span line, unsigned features, struct uucp_job *job)
{
	struct span letter, from, to, user, options, rest = line;

	*job = (struct uucp_job){ .size = UUCP_SIZE_UNKNOWN };
	for (size_t i = 0; i < line.len; i++)	/* bytes above 0x7f are names of files */
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return -1;
	if (field(&rest, &letter) < 0 || letter.len != 1 || strchr("SERX", letter.p[0]) == NULL ||
	    field(&rest, &from) < 0 || field(&rest, &to) < 0 || field(&rest, &user) < 0 ||
	    field(&rest, &options) < 0 || options.p[0] != '-')
		return -1;
	job->kind = letter.p[0];
	str_set_span(&job->from, from);
	str_set_span(&job->to, to);
	str_set_span(&job->user, user);
	str_set_span(&job->options, span_from(options, 1));
	if ((job->kind == 'S' || job->kind == 'E') && parse_file(&rest, job) < 0)
		return -1;
	if (job->kind == 'R' && parse_limit(&rest, features, job) < 0)
		return -1;
	if (job->kind == 'E') {
		if (rest.len == 0)
			return -1;
		str_set_span(&job->command, rest);
	}
	if ((features & UUCP_QUOTES) != 0 && strchr(str_c(&job->options), 'q') != NULL)
		return unquote_all(job);
	return 0;
}

void
command_print(const struct uucp_job *job, unsigned features, bool decimal, struct str *out)
{
	str_add_char(out, job->kind);
	for (size_t i = 0; i < 3; i++) {
		const struct str *words[] = { &job->from, &job->to, &job->user };
		str_add_char(out, ' ');
		str_add_span(out, str_span(words[i]));
	}
	str_add_text(out, " -");
	str_add_span(out, str_span(&job->options));
	if (job->kind == 'R')
		return;
	str_add_char(out, ' ');
	str_add_span(out, str_span(&job->temp));
	str_printf(out, " 0%o", job->mode);
	if (job->kind == 'E' || (features & UUCP_SIZES) != 0) {
		str_add_char(out, ' ');	/* "": nobody to notify, but a size follows */
		str_add_span(out, job->notify.len > 0 ? str_span(&job->notify) : SPAN("\"\""));
		str_add_char(out, ' ');
		str_printf(out, decimal ? "%llu" : "0x%llx", (unsigned long long)job->size);
	}
	if (job->kind == 'E') {
		str_add_char(out, ' ');
		str_add_span(out, str_span(&job->command));
	}
}

void
command_free(struct uucp_job *job)
{
	struct str *all[] = { &job->from, &job->to, &job->user, &job->options, &job->temp,
		&job->notify, &job->command };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	*job = (struct uucp_job){0};
}
