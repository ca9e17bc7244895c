/*
 * rights - what the daemon gives away once its sockets are bound.
 *
 * Started by root it becomes the owner of the spool, for good.  A spool that is root's
 * own (a trial as root, in a container) keeps it root, with a warning.
 */
#ifndef RELAY_RIGHTS_H
#define RELAY_RIGHTS_H

#include "lib/base/err.h"
#include "spool/settings.h"

int rights_drop(const struct settings *settings, struct err *err);

#endif
