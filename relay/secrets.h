/*
 * secrets - the certificates of an instance, as its settings name them.
 */
#ifndef RELAY_SECRETS_H
#define RELAY_SECRETS_H

#include "lib/net/tls.h"
#include "spool/settings.h"

/* *tls is NULL where there is no TLS: tls = off, or no certificate. */
int secrets_load(const struct settings *settings, const struct relay_settings *relay, struct tls **tls,
    struct err *err);

#endif
