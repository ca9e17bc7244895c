/* Commands with files: what stands in a queue and a job, and what an X. file says of them. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "uucico-ssh/xfile.h"

static const struct {
	const char *text;
	int count;		/* -1: it is none */
	uint64_t total;
	const char *command;
} rows[] = {
	{ "rmail bob@hub", 0, 0, "rmail bob@hub" },
	{ "@files 1 5 a lp a", 1, 5, "lp a" },
	{ "@files 2 5 a 0 b.txt lp a b.txt", 2, 5, "lp a b.txt" },
	{ "@files 0 lp", 0, 0, "lp" },
	{ "@files", -1, 0, NULL },
	{ "@files 1 5 a", -1, 0, NULL },
	{ "@files 2 5 a lp a", -1, 0, NULL },
	{ "@files 1 5 ../a lp", -1, 0, NULL },
	{ "@files 1 5 .a lp", -1, 0, NULL },
	{ "@files 1 5 -a lp", -1, 0, NULL },
	{ "@files 1 5 a/b lp", -1, 0, NULL },
	{ "@files 1 -5 a lp", -1, 0, NULL },
	{ "@files 1 99999999999999999999 a lp", -1, 0, NULL },
	{ "@files 2 1 a 1 a lp", -1, 0, NULL },
	{ "@files 21 1 a lp", -1, 0, NULL },
	{ "@files x lp", -1, 0, NULL },
};

START_TEST(a_command_says_its_files)
{
	struct filed filed;
	struct str again = {0};
	int result = filed_parse(span_of(rows[_i].text), &filed);

	ck_assert_int_eq(result, rows[_i].count < 0 ? -1 : 0);
	if (result < 0)
		return;
	ck_assert_uint_eq(filed.count, (size_t)rows[_i].count);
	ck_assert_uint_eq(filed.total, rows[_i].total);
	ck_assert(span_is(filed.command, rows[_i].command));
	filed_print(&filed, &again);
	ck_assert_str_eq(str_c(&again), filed.count > 0 ? rows[_i].text : rows[_i].command);
	str_free(&again);
}
END_TEST

static const struct {
	const char *text;
	int files;		/* -1: refused */
	const char *input, *last_as;
} jobs[] = {
	{ "U uucp home\nF D.1\nI D.1\nC rmail bob\n", 1, "D.1", "" },
	{ "U uucp home\nF D.1 a\nF D.2 b\nF D.3\nI D.3\nC lp a b\n", 3, "D.3", "" },
	{ "U uucp home\nF D.1 a\nC lp a\n", 1, "", "a" },
	{ "C lp\n", 0, "", "" },
	{ "F D.1 ../a\nC lp\n", -1, NULL, NULL },
	{ "F D.1 .a\nC lp\n", -1, NULL, NULL },
	{ "F D.1 a\nF D.2 a\nC lp\n", -1, NULL, NULL },
	{ "F D.1 a\nF D.1 b\nC lp\n", -1, NULL, NULL },
	{ "F /etc/passwd a\nC lp\n", -1, NULL, NULL },
	{ "I /etc/passwd\nC lp\n", -1, NULL, NULL },
	{ "I D.1\nI D.2\nC lp\n", -1, NULL, NULL },
	{ "O out home\nC lp\n", 0, "", "" },
	{ "O out home\nO out2 home\nC lp\n", -1, NULL, NULL },
	{ "C lp\nC sh\n", -1, NULL, NULL },
	{ "F D.1 a\n", -1, NULL, NULL },
};

START_TEST(an_x_file_says_its_files)
{
	struct xfile x;
	struct err err = {0};
	int result = xfile_parse(span_of(jobs[_i].text), &x, &err);

	ck_assert_int_eq(result, jobs[_i].files < 0 ? -1 : 0);
	if (result < 0) {
		ck_assert_int_eq(err.kind, ERR_PERM);
	} else {
		ck_assert_uint_eq(x.files, (size_t)jobs[_i].files);
		ck_assert_str_eq(str_c(&x.input), jobs[_i].input);
		if (x.files > 0)
			ck_assert_str_eq(str_c(&x.file[x.files - 1].as), jobs[_i].last_as);
	}
	xfile_free(&x);
}
END_TEST

START_TEST(an_x_file_with_too_many_files_is_refused)
{
	struct str text = {0};
	struct xfile x;
	struct err err = {0};

	for (int i = 0; i < 100; i++)
		str_printf(&text, "F D.%d a%d\n", i, i);
	str_add_text(&text, "C lp\n");
	ck_assert_int_eq(xfile_parse(str_span(&text), &x, &err), -1);
	xfile_free(&x);
	str_free(&text);
}
END_TEST

UNIT("filed",
	{ a_command_says_its_files, ROWS(rows) },
	{ an_x_file_says_its_files, ROWS(jobs) },
	{ an_x_file_with_too_many_files_is_refused, 1 })
