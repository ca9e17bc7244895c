#include "uucico-ssh/filed.h"

static const char word[] = "@files", word_out[] = "@out";

/* It becomes a file of a folder made for the command, and a word of it. */
bool
filed_name_ok(struct span name)
{
	if (name.len == 0 || name.len > FILED_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f || name.p[i] == '/')
			return false;
	return true;
}

static bool
named_before(const struct filed *filed, struct span name)
{
	for (size_t i = 0; i < filed->count; i++)
		if (span_same(filed->file[i].name, name))
			return true;
	return false;
}

/* 1: it has one, and rest stands behind it; 0; -1: it begins so. */
static int
take_out(struct span *rest, struct filed *filed)
{
	struct span behind = *rest;

	if (!span_is(span_word(&behind), word_out))
		return 0;
	filed->out_site = span_word(&behind);
	filed->out_path = span_word(&behind);
	*rest = span_trim(behind);
	return filed->out_path.len > 0 && filed->out_path.len < FILED_PATH_MAX && rest->len > 0 ? 1 : -1;
}

int
filed_parse(struct span text, struct filed *filed)
{
	struct span rest = text;
	uint64_t count;

	*filed = (struct filed){0};
	if (take_out(&rest, filed) < 0)
		return -1;
	filed->command = rest;
	if (!span_is(span_word(&rest), word))
		return 0;
	if (span_number(span_word(&rest), FILED_MAX, &count) < 0)
		return -1;
	while (filed->count < count) {
		struct filed_file file;
		if (span_number(span_word(&rest), UINT64_MAX / 2 / FILED_MAX, &file.size) < 0)
			return -1;
		file.name = span_word(&rest);
		if (!filed_name_ok(file.name) || named_before(filed, file.name))
			return -1;
		filed->file[filed->count++] = file;
		filed->total += file.size;
	}
	filed->command = span_trim(rest);
	return filed->command.len > 0 ? 0 : -1;
}

void
filed_print(const struct filed *filed, struct str *out)
{
	if (filed->out_path.len > 0)
		str_printf(out, "%s %.*s %.*s ", word_out, (int)filed->out_site.len, filed->out_site.p,
		    (int)filed->out_path.len, filed->out_path.p);
	if (filed->count > 0)
		str_printf(out, "%s %zu ", word, filed->count);
	for (size_t i = 0; i < filed->count; i++) {
		str_printf(out, "%llu ", (unsigned long long)filed->file[i].size);
		str_add_span(out, filed->file[i].name);
		str_add_char(out, ' ');
	}
	str_add_span(out, filed->command);
}
