#include "uucico-ssh/xfile.h"

static int
take_user(struct xfile *x, struct span words, struct err *err)
{
	(void)err;
	str_set_span(&x->user, span_word(&words));
	return 0;
}

void
xfile_add(struct xfile *x, struct span name, struct span as)
{
	str_set_span(&x->file[x->files].name, name);
	str_set_span(&x->file[x->files++].as, as);
}

static int
take_file(struct xfile *x, struct span words, struct err *err)
{
	struct span name = span_word(&words), as = span_word(&words);

	if (!span_begins(name, "D."))
		return err_set(err, ERR_PERM, "a job that wants a file that is not its own");
	if (x->files == sizeof x->file / sizeof x->file[0])
		return err_set(err, ERR_PERM, "a job with more than %d files", FILED_MAX);
	if (as.len > 0 && !filed_name_ok(as))
		return err_set(err, ERR_PERM, "a job with a file whose name is no plain one");
	for (size_t i = 0; i < x->files; i++)
		if (span_same(str_span(&x->file[i].name), name) ||
		    (as.len > 0 && span_same(str_span(&x->file[i].as), as)))
			return err_set(err, ERR_PERM, "a job with a file twice");
	xfile_add(x, name, as);
	return 0;
}

static int
take_input(struct xfile *x, struct span words, struct err *err)
{
	struct span name = span_word(&words);

	if (!span_begins(name, "D."))
		return err_set(err, ERR_PERM, "a job that reads a file that is not its own");
	if (x->input.len > 0)
		return err_set(err, ERR_PERM, "a job with two standard inputs");
	str_set_span(&x->input, name);
	return 0;
}

static int
take_output(struct xfile *x, struct span words, struct err *err)
{
	if (x->out_path.len > 0)
		return err_set(err, ERR_PERM, "a job with two outputs");
	str_set_span(&x->out_path, span_word(&words));
	str_set_span(&x->out_site, span_word(&words));
	if (x->out_path.len == 0 || x->out_path.len >= FILED_PATH_MAX)
		return err_set(err, ERR_PERM, "a job whose output is to be nowhere");
	return 0;
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
	{ 'I', take_input },
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

static void
print_file(struct span name, struct span as, struct str *out)
{
	str_add_text(out, "F ");
	str_add_span(out, name);
	str_add_text(out, as.len > 0 ? " " : "");
	str_add_span(out, as);
	str_add_char(out, '\n');
}

void
xfile_print(const struct xfile *x, const char *system, struct str *out)
{
	const struct { char letter; const struct str *text; } lines[] = {
		{ 'R', &x->requestor }, { 'I', &x->input }, { 'C', &x->command },
	};
	struct span options = str_span(&x->options);

	str_add_text(out, "U ");
	str_add_span(out, str_span(&x->user));
	str_printf(out, " %s\n", system);
	for (size_t i = 0; i < options.len; i++)
		if (options.p[i] == 'N' || options.p[i] == 'Z')
			str_printf(out, "%c\n", options.p[i]);
	if (x->input.len > 0)
		print_file(str_span(&x->input), (struct span){0}, out);
	for (size_t i = 0; i < x->files; i++)
		print_file(str_span(&x->file[i].name), str_span(&x->file[i].as), out);
	if (x->out_path.len > 0) {
		str_add_text(out, "O ");
		str_add_span(out, str_span(&x->out_path));
		str_add_text(out, x->out_site.len > 0 ? " " : "");
		str_add_span(out, str_span(&x->out_site));
		str_add_char(out, '\n');
	}
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
	str_free(&x->out_path);
	str_free(&x->out_site);
	str_free(&x->options);
	str_free(&x->requestor);
	for (size_t i = 0; i < sizeof x->file / sizeof x->file[0]; i++) {
		str_free(&x->file[i].name);
		str_free(&x->file[i].as);
	}
}
