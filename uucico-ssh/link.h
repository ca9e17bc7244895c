/*
 * link - the line under a call: bytes both ways to one far end.
 *
 * Kinds are rows: ssh (libssh2), exec (any command), tcp (plain), stdio (the answering
 * end).
 * Nothing here blocks but link_open() and link_finish(), which wait with
 * link_wait() and give up at their time limit or when we are told to stop.
 */
#ifndef UUCICO_SSH_LINK_H
#define UUCICO_SSH_LINK_H

#include <poll.h>
#include <sys/types.h>

#include "spool/settings.h"

enum { LINK_FDS = 3, LINK_AGAIN = -2, LINK_NOISE_MAX = 1000 };

struct link;

struct link_row {
	const char *scheme;	/* "ssh:" */
	bool knows;		/* it has shown who the far end is, or a person has said how to reach it,
				 * and nobody is to be logged in to: we may speak first */
	const char *advice;	/* what to look at when the far end speaks no UUCP */
	int (*open)(struct link *link, const char *rest, struct err *err);
	/* > 0 bytes, 0 end of file (read), LINK_AGAIN, or -1 with err */
	ssize_t (*read)(struct link *link, void *to, size_t len, struct err *err);
	ssize_t (*write)(struct link *link, const void *from, size_t len, struct err *err);
	size_t (*poll)(const struct link *link, bool writing, struct pollfd fds[LINK_FDS]);
	void (*finish)(struct link *link);	/* we said all: end of file to them, a short wait */
	void (*close)(struct link *link);
};

struct link {
	const struct link_row *row;
	const struct settings *settings;
	const struct site_settings *site;	/* NULL for stdio */
	int in, out, errors;	/* -1 where there is none */
	pid_t pid;
	bool finished;		/* the call ended in good order */
	bool both_know;		/* and both ends know it: the called one closes the line */
	struct str noise;	/* what the far end wrote to its standard error, cut */
	uint64_t down, up;	/* bytes of the conversation */
	uint64_t wire_down, wire_up;	/* with what carries them; equal where nobody can count */
	int64_t rtt;		/* as it was opened, microseconds; 0: unknown */
	struct keyed *keyed;	/* NULL, or proves each byte (key-auth) */
	uint64_t keyed_down, keyed_up;	/* with what it adds */
	void *mine;
};

/* The answering end of a site with key-auth, before anything is done for the caller: waits
 * on standard input until he has proved who he is.  link_open("stdio:") goes on with it.
 * Does nothing for other sites. */
int link_greet(const struct settings *settings, const struct site_settings *site, struct err *err);

extern const struct link_row link_ssh, link_exec, link_tcp, link_stdio;

/* target: "ssh://...", "exec:...", "tcp:...", "stdio:" */
int link_open(struct link *link, const char *target, const struct settings *settings,
    const struct site_settings *site, struct err *err);
ssize_t link_read(struct link *link, void *to, size_t len, struct err *err);
ssize_t link_write(struct link *link, const void *from, size_t len, struct err *err);
size_t link_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS]);
void link_finish(struct link *link);
void link_close(struct link *link);

/* The rows' read, write and poll over plain descriptors. */
ssize_t link_fd_read(struct link *link, void *to, size_t len, struct err *err);
ssize_t link_fd_write(struct link *link, const void *from, size_t len, struct err *err);
size_t link_fd_poll(const struct link *link, bool writing, struct pollfd fds[LINK_FDS]);
void link_fd_drain(struct link *link, int64_t seconds);	/* reads on to the end of file */

/* Reads what is on link->errors into noise, never blocking. */
void link_hear_noise(struct link *link);

/* SIGTERM, SIGINT and SIGHUP end every wait below, and only there; SIGPIPE is ignored. */
void link_signals(void);
void link_signals_off(void);	/* they end the process again */
int link_signal_fd(void);	/* readable when one has come, for who waits otherwise; -1: off */
int link_told_to_stop(bool forget);	/* the signal that came, or 0 */
/* 1: something is ready; 0: it is deadline (clock_mono()); -1: err, also when told to stop. */
int link_wait(struct pollfd *fds, size_t count, int64_t deadline, struct err *err);

#endif
