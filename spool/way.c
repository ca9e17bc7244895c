#include "spool/way.h"

#include "lib/base/clock.h"
#include "spool/hours.h"

bool
way_nth(const struct settings *settings, const struct site_settings *site, size_t n, struct way *way)
{
	struct span rest = span_of(site->alternates), word = {0};

	*way = (struct way){ .name = "", .site = *site };
	if (n == 0)
		return site->link[0] != '\0';
	for (size_t i = 0; i < n; i++)
		word = span_word(&rest);
	const struct way_settings *said = word.len > 0 ? settings_way(settings, word) : NULL;
	if (said == NULL)
		return false;
	way->name = said->name;
	way->site.link = said->link;
	way->site.call_window = said->call_window;
	way->site.money_per_megabyte = said->money_per_megabyte;
	way->site.money_per_minute = said->money_per_minute;
	if (said->call_largest > 0 && (site->call_largest == 0 || said->call_largest < site->call_largest))
		way->site.call_largest = said->call_largest;
	return true;
}

bool
way_open(const struct spool *spool, struct way *way, int64_t now, struct str *why)
{
	const struct site_settings *site = &way->site;
	struct hours hours = hours_at(site->call_window, site->time_zone, now);

	way->grade = hours.grade;
	budget_left(spool, site, &way->left);
	const char *spent = budget_over(&way->left, 0, 0);
	if (hours.open && spent == NULL)
		return true;
	if (!hours.open) {
		int64_t next = hours_next(site->call_window, site->time_zone, now, 0);
		str_add_text(why, "outside its call-window, which opens next ");
		if (next < INT64_MAX)
			clock_utc(next, why);
		else
			str_add_text(why, "in more than a week");
		return false;
	}
	str_printf(why, "%s is used up until the month ends (--set 'site %s.%s=0' calls all the same)", spent, site->name,
	    spent);
	return false;
}
