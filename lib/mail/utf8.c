#include "lib/mail/utf8.h"

#include <string.h>

/* First bytes, how many follow, and the range of the first that follows. */
static const struct lead {
	unsigned char from, to, more, low, high;
} leads[] = {
	{ 0x00, 0x7F, 0, 0, 0 },
	{ 0xC2, 0xDF, 1, 0x80, 0xBF },
	{ 0xE0, 0xE0, 2, 0xA0, 0xBF },
	{ 0xE1, 0xEC, 2, 0x80, 0xBF },
	{ 0xED, 0xED, 2, 0x80, 0x9F },
	{ 0xEE, 0xEF, 2, 0x80, 0xBF },
	{ 0xF0, 0xF0, 3, 0x90, 0xBF },
	{ 0xF1, 0xF3, 3, 0x80, 0xBF },
	{ 0xF4, 0xF4, 3, 0x80, 0x8F },
};

static const struct lead *
lead_of(unsigned char c)
{
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++) {
		if (c >= leads[i].from && c <= leads[i].to)
			return &leads[i];
	}
	return NULL;
}

static bool
within(unsigned char c, unsigned char low, unsigned char high)
{
	return c >= low && c <= high;
}

/* The length of the character at the start of bytes, 0 when there is none. */
static size_t
character(struct span bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	const struct lead *lead = lead_of(p[0]);

	if (lead == NULL || bytes.len < 1u + lead->more)
		return 0;
	for (size_t i = 1; i <= lead->more; i++) {
		if (!within(p[i], i == 1 ? lead->low : 0x80, i == 1 ? lead->high : 0xBF))
			return 0;
	}
	return 1u + lead->more;
}

bool
utf8_ok(struct span bytes)
{
	while (bytes.len > 0) {
		size_t len = character(bytes);
		if (len == 0)
			return false;
		bytes = span_from(bytes, len);
	}
	return true;
}

bool
utf8_is_ascii(struct span bytes)
{
	uint64_t eight, high = 0;
	size_t i = 0;

	for (; i + sizeof eight <= bytes.len && high == 0; i += sizeof eight) {
		memcpy(&eight, bytes.p + i, sizeof eight);
		high |= eight & UINT64_C(0x8080808080808080);
	}
	for (; i < bytes.len && high == 0; i++)
		high |= (unsigned char)bytes.p[i] & 0x80;
	return high == 0;
}
