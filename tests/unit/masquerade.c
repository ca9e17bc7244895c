/* spool/masquerade: what our addresses are called elsewhere. */
#include "spool/masquerade.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch s;

static const char out[] =
    "ann@home.lan        ann.smith@isp.example\n"
    "root@home.lan       root@home.lan\n"
    "@home.lan           family@isp.example\n"
    "@attic.home.lan     @isp.example\n"
    "@.home.lan          hosts@isp.example\n"
    "pipe@odd.lan        |/bin/sh\n"
    "@keep.home.lan      @keep.home.lan\n";

static const char in[] = "ann.smith@isp.example ann@home.lan\nfamily@isp.example @home.lan\n";

static void
set_up(void)
{
	static const char *const said[] = { "spool.site=home", "spool.host=home.lan", "addresses.masquerade=file:out",
		"addresses.unmask=file:in", "addresses.extension=+", "addresses.aliases=file:aliases",
		"routes.home.lan=maildir:mail/%u", "routes.hub.example=site:hub", "routes.*=smtp:out.example:25" };

	scratch_make(&s);
	int dir = open(s.root, O_RDONLY | O_DIRECTORY);
	struct err err;
	ck_assert_int_eq(fs_replace(dir, "out", span_of(out), 0600, &err), 0);
	ck_assert_int_eq(fs_replace(dir, "in", span_of(in), 0600, &err), 0);
	ck_assert_int_eq(fs_replace(dir, "aliases", SPAN("far@home.lan x@far.example\nnear@home.lan ann@home.lan\n"), 0600,
	    &err), 0);
	close(dir);
	scratch_begin(&s, said, ROWS(said));
}

static void
tear_down(void)
{
	scratch_close(&s);
}

static const struct { enum masquerade_way way; const char *address, *to; } rows[] = {	/* NULL: it stays; "!": an error */
	{ MASQUERADE_OUT, "ann@home.lan", "ann.smith@isp.example" },
	{ MASQUERADE_OUT, "Ann@HOME.lan", "ann.smith@isp.example" },
	{ MASQUERADE_OUT, "ann+list@home.lan", "ann.smith@isp.example" },
	{ MASQUERADE_OUT, "bob@home.lan", "family@isp.example" },
	{ MASQUERADE_OUT, "root@home.lan", NULL },
	{ MASQUERADE_OUT, "Root@home.lan", NULL },
	{ MASQUERADE_OUT, "x+y@attic.home.lan", "x+y@isp.example" },
	{ MASQUERADE_OUT, "\"a b\"@attic.home.lan", "\"a b\"@isp.example" },
	{ MASQUERADE_OUT, "x@cellar.home.lan", "hosts@isp.example" },
	{ MASQUERADE_OUT, "x@deep.cellar.home.lan", "hosts@isp.example" },
	{ MASQUERADE_OUT, "x@keep.home.lan", NULL },
	{ MASQUERADE_OUT, "x@notathome.lan", NULL },
	{ MASQUERADE_OUT, "carl@far.example", NULL },
	{ MASQUERADE_OUT, "no address", NULL },
	{ MASQUERADE_OUT, "", NULL },
	{ MASQUERADE_OUT, "pipe@odd.lan", "!" },
	{ MASQUERADE_IN, "ann.smith@isp.example", "ann@home.lan" },
	{ MASQUERADE_IN, "family@isp.example", "family@home.lan" },
	{ MASQUERADE_IN, "ann@home.lan", NULL },
};

START_TEST(an_address_is_called_what_the_rows_say)
{
	struct str to = {0};
	struct err err = {0};
	int got = masquerade_address(&s.settings, rows[_i].way, span_of(rows[_i].address), &to, &err);

	if (rows[_i].to != NULL && rows[_i].to[0] == '!') {
		ck_assert_int_lt(got, 0);
		ck_assert_int_eq(err.kind, ERR_CONFIG);
	} else if (rows[_i].to == NULL) {
		ck_assert_int_eq(got, 0);
	} else {
		ck_assert_int_eq(got, 1);
		ck_assert_str_eq(str_c(&to), rows[_i].to);
	}
	str_free(&to);
}
END_TEST

static const struct { const char *to; bool leaves; } leaving[] = {
	{ "bob@home.lan", false }, { "near@home.lan", false }, { "far@home.lan", true }, { "x@hub.example", true },
	{ "x@anywhere.example", true },
};

START_TEST(only_mail_that_leaves_is_masked)
{
	struct envelope env = {0};

	envelope_from(&env, SPAN("ann@home.lan"), SPAN(""));
	envelope_add(&env, SPAN("ann@home.lan"), SPAN(""));
	ck_assert(!masquerade_leaves(&s.settings, &env));
	envelope_add(&env, span_of(leaving[_i].to), SPAN(""));
	ck_assert_int_eq(masquerade_leaves(&s.settings, &env), leaving[_i].leaves);
	envelope_free(&env);
}
END_TEST

START_TEST(a_recipient_is_still_known_as_he_was)
{
	struct envelope env = {0};
	struct err err;

	envelope_from(&env, SPAN("ann.smith@isp.example"), SPAN(""));
	envelope_add(&env, SPAN("ann.smith@isp.example"), SPAN(""));
	envelope_add(&env, SPAN("family@isp.example"), SPAN("NOTIFY=NEVER ORCPT=rfc822;x@y"));
	envelope_add(&env, SPAN("a=b@isp.example"), SPAN(""));
	ck_assert_int_eq(masquerade_envelope(&s.settings, MASQUERADE_IN, &env, &err), 0);
	ck_assert_str_eq(str_c(&env.from), "ann.smith@isp.example");
	ck_assert_str_eq(str_c(&env.rcpt[0].to), "ann@home.lan");
	ck_assert_str_eq(str_c(&env.rcpt[0].args), "ORCPT=rfc822;ann.smith@isp.example");
	ck_assert_str_eq(str_c(&env.rcpt[1].to), "family@home.lan");
	ck_assert_str_eq(str_c(&env.rcpt[1].args), "NOTIFY=NEVER ORCPT=rfc822;x@y");
	ck_assert_str_eq(str_c(&env.rcpt[2].to), "a=b@isp.example");
	ck_assert_str_eq(str_c(&env.rcpt[2].args), "");
	envelope_free(&env);
	envelope_from(&env, SPAN("ann@home.lan"), SPAN("RET=HDRS"));
	envelope_add(&env, SPAN("bob@home.lan"), SPAN(""));
	ck_assert_int_eq(masquerade_envelope(&s.settings, MASQUERADE_OUT, &env, &err), 0);
	ck_assert_str_eq(str_c(&env.from), "ann.smith@isp.example");
	ck_assert_str_eq(str_c(&env.args), "RET=HDRS");
	ck_assert_str_eq(str_c(&env.rcpt[0].to), "bob@home.lan");
	envelope_free(&env);
}
END_TEST

UNIT_WITH("masquerade", set_up, tear_down,
	{ an_address_is_called_what_the_rows_say, ROWS(rows) },
	{ only_mail_that_leaves_is_masked, ROWS(leaving) },
	{ a_recipient_is_still_known_as_he_was, 1 })
