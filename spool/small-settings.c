/* Settings: [relay] and [hop] are the relay's to read.  Mail is not filtered here, nor looked up in tables. */
#include "lib/base/small.h"
#include "spool/settings.h"

static char none[] = "";

int
settings_fill_daemon(struct settings *s, struct err *err)
{
	s->addresses = (struct address_settings){ none, none, none, none, none, none };
	return conf_name(&s->conf, "addresses", 0) != NULL ? small_without(err, "[addresses]") :
	    conf_name(&s->conf, "filter", 0) != NULL ? small_without(err, "[filter]") : 0;
}

static int
check_site(const struct site_settings *site, struct err *err)
{
	const struct {
		const char *said, *key;
	} without[] = {
		{ site->filters, "filters" },
		{ site->requests, "requests" },
		{ site->receive, "receive" },
		{ site->proxy, "proxy" },
		{ site->recipients, "recipients" },
		{ site->welcome, "welcome" },
		{ site->robot, "robot" },
	};

	const char *key = site->hold_over > 0 ? "hold-over" : site->quota > 0 ? "quota" :
	    site->month_bytes > 0 || site->month_time > 0 || site->month_money > 0 ? "month-bytes, -time and -money" :
	    site->money_per_megabyte > 0 || site->money_per_minute > 0 ? "money-per-megabyte and -minute" :
	    site->user_month_bytes > 0 || site->user_month_time > 0 || site->user_month_money > 0 ||
	    site->user_largest > 0 ? "user-month-bytes, -time and -money, user-largest" : NULL;

	for (size_t i = 0; key == NULL && i < sizeof without / sizeof without[0]; i++)
		if (without[i].said[0] != '\0')
			key = without[i].key;
	if (key == NULL)
		return 0;
	small_without(err, key);
	return err_prefix(err, "[site %s]", site->name);
}

int
settings_check_daemon(const struct settings *s, struct err *err)
{
	if (s->spool.shared)
		return small_without(err, "[spool] shared");
	if (s->spool.quota > 0)
		return small_without(err, "[spool] quota");
	for (size_t i = 0; i < s->ways; i++)
		if (s->way[i].money_per_megabyte > 0 || s->way[i].money_per_minute > 0) {
			small_without(err, "money-per-megabyte and -minute");
			return err_prefix(err, "[way %s]", s->way[i].name);
		}
	for (size_t i = 0; i < s->sites; i++)
		if (check_site(&s->site[i], err) < 0)
			return -1;
	return 0;
}

void
settings_show_daemon(const struct settings *s, struct str *out)
{
	(void)s;
	(void)out;
}

void
settings_free_daemon(struct settings *s)
{
	(void)s;
}

const char *
settings_filters_of(const struct settings *settings, const char *folder)
{
	(void)settings;
	(void)folder;
	return none;
}

const struct filter_settings *
settings_filter(const struct settings *settings, struct span name)
{
	(void)settings;
	(void)name;
	return NULL;
}

bool
settings_filter_means(const struct filter_settings *filter, struct span recipient)
{
	(void)filter;
	(void)recipient;
	return false;
}
