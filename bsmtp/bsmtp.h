/*
 * bsmtp - makes batches and takes them apart (batch(5), bsmtp(1)).
 *
 *	codec		what is around a batch		codec.h, codec-*.c
 *	label, trailer	what proves it whole		label.h, trailer.h
 *	reader, writer	batch <-> messages		reader.h, writer.h
 *	sink		where messages go		sink.h, sink-*.c
 *	session		SMTP to a server		session.h
 *	format, carry	how messages stand in one, and which can	format.h, format-*.c, carry.h
 *	pack, unpack,	the sub-commands		here; gather.h
 *	list, diff, teach
 *
 * A struct bsmtp is what the command line and the settings said.
 */
#ifndef BSMTP_BSMTP_H
#define BSMTP_BSMTP_H

#include "bsmtp/reader.h"
#include "spool/spool.h"

struct pack_choice {		/* which of what waits, and when */
	char grade;		/* and better ones; 0: all */
	const char *domain;	/* a pattern; NULL: all */
	int64_t older;		/* microseconds; 0: all */
	bool due;		/* only what makes a batch, or is as old as batch-age */
	bool all;		/* every site */
};

struct bsmtp {
	struct settings settings;
	const struct settings_args *args;
	struct pack_choice choice;
	const struct codec *codec;	/* said by --codec or our name; NULL: not said */
	const char *peer;		/* who vouches for the batch; NULL: nobody does */
	const char *mbox, *maildir, *from, *output, *level;
	const char *format;		/* said by --format; NULL: the site's, or full */
	struct opt_list to;		/* pack: addresses; unpack: a sink */
	bool files, json, frame, reference, label;
	bool again;		/* unpack: also what was unpacked by hand before */
};

/* The sub-commands: args are their operands. */
int pack(const struct bsmtp *b, int count, char **args, struct err *err);
int unpack(const struct bsmtp *b, int count, char **args, struct err *err);
int deliver_to(const struct bsmtp *b, int count, char **args, struct err *err);
int list(const struct bsmtp *b, int count, char **args, struct err *err);
int check(const struct bsmtp *b, int count, char **args, struct err *err);
int cat(const struct bsmtp *b, int count, char **args, struct err *err);
int diff(const struct bsmtp *b, int count, char **args, struct err *err);
int teach(const struct bsmtp *b, int count, char **args, struct err *err);

int usage(struct err *err, const char *what);	/* EX_USAGE */
extern const char bsmtp_usage[];	/* the ways that this build knows (list.c, small-by-hand.c) */
/* Opens a batch to read: NULL or "-" is standard input, else a file, else SITE/NAME in the
 * spool.  Returns a descriptor to close with close_batch(). */
int open_batch(const struct bsmtp *b, const char *name, struct err *err);
void close_batch(int fd);
/* Reads all of a batch, name as above, for those who only look into it. */
int look(const struct bsmtp *b, const char *name, const struct reader_hooks *hooks, void *ctx,
    uint64_t *messages, struct err *err);

#endif
