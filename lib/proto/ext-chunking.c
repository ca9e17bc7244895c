/* CHUNKING (RFC 3030): bodies by count instead of by dot. */
#include "lib/proto/smtp-engine.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-verb.h"

/* The chunk comes behind the command whether or not it is wanted.  One whose size
 * cannot be read leaves nowhere to go on from (SMTP-10). */
static void
bdat(struct smtp_server *server, struct span args)
{
	struct span last;
	uint64_t size;

	int bad = span_number(span_word(&args), UINT64_MAX, &size);
	last = span_trim(args);
	if (bad < 0 || (last.len > 0 && !span_is_case(last, "LAST")))
		smtp_die(server, "501 5.5.4 BDAT takes a size, and LAST");
	else
		smtp_body_chunk(server, size, last.len > 0);
}

static const struct smtp_verb verbs[] = {
	{ "BDAT", SMTP_ANY, bdat, VERB_BODY },	/* out of order it still has its chunk: smtp-body.c */
	{0},
};

extern const struct smtp_ext ext_chunking;
const struct smtp_ext ext_chunking = {
	.keyword = "CHUNKING",
	.offer = OFFER_CHUNKING,
	.verbs = verbs,
};
