/*
 * keyed - bytes that only the holders of one secret can have sent, in the clear: a layer
 * between a link and the call, without I/O.  For links on which nothing may be encrypted
 * (amateur radio), and nobody else is to be believed.
 *
 *	keyed_start(&k, caller, secret);
 *	... what is in k.out is written, and taken off it ...
 *	keyed_feed(&k, bytes, len, &err)	what is authentic gathers in k.in
 *	keyed_put(&k, bytes, len)		frames them, into k.out
 *	k.sure					the far end has proved that it has the secret, now
 *	keyed_free(&k);
 *
 * The wire, all of it (integers are big-endian, nonces 16 random bytes, tags the first 8
 * bytes of HMAC-SHA-256):
 *
 *	hello	"MKA1" nonce tag	the caller's first; the called end's when it has heard it
 *	frame	length(2) data tag	length at most KEYED_FRAME; an empty one only proves
 *
 * A hello's tag is under the secret, over "hello caller" or "hello called" and the nonce.
 * A frame's is over its number (8 bytes, from 0, counted on both ends and never sent), its
 * length and its data, under a key that is the whole HMAC under the secret of "early
 * caller" and the caller's nonce, for frames of the caller before he has heard the other
 * hello; else of "frames caller" or "frames called" and both nonces, the caller's first.
 * A change of keys begins again at number 0.  So a frame that was damaged, left out, sent
 * twice, turned round, or recorded in another call does not pass, and the call ends.
 *
 * The caller's data may go with its hello.  A recorded first flight would be authentic too,
 * so the called end keeps it back until the first frame under both nonces: the caller sends
 * one, empty if need be, as soon as he has heard the other hello.  Each end is sure of the
 * other one round trip after its own hello.
 */
#ifndef UUCICO_SSH_KEYED_H
#define UUCICO_SSH_KEYED_H

#include "lib/base/digest.h"
#include "lib/base/err.h"

enum {
	KEYED_NONCE = 16, KEYED_TAG = 8,
	KEYED_FRAME = 4096,		/* data of a frame */
	KEYED_NOISE = 4096,		/* before the hello: a modem's, a shell's */
	KEYED_EARLY = 65536,		/* of the caller's, kept back */
	KEYED_SECRET = 32,		/* bytes of a secret at least */
};

struct keyed {
	bool caller, heard, sure;
	unsigned char ours[KEYED_NONCE], theirs[KEYED_NONCE];
	struct str secret;
	struct str out;			/* to be written */
	struct str in;			/* authentic, to be taken */
	struct str early;		/* authentic, but perhaps recorded */
	struct str raw;			/* what came and is no whole frame yet */
	size_t noise;
	struct keyed_side {
		unsigned char key[DIGEST_SIZE];
		uint64_t number;
	} sending, receiving, hasty;	/* hasty: theirs, before they heard us */
};

void keyed_start(struct keyed *k, bool caller, struct span secret);
int keyed_feed(struct keyed *k, const void *bytes, size_t len, struct err *err);
size_t keyed_put(struct keyed *k, const void *bytes, size_t len);	/* how many it took: the called end
				takes none before it has heard a hello */
void keyed_free(struct keyed *k);

/* The same, with the nonce said: for tests. */
void keyed_start_with(struct keyed *k, bool caller, struct span secret, const unsigned char nonce[KEYED_NONCE]);

#endif
