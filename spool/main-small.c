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

#include "lib/base/str.h"

#define PROGRAMS(X) \
	X(bsmtp, "bsmtp rsmtp rgsmtp rbsmtp rcsmtp rzsmtp") \
	X(mailer, "rmail sendmail mailq newaliases") \
	X(rrecipients, "rrecipients") \
	X(uucico, "uucico-ssh") \
	X(uucp, "uucp") \
	X(uux, "uux") \
	X(uuxqt, "uuxqt")
/* The operator's door may be left out: --enable-small=core. */
#if MOCHILA_SMALL_CORE
#define DOOR(X)
#else
#define DOOR(X) X(mochila, "mochila")
#endif

#define DECLARE(name, names) int name##_main(int argc, char **argv);
PROGRAMS(DECLARE)
DOOR(DECLARE)

#define ROW(name, names) { names, name##_main },
static const struct {
	const char *names;
	int (*run)(int argc, char **argv);
} programs[] = { PROGRAMS(ROW) DOOR(ROW) };
enum { PROGRAMS_THERE = sizeof programs / sizeof programs[0] };

/* PROGRAMS_THERE: none of them. */
static size_t
find_program(const char *word)
{
	const char *slash = strrchr(word, '/');
	struct span name = span_of(slash != NULL ? slash + 1 : word);
	size_t i = 0;

	while (i < PROGRAMS_THERE && !span_lists(span_of(programs[i].names), name))
		i++;
	return i;
}

int
main(int argc, char **argv)
{
	size_t i = argc > 0 ? find_program(argv[0]) : PROGRAMS_THERE;

	if (i == PROGRAMS_THERE && argc > 1) {
		argc--;
		argv++;
		i = find_program(argv[0]);
	}
	if (i < PROGRAMS_THERE)
		return programs[i].run(argc, argv);
	fputs("mochila-small: it is called by the name of a program, or with it as its first word:", stderr);
	for (i = 0; i < PROGRAMS_THERE; i++)
		fprintf(stderr, " %s", programs[i].names);
	fputc('\n', stderr);
	return EX_USAGE;
}
