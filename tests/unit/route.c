/* spool/route: which destination takes a recipient, and how it is called on disk. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "spool/route.h"
#include "tests/unit/unit.h"

static struct route rows[] = {
	{ (char *)"*", (char *)"smtp:out.example:25" },
	{ (char *)"*.home.example", (char *)"site:home" },
	{ (char *)"*.deep.home.example", (char *)"site:deep" },
	{ (char *)"home.example", (char *)"site:home" },
	{ (char *)"home.example", (char *)"site:second" },
	{ (char *)"Ann@Home.Example", (char *)"maildir:mail/ann" },
	{ (char *)"dotted.example.", (char *)"site:dotted" },
	{ (char *)"evil.example", (char *)"reject:not here" },
	{ (char *)"\"a@b\"@home.example", (char *)"site:quoted" },
	{ (char *)"hub.example", (char *)"maildir:here" },
	{ (char *)"[192.0.2.7]", (char *)"site:literal" },
	{ (char *)"/^list-[a-z]+@home\\.example$/", (char *)"mbox:lists" },
	{ (char *)"/^list-a@/", (char *)"mbox:second" },
	{ (char *)"/^(a+)+b@slow\\.example$/", (char *)"mbox:slow" },
	{ (char *)"list-ann@home.example", (char *)"maildir:exact" },
	{ (char *)"*.mx.example", (char *)"mx:" },
	{ (char *)"*.mx2.example", (char *)"mx::2525" },
	{ (char *)"*.mx3.example", (char *)"mx:other.example" },
};

static struct settings settings = {
	.spool = { .host = (char *)"hub.example" },
	.route = rows, .routes = sizeof rows / sizeof rows[0],
};

static const struct { const char *address, *folder; bool wildcard; } finds[] = {
	{ "bob@home.example", "home", false },
	{ "bob@HOME.example", "home", false },
	{ "bob@home.example.", "home", false },
	{ "ann@home.example", "maildir:mail%2Fann", false },
	{ "ANN@HOME.EXAMPLE.", "maildir:mail%2Fann", false },
	{ "ann@x.home.example", "home", false },
	{ "ann@a.b.home.example", "home", false },
	{ "ann@a.deep.home.example", "deep", false },
	{ "ann@deep.home.example", "home", false },
	{ "ann@.home.example", "smtp:out.example:25", true },
	{ "ann@xhome.example", "smtp:out.example:25", true },
	{ "ann@home.example..", "smtp:out.example:25", true },
	{ "bob@dotted.example", "dotted", false },
	{ "bob@dotted.example.", "dotted", false },
	{ "bob@evil.example", "reject:not%20here", false },
	{ "\"a@b\"@home.example", "quoted", false },
	{ "\"x@evil.example\"@home.example", "home", false },
	{ "bob@evil.example@home.example", "home", false },
	{ "bob@home.example@evil.example", "reject:not%20here", false },
	{ "bob%home.example", "maildir:here", false },
	{ "postmaster", "maildir:here", false },
	{ "bob@[192.0.2.7]", "literal", false },
	{ "bob@[192.0.2.8]", "smtp:out.example:25", true },
	{ "bob@", "smtp:out.example:25", true },
	{ "bob@.", "smtp:out.example:25", true },
	{ "@", "smtp:out.example:25", true },
	{ "@home.example", "home", false },
	{ "../../etc@home.example", "home", false },
	{ "LIST-b@home.example.", "mbox:lists", false },
	{ "x@A.mx.example.", "mx:a.mx.example", false },
	{ "x@b.mx2.example", "mx:b.mx2.example:2525", false },
	{ "x@c.mx3.example", "mx:other.example", false },
	{ "list-a@home.example", "mbox:lists", false },
	{ "list-a@other.example", "mbox:second", false },
	{ "list-1@home.example", "home", false },
	{ "list-ann@home.example", "maildir:exact", false },
	{ "*", "maildir:here", false },
	{ "bob@*", "smtp:out.example:25", true },
	{ "bob@*.home.example", "home", false },
	{ "\"unended@home.example", "maildir:here", false },
};

START_TEST(the_most_exact_pattern_wins)
{
	struct route_match match = route_find(&settings, span_of(finds[_i].address));
	struct str folder = {0};

	route_folder(&match, &folder);
	ck_assert_msg(strcmp(str_c(&folder), finds[_i].folder) == 0, "%s goes to %s, not %s",
	    finds[_i].address, folder.p, finds[_i].folder);
	ck_assert_int_eq(match.wildcard, finds[_i].wildcard);
	str_free(&folder);
}
END_TEST

START_TEST(without_a_route_there_is_none)
{
	struct settings few = { .spool = settings.spool, .route = rows + 3, .routes = 1 };

	ck_assert_int_eq(route_find(&few, SPAN("bob@other.example")).kind, ROUTE_NONE);
	ck_assert_int_eq(route_find(&few, SPAN("")).kind, ROUTE_NONE);
	ck_assert_int_eq(route_find(&few, (struct span){0}).kind, ROUTE_NONE);
	ck_assert_int_eq(route_find(&few, ((struct span){ "a@home.example\0.evil", 20 })).kind, ROUTE_NONE);
	few.routes = 0;
	ck_assert_int_eq(route_find(&few, SPAN("bob@home.example")).kind, ROUTE_NONE);
}
END_TEST

static const struct { const char *destination; enum route_kind kind; } destinations[] = {
	{ "site:home", ROUTE_SITE },
	{ "smtp:mx.example:25", ROUTE_SMTP },
	{ "smtp:[::1]:2525", ROUTE_SMTP },
	{ "smtps:mx.example:465", ROUTE_SMTPS },
	{ "smtp:mx.example", ROUTE_NONE },
	{ "smtp:mx.example:", ROUTE_NONE },
	{ "smtp:mx.example:65536", ROUTE_NONE },
	{ "lmtp:/run/lmtp", ROUTE_LMTP },
	{ "lmtp:[::1]:24", ROUTE_LMTP },
	{ "lmtp:/", ROUTE_NONE },
	{ "mx:", ROUTE_MX },
	{ "mx::2525", ROUTE_MX },
	{ "mx:other.example", ROUTE_MX },
	{ "mx:other.example:2525", ROUTE_MX },
	{ "mx:[IPv6:2001:db8::1]:25", ROUTE_MX },
	{ "mx:other.example:smtp", ROUTE_NONE },
	{ "mx:a b", ROUTE_NONE },
	{ "mbox:boxes/%u", ROUTE_MBOX },
	{ "command:/bin/x -f %s", ROUTE_COMMAND },
	{ "command:x", ROUTE_NONE },
	{ "maildir:/home/ann/Maildir", ROUTE_MAILDIR },
	{ "maildir:../%41 b/\xc3\xa4", ROUTE_MAILDIR },
	{ "maildir:..", ROUTE_MAILDIR },
	{ "reject:no such user", ROUTE_REJECT },
	{ "reject:", ROUTE_REJECT },
	{ "site:..", ROUTE_NONE },
	{ "site:a/b", ROUTE_NONE },
	{ "site:", ROUTE_NONE },
	{ "smtp:", ROUTE_NONE },
	{ "maildir:", ROUTE_NONE },
	{ "home", ROUTE_NONE },
	{ "Site:home", ROUTE_NONE },
	{ "", ROUTE_NONE },
};

START_TEST(a_folder_is_one_name_and_leads_back)
{
	struct route_match match = route_destination(destinations[_i].destination);
	struct str folder = {0}, back = {0};

	ck_assert_int_eq(match.kind, destinations[_i].kind);
	if (match.kind == ROUTE_NONE)
		return;
	route_folder(&match, &folder);
	ck_assert_ptr_null(strchr(str_c(&folder), '/'));
	ck_assert_int_ne(str_c(&folder)[0], '.');
	route_of_folder(str_c(&folder), &back);
	ck_assert_str_eq(str_c(&back), destinations[_i].destination);
	str_free(&folder);
	str_free(&back);
}
END_TEST

static const char *const folders[][2] = {	/* whatever a person may have made there */
	{ "home", "site:home" },
	{ "maildir:a%2Fb", "maildir:a/b" },
	{ "maildir:%", "maildir:%" },
	{ "maildir:%2", "maildir:%2" },
	{ "maildir:%00x", "maildir:%00x" },
	{ "maildir:%2f", "maildir:%2f" },
	{ "", "site:" },
};

START_TEST(any_folder_name_is_read)
{
	struct str back = {0};

	route_of_folder(folders[_i][0], &back);
	ck_assert_str_eq(str_c(&back), folders[_i][1]);
	str_free(&back);
}
END_TEST

UNIT("route",
    { the_most_exact_pattern_wins, ROWS(finds) },
    { without_a_route_there_is_none, 1 },
    { a_folder_is_one_name_and_leads_back, ROWS(destinations) },
    { any_folder_name_is_read, ROWS(folders) })
