/* What is said to a proxy, byte for byte, and what its answers come to. */
#include <stdlib.h>
#include <string.h>

#include "lib/net/socks.h"
#include "tests/unit/unit.h"

#define BYTES(text) { text, sizeof text - 1 }

static const struct {
	const char *proxy, *name, *password, *host, *port;
	struct { struct span said, answer; } turns[4];	/* what we say, what it answers */
	const char *error;	/* NULL: the line is the far end's at the end */
	enum err_kind kind;
} rows[] = {
	{ "socks5://p:1080", "", "", "hub.example", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\3\13hub.example\0\26"), BYTES("\5\0\0\1\177\0\0\1\4\70") } }, NULL, ERR_NONE },
	{ "socks5://p:1080", "", "", "192.0.2.7", "540", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\1\300\0\2\7\2\34"), BYTES("\5\0\0\3\3abc\1\2") } }, NULL, ERR_NONE },
	{ "socks5://p:1080", "", "", "2001:db8::1", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1\0\26"),
	      BYTES("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") } }, NULL, ERR_NONE },
	{ "socks5://p:1080", "me", "secret", "h", "22", {
	    { BYTES("\5\2\0\2"), BYTES("\5\2") },
	    { BYTES("\1\2me\6secret"), BYTES("\1\0") },
	    { BYTES("\5\1\0\3\1h\0\26"), BYTES("\5\0\0\1\0\0\0\0\0\0") } }, NULL, ERR_NONE },
	{ "socks5://p:1080", "me", "secret", "h", "22", {	/* it asks for none after all */
	    { BYTES("\5\2\0\2"), BYTES("\5\0") },
	    { BYTES("\5\1\0\3\1h\0\26"), BYTES("\5\0\0\3\0\0\0") } }, NULL, ERR_NONE },
	{ "socks5://p:1080", "me", "wrong", "h", "22", {
	    { BYTES("\5\2\0\2"), BYTES("\5\2") },
	    { BYTES("\1\2me\5wrong"), BYTES("\1\1") } }, "refuses our name", ERR_CONFIG },
	{ "socks5://p:1080", "", "", "h", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\377") } }, "wants a name and a password", ERR_CONFIG },
	{ "socks5://p:1080", "me", "x", "h", "22", {
	    { BYTES("\5\2\0\2"), BYTES("\5\1") } }, "another kind of login", ERR_CONFIG },
	{ "socks5://p:1080", "", "", "h", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\3\1h\0\26"), BYTES("\5\5\0\1\0") } }, "refused there", ERR_TEMP },
	{ "socks5://p:1080", "", "", "h", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\3\1h\0\26"), BYTES("\5\311\0\1\0") } }, "a number we do not know", ERR_TEMP },
	{ "socks5://p:1080", "", "", "h", "22", {
	    { BYTES("\5\1\0"), BYTES("\5\0") },
	    { BYTES("\5\1\0\3\1h\0\26"), BYTES("\5\0\0\2\0") } }, "does not speak SOCKS5", ERR_CONFIG },
	{ "socks5://p:1080", "", "", "h", "22", {
	    { BYTES("\5\1\0"), BYTES("HT") } }, "does not speak SOCKS5", ERR_CONFIG },
	{ "socks4a://p:1080", "", "", "hub.example", "22", {
	    { BYTES("\4\1\0\26\0\0\0\1\0hub.example\0"), BYTES("\0\132\0\0\0\0\0\0") } }, NULL, ERR_NONE },
	{ "socks4a://p:1080", "me", "", "192.0.2.7", "22", {
	    { BYTES("\4\1\0\26\300\0\2\7me\0"), BYTES("\0\132\0\0\0\0\0\0") } }, NULL, ERR_NONE },
	{ "socks4a://p:1080", "", "", "h", "22", {
	    { BYTES("\4\1\0\26\0\0\0\1\0h\0"), BYTES("\0\133\0\0\0\0\0\0") } }, "it refuses", ERR_TEMP },
	{ "socks4a://p:1080", "", "", "h", "22", {
	    { BYTES("\4\1\0\26\0\0\0\1\0h\0"), BYTES("SSH-2.0-") } }, "does not speak SOCKS4a", ERR_CONFIG },
	{ "socks4a://p:1080", "", "", "::1", "22", { { { NULL, 0 }, { NULL, 0 } } }, "take socks5", ERR_CONFIG },
	{ "socks5://p:1080", "", "", "", "22", { { { NULL, 0 }, { NULL, 0 } } }, "no place", ERR_CONFIG },
	{ "socks5://p:1080", "", "", "h", "70000", { { { NULL, 0 }, { NULL, 0 } } }, "no place", ERR_CONFIG },
};

/* One byte at a time, and never more than is wanted; -1 when it gave up. */
static int
play(int row, struct socks *socks, struct err *err)
{
	for (size_t turn = 0; rows[row].turns[turn].said.p != NULL; turn++) {
		struct span said = rows[row].turns[turn].said, answer = rows[row].turns[turn].answer;
		ck_assert_msg(span_same(str_span(&socks->out), said), "turn %zu", turn);
		str_clear(&socks->out);
		for (size_t i = 0; i < answer.len; i++) {
			ck_assert_uint_gt(socks_wants(socks), 0);
			ck_assert_uint_le(socks_wants(socks), SOCKS_WORD_MAX);
			if (socks_feed(socks, answer.p + i, 1, err) < 0)
				return -1;
		}
	}
	return 0;
}

START_TEST(a_proxy_is_asked_as_the_standard_says)
{
	struct socks_proxy proxy;
	struct socks socks;
	struct err err = {0};

	ck_assert_int_eq(socks_proxy_parse(rows[_i].proxy, &proxy, &err), 0);
	str_set(&proxy.name, rows[_i].name);
	str_set(&proxy.password, rows[_i].password);
	int result = socks_start(&socks, &proxy, rows[_i].host, rows[_i].port, &err);
	if (result == 0)
		result = play(_i, &socks, &err);
	ck_assert_int_eq(err.kind, rows[_i].kind);
	if (rows[_i].error == NULL) {
		ck_assert_int_eq(result, 0);
		ck_assert(socks.done);
		ck_assert_uint_eq(socks_wants(&socks), 0);
		ck_assert_uint_eq(socks.out.len, 0);
	} else {
		ck_assert_int_eq(result, -1);
		ck_assert(!socks.done);
		ck_assert_msg(strstr(err.text, rows[_i].error) != NULL, "%s", err.text);
	}
	socks_free(&socks);
	socks_proxy_free(&proxy);
}
END_TEST

START_TEST(bytes_of_the_far_end_are_never_taken)
{
	struct socks_proxy proxy;
	struct socks socks;
	struct err err = {0};

	ck_assert_int_eq(socks_proxy_parse("socks4a://p:1080", &proxy, &err), 0);
	ck_assert_int_eq(socks_start(&socks, &proxy, "h", "22", &err), 0);
	ck_assert_int_eq(socks_feed(&socks, "\0\132\0\0\0\0\0\0S", 9, &err), -1);
	socks_free(&socks);
	socks_proxy_free(&proxy);
}
END_TEST

START_TEST(a_long_name_is_refused_and_never_cut)
{
	struct socks_proxy proxy;
	struct socks socks;
	struct err err = {0};
	char name[257];

	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ck_assert_int_eq(socks_proxy_parse("socks5://p:1080", &proxy, &err), 0);
	ck_assert_int_eq(socks_start(&socks, &proxy, name, "22", &err), -1);
	socks_free(&socks);
	str_set(&proxy.name, name);
	ck_assert_int_eq(socks_start(&socks, &proxy, "h", "22", &err), -1);
	socks_free(&socks);
	socks_proxy_free(&proxy);
}
END_TEST

static const char *const no_proxies[] = {
	"", "p:1080", "http://p:1080", "socks5://p", "socks5://p:x", "socks5://:1080", "socks5:p:1080", "socks4://p:1080",
};

START_TEST(what_is_no_proxy_is_told)
{
	struct socks_proxy proxy;
	struct err err = {0};

	ck_assert_int_eq(socks_proxy_parse(no_proxies[_i], &proxy, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert(strstr(err.text, "socks5://HOST:PORT") != NULL);
}
END_TEST

UNIT("socks",
	{ a_proxy_is_asked_as_the_standard_says, ROWS(rows) },
	{ bytes_of_the_far_end_are_never_taken, 1 },
	{ a_long_name_is_refused_and_never_cut, 1 },
	{ what_is_no_proxy_is_told, ROWS(no_proxies) })
