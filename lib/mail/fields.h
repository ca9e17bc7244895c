/*
 * fields - a header as a list that can be changed, and written again.
 *
 *	fields_read(&fields, header);
 *	fields_change(&fields, "Subject", 1, SPAN("[spam] hello"));
 *	fields_write(&fields, &out);
 *	fields_free(&fields);
 *
 * What is not changed stays byte for byte.  Values come from anybody: whatever line ends they
 * have become folds, so that no field begins where none was meant, and a name that is none is
 * not taken.
 */
#ifndef LIB_MAIL_FIELDS_H
#define LIB_MAIL_FIELDS_H

#include "lib/base/str.h"

struct fields {
	struct fields_one {
		struct span whole;	/* of what was read, borrowed; or */
		struct str own;
		struct span name;
		bool gone;		/* keeps its place, for those that count */
	} *one;
	size_t count;
};

void fields_read(struct fields *fields, struct span message);
/* At a place from 0, the top; beyond the last is behind it.  blank: one stands before the value. */
void fields_insert(struct fields *fields, size_t at, struct span name, struct span value, bool blank);
/* The nth of that name, from 1; an empty value takes it away; one that is not there is added. */
void fields_change(struct fields *fields, struct span name, size_t nth, struct span value, bool blank);
void fields_write(const struct fields *fields, struct str *out);
void fields_free(struct fields *fields);

#endif
