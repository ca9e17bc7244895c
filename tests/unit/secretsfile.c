/* E-MailRelay's file of secrets, in all its forms, and whatever else somebody writes into it. */
#include "relay/secretsfile.h"

#include <stdlib.h>

#include "lib/base/digest.h"
#include "lib/mail/base64.h"
#include "tests/unit/unit.h"

static const char text[] =
	"# a comment\n"
	"server plain bob e+3Dmc2\r\n"
	"  SERVER plain a+20b with+20blank\n"
	"server plain:b Y2Fyb2w= cGFzcyB3b3Jk\n"
	"client plain alice my+20secret\n"
	"client plain:b YWxpY2U= b3RoZXI= second\n"
	"client oauth dora token+3D third\n"
	"client plain = = none\n"
	"client plain alice a+00b nul\n"
	"server none 192.168.0.0/24 near\n"
	"server none 10.1.*.* far\n"
	"server none 127.0.0.1 here\n"
	"server none * everybody\n"
	"server plain short\n"
	"server md5 broken AAAA\n"
	"server plain broken2 +G0\n"
	"server plain bob second\n";

static void
with_states(struct str *out)
{
	unsigned char states[SECRETSFILE_STATES];

	str_add_text(out, text);
	digest_hmac_md5_states(SPAN("pencil"), states);
	str_add_text(out, "server md5 eve ");
	base64_add(out, states, sizeof states);
}

static const struct { const char *user, *pass; bool right; } logins[] = {
	{ "bob", "e=mc2", true }, { "bob", "e+3Dmc2", false }, { "bob", "", false }, { "bob", "second", false },
	{ "a b", "with blank", true }, { "carol", "pass word", true }, { "Y2Fyb2w=", "pass word", false },
	{ "eve", "pencil", true }, { "eve", "pencils", false }, { "eve", "", false },
	{ "alice", "my secret", false }, { "192.168.0.0/24", "near", false }, { "short", "", false },
	{ "broken", "AAAA", false }, { "broken", "", false }, { "broken2", "", false }, { "nobody", "", false }, { "", "", false },
};

START_TEST(servers_lines_know_these)
{
	struct str all = {0};

	with_states(&all);
	ck_assert_int_eq(secretsfile_check(str_span(&all), span_of(logins[_i].user), span_of(logins[_i].pass)), logins[_i].right);
	str_free(&all);
}
END_TEST

static const struct { const char *selector, *user, *secret; bool token; } clients[] = {
	{ "", "alice", "my secret", false }, { "second", "alice", "other", false }, { "third", "dora", "token=", true },
	{ "none", "", "", false }, { "nul", NULL, NULL, false }, { "fourth", NULL, NULL, false },
};

START_TEST(clients_lines_are_chosen_by_their_selector)
{
	struct str user = {0}, secret = {0};
	bool token = false;
	int found = secretsfile_client(span_of(text), span_of(clients[_i].selector), &user, &secret, &token);

	ck_assert_int_eq(found, clients[_i].user != NULL);
	if (found) {
		ck_assert_str_eq(str_c(&user), clients[_i].user);
		ck_assert_str_eq(str_c(&secret), clients[_i].secret);
		ck_assert_int_eq(token, clients[_i].token);
	}
	str_free(&user);
	str_free(&secret);
}
END_TEST

START_TEST(trusted_networks_are_read)
{
	struct str networks = {0};

	secretsfile_networks(span_of(text), &networks);
	ck_assert_str_eq(str_c(&networks), "192.168.0.0/24 10.1.0.0/16 127.0.0.1 0.0.0.0/0");
	str_free(&networks);
}
END_TEST

UNIT("secretsfile",
	{ servers_lines_know_these, ROWS(logins) },
	{ clients_lines_are_chosen_by_their_selector, ROWS(clients) },
	{ trusted_networks_are_read, 1 })
