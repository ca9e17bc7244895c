/*
 * stream - a connected socket with buffers, a deadline and back-pressure.
 *
 *	stream_start(&stream, loop, fd, &hooks, ctx);	the stream closes fd
 *	stream_send(&stream, bytes, len);		kept, and sent in one write behind the hook
 *	stream_pause(&stream, true);			no more input for now
 *	stream_deadline(&stream, seconds);		from now on, whatever trickles in
 *	stream_finish(&stream);				send the rest, then goodbye
 *
 * The deadline is one of time, not of silence: a peer that sends an octet now and
 * then gains nothing.  Where much waits to be sent, nothing more is read until it is
 * gone, so a peer that asks without listening costs no memory.
 *
 * TLS begins on a stream that stands, at once or after a STARTTLS (RFC 3207): from the
 * call on nothing is read or sent in plain text.  What is sent before hook secured was called
 * waits for it; what came before the call and was not read is taken for TLS, so nobody
 * can slip words in.  The handshake has the stream's deadline, which its owner sets.
 *
 *	stream_start_tls(&stream, tls, TLS_VERIFIED, "mx.example", NULL);	we called
 *	stream_accept_tls(&stream, tls);					we were called
 *
 * The stream is embedded in its owner, who may free both inside any hook.
 */
#ifndef LIB_NET_STREAM_H
#define LIB_NET_STREAM_H

#include "lib/net/loop.h"
#include "lib/net/tls.h"

struct bufferevent;
struct tls_link;

struct stream_hooks {
	void (*input)(void *ctx, const void *bytes, size_t len);
	void (*sent)(void *ctx);	/* little is left to send; may be NULL */
	void (*ended)(void *ctx, const struct err *err);
			/* ERR_NONE: the peer closed; ERR_TEMP: it broke.  No hook follows, and
			 * the owner frees the stream */
	void (*late)(void *ctx);	/* the deadline passed; the stream still works */
	void (*secured)(void *ctx);	/* hands are shaken; NULL where there is never TLS.  When
			 * they cannot be, or the peer is not who he should be, it is hook ended */
};

struct stream {
	struct loop *loop;
	struct bufferevent *io;
	const struct stream_hooks *hooks;
	void *ctx;
	struct timer deadline;
	bool paused, choked;	/* by the owner; by what waits to be sent */
	struct tls_link *tls;	/* NULL: plain text */
	bool shaken;		/* and it has its secret */
	struct str held;	/* to be sent when it has */
	bool busy;		/* in a hook of ours, behind which what it said is sent */
	bool *freed;		/* set for a hook's caller when the hook freed us */
};

enum { STREAM_LITTLE = 16 << 10, STREAM_MUCH = 256 << 10,
	STREAM_FAREWELLS = 200 };	/* so many are waited for; then who has been longest is left */

void stream_start(struct stream *stream, struct loop *loop, int fd,
    const struct stream_hooks *hooks, void *ctx);
void stream_send(struct stream *stream, const void *bytes, size_t len);
void stream_send_str(struct stream *stream, struct str *str);	/* and clears it */
size_t stream_backlog(const struct stream *stream);	/* bytes not yet sent */
void stream_unread(struct stream *stream, const void *bytes, size_t len);	/* input comes again, as
						   if it were new */
void stream_pause(struct stream *stream, bool paused);
void stream_deadline(struct stream *stream, int64_t seconds);	/* 0: none */

void stream_start_tls(struct stream *stream, struct tls *tls, enum tls_policy policy,
    const char *name, const char *pins);	/* name: HOST, for SNI and VERIFIED; pins: for PINNED */
void stream_accept_tls(struct stream *stream, struct tls *tls);
void stream_tls_about(const struct stream *stream, struct str *out);	/* "TLSv1.3 AES...", or nothing */
bool stream_tls_knows(const struct stream *stream, const char *names);	/* the peer has shown a
						   certificate for one of these names, or one of
						   these pins (tls.h) */

void stream_tls_who(const struct stream *stream, struct str *name);	/* tls_link_who() */
void stream_tls_binding(const struct stream *stream, struct str *bytes);	/* tls_link_binding() */

bool stream_is_ours(const struct stream *stream);	/* a socket of this host, and the peer is root, or runs
						   as we do */

void stream_finish(struct stream *stream);	/* frees it; what waits is still sent, for
						   some seconds, and input thrown away */
void stream_free(struct stream *stream);	/* at once; {0} is fine */

void stream_free_farewells(struct loop *loop);	/* for loop_free */

#endif
