/*
 * letter - a message while filters have it: its envelope, and its text as one span.
 *
 * The text is memory that several letters may share, or a file mapped into it; whoever
 * changes it puts a new one in its place.  Lines end in CRLF.
 */
#ifndef RELAY_LETTER_H
#define RELAY_LETTER_H

#include "spool/entry.h"

struct fields;

struct content {
	unsigned holders;
	struct span bytes;
	struct str text;	/* they are in; or */
	void *map;
	size_t map_len;
};

struct letter {
	struct entry_info info;
	struct envelope env;
	struct content *content;
	bool changed;		/* its text or envelope is not what it was */
	bool gone;		/* it goes no further: somebody else has it, or nobody wants it */
	struct str hold;	/* why it waits for a person; "": it does not */
	struct str forward_to, forward_to_address, selector;	/* E-MailRelay's: envelope-file.h */
};

struct content *content_borrow(struct span bytes);	/* of the caller, who outlives it */
struct content *content_take(struct str *text);		/* text is empty afterwards */
struct content *content_map(int fd, off_t at, uint64_t len, struct err *err);	/* NULL: err */
struct content *content_hold(struct content *content);
void content_drop(struct content *content);

struct letter *letter_new(const struct entry_info *info, const struct envelope *env, struct content *content);
void letter_free(struct letter *letter);
struct span letter_text(const struct letter *letter);
struct span letter_header(const struct letter *letter);	/* its fields, without the empty line */
void letter_replace_take(struct letter *letter, struct str *text);
void letter_fields_take(struct letter *letter, struct fields *fields);	/* made of letter_header(); it has these now */
/* "Name: value\r\n" on top.  Line ends in value become blanks. */
void letter_add_field(struct letter *letter, const char *name, struct span value);
/* The same, and none that somebody else wrote stays. */
void letter_set_field(struct letter *letter, const char *name, struct span value);

#endif
