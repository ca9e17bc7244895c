#include "lib/base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

enum { HOST_MAX = 253 };	/* RFC 1035 3.1, without the dot at its end */

static _Noreturn void
out_of_memory(void)
{
	static const char text[] = "out of memory\n";
	if (write(2, text, sizeof text - 1) < 0)
		_exit(EX_TEMPFAIL);
	_exit(EX_TEMPFAIL);
}

void *
mem_get(size_t size)
{
	void *p = calloc(1, size > 0 ? size : 1);
	if (p == NULL)
		out_of_memory();
	return p;
}

void *
mem_resize(void *p, size_t count, size_t each)
{
	p = reallocarray(p, count > 0 ? count : 1, each);
	if (p == NULL)
		out_of_memory();
	return p;
}

char *
mem_text_n(const char *bytes, size_t len)
{
	char *copy = mem_get(len + 1);
	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *
mem_text(const char *text)
{
	return mem_text_n(text, strlen(text));
}

void
str_grow(struct str *str, size_t len)
{
	if (len > SIZE_MAX / 2 - str->len)
		out_of_memory();
	size_t need = str->len + len + 1, size = str->size < 64 ? 64 : str->size;

	while (size < need)
		size *= 2;
	str->p = mem_resize(str->p, size, 1);
	str->size = size;
}

void
str_add(struct str *str, const void *bytes, size_t len)
{
	char *room = str_room(str, len);
	if (len > 0)
		memcpy(room, bytes, len);
	str->len += len;
}

void
str_add_text(struct str *str, const char *text)
{
	str_add(str, text, strlen(text));
}

void
str_add_span(struct str *str, struct span span)
{
	str_add(str, span.p, span.len);
}

/* Mostly there is room already, and then it is written once. */
void
str_vprintf(struct str *str, const char *format, va_list args)
{
	enum { USUAL = 128 };
	va_list again;
	va_copy(again, args);
	char *room = str_room(str, USUAL);
	size_t fits = str->size - str->len;
	int len = vsnprintf(room, fits, format, args);
	if (len > 0 && (size_t)len >= fits)
		vsnprintf(str_room(str, (size_t)len), (size_t)len + 1, format, again);
	str->len += len > 0 ? (size_t)len : 0;
	va_end(again);
}

void
str_printf(struct str *str, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	str_vprintf(str, format, args);
	va_end(args);
}

void
str_set(struct str *str, const char *text)
{
	str_set_span(str, span_of(text));
}

void
str_set_span(struct str *str, struct span span)
{
	str_clear(str);
	str_add_span(str, span);
}

void
str_cut(struct str *str, size_t len)
{
	if (len >= str->len) {
		str->len = 0;
		return;
	}
	memmove(str->p, str->p + len, str->len - len);
	str->len -= len;
}

void
str_free(struct str *str)
{
	free(str->p);
	*str = (struct str){0};
}

const char *
str_c(struct str *str)
{
	*str_room(str, 0) = '\0';
	return str->p;
}

struct span
span_of(const char *text)
{
	return (struct span){ text, text != NULL ? strlen(text) : 0 };
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span
span_trim(struct span span)
{
	while (span.len > 0 && is_blank(span.p[0]))
		span = span_from(span, 1);
	while (span.len > 0 && is_blank(span.p[span.len - 1]))
		span.len--;
	return span;
}

bool
span_same(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
span_is(struct span span, const char *text)
{
	return span_same(span, span_of(text));
}

bool
span_is_case(struct span span, const char *text)
{
	return span.len == strlen(text) && span_begins_case(span, text);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Only the last star is ever taken up again, so this is linear in the text. */
bool
span_glob(struct span text, const char *pattern)
{
	const char *star = NULL;
	size_t at = 0, resume = 0;

	while (at < text.len) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = at;
		} else if (*pattern != '\0' && (*pattern == '?' || lower(*pattern) == lower(text.p[at]))) {
			pattern++;
			at++;
		} else if (star != NULL) {
			pattern = star;
			at = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

size_t
span_run(struct span span, char a, char b)
{
	enum { STEP = 256 };

	for (size_t at = 0; at < span.len; at += STEP) {
		struct span piece = span_to(span_from(span, at), STEP);
		const char *end = memchr(piece.p, a, piece.len);
		if (end != NULL)
			piece.len = (size_t)(end - piece.p);
		const char *sooner = memchr(piece.p, b, piece.len);
		if (sooner != NULL || end != NULL)
			return (size_t)((sooner != NULL ? sooner : end) - span.p);
	}
	return span.len;
}

size_t
span_count(struct span span, char c)
{
	const char *at;
	size_t count = 0;

	for (; span.len > 0 && (at = memchr(span.p, c, span.len)) != NULL; count++)
		span = span_from(span, (size_t)(at - span.p) + 1);
	return count;
}

bool
span_has_only(struct span span, const char *beside)
{
	for (size_t i = 0; i < span.len; i++) {
		char c = span.p[i], lower = (char)(c | 0x20);
		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && memchr(beside, c, strlen(beside)) == NULL)
			return false;
	}
	return true;
}

bool
span_is_host(struct span name)
{
	return name.len > 0 && name.len <= HOST_MAX && name.p[0] != '-' && name.p[0] != '.' &&
	    span_has_only(name, "-_.");
}

bool
span_begins(struct span span, const char *text)
{
	size_t len = strlen(text);
	return span.len >= len && (len == 0 || memcmp(span.p, text, len) == 0);
}

bool
span_begins_case(struct span span, const char *text)
{
	size_t len = strlen(text);
	return span.len >= len && (len == 0 || strncasecmp(span.p, text, len) == 0);
}

bool
span_ends_case(struct span span, const char *text)
{
	size_t len = strlen(text);
	return span.len >= len && span_begins_case(span_from(span, span.len - len), text);
}

bool
span_cut(struct span *rest, char at, struct span *head)
{
	if (rest->p == NULL)
		return false;
	const char *found = rest->len > 0 ? memchr(rest->p, at, rest->len) : NULL;
	if (found == NULL) {
		*head = *rest;
		*rest = (struct span){0};
		return true;
	}
	*head = span_to(*rest, (size_t)(found - rest->p));
	*rest = (struct span){ found + 1, rest->len - head->len - 1 };
	return true;
}

struct span
span_word(struct span *rest)
{
	struct span at = *rest;
	while (at.len > 0 && is_blank(at.p[0]))
		at = span_from(at, 1);
	size_t len = 0;
	while (len < at.len && !is_blank(at.p[len]))
		len++;
	*rest = span_from(at, len);
	return span_to(at, len);
}

void
str_add_lower(struct str *str, struct span span)
{
	for (size_t i = 0; i < span.len; i++)
		str_add_char(str, lower(span.p[i]));
}

bool
span_lists(struct span words, struct span word)
{
	struct span each;

	while ((each = span_word(&words)).len > 0)
		if (each.len == word.len && strncasecmp(each.p, word.p, word.len) == 0)
			return true;
	return false;
}

int
span_number(struct span span, uint64_t max, uint64_t *number)
{
	uint64_t n = 0;

	if (span.len == 0)
		return -1;
	for (size_t i = 0; i < span.len; i++) {
		if (span.p[i] < '0' || span.p[i] > '9')
			return -1;
		uint64_t digit = (uint64_t)(span.p[i] - '0');
		if (digit > max || n > (max - digit) / 10)
			return -1;
		n = n * 10 + digit;
	}
	*number = n;
	return 0;
}

int
span_hex(struct span span, uint64_t *number)
{
	*number = 0;
	if (span.len == 0 || span.len > 16)
		return -1;
	for (size_t i = 0; i < span.len; i++) {
		const char *digits = "0123456789abcdef", *at = memchr(digits, span.p[i], 16);
		if (at == NULL)
			return -1;
		*number = *number << 4 | (uint64_t)(at - digits);
	}
	return 0;
}

int
span_decimal(struct span span, unsigned places, uint64_t *number)
{
	struct span rest = span, whole = {0};
	uint64_t scale = 1, part = 0;
	bool point = span_count(span, '.') > 0;

	span_cut(&rest, '.', &whole);
	if (span_number(whole, UINT64_MAX, number) < 0 || (point && (rest.len > places ||
	    span_number(rest, UINT64_MAX, &part) < 0)))
		return -1;
	for (unsigned i = 0; i < places; i++) {
		scale *= 10;
		part *= i >= rest.len ? 10 : 1;
	}
	if (*number > (UINT64_MAX - part) / scale)
		return -1;
	*number = *number * scale + part;
	return 0;
}

void
str_add_decimal(struct str *str, uint64_t number, unsigned places)
{
	uint64_t scale = 1;

	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	str_printf(str, "%llu", (unsigned long long)(number / scale));
	if (number % scale == 0)
		return;
	str_printf(str, ".%0*llu", (int)places, (unsigned long long)(number % scale));
	while (str->p[str->len - 1] == '0')
		str->len--;
}
