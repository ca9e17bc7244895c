#include "lib/proto/sasl-line.h"

#include <string.h>

#include "lib/mail/base64.h"

static enum sasl_line
read_base64(struct span text, struct sasl_said *said)
{
	int len = base64_read(text, (unsigned char *)str_room(&said->bytes, BASE64_BYTES(text.len) + 1));

	if (len < 0)
		return SASL_LINE_NO_BASE64;
	said->bytes.len = (size_t)len;
	return SASL_LINE_SAID;
}

enum sasl_line
sasl_line_first(const char *listed, struct span args, struct sasl_said *said)
{
	struct span name = span_word(&args), initial = span_trim(args);

	*said = (struct sasl_said){ .nothing = initial.len == 0 };
	if (name.len > SASL_MECHANISM_MAX || !span_lists(span_of(listed), name))
		return SASL_LINE_NO_MECHANISM;
	for (size_t i = 0; i < name.len; i++)
		said->mechanism[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] - 'a' + 'A') : name.p[i];
	if (said->nothing || span_is(initial, "="))	/* "=" is a response of no bytes */
		return SASL_LINE_SAID;
	return read_base64(initial, said);
}

enum sasl_line
sasl_line_next(struct span line, struct sasl_said *said)
{
	*said = (struct sasl_said){0};
	return span_is(line, "*") ? SASL_LINE_CANCELLED : read_base64(line, said);
}

struct span
sasl_said(const struct sasl_said *said)
{
	if (said->nothing)
		return (struct span){0};
	return said->bytes.p != NULL ? str_span(&said->bytes) : (struct span){ "", 0 };
}

const char *
sasl_said_mechanism(const struct sasl_said *said)
{
	return said->mechanism[0] != '\0' ? said->mechanism : NULL;
}

void
sasl_line_free(struct sasl_said *said)
{
	if (said->bytes.p != NULL)
		explicit_bzero(said->bytes.p, said->bytes.size);
	str_free(&said->bytes);
}

void
sasl_line_challenge(struct str *out, const char *before, struct span challenge)
{
	str_add_text(out, before);
	base64_add(out, challenge.p, challenge.len);
	str_add_text(out, "\r\n");
}
