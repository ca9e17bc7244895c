/*
 * tls-link - the TLS of one connection, between two buffers: nobody's business but
 * stream.c's.
 *
 * OpenSSL reads and writes the buffers of the stream's socket.  So what the owner sends in
 * one turn of the loop leaves in records as large as they can be and in one write, which
 * bufferevent_openssl (a record and a write for each piece of its buffer) does not do.
 */
#ifndef LIB_NET_TLS_LINK_H
#define LIB_NET_TLS_LINK_H

#include "lib/net/tls.h"

struct bufferevent;
struct tls_link;

enum { TLS_GOES_ON = 1, TLS_PEER_DONE = 2 };

/* A client has policy, name and pins (may be NULL unless they are needed). */
struct tls_link *tls_link_new(struct tls *tls, struct bufferevent *io, enum tls_policy policy,
    const char *name, const char *pins);
void tls_link_free(struct tls_link *link);

/* 0: shaken hands, and the peer is who it should be.  TLS_GOES_ON: more is to come.  -1: err. */
int tls_link_shake(struct tls_link *link, struct err *err);
/* 0: *got bytes, at least one.  TLS_GOES_ON: none now.  TLS_PEER_DONE: nor ever.  -1: err. */
int tls_link_read(struct tls_link *link, void *bytes, size_t room, size_t *got, struct err *err);
int tls_link_write(struct tls_link *link, const void *bytes, size_t len, struct err *err);
bool tls_link_pending(const struct tls_link *link);	/* bytes that wait inside it */
void tls_link_goodbye(struct tls_link *link);
void tls_link_about(const struct tls_link *link, struct str *out);	/* "TLSv1.3 AES..." */

/* The peer showed a certificate of one of these names (verified), or one of these pins. */
bool tls_link_knows(const struct tls_link *link, const char *names);
void tls_link_who(const struct tls_link *link, struct str *name);	/* of a verified certificate, its first
			   mail address, else its first host; else nothing */
void tls_link_binding(const struct tls_link *link, struct str *bytes);	/* RFC 9266; TLS 1.3 only */

#endif
