#include "lib/mail/wish.h"

#include "lib/base/clock.h"
#include "lib/mail/envelope.h"

enum { PRIORITY_MAX = 9, SECONDS_MAX = 999999999 };

static int
signed_number(struct span text, int64_t most, int64_t *number)
{
	bool minus = text.len > 0 && text.p[0] == '-';
	uint64_t magnitude;

	if (minus)
		text = span_from(text, 1);
	if (span_number(text, (uint64_t)most, &magnitude) < 0)
		return -1;
	*number = minus ? -(int64_t)magnitude : (int64_t)magnitude;
	return 0;
}

int
wish_priority(struct span value, int *priority)
{
	int64_t number;

	if (value.p == NULL || signed_number(value, PRIORITY_MAX, &number) < 0)
		return -1;
	*priority = (int)number;
	return 0;
}

char
wish_grade(struct span args)
{
	struct span value;
	int priority;

	if (!envelope_arg(args, "MT-PRIORITY", &value) || wish_priority(value, &priority) < 0)
		return 'N';
	return (char)('N' - priority);
}

int
wish_priority_of(char grade)
{
	int priority = 'N' - grade;

	if (priority > PRIORITY_MAX)	/* 0-9 and A-D stand before 'E' */
		return PRIORITY_MAX;
	return priority < -PRIORITY_MAX ? -PRIORITY_MAX : priority;
}

int
wish_by(struct span value, struct wish_by *by)
{
	struct span rest = value, seconds;

	*by = (struct wish_by){0};
	if (value.p == NULL || !span_cut(&rest, ';', &seconds) ||
	    signed_number(seconds, SECONDS_MAX, &by->seconds) < 0)
		return -1;
	by->trace = span_is_case(rest, "RT") || span_is_case(rest, "NT");
	by->gives_up = span_begins_case(rest, "R");
	return by->trace || span_is_case(rest, "R") || span_is_case(rest, "N") ? 0 : -1;
}

bool
wish_due(struct span args, int64_t taken, int64_t *when, bool *gives_up)
{
	struct span value;
	struct wish_by by;

	if (!envelope_arg(args, "BY", &value) || wish_by(value, &by) < 0)
		return false;
	*when = taken + by.seconds * CLOCK_SECOND;
	*gives_up = by.gives_up;
	return true;
}

int64_t
wish_release(struct span args, int64_t taken)
{
	struct span value;
	uint64_t seconds;
	int64_t when;

	if (envelope_arg(args, "HOLDUNTIL", &value) && clock_parse_utc(value, &when) == 0)
		return when;
	if (envelope_arg(args, "HOLDFOR", &value) && span_number(value, SECONDS_MAX, &seconds) == 0)
		return taken + (int64_t)seconds * CLOCK_SECOND;
	return 0;
}

static void
add_word(struct str *out)
{
	if (out->len > 0)
		str_add_char(out, ' ');
}

bool
wish_keep(struct span args, bool trusted, int64_t now, struct str *out)
{
	struct span word, key;
	bool lowered = false;

	while ((word = span_word(&args)).len > 0) {
		struct span value = word;
		int priority;
		span_cut(&value, '=', &key);
		add_word(out);
		if (span_is_case(key, "HOLDFOR")) {
			str_add_text(out, "HOLDUNTIL=");
			clock_utc(wish_release(word, now), out);
		} else if (!trusted && span_is_case(key, "MT-PRIORITY") && wish_priority(value, &priority) == 0 &&
		    priority > 0) {
			str_add_text(out, "MT-PRIORITY=0");
			lowered = true;
		} else {
			str_add_span(out, word);
		}
	}
	return lowered;
}

static void
add_by(const struct wish_by *by, int64_t held, struct str *out)
{
	int64_t left = by->seconds - held / CLOCK_SECOND;

	if (by->gives_up && left < 1)
		left = 1;	/* RFC 2852 4: R has some; who is late does not come here */
	str_printf(out, "BY=%lld;%s%s", (long long)left, by->gives_up ? "R" : "N", by->trace ? "T" : "");
}

void
wish_hand_on(struct span args, char grade, int64_t taken, int64_t now, struct str *out)
{
	struct span word, key, ignored;

	if (grade != 'N' && !envelope_arg(args, "MT-PRIORITY", &ignored))
		str_printf(out, "MT-PRIORITY=%d", wish_priority_of(grade));
	while ((word = span_word(&args)).len > 0) {
		struct span value = word;
		struct wish_by by;
		span_cut(&value, '=', &key);
		add_word(out);
		if (span_is_case(key, "BY") && wish_by(value, &by) == 0)
			add_by(&by, now - taken, out);
		else
			str_add_span(out, word);
	}
}
