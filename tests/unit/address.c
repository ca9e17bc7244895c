/* Addresses: what the grammar takes, what it refuses, and where a path ends. */
#include "lib/mail/address.h"

#include <string.h>

#include "tests/unit/unit.h"

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X252 X63 X63 X63 X63
#define DOTTED X63 "." X63 "." X63 "." X63	/* 255 */

static const struct {
	const char *path;	/* what stands behind MAIL FROM: or RCPT TO: */
	unsigned allow;
	const char *address;	/* NULL: refused */
} rows[] = {
	{ "<a@b>", 0, "a@b" },
	{ "<a.b+c=d@x-y.example>", 0, "a.b+c=d@x-y.example" },
	{ "<!#$%&'*+-/=?^_`{|}~@b>", 0, "!#$%&'*+-/=?^_`{|}~@b" },
	{ "<u--t=v.example@h.example>", 0, "u--t=v.example@h.example" },	/* OR-56 */
	{ "<-oQ/x@b>", 0, "-oQ/x@b" },

	/* SMTP-01: refused by grammar, or plain text */
	{ "<;id;>", ADDRESS_NULL, NULL },
	{ "<;id;>", ADDRESS_NULL | ADDRESS_BARE, NULL },
	{ "<`id`@x>", 0, "`id`@x" },
	{ "<$(id)@x>", 0, NULL },
	{ "<|sh@x>", 0, "|sh@x" },
	{ "<\"a;sh\"@x>", 0, "\"a;sh\"@x" },

	/* SMTP-12 */
	{ "<@a,@b:c@d>", 0, "c@d" },
	{ "<@[192.0.2.1]:c@d>", 0, "c@d" },
	{ "<@[IPv6:::1],@b:c@d>", 0, "c@d" },
	{ "<@a,@b:>", ADDRESS_NULL, NULL },
	{ "<@a,b:c@d>", 0, NULL },
	{ "<@a,@b>", 0, NULL },
	{ "<@:c@d>", 0, NULL },
	{ "<@[IPv6:::1:c@d>", 0, NULL },
	{ "<a%b@c>", 0, "a%b@c" },
	{ "<a!b!c>", 0, NULL },
	{ "<a!b!c>", ADDRESS_BARE, "a!b!c" },
	{ "<\"a@b\"@c>", 0, "\"a@b\"@c" },
	{ "<\"a>b\"@c>", 0, "\"a>b\"@c" },
	{ "<\"a\\\"b\"@c>", 0, "\"a\\\"b\"@c" },
	{ "<\"\"@c>", 0, "\"\"@c" },
	{ "<a@[127.0.0.1]>", 0, "a@[127.0.0.1]" },
	{ "<a@[IPv6:::1]>", 0, "a@[IPv6:::1]" },
	{ "<a@[ipv6:2001:db8::1]>", 0, "a@[ipv6:2001:db8::1]" },
	{ "<a@[127.0.0.256]>", 0, NULL },
	{ "<a@[1]>", 0, NULL },
	{ "<a@[]>", 0, NULL },
	{ "<a@[IPv6:zz]>", 0, NULL },
	{ "<a@[127.0.0.1>", 0, NULL },
	{ "<>", ADDRESS_NULL, "" },
	{ "<>", 0, NULL },
	{ "<postmaster>", ADDRESS_POSTMASTER, "postmaster" },
	{ "<PostMaster>", ADDRESS_POSTMASTER, "PostMaster" },
	{ "<postmaster>", 0, NULL },
	{ "<hostmaster>", ADDRESS_POSTMASTER, NULL },
	{ "<" X63 "x@b>", 0, X63 "x@b" },
	{ "<" X63 "xx@b>", 0, X63 "xx@b" },
	{ "<" X252 "xxx@b>", 0, X252 "xxx@b" },
	{ "<" X252 "xxxx@b>", 0, NULL },
	{ "<a@" DOTTED ">", 0, "a@" DOTTED },
	{ "<a@" DOTTED "x>", 0, NULL },
	{ "<a@" X63 "x.b>", 0, NULL },

	/* the relay vectors that are decided by grammar (OR-09, -38, -49 to -52) */
	{ "<t@v@s>", 0, NULL },
	{ "<t@v.>", 0, NULL },
	{ "<t@v @l>", 0, NULL },
	{ "<t@v(@l)>", 0, NULL },
	{ "t@v", 0, NULL },
	{ "<t@v>,<u@l>", 0, "t@v" },	/* "," is left: the caller wants a blank */

	/* dots and hyphens at the ends */
	{ "<.a@b>", 0, NULL }, { "<a.@b>", 0, NULL }, { "<a..b@c>", 0, NULL },
	{ "<a@.b>", 0, NULL }, { "<a@b..c>", 0, NULL }, { "<a@-b>", 0, NULL }, { "<a@b->", 0, NULL },
	{ "<a@b_c>", 0, "a@b_c" },
	{ "<a b@c>", 0, NULL }, { "<@b>", 0, NULL }, { "<a@>", 0, NULL }, { "<a", 0, NULL }, { "", 0, NULL },
	{ "<\"a@b>", 0, NULL }, { "<\"a\"b@c>", 0, NULL }, { "<\"a\nb\"@c>", 0, NULL },
	{ "<\"a\\\nb\"@c>", 0, NULL }, { "<\"\\", 0, NULL }, { "<a@b\n>", 0, NULL }, { "<a\x7f@b>", 0, NULL },

	/* SMTPUTF8 */
	{ "<\xc3\xa4@b>", 0, NULL },
	{ "<\xc3\xa4@\xc3\xb6.example>", ADDRESS_UTF8, "\xc3\xa4@\xc3\xb6.example" },
	{ "<\"\xc3\xa4 x\"@b>", ADDRESS_UTF8, "\"\xc3\xa4 x\"@b" },
	{ "<\xff@b>", ADDRESS_UTF8, NULL },
	{ "<\xc0\xaf@b>", ADDRESS_UTF8, NULL },
	{ "<\xed\xa0\x80@b>", ADDRESS_UTF8, NULL },
	{ "<a@\xc3>", ADDRESS_UTF8, NULL },
};

START_TEST(paths_are_read_as_the_rows_say)
{
	struct span rest = span_of(rows[_i].path), address = {0};
	struct err err = {0};
	int got = address_path(&rest, rows[_i].allow, &address, &err);

	ck_assert_msg((got == 0) == (rows[_i].address != NULL), "%s: %s", rows[_i].path, err.text);
	if (got < 0) {
		ck_assert_int_eq(err.kind, ERR_PERM);
		return;
	}
	ck_assert_msg(span_is(address, rows[_i].address), "%s", rows[_i].path);
	ck_assert_int_eq(address_check(address, rows[_i].allow, &err), 0);
}
END_TEST

/* Every address of two odd characters: none is taken that holds a control, a
 * blank or an angle bracket outside quotes. */
START_TEST(no_odd_character_slips_through)
{
	struct err err;

	for (int c = 0; c < 256; c++) {
		char text[] = { 'a', (char)c, 'b', '@', 'c', '\0' };
		bool taken = address_check((struct span){ text, 5 }, 0, &err) == 0;
		ck_assert_msg(!taken || (c > ' ' && c < 0x7F && strchr("<>()[]:;,\"\\@", c) == NULL),
		    "byte %d", c);
	}
}
END_TEST

UNIT("address",
	{ paths_are_read_as_the_rows_say, ROWS(rows) },
	{ no_odd_character_slips_through, 1 })
