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
tell(FILE *to, const struct small_program *row)
{
	for (; row->names != NULL; row++)
		fprintf(to, " %s", row->names);
}

/* Called by no program's name, and with none. */
static int
speak_for_itself(const char *word)
{
	bool asked = strcmp(word, "--help") == 0;
	FILE *to = asked ? stdout : stderr;

	if (strcmp(word, "--version") == 0) {
		puts("mochila-small (mochila) " MOCHILA_VERSION);
		return EX_OK;
	}
	fputs("mochila-small: call it by a program's name, or with that as its first word:", to);
	tell(to, mail_programs);
	tell(to, small_others);
	fputc('\n', to);
	return asked ? EX_OK : EX_USAGE;
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
	return program != NULL ? program->run(argc, argv) : speak_for_itself(argc > 0 ? argv[0] : "");
}
