#include "bsmtp/trailer.h"

#include <string.h>

#define WORD "mochila-batch "
#define BEGIN "NOOP " WORD
#define END "\nQUIT\n"

enum { SUM_BYTES = 8 };

void
trailer_lines(uint64_t count, const struct digest *digest, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];

	digest_peek(digest, sum);
	str_printf(out, BEGIN "count=%llu sum=", (unsigned long long)count);
	digest_hex(sum, SUM_BYTES, out);
	str_add_text(out, END);
}

bool
trailer_noop(struct span text)
{
	return span_is(span_word(&text), "mochila-batch");
}

void
trailer_start(struct trailer *trailer)
{
	*trailer = (struct trailer){0};
	digest_start(&trailer->digest);
}

void
trailer_add(struct trailer *trailer, const void *bytes, size_t len)
{
	if (len >= TRAILER_MAX) {
		const char *last = (const char *)bytes + len - TRAILER_MAX;
		digest_add(&trailer->digest, trailer->tail, trailer->held);
		digest_add(&trailer->digest, bytes, len - TRAILER_MAX);
		memcpy(trailer->tail, last, TRAILER_MAX);
		trailer->held = TRAILER_MAX;
		return;
	}
	size_t over = trailer->held + len > TRAILER_MAX ? trailer->held + len - TRAILER_MAX : 0;
	digest_add(&trailer->digest, trailer->tail, over);
	memmove(trailer->tail, trailer->tail + over, trailer->held - over);
	memcpy(trailer->tail + trailer->held - over, bytes, len);
	trailer->held += len - over;
}

static bool
find_begin(const struct trailer *trailer, size_t *at)
{
	struct span tail = { trailer->tail, trailer->held };

	for (size_t i = tail.len; i-- > 0; )
		if (span_begins(span_from(tail, i), BEGIN)) {
			*at = i;
			return true;
		}
	return false;
}

static int
parse_count(struct span line, uint64_t *count)
{
	struct span word = span_word(&line);

	return span_begins(word, "count=") ?
	    span_number(span_from(word, strlen("count=")), UINT64_MAX, count) : -1;
}

/* Its lines end in LF, or in CRLF where the whole batch does. */
static bool
same_lines(struct span said, struct span expected)
{
	struct str lines = {0};

	for (size_t i = 0; i < said.len; i++)
		if (said.p[i] != '\r' || i + 1 == said.len || said.p[i + 1] != '\n')
			str_add_char(&lines, said.p[i]);
	bool same = span_same(str_span(&lines), expected);
	str_free(&lines);
	return same;
}

int
trailer_end(struct trailer *trailer, uint64_t *count, struct err *err)
{
	struct str expected = {0};
	size_t at;

	if (!find_begin(trailer, &at))
		return 0;
	struct span said = { trailer->tail + at, trailer->held - at };
	if (parse_count(span_from(said, strlen(BEGIN)), count) < 0)
		return err_set(err, ERR_PERM, "altered: its trailer cannot be read");
	digest_add(&trailer->digest, trailer->tail, at);
	trailer_lines(*count, &trailer->digest, &expected);
	bool same = same_lines(said, str_span(&expected));
	str_free(&expected);
	return same ? 1 : err_set(err, ERR_PERM, "altered: its bytes are not those the trailer vouches for");
}

void
trailer_free(struct trailer *trailer)
{
	digest_free(&trailer->digest);
}
