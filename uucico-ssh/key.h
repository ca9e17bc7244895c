/*
 * key - our own keys: made, checked, read, and shown as fingerprints.
 *
 * A "blob" is a public key as ssh sends it: its type's name and its numbers, each
 * with a length before it.
 */
#ifndef UUCICO_SSH_KEY_H
#define UUCICO_SSH_KEY_H

#include "lib/base/closed.h"

/* Reads a private key for libssh2.  Refuses (ERR_CONFIG) a file that others could
 * have read or changed, checked on the open descriptor; one with a passphrase, unless we
 * have it; RSA. */
int key_load(const char *path, bool opened, struct str *text, struct err *err);

/* The two halves of a key of ed25519 in OpenSSH's format, of a file's text that needs no
 * passphrase; -1: it is none. */
enum { KEY_HALF = 32 };
int key_halves(struct span text, unsigned char seed[KEY_HALF], unsigned char public[KEY_HALF]);

/* ECDSA is nistp256: not every libssh2 knows the other. */
enum key_kind { KEY_ED25519, KEY_ECDSA };

/* A pair, of ed25519 in OpenSSH's format, of ecdsa in that of PEM: path, 0600, and path.pub.  One
 * that is there is never written over. */
int key_make(const char *path, enum key_kind kind, const char *comment, struct err *err);

int key_read_public(const char *path, struct str *blob, struct err *err);
int key_type(struct span blob, struct span *type);
void key_base64(struct span bytes, struct str *out);
void key_fingerprint(struct span blob, struct str *out);	/* SHA256:..., as ssh-keygen -l */

#endif
