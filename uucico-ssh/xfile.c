#include "uucico-ssh/xfile.h"

static int
take_user(struct xfile *x, struct span words, struct err *err)
{
	(void)err;
	str_set_span(&x->user, span_word(&words));
	return 0;
}

static int
take_file(struct xfile *x, struct span words, struct err *err)
{
	struct span name = span_word(&words);

	if (x->input.len > 0 && !span_same(str_span(&x->input), name))
		return err_set(err, ERR_PERM, "a job with more files than its standard input");
	if (!span_begins(name, "D."))
		return err_set(err, ERR_PERM, "a job that reads a file that is not its own");
	str_set_span(&x->input, name);
	return 0;
}

static int
take_output(struct xfile *x, struct span words, struct err *err)
{
	(void)x;
	(void)words;
	return err_set(err, ERR_PERM, "a job that wants its output written somewhere");
}

static int
take_command(struct xfile *x, struct span words, struct err *err)
{
	if (x->command.len > 0)
		return err_set(err, ERR_PERM, "a job with two commands");
	str_set_span(&x->command, span_trim(words));
	return 0;
}

static const struct {
	char letter;
	int (*take)(struct xfile *x, struct span words, struct err *err);
} letters[] = {
	{ 'U', take_user },
	{ 'F', take_file },
	{ 'I', take_file },
	{ 'O', take_output },
	{ 'C', take_command },
};

static int
take_line(struct xfile *x, struct span line, struct err *err)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.p[i] < ' ' || line.p[i] == 0x7f)
			return err_set(err, ERR_PERM, "a job with control characters");
	for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++)
		if (line.len > 1 && line.p[0] == letters[i].letter && line.p[1] == ' ')
			return letters[i].take(x, span_from(line, 2), err);
	return 0;
}

int
xfile_parse(struct span text, struct xfile *x, struct err *err)
{
	struct span line;

	*x = (struct xfile){0};
	while (span_cut(&text, '\n', &line))
		if (take_line(x, line, err) < 0)
			return -1;
	if (x->command.len == 0)
		return err_set(err, ERR_PERM, "a job without a command");
	if (x->user.len == 0)
		str_set(&x->user, "uucp");
	return 0;
}

void
xfile_print(const struct xfile *x, const char *system, struct str *out)
{
	const struct { char letter; const struct str *text; } lines[] = {
		{ 'R', &x->requestor }, { 'F', &x->input }, { 'I', &x->input }, { 'C', &x->command },
	};
	struct span options = str_span(&x->options);

	str_add_text(out, "U ");
	str_add_span(out, str_span(&x->user));
	str_printf(out, " %s\n", system);
	for (size_t i = 0; i < options.len; i++)
		if (options.p[i] == 'N' || options.p[i] == 'Z')
			str_printf(out, "%c\n", options.p[i]);
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		if (lines[i].text->len == 0)
			continue;
		str_add_char(out, lines[i].letter);
		str_add_char(out, ' ');
		str_add_span(out, str_span(lines[i].text));
		str_add_char(out, '\n');
	}
}

void
xfile_free(struct xfile *x)
{
	str_free(&x->user);
	str_free(&x->command);
	str_free(&x->input);
	str_free(&x->options);
	str_free(&x->requestor);
}
