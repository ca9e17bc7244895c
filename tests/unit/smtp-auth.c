/* lib/proto/smtp-auth: a client says who he is, and to whom. */
#include <check.h>
#include <string.h>

#include "lib/proto/smtp-auth.h"
#include "tests/unit/unit.h"

static const struct {
	const char *offered;
	bool secured, clear;
	const char *first;	/* NULL: nothing is said */
} rows[] = {
	{ "PLAIN LOGIN CRAM-MD5", true, false, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "login plain", true, false, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "LOGIN CRAM-MD5", true, false, "AUTH LOGIN\r\n" },
	{ "CRAM-MD5", true, false, "AUTH CRAM-MD5\r\n" },
	{ "PLAIN LOGIN CRAM-MD5", false, true, "AUTH CRAM-MD5\r\n" },
	{ "PLAIN LOGIN", false, true, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "PLAIN LOGIN CRAM-MD5", false, false, NULL },
	{ "GSSAPI PLAINER", true, false, NULL },
	{ "", true, false, NULL },
};

START_TEST(a_mechanism_is_chosen_of_those_offered)
{
	const struct smtp_login login = { "tim", "tanstaaftanstaaf", rows[_i].clear };
	struct str out = {0};
	struct err err = {0};
	const struct smtp_mech *mech = smtp_auth_choose(&login, span_of(rows[_i].offered), rows[_i].secured, &err);

	ck_assert_int_eq(mech != NULL, rows[_i].first != NULL);
	if (mech == NULL) {
		ck_assert_int_eq(err.kind, ERR_TEMP);
		return;
	}
	smtp_auth_begin(mech, &login, &out);
	ck_assert_str_eq(str_c(&out), rows[_i].first);
	str_free(&out);
}
END_TEST

static const struct smtp_mech *
only(const char *name, const struct smtp_login *login)
{
	struct err err;
	const struct smtp_mech *mech = smtp_auth_choose(login, span_of(name), true, &err);

	ck_assert_ptr_nonnull(mech);
	return mech;
}

/* RFC 2195 2. */
START_TEST(cram_md5_is_that_of_the_standard)
{
	const struct smtp_login login = { "tim", "tanstaaftanstaaf", false };
	struct str out = {0};
	struct err err;

	ck_assert_int_eq(smtp_auth_answer(only("CRAM-MD5", &login), &login, 0,
	    SPAN("PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"), &out, &err), 0);
	ck_assert_str_eq(str_c(&out), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n");
	ck_assert_int_eq(smtp_auth_answer(only("CRAM-MD5", &login), &login, 1, SPAN(""), &out, &err), -1);
	ck_assert_int_eq(smtp_auth_answer(only("CRAM-MD5", &login), &login, 0, SPAN("no base64"), &out, &err), -1);
	str_free(&out);
}
END_TEST

START_TEST(login_says_one_after_the_other_and_no_third)
{
	const struct smtp_login login = { "tim", "secret", false };
	struct str out = {0};
	struct err err;

	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 0, SPAN("VXNlcm5hbWU6"), &out, &err), 0);
	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 1, SPAN(""), &out, &err), 0);
	ck_assert_str_eq(str_c(&out), "dGlt\r\nc2VjcmV0\r\n");
	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 2, SPAN(""), &out, &err), -1);
	ck_assert_int_eq(smtp_auth_answer(only("PLAIN", &login), &login, 0, SPAN(""), &out, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	str_free(&out);
}
END_TEST

UNIT("smtp-auth",
	{ a_mechanism_is_chosen_of_those_offered, ROWS(rows) },
	{ cram_md5_is_that_of_the_standard, 1 },
	{ login_says_one_after_the_other_and_no_third, 1 })
