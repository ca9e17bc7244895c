/*
 * str - a growing byte string that its holder owns; span - a borrowed view.
 *
 * A struct str is embedded in whatever owns it, starts as {0}, and is given
 * back with str_free().  Its bytes may hold NUL; str_c() ends them with one
 * more so that they can be read as a C string.  A struct span points into
 * bytes owned elsewhere and lives as long as they do; parsers take and return
 * spans and never allocate.
 *
 * Out of memory ends the process with EX_TEMPFAIL: the spool was written for
 * that.
 */
#ifndef LIB_BASE_STR_H
#define LIB_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
	char *p;
	size_t len, size;
};

struct span {
	const char *p;
	size_t len;
};

#define SPAN(literal) ((struct span){ (literal), sizeof (literal) - 1 })

void *mem_get(size_t size);			/* zeroed; never NULL */
void *mem_resize(void *p, size_t count, size_t each);	/* count * each, checked */
char *mem_text(const char *text);		/* a copy; free() it */
char *mem_text_n(const char *bytes, size_t len);

void str_add(struct str *str, const void *bytes, size_t len);
void str_add_text(struct str *str, const char *text);
void str_add_span(struct str *str, struct span span);
void str_add_lower(struct str *str, struct span span);	/* A-Z as a-z */
void str_printf(struct str *str, const char *format, ...)	/* appends */
    __attribute__((format(printf, 2, 3)));
void str_vprintf(struct str *str, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
void str_grow(struct str *str, size_t len);	/* for str_room */
void str_set(struct str *str, const char *text);	/* replaces; text may be NULL */
void str_set_span(struct str *str, struct span span);
void str_cut(struct str *str, size_t len);	/* drops len bytes from the front */
void str_free(struct str *str);
const char *str_c(struct str *str);		/* never NULL; lives until the next change */

struct span span_of(const char *text);		/* NULL gives an empty span */
struct span span_trim(struct span span);	/* blanks and tabs off both ends */
bool span_is(struct span span, const char *text);
bool span_same(struct span a, struct span b);
bool span_is_case(struct span span, const char *text);	/* ASCII, any case */
bool span_begins(struct span span, const char *text);
bool span_has_only(struct span span, const char *beside);	/* letters and digits of ASCII, and those */
bool span_is_host(struct span name);	/* a host's, and no log, command or handshake takes it for anything else */
size_t span_run(struct span span, char a, char b);	/* bytes from the front that are neither; nothing behind
						   them is looked at for long */
size_t span_count(struct span span, char c);	/* how many c there are */
bool span_begins_case(struct span span, const char *text);
bool span_ends_case(struct span span, const char *text);
bool span_glob(struct span span, const char *pattern);	/* * any bytes, ? one; ASCII, any case */
bool span_cut(struct span *rest, char at, struct span *head);	/* false at the end:
		   takes the bytes up to the next AT (or all) off rest, drops AT */
struct span span_word(struct span *rest);	/* next run of non-blanks; empty at the end */
bool span_lists(struct span words, struct span word);	/* is it one of them? ASCII, any case */
int span_number(struct span span, uint64_t max, uint64_t *number);	/* decimal, checked */
int span_hex(struct span span, uint64_t *number);	/* 1 to 16 digits, in lower case */
void str_add_decimal(struct str *str, uint64_t number, unsigned places);	/* of span_decimal(),
		   without zeros at its end */
int span_decimal(struct span span, unsigned places, uint64_t *number);	/* "7", "7.25": times
		   10^places, which it must not have more of */

/* What is called for each byte or word of mail. */

static inline char *
str_room(struct str *str, size_t len)		/* len writable bytes after the end; then
						   str->len += what was used */
{
	if (str->size - str->len <= len)
		str_grow(str, len);
	return str->p + str->len;
}

static inline void
str_add_char(struct str *str, char c)
{
	*str_room(str, 1) = c;
	str->len++;
}

static inline void
str_clear(struct str *str)			/* empty, keeps its memory */
{
	str->len = 0;
}

static inline struct span
str_span(const struct str *str)
{
	return (struct span){ str->p, str->len };
}

static inline struct span
span_from(struct span span, size_t at)		/* without its first bytes */
{
	if (at > span.len)
		at = span.len;
	return at == 0 ? span : (struct span){ span.p + at, span.len - at };
}

static inline struct span
span_to(struct span span, size_t len)		/* no more than so many */
{
	return (struct span){ span.p, len < span.len ? len : span.len };
}

#endif
