/*
 * words - the command lines that people write into settings, taken apart with no shell.
 */
#ifndef LIB_BASE_WORDS_H
#define LIB_BASE_WORDS_H

#include "lib/base/err.h"

/* Blanks part them, '...', "..." and \ keep them together; NULL with err.  The words are one block
 * behind the array: free() gives all back. */
char **words_of(const char *line, struct err *err);
/* Looked up as exec does, so that the whole path is known. */
int words_program(const char *word, struct str *path, struct err *err);

#endif
