/* spool/table: a key is looked up in a text, a cdb, or by a program. */
#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spool/table.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

static struct scratch place;
static struct tables tables;

static void
set_up(void)
{
	struct err err;

	scratch_make(&place);
	log_open("unit", "none", LOG_LEVEL_ERROR, &err);
	tables = (struct tables){ .root = place.root };
}

static void
tear_down(void)
{
	tables_close(&tables);
	clock_shift(0);
	scratch_remove(AT_FDCWD, place.root);
}

static void
put(const char *name, struct span text, mode_t mode)
{
	struct err err;
	int dir = open(place.root, O_RDONLY | O_DIRECTORY);

	ck_assert_int_eq(fs_replace(dir, name, text, mode, &err), 0);
	close(dir);
}

static const char text[] =
    "# a comment\n"
    "ann@home.example   bob@home.example\n"
    "Carl:  one,\n"
    "\ttwo three\n"
    "   four\n"
    "\n"
    "# Carl: no\n"
    "  nothing\n"
    "carl second\n"
    "alone\n"
    "@home.example ALL\r\n"
    "last line";

static const struct { const char *key, *value; } rows[] = {
	{ "ann@home.example", "bob@home.example" },
	{ "ANN@Home.Example", "bob@home.example" },
	{ "carl", "one, \ttwo three    four" },
	{ "alone", "" },
	{ "@home.example", "ALL" },
	{ "last", "line" },
	{ "#", NULL },
	{ "nothing", NULL },
	{ "home.example", NULL },
	{ "", NULL },
};

START_TEST(a_text_has_what_its_lines_say)
{
	struct str value = {0};
	struct err err;

	put("t", span_of(text), 0600);
	int found = table_find(&tables, "file:t", span_of(rows[_i].key), &value, &err);
	ck_assert_int_eq(found, rows[_i].value != NULL);
	if (found > 0)
		ck_assert_str_eq(str_c(&value), rows[_i].value);
	str_free(&value);
}
END_TEST

START_TEST(a_text_that_changes_is_read_again_and_one_that_goes_is_remembered)
{
	struct str value = {0}, path = {0};
	struct err err;

	ck_assert_int_eq(table_find(&tables, "file:t", SPAN("a"), &value, &err), -1);
	ck_assert_int_ne(err.kind, ERR_PERM);
	put("t", SPAN("a b\n"), 0600);
	ck_assert_int_eq(table_find(&tables, "file:t", SPAN("a"), &value, &err), 1);
	put("t", SPAN(""), 0600);
	clock_shift(2 * CLOCK_SECOND);
	ck_assert_int_eq(table_find(&tables, "file:t", SPAN("a"), &value, &err), 0);
	put("t", SPAN("a c\n"), 0600);
	clock_shift(4 * CLOCK_SECOND);
	ck_assert_int_eq(table_find(&tables, "file:t", SPAN("a"), &value, &err), 1);
	ck_assert_str_eq(str_c(&value), "c");
	str_printf(&path, "%s/t", place.root);
	ck_assert_int_eq(unlink(str_c(&path)), 0);
	clock_shift(6 * CLOCK_SECOND);
	ck_assert_int_eq(table_find(&tables, "file:t", SPAN("a"), &value, &err), 1);
	str_free(&value);
	str_free(&path);
}
END_TEST

START_TEST(the_first_of_several_tables_counts)
{
	struct str value = {0};
	struct err err;

	put("t", SPAN("a first\n"), 0600);
	put("u", SPAN("a second\nb third\n"), 0600);
	ck_assert_int_eq(table_find(&tables, "file:t , file:u", SPAN("a"), &value, &err), 1);
	ck_assert_str_eq(str_c(&value), "first");
	ck_assert_int_eq(table_find(&tables, "file:t,file:u", SPAN("b"), &value, &err), 1);
	ck_assert_str_eq(str_c(&value), "third");
	ck_assert_int_eq(table_find(&tables, "file:t,file:u", SPAN("c"), &value, &err), 0);
	ck_assert_int_eq(table_find(&tables, "file:none,file:u", SPAN("b"), &value, &err), -1);
	ck_assert_int_eq(table_find(&tables, "", SPAN("b"), &value, &err), 0);
	str_free(&value);
}
END_TEST

/* A cdb of one pair, whatever numbers stand in it. */
static void
put_cdb(const char *key, const char *value, uint32_t slots, uint32_t value_len)
{
	struct str out = {0};
	uint32_t hash = 5381, at = 2048;

	for (const char *c = key; *c != '\0'; c++)
		hash = ((hash << 5) + hash) ^ (unsigned char)*c;
	uint32_t end = at + 8 + (uint32_t)(strlen(key) + strlen(value));
	uint32_t numbers[] = { (uint32_t)strlen(key), value_len };
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t pair[2] = { end, i == (hash & 255) ? slots : 0 };
		str_add(&out, pair, sizeof pair);	/* of a little-endian machine */
	}
	str_add(&out, numbers, sizeof numbers);
	str_add_text(&out, key);
	str_add_text(&out, value);
	uint32_t slot[4] = { 0 };
	uint32_t mine = (hash >> 8) % 2;
	slot[2 * mine] = hash;
	slot[2 * mine + 1] = at;
	str_add(&out, slot, sizeof slot);
	put("c", str_span(&out), 0600);
	str_free(&out);
}

START_TEST(a_cdb_is_searched_where_it_lies_and_a_damaged_one_is_told)
{
	struct str value = {0};
	struct err err;

	put_cdb("ann@home.example", "bob", 2, 3);
	ck_assert_int_eq(table_find(&tables, "cdb:c", SPAN("Ann@home.example"), &value, &err), 1);
	ck_assert_str_eq(str_c(&value), "bob");
	ck_assert_int_eq(table_find(&tables, "cdb:c", SPAN("eve@home.example"), &value, &err), 0);
	clock_shift(2 * CLOCK_SECOND);
	put_cdb("ann@home.example", "bob", 2, 0xffffffff);
	ck_assert_int_eq(table_find(&tables, "cdb:c", SPAN("ann@home.example"), &value, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	clock_shift(4 * CLOCK_SECOND);
	put_cdb("ann@home.example", "bob", 0xffffffff, 3);
	ck_assert_int_eq(table_find(&tables, "cdb:c", SPAN("ann@home.example"), &value, &err), -1);
	clock_shift(6 * CLOCK_SECOND);
	put("c", SPAN("short"), 0600);
	ck_assert_int_eq(table_find(&tables, "cdb:c", SPAN("ann@home.example"), &value, &err), -1);
	str_free(&value);
}
END_TEST

static void
put_program(const char *script, struct str *said)
{
	put("p", span_of(script), 0700);
	str_printf(said, "|%s/p x", place.root);
}

START_TEST(a_program_is_asked_line_by_line)
{
	struct str value = {0}, said = {0};
	struct err err;

	put_program("#!/bin/sh\nwhile read -r get key; do case $key in\nann@x) echo 200 $$%20$1;;\n"
	    "later) echo 400 not now;;\nodd) echo what;;\ntwo) printf '200 a\\n200 b\\n';;\nend) exit 0;;\n"
	    "a%20b) echo 200 blank;;\n*) echo 500 none;;\nesac; done\n", &said);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("Ann@x"), &value, &err), 1);
	ck_assert_ptr_nonnull(strstr(str_c(&value), " x"));
	char *first = mem_text(str_c(&value));
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("bob@x"), &value, &err), 0);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("later"), &value, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("odd"), &value, &err), -1);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("a b"), &value, &err), 1);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("ann@x"), &value, &err), 1);
	ck_assert_str_eq(str_c(&value), first);		/* one process answered all */
	free(first);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("two"), &value, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "more than"));
	/* It rests, and says so at once. */
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("ann@x"), &value, &err), -1);
	clock_shift(11 * CLOCK_SECOND);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("ann@x"), &value, &err), 1);
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("end"), &value, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	str_free(&value);
	str_free(&said);
}
END_TEST

START_TEST(a_program_that_does_not_answer_is_given_up)
{
	struct str value = {0}, said = {0};
	struct err err;

	put_program("#!/bin/sh\nread -r x\nsleep 100\n", &said);
	int64_t before = clock_mono();
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("ann@x"), &value, &err), -1);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	ck_assert_int_lt(clock_mono() - before, 20 * CLOCK_SECOND);
	before = clock_mono();
	ck_assert_int_eq(table_find(&tables, str_c(&said), SPAN("ann@x"), &value, &err), -1);
	ck_assert_int_lt(clock_mono() - before, CLOCK_SECOND);
	str_free(&value);
	str_free(&said);
}
END_TEST

static const struct { const char *said; bool ok; } lists[] = {
	{ "", true }, { "file:x", true }, { "file:x, cdb:/y,|/bin/z a b", true }, { ",", true },
	{ "x", false }, { "file:", false }, { "|z", false }, { "| /bin/z", false }, { "file:x,sql:y", false },
};

START_TEST(a_list_of_tables_is_checked)
{
	struct err err = {0};

	ck_assert_int_eq(table_check(lists[_i].said, &err), lists[_i].ok ? 0 : -1);
	ck_assert_int_eq(err.kind, lists[_i].ok ? ERR_NONE : ERR_CONFIG);
}
END_TEST

UNIT_WITH("table", set_up, tear_down,
	{ a_text_has_what_its_lines_say, ROWS(rows) },
	{ a_text_that_changes_is_read_again_and_one_that_goes_is_remembered, 1 },
	{ the_first_of_several_tables_counts, 1 },
	{ a_cdb_is_searched_where_it_lies_and_a_damaged_one_is_told, 1 },
	{ a_program_is_asked_line_by_line, 1 },
	{ a_program_that_does_not_answer_is_given_up, 1 },
	{ a_list_of_tables_is_checked, ROWS(lists) })
