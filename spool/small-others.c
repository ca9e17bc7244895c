#include "spool/small.h"

#define OTHERS(X) \
	X(mochila, "mochila") \
	X(rrecipients, "rrecipients") \
	X(uucp, "uucp") \
	X(uux, "uux")
OTHERS(SMALL_DECLARE)

const struct small_program small_others[] = { OTHERS(SMALL_ROW) {0} };
