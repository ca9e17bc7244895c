/* Times as Taylor UUCP has them, "Wk2305-0855,Sa,Su", as windows of ours. */
#include "spool/import.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { DAY = 24 * 60, NESTED_MAX = 4, WINDOWS_MAX = IMPORT_VALUE_MAX };

/* His days begin with Sunday, ours with Monday: bits of ours. */
static const struct { const char *name; unsigned days; } days[] = {
	{ "any", 0x7f }, { "wk", 0x1f }, { "mo", 0x01 }, { "tu", 0x02 }, { "we", 0x04 }, { "th", 0x08 },
	{ "fr", 0x10 }, { "sa", 0x20 }, { "su", 0x40 }, { "never", 0 },
};
enum { DAYS = sizeof days / sizeof days[0] };

/* Those that are there without being said. */
static const struct import_table presets[] = {
	{ { "Evening", 7 }, { "Wk1705-0755,Sa,Su", 17 } },
	{ { "Night", 5 }, { "Wk2305-0755,Sa,Su2305-1655", 26 } },
	{ { "NonPeak", 7 }, { "Wk1805-0655,Sa,Su", 17 } },
};

struct hours_out {
	char grade;
	const struct import_table *tables;
	size_t count;
	bool any;		/* some window is open */
	struct str *out;
};

/* "Mon-Wed, Sat": each run of days with those minutes. */
static void
add_window(struct hours_out *to, unsigned mask, int from, int until)
{
	static const char *const names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

	for (int day = 0; day < 7; day++) {
		int first = day;
		if ((mask & 1u << day) == 0)
			continue;
		while (day + 1 < 7 && (mask & 1u << (day + 1)) != 0)
			day++;
		if (to->out->len > 0)
			str_add_text(to->out, ", ");
		str_printf(to->out, "%s", names[first]);
		if (day > first)
			str_printf(to->out, "-%s", names[day]);
		if (from > 0 || until < DAY)
			str_printf(to->out, " %02d:%02d-%02d:%02d", from / 60, from % 60, until / 60, until % 60);
		if (to->grade != 0)
			str_printf(to->out, " grade<=%c", to->grade);
		to->any = true;
	}
}

/* A time that goes past midnight is, for him, the two ends of the same day. */
static void
add_times(struct hours_out *to, unsigned mask, int from, int until)
{
	if (mask == 0)
		return;
	if (from < until) {
		add_window(to, mask, from, until);
		return;
	}
	if (until > 0)
		add_window(to, mask, 0, until);
	if (from < DAY)
		add_window(to, mask, from, DAY);
}

/* "2305": minutes; -1. */
static int
minutes(struct span text)
{
	uint64_t said;

	if (text.len < 1 || text.len > 4 || span_number(text, 2400, &said) < 0 || said % 100 > 59)
		return -1;
	return (int)(said / 100 * 60 + said % 100);
}

static int
take_days(struct span *word, unsigned *mask)
{
	bool some = false;

	*mask = 0;
	for (size_t i = 0; i < DAYS;) {
		if (!span_begins_case(*word, days[i].name)) {
			i++;
			continue;
		}
		*mask |= days[i].days;
		*word = span_from(*word, strlen(days[i].name));
		some = true;
		i = 0;
	}
	return some ? 0 : -1;
}

static bool
same_word(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

static int convert(struct hours_out *to, struct span text, int depth);

static int
take_table(struct hours_out *to, struct span name, int depth)
{
	for (size_t i = 0; i < to->count; i++)
		if (same_word(to->tables[i].name, name))
			return convert(to, to->tables[i].times, depth + 1);
	for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++)
		if (same_word(name, presets[i].name))
			return convert(to, presets[i].times, depth + 1);
	return -1;
}

static int
take_one(struct hours_out *to, struct span word, int depth)
{
	struct span whole = word, begin;
	unsigned mask;
	int from, until;

	if (take_days(&word, &mask) < 0)
		return take_table(to, whole, depth);
	if (word.len == 0) {
		add_times(to, mask, 0, DAY);
		return 0;
	}
	if (!isdigit((unsigned char)word.p[0]))
		return take_table(to, whole, depth);
	span_cut(&word, '-', &begin);
	from = minutes(begin);
	until = minutes(word);
	if (from < 0 || until < 0)
		return -1;
	add_times(to, mask, from, until);
	return 0;
}

static int
convert(struct hours_out *to, struct span text, int depth)
{
	struct span part, word;

	if (depth > NESTED_MAX)
		return -1;
	while (span_cut(&text, ',', &part)) {
		while (span_cut(&part, '|', &word)) {
			word = span_trim(word);
			if (word.len > 0 && take_one(to, word, depth) < 0)
				return -1;
			if (to->out->len > WINDOWS_MAX)
				return -1;
		}
	}
	return 0;
}

int
import_hours(struct span times, char grade, const struct import_table *tables, size_t count, struct str *out)
{
	struct hours_out to = { .grade = grade, .tables = tables, .count = count, .out = out };
	struct span text;

	span_cut(&times, ';', &text);	/* behind it: minutes until the next try */
	if (convert(&to, text, 0) < 0)
		return -1;
	return to.any ? 0 : 1;
}
