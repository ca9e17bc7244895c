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
 * --help prints the rows that a screen of 24 lines has room for, --help=all all of them; the man
 * pages are compared with the latter by a test.
 */
#ifndef LIB_BASE_OPT_H
#define LIB_BASE_OPT_H

#include "lib/base/err.h"

enum opt_kind {
	OPT_FLAG,	/* bool: set */
	OPT_TEXT,	/* const char *: borrowed from argv; the last one counts */
	OPT_LIST,	/* struct opt_list: every one, in order */
	OPT_HELP,	/* bool: set; may have the value "all" */
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
/* As it was asked for, to opt_parse().  Lines of about that begin with two blanks are a list. */
void opt_help(const char *usage, const char *about, const struct opt_row *rows, struct str *out);
void opt_list_add(struct opt_list *list, const char *text);
void opt_list_free(struct opt_list *list);

#endif
