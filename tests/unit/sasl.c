/* lib/proto/sasl: who proves himself by which words; libgsasl is the client of its mechanisms. */
#include "lib/proto/sasl.h"

#if HAVE_GSASL
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/digest.h"
#include "lib/mail/base64.h"
#include "tests/unit/unit.h"

/* The user "user" with the password "pencil" (RFC 7677 section 3, RFC 5802 section 5). */
static const struct { const char *scheme, *secret; } stored[] = {
	{ "{SCRAM-SHA-256}", "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
	  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=" },
	{ "{SCRAM-SHA-1}", "4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=" },
	{ "{PLAIN}", "pencil" },
};

static const char *certificate;
static bool trouble;

static int
hook_secret(void *ctx, struct span user, const char *scheme, struct str *secret, struct err *err)
{
	(void)ctx;
	if (trouble)
		return err_set(err, ERR_TEMP, "the file cannot be read");
	if (span_is(user, "states") && strcmp(scheme, "{HMAC-MD5}") == 0) {
		unsigned char states[2 * DIGEST_MD5_SIZE];
		digest_hmac_md5_states(SPAN("pencil"), states);
		base64_add(secret, states, sizeof states);
		return 1;
	}
	for (size_t i = 0; i < ROWS(stored) && span_is(user, "user"); i++) {
		if (strcmp(stored[i].scheme, scheme) != 0)
			continue;
		str_add_text(secret, stored[i].secret);
		return 1;
	}
	return 0;
}

static const char *
hook_external(void *ctx)
{
	(void)ctx;
	return certificate;
}

static void
hook_binding(void *ctx, struct str *base64)
{
	(void)ctx;
	str_add_text(base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

static const struct sasl_hooks hooks = { hook_secret, hook_external, hook_binding };

/* mechanism | each answer of the client | what comes of it, and user, password then.  "-": nothing is
 * said yet. */
#define BYTES(text) { text, sizeof text - 1 }
static const struct {
	const char *mechanism;
	struct { const char *p; size_t len; } said[3];
	int result;
	const char *user, *pass;
	bool token;
} rows[] = {
	{ "PLAIN", { BYTES("\0bob\0secret ") }, SASL_CHECK, "bob", "secret ", false },
	{ "plain", { BYTES("-"), BYTES("bob\0bob\0x") }, SASL_CHECK, "bob", "x", false },
	{ "PLAIN", { BYTES("ann\0bob\0x") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("\0bob\0") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("\0\0x") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("bob\0x") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("bob") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("\0bob\0x\0y") }, SASL_NO, "", "", false },
	{ "PLAIN", { BYTES("\0bob\nroot\0x") }, SASL_NO, "", "", false },
	{ "LOGIN", { BYTES("-"), BYTES("bob"), BYTES("secret ") }, SASL_CHECK, "bob", "secret ", false },
	{ "LOGIN", { BYTES("bob"), BYTES("x") }, SASL_CHECK, "bob", "x", false },
	{ "LOGIN", { BYTES("-"), BYTES("bob"), BYTES("") }, SASL_NO, "", "", false },
	{ "LOGIN", { BYTES("-"), BYTES("b\0b"), BYTES("x") }, SASL_NO, "", "", false },
	{ "EXTERNAL", { BYTES("") }, SASL_YES, "ann@home.example", "", false },
	{ "EXTERNAL", { BYTES("-"), BYTES("ann@home.example") }, SASL_YES, "ann@home.example", "", false },
	{ "EXTERNAL", { BYTES("root") }, SASL_NO, "", "", false },
	{ "XOAUTH2", { BYTES("user=bob@x.example\1auth=Bearer abc\1\1") }, SASL_CHECK, "bob@x.example", "abc", true },
	{ "XOAUTH2", { BYTES("user=bob@x.example\1\1") }, SASL_NO, "", "", false },
	{ "OAUTHBEARER", { BYTES("n,a=bob@x.example,\1host=h\1port=25\1auth=Bearer abc\1\1") }, SASL_CHECK,
	  "bob@x.example", "abc", true },
	{ "OAUTHBEARER", { BYTES("n,a=b=3Do=2Cb,\1auth=Bearer abc\1\1") }, SASL_CHECK, "b=o,b", "abc", true },
	{ "OAUTHBEARER", { BYTES("n,a=b=00b,\1auth=Bearer abc\1\1") }, SASL_NO, "", "", false },
	{ "OAUTHBEARER", { BYTES("n,,\1auth=Bearer abc\1\1") }, SASL_NO, "", "", false },
	{ "OAUTHBEARER", { BYTES("") }, SASL_NO, "", "", false },
	{ "KERBEROS_V4", { BYTES("x") }, SASL_NO, "", "", false },
	{ "SCRAM-SHA-256", { BYTES("x") }, SASL_NO, "", "", false },
	{ "SCRAM-SHA-256", { BYTES("n,,n=user,r=abc"), BYTES("c=biws,r=xyz,p=AAAA") }, SASL_NO, "user", "", false },
	{ "SCRAM-SHA-1", { BYTES("") }, SASL_MORE, "", "", false },
	{ "CRAM-MD5", { BYTES("-"), BYTES("user 00000000000000000000000000000000") }, SASL_NO, "user", "", false },
	{ "CRAM-MD5", { BYTES("-"), BYTES("") }, SASL_NO, "", "", false },
	{ "CRAM-MD5", { BYTES("user 00000000000000000000000000000000") }, SASL_NO, "", "", false },
	{ "CRAM-MD5", { BYTES("-"), BYTES(" 00000000000000000000000000000000") }, SASL_NO, "", "", false },
};

START_TEST(exchanges_end_as_the_rows_say)
{
	struct sasl sasl = { .hooks = &hooks };
	struct err err = {0};
	int result = SASL_MORE;

	certificate = "ann@home.example";
	for (size_t i = 0; i < 3 && result == SASL_MORE; i++) {
		struct str challenge = {0};
		bool silent = i == 0 && rows[_i].said[0].len == 1 && rows[_i].said[0].p[0] == '-';
		struct span said = silent ? (struct span){0} : (struct span){ rows[_i].said[i].p, rows[_i].said[i].len };
		result = sasl_step(&sasl, i == 0 ? rows[_i].mechanism : NULL, said, &challenge, &err);
		str_free(&challenge);
	}
	ck_assert_int_eq(result, rows[_i].result);
	if (result != SASL_NO) {
		ck_assert_str_eq(str_c(&sasl.user), rows[_i].user);
		ck_assert_str_eq(str_c(&sasl.pass), rows[_i].pass);
		ck_assert_int_eq(sasl.token, rows[_i].token);
	}
	sasl_free(&sasl);
}
END_TEST

START_TEST(without_a_certificate_nobody_is_external)
{
	struct sasl sasl = { .hooks = &hooks };
	struct str challenge = {0};
	struct err err;

	certificate = NULL;
	ck_assert_int_eq(sasl_step(&sasl, "EXTERNAL", SPAN(""), &challenge, &err), SASL_NO);
	certificate = "";
	ck_assert_int_eq(sasl_step(&sasl, "EXTERNAL", SPAN(""), &challenge, &err), SASL_NO);
	sasl_free(&sasl);
}
END_TEST

/* A whole exchange with libgsasl as the client. */
static int
converse(const char *mechanism, const char *user, const char *pass, const char *for_whom, const char *binding,
    struct str *who)
{
	struct sasl sasl = { .hooks = &hooks };
	struct err err = {0};
	Gsasl *gsasl;
	Gsasl_session *client;
	struct str challenge = {0};
	int result = SASL_MORE;
	bool speaks_first = strncmp(mechanism, "SCRAM", 5) == 0;

	ck_assert_int_eq(gsasl_init(&gsasl), GSASL_OK);
	ck_assert_int_eq(gsasl_client_start(gsasl, mechanism, &client), GSASL_OK);
	gsasl_property_set(client, GSASL_AUTHID, user);
	gsasl_property_set(client, GSASL_PASSWORD, pass);
	if (for_whom != NULL)
		gsasl_property_set(client, GSASL_AUTHZID, for_whom);
	if (strstr(mechanism, "-PLUS") != NULL)
		gsasl_property_set(client, GSASL_CB_TLS_EXPORTER, binding);
	if (!speaks_first)
		result = sasl_step(&sasl, mechanism, (struct span){0}, &challenge, &err);
	for (int i = 0; i < 5 && result == SASL_MORE; i++) {
		char *out = NULL;
		size_t len = 0;
		int said = gsasl_step(client, challenge.p, challenge.len, &out, &len);
		if (said != GSASL_OK && said != GSASL_NEEDS_MORE) {
			gsasl_free(out);
			result = SASL_NO;	/* it does not believe us */
			break;
		}
		str_clear(&challenge);
		result = sasl_step(&sasl, i == 0 && speaks_first ? mechanism : NULL,
		    (struct span){ len > 0 ? out : "", len }, &challenge, &err);
		gsasl_free(out);
	}
	if (result == SASL_YES)
		str_set_span(who, str_span(&sasl.user));
	gsasl_finish(client);
	gsasl_done(gsasl);
	str_free(&challenge);
	sasl_free(&sasl);
	return result;
}

#define OURS "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
static const struct { const char *mechanism, *user, *pass, *for_whom; int result; const char *binding; } talks[] = {
	{ "SCRAM-SHA-256-PLUS", "user", "pencil", NULL, SASL_YES, OURS },
	{ "SCRAM-SHA-1-PLUS", "user", "pencil", NULL, SASL_YES, OURS },
	/* somebody between us has two connections */
	{ "SCRAM-SHA-256-PLUS", "user", "pencil", NULL, SASL_NO, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHhA=" },
	{ "SCRAM-SHA-256", "user", "pencil", NULL, SASL_YES, NULL },
	{ "SCRAM-SHA-1", "user", "pencil", NULL, SASL_YES, NULL },
	{ "CRAM-MD5", "user", "pencil", NULL, SASL_YES, NULL },
	{ "CRAM-MD5", "states", "pencil", NULL, SASL_YES, NULL },
	{ "CRAM-MD5", "states", "pencils", NULL, SASL_NO, NULL },
	{ "SCRAM-SHA-256", "user", "pencils", NULL, SASL_NO, NULL },
	{ "SCRAM-SHA-1", "user", "pencils", NULL, SASL_NO, NULL },
	{ "CRAM-MD5", "user", "pencils", NULL, SASL_NO, NULL },
	{ "SCRAM-SHA-256", "nobody", "pencil", NULL, SASL_NO, NULL },
	{ "SCRAM-SHA-1", "nobody", "pencil", NULL, SASL_NO, NULL },
	{ "CRAM-MD5", "nobody", "pencil", NULL, SASL_NO, NULL },
	{ "SCRAM-SHA-256", "user", "pencil", "user", SASL_YES, NULL },
	{ "SCRAM-SHA-256", "user", "pencil", "root", SASL_NO, NULL },
};

START_TEST(who_knows_the_secret_proves_it_without_telling)
{
	struct str who = {0};

	ck_assert_int_eq(converse(talks[_i].mechanism, talks[_i].user, talks[_i].pass, talks[_i].for_whom,
	    talks[_i].binding, &who),
	    talks[_i].result);
	if (talks[_i].result == SASL_YES)
		ck_assert_str_eq(str_c(&who), talks[_i].user);
	str_free(&who);
}
END_TEST

START_TEST(a_user_that_is_not_there_is_asked_the_same_each_time)
{
	struct str first = {0}, second = {0}, other = {0}, known = {0}, after = {0}, elsewhere = {0};
	struct str *const challenges[] = { &first, &second, &other, &known, &after, &elsewhere };
	const char *const said[] = { "n,,n=nobody,r=abc", "n,,n=noBODY,r=abc", "n,,n=nobody2,r=abc", "n,,n=user,r=abc",
		"n,,n=nobody,r=abc", "n,,n=nobody,r=abc" };
	unsigned char key[SASL_KEY_SIZE] = "the relay keeps it in its root";
	struct err err;

	for (size_t i = 0; i < ROWS(said); i++) {
		/* The last but one comes after a restart, with the key that was kept; the last one at another host. */
		key[0] = i < 5 ? 't' : 'x';
		if (i == 0 || i > 3)
			sasl_nobody(key);
		struct sasl sasl = { .hooks = &hooks };
		ck_assert_int_eq(sasl_step(&sasl, "SCRAM-SHA-256", span_of(said[i]), challenges[i], &err), SASL_MORE);
		sasl_free(&sasl);
	}
	const char *salt = strstr(str_c(&first), ",s="), *again = strstr(str_c(&second), ",s="),
	    *restarted = strstr(str_c(&after), ",s=");
	ck_assert_ptr_nonnull(salt);
	ck_assert_str_eq(salt, again);
	ck_assert_str_eq(salt, restarted);
	ck_assert_str_ne(salt, strstr(str_c(&elsewhere), ",s="));
	ck_assert_str_ne(salt, strstr(str_c(&other), ",s="));
	/* as long as a real one, and with as many rounds */
	ck_assert_uint_eq(strcspn(salt + 3, ","), strcspn(strstr(str_c(&known), ",s=") + 3, ","));
	ck_assert_str_eq(strstr(str_c(&first), ",i="), strstr(str_c(&known), ",i="));
	for (size_t i = 0; i < ROWS(said); i++)
		str_free(challenges[i]);
}
END_TEST

/* What one of somebody's wrong answers costs, in processor time: nobody else's work is in it. */
static int64_t
cost_of(const char *mechanism, const char *user)
{
	struct sasl sasl = { .hooks = &hooks };
	struct str first = {0}, challenge = {0}, last = {0};
	struct timespec began, ended;
	struct err err;
	bool cram = strcmp(mechanism, "CRAM-MD5") == 0;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &began);
	str_printf(&first, "n,,n=%s,r=abc", user);
	int result = sasl_step(&sasl, mechanism, cram ? (struct span){0} : str_span(&first), &challenge, &err);
	ck_assert_int_eq(result, SASL_MORE);
	const char *nonce = strstr(str_c(&challenge), "r=");
	if (cram)
		str_printf(&last, "%s 00000000000000000000000000000000", user);
	else
		str_printf(&last, "c=biws,%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", (int)strcspn(nonce, ","), nonce);
	str_clear(&challenge);
	ck_assert_int_eq(sasl_step(&sasl, NULL, str_span(&last), &challenge, &err), SASL_NO);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	sasl_free(&sasl);
	str_free(&first);
	str_free(&challenge);
	str_free(&last);
	return (ended.tv_sec - began.tv_sec) * 1000000000LL + ended.tv_nsec - began.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
	const int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

	return one < other ? -1 : one > other;
}

static const char *const timed[] = { "CRAM-MD5",
#if HAVE_GSASL
	"SCRAM-SHA-256",
#endif
};

/* AUTH-03: medians of pairs, side by side; a hash that one of them did without would be tenfold. */
START_TEST(an_unknown_user_costs_what_a_wrong_answer_costs)
{
	enum { PAIRS = 301 };
	int64_t known[PAIRS], nobody[PAIRS];

	for (size_t i = 0; i < PAIRS; i++) {
		known[i] = cost_of(timed[_i], "user");
		nobody[i] = cost_of(timed[_i], "none");
	}
	qsort(known, PAIRS, sizeof known[0], by_size);
	qsort(nobody, PAIRS, sizeof nobody[0], by_size);
	ck_assert_int_lt(known[PAIRS / 2], 4 * nobody[PAIRS / 2]);
	ck_assert_int_lt(nobody[PAIRS / 2], 4 * known[PAIRS / 2]);
}
END_TEST

START_TEST(secrets_that_cannot_be_read_are_no_wrong_password)
{
	struct sasl sasl = { .hooks = &hooks };
	struct str challenge = {0};
	struct err err = {0};

	trouble = true;
	ck_assert_int_eq(sasl_step(&sasl, "SCRAM-SHA-256", SPAN("n,,n=user,r=abc"), &challenge, &err), SASL_NO);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	trouble = false;
	str_free(&challenge);
	sasl_free(&sasl);
}
END_TEST

UNIT("sasl",
	{ exchanges_end_as_the_rows_say, ROWS(rows) },
	{ without_a_certificate_nobody_is_external, 1 },
	{ who_knows_the_secret_proves_it_without_telling, ROWS(talks) },
	{ a_user_that_is_not_there_is_asked_the_same_each_time, 1 },
	{ an_unknown_user_costs_what_a_wrong_answer_costs, ROWS(timed) },
	{ secrets_that_cannot_be_read_are_no_wrong_password, 1 })
#else
#include <stdio.h>

int
main(void)
{
	puts("SKIP: built --without-gsasl");
	return 77;
}
#endif
