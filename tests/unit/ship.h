/*
 * ship - where the dictionary is looked for: below this folder of the sources.
 */
#ifndef TESTS_UNIT_SHIP_H
#define TESTS_UNIT_SHIP_H

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/str.h"

static inline void
ship(const char *below)
{
	const char *top = getenv("srcdir");
	char here[512];
	struct str path = {0};

	if (top == NULL || top[0] != '/')
		str_printf(&path, "%s/", getcwd(here, sizeof here));
	str_printf(&path, "%s/%s", top != NULL ? top : ".", below);
	setenv("MOCHILA_LIBEXEC", str_c(&path), 1);
	str_free(&path);
}

#endif
