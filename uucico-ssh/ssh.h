/*
 * ssh - a libssh2 session to one host, step by step, never blocking but in link_wait().
 *
 *	ssh_place(&ssh, "//mochila@hub.example:22/command", err)
 *	ssh_connect(&ssh, NULL or the pinned keys, err)	TCP and key exchange
 *	hostkey_check(...)				is it the host we mean?
 *	ssh_login(&ssh, key path or NULL, err)		key file or agent
 *	ssh_start(&ssh, command, err)			a channel, exec
 *	ssh_say_goodbye(&ssh), ssh_close(&ssh)
 *
 * libssh2 1.10 knows neither rsa-sha2 nor the strict key exchange, so the lists are
 * our own: curve25519 or ecdh, ed25519 or ecdsa, aes-ctr with hmac-sha2, and nothing
 * that Terrapin or an old hash could touch.  Channels are for exec, and for the way through
 * a jump host.
 *
 * A round trip may take seconds, so nothing waits that need not.  libssh2 works each request
 * off in a state of its own, and what it is not asked for stays in a queue: so the login begins
 * while the service it belongs to is still being asked for, and the channel is opened
 * behind our signature.  It asks whether a key would do before it signs; that cannot be helped.
 */
#ifndef UUCICO_SSH_SSH_H
#define UUCICO_SSH_SSH_H

#include <libssh2.h>

#include "lib/net/socks.h"

enum {
	SSH_EARLY_MAX = 8192,
	SSH_WINDOW = 8 << 20,	/* a second of 64 Mbit/s: what a long fat link holds */
	SSH_FLIGHT_MAX = 64 << 10,
};

/* Of a link by ssh, where the far end speaks no UUCP. */
#define SSH_ADVICE \
	"is our key's line in authorized_keys there restrict,command=\"uucico-ssh -r0 --peer=OUR-SITE\" ... ?"

struct ssh {
	struct str user, host, port, command;
	struct str where;		/* "host:port" for messages */
	int64_t timeout;		/* seconds for each step */
	struct socks_proxy proxy;
	bool by_proxy;			/* it connects for us */
	struct ssh *via;		/* NULL, or a session to a jump host, whose channel carries ours */
	int fd;
	int64_t rtt;			/* of TCP, microseconds; 0: unknown */
	LIBSSH2_SESSION *session;
	LIBSSH2_CHANNEL *channel;
	struct str forward;		/* "HOST NUL PORT": what the channel leads to; empty: a session */
	uint64_t up, down;		/* bytes of TCP */
	struct str flight;		/* from libssh2, not yet on the socket: what goes together is one write */
	int broken;			/* errno of the socket */
	bool unanswered;		/* something came, and nothing was said since */
	bool over;			/* nothing more is said or heard */
	bool has_keys;			/* our NEWKEYS is out */
	unsigned secrets;		/* packets that libssh2 sent behind it */
	unsigned attempt;		/* secrets, when the login under way began */
	struct str early;		/* the server's first bytes: its KEXINIT is among them */
};

/* rest: "//[USER@]HOST[:PORT][/COMMAND]" */
int ssh_place(struct ssh *ssh, const char *rest, struct err *err);
/* Until keys are exchanged, and the login may begin.  types: host key algorithms to ask for, or
 * NULL for all that are good enough. */
bool ssh_knows_ed25519(void);	/* the libssh2 at hand does */
int ssh_connect_tcp(struct ssh *ssh, struct err *err);	/* the first step alone: ssh->fd */
int ssh_connect(struct ssh *ssh, const char *types, struct err *err);
int ssh_login(struct ssh *ssh, const char *key_path, struct str *passphrase, struct err *err);
int ssh_start(struct ssh *ssh, const char *command, struct err *err);
int ssh_forward(struct ssh *ssh, struct err *err);	/* a channel to where ssh->forward says */
/* Who refuses our key, and what to do about it. */
int ssh_refused(struct ssh *ssh, const char *what, const char *why, struct err *err);
void ssh_acknowledge(int fd);		/* what has come, at once, this time */
void ssh_spare(int fd);			/* no more of them than are needed, from here on */
void ssh_flush(struct ssh *ssh);	/* what is in flight, as far as the socket takes it */
void ssh_say_goodbye(struct ssh *ssh);	/* for a short time, no more */
void ssh_close(struct ssh *ssh);	/* and those to the jump hosts */

struct ssh *ssh_outer(struct ssh *ssh);	/* the one that has the socket */
/* Is a result of libssh2 one that only asks for patience? */
bool ssh_later(ssize_t result);

/* Waits until libssh2 can go on; -1: time is up, or we are told to stop. */
int ssh_wait(struct ssh *ssh, int64_t deadline, struct err *err);

#endif
