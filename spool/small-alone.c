/* Programs: those that no mail needs. */
#include "spool/small.h"

const struct small_program small_others[] = { {0} };
