/*
 * table - what an address, or a domain, means: looked up by a key, in any of several.
 *
 *	file:PATH	a text: KEY VALUE, one a line, read into memory and again when it
 *			has changed.  "#" begins a comment line, a line that begins with a
 *			blank goes on the one before, a colon behind KEY means nothing
 *	cdb:PATH	compiled (cdb(5)), searched where it lies, of any size
 *	|PROGRAM ...	a child that is asked line by line, as tcp_table(5) of Postfix has it:
 *			"get KEY" is answered "200 VALUE", "500 why" (it has none) or "400 why"
 *			(ask later); %XX stands for blanks and the like.  SQL and LDAP go here
 *
 * Several stand apart by commas: the first that has the key counts.  Keys are in lower case.
 *
 * What cannot be asked is ERR_TEMP (or CONFIG), never "not there": mail waits.  A program has
 * TABLE_SECONDS to answer; one that fails rests for TABLE_REST_SECONDS, in which it fails at once.
 */
#ifndef SPOOL_TABLE_H
#define SPOOL_TABLE_H

#include "lib/base/err.h"

enum { TABLE_SECONDS = 5, TABLE_REST_SECONDS = 10, TABLE_FILE_MAX = 64 << 20, TABLE_KEY_MAX = 1000, TABLE_VALUE_MAX = 64 << 10 };

struct table;

/* May be set by who must not wait for programs: what is known of a key, as table_find() says it, or
 * TABLE_ASK.  table: as it was said. */
typedef int table_known(void *ctx, struct span table, struct span key, struct str *value, struct err *err);
enum { TABLE_ASK = 2 };

struct tables {		/* those that were opened; {0} is none */
	const char *root;	/* what relative paths are below; borrowed */
	struct table *first;
	table_known *known;	/* of programs; NULL: they are asked here and now */
	void *ctx;
	int64_t patience;	/* with a program, in microseconds; 0: TABLE_SECONDS */
};

int table_check(const char *said, struct err *err);	/* is it a list of tables? ERR_CONFIG */
int table_find(struct tables *tables, const char *said, struct span key, struct str *value,
    struct err *err);		/* 1: value is set, 0: none has it, -1 */
int table_find_in(struct tables *tables, const char *path, struct span key, struct str *value,
    struct err *err);		/* the same, of one text that has this path */
/* Each key of the text that path names, in its order, until a hook returns -1. */
int table_keys(const char *path, int (*key)(void *ctx, struct span key, struct err *err), void *ctx,
    struct err *err);
void tables_close(struct tables *tables);	/* children end; all is opened again when asked for */

#endif
