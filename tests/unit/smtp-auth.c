/* lib/proto/smtp-auth: a client says who he is, and to whom. */
#include <check.h>
#include <string.h>

#include "lib/proto/smtp-auth.h"
#include "tests/unit/unit.h"

static const struct {
	const char *offered;
	bool secured, clear, token;
	const char *first;	/* NULL: nothing is said */
} rows[] = {
	{ "PLAIN LOGIN CRAM-MD5", true, false, false, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "login plain", true, false, false, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "LOGIN CRAM-MD5", true, false, false, "AUTH LOGIN\r\n" },
	{ "CRAM-MD5", true, false, false, "AUTH CRAM-MD5\r\n" },
	{ "PLAIN LOGIN CRAM-MD5", false, true, false, "AUTH CRAM-MD5\r\n" },
	{ "PLAIN LOGIN", false, true, false, "AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n" },
	{ "PLAIN LOGIN CRAM-MD5", false, false, false, NULL },
	{ "GSSAPI PLAINER", true, false, false, NULL },
	{ "", true, false, false, NULL },
	{ "PLAIN LOGIN XOAUTH2 OAUTHBEARER", true, false, true,
	    "AUTH OAUTHBEARER bixhPXRpbSwBYXV0aD1CZWFyZXIgdGFuc3RhYWZ0YW5zdGFhZgEB\r\n" },
	{ "XOAUTH2", false, true, true, "AUTH XOAUTH2 dXNlcj10aW0BYXV0aD1CZWFyZXIgdGFuc3RhYWZ0YW5zdGFhZgEB\r\n" },
	{ "XOAUTH2", false, false, true, NULL },
	{ "PLAIN LOGIN CRAM-MD5", true, false, true, NULL },
	{ "XOAUTH2 OAUTHBEARER", true, false, false, NULL },
};

START_TEST(a_mechanism_is_chosen_of_those_offered)
{
	const struct smtp_login login = { "tim", "tanstaaftanstaaf", rows[_i].clear, rows[_i].token };
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
	const struct smtp_login login = { "tim", "tanstaaftanstaaf", false, false };
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
	const struct smtp_login login = { "tim", "secret", false, false };
	struct str out = {0};
	struct err err;

	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 0, SPAN("VXNlcm5hbWU6"), &out, &err), 0);
	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 1, SPAN(""), &out, &err), 0);
	ck_assert_str_eq(str_c(&out), "dGlt\r\nc2VjcmV0\r\n");
	ck_assert_int_eq(smtp_auth_answer(only("LOGIN", &login), &login, 2, SPAN(""), &out, &err), -1);
	ck_assert_int_eq(smtp_auth_answer(only("PLAIN", &login), &login, 1, SPAN(""), &out, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	str_free(&out);
}
END_TEST

/* A name with what OAUTHBEARER parts its words by, and a token that no command has room for. */
START_TEST(a_long_token_waits_to_be_asked_for)
{
	char token[1001] = "";
	struct smtp_login login = { "t=i,m", token, false, true };
	struct str out = {0};
	struct err err;

	memset(token, 'x', sizeof token - 1);
	ck_assert_uint_eq(smtp_auth_begin(only("OAUTHBEARER", &login), &login, &out), 0);
	ck_assert_str_eq(str_c(&out), "AUTH OAUTHBEARER\r\n");
	str_clear(&out);
	ck_assert_int_eq(smtp_auth_answer(only("OAUTHBEARER", &login), &login, 0, SPAN(""), &out, &err), 0);
	ck_assert(strncmp(str_c(&out), "bixhPXQ9M0RpPTJDbSwBYXV0aD1CZWFyZXIge", 37) == 0);
	str_free(&out);
}
END_TEST

/* Why a token is not taken comes as a challenge. */
START_TEST(a_refusal_is_heard_to_its_end)
{
	const struct smtp_login login = { "tim", "secret", false, true };
	const struct { const char *mech, *says; } each[] = { { "OAUTHBEARER", "AQ==\r\n" }, { "XOAUTH2", "\r\n" } };
	struct err err;

	for (size_t i = 0; i < 2; i++) {
		struct str out = {0};
		ck_assert_uint_eq(smtp_auth_begin(only(each[i].mech, &login), &login, &out), 1);
		str_clear(&out);
		ck_assert_int_eq(smtp_auth_answer(only(each[i].mech, &login), &login, 1, SPAN("eyJzdGF0dXMiOiI0MDEifQ=="),
		    &out, &err), 0);
		ck_assert_str_eq(str_c(&out), each[i].says);
		ck_assert_int_eq(smtp_auth_answer(only(each[i].mech, &login), &login, 2, SPAN(""), &out, &err), -1);
		str_free(&out);
	}
}
END_TEST

UNIT("smtp-auth",
	{ a_long_token_waits_to_be_asked_for, 1 },
	{ a_refusal_is_heard_to_its_end, 1 },
	{ a_mechanism_is_chosen_of_those_offered, ROWS(rows) },
	{ cram_md5_is_that_of_the_standard, 1 },
	{ login_says_one_after_the_other_and_no_third, 1 })
