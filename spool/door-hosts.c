/* Who works in this spool: a line of mochila status, and a check of mochila doctor. */
#include "spool/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "spool/hosts.h"

enum {
	LATELY = 2 * 86400,	/* seconds: who was here then may come again */
	APART = 10,		/* seconds by which clocks may differ */
};

/* "hosts: hub1 2s ago (this one), hub2 3d ago" where the spool is shared. */
void
door_hosts_line(struct door *door, struct str *out)
{
	struct hosts hosts;
	struct err ignored;

	if (!door->settings.spool.shared || hosts_list(&door->spool, &hosts, &ignored) < 0)
		return;
	str_add_text(out, "hosts: ");
	for (size_t i = 0; i < hosts.count; i++) {
		bool ours = strcmp(hosts.host[i].node, door->settings.spool.node) == 0;
		str_add_text(out, i > 0 ? ", " : "");
		door_escape(out, span_of(hosts.host[i].node), 80);
		str_add_char(out, ' ');
		door_age(out, hosts.host[i].seen);
		str_add_text(out, ours ? " ago (this one)" : " ago");
	}
	str_add_char(out, '\n');
	hosts_free(&hosts);
}

json_t *
door_hosts_json(struct door *door)
{
	json_t *all = json_array();
	struct hosts hosts;
	struct err ignored;

	if (hosts_list(&door->spool, &hosts, &ignored) < 0)
		return all;
	for (size_t i = 0; i < hosts.count; i++) {
		json_t *host = json_object();
		json_object_set_new(host, "node", door_json_text(span_of(hosts.host[i].node)));
		json_object_set_new(host, "seen", door_json_time(hosts.host[i].seen));
		json_object_set_new(host, "shared", json_boolean(hosts.host[i].shared));
		json_array_append_new(all, host);
	}
	hosts_free(&hosts);
	return all;
}

/* Two that do not know of each other lose and double mail. */
static void
check_shared(struct doctor *doctor, const struct host *host, bool same_machine)
{
	const struct spool_settings *set = &doctor->door->settings.spool;
	struct str age = {0};

	if (strcmp(host->node, set->node) == 0) {
		if (!same_machine)
			doctor_found(doctor, host->node, "say node = in [spool], another on each of them",
			    "another machine that works here calls itself %s, too", host->node);
		return;
	}
	if ((set->shared && host->shared) || same_machine || clock_now() - host->seen > LATELY * CLOCK_SECOND)
		return;
	door_age(&age, host->seen);
	doctor_found(doctor, host->node, NULL, "%s has worked in this spool, too, %s ago, and %s shared = yes",
	    host->node, str_c(&age), set->shared ? "does not say" : "here it does not say");
	str_free(&age);
}

static void
check_clocks(struct doctor *doctor, const struct host *host)
{
	int64_t ahead = host->said - clock_now(), off = host->said - host->seen;

	if (host->said == 0)
		return;
	if (ahead > APART * CLOCK_SECOND)
		doctor_found(doctor, host->node, "on @: timedatectl; mail is late meanwhile, and not lost",
		    "the clock of %s is %lld seconds ahead of ours", host->node, (long long)(ahead / CLOCK_SECOND));
	else if (off > APART * CLOCK_SECOND || off < -APART * CLOCK_SECOND)
		doctor_found(doctor, host->node, "on @: timedatectl; mail is late meanwhile, and not lost",
		    "the clock of %s is %lld seconds %s that of the disk", host->node,
		    (long long)((off < 0 ? -off : off) / CLOCK_SECOND), off > 0 ? "ahead of" : "behind");
}

void
check_hosts(struct doctor *doctor)
{
	struct hosts hosts;
	struct str machine = {0};
	struct err ignored;

	if (hosts_list(&doctor->door->spool, &hosts, &ignored) < 0)
		return;
	hosts_machine(&machine);
	for (size_t i = 0; i < hosts.count; i++) {
		const struct host *host = &hosts.host[i];
		check_shared(doctor, host, host->machine.len == 0 || span_same(str_span(&host->machine), str_span(&machine)));
		if (clock_now() - host->seen < LATELY * CLOCK_SECOND)
			check_clocks(doctor, host);
	}
	hosts_free(&hosts);
	str_free(&machine);
}
