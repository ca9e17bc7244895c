/*
 * unit - the end of a unit test: main() with one row for each test.
 *
 *	UNIT("xtext",
 *		{ xtext_means_what_the_rows_say, ROWS(rows) },
 *		{ one_more_thing, 1 })
 *
 * With UNIT_ONLY=WORD in the environment those run that have it in their names.
 * A test with rows finds the row's number in _i.  UNIT_WITH(name, setup, teardown, ...)
 * runs these two around each.
 */
#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(rows) ((int)(sizeof (rows) / sizeof (rows)[0]))

struct unit_test {
	const TTest *test;
	int rows;
};

static inline int
unit_wanted(const struct unit_test *test)
{
	const char *only = getenv("UNIT_ONLY");

	return only == NULL || strstr(test->test->name, only) != NULL;
}

static inline int
unit_run(const char *name, SFun setup, SFun teardown, const struct unit_test *tests, int count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 300);	/* the machine may be busy with the others */
	for (int i = 0; i < count; i++)
		if (unit_wanted(&tests[i]))
			tcase_add_loop_test(tcase, tests[i].test, 0, tests[i].rows);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed > 0;
}

#define UNIT(name, ...) UNIT_WITH(name, NULL, NULL, __VA_ARGS__)

#define UNIT_WITH(name, setup, teardown, ...)				\
	int								\
	main(void)							\
	{								\
		const struct unit_test tests[] = { __VA_ARGS__ };	\
		return unit_run(name, setup, teardown, tests, ROWS(tests));		\
	}

#endif
