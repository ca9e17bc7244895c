/*
 * closed - files that hold a secret: ours or root's, closed to everybody else, and of one name.
 *
 * What was read of one is given back with closed_forget(), which wipes it first.  What is wrong
 * with such a file is for a person to mend: ERR_CONFIG, and the words say how.
 */
#ifndef LIB_BASE_CLOSED_H
#define LIB_BASE_CLOSED_H

#include "lib/base/err.h"
#include "lib/base/str.h"

/* Is the open file one?  what and path are for the error's text: "key", "proxy-login". */
int closed_check(int fd, const char *what, const char *path, struct err *err);
int closed_load(const char *path, const char *what, size_t max, struct str *text, struct err *err);
/* A name and a password, on one line or two. */
int closed_login(const char *path, const char *what, struct str *name, struct str *password, struct err *err);
void closed_forget(struct str *text);

#endif
