/* Headers that are changed: what is not meant stays, and nothing begins that was not. */
#include "lib/mail/fields.h"

#include "tests/unit/unit.h"

static const struct {
	char what;		/* i at, c nth */
	size_t number;
	const char *name, *value;
	const char *result;	/* of "A: 1\r\nB: 2\r\n 3\r\na: 4\r\n" */
} rows[] = {
	{ 'i', 0, "X", "new", "X: new\r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 1, "X", "new", "A: 1\r\nX: new\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 99, "X", "new", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\nX: new\r\n" },
	{ 'i', 0, "X", "", "X: \r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X", "one\n two", "X: one\r\n two\r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X", "one\r\nEvil: two", "X: one\r\n\tEvil: two\r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X", "one\n\n\nbody", "X: one\r\n\tbody\r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X", "one\r\n", "X: one\r\nA: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X\r\nY", "one", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "X: Y", "one", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'i', 0, "", "one", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'c', 1, "A", "9", "A: 9\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'c', 2, "A", "9", "A: 1\r\nB: 2\r\n 3\r\na: 9\r\n" },
	{ 'c', 3, "A", "9", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\nA: 9\r\n" },
	{ 'c', 3, "A", "", "A: 1\r\nB: 2\r\n 3\r\na: 4\r\n" },
	{ 'c', 1, "b", "", "A: 1\r\na: 4\r\n" },
	{ 'c', 1, "B", "x", "A: 1\r\nB: x\r\na: 4\r\n" },
};

START_TEST(a_header_is_changed_as_the_rows_say)
{
	struct fields fields;
	struct str out = {0};

	fields_read(&fields, SPAN("A: 1\r\nB: 2\r\n 3\r\na: 4\r\n\r\nno: field\r\n"));
	ck_assert_uint_eq(fields.count, 3);
	if (rows[_i].what == 'i')
		fields_insert(&fields, rows[_i].number, span_of(rows[_i].name), span_of(rows[_i].value), true);
	else
		fields_change(&fields, span_of(rows[_i].name), rows[_i].number, span_of(rows[_i].value), true);
	fields_write(&fields, &out);
	ck_assert_str_eq(str_c(&out), rows[_i].result);
	fields_free(&fields);
	str_free(&out);
}
END_TEST

/* Whoever removes several counts those that were there. */
START_TEST(what_is_removed_keeps_its_number)
{
	struct fields fields;
	struct str out = {0};

	fields_read(&fields, SPAN("A: 1\nA: 2\nA: 3"));
	fields_change(&fields, SPAN("A"), 1, SPAN(""), true);
	fields_change(&fields, SPAN("A"), 2, SPAN(""), true);
	fields_write(&fields, &out);
	ck_assert_str_eq(str_c(&out), "A: 3\r\n");
	fields_free(&fields);
	str_free(&out);
}
END_TEST

UNIT("fields",
	{ a_header_is_changed_as_the_rows_say, ROWS(rows) },
	{ what_is_removed_keeps_its_number, 1 })
