#include "bsmtp/format.h"

#include <string.h>

#include "lib/base/conf.h"

#define X(name) extern const struct format format_##name;
FORMATS(X)
#undef X

const struct format *const formats[] = {
#define X(name) &format_##name,
	FORMATS(X)
#undef X
	NULL
};

static const char *
name_at(const void *list, size_t i)
{
	const struct format *const *row = list;
	return row[i] != NULL ? row[i]->name : NULL;
}

const struct format *
format_named(const char *name, struct err *err)
{
	for (size_t i = 0; formats[i] != NULL; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	const char *nearest = conf_nearest(name, name_at, formats);
	err_set(err, ERR_CONFIG, nearest != NULL ? "no format %.40s; did you mean %s?" :
	    "no format %.40s; there are full, reduced and rmail", name, nearest);
	return NULL;
}
