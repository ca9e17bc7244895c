#include "spool/hours.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum { DAY = 24 * 60, WEEK = 7 * DAY, LOOK_AHEAD = 8 * DAY };	/* minutes */

#define MINUTE (60 * CLOCK_SECOND)

struct window {
	unsigned days;		/* bits, Monday first */
	int begin, minutes;
	char grade;		/* 0: any */
};

/* what is said */

/* 0 Monday; -1. */
static int
day_of(struct span text)
{
	static const char *const names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

	for (int i = 0; i < 7; i++)
		if (span_is_case(text, names[i]))
			return i;
	return -1;
}

static bool
take_days(struct span word, struct window *window)
{
	struct span first;

	span_cut(&word, '-', &first);
	int from = day_of(first), to = word.len > 0 ? day_of(word) : from;
	if (from < 0 || to < 0)
		return false;
	window->days = 1u << to;
	for (int day = from; day != to; day = day < 6 ? day + 1 : 0)
		window->days |= 1u << day;
	return true;
}

/* "19:00": minutes of the day, up to 24:00; -1. */
static int
minute_of(struct span text)
{
	struct span hour;
	uint64_t h, m;

	if (text.len != 5 || !span_cut(&text, ':', &hour) || hour.len != 2 || span_number(hour, 24, &h) < 0 ||
	    span_number(text, 59, &m) < 0 || h * 60 + m > DAY)
		return -1;
	return (int)(h * 60 + m);
}

static bool
take_times(struct span word, struct window *window)
{
	struct span first;

	span_cut(&word, '-', &first);
	int begin = minute_of(first), end = minute_of(word);
	if (begin < 0 || end < 0 || begin == DAY)
		return false;
	window->begin = begin;
	window->minutes = end > begin ? end - begin : end + DAY - begin;
	return true;
}

static bool
take_grade(struct span word, struct window *window)
{
	word = span_from(word, strlen("grade<="));
	if (word.len != 1 || !isalnum((unsigned char)word.p[0]))
		return false;
	window->grade = word.p[0];
	return true;
}

static bool
parse(struct span text, struct window *window)
{
	struct span word = span_word(&text);

	*window = (struct window){ .days = 0x7f, .minutes = DAY };
	if (word.len == 0)
		return false;
	if (isalpha((unsigned char)word.p[0]) && !span_begins(word, "grade<=")) {
		if (!take_days(word, window))
			return false;
		word = span_word(&text);
	}
	if (word.len > 0 && isdigit((unsigned char)word.p[0])) {
		if (!take_times(word, window))
			return false;
		word = span_word(&text);
	}
	if (span_begins(word, "grade<=")) {
		if (!take_grade(word, window))
			return false;
		word = span_word(&text);
	}
	return word.len == 0;
}

bool
hours_valid(const char *text)
{
	struct span rest = span_of(text), one;
	struct window window;

	if (text[0] == '\0')
		return true;
	while (span_cut(&rest, ',', &one))
		if (!parse(one, &window))
			return false;
	return text[strlen(text) - 1] != ',';
}

/* zones: the C library knows them, through TZ, and takes what it does not know for UTC */

bool
hours_zone_known(const char *zone)
{
	const char *folder = getenv("TZDIR");
	struct str path = {0};

	if (zone[0] == '\0' || strcmp(zone, "UTC") == 0)
		return true;
	if (zone[0] == '/' || !span_has_only(span_of(zone), "/_+-"))
		return false;
	str_printf(&path, "%s/%s", folder != NULL ? folder : "/usr/share/zoneinfo", zone);
	bool known = access(str_c(&path), R_OK) == 0;
	str_free(&path);
	return known;
}

/* Returns what TZ was, to be given back to leave_zone(). */
static char *
enter_zone(const char *zone)
{
	const char *was = getenv("TZ");
	char *kept = was != NULL ? mem_text(was) : NULL;

	if (zone[0] != '\0') {
		setenv("TZ", zone, 1);
		tzset();
	}
	return kept;
}

static void
leave_zone(const char *zone, char *was)
{
	if (zone[0] != '\0') {
		if (was != NULL)
			setenv("TZ", was, 1);
		else
			unsetenv("TZ");
		tzset();
	}
	free(was);
}

/* Of the week, as the wall has it. */
static int
minute_of_week(int64_t when)
{
	time_t seconds = (time_t)(when / CLOCK_SECOND);
	struct tm tm;

	localtime_r(&seconds, &tm);
	return (tm.tm_wday > 0 ? tm.tm_wday - 1 : 6) * DAY + tm.tm_hour * 60 + tm.tm_min;
}

/* what holds */

static bool
is_open(const struct window *window, int minute)
{
	for (int day = 0; day < 7; day++)
		if ((window->days & 1u << day) != 0 &&
		    (unsigned)(minute - day * DAY - window->begin + 2 * WEEK) % WEEK < (unsigned)window->minutes)
			return true;
	return false;
}

static struct hours
hours_of(struct span text, int minute)
{
	struct hours hours = { .open = text.len == 0 };
	struct window window;
	struct span one;

	while (span_cut(&text, ',', &one)) {
		if (!parse(one, &window) || !is_open(&window, minute))
			continue;
		if (!hours.open || window.grade == 0 || (hours.grade != 0 && window.grade > hours.grade))
			hours.grade = window.grade;
		hours.open = true;
	}
	return hours;
}

struct hours
hours_at(const char *text, const char *zone, int64_t when)
{
	char *was = enter_zone(zone);
	struct hours hours = hours_of(span_of(text), minute_of_week(when));

	leave_zone(zone, was);
	return hours;
}

int64_t
hours_next(const char *text, const char *zone, int64_t when, char grade)
{
	char *was = enter_zone(zone);
	int64_t found = INT64_MAX;

	for (int ahead = 0; ahead < LOOK_AHEAD && found == INT64_MAX; ahead++) {
		int64_t at = ahead == 0 ? when : (when / MINUTE + ahead) * MINUTE;
		struct hours hours = hours_of(span_of(text), minute_of_week(at));
		if (hours.open && (hours.grade == 0 || grade <= hours.grade))
			found = at;
	}
	leave_zone(zone, was);
	return found;
}
