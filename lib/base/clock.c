#include "lib/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t frozen, shifted;

static int64_t
read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * CLOCK_SECOND + now.tv_nsec / 1000 + shifted;
}

int64_t
clock_now(void)
{
	return frozen != 0 ? frozen : read_clock(CLOCK_REALTIME);
}

int64_t
clock_mono(void)
{
	return frozen != 0 ? frozen : read_clock(CLOCK_MONOTONIC);
}

void
clock_set(int64_t now)
{
	frozen = now;
}

void
clock_shift(int64_t by)
{
	shifted = by;
}

/* Each line of a log and of an entry has a time in it, and printf takes its own. */
static void
put_digits(struct str *out, unsigned number, size_t len, char end)
{
	char text[5];

	text[len] = end;
	for (size_t i = len; i > 0; i--, number /= 10)
		text[i - 1] = (char)('0' + number % 10);
	str_add(out, text, len + 1);
}

static void
write_utc(int64_t seconds, struct str *out)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900)
		memset(&tm, 0, sizeof tm);
	put_digits(out, (unsigned)(tm.tm_year + 1900), 4, '-');
	put_digits(out, (unsigned)(tm.tm_mon + 1), 2, '-');
	put_digits(out, (unsigned)tm.tm_mday, 2, 'T');
	put_digits(out, (unsigned)tm.tm_hour, 2, ':');
	put_digits(out, (unsigned)tm.tm_min, 2, ':');
	put_digits(out, (unsigned)tm.tm_sec, 2, 'Z');
}

/* Mostly the second is that of the time before. */
void
clock_utc(int64_t when, struct str *out)
{
	enum { LENGTH = 20 };
	static _Thread_local struct { int64_t seconds; char text[LENGTH]; } last;
	int64_t seconds = when / CLOCK_SECOND - (when % CLOCK_SECOND < 0);

	if (last.text[0] == '\0' || last.seconds != seconds) {
		write_utc(seconds, out);
		memcpy(last.text, out->p + out->len - LENGTH, LENGTH);
		last.seconds = seconds;
	} else {
		str_add(out, last.text, LENGTH);
	}
}

int
clock_parse_utc(struct span text, int64_t *when)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
	int part[6] = {0}, n = -1;

	if (text.len != sizeof shape - 1)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		if (shape[i] == 'd') {
			if (text.p[i] < '0' || text.p[i] > '9')
				return -1;
			if (i == 0 || shape[i - 1] != 'd')
				n++;
			part[n] = part[n] * 10 + (text.p[i] - '0');
		} else if (text.p[i] != shape[i]) {
			return -1;
		}
	}
	struct tm tm = { .tm_year = part[0] - 1900, .tm_mon = part[1] - 1, .tm_mday = part[2],
		.tm_hour = part[3], .tm_min = part[4] };
	if (part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > 31 || part[3] > 23 ||
	    part[4] > 59 || part[5] > 60)
		return -1;
	int64_t minute = (int64_t)timegm(&tm);
	if (tm.tm_mday != part[2])	/* the 30th of February */
		return -1;
	*when = (minute + part[5]) * CLOCK_SECOND;
	return 0;
}
