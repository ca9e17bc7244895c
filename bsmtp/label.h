/*
 * label - the line in front of a batch that is packed against what both ends have.
 *
 *	mb1 zstd 5 56585 q83vEjRWeJCrze8S ref=1041:CapsMdLk9YA class=family
 *	... one zstd frame ...
 *
 * It ends in LF; its words are one blank apart, and each of them counts: one mail to a
 * batch shall cost hardly more than twenty.
 *
 *	mb1		a batch of mail, format 1; a higher one is ERR_CONFIG: kept untouched
 *	zstd		the codec of what follows
 *	5		messages
 *	56585		bytes of their entries as they are delivered
 *	q83vEj...	the first 12 bytes of SHA-256 of these bytes, in base64; since ids are in
 *			them it is also the batch's name, whatever its file is called
 *	ref=K:CHAIN	packed against the receiver's commits up to number K, the hash chain of
 *			which has these 8 bytes there (base64 without its "=")
 *	dict=N		packed against version N of the dictionary that is shipped (dictionary.h)
 *	class=NAME	whose history it is, and goes to; said nothing: everybody's
 *
 * ref and dict exclude each other; with neither the frame stands by itself.  What is in
 * the frame is the entries as they travel (plain.h); they end in no trailer, because
 * all that a trailer would prove is said here, before a byte is unpacked.
 */
#ifndef BSMTP_LABEL_H
#define BSMTP_LABEL_H

#include "bsmtp/codec.h"
#include "lib/base/digest.h"

enum { LABEL_VERSION = 1, LABEL_SUM = 12, LABEL_CHAIN = 8, LABEL_CLASS = 40, LABEL_MAX = 200 };

struct label {
	const struct codec *codec;
	uint64_t count, len;
	unsigned char sum[LABEL_SUM];
	bool has_ref;
	uint64_t commit;		/* K */
	unsigned char chain[LABEL_CHAIN];
	uint64_t dictionary;		/* N; 0: none */
	char class[LABEL_CLASS + 1];	/* "": none said; else shaped like a site's name */
};

bool label_begins(struct span first);	/* CODEC_MAGIC_MAX bytes or all: is a label here? */
int label_parse(struct span line, struct label *label, struct err *err);	/* without its LF */
void label_line(const struct label *label, struct str *out);	/* with it */

#endif
