#include "lib/base/small.h"

#include <sysexits.h>

int
small_without(struct err *err, const char *what)
{
	err_set(err, ERR_CONFIG, "%s: not in this build for small boxes, see mochila-small(8)", what);
	return err_as(err, EX_UNAVAILABLE, NULL);
}
