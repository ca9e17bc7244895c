#include "lib/base/opt.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { LONG_BASE = 256 };

static size_t
count_rows(const struct opt_row *rows)
{
	size_t n = 0;
	while (rows[n].name != NULL || rows[n].letter != 0)
		n++;
	return n;
}

void
opt_list_add(struct opt_list *list, const char *text)
{
	list->text = mem_resize(list->text, list->count + 1, sizeof *list->text);
	list->text[list->count++] = text;
}

void
opt_list_free(struct opt_list *list)
{
	free(list->text);
	*list = (struct opt_list){0};
}

static void
take(const struct opt_row *row, const char *value)
{
	switch (row->kind) {
	case OPT_FLAG:
		*(bool *)row->to = true;
		break;
	case OPT_TEXT:
		*(const char **)row->to = value;
		break;
	case OPT_LIST:
		opt_list_add(row->to, value);
		break;
	}
}

static const struct opt_row *
row_of(const struct opt_row *rows, size_t count, int got)
{
	if (got >= LONG_BASE)
		return &rows[got - LONG_BASE];
	for (size_t i = 0; i < count; i++)
		if (rows[i].letter == got)
			return &rows[i];
	return NULL;
}

static int
bad_usage(int got, char **argv, struct err *err)
{
	const char *said = optind > 0 && argv[optind - 1] != NULL ? argv[optind - 1] : "?";
	if (got == ':')
		err_set(err, ERR_CONFIG, "option %s needs a value (--help lists them)", said);
	else
		err_set(err, ERR_CONFIG, "unknown or ambiguous option %s (--help lists them)", said);
	return err_as(err, EX_USAGE, NULL);
}

int
opt_parse(const struct opt_row *rows, bool first_operand_ends, int *argc, char ***argv,
    struct err *err)
{
	size_t count = count_rows(rows);
	struct option *longs = mem_get((count + 1) * sizeof *longs);
	struct str letters = {0};
	int got, named = 0, result = 0;

	str_add_text(&letters, first_operand_ends ? "+:" : ":");
	for (size_t i = 0; i < count; i++) {
		int takes = rows[i].arg != NULL ? required_argument : no_argument;
		if (rows[i].name != NULL)
			longs[named++] = (struct option){ rows[i].name, takes, NULL, LONG_BASE + (int)i };
		if (rows[i].letter != 0) {
			str_add_char(&letters, rows[i].letter);
			if (takes == required_argument)
				str_add_char(&letters, ':');
		}
	}
	optind = 0;	/* glibc: start over, also its permutation state */
	opterr = 0;
	while ((got = getopt_long(*argc, *argv, str_c(&letters), longs, NULL)) != -1) {
		const struct opt_row *row = got == '?' || got == ':' ? NULL : row_of(rows, count, got);
		if (row == NULL) {
			result = bad_usage(got, *argv, err);
			break;
		}
		take(row, optarg);
	}
	*argc -= optind;
	*argv += optind;
	str_free(&letters);
	free(longs);
	return result;
}

void
opt_help(const char *usage, const char *about, const struct opt_row *rows, struct str *out)
{
	str_printf(out, "usage: %s\n%s\n\n", usage, about);
	for (size_t i = 0, n = count_rows(rows); i < n; i++) {
		size_t start = out->len;
		if (rows[i].letter != 0)
			str_printf(out, "  -%c%s", rows[i].letter, rows[i].name != NULL ? ", " : "");
		else
			str_add_text(out, "      ");
		if (rows[i].name != NULL)
			str_printf(out, "--%s", rows[i].name);
		if (rows[i].arg != NULL)
			str_printf(out, rows[i].name != NULL ? "=%s" : " %s", rows[i].arg);
		while (out->len - start < 28)
			str_add_char(out, ' ');
		str_printf(out, " %s\n", rows[i].help);
	}
}
