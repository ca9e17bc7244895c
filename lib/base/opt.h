/*
 * opt - command lines as tables, over getopt_long.
 *
 *	const char *site = NULL;
 *	bool quiet = false;
 *	const struct opt_row rows[] = {
 *		{ "site", 's', "SITE", "call this site", OPT_TEXT, &site },
 *		{ "quiet", 'q', NULL, "say nothing", OPT_FLAG, &quiet },
 *		{0},
 *	};
 *
 * --help prints the rows; the man pages are compared with it by a test.
 */
#ifndef LIB_BASE_OPT_H
#define LIB_BASE_OPT_H

#include "lib/base/err.h"

enum opt_kind {
	OPT_FLAG,	/* bool: set */
	OPT_TEXT,	/* const char *: borrowed from argv; the last one counts */
	OPT_LIST,	/* struct opt_list: every one, in order */
};

struct opt_list {
	const char **text;	/* borrowed from argv; opt_list_free() gives the array back */
	size_t count;
};

struct opt_row {
	const char *name;	/* NULL where there is only the letter */
	char letter;		/* 0 where there is only the name */
	const char *arg;	/* what the value is called; NULL takes none */
	const char *help;
	enum opt_kind kind;
	void *to;
};

/* Sets what the rows point at and moves *argc, *argv on to the first operand.
 * first_operand_ends: options after it are left to a sub-command.  An error is
 * ERR_CONFIG with exit status EX_USAGE. */
int opt_parse(const struct opt_row *rows, bool first_operand_ends, int *argc, char ***argv,
    struct err *err);
void opt_help(const char *usage, const char *about, const struct opt_row *rows, struct str *out);
void opt_list_add(struct opt_list *list, const char *text);
void opt_list_free(struct opt_list *list);

#endif
