/*
 * secret - names, passwords and passphrases, from where the settings say they are.
 *
 * A file that holds one is closed to everybody else (lib/base/closed.h); closed_forget() gives
 * back what was read.
 */
#ifndef UUCICO_SSH_SECRET_H
#define UUCICO_SSH_SECRET_H

#include "lib/base/closed.h"
#include "lib/net/socks.h"
#include "spool/settings.h"

/* A name and a password in a file, on one line or two. */
int secret_login(const struct settings *settings, const char *path, const char *what,
    struct str *name, struct str *password, struct err *err);

/* The site's proxy with its login; 0: it has none, 1: proxy is filled; -1. */
int secret_proxy(const struct settings *settings, const struct site_settings *site,
    struct socks_proxy *proxy, struct err *err);

/* What opens the site's key: the first line of a file, or of what a command prints; none
 * said: nothing. */
int secret_passphrase(const struct settings *settings, const struct site_settings *site,
    struct str *passphrase, struct err *err);

/* The secret that both ends of the site's calls share: the first line of a file, 32 bytes
 * at least. */
int secret_shared(const struct settings *settings, const struct site_settings *site,
    struct str *secret, struct err *err);

#endif
