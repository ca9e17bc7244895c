#include "uucico-ssh/frame.h"

#include <string.h>

static void
skip_to_mark(struct str *packet, char mark)
{
	const char *at = memchr(packet->p + 1, mark, packet->len - 1);

	str_cut(packet, at != NULL ? (size_t)(at - packet->p) : packet->len);
}

/* How many bytes packet will have, as far as is known; what begins none is dropped. */
static size_t
wanted(struct str *packet, char mark, frame_len *len)
{
	while (packet->len >= FRAME_HEAD) {
		size_t whole = len((const unsigned char *)packet->p);
		if (whole > 0)
			return whole;
		skip_to_mark(packet, mark);
	}
	return FRAME_HEAD;
}

bool
frame_take(struct str *packet, char mark, frame_len *len, struct span *rest)
{
	if (packet->len == 0) {
		const char *at = memchr(rest->p, mark, rest->len);
		*rest = span_from(*rest, at != NULL ? (size_t)(at - rest->p) : rest->len);
	}
	struct span part = span_to(*rest, wanted(packet, mark, len) - packet->len);
	str_add_span(packet, part);
	*rest = span_from(*rest, part.len);
	size_t whole = wanted(packet, mark, len);	/* the head may be there now, and be none */
	return packet->len == whole && packet->len >= FRAME_HEAD &&
	    len((const unsigned char *)packet->p) == whole;
}
