/* lib/base/conf: what mochila.conf may say, and what is said about the rest. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/base/fs.h"
#include "tests/unit/unit.h"

struct thing {
	char *name;
	int64_t pause;
	uint64_t size, count;
	bool open;
};

#define CONF_OF struct thing
static const struct conf_row rows[] = {
	ROW("name", text, name, "", "what it is called"),
	ROW("pause", seconds, pause, "5m", "how long it waits"),
	ROW("max-size", bytes, size, "64K", "how large it may be"),
	ROW("max-count", number, count, "10", "how many there may be"),
	ROW("open", yesno, open, "no", "whether it is open"),
	{0},
};

static const char *const kinds[] = { "thing", "other", NULL };
static char path[64];

static int
read_text(struct conf *conf, struct span text, struct err *err)
{
	struct err ignored;

	snprintf(path, sizeof path, "conf-%d.tmp", (int)getpid());
	ck_assert_int_eq(fs_replace(AT_FDCWD, path, text, 0600, &ignored), 0);
	int result = conf_read(conf, path, err);
	unlink(path);
	return result;
}

/* Reads text and fills a thing from it: 0, or -1 with err. */
static int
fill(const char *text, struct thing *thing, struct err *err)
{
	struct conf conf = {0};
	int result = read_text(&conf, span_of(text), err);

	*thing = (struct thing){0};
	if (result == 0)
		result = conf_kinds(&conf, kinds, err);
	if (result == 0)
		result = conf_fill(&conf, "thing", "", rows, thing, err);
	conf_free(&conf);
	return result;
}

START_TEST(presets_hold_where_nothing_is_said)
{
	struct thing thing;
	struct err err = {0};

	ck_assert_int_eq(fill("", &thing, &err), 0);
	ck_assert_str_eq(thing.name, "");
	ck_assert_int_eq(thing.pause, 300);
	ck_assert_uint_eq(thing.size, 65536);
	ck_assert_uint_eq(thing.count, 10);
	ck_assert(!thing.open);
	conf_drop(rows, &thing);
	ck_assert_ptr_null(thing.name);
}
END_TEST

static const char *const names[][2] = {		/* after "name = ": what it is */
	{ "a # b ; c", "a # b ; c" },
	{ "  \"quoted\"\t ", "\"quoted\"" },
	{ "a = b == c", "a = b == c" },
	{ "[x]", "[x]" },
	{ "100% \\n $HOME ~", "100% \\n $HOME ~" },
	{ "", "" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "crlf\r", "crlf" },
};

START_TEST(nothing_inside_a_value_is_special)
{
	struct thing thing;
	struct err err = {0};
	struct str text = {0};

	str_printf(&text, "# comment\n ; comment too = x\n\n[thing]\nname = %s\n", names[_i][0]);
	ck_assert_msg(fill(str_c(&text), &thing, &err) == 0, "%s", err.text);
	ck_assert_str_eq(thing.name, names[_i][1]);
	conf_drop(rows, &thing);
	str_free(&text);
}
END_TEST

static const size_t lengths[] = { 49, 50, 199, 200, 1023, 4096, 65000 };

START_TEST(a_long_value_is_not_cut)
{
	struct thing thing;
	struct err err = {0};
	struct str text = {0};
	char *value = mem_get(lengths[_i] + 1);

	for (size_t i = 0; i < lengths[_i]; i++)
		value[i] = "ab;#= "[i % 6];
	value[lengths[_i] - 1] = 'z';
	str_printf(&text, "[thing]\nname = %s", value);
	ck_assert_msg(fill(str_c(&text), &thing, &err) == 0, "%s", err.text);
	ck_assert_str_eq(thing.name, value);
	conf_drop(rows, &thing);
	str_free(&text);
	free(value);
}
END_TEST

START_TEST(a_long_section_name_is_not_cut)
{
	struct conf conf = {0};
	struct err err = {0};
	struct str text = {0};

	str_add_text(&text, "[thing ");
	for (int i = 0; i < 4096; i++)
		str_add_char(&text, 'n');
	str_add_text(&text, "]\nname = x\n[thing b c]\nname = y\n");
	ck_assert_int_eq(read_text(&conf, str_span(&text), &err), 0);
	ck_assert_uint_eq(strlen(conf_name(&conf, "thing", 0)), 4096);
	ck_assert_str_eq(conf_name(&conf, "thing", 1), "b c");
	ck_assert_ptr_null(conf_name(&conf, "thing", 2));
	conf_free(&conf);
	str_free(&text);
}
END_TEST

static const struct { const char *key, *value; int64_t number; } numbers[] = {
	{ "pause", "90", 90 },
	{ "pause", "90s", 90 },
	{ "pause", "15m", 900 },
	{ "pause", "36h", 129600 },
	{ "pause", "5d", 432000 },
	{ "pause", "0", 0 },
	{ "pause", "m", -1 },
	{ "pause", "-1", -1 },
	{ "pause", "1.5h", -1 },
	{ "pause", "5 m", -1 },
	{ "pause", "5M", -1 },
	{ "pause", "99999999999d", -1 },
	{ "max-size", "1000", 1000 },
	{ "max-size", "64K", 65536 },
	{ "max-size", "35M", 36700160 },
	{ "max-size", "2G", INT64_C(2147483648) },
	{ "max-size", "9223372036854775807", INT64_MAX },
	{ "max-size", "9223372036854775808", -1 },
	{ "max-size", "9007199254740992K", -1 },
	{ "max-size", "64k", -1 },
	{ "max-size", "", -1 },
	{ "max-count", "7", 7 },
	{ "max-count", "7K", -1 },
	{ "max-count", "0x10", -1 },
	{ "open", "yes", 1 },
	{ "open", "no", 0 },
	{ "open", "true", -1 },
	{ "open", "", -1 },
};

START_TEST(a_number_is_read_whole_or_refused)
{
	struct thing thing;
	struct err err = {0};
	struct str text = {0};
	const char *key = numbers[_i].key;

	str_printf(&text, "[thing]\n%s = %s\n", key, numbers[_i].value);
	int result = fill(str_c(&text), &thing, &err);
	if (numbers[_i].number < 0) {
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(err_exit(&err), EX_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.text, ".tmp:2: "));
	} else {
		ck_assert_msg(result == 0, "%s", err.text);
		int64_t got = strcmp(key, "pause") == 0 ? thing.pause : strcmp(key, "open") == 0 ? thing.open :
		    (int64_t)(strcmp(key, "max-size") == 0 ? thing.size : thing.count);
		ck_assert_int_eq(got, numbers[_i].number);
	}
	conf_drop(rows, &thing);
	str_free(&text);
}
END_TEST

static const char *const slips[][2] = {		/* text | what the error says */
	{ "[thing]\nmax-siez = 3\n", ":2: unknown key max-siez; did you mean max-size?" },
	{ "[thing]\nxyzzy = 3\n", ":2: unknown key xyzzy" },
	{ "[thng]\nname = a\n", ":2: unknown section thng; did you mean thing?" },
	{ "[thing]\nname = a\nname = b\n", ":3: name was said already at " },
	{ "name = a\n", ":1: key before the first [section]" },
	{ "[thing]\nname\n", ":2: neither [section] nor key = value" },
	{ "[thing\nname = a\n", ":1: section without its ]" },
	{ "[]\nname = a\n", ":2: key before the first [section]" },
	{ "[", ":1: section without its ]" },
	{ "[thing]\n = a\n", ":2: no key before the =" },
	{ "[thng a]\n", ":1: unknown section thng; did you mean thing?" },
	{ "[thing]\nNAME = a\n", ":2: unknown key NAME" },
};

START_TEST(a_slip_is_named_with_its_place)
{
	struct thing thing;
	struct err err = {0};

	ck_assert_int_eq(fill(slips[_i][0], &thing, &err), -1);
	ck_assert_msg(strstr(err.text, slips[_i][1]) != NULL, "%s", err.text);
	ck_assert_int_eq(err_exit(&err), EX_CONFIG);
	conf_drop(rows, &thing);
}
END_TEST

START_TEST(nul_endless_lines_and_missing_files_are_refused)
{
	struct conf conf = {0};
	struct err err = {0};
	struct str text = {0};

	ck_assert_int_eq(read_text(&conf, ((struct span){ "[thing]\nname = a\0b\n", 20 }), &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "NUL"));
	str_add_text(&text, "[thing]\nname = ");
	memset(str_room(&text, 70000), 'x', 70000);
	text.len += 70000;
	ck_assert_int_eq(read_text(&conf, str_span(&text), &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "longer than"));
	ck_assert_int_eq(conf_read(&conf, "no/such/file", &err), -1);
	ck_assert_int_eq(err_exit(&err), EX_CONFIG);
	ck_assert_int_eq(conf_read(&conf, "/dev/zero", &err), -1);
	ck_assert_int_eq(err_exit(&err), EX_CONFIG);
	conf_free(&conf);
	str_free(&text);
}
END_TEST

START_TEST(a_section_of_nothing_but_its_name_is_there)
{
	struct conf conf = {0};
	struct err err = {0};
	struct thing thing = {0};

	ck_assert_int_eq(read_text(&conf, span_of("[thing a]\n[thing b]\nname = x\n[thing a]\n"), &err), 0);
	ck_assert_str_eq(conf_name(&conf, "thing", 0), "a");
	ck_assert_str_eq(conf_name(&conf, "thing", 1), "b");
	ck_assert_ptr_null(conf_name(&conf, "thing", 2));
	ck_assert_int_eq(conf_fill(&conf, "thing", "a", rows, &thing, &err), 0);
	ck_assert_str_eq(thing.name, "");
	conf_drop(rows, &thing);
	conf_free(&conf);
}
END_TEST

static const char *const said[][4] = {		/* text | kind, name, key; NULL: refused */
	{ "thing.name=x", "thing", "", "name" },
	{ "thing a.name=x", "thing", "a", "name" },
	{ "thing hub.example.name=x", "thing", "hub.example", "name" },
	{ "routes.home.example=x", "routes", "", "home.example" },
	{ "routes.*=x", "routes", "", "*" },
	{ "thing=x", NULL, NULL, NULL },
	{ "thing a=x", NULL, NULL, NULL },
	{ "thing.name", NULL, NULL, NULL },
	{ "thing.=x", NULL, NULL, NULL },
	{ "thing a.=x", NULL, NULL, NULL },
	{ "", NULL, NULL, NULL },
};

START_TEST(a_setting_can_be_said_in_one_word)
{
	struct conf conf = {0};
	struct err err = {0};
	int result = conf_say_text(&conf, said[_i][0], "--set", &err);

	if (said[_i][1] == NULL) {
		ck_assert_int_eq(result, -1);
		ck_assert_ptr_nonnull(strstr(err.text, "--set"));
	} else {
		ck_assert_msg(result == 0, "%s", err.text);
		ck_assert_str_eq(conf.word[0].kind, said[_i][1]);
		ck_assert_str_eq(conf.word[0].name, said[_i][2]);
		ck_assert_str_eq(conf.word[0].key, said[_i][3]);
		ck_assert_str_eq(conf.word[0].value, "x");
	}
	conf_free(&conf);
}
END_TEST

START_TEST(the_later_word_counts_and_its_origin_is_shown)
{
	struct conf conf = {0};
	struct err err = {0};
	struct thing thing = {0};
	struct str out = {0};

	conf_say(&conf, "thing", "", "name", "first", "mochila.conf:1");
	conf_say(&conf, "thing", "", "name", "second", "--set");
	ck_assert_int_eq(conf_fill(&conf, "thing", "", rows, &thing, &err), 0);
	conf_show(&conf, "thing", "", rows, &thing, &out);
	ck_assert_ptr_nonnull(strstr(str_c(&out), "# what it is called (--set)\nname = second\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&out), "# how long it waits (preset)\npause = 5m\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&out), "max-size = 64K\n"));
	ck_assert_ptr_nonnull(strstr(str_c(&out), "open = no\n"));
	conf_drop(rows, &thing);
	conf_free(&conf);
	str_free(&out);
}
END_TEST

UNIT("conf",
    { presets_hold_where_nothing_is_said, 1 },
    { nothing_inside_a_value_is_special, ROWS(names) },
    { a_long_value_is_not_cut, ROWS(lengths) },
    { a_long_section_name_is_not_cut, 1 },
    { a_number_is_read_whole_or_refused, ROWS(numbers) },
    { a_slip_is_named_with_its_place, ROWS(slips) },
    { nul_endless_lines_and_missing_files_are_refused, 1 },
    { a_section_of_nothing_but_its_name_is_there, 1 },
    { a_setting_can_be_said_in_one_word, ROWS(said) },
    { the_later_word_counts_and_its_origin_is_shown, 1 })
