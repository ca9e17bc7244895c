/*
 * label - what stands in front of a batch that is packed against what both ends have.
 *
 * Version 1 is read, and no more written; it is one line:
 *
 *	mb1 zstd 5 56585 q83vEjRWeJCrze8S ref=1041:CapsMdLk9YA:1024 class=family
 *	... one zstd frame ...
 *
 * It ends in LF; its words are one blank apart.
 *
 *	mb1		a batch of mail, format 1; a higher one is ERR_CONFIG: kept untouched
 *	zstd		the codec of what follows
 *	5		messages
 *	56585		bytes of their entries as they are delivered
 *	q83vEj...	the first 12 bytes of SHA-256 of these bytes, in base64; since ids are in
 *			them it is also the batch's name, whatever its file is called
 *	ref=K:CHAIN:N	packed against history (spool/ring.h): the last N times 4 KiB of it, up
 *			to the receiver's commit number K, the hash chain of which has these 8
 *			bytes there (base64 without its "=")
 *	at=K:CHAIN	not packed against it, but the sender knows of commits up to that one
 *	dict=N		packed against version N of the dictionary that is shipped (dictionary.h); with
 *			ref, its file from byte 8 on stands in front of the history, both one prefix
 *	class=NAME	whose history it is, and goes to; said nothing: everybody's
 *	keep=0		it is too large to be history
 *	have=K:N:...	of the other direction: my last commit of yours is number K, and I keep N times
 *			4 KiB; then, in one base64, the chain there and the names of my last
 *			commits, 8 bytes each, of which the last is K
 *	lost=...	names of batches that I could not unpack, since I have not what they refer
 *			to: pack their messages again against nothing
 *
 * Versions 2 to 5 say the same in half of the bytes, because one mail to a batch shall cost hardly
 * more than twenty.  Numbers are 7 bits a byte, the lowest first, and 128 on all but the last:
 *
 *	148		version 4, a byte with which no text begins; 147 was 3, 146 was 2; 149 is 5, and
 *			from there to 159 it is a higher one, ERR_CONFIG
 *	flags		1: codec mix, 2: zstd in brief, else zstd; 4: dictionary 1, which is not said again;
 *			8: ref, 16: at, 32: dict, 64: words, 128: one message
 *	count, length	numbers; one message is not counted
 *	8 bytes		of SHA-256
 *	ref: K, 2 bytes of the chain, N		enough to tell a history from another one: that
 *			the bytes are right, the sum says.  N is one byte, 8 e + m: m for an e of 0, else
 *			8 + m times 2 to the power e - 1
 *	at: K, 8 bytes of the chain
 *	dict: N
 *	words: class, keep, have, lost as above, each behind a blank, and LF
 *
 * In versions 2 and 3 N is a number, and there is no flag 4.  Version 5 is of codec mix alone: it says the
 * same as 4, and that the stream is of the model that lib/mail/mix.h has now; up to 4 it is of the first one.
 * All others are written as 4 still, which more can read.
 *
 * A zstd frame behind it has lost its first 4 bytes, which are the same in all of them; in
 * brief, which version 2 did not know, all that stands in front of its one block (codec.h).
 * From version 4 on, with ref and dict both, all of the dictionary's file stands in front of
 * the history, and its tables count.
 *
 * ref excludes at; with neither dict nor ref the frame stands by itself.  A batch of
 * no messages carries words only.  What is in
 * the frame is the entries as they travel (plain.h); they end in no trailer, because
 * all that a trailer would prove is said here, before a byte is unpacked.
 */
#ifndef BSMTP_LABEL_H
#define BSMTP_LABEL_H

#include "bsmtp/codec.h"
#include "lib/base/digest.h"
#include "spool/ring.h"

enum {
	LABEL_VERSION = 5, LABEL_SUM = 12, LABEL_CLASS = 40, LABEL_LOST = 8,
	LABEL_UNIT = 4096,		/* of history */
	LABEL_CHAIN = 2,
	LABEL_NAME = 8,
	LABEL_MAX = 1200,
};

struct label {
	unsigned version;		/* 0: the one that is written, of mix LABEL_VERSION, else 4 */
	const struct codec *codec;
	bool brief, tables, first;	/* codec_setup's */
	uint64_t count, len;
	unsigned char sum[LABEL_SUM];	/* from version 2 on LABEL_NAME bytes of it */
	bool has_ref, has_at;
	struct ring_mark mark;		/* K:CHAIN of either */
	bool part;			/* of the chain only its first LABEL_CHAIN bytes were said */
	uint64_t units;			/* of history that it is packed against: label_units() of it */
	uint64_t dictionary;		/* N; 0: none */
	char class[LABEL_CLASS + 1];	/* "": none said; else shaped like a site's name */
	bool not_kept;
	bool has_have;
	struct ring_word have;		/* its size in bytes */
	uint64_t lost[LABEL_LOST];
	size_t losts;
};

bool label_vouches(const struct label *label, const unsigned char sum[DIGEST_SIZE]);
uint64_t label_name(const struct label *label);	/* the first 8 bytes of sum: ring.h knows it so */

uint64_t label_units(uint64_t len);	/* as many as can be said, and are in so many bytes of history */

bool label_begins(struct span first);	/* CODEC_MAGIC_MAX bytes or all: is a label here? */
/* Takes it off the front of bytes: 1.  0: more of them are needed. */
int label_take(struct span *bytes, struct label *label, struct err *err);
void label_put(const struct label *label, struct str *out);
void label_show(const struct label *label, struct str *out);	/* as a line, for people */
int label_without(const struct label *label, const char *why, struct err *err);	/* -1: its history " is not here" */

#endif
