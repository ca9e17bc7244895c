/* spool/recipients: a site says which addresses there are, of its own domains and no others. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "spool/recipients.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch s;

static void
set_up(void)
{
	static const char *const said[] = { "spool.site=hub", "spool.host=hub.example", "addresses.extension=+",
		"site home.speaks-for=home.example *.home.example other.example *",
		"site home.recipients=file:names, maildir:mail/%u", "site home.recipients-domains=home.example Old.example",
		"site other.link=", "routes.home.example=site:home", "routes.*.home.example=site:home",
		"routes.other.example=site:other", "routes.*=site:home" };

	scratch_open(&s, said, ROWS(said));
}

static void
tear_down(void)
{
	scratch_close(&s);
}

static int
take(const char *list, struct err *err)
{
	return recipients_take(&s.settings, settings_site(&s.settings, "home"), span_of(list), err);
}

#define LIST "recipients=1 count=3\ndomain home.example\ndomain deep.home.example\nann@home.example\nBob@Home.Example\n" \
	"@deep.home.example\nend\n"

static const struct { const char *address; int known; } asked[] = {
	{ "ann@home.example", 1 }, { "ANN@home.EXAMPLE.", 1 }, { "bob@home.example", 1 }, { "ann+x@home.example", 1 },
	{ "eve@home.example", 0 }, { "home.example@home.example", 0 }, { "any@deep.home.example", 1 },
	{ "any@else.home.example", 1 }, { "any@other.example", 1 }, { "ann", 1 },
};

START_TEST(what_a_site_said_is_known)
{
	struct err err;

	ck_assert_int_eq(recipients_know(&s.settings, "home", span_of(asked[_i].address), &err), 1);
	ck_assert_msg(take(LIST, &err) == 0, "%s", err.text);
	ck_assert_int_eq(recipients_know(&s.settings, "home", span_of(asked[_i].address), &err), asked[_i].known);
	ck_assert_int_eq(recipients_know(&s.settings, "other", span_of(asked[_i].address), &err), 1);
}
END_TEST

static const char *const lies[] = {
	"", "\n", "recipients=2 count=0\nend\n", "recipients=1\nend\n", "recipients=1 count=x\nend\n",
	"recipients=1 count=1\ndomain other.example\nann@other.example\nend\n",		/* not routed there */
	"recipients=1 count=1\ndomain far.example\nann@far.example\nend\n",		/* by "*" only */
	"recipients=1 count=1\ndomain *\nann@far.example\nend\n",
	"recipients=1 count=1\ndomain ..\nann@..\nend\n",
	"recipients=1 count=1\nann@home.example\nend\n",				/* its domain is not told */
	"recipients=1 count=1\ndomain home.example\nann@other.example\nend\n",
	"recipients=1 count=1\ndomain home.example\nann@x@other.example\nend\n",
	"recipients=1 count=1\ndomain home.example\nann@home.example OK\nend\n",
	"recipients=1 count=1\ndomain home.example\n#ann@home.example\nend\n",
	"recipients=1 count=1\ndomain home.example\n\nend\n",
	"recipients=1 count=1\ndomain home.example\nann\nend\n",
	"recipients=1 count=1\ndomain home.example\nann@home.example\n",		/* cut */
	"recipients=1 count=2\ndomain home.example\nann@home.example\nend\n",
	"recipients=1 count=1\ndomain home.example\nann@home.example\nend\nmore\n",
	"recipients=1 count=1\ndomain home.example\nann@home.example\r\nend\n",
};

START_TEST(a_list_that_says_more_than_it_may_is_not_taken)
{
	struct err err = {0};

	ck_assert_int_eq(take(LIST, &err), 0);
	ck_assert_int_eq(take(lies[_i], &err), -1);
	ck_assert_int_eq(err.kind, ERR_PERM);
	ck_assert_int_eq(recipients_know(&s.settings, "home", SPAN("bob@home.example"), &err), 1);
	ck_assert_int_eq(recipients_know(&s.settings, "home", SPAN("eve@home.example"), &err), 0);
}
END_TEST

START_TEST(names_become_addresses_of_each_domain)
{
	const struct site_settings *site = settings_site(&s.settings, "home");
	struct str list = {0}, again = {0};
	struct err err = {0};
	int root = open(s.root, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(recipients_gather(&s.settings, site, &list, &err), -1);	/* no source is there */
	ck_assert_int_eq(fs_replace(root, "names", SPAN(""), 0600, &err), 0);
	ck_assert_int_eq(mkdirat(root, "mail", 0700), 0);
	ck_assert_int_eq(recipients_gather(&s.settings, site, &list, &err), -1);	/* and now nobody */
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	ck_assert_int_eq(fs_replace(root, "names", SPAN("bob\nAnn@home.example x\n@old.example\nann@far.example\n"
	    "bob@home.example\nodd one\n"), 0600, &err), 0);
	ck_assert_int_eq(mkdirat(root, "mail/carl", 0700), 0);
	ck_assert_int_eq(mkdirat(root, "mail/carl/new", 0700), 0);
	ck_assert_int_eq(mkdirat(root, "mail/none", 0700), 0);
	ck_assert_msg(recipients_gather(&s.settings, site, &list, &err) == 0, "%s", err.text);
	ck_assert_str_eq(str_c(&list), "recipients=1 count=8\ndomain home.example\ndomain old.example\n@old.example\n"
	    "ann@home.example\nbob@home.example\nbob@old.example\ncarl@home.example\ncarl@old.example\n"
	    "odd@home.example\nodd@old.example\nend\n");
	close(root);
	str_free(&list);
	str_free(&again);
}
END_TEST

UNIT_WITH("recipients", set_up, tear_down,
	{ what_a_site_said_is_known, ROWS(asked) },
	{ a_list_that_says_more_than_it_may_is_not_taken, ROWS(lies) },
	{ names_become_addresses_of_each_domain, 1 })
