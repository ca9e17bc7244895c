/* spool/users: who may log in, and by which word. */
#include "spool/users.h"

#include <crypt.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "tests/unit/unit.h"

static char base[] = "/tmp/users-XXXXXX";
static struct err err;

static void
setup(void)
{
	memcpy(base + strlen(base) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(base));
	ck_assert_int_eq(chdir(base), 0);
}

static void
teardown(void)
{
	unlink("users");
	unlink(".users.lock");
	rmdir(base);
}

static const char text[] = "# who\n\nann:$6$x$y:mail/ann\nBob@Home.example:!\nno line\n:x\r\neve:z\r\n";

static const struct { const char *name, *secret, *mailbox; } found[] = {
	{ "ann", "$6$x$y", "mail/ann" }, { "ANN", "$6$x$y", "mail/ann" }, { "bob@home.example", "!", "" },
	{ "eve", "z", "" }, { "bob", NULL, NULL }, { "", NULL, NULL }, { "no line", NULL, NULL },
	{ "# who", NULL, NULL },
};

START_TEST(a_user_is_found_by_name_in_either_case)
{
	struct user user;
	bool is = users_find(span_of(text), span_of(found[_i].name), &user);

	ck_assert_int_eq(is, found[_i].secret != NULL);
	if (is) {
		ck_assert(span_is(user.secret, found[_i].secret));
		ck_assert(span_is(user.mailbox, found[_i].mailbox));
	}
}
END_TEST

START_TEST(one_line_changes_and_all_others_stay)
{
	struct str now = {0};
	struct stat st;

	ck_assert_int_eq(fs_replace(AT_FDCWD, "users", span_of(text), 0644, &err), 0);
	ck_assert_int_eq(users_put("users", "ann", "new", NULL, USERS_THERE, &err), 0);
	ck_assert_int_eq(users_put("users", "cat", "s", "m/cat", USERS_NEW, &err), 0);
	ck_assert_int_eq(users_put("users", "eve", NULL, NULL, USERS_THERE, &err), 0);
	ck_assert_int_eq(users_load("users", &now, &err), 0);
	ck_assert_str_eq(str_c(&now), "# who\n\nann:new:mail/ann\nBob@Home.example:!\nno line\n:x\r\ncat:s:m/cat\n");
	ck_assert_int_eq(stat("users", &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	str_free(&now);
}
END_TEST

START_TEST(who_is_there_or_is_not_is_said)
{
	ck_assert_int_eq(users_put("users", "ann", "s", NULL, USERS_NEW, &err), 0);
	ck_assert_int_eq(users_put("users", "Ann", "s", NULL, USERS_NEW, &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
	ck_assert_int_eq(users_put("users", "bob", "s", NULL, USERS_THERE, &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
}
END_TEST

static const char *const no_names[] = { "", "a b", "a:b", "#a", "a\nb:x", "a\rb", "a\x7f" };

START_TEST(a_name_cannot_make_another_line)
{
	ck_assert_int_eq(users_put("users", no_names[_i], "s", NULL, USERS_NEW, &err), -1);
	ck_assert_int_eq(users_put("users", "ann", "s", "a\nroot:x", USERS_NEW, &err), -1);
	ck_assert_int_ne(access("users", F_OK), 0);
}
END_TEST

START_TEST(a_password_is_hashed_and_known_again)
{
	struct str secret = {0};
	struct user user;

	ck_assert_int_eq(users_hash(SPAN("p\xc3\xa4ss word "), &secret, &err), 0);
	ck_assert(span_begins(str_span(&secret), "$"));
	user = (struct user){ .secret = str_span(&secret) };
	ck_assert(users_check((struct span){0}, &user, SPAN("p\xc3\xa4ss word ")));
	ck_assert(!users_check((struct span){0}, &user, SPAN("p\xc3\xa4ss word")));
	ck_assert(!users_check((struct span){0}, &user, SPAN("")));
	ck_assert(!users_check((struct span){0}, &user, SPAN("p\xc3\xa4ss word \0x")));
	ck_assert(!users_check((struct span){0}, NULL, SPAN("p\xc3\xa4ss word ")));
	str_free(&secret);
}
END_TEST

static const struct { const char *secret, *pass; bool right; } secrets[] = {
	{ "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
	  "password", true },
	{ "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
	  "Password", false },
	{ "!", "!", false }, { "", "", false }, { "*", "*", false }, { "*0", "*0", false }, { "x", "x", false },
	{ "!$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
	  "password", false },
};

START_TEST(a_secret_that_is_no_hash_lets_nobody_in)
{
	struct user user = { .secret = span_of(secrets[_i].secret) };

	ck_assert_int_eq(users_check((struct span){0}, &user, span_of(secrets[_i].pass)), secrets[_i].right);
}
END_TEST

START_TEST(other_ways_stand_behind_the_hash_and_are_found)
{
	struct str secret = {0}, behind = {0};
	struct user user;

	ck_assert_int_eq(users_hash(SPAN("pencil"), &secret, &err), 0);
	str_add_char(&secret, ' ');
	ck_assert_int_eq(users_scheme(SPAN("pencil"), "{SCRAM-SHA-256}", &secret, &err), 0);
	str_add_char(&secret, ' ');
	ck_assert_int_eq(users_scheme(SPAN("pencil"), "{PLAIN}", &secret, &err), 0);
	user = (struct user){ .secret = str_span(&secret) };
	ck_assert(users_check((struct span){0}, &user, SPAN("pencil")));
	ck_assert(users_secret(&user, "{PLAIN}", &behind));
	ck_assert_str_eq(str_c(&behind), "pencil");
	str_clear(&behind);
	ck_assert(users_secret(&user, "{SCRAM-SHA-256}", &behind));
	ck_assert(span_begins(str_span(&behind), "4096,"));
	ck_assert_uint_eq(behind.len, 5 + 24 + 1 + 44 + 1 + 44);
	ck_assert(!users_secret(&user, "{SCRAM-SHA-1}", &behind));
	ck_assert_int_eq(users_scheme(SPAN("p\xc3\xa4"), "{SCRAM-SHA-1}", &secret, &err), -1);
	ck_assert_int_eq(users_scheme(SPAN("a b"), "{PLAIN}", &secret, &err), -1);
	user.secret = SPAN("!{PLAIN}pencil {PLAIN}pencil");
	ck_assert(!users_secret(&user, "{PLAIN}", &behind));
	user.secret = SPAN("{PLAIN}pencil");
	ck_assert(!users_check((struct span){0}, &user, SPAN("pencil")));
	str_free(&secret);
	str_free(&behind);
}
END_TEST

/* ---- AUTH-03: what is hashed, counted instead of timed ---- */

static struct { size_t count; char setting[8]; } hashed;

char *__real_crypt_r(const char *pass, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *pass, const char *setting, struct crypt_data *data);

char *
__wrap_crypt_r(const char *pass, const char *setting, struct crypt_data *data)
{
	hashed.count++;
	snprintf(hashed.setting, sizeof hashed.setting, "%s", setting);
	return __real_crypt_r(pass, setting, data);
}

#define SHA512 "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
static const struct { const char *text, *prefix; } files[] = {
	{ "# ours\nlocked:!" SHA512 "\nclear:{PLAIN}x\nann:" SHA512 "\nbob:" SHA512 "\n", "$6$salt" },
	{ "ann:$5$saltsalt$zsxbCNMyZBt3Y2NFQWJ6p1dRMd9oQYhYXxM6HVCdFq9\n", "$5$salt" },
};

START_TEST(an_unknown_user_costs_the_hash_that_a_wrong_password_costs)
{
	static const char *const names[] = { "ann", "nobody", "locked", "clear", "" };
	struct span users = span_of(files[_i].text);
	struct user user;

	for (size_t i = 0; i < ROWS(names); i++) {
		hashed.count = 0;
		bool known = users_find(users, span_of(names[i]), &user);
		ck_assert(!users_check(users, known ? &user : NULL, SPAN("wrong")));
		ck_assert_uint_eq(hashed.count, 1);
		ck_assert_str_eq(hashed.setting, files[_i].prefix);
	}
	/* Even the right word for him of whom the hash was borrowed lets nobody in. */
	ck_assert(!users_check(users, NULL, SPAN("password")));
}
END_TEST

static const struct { const char *pass; size_t len; } no_passwords[] = { { "", 0 }, { "a\0b", 3 }, { "a\nb", 3 } };

START_TEST(what_is_no_password_is_refused)
{
	struct str secret = {0};

	ck_assert_int_eq(users_hash((struct span){ no_passwords[_i].pass, no_passwords[_i].len }, &secret, &err), -1);
	ck_assert_uint_eq(secret.len, 0);
}
END_TEST

UNIT_WITH("users", setup, teardown,
	{ a_user_is_found_by_name_in_either_case, ROWS(found) },
	{ one_line_changes_and_all_others_stay, 1 },
	{ who_is_there_or_is_not_is_said, 1 },
	{ a_name_cannot_make_another_line, ROWS(no_names) },
	{ a_password_is_hashed_and_known_again, 1 },
	{ a_secret_that_is_no_hash_lets_nobody_in, ROWS(secrets) },
	{ other_ways_stand_behind_the_hash_and_are_found, 1 },
	{ an_unknown_user_costs_the_hash_that_a_wrong_password_costs, ROWS(files) },
	{ what_is_no_password_is_refused, ROWS(no_passwords) })
