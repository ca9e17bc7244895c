/*
 * rewrite - other addresses in the fields of a message that hold addresses.
 *
 *	rewrite_header(header, &map, ctx, &out, err)
 *
 * From, Sender, Reply-To, To, Cc, Bcc, the same with Resent-, Return-Path, Errors-To,
 * Return-Receipt-To, Disposition-Notification-To, Mail-Followup-To and Mail-Reply-To are
 * read by the grammar of RFC 5322 3.4, obsolete forms too, and each address in them is
 * offered to the map.  Only the bytes of an address that it changes are changed: names,
 * quoted strings, groups, comments, encoded words, folds and all other fields stay as they
 * are, byte for byte.  Comments within a changed address are put behind it.  A source route
 * stays.  What is no address by that grammar is not offered.
 *
 * Time is linear and nothing recurses.
 */
#ifndef LIB_MAIL_REWRITE_H
#define LIB_MAIL_REWRITE_H

#include "lib/base/err.h"

/* 1: the address is to be what is in to (cleared before), 0: it stays, -1 with err. */
typedef int rewrite_map(void *ctx, struct span address, struct str *to, struct err *err);

/* Appends the value of a field; 1: something was changed, 0, -1. */
int rewrite_value(struct span value, rewrite_map *map, void *ctx, struct str *out, struct err *err);

/* Appends the header and whatever stands behind it. */
int rewrite_header(struct span header, rewrite_map *map, void *ctx, struct str *out, struct err *err);

#endif
