/*
 * quick - an ssh session in as few turns as the protocol has: bytes in, bytes out, no I/O.
 *
 * libssh2 takes a turn for each thing that it asks: whether the key would do, whether it may have
 * a channel, whether the command runs.  Over a satellite that is four seconds before the first byte of
 * mail.  All of it can be said in one flight, since a server works off what comes in order:
 *
 *	ours, in the clear	version, KEXINIT, ECDH_INIT: one flight, as one algorithm each is offered
 *	theirs			version, KEXINIT, ECDH_REPLY, NEWKEYS: who they are is checked by the hook
 *	ours			NEWKEYS, service, signature, channel, command, and what is written first
 *	theirs			yes to all of it, and what the command says
 *
 * That is for the usual case, and for no other: a host whose ed25519 key is known, a key of ed25519
 * without a passphrase, curve25519-sha256, aes128-gcm or aes128-ctr with hmac-sha2-256 (RFC 4253, 4252,
 * 4254, 8709, 8731, 5647).  What the far end is not ready for ends as QUICK_OTHERWISE, before anything was
 * said in the channel: then libssh2 does it (uucico-ssh/ssh.h).
 *
 * Nobody in between can add a packet to the first exchange, or take one from behind it (Terrapin): these
 * ciphers count on their own, nothing but the exchange is taken before NEWKEYS, and with who knows strict
 * kex (OpenSSH's PROTOCOL, 1.10) packets are numbered anew behind it.  New keys are asked for after a
 * gigabyte each way (RFC 4253 9), long before a number comes again: a packet has at least 32 bytes.
 *
 * That the channel will be number 0 is guessed only of the servers that are known to begin with 0.
 */
#ifndef UUCICO_SSH_QUICK_H
#define UUCICO_SSH_QUICK_H

#include "lib/base/digest.h"
#include "lib/base/err.h"

enum {
	QUICK_KEY = 32,			/* of ed25519 and of curve25519: seed and public key */
	QUICK_BLOCK = 16, QUICK_IV = 12, QUICK_TAG = 16, QUICK_MAC = 32,
	QUICK_PACKET = 35000,		/* RFC 4253 6.1 */
	QUICK_CHUNK = 32768,		/* most that we put into a packet of data */
	QUICK_PIECE = 8192,		/* and that they may: nothing can be read of one that is half there */
	QUICK_WINDOW = 8 << 20,		/* as ssh.h */
	QUICK_EARLY = 16384,		/* bytes for the command that go with the login */
	QUICK_OUT = 64 << 10,		/* no more is written while so much waits */
	QUICK_ASKED = 4 * QUICK_OUT,	/* answers to who asks and does not listen */
	QUICK_LINE = 255, QUICK_LINES = 50, QUICK_NOISE = 1000,
	QUICK_BEFORE = 200,		/* packets until the channel is open: a handful, and some for people */
	QUICK_KEY_BYTES = 1 << 30,	/* under one key: then new ones; twice that under it ends all */
};

enum quick_state {
	QUICK_VERSION,		/* waits for their version */
	QUICK_EXCHANGE,		/* for their KEXINIT and reply */
	QUICK_LOGIN,		/* our flight is out */
	QUICK_CHANNEL,		/* logged in: they are to open it, and to start the command */
	QUICK_OPEN,
};

enum quick_end {
	QUICK_GOING,
	QUICK_OTHERWISE,	/* not for us: libssh2 may do it */
	QUICK_STRANGER,		/* the hook refused their key */
	QUICK_REFUSED,		/* our key */
	QUICK_NOTHING,		/* no channel, or no command */
	QUICK_BROKEN,		/* by them, or nonsense */
};

/* One way of the line. */
struct quick_way {
	void *cipher;		/* an EVP_CIPHER_CTX; NULL: in the clear */
	bool gcm;
	unsigned char iv[QUICK_IV], mac[QUICK_MAC];
	uint32_t number;	/* of the next packet */
	uint64_t bytes;
};

struct quick {
	/* From who begins it. */
	struct str user, command;
	unsigned char seed[QUICK_KEY], public[QUICK_KEY];
	int (*known)(void *arg, struct span host_key, struct err *err);	/* is it the host we mean? */
	void *arg;

	enum quick_state state;
	enum quick_end end;
	struct str out;			/* for the socket */
	struct str said;		/* what the command says, not yet taken: quick_take() */
	struct str noise;		/* and on its error output, cut */
	bool eof, closed;		/* the command says no more; the channel is gone */
	struct str version, host_key;	/* theirs */

	/* Our own. */
	struct str in;
	struct quick_way up, down;
	struct quick_way next_up, next_down;	/* behind NEWKEYS */
	struct str our_init, their_init;	/* both KEXINIT */
	struct str held;		/* packets that go behind the exchange of keys under way, a length before each */
	bool exchanging, wrong_guess, has_head;
	bool strict;			/* both know strict kex */
	void *secret;			/* an EVP_PKEY of X25519 */
	unsigned char session[DIGEST_SIZE];
	bool has_session, asked;	/* asked: the command was sent for */
	unsigned lines, packets;	/* before there is a version; a channel */
	uint32_t channel;		/* theirs */
	uint32_t their_packet;		/* most bytes of data in one */
	int64_t their_window;		/* below 0: said before we heard of it */
	uint32_t our_window;
	bool said_eof, said_close;
};

void quick_start(struct quick *quick);	/* user, command, keys and hook are there */
/* What came; -1: it has ended, quick->end says how, and err in words. */
int quick_feed(struct quick *quick, const void *bytes, size_t len, struct err *err);
bool quick_ready(const struct quick *quick);	/* keys are exchanged: what is written goes with the login */
size_t quick_write(struct quick *quick, const void *bytes, size_t len);	/* how much of it is taken */
size_t quick_take(struct quick *quick, void *to, size_t len);
void quick_eof(struct quick *quick);		/* we write no more */
void quick_goodbye(struct quick *quick);
void quick_free(struct quick *quick);

/* Of quick-wire.c: packets. */
void quick_packet(struct quick *quick, struct span payload);
int quick_unpack(struct quick *quick, struct str *payload, struct err *err);	/* 1: one, 0: not yet; -1 */
int quick_key_way(struct quick_way *way, bool gcm, bool up, const unsigned char *key, const unsigned char *iv,
    const unsigned char *mac);
void quick_way_free(struct quick_way *way);

/* Of quick-kex.c: the exchange of keys. */
void quick_offer(struct quick *quick);		/* KEXINIT and ECDH_INIT */
int quick_offered(struct quick *quick, struct span payload, struct err *err);
int quick_reply(struct quick *quick, struct span payload, struct err *err);
int quick_new_keys(struct quick *quick, struct err *err);

/* Bytes as ssh packs them (RFC 4251 5). */
void quick_put_number(struct str *out, uint32_t number);
void quick_put(struct str *out, struct span bytes);
int quick_get_number(struct span *rest, uint32_t *number);
int quick_get(struct span *rest, struct span *bytes);
bool quick_lists(struct span list, const char *name);
int quick_otherwise(struct quick *quick, struct err *err, const char *why);
int quick_broken(struct quick *quick, struct err *err, const char *why);

enum quick_type {
	SSH_DISCONNECT = 1, SSH_IGNORE, SSH_UNIMPLEMENTED, SSH_DEBUG, SSH_SERVICE_REQUEST, SSH_SERVICE_ACCEPT, SSH_EXT_INFO,
	SSH_KEXINIT = 20, SSH_NEWKEYS, SSH_ECDH_INIT = 30, SSH_ECDH_REPLY,
	SSH_USERAUTH_REQUEST = 50, SSH_USERAUTH_FAILURE, SSH_USERAUTH_SUCCESS, SSH_USERAUTH_BANNER,
	SSH_GLOBAL_REQUEST = 80, SSH_REQUEST_SUCCESS, SSH_REQUEST_FAILURE,
	SSH_CHANNEL_OPEN = 90, SSH_CHANNEL_CONFIRMED, SSH_CHANNEL_REFUSED, SSH_CHANNEL_WINDOW, SSH_CHANNEL_DATA,
	SSH_CHANNEL_EXTENDED, SSH_CHANNEL_EOF, SSH_CHANNEL_CLOSE, SSH_CHANNEL_REQUEST, SSH_CHANNEL_SUCCESS,
	SSH_CHANNEL_FAILURE,
};

#endif
