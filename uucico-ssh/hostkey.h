/*
 * hostkey - is it the host we mean?  Keys are pinned in known_hosts, by hand.
 *
 * The file is OpenSSH's format; hashed names work too.  An unknown key and a changed
 * one are both refused, with the fingerprint and what to do: there is no trust on
 * first use.
 */
#ifndef UUCICO_SSH_HOSTKEY_H
#define UUCICO_SSH_HOSTKEY_H

#include "uucico-ssh/ssh.h"

/* The types pinned for the host, "ssh-ed25519,...": asked for, so that a server with
 * several keys shows one we can compare.  Empty when none is pinned by plain name. */
int hostkey_types(struct ssh *ssh, const char *path, struct str *types, struct err *err);
int hostkey_check(struct ssh *ssh, const char *path, struct err *err);
/* The same of a key that was shown otherwise; any session of libssh2 will do. */
int hostkey_is_known(struct ssh *ssh, LIBSSH2_SESSION *session, struct span blob, const char *path, struct err *err);

/* For "--host-key": HOST TYPE BASE64, and the fingerprint as a comment line. */
int hostkey_print(struct ssh *ssh, struct str *out, struct err *err);

#endif
