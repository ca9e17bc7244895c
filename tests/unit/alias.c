/* spool/alias, and what settle makes of it: whom mail for an address is for in truth. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "spool/alias.h"
#include "spool/route.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch s;

static const char text[] =
    "ann@home.example    bob@home.example\n"
    "Team@home.example   ann@home.example, carl@far.example \"a b\"@far.example\n"
    "both@home.example   both@home.example, Carl@Far.example, carl@far.example\n"
    "a@loop.example      b@loop.example\n"
    "b@loop.example      c@loop.example, x@far.example\n"
    "c@loop.example      a@loop.example\n"
    "root:               ann@home.example\n"
    "daemon              root\n"
    "pipe@home.example   |/bin/sh\n"
    "file@home.example   /etc/passwd\n"
    "incl@home.example   :include:/etc/passwd\n"
    "empty@home.example  ,\n"
    "x+y@home.example    exact@far.example\n"
    "x@home.example      base@far.example\n"
    "@old.example        @new.example\n"
    "keep@old.example    keep@old.example\n"
    "@all.example        one@far.example\n";

static void
put(const char *name, struct span bytes)
{
	struct err err;
	int dir = open(s.root, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(fs_replace(dir, name, bytes, 0600, &err), 0);
	close(dir);
}

static void
set_up(void)
{
	static const char *const said[] = { "spool.site=hub", "spool.host=hub.example", "addresses.aliases=file:aliases",
		"addresses.routes=file:routes", "addresses.extension=+", "routes.home.example=site:home",
		"routes.*=smtp:out.example:25", "routes.late.example=site:late" };

	scratch_make(&s);
	put("aliases", span_of(text));
	put("routes", SPAN("tab.example site:tab\nann@tab.example smtp:x.example:25\n.tab.example site:below\n"
	    "odd.example nowhere\nhome.example site:never\nfar.example site:far\n"));
	scratch_begin(&s, said, ROWS(said));
}

static void
tear_down(void)
{
	scratch_close(&s);
}

static const struct { const char *address, *means; } rows[] = {	/* NULL: circles; "!": a person is wanted */
	{ "eve@home.example", "" },
	{ "ann@home.example", "bob@home.example" },
	{ "ANN@Home.Example", "bob@home.example" },
	{ "team@home.example", "bob@home.example carl@far.example \"a b\"@far.example" },
	{ "both@home.example", "both@home.example Carl@Far.example" },
	{ "a@loop.example", NULL },
	{ "root@hub.example", "bob@home.example" },
	{ "root", "bob@home.example" },
	{ "root@far.example", "" },
	{ "daemon@hub.example", "bob@home.example" },
	{ "pipe@home.example", "!" },
	{ "file@home.example", "!" },
	{ "incl@home.example", "!" },
	{ "empty@home.example", "!" },
	{ "x+y@home.example", "exact@far.example" },
	{ "X+z@home.example", "base@far.example" },
	{ "\"x+z\"@home.example", "" },
	{ "+z@home.example", "" },
	{ "root+mail@hub.example", "bob@home.example" },
	{ "any@old.example", "any@new.example" },
	{ "keep@old.example", "keep@old.example" },
	{ "any@all.example", "one@far.example" },
};

START_TEST(an_address_stands_for_what_the_tables_say)
{
	struct aliases list;
	struct str all = {0};
	struct err err = {0};
	const char *means = rows[_i].means;
	int found = alias_expand(&s.settings, span_of(rows[_i].address), &list, &err);

	for (size_t i = 0; i < list.count; i++)
		str_printf(&all, "%s%s", i > 0 ? " " : "", list.address[i]);
	if (means == NULL || means[0] == '!') {
		ck_assert_int_eq(found, -1);
		ck_assert_int_eq(err.kind, means == NULL ? ERR_PERM : ERR_CONFIG);
		ck_assert_uint_eq(list.count, 0);
	} else {
		ck_assert_msg(found >= 0, "%s", err.text);
		ck_assert_str_eq(str_c(&all), means);
		ck_assert_int_eq(found, means[0] != '\0');
	}
	aliases_free(&list);
	str_free(&all);
}
END_TEST

START_TEST(an_alias_for_too_many_is_refused)
{
	struct aliases list;
	struct str lines = {0};
	struct err err = {0};

	str_add_text(&lines, "many@home.example");
	for (int i = 0; i <= ALIAS_MAX; i++)
		str_printf(&lines, " u%d@far.example", i);
	str_add_char(&lines, '\n');
	for (int i = 0; i < ALIAS_DEPTH_MAX + 3; i++)
		str_printf(&lines, "d%d@deep.example d%d@deep.example\n", i, i + 1);
	put("aliases", str_span(&lines));
	ck_assert_int_eq(alias_expand(&s.settings, SPAN("many@home.example"), &list, &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
	ck_assert_int_eq(alias_expand(&s.settings, SPAN("d0@deep.example"), &list, &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
	ck_assert_int_eq(alias_expand(&s.settings, SPAN("d9@deep.example"), &list, &err), 1);
	aliases_free(&list);
	str_free(&lines);
}
END_TEST

static const struct { const char *address, *folder; } routes[] = {
	{ "x@tab.example", "tab" },
	{ "Ann@Tab.example.", "smtp:x.example:25" },
	{ "x@a.b.tab.example", "below" },
	{ "x@home.example", "home" },
	{ "x@other.example", "smtp:out.example:25" },
};

START_TEST(a_table_of_routes_is_asked_behind_the_rows)
{
	struct route_match match = route_find(&s.settings, span_of(routes[_i].address));
	struct str folder = {0};

	route_folder(&match, &folder);
	ck_assert_str_eq(str_c(&folder), routes[_i].folder);
	str_free(&folder);
	match = route_find(&s.settings, SPAN("x@odd.example"));
	ck_assert_int_eq(match.kind, ROUTE_NONE);
	ck_assert_ptr_nonnull(strstr(match.rest, "nowhere"));
}
END_TEST

/* settle */

static void
send_to(const char *rcpt, const char *args)
{
	struct arrival a;
	struct entry_info info = { .grade = 'N' };
	struct envelope env = {0};
	struct settled settled;
	struct err err = {0};

	envelope_from(&env, SPAN("eve@late.example"), (struct span){0});
	envelope_add(&env, span_of(rcpt), span_of(args));
	ck_assert_msg(arrival_open(&a, &s.spool, NULL, &err) == 0 && arrival_begin(&a, &info, &env, &err) == 0 &&
	    arrival_body(&a, "S: x\r\n\r\nbody\r\n", 14, &err) == 0 && arrival_end(&a, &err) == 0 &&
	    arrival_commit(&a, &err) == 0, "%s", err.text);
	arrival_close(&a);
	envelope_free(&env);
	ck_assert_msg(spool_settle(&s.spool, &settled, &err) == 0, "%s", err.text);
}

/* Everything below a folder of the spool, one behind the other. */
static void
gather(int at, const char *path, struct str *out)
{
	struct fs_names names;
	struct err err;
	int dir = openat(at, path, O_RDONLY | O_DIRECTORY);

	if (dir < 0 || fs_names(dir, ".", &names, &err) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		struct stat st;
		if (names.name[i][0] == '.' || fstatat(dir, names.name[i], &st, 0) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			gather(dir, names.name[i], out);
		else
			fs_load(dir, names.name[i], 1 << 20, out, &err);
	}
	fs_names_free(&names);
	close(dir);
}

static const struct { const char *rcpt, *args, *home, *far, *told; } envelopes[] = {
	{ "ann@home.example", "", "RCPT TO:<bob@home.example> ORCPT=rfc822;ann@home.example\n", NULL, NULL },
	{ "ann@home.example", "NOTIFY=SUCCESS ORCPT=rfc822;x", "RCPT TO:<bob@home.example> NOTIFY=SUCCESS ORCPT=rfc822;x\n",
	    NULL, NULL },
	{ "team@home.example", "NOTIFY=success,Failure ORCPT=rfc822;x",
	    "RCPT TO:<bob@home.example> NOTIFY=Failure ORCPT=rfc822;x\n",
	    "RCPT TO:<carl@far.example> NOTIFY=Failure ORCPT=rfc822;x\n", "Action: expanded" },
	{ "team@home.example", "NOTIFY=SUCCESS", "RCPT TO:<bob@home.example> NOTIFY=NEVER ORCPT=rfc822;team@home.example\n",
	    "RCPT TO:<carl@far.example> NOTIFY=NEVER ORCPT=rfc822;team@home.example\n", "Action: expanded" },
	{ "team@home.example", "NOTIFY=FAILURE,DELAY",
	    "RCPT TO:<bob@home.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;team@home.example\n",
	    "RCPT TO:<carl@far.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;team@home.example\n", NULL },
	{ "team@home.example", "", "RCPT TO:<bob@home.example> ORCPT=rfc822;team@home.example\n",
	    "RCPT TO:<\"a b\"@far.example> ORCPT=rfc822;team@home.example\n", NULL },
	{ "a@loop.example", "", NULL, NULL, "Status: 5.4.6" },
	{ "a@loop.example", "NOTIFY=NEVER", NULL, NULL, NULL },
	{ "eve@home.example", "NOTIFY=SUCCESS", "RCPT TO:<eve@home.example> NOTIFY=SUCCESS\n", NULL, NULL },
};

START_TEST(an_alias_hands_on_what_was_asked_for)
{
	struct str home = {0}, far = {0}, told = {0};

	send_to(envelopes[_i].rcpt, envelopes[_i].args);
	gather(s.spool.out, "home", &home);
	gather(s.spool.out, "far", &far);
	gather(s.spool.out, "late", &told);
	ck_assert_int_eq(home.len > 0, envelopes[_i].home != NULL);
	ck_assert_int_eq(far.len > 0, envelopes[_i].far != NULL);
	ck_assert_int_eq(told.len > 0, envelopes[_i].told != NULL);
	if (home.len > 0)
		ck_assert_msg(strstr(str_c(&home), envelopes[_i].home) != NULL, "%s", str_c(&home));
	if (far.len > 0)
		ck_assert_msg(strstr(str_c(&far), envelopes[_i].far) != NULL, "%s", str_c(&far));
	if (told.len > 0)
		ck_assert_msg(strstr(str_c(&told), envelopes[_i].told) != NULL, "%s", str_c(&told));
	ck_assert_uint_eq(scratch_count(s.spool.hold, "."), 0);
	ck_assert_uint_eq(scratch_count(s.spool.in, "."), 0);
	str_free(&home);
	str_free(&far);
	str_free(&told);
}
END_TEST

/* A person moves it to in/ again: it must not go to the others once more. */
START_TEST(what_was_expanded_is_not_expanded_again)
{
	struct str far = {0}, home = {0}, path = {0};
	struct settled settled;
	struct fs_names names = {0}, buckets = {0};
	struct err err;

	send_to("both@home.example", "");
	gather(s.spool.out, "far", &far);
	size_t before = far.len;
	ck_assert_uint_gt(before, 0);
	ck_assert_int_eq(fs_names(s.spool.out, "home", &buckets, &err), 0);
	for (size_t i = 0; i < buckets.count; i++) {
		str_clear(&path);
		str_printf(&path, "home/%s", buckets.name[i]);
		if (buckets.name[i][0] == '.' || fs_names(s.spool.out, str_c(&path), &names, &err) < 0 || names.count == 0)
			continue;
		str_printf(&path, "/%s", names.name[0]);
		ck_assert_int_eq(renameat(s.spool.out, str_c(&path), s.spool.in, names.name[0]), 0);
		fs_names_free(&names);
	}
	fs_names_free(&buckets);
	ck_assert_int_eq(spool_settle(&s.spool, &settled, &err), 0);
	str_clear(&far);
	gather(s.spool.out, "far", &far);
	gather(s.spool.out, "home", &home);
	ck_assert_uint_eq(far.len, before);
	ck_assert_msg(strstr(str_c(&home), "RCPT TO:<both@home.example>") != NULL, "%s", str_c(&home));
	str_free(&far);
	str_free(&home);
	str_free(&path);
}
END_TEST

START_TEST(a_line_that_is_wrong_holds_the_mail_for_a_person)
{
	struct settled settled;
	struct err err = {0};
	struct str held = {0};

	send_to("pipe@home.example", "");
	ck_assert_uint_eq(scratch_count(s.spool.hold, "."), 1);
	gather(s.spool.hold, ".", &held);
	ck_assert_ptr_nonnull(strstr(str_c(&held), "no address"));
	send_to("x@odd.example", "");
	ck_assert_uint_eq(scratch_count(s.spool.hold, "."), 2);
	ck_assert_int_eq(spool_settle(&s.spool, &settled, &err), 0);
	str_free(&held);
}
END_TEST

UNIT_WITH("alias", set_up, tear_down,
	{ an_address_stands_for_what_the_tables_say, ROWS(rows) },
	{ an_alias_for_too_many_is_refused, 1 },
	{ a_table_of_routes_is_asked_behind_the_rows, ROWS(routes) },
	{ an_alias_hands_on_what_was_asked_for, ROWS(envelopes) },
	{ what_was_expanded_is_not_expanded_again, 1 },
	{ a_line_that_is_wrong_holds_the_mail_for_a_person, 1 })
