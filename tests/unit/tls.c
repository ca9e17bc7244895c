/* Streams with TLS: who is believed, what is cut, what is slipped in. */
#include "lib/net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cert.h"
#include "lib/base/clock.h"
#include "lib/net/stream.h"
#include "tests/certs.h"
#include "tests/unit/looping.h"
#include "tests/unit/unit.h"

static struct loop loop;
static char folder[64];

struct end {			/* one end of a connection, and what befell it */
	struct stream stream;
	struct str got, about;
	struct err err;
	bool secured, ended, free_when_secured;
	const char *then;	/* said when secured */
};

static void
end_input(void *ctx, const void *bytes, size_t len)
{
	struct end *end = ctx;

	str_add(&end->got, bytes, len);
}

static void
end_ended(void *ctx, const struct err *err)
{
	struct end *end = ctx;

	end->ended = true;
	end->err = *err;
	stream_finish(&end->stream);
}

static void
end_late(void *ctx)
{
	(void)ctx;
}

static void
end_secured(void *ctx)
{
	struct end *end = ctx;

	end->secured = true;
	stream_tls_about(&end->stream, &end->about);
	if (end->free_when_secured)
		stream_free(&end->stream);
	else if (end->then != NULL)
		stream_send(&end->stream, end->then, strlen(end->then));
}

static const struct stream_hooks hooks = {
	.input = end_input, .ended = end_ended, .late = end_late, .secured = end_secured,
};

static struct end here, there;
static struct tls *server, *client;

static const char *
path(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *out = paths[next++ % 4];

	snprintf(out, sizeof paths[0], "%s/%s", folder, name);
	return out;
}

static void
must(int result, const struct err *err)
{
	ck_assert_msg(result == 0, "%s", err->text);
}

/* Runs until it is so, or for five seconds. */
static void
run_until(const bool *so)
{
	int64_t begun = clock_mono();

	while (!*so && clock_mono() - begun < 5 * CLOCK_SECOND)
		looping(&loop, 5);
}

static void
setup(void)
{
	int pair[2];
	struct err err;

	here = there = (struct end){0};
	snprintf(folder, sizeof folder, "/tmp/mochila-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	certs_make(path("ca"), "Test-CA", 30, NULL);
	certs_make(path("mx"), "mx.example *.wild.example 127.0.0.1", 30, path("ca"));
	must(loop_start(&loop, &err), &err);
	server = tls_new(TLS_SERVER, &err);
	client = tls_new(TLS_CLIENT, &err);
	must(tls_show(server, path("mx.pem"), path("mx.key"), &err), &err);
	must(tls_believe(client, path("ca.pem"), &err), &err);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	stream_start(&here.stream, &loop, pair[0], &hooks, &here);
	stream_start(&there.stream, &loop, pair[1], &hooks, &there);
}

static void
teardown(void)
{
	static const char *const names[] = {
		"ca.pem", "ca.key", "mx.pem", "mx.key", "two.pem", "two.key", "one.pem",
	};

	for (int i = 0; i < 2; i++) {
		struct end *end = i ? &here : &there;
		stream_free(&end->stream);
		str_free(&end->got);
		str_free(&end->about);
	}
	loop_free(&loop);
	tls_drop(server);
	tls_drop(client);
	for (int i = 0; i < ROWS(names); i++)
		unlink(path(names[i]));
	rmdir(folder);
}

static void
shake(enum tls_policy policy, const char *name, const char *pins)
{
	stream_accept_tls(&there.stream, server);
	stream_start_tls(&here.stream, client, policy, name, pins);
	int64_t begun = clock_mono();
	while (!(here.secured && there.secured) && !here.ended && clock_mono() - begun < 5 * CLOCK_SECOND)
		looping(&loop, 5);
}

START_TEST(what_is_said_crosses_and_the_goodbye_is_seen)
{
	here.then = "EHLO";
	shake(TLS_VERIFIED, "mx.example", NULL);
	ck_assert_msg(here.secured && there.secured, "%s", here.err.text);
	ck_assert(strncmp(str_c(&here.about), "TLSv1.3 ", 8) == 0);	/* which has no compression: TLS-05 */
	stream_send(&there.stream, "220", 3);
	looping(&loop, 20);
	ck_assert_str_eq(str_c(&there.got), "EHLO");
	ck_assert_str_eq(str_c(&here.got), "220");
	stream_finish(&here.stream);
	run_until(&there.ended);
	ck_assert_int_eq(there.err.kind, ERR_NONE);
}
END_TEST

START_TEST(what_is_sent_too_early_waits_for_the_secret)
{
	stream_accept_tls(&there.stream, server);
	stream_send(&there.stream, "220 early", 9);
	ck_assert_uint_eq(stream_backlog(&there.stream), 9);
	stream_start_tls(&here.stream, client, TLS_REQUIRED, "mx.example", NULL);
	stream_send(&here.stream, "hello", 5);
	run_until(&here.secured);
	looping(&loop, 20);
	ck_assert_str_eq(str_c(&here.got), "220 early");
	ck_assert_str_eq(str_c(&there.got), "hello");
}
END_TEST

START_TEST(much_crosses_whole_and_costs_little)
{
	static char much[1 << 20];
	size_t sent = 0;

	for (size_t i = 0; i < sizeof much; i++)
		much[i] = (char)(i * 7 + i / 251);
	shake(TLS_VERIFIED, "mx.example", NULL);
	for (; sent < sizeof much; sent += 64 << 10)
		stream_send(&here.stream, much + sent, 64 << 10);
	size_t wire = stream_backlog(&here.stream);
	ck_assert_uint_lt(wire, sizeof much + sizeof much / 100);
	for (int i = 0; i < 400 && there.got.len < sizeof much; i++)
		looping(&loop, 5);
	ck_assert_uint_eq(there.got.len, sizeof much);
	ck_assert(memcmp(there.got.p, much, sizeof much) == 0);
}
END_TEST

START_TEST(a_pause_holds_what_is_decrypted_too)
{
	shake(TLS_REQUIRED, NULL, NULL);
	stream_pause(&there.stream, true);
	stream_send(&here.stream, "one", 3);
	looping(&loop, 20);
	ck_assert_uint_eq(there.got.len, 0);
	stream_pause(&there.stream, false);
	looping(&loop, 20);
	ck_assert_str_eq(str_c(&there.got), "one");
}
END_TEST

START_TEST(a_stream_may_be_freed_when_it_is_secured)
{
	there.free_when_secured = true;
	shake(TLS_REQUIRED, NULL, NULL);
	run_until(&here.ended);
	ck_assert_int_eq(here.err.kind, ERR_TEMP);
}
END_TEST

static const struct {	/* TLS-03 */
	const char *names;
	int days;
	bool own_ca;		/* of a CA that nobody knows */
	enum tls_policy policy;
	const char *name;
	bool good;
} rows[] = {
	{ "mx.example", 30, false, TLS_VERIFIED, "mx.example", true },
	{ "mx.example", 30, false, TLS_VERIFIED, "MX.Example", true },
	{ "mx.example", 30, false, TLS_VERIFIED, "mx.other", false },
	{ "mx.example", 30, false, TLS_VERIFIED, "a.mx.example", false },
	{ "mx.example", 30, false, TLS_VERIFIED, "", false },
	{ "mx.example", 30, false, TLS_VERIFIED, NULL, false },
	{ "x.example *.mx.example", 30, false, TLS_VERIFIED, "a.mx.example", true },
	{ "x.example *.mx.example", 30, false, TLS_VERIFIED, "a.b.mx.example", false },
	{ "x.example m*.example", 30, false, TLS_VERIFIED, "mx.example", false },
	{ "x.example 127.0.0.1", 30, false, TLS_VERIFIED, "127.0.0.1", true },
	{ "x.example 127.0.0.2", 30, false, TLS_VERIFIED, "127.0.0.1", false },
	{ "127.0.0.1x", 30, false, TLS_VERIFIED, "127.0.0.1", false },
	{ "mx.example", -1, false, TLS_VERIFIED, "mx.example", false },
	{ "mx.example", 30, true, TLS_VERIFIED, "mx.example", false },
	{ "mx.example", -1, true, TLS_REQUIRED, "mx.other", true },
	{ "mx.example", -1, true, TLS_OPPORTUNISTIC, "mx.other", true },
};

START_TEST(a_server_is_believed_as_the_policy_says)
{
	struct err err;

	certs_make(path("two"), rows[_i].names, rows[_i].days, rows[_i].own_ca ? NULL : path("ca"));
	tls_drop(server);
	server = tls_new(TLS_SERVER, &err);
	must(tls_show(server, path("two.pem"), path("two.key"), &err), &err);
	shake(rows[_i].policy, rows[_i].name, NULL);
	ck_assert_msg(here.secured == rows[_i].good, "%s", here.err.text);
	if (rows[_i].good)
		return;
	ck_assert_int_eq(here.err.kind, ERR_TEMP);
	ck_assert_str_eq(here.err.code, "4.7.5");
	run_until(&there.ended);	/* it is told so, by an alert */
	ck_assert(there.ended);
}
END_TEST

START_TEST(a_pinned_server_is_the_one_and_no_other)
{
	struct str pins = {0};
	char pin[CERTS_PIN];

	certs_pin(path("mx"), _i % 2, pin);
	if (_i >= 2)
		pin[CERTS_PIN - 2] = pin[CERTS_PIN - 2] == '0' ? '1' : '0';
	str_printf(&pins, "sha256:%064d %s", 0, pin);
	shake(TLS_PINNED, "any.name", str_c(&pins));
	ck_assert_msg(here.secured == (_i < 2), "%s", here.err.text);
	str_free(&pins);
}
END_TEST

START_TEST(the_name_asked_for_chooses_the_certificate)
{
	struct err err;

	certs_make(path("two"), "second.example", 30, path("ca"));
	must(tls_show(server, path("two.pem"), path("two.key"), &err), &err);
	shake(TLS_VERIFIED, _i == 0 ? "mx.example" : _i == 1 ? "second.example" : "third.example", NULL);
	ck_assert_msg(here.secured == (_i < 2), "%s", here.err.text);
}
END_TEST

static const struct {	/* a client's certificate, and what it is good for */
	bool known_ca;
	const char *names;
	bool knows;
} clients[] = {
	{ true, "home.example", true }, { true, "other.example", false }, { true, "x.example ann@home.example", true },
	{ false, "home.example", false },
};

START_TEST(a_client_is_known_by_its_certificate)
{
	struct err err;

	must(tls_believe(server, path("ca.pem"), &err), &err);
	certs_make(path("two"), clients[_i].names, 30, clients[_i].known_ca ? path("ca") : NULL);
	must(tls_show(client, path("two.pem"), path("two.key"), &err), &err);
	shake(TLS_VERIFIED, "mx.example", NULL);
	ck_assert_msg(there.secured, "%s", there.err.text);
	ck_assert_int_eq(stream_tls_knows(&there.stream, "hub.example home.example ann@home.example"), clients[_i].knows);
	ck_assert(!stream_tls_knows(&there.stream, ""));
	char pin[CERTS_PIN];
	certs_pin(path("two"), false, pin);
	ck_assert(stream_tls_knows(&there.stream, pin));
}
END_TEST

START_TEST(a_client_without_certificate_is_taken_too)
{
	struct err err;

	must(tls_believe(server, path("ca.pem"), &err), &err);
	shake(TLS_VERIFIED, "mx.example", NULL);
	ck_assert_msg(there.secured, "%s", there.err.text);
	ck_assert(!stream_tls_knows(&there.stream, "mx.example"));
}
END_TEST

static const char *const slipped[] = {	/* TLS-01, TLS-02: in plain text, where TLS is to begin */
	"EHLO evil\r\nMAIL FROM:<x@evil>\r\n", "\r\n", "\x80\x2e\x01\x03\x01", "\x16\x03\x01\x40\x00",
};

START_TEST(plain_text_is_never_taken_for_what_came_by_tls)
{
	stream_send(&here.stream, slipped[_i], strlen(slipped[_i]));
	stream_accept_tls(&there.stream, server);
	looping(&loop, 20);
	if (!here.ended)
		stream_start_tls(&here.stream, client, TLS_OPPORTUNISTIC, NULL, NULL);
	looping(&loop, 200);
	ck_assert(!there.secured && there.got.len == 0);
	/* The head of a record waits for the rest of it; the deadline is the owner's. */
	ck_assert_int_eq(there.ended, _i < 3);
	if (there.ended)
		ck_assert_int_eq(there.err.kind, ERR_TEMP);
}
END_TEST

START_TEST(a_cut_is_no_goodbye)		/* TLS-04 */
{
	shake(TLS_REQUIRED, NULL, NULL);
	stream_send(&here.stream, "half a mess", 11);
	looping(&loop, 20);
	stream_free(&here.stream);
	run_until(&there.ended);
	ck_assert_int_eq(there.err.kind, ERR_TEMP);
	ck_assert_msg(strstr(there.err.text, "goodbye") != NULL, "%s", there.err.text);
}
END_TEST

static const struct {	/* CFG-01 */
	const char *cert, *key;
	int mode;		/* of two.key */
	const char *why;
} files[] = {
	{ "two.pem", "two.key", 0600, NULL }, { "two.pem", "two.key", 0640, NULL },
	{ "two.pem", "two.key", 0644, "open to everybody" }, { "two.pem", "mx.key", 0600, "key values mismatch" },
	{ "two.key", "two.key", 0600, "there is no certificate in it" }, { "two.pem", "two.pem", 0600, "there is no private key in it" },
	{ "two.pem", "", 0600, "there is no private key in it" },
	{ "absent.pem", "two.key", 0600, "absent.pem: " }, { ".", "two.key", 0600, "" },
	{ "/dev/null", "two.key", 0600, "not a regular file" }, { "two.pem", "/dev/zero", 0600, "not a regular file" },
};

START_TEST(files_are_read_with_care)
{
	struct err err = {0};

	certs_make(path("two"), "two.example", 30, path("ca"));
	chmod(path("two.key"), (mode_t)files[_i].mode);
	tls_drop(server);
	server = tls_new(TLS_SERVER, &err);
	const char *cert = files[_i].cert[0] == '/' ? files[_i].cert : path(files[_i].cert);
	const char *key = files[_i].key[0] == '/' || files[_i].key[0] == '\0' ? files[_i].key : path(files[_i].key);
	int result = tls_show(server, cert, key, &err);
	ck_assert_msg((result == 0) == (files[_i].why == NULL), "%s", err.text);
	if (result == 0)
		return;
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_msg(strstr(err.text, files[_i].why) != NULL, "%s", err.text);
}
END_TEST

START_TEST(certificate_and_key_may_share_a_file)
{
	struct str both = {0};
	struct err err;

	must(cert_load(path("mx.pem"), false, &both, &err), &err);
	must(cert_load(path("mx.key"), true, &both, &err), &err);
	FILE *file = fopen(path("one.pem"), "w");
	fwrite(both.p, 1, both.len, file);
	fchmod(fileno(file), 0600);
	fclose(file);
	cert_wipe(&both);
	must(tls_show(server, path("one.pem"), "", &err), &err);
}
END_TEST

START_TEST(a_certificate_says_until_when)
{
	struct cert_facts facts;
	struct err err;

	must(cert_facts(path("mx.pem"), &facts, &err), &err);
	ck_assert_str_eq(str_c(&facts.names), "mx.example *.wild.example");
	int64_t left = facts.until - clock_now();
	ck_assert(left > 29 * 86400 * CLOCK_SECOND && left <= 30 * 86400 * CLOCK_SECOND);
	cert_facts_free(&facts);
	ck_assert_int_eq(cert_facts(path("mx.key"), &facts, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

static const struct { const char *pins; bool good; } pins[] = {
	{ "", true },
	{ "sha256:0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789ABCDEF", true },
	{ "sha256:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:ab:cd:ef:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF", true },
	{ "SHA256:0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789ABCDEF x", false },
	{ "sha256:0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789ABCDE", false },
	{ "sha256:0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789ABCDEFF", false },
	{ "sha256:g123456789abcdef0123456789abcdef0123456789ABCDEF0123456789ABCDEF", false },
	{ "sha1:0123456789abcdef0123456789abcdef01234567", false },
};

START_TEST(pins_are_fingerprints)
{
	struct err err = {0};

	ck_assert_int_eq(tls_check_pins(pins[_i].pins, &err), pins[_i].good ? 0 : -1);
}
END_TEST

UNIT_WITH("tls", setup, teardown,
	{ what_is_said_crosses_and_the_goodbye_is_seen, 1 },
	{ what_is_sent_too_early_waits_for_the_secret, 1 },
	{ much_crosses_whole_and_costs_little, 1 },
	{ a_pause_holds_what_is_decrypted_too, 1 },
	{ a_stream_may_be_freed_when_it_is_secured, 1 },
	{ a_server_is_believed_as_the_policy_says, ROWS(rows) },
	{ a_pinned_server_is_the_one_and_no_other, 4 },
	{ the_name_asked_for_chooses_the_certificate, 3 },
	{ a_client_is_known_by_its_certificate, ROWS(clients) },
	{ a_client_without_certificate_is_taken_too, 1 },
	{ plain_text_is_never_taken_for_what_came_by_tls, ROWS(slipped) },
	{ a_cut_is_no_goodbye, 1 },
	{ files_are_read_with_care, ROWS(files) },
	{ certificate_and_key_may_share_a_file, 1 },
	{ a_certificate_says_until_when, 1 },
	{ pins_are_fingerprints, ROWS(pins) })
