/*
 * Who may send to whom: the open-relay vectors, each said to the real SMTP engine with
 * the relay's own rule behind it.  The settings have a way out ("*"), so that a
 * hole would show.  $V is victim.example, $L home.example (hosted), $S our own host's
 * name, $I our address.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "lib/proto/smtp-server.h"
#include "relay/access.h"
#include "spool/relaying.h"
#include "spool/route.h"
#include "tests/unit/unit.h"

static struct route routes[] = {
	{ (char *)"home.example", (char *)"maildir:mail/%u" },
	{ (char *)"far.example", (char *)"site:far" },
	{ (char *)"gone.example", (char *)"reject:moved to new.example" },
	{ (char *)"*", (char *)"smtp:127.0.0.1:25" },
};
static const struct settings settings = {
	.spool = { .host = (char *)"mx.home.example" },
	.route = routes, .routes = sizeof routes / sizeof routes[0],
};

/* What one MAIL and one RCPT are answered. */
static bool trusted;
static enum route_kind went;

static int
on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
{
	(void)ctx;
	(void)env;
	(void)size;
	(void)err;
	return 0;
}

static int
on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	(void)ctx;
	(void)env;
	if (access_rcpt(&settings, trusted, str_span(&rcpt->to), err) < 0)
		return -1;
	went = route_find(&settings, str_span(&rcpt->to)).kind;
	return 0;
}

static const struct smtp_server_hooks hooks = { .mail = on_mail, .rcpt = on_rcpt };

/* The number of the last reply to what was said. */
static int
say(struct smtp_server *server, const char *line, size_t len)
{
	str_clear(&server->out);
	smtp_server_feed(server, line, len);
	return atoi(str_c(&server->out));
}

static void
add_filled(struct str *out, struct span text)
{
	static const struct { char letter; const char *text; } words[] = {
		{ 'V', "victim.example" }, { 'L', "home.example" }, { 'S', "mx.home.example" },
		{ 'I', "127.0.0.1" }, { '0', "" },
	};

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] != '$' || i + 1 == text.len) {
			str_add_char(out, text.p[i]);
			continue;
		}
		i++;
		for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
			if (words[w].letter == text.p[i] && text.p[i] != '0')
				str_add_text(out, words[w].text);
		if (text.p[i] == '0')
			str_add_char(out, '\0');
	}
}

static int
ask(struct span from, struct span to, bool is_trusted)
{
	static const struct smtp_server_options options = { .host = "mx.home.example" };
	struct smtp_server server;
	struct str line = {0};

	trusted = is_trusted;
	went = ROUTE_NONE;
	smtp_server_start(&server, &options, &hooks, NULL);
	ck_assert_int_eq(say(&server, "EHLO mx.home.example\r\n", 22), 250);
	str_add_text(&line, "MAIL FROM:");
	add_filled(&line, from);
	str_add_text(&line, "\r\n");
	int reply = say(&server, line.p, line.len);
	if (reply == 250) {
		str_clear(&line);
		str_add_text(&line, "RCPT TO:");
		add_filled(&line, to);
		str_add_text(&line, "\r\n");
		reply = say(&server, line.p, line.len);
	}
	str_free(&line);
	smtp_server_free(&server);
	return reply;
}

static const char *const vectors[] = {	/* id | sender | recipient | 5, or local: 5 or ours */
	"OR-01|<>|<t@$V>|5",
	"OR-02|<antispam@$V>|<t@$V>|5",
	"OR-03|<antispam@$S>|<t@$V>|5",
	"OR-04|<antispam@[$I]>|<t@$V>|5",
	"OR-05|<antispam@[$I]>|<t%$V@[$I]>|5",
	"OR-06|<antispam@[$I]>|<t%$V@$S>|5",
	"OR-07|<antispam@[$I]>|<\"t@$V\">|5",
	"OR-08|<antispam@[$I]>|<\"t%$V\">|5",
	"OR-09|<antispam@[$I]>|<t@$V@[$I]>|5",
	"OR-10|<antispam@[$I]>|<\"t@$V\"@[$I]>|5",
	"OR-11|<antispam@[$I]>|<t@$V@$S>|5",
	"OR-12|<antispam@[$I]>|<@[$I]:t@$V>|5",
	"OR-13|<antispam@[$I]>|<@$S:t@$V>|5",
	"OR-14|<antispam@[$I]>|<$V!t>|5",
	"OR-15|<antispam@[$I]>|<$V!t@[$I]>|5",
	"OR-16|<antispam@[$I]>|<$V!t@$S>|5",
	"OR-17|<u@$L>|<t@$V>|5",
	"OR-18|<u>|<t@$V>|5",
	"OR-19|<test@localhost>|<t@$V>|5",
	"OR-20|<postmaster@$L>|<t@$V>|5",
	"OR-21|<s@$V>|<t%$V@$L>|5",
	"OR-22|<s@$V>|<u%$V@$L>|5",
	"OR-23|<s@$V>|<t%$V%$L@$L>|5",
	"OR-24|<s@$V>|<\"t%$V\"@$L>|5",
	"OR-25|<s@$V>|<\"t@$V\"@$L>|5",
	"OR-26|<s@$V>|<\"$V!t\"@$L>|5",
	"OR-27|<s@$V>|<$V!t@$L>|5",
	"OR-28|<s@$V>|<$L!$V!t>|5",
	"OR-29|<s@$V>|<$L!$V!t@$S>|5",
	"OR-30|<s@$V>|<t@$L@$V>|5",
	"OR-31|<s@$V>|<@$L:t@$V>|5",
	"OR-32|<s@$V>|<@$L,@$V:t@$V>|5",
	"OR-33|<s@$V>|<@$V:u@$L>|local",
	"OR-34|<s@$V>|<t@localhost.$V>|5",
	"OR-35|<s@$V>|<t@$L.$V>|5",
	"OR-36|<s@$V>|<t@x$L>|5",
	"OR-37|<s@$V>|<t@sub.$L>|5",
	"OR-38|<s@$V>|<t@$V.>|5",
	"OR-39|<s@$V>|<u@$L.>|local",
	"OR-40|<s@$V>|<U@HOME.EXAMPLE>|local",
	"OR-41|<s@$V>|<t%$V@localhost>|5",
	"OR-42|<s@$V>|<t%$V@[127.0.0.1]>|5",
	"OR-43|<s@$V>|<t%$V@[IPv6:::1]>|5",
	"OR-44|<s@$V>|<t@[192.0.2.1]>|5",
	"OR-45|<s@$V>|<t@2130706433>|5",
	"OR-46|<s@$V>|<t>|5",
	"OR-47|<s@$V>|<$V!t!x>|5",
	"OR-48|<s@$V>|<t@$V$0@$L>|5",
	"OR-49|<s@$V>|<t@$V @$L>|5",
	"OR-50|<s@$V>|<t@$V(@$L)>|5",
	"OR-51|<s@$V>|t@$V|5",
	"OR-52|<s@$V>|<t@$V>,<u@$L>|5",
	"OR-53|<s@$V>|<t@$V> ORCPT=rfc822;u@$L|5",
	"OR-54|<s@$V> AUTH=<u@$L>|<t@$V>|5",
	"OR-55|<s@$V>|<u+t%$V@$L>|local",
	"OR-56|<s@$V>|<u--t=$V@$L>|local",
	"OR-57|<s@$V>|<t@xn--hme-0na.example>|5",
	"OR-62|<u@$L>|<t%$V@$L>|5",
	"the same behind a site|<s@$V>|<t%$V@far.example>|5",
	"the same behind a site|<s@$V>|<$V!t@far.example>|5",
	"the same behind a site|<s@$V>|<\"t@$V\"@far.example>|5",
};

START_TEST(a_stranger_never_relays)
{
	struct span rest = span_of(vectors[_i]), id, from, to;

	span_cut(&rest, '|', &id);
	span_cut(&rest, '|', &from);
	span_cut(&rest, '|', &to);
	int reply = ask(from, to, false);
	ck_assert_msg(reply / 100 == 5 || (span_is(rest, "local") && went == ROUTE_MAILDIR),
	    "%s: %d", vectors[_i], reply);
}
END_TEST

START_TEST(nobody_reaches_a_second_hop_behind_ours)
{
	struct span rest = span_of(vectors[_i]), id, from, to;

	/* Rows that name a hosted domain and another hop, from a trusted client. */
	span_cut(&rest, '|', &id);
	span_cut(&rest, '|', &from);
	span_cut(&rest, '|', &to);
	int reply = ask(from, to, true);
	if (reply / 100 == 2)
		ck_assert_msg(went == ROUTE_SMTP || span_is(rest, "local"), "%s: %d", vectors[_i], reply);
}
END_TEST

static const struct {
	bool trusted;
	const char *to;
	int reply;
} plain[] = {
	{ false, "<u@$L>", 250 },
	{ false, "<u+detail@$L>", 250 },
	{ false, "<u@far.example>", 250 },
	{ false, "<u@gone.example>", 550 },
	{ false, "<t@$V>", 550 },
	{ true, "<u@$L>", 250 },
	{ true, "<t@$V>", 250 },		/* OR-68 */
	{ true, "<t%x@$V>", 250 },		/* plain characters, out of our hands */
	{ true, "<u@gone.example>", 550 },
	{ false, "<../u@$L>", 501 },
	{ false, "<.u@$L>", 501 },
	{ false, "<\"a b\"@$L>", 550 },
};

START_TEST(plain_mail_goes_where_it_may)
{
	int reply = ask(SPAN("<s@$V>"), span_of(plain[_i].to), plain[_i].trusted);

	ck_assert_msg(reply == plain[_i].reply, "%s: %d", plain[_i].to, reply);
}
END_TEST

START_TEST(without_a_route_nothing_is_taken)
{
	static const struct settings none = { .spool = { .host = (char *)"mx.home.example" } };
	struct err err;

	ck_assert_int_eq(access_rcpt(&none, true, SPAN("u@home.example"), &err), -1);
	ck_assert_str_eq(err.code, "5.1.2");
	ck_assert_int_eq(access_rcpt(&none, false, SPAN("u@home.example"), &err), -1);
	ck_assert_str_eq(err.code, "5.7.1");
}
END_TEST

static const struct {
	const char *from, *star;
	bool open;
} configurations[] = {
	{ "0.0.0.0/0", "smtp:out.example:25", true },
	{ "::/0", "smtp:out.example:25", true },
	{ "127.0.0.0/8 0.0.0.0/0", "smtp:out.example:25", true },
	{ "0.0.0.0/1 128.0.0.0/1", "smtp:out.example:25", true },
	{ "::ffff:0:0/96", "smtp:out.example:25", true },
	{ "::/1", "smtp:out.example:25", true },
	{ "2000::/3", "site:hub", true },
	{ "0.0.0.0/0", "site:hub", true },
	{ "0.0.0.0/0", "maildir:all", false },
	{ "0.0.0.0/0", "reject:no", false },
	{ "0.0.0.0/0", NULL, false },
	{ "", "smtp:out.example:25", false },
	{ "127.0.0.0/8 ::1/128", "smtp:out.example:25", false },
	{ "10.0.0.0/8 172.16.0.0/12 fc00::/7 fe80::/10", "smtp:out.example:25", false },
	{ "2001:db8::/32", "smtp:out.example:25", false },
};

static int
check_relaying(const struct settings *set, const char *relay_from, struct err *err)
{
	struct route_match anywhere;

	return relaying_ask(set, &anywhere, err) < 0 ? -1 : relaying_check(&anywhere, relay_from, err);
}

START_TEST(an_open_relay_is_not_started)
{
	struct route row = { (char *)"*", mem_text(configurations[_i].star != NULL ?
	    configurations[_i].star : "") };
	const struct settings open = {
		.spool = { .host = (char *)"mx.home.example" },
		.route = &row, .routes = configurations[_i].star != NULL,
	};
	struct access access;
	struct err err = {0};

	ck_assert_msg(access_parse(&access, configurations[_i].from, &err) == 0, "%s", err.text);
	access_free(&access);
	ck_assert_int_eq(check_relaying(&open, configurations[_i].from, &err), configurations[_i].open ? -1 : 0);
	if (configurations[_i].open) {
		ck_assert_int_eq(err_exit(&err), 78);
		ck_assert_ptr_nonnull(strstr(err.text, "lets everybody send anywhere"));
	}
	free(row.destination);
}
END_TEST

START_TEST(a_pattern_that_means_everybody_is_no_route_of_ours)
{
	struct route row = { (char *)"/@/", (char *)"smtp:smarthost.example:25" };
	const struct settings set = { .route = &row, .routes = 1 };
	struct err err = {0};

	ck_assert_int_eq(check_relaying(&set, "", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "means every address"));
	row.destination = (char *)"maildir:mail/%u";
	ck_assert_int_eq(check_relaying(&set, "", &err), 0);
	row = (struct route){ (char *)"/@.*\\.home\\.example$/", (char *)"smtp:smarthost.example:25" };
	ck_assert_int_eq(check_relaying(&set, "", &err), 0);
}
END_TEST

START_TEST(networks_that_are_none_are_named)
{
	struct access access;
	struct err err;

	ck_assert_int_eq(access_parse(&access, "127.0.0.0/8 example.org", &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "relay-from: example.org"));
}
END_TEST

UNIT("access",
    { a_stranger_never_relays, ROWS(vectors) },
    { nobody_reaches_a_second_hop_behind_ours, ROWS(vectors) },
    { plain_mail_goes_where_it_may, ROWS(plain) },
    { without_a_route_nothing_is_taken, 1 },
    { an_open_relay_is_not_started, ROWS(configurations) },
    { a_pattern_that_means_everybody_is_no_route_of_ours, 1 },
    { networks_that_are_none_are_named, 1 })
