#include "lib/mail/base64.h"

#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of each letter, and one more, so that 0 is none. */
static const unsigned char values[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
	50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62,
	['+'] = 63, ['/'] = 64,
};

static void
write_four(const unsigned char *in, size_t len, char *out)
{
	unsigned bits = (unsigned)in[0] << 16 | (len > 1 ? (unsigned)in[1] << 8 : 0) | (len > 2 ? in[2] : 0);

	out[0] = letters[bits >> 18];
	out[1] = letters[bits >> 12 & 63];
	out[2] = len > 1 ? letters[bits >> 6 & 63] : '=';
	out[3] = len > 2 ? letters[bits & 63] : '=';
}

size_t
base64_write(const void *bytes, size_t len, char *out)
{
	const unsigned char *in = bytes;
	size_t written = 0;

	for (; len >= 3; written += 4, in += 3, len -= 3) {
		unsigned bits = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
		const char four[] = { letters[bits >> 18], letters[bits >> 12 & 63], letters[bits >> 6 & 63],
			letters[bits & 63] };
		memcpy(out + written, four, 4);
	}
	for (; len > 0; written += 4) {
		size_t three = len < 3 ? len : 3;
		write_four(in, three, out + written);
		in += three;
		len -= three;
	}
	return written;
}

void
base64_add(struct str *out, const void *bytes, size_t len)
{
	out->len += base64_write(bytes, len, str_room(out, BASE64_LETTERS(len)));
}

/* Four letters, the last of which may be "=": how many bytes, or -1. */
static int
read_four(const unsigned char *in, unsigned char *out)
{
	unsigned bits = 0;
	int bytes = in[3] != '=' ? 3 : in[2] != '=' ? 2 : 1;

	for (int i = 0; i < 4; i++) {
		unsigned value = values[in[i]];
		if (value == 0 && i <= bytes)
			return -1;
		bits = bits << 6 | (value > 0 ? value - 1 : 0);
	}
	if ((bits & (0xffffffu >> 8 * bytes)) != 0)
		return -1;
	out[0] = (unsigned char)(bits >> 16);
	if (bytes > 1)
		out[1] = (unsigned char)(bits >> 8);
	if (bytes > 2)
		out[2] = (unsigned char)bits;
	return bytes;
}

int
base64_read(struct span text, unsigned char *out)
{
	const unsigned char *in = (const unsigned char *)text.p;
	int total = 0;

	if (text.len % 4 != 0)
		return -1;
	for (size_t at = 0; at < text.len; at += 4) {
		const unsigned a = values[in[at]], b = values[in[at + 1]], c = values[in[at + 2]], d = values[in[at + 3]];
		if (a > 0 && b > 0 && c > 0 && d > 0) {		/* but for the last ones */
			unsigned bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
			out[total] = (unsigned char)(bits >> 16);
			out[total + 1] = (unsigned char)(bits >> 8);
			out[total + 2] = (unsigned char)bits;
			total += 3;
			continue;
		}
		int bytes = read_four(in + at, out + total);
		if (bytes < 0 || (bytes < 3 && at + 4 < text.len))
			return -1;
		total += bytes;
	}
	return total;
}
