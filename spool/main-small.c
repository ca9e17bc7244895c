/*
 * mochila-small - all that carries mail by calls, in one file for small boxes: what the programs have
 * in common is there once (configure --enable-small).  Which of them it is says the name that it is
 * called by, or its first word.
 *
 * They are as separate as ever: each runs the others as programs, by their links.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "spool/small.h"

#define PROGRAMS(X) \
	X(bsmtp, "bsmtp rsmtp rgsmtp rbsmtp rcsmtp rzsmtp") \
	X(mailer, "rmail sendmail mailq newaliases") \
	X(uucico, "uucico-ssh") \
	X(uuxqt, "uuxqt")
PROGRAMS(SMALL_DECLARE)
static const struct small_program mail_programs[] = { PROGRAMS(SMALL_ROW) {0} };

static const struct small_program *
find_in(const struct small_program *row, struct span name)
{
	while (row->names != NULL && !span_lists(span_of(row->names), name))
		row++;
	return row->names != NULL ? row : NULL;
}

static const struct small_program *
find_program(const char *word)
{
	const char *slash = strrchr(word, '/');
	struct span name = span_of(slash != NULL ? slash + 1 : word);
	const struct small_program *found = find_in(mail_programs, name);

	return found != NULL ? found : find_in(small_others, name);
}

static void
tell(const struct small_program *row)
{
	for (; row->names != NULL; row++)
		fprintf(stderr, " %s", row->names);
}

int
main(int argc, char **argv)
{
	const struct small_program *program = argc > 0 ? find_program(argv[0]) : NULL;

	if (program == NULL && argc > 1) {
		argc--;
		argv++;
		program = find_program(argv[0]);
	}
	if (program != NULL)
		return program->run(argc, argv);
	fputs("mochila-small: it is called by the name of a program, or with it as its first word:", stderr);
	tell(mail_programs);
	tell(small_others);
	fputc('\n', stderr);
	return EX_USAGE;
}
