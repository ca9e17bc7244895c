#include "lib/base/opt.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { LONG_BASE = 256, SCREEN_LINES = 23, SCREEN_COLUMNS = 79, NAME_WIDTH = 12 };

/* --help=all was said: what opt_help() prints is whole. */
static bool whole_help;

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
	case OPT_HELP:
		*(bool *)row->to = true;
		whole_help = value != NULL;
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
		int takes = rows[i].kind == OPT_HELP ? optional_argument : rows[i].arg != NULL ? required_argument : no_argument;
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
		if (row == NULL || (row->kind == OPT_HELP && optarg != NULL && strcmp(optarg, "all") != 0)) {
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

static void
add_row(const struct opt_row *row, struct str *out)
{
	size_t start = out->len;

	if (row->letter != 0)
		str_printf(out, "  -%c%s", row->letter, row->name != NULL ? ", " : "");
	else
		str_add_text(out, "      ");
	if (row->name != NULL)
		str_printf(out, "--%s%s", row->name, row->kind == OPT_HELP ? "[=all]" : "");
	if (row->arg != NULL)
		str_printf(out, row->name != NULL ? "=%s" : " %s", row->arg);
	while (out->len - start < 28)
		str_add_char(out, ' ');
	str_printf(out, " %s\n", row->help);
}

/* A line as wide as a screen, with what is left out of it marked. */
static void
add_cut(struct span line, struct str *out)
{
	if (line.len > SCREEN_COLUMNS) {
		str_add_span(out, span_trim(span_to(line, SCREEN_COLUMNS - 4)));
		str_add_text(out, " ...\n");
		return;
	}
	str_add_span(out, line);
	str_add_char(out, '\n');
}

/* Lists are shown by their names, several on a line: "  init [--site NAME]  make the root". */
static void
add_about(const char *about, struct str *out)
{
	struct span rest = span_of(about), line;
	size_t start = out->len;
	bool in_list = false;

	while (span_cut(&rest, '\n', &line)) {
		bool name = span_begins(line, "  ") && line.len > 2 && line.p[2] != ' ';
		if (in_list && (!name || out->len - start + NAME_WIDTH > SCREEN_COLUMNS)) {
			str_add_char(out, '\n');
			start = out->len;
		}
		in_list = name;
		if (!name) {
			add_cut(line, out);
			start = out->len;
			continue;
		}
		struct span word = span_word(&line);
		size_t at = out->len;
		str_printf(out, "  %.*s", (int)word.len, word.p);
		while (out->len - at < NAME_WIDTH)
			str_add_char(out, ' ');
	}
	if (in_list)
		str_add_char(out, '\n');
}

/* One that all programs have (SETTINGS_OPTS). */
static bool
is_common(const struct opt_row *row)
{
	static const char *const names[] = { "root", "config", "set", "log", "log-level", "verbose", "show-config", "help", "version" };

	for (size_t i = 0; i < sizeof names / sizeof names[0] && row->name != NULL; i++)
		if (strcmp(row->name, names[i]) == 0)
			return true;
	return false;
}

/* What all programs take is left out first where there is no room, then the last. */
static void
help_on_a_screen(const char *usage, const char *about, const struct opt_row *rows, struct str *out)
{
	size_t count = count_rows(rows), own = 0, lines, room;
	struct str row = {0}, head = {0};
	struct span rest, line;

	str_printf(&head, "usage: %s", usage);
	rest = str_span(&head);
	while (span_cut(&rest, '\n', &line))
		add_cut(line, out);
	add_about(about, out);
	str_add_char(out, '\n');
	lines = span_count(str_span(out), '\n');
	for (size_t i = 0; i < count; i++)
		own += !is_common(&rows[i]);
	bool all = lines + count <= SCREEN_LINES;
	size_t left = lines + 1 < SCREEN_LINES ? SCREEN_LINES - 1 - lines : 0;
	room = all ? count : own < left ? own : left;
	for (size_t i = 0; i < count && room > 0; i++) {
		if (!all && is_common(&rows[i]))
			continue;
		str_clear(&row);
		add_row(&rows[i], &row);
		add_cut(span_to(str_span(&row), row.len - 1), out);
		room--;
	}
	if (!all)
		str_add_text(out, "      --help=all             all options, also those that all programs have\n");
	str_free(&row);
	str_free(&head);
}

void
opt_help(const char *usage, const char *about, const struct opt_row *rows, struct str *out)
{
	if (!whole_help) {
		help_on_a_screen(usage, about, rows, out);
		return;
	}
	str_printf(out, "usage: %s\n%s\n\n", usage, about);
	for (size_t i = 0, n = count_rows(rows); i < n; i++)
		add_row(&rows[i], out);
}
