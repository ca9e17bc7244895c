#include "lib/mail/date.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Our own and not strftime: names of days must not follow the locale. */
static struct tm
utc(int64_t when)
{
	time_t t = (time_t)(when / CLOCK_SECOND - (when % CLOCK_SECOND < 0));
	struct tm tm = {0};

	if (gmtime_r(&t, &tm) == NULL)
		return (struct tm){ .tm_year = 70, .tm_mday = 1, .tm_wday = 4 };
	return tm;
}

/* Mostly the second is that of the time before: each message that passes has one of now. */
void
date_mail(int64_t when, struct str *out)
{
	static _Thread_local struct { int64_t seconds; char text[64]; } last;
	int64_t seconds = when / CLOCK_SECOND - (when % CLOCK_SECOND < 0);

	if (last.text[0] == '\0' || last.seconds != seconds) {
		struct tm tm = utc(when);
		snprintf(last.text, sizeof last.text, "%.3s, %d %.3s %04d %02d:%02d:%02d +0000", days + 3 * tm.tm_wday,
		    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		last.seconds = seconds;
	}
	str_add_text(out, last.text);
}

void
date_asctime(int64_t when, struct str *out)
{
	struct tm tm = utc(when);

	str_printf(out, "%.3s %.3s %2d %02d:%02d:%02d %d", days + 3 * tm.tm_wday,
	    months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
}

/* Which of the three-letter names this is, -1: none. */
static int
name_of(struct span word, const char *names)
{
	for (int i = 0; names[3 * i] != '\0' && word.len == 3; i++) {
		if (span_is_case(word, (const char[]){ names[3 * i], names[3 * i + 1],
		    names[3 * i + 2], '\0' }))
			return i;
	}
	return -1;
}

static int
number_of(struct span word, uint64_t max)
{
	uint64_t number;

	return span_number(word, max, &number) < 0 ? -1 : (int)number;
}

/* "18:45:02" or "18:45" into tm. */
static int
parse_time(struct span word, struct tm *tm)
{
	struct span hour, minute;

	if (!span_cut(&word, ':', &hour) || !span_cut(&word, ':', &minute))
		return -1;
	tm->tm_hour = number_of(hour, 23);
	tm->tm_min = number_of(minute, 59);
	tm->tm_sec = word.p == NULL ? 0 : number_of(word, 60);
	return tm->tm_hour < 0 || tm->tm_min < 0 || tm->tm_sec < 0 ? -1 : 0;
}

/* "+0100" in seconds; letters, and anything else, are 0. */
static int
zone_seconds(struct span word)
{
	if (word.len != 5 || (word.p[0] != '+' && word.p[0] != '-'))
		return 0;
	int hhmm = number_of(span_from(word, 1), 2359);
	int seconds = hhmm < 0 ? 0 : (hhmm / 100 * 60 + hhmm % 100) * 60;
	return word.p[0] == '-' ? -seconds : seconds;
}

int
date_parse_asctime(struct span text, int64_t *when)
{
	struct tm tm = {0};
	int zone = 0;

	if (name_of(span_word(&text), days) < 0)
		return -1;
	tm.tm_mon = name_of(span_word(&text), months);
	tm.tm_mday = number_of(span_word(&text), 31);
	if (tm.tm_mon < 0 || tm.tm_mday < 1 || parse_time(span_word(&text), &tm) < 0)
		return -1;
	struct span word = span_word(&text);
	if (number_of(word, 9999) < 0) {	/* a zone before the year */
		zone = zone_seconds(word);
		word = span_word(&text);
	} else {
		zone = zone_seconds(span_word(&text));
	}
	int year = number_of(word, 9999);
	if (year < 1970)
		return -1;
	tm.tm_year = year - 1900;
	*when = ((int64_t)timegm(&tm) - zone) * CLOCK_SECOND;
	return 0;
}
