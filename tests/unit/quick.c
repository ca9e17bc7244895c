/* An ssh session in few turns, against a server's side that says what each test wants. */
#include <openssl/evp.h>
#include <string.h>

#include "tests/unit/quick-host.h"
#include "tests/unit/unit.h"

#define OPENSSH "SSH-2.0-OpenSSH_9.2p1 Debian-2"

static const unsigned char own_seed[QUICK_KEY] = "the user key of these tests, 32.";

static struct quick quick;
static struct quick_host host;
static int knows;	/* what the hook says */

static int
known(void *arg, struct span blob, struct err *err)
{
	unsigned char public[QUICK_KEY];
	struct span type, bytes;

	(void)arg;
	quick_host_public(quick_host_seed, public);
	ck_assert(quick_get(&blob, &type) == 0 && span_is(type, "ssh-ed25519") && quick_get(&blob, &bytes) == 0);
	ck_assert(bytes.len == QUICK_KEY && memcmp(bytes.p, public, QUICK_KEY) == 0);
	return knows == 0 ? 0 : err_set(err, ERR_CONFIG, "a stranger");
}

static void
setup(void)
{
	quick = (struct quick){ .known = known };
	host = (struct quick_host){0};
	knows = 0;
	str_set(&quick.user, "mochila");
	str_set(&quick.command, "uucico-ssh -r0");
	memcpy(quick.seed, own_seed, QUICK_KEY);
	quick_host_public(own_seed, quick.public);
	quick_start(&quick);
}

static void
teardown(void)
{
	quick_free(&quick);
	quick_host_free(&host);
}

/* What the host has to say, in pieces. */
static int
hears(size_t step, struct err *err)
{
	struct str bytes = host.side.out;
	int result = 0;

	host.side.out = (struct str){0};
	for (size_t at = 0; result == 0 && at < bytes.len; at += step)
		result = quick_feed(&quick, bytes.p + at, bytes.len - at < step ? bytes.len - at : step, err);
	str_free(&bytes);
	return result;
}

static void
host_says(const char *bytes, size_t len)
{
	quick_host_say(&host, (struct span){ bytes, len });
}

#define SAYS(bytes) host_says(bytes, sizeof (bytes) - 1)

/* Version, offer and reply; our flight is ready. */
static void
keys(const char *version, size_t step)
{
	struct err err = {0};

	quick_host_start(&host, version);
	quick_host_hear(&host, &quick.out);	/* all in one flight */
	ck_assert_int_eq(hears(step, &err), 0);
	ck_assert_int_eq(quick.state, QUICK_LOGIN);
}

static void
confirm(char number)
{
	SAYS("\x06\0\0\0\x0cssh-userauth");
	SAYS("\x34");
	const char confirmed[] = { 91, 0, 0, 0, 0, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0x40, 0 };
	host_says(confirmed, sizeof confirmed);
	SAYS("\x5d\0\0\0\0\0\x20\0\0");		/* the window */
	SAYS("\x63\0\0\0\0");
}

static void
open_session(size_t step)
{
	struct err err = {0};

	keys(OPENSSH, step);
	quick_host_hear(&host, &quick.out);
	confirm(0);
	ck_assert_int_eq(hears(step, &err), 0);
	ck_assert_int_eq(quick.state, QUICK_OPEN);
}

static bool
is_signed(void)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)host.signer.p, host.signer.len);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(context, (const unsigned char *)host.signature.p, host.signature.len,
		(const unsigned char *)host.signed_text.p, host.signed_text.len) == 1;

	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	return good;
}

static const size_t steps[] = { SIZE_MAX / 2, 1, 7, 16 };

START_TEST(the_login_the_command_and_the_first_words_are_one_flight)
{
	char back[16];
	struct err err = {0};

	host.ctr = _i % 2 != 0;
	host.strict = _i / 2 % 2 != 0;
	keys(OPENSSH, steps[_i / 2]);
	ck_assert(quick_ready(&quick));
	ck_assert(quick.strict == host.strict);
	ck_assert_uint_eq(quick_write(&quick, "first words", 11), 11);
	quick_host_hear(&host, &quick.out);
	ck_assert_str_eq(str_c(&host.types_heard), "5 50 90 98 94 ");
	ck_assert_str_eq(str_c(&host.data), "first words");
	ck_assert(is_signed());
	ck_assert(memcmp(quick.seed, (char[QUICK_KEY]){0}, QUICK_KEY) == 0);	/* needed no more */
	confirm(0);
	SAYS("\x50\0\0\0\x17hostkeys-00@openssh.com\0");
	SAYS("\x5e\0\0\0\0\0\0\0\x04" "back");
	SAYS("\x5f\0\0\0\0\0\0\0\x01\0\0\0\x05noise");
	ck_assert_int_eq(hears(steps[_i / 2], &err), 0);
	ck_assert_uint_eq(quick_take(&quick, back, sizeof back), 4);
	ck_assert(memcmp(back, "back", 4) == 0);
	ck_assert_str_eq(str_c(&quick.noise), "noise");
	ck_assert_uint_eq(quick.out.len, 0);	/* nothing has to be said to that */
	SAYS("\x60\0\0\0\0");
	SAYS("\x62\0\0\0\0\0\0\0\x0b" "exit-status\0\0\0\0\0");
	SAYS("\x61\0\0\0\0");
	ck_assert_int_eq(hears(steps[_i / 2], &err), 0);
	ck_assert(quick.eof && quick.closed);
}
END_TEST

START_TEST(a_server_that_may_count_otherwise_is_waited_for)
{
	struct err err = {0};

	keys("SSH-2.0-Other_1", 1);
	ck_assert(!quick_ready(&quick));
	ck_assert_uint_eq(quick_write(&quick, "early", 5), 0);
	quick_host_hear(&host, &quick.out);
	ck_assert_str_eq(str_c(&host.types_heard), "5 50 90 ");
	SAYS("\x06\0\0\0\x0cssh-userauth");
	SAYS("\x34");
	SAYS("\x5b\0\0\0\0\0\0\0\x07\0\0\x10\0\0\0\x10\0");
	ck_assert_int_eq(hears(1, &err), 0);
	ck_assert_uint_eq(quick_write(&quick, "late", 4), 4);
	quick_host_hear(&host, &quick.out);
	ck_assert_str_eq(str_c(&host.types_heard), "5 50 90 98 94 ");
}
END_TEST

START_TEST(one_that_was_guessed_wrong_is_for_libssh2)
{
	struct err err = {0};

	keys(OPENSSH, 1);
	quick_host_hear(&host, &quick.out);
	confirm(1);
	ck_assert_int_eq(hears(1, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_OTHERWISE);
}
END_TEST

/* What is not ready for it, before anything was said. */
static const struct { const char *version, *exchange, *types; } others[] = {
	{ OPENSSH, "ecdh-sha2-nistp256", NULL },
	{ OPENSSH, NULL, "rsa-sha2-512,ecdsa-sha2-nistp256" },
	{ "SSH-1.5-old", NULL, NULL },
};

START_TEST(what_it_cannot_is_left_to_libssh2)
{
	struct err err = {0};

	host.exchange = others[_i].exchange;
	host.types = others[_i].types;
	quick_host_start(&host, others[_i].version);
	str_clear(&quick.out);
	ck_assert_int_eq(hears(1, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_OTHERWISE);
	ck_assert_uint_eq(quick.out.len, 0);
}
END_TEST

START_TEST(a_host_that_is_not_the_one_hears_nothing_of_us)
{
	struct err err = {0};

	knows = _i == 0 ? -1 : 0;
	host.lies = _i == 1;
	quick_host_start(&host, OPENSSH);
	quick_host_hear(&host, &quick.out);
	ck_assert_int_eq(hears(1, &err), -1);
	ck_assert_int_eq(quick.end, _i == 0 ? QUICK_STRANGER : QUICK_BROKEN);
	ck_assert_uint_eq(quick.out.len, 0);
	ck_assert_uint_eq(quick_write(&quick, "x", 1), 0);
}
END_TEST

START_TEST(who_refuses_the_key_or_the_command_is_told_apart)
{
	static const struct { const char *says; size_t len; enum quick_end end; } rows[] = {
		{ "\x33\0\0\0\x09publickey\0", 15, QUICK_REFUSED },
		{ "\x01\0\0\0\x02\0\0\0\x04" "gone\0\0\0\0", 17, QUICK_OTHERWISE },
		{ "\x5e\0\0\0\0\0\0\0\x04" "data", 13, QUICK_BROKEN },
		{ "\x15", 1, QUICK_BROKEN },
		{ "\x1f\0\0\0\0", 5, QUICK_BROKEN },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct err err = {0};
		keys(OPENSSH, 16);
		quick_host_hear(&host, &quick.out);
		host_says(rows[i].says, rows[i].len);
		ck_assert_int_eq(hears(1, &err), -1);
		ck_assert_int_eq(quick.end, rows[i].end);
		teardown();
		setup();
	}
	struct err err = {0};
	keys(OPENSSH, 16);
	quick_host_hear(&host, &quick.out);
	SAYS("\x06\0\0\0\x0cssh-userauth");
	SAYS("\x34");
	SAYS("\x5b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40\0");
	SAYS("\x64\0\0\0\0");
	ck_assert_int_eq(hears(1, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_NOTHING);
}
END_TEST

START_TEST(keys_are_exchanged_anew_while_data_go_both_ways)
{
	char back[64];
	struct err err = {0};

	host.ctr = _i % 2 != 0;		/* a wrong number would be a wrong sum */
	host.strict = _i / 2 != 0;
	open_session(16);
	for (int round = 0; round < 3; round++) {
		str_clear(&host.data);
		SAYS("\x5e\0\0\0\0\0\0\0\x06" "before");
		quick_host_offer(&host);
		ck_assert_uint_eq(quick_write(&quick, "one ", 4), 4);
		ck_assert_int_eq(hears(16, &err), 0);
		ck_assert_uint_eq(quick_write(&quick, "two", 3), 3);	/* held: only the exchange may be said */
		quick_host_hear(&host, &quick.out);
		ck_assert_str_eq(str_c(&host.data), "one ");
		SAYS("\x5e\0\0\0\0\0\0\0\x05" "after");		/* under its new keys */
		ck_assert_int_eq(hears(16, &err), 0);
		quick_host_hear(&host, &quick.out);
		ck_assert_str_eq(str_c(&host.data), "one two");
		ck_assert_uint_eq(quick_take(&quick, back, sizeof back), 11);
		ck_assert(memcmp(back, "beforeafter", 11) == 0);
	}
}
END_TEST

/* By us, once a key has carried a gigabyte either way. */
START_TEST(a_key_that_is_used_up_is_changed)
{
	char back[16];
	struct err err = {0};

	host.ctr = _i % 2 != 0;
	open_session(16);
	quick_host_hear(&host, &quick.out);
	str_clear(&host.heard_init);
	*(_i / 2 == 0 ? &quick.up.bytes : &quick.down.bytes) = QUICK_KEY_BYTES;
	SAYS("\x5e\0\0\0\0\0\0\0\x06" "before");	/* it is on its way already */
	ck_assert_uint_eq(quick_write(&quick, "words", 5), 5);
	ck_assert_int_eq(hears(16, &err), 0);
	ck_assert(quick.exchanging && quick.held.len > 0);
	quick_host_offer(&host);
	quick_host_hear(&host, &quick.out);
	ck_assert(host.heard_init.len > 0);
	ck_assert(memmem(host.heard_init.p, host.heard_init.len, "kex-strict", 10) == NULL);
	ck_assert_str_eq(str_c(&host.data), "");
	SAYS("\x5e\0\0\0\0\0\0\0\x05" "after");
	ck_assert_int_eq(hears(16, &err), 0);
	quick_host_hear(&host, &quick.out);
	ck_assert_str_eq(str_c(&host.data), "words");
	ck_assert_uint_eq(quick_take(&quick, back, sizeof back), 11);
	ck_assert(!quick.exchanging && quick.up.bytes < 1000 && quick.down.bytes < 1000);
}
END_TEST

START_TEST(who_keeps_a_key_for_ever_is_left)
{
	struct err err = {0};

	open_session(16);
	quick.down.bytes = QUICK_KEY_BYTES;
	SAYS("\x5e\0\0\0\0\0\0\0\x04" "more");
	ck_assert_int_eq(hears(16, &err), 0);
	ck_assert(quick.exchanging);
	quick.down.bytes = 2 * (uint64_t)QUICK_KEY_BYTES;
	SAYS("\x5e\0\0\0\0\0\0\0\x04" "more");
	ck_assert_int_eq(hears(16, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_ends_it)
{
	struct err err = {0};

	for (size_t bit = 0; bit < 8 * 52; bit += 3) {
		host.ctr = _i != 0;
		open_session(SIZE_MAX / 2);
		SAYS("\x5e\0\0\0\0\0\0\0\x0b" "hello world");
		struct str bytes = host.side.out;
		host.side.out = (struct str){0};
		if (bit / 8 >= bytes.len) {
			str_free(&bytes);
			break;
		}
		bytes.p[bit / 8] = (char)(bytes.p[bit / 8] ^ 1 << bit % 8);
		int result = quick_feed(&quick, bytes.p, bytes.len, &err);
		/* what says that more comes is waited for, and nothing is believed */
		ck_assert(result < 0 || quick.said.len == 0);
		str_free(&bytes);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(windows_hold)
{
	static char much[70000];
	struct err err = {0};

	keys(OPENSSH, SIZE_MAX / 2);
	ck_assert_uint_eq(quick_write(&quick, much, sizeof much), QUICK_EARLY);	/* unheard of: so much, no more */
	ck_assert_uint_eq(quick_write(&quick, much, 1), 0);
	quick_host_hear(&host, &quick.out);
	confirm(0);		/* it opens 2 MiB, less what went before */
	ck_assert_int_eq(hears(SIZE_MAX / 2, &err), 0);
	ck_assert_int_eq(quick.their_window, 0x200000 - QUICK_EARLY);
	size_t all = QUICK_EARLY, some;
	while ((some = quick_write(&quick, much, sizeof much)) > 0 || quick.out.len > 0) {
		all += some;
		quick_host_hear(&host, &quick.out);
	}
	ck_assert_uint_eq(all, 0x200000);
	ck_assert_uint_eq(host.data.len, 0x200000);
	SAYS("\x5d\0\0\0\0\xff\xff\xff\xff");
	ck_assert_int_eq(hears(16, &err), 0);
	SAYS("\x5d\0\0\0\0\0\0\0\x01");
	ck_assert_int_eq(hears(16, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
}
END_TEST

START_TEST(more_than_our_window_is_refused_and_it_opens_as_we_take)
{
	static char packet[9 + 8192] = { 94 };
	static char much[65536];
	struct err err = {0};
	uint64_t all = 0;

	packet[7] = 0x20;
	open_session(SIZE_MAX / 2);
	while (all < 3 * (uint64_t)QUICK_WINDOW) {	/* who takes is never short of it */
		host_says(packet, sizeof packet);
		ck_assert_int_eq(hears(SIZE_MAX / 2, &err), 0);
		all += quick_take(&quick, much, sizeof much);
	}
	quick_host_hear(&host, &quick.out);
	ck_assert(strstr(str_c(&host.types_heard), "93 93") != NULL);
	int result = 0;
	for (int i = 0; result == 0 && i < 2000; i++) {
		host_says(packet, sizeof packet);
		result = hears(SIZE_MAX / 2, &err);
	}
	ck_assert_int_eq(result, -1);
	ck_assert_uint_le(quick.said.len, QUICK_WINDOW);
}
END_TEST

START_TEST(who_asks_and_does_not_listen_is_left)
{
	struct err err = {0};
	int result = 0;

	open_session(SIZE_MAX / 2);
	if (_i == 1)
		quick_host_offer(&host);	/* and what we say is held */
	for (int i = 0; result == 0 && i < 60000; i++) {
		SAYS("\x50\0\0\0\x04" "ping\1");
		result = hears(SIZE_MAX / 2, &err);
	}
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
	ck_assert_uint_le(quick.out.len + quick.held.len, QUICK_ASKED + 100);
}
END_TEST

/* Terrapin puts packets in where they still are in the clear. */
static const struct { const char *says; size_t len; } strays[] = {
	{ "\x02\0\0\0\0", 5 }, { "\x03\0\0\0\0", 5 }, { "\x04\0\0\0\0\0\0\0\0\0", 10 }, { "\x07\0\0\0\0", 5 },
	{ "\x06\0\0\0\0", 5 }, { "\x34", 1 },
};

START_TEST(nothing_stands_beside_the_first_exchange)
{
	struct err err = {0};

	/* before their KEXINIT it is not known yet whether they are strict */
	host.strict = _i % 3 == 2;
	quick_host_start(&host, OPENSSH);
	if (_i % 3 == 0)
		str_clear(&host.side.out), str_add_text(&host.side.out, OPENSSH "\r\n");
	host_says(strays[_i / 3].says, strays[_i / 3].len);
	ck_assert_int_eq(hears(16, &err), -1);
	ck_assert_int_eq(quick.end, host.strict ? QUICK_BROKEN : QUICK_OTHERWISE);
	ck_assert_int_eq(quick.state, QUICK_EXCHANGE);
}
END_TEST

START_TEST(a_secret_that_everybody_knows_is_none)
{
	struct err err = {0};

	host.nothing = true;
	quick_host_start(&host, OPENSSH);
	quick_host_hear(&host, &quick.out);
	ck_assert_int_eq(hears(16, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
	ck_assert_uint_eq(quick.out.len, 0);
}
END_TEST

START_TEST(a_flood_before_the_channel_ends)
{
	struct err err = {0};
	int result = 0;

	keys(OPENSSH, 16);
	for (int i = 0; result == 0 && i < 1000; i++) {
		SAYS("\x02\0\0\0\0");
		if (i < 100)
			SAYS("\x35\0\0\0\2hi\0\0\0\0");		/* a banner */
		result = hears(SIZE_MAX / 2, &err);
	}
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
}
END_TEST

START_TEST(a_channel_that_was_closed_says_no_more)
{
	struct err err = {0};

	open_session(16);
	SAYS("\x61\0\0\0\0");
	ck_assert_int_eq(hears(16, &err), 0);
	SAYS("\x5e\0\0\0\0\0\0\0\x04" "more");
	ck_assert_int_eq(hears(16, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
	ck_assert_uint_eq(quick.said.len, 0);
}
END_TEST

/* What may be said before a version, and what not. */
START_TEST(lines_before_the_version_are_for_people_within_limits)
{
	struct err err = {0};

	str_add_text(&host.side.out, "welcome\r\nto this host\r\n");
	keys(OPENSSH, 1);
	teardown();
	setup();
	int result = 0;
	for (int i = 0; result == 0 && i < 100; i++)
		result = quick_feed(&quick, "still nothing\n", 14, &err);
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(quick.end, QUICK_OTHERWISE);
	teardown();
	setup();
	result = 0;
	for (int i = 0; result == 0 && i < 1000; i++)
		result = quick_feed(&quick, "a", 1, &err);
	ck_assert_int_eq(result, -1);
	ck_assert_uint_le(quick.in.len, QUICK_LINE + 1);
}
END_TEST

START_TEST(absurd_lengths_are_refused)
{
	static const char *const lengths[] = { "\0\0\0\0", "\xff\xff\xff\xff", "\0\0\xff\xfc", "\0\0\0\x0d" };
	struct err err = {0};

	ck_assert_int_eq(quick_feed(&quick, OPENSSH "\r\n", sizeof OPENSSH + 1, &err), 0);
	ck_assert_int_eq(quick_feed(&quick, lengths[_i], 4, &err), 0);
	ck_assert_int_eq(quick_feed(&quick, "\4aaaaaaaaaaaa", 13, &err), -1);
	ck_assert_int_eq(quick.end, QUICK_BROKEN);
}
END_TEST

UNIT_WITH("quick", setup, teardown,
	{ the_login_the_command_and_the_first_words_are_one_flight, 2 * ROWS(steps) },
	{ a_server_that_may_count_otherwise_is_waited_for, 1 },
	{ one_that_was_guessed_wrong_is_for_libssh2, 1 },
	{ what_it_cannot_is_left_to_libssh2, ROWS(others) },
	{ a_host_that_is_not_the_one_hears_nothing_of_us, 2 },
	{ who_refuses_the_key_or_the_command_is_told_apart, 1 },
	{ keys_are_exchanged_anew_while_data_go_both_ways, 4 },
	{ a_key_that_is_used_up_is_changed, 4 },
	{ who_keeps_a_key_for_ever_is_left, 1 },
	{ nothing_stands_beside_the_first_exchange, 3 * ROWS(strays) },
	{ a_secret_that_everybody_knows_is_none, 1 },
	{ a_flood_before_the_channel_ends, 1 },
	{ a_channel_that_was_closed_says_no_more, 1 },
	{ a_flipped_bit_anywhere_ends_it, 2 },
	{ windows_hold, 1 },
	{ more_than_our_window_is_refused_and_it_opens_as_we_take, 1 },
	{ who_asks_and_does_not_listen_is_left, 2 },
	{ lines_before_the_version_are_for_people_within_limits, 1 },
	{ absurd_lengths_are_refused, 4 })
