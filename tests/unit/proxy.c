/* The header of a proxy, whole and byte by byte; AUTH-06. */
#include "lib/proto/proxy.h"

#include "tests/unit/unit.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define SAID(text) { text, sizeof text - 1 }

static const struct {
	struct span said;
	const char *found;	/* "ip port|what stands behind it"; "" for the proxy's own; NULL: no header */
} rows[] = {
	{ SAID("PROXY TCP4 192.0.2.7 192.0.2.1 56324 25\r\nEHLO x\r\n"), "192.0.2.7 56324|EHLO x\r\n" },
	{ SAID("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"), "2001:db8::7 0|" },
	{ SAID("PROXY UNKNOWN\r\nEHLO"), "|EHLO" },
	{ SAID("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), "|" },
	{ SAID("PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n"), NULL },
	{ SAID("PROXY TCP4 192.0.2.7 192.0.2.1 56324 25 1\r\n"), NULL },
	{ SAID("PROXY TCP4 2001:db8::7 ::1 1 2\r\n"), NULL },
	{ SAID("PROXY TCP4 192.0.2.256 192.0.2.1 1 2\r\n"), NULL },
	{ SAID("PROXY TCP4 192.0.2.7 192.0.2.1 65536 2\r\n"), NULL },
	{ SAID("PROXY TCP4 192.0.2.7 192.0.2.1 -1 2\r\n"), NULL },
	{ SAID("PROXY TCP4  192.0.2.7 192.0.2.1 1 2\r\n"), NULL },
	{ SAID("PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n"), NULL },
	{ SAID("PROXY\r\n"), NULL }, { SAID("EHLO x\r\n"), NULL }, { SAID("\n"), NULL }, { SAID("\x16\x03\x01"), NULL },
	{ SAID("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
	  NULL },
	{ SAID(V2 "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\xdc\4\0\x19" "EHLO x\r\n"), "192.0.2.7 56324|EHLO x\r\n" },
	{ SAID(V2 "\x21\x11\0\x0f\xc0\0\2\7\xc0\0\2\1\xdc\4\0\x19\x04\0\0" "!"), "192.0.2.7 56324|!" },
	{ SAID(V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\x19\0\x19"),
	  "2001:db8::7 25|" },
	{ SAID(V2 "\x20\0\0\0" "QUIT"), "|QUIT" },
	{ SAID(V2 "\x21\x11\0\x0b\xc0\0\2\7\xc0\0\2\1\xdc\4\0"), NULL },
	{ SAID(V2 "\x21\x12\0\x0c\xc0\0\2\7\xc0\0\2\1\xdc\4\0\x19"), NULL },
	{ SAID(V2 "\x11\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\xdc\4\0\x19"), NULL },
	{ SAID(V2 "\x22\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\xdc\4\0\x19"), NULL },
	{ SAID(V2 "\x21\x11\xff\xff"), NULL },
	{ SAID("\r\n\r\n\r\nQUIT\n"), NULL }, { SAID("\r\n\r\nx"), NULL },
};

static int
feed(struct proxy *proxy, struct span *rest, size_t step, struct err *err)
{
	int got = 0;

	while (got == 0 && rest->len > 0) {
		struct span piece = span_to(*rest, step > 0 ? step : rest->len);
		size_t len = piece.len;
		got = proxy_feed(proxy, &piece, err);
		*rest = span_from(*rest, len - piece.len);
	}
	return got;
}

START_TEST(it_says_who_is_behind_it)
{
	for (size_t step = 0; step <= 3; step++) {
		struct proxy proxy = {0};
		struct span rest = rows[_i].said;
		struct str found = {0};
		struct err err = {0};
		int got = feed(&proxy, &rest, step, &err);
		ck_assert_int_eq(got, rows[_i].found != NULL ? 1 : -1);
		if (proxy.named)
			str_printf(&found, "%s %s", str_c(&proxy.ip), str_c(&proxy.port));
		str_add_char(&found, '|');
		str_add_span(&found, rest);
		if (got > 0)
			ck_assert_str_eq(str_c(&found), rows[_i].found);
		str_free(&found);
		proxy_free(&proxy);
	}
}
END_TEST

START_TEST(a_header_that_is_cut_is_waited_for)
{
	for (size_t len = 0; len < 16; len++) {
		struct proxy proxy = {0};
		struct span rest = span_to(rows[_i].said, len);
		struct err err = {0};
		ck_assert_int_eq(feed(&proxy, &rest, 0, &err), 0);
		ck_assert_uint_eq(rest.len, 0);
		proxy_free(&proxy);
	}
}
END_TEST

UNIT("proxy",
	{ it_says_who_is_behind_it, ROWS(rows) },
	{ a_header_that_is_cut_is_waited_for, 2 })
