#include "relay/letter.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/mail/fields.h"
#include "lib/mail/header.h"

struct content *
content_borrow(struct span bytes)
{
	struct content *content = mem_get(sizeof *content);

	*content = (struct content){ .holders = 1, .bytes = bytes };
	return content;
}

struct content *
content_take(struct str *text)
{
	struct content *content = content_borrow((struct span){0});

	content->text = *text;
	*text = (struct str){0};
	content->bytes = str_span(&content->text);
	return content;
}

struct content *
content_map(int fd, off_t at, uint64_t len, struct err *err)
{
	struct content *content = content_borrow((struct span){ "", 0 });
	size_t whole = (size_t)at + (size_t)len;

	if (len == 0)
		return content;
	void *map = mmap(NULL, whole, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED) {
		err_sys(err, "the message's text");
		free(content);
		return NULL;
	}
	content->map = map;
	content->map_len = whole;
	content->bytes = (struct span){ (const char *)map + at, (size_t)len };
	return content;
}

struct content *
content_hold(struct content *content)
{
	content->holders++;
	return content;
}

void
content_drop(struct content *content)
{
	if (content == NULL || --content->holders > 0)
		return;
	if (content->map != NULL)
		munmap(content->map, content->map_len);
	str_free(&content->text);
	free(content);
}

struct letter *
letter_new(const struct entry_info *info, const struct envelope *env, struct content *content)
{
	struct letter *letter = mem_get(sizeof *letter);

	*letter = (struct letter){ .content = content };
	entry_info_copy(&letter->info, info);
	envelope_copy(&letter->env, env);
	return letter;
}

void
letter_free(struct letter *letter)
{
	if (letter == NULL)
		return;
	content_drop(letter->content);
	entry_info_free(&letter->info);
	envelope_free(&letter->env);
	str_free(&letter->hold);
	str_free(&letter->forward_to);
	str_free(&letter->forward_to_address);
	str_free(&letter->selector);
	free(letter);
}

struct span
letter_text(const struct letter *letter)
{
	return letter->content->bytes;
}

struct span
letter_header(const struct letter *letter)
{
	struct span text = letter_text(letter), rest = text;
	struct header_field field;

	while (header_next(&rest, &field))
		;
	return span_to(text, text.len - rest.len);
}

void
letter_replace_take(struct letter *letter, struct str *text)
{
	content_drop(letter->content);
	letter->content = content_take(text);
	letter->changed = true;
}

void
letter_add_field(struct letter *letter, const char *name, struct span value)
{
	struct str text = {0};

	str_printf(&text, "%s: ", name);
	for (size_t i = 0; i < value.len; i++)
		str_add_char(&text, (unsigned char)value.p[i] < ' ' ? ' ' : value.p[i]);
	str_add_text(&text, "\r\n");
	str_add_span(&text, letter_text(letter));
	letter_replace_take(letter, &text);
}

void
letter_fields_take(struct letter *letter, struct fields *fields)
{
	struct str text = {0};

	fields_write(fields, &text);
	str_add_span(&text, span_from(letter_text(letter), letter_header(letter).len));
	letter_replace_take(letter, &text);
	fields_free(fields);
}

void
letter_set_field(struct letter *letter, const char *name, struct span value)
{
	struct fields fields;

	fields_read(&fields, letter_header(letter));
	for (size_t i = 0; i < fields.count; i++)
		fields.one[i].gone = span_is_case(fields.one[i].name, name);
	letter_fields_take(letter, &fields);
	letter_add_field(letter, name, value);
}
