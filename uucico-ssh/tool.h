/*
 * tool - what "mochila pair" and a person need of keys: --new-key, --host-key,
 * --fingerprint.  Each prints its answer on standard output.
 */
#ifndef UUCICO_SSH_TOOL_H
#define UUCICO_SSH_TOOL_H

#include "spool/settings.h"

/* path NULL: keys/id_TYPE.  type: "ed25519", "ecdsa", or NULL for the first of them that libssh2 knows. */
int tool_new_key(const struct settings *settings, const char *path, const char *type, struct err *err);
/* site: NULL, or whose proxy and jump host lead there. */
int tool_host_key(const struct settings *settings, const struct site_settings *site, const char *link,
    struct err *err);
int tool_fingerprint(const struct settings *settings, const char *path, struct err *err);

#endif
