#include "relay/runner.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "relay/road.h"
#include "relay/relay.h"
#include "relay/transport.h"
#include "spool/route.h"

const struct transport *const transports[] = {
	&transport_command, &transport_filter, &transport_lmtp, &transport_maildir, &transport_mbox, &transport_mx,
	&transport_release,
	&transport_smtp, &transport_smtps, NULL,
};

const struct transport *
transport_of(enum route_kind kind)
{
	for (const struct transport *const *t = transports; *t != NULL; t++)
		if ((*t)->kind == kind)
			return *t;
	return NULL;
}

void
runner_start(struct runner *runner, struct relay *relay)
{
	*runner = (struct runner){ .relay = relay };
}

static bool
has_road(const struct runner *runner, const char *folder)
{
	for (size_t i = 0; i < runner->roads; i++)
		if (strcmp(runner->road[i]->folder, folder) == 0)
			return true;
	return false;
}

static void
add_road(struct runner *runner, const char *folder)
{
	struct str destination = {0};

	route_of_folder(folder, &destination);
	struct route_match match = route_destination(str_c(&destination));
	const struct transport *transport = transport_of(match.kind);
	if (transport != NULL) {
		runner->road = mem_resize(runner->road, runner->roads + 1, sizeof *runner->road);
		runner->road[runner->roads++] = road_new(runner->relay, folder, match.rest, transport);
	}
	str_free(&destination);
}

/* Domains come and go: what was a destination for one mail is not kept for ever. */
static void
drop_roads(struct runner *runner)
{
	size_t kept = 0;

	for (size_t i = 0; i < runner->roads; i++)
		if (road_over(runner->road[i]))
			road_free(runner->road[i]);
		else
			runner->road[kept++] = runner->road[i];
	runner->roads = kept;
}

void
runner_look(struct runner *runner, bool sure)
{
	struct fs_names names = {0};
	struct err err;

	if (runner->stopping)
		return;
	if (sure)
		drop_roads(runner);
	if (fs_names(runner->relay->spool.out, ".", &names, &err) < 0) {
		log_error("-: event=no-queues why=\"%s\"", err.text);
		return;
	}
	for (size_t i = 0; i < names.count; i++)
		if (names.name[i][0] != '.' && !has_road(runner, names.name[i]))
			add_road(runner, names.name[i]);
	fs_names_free(&names);
	for (size_t i = 0; i < runner->roads; i++)
		road_wake(runner->road[i], sure);
}

void
runner_stop(struct runner *runner)
{
	runner->stopping = true;
	for (size_t i = 0; i < runner->roads; i++)
		road_stop(runner->road[i]);
}

bool
runner_busy(const struct runner *runner)
{
	for (size_t i = 0; i < runner->roads; i++)
		if (road_busy(runner->road[i]))
			return true;
	return false;
}

void
runner_close(struct runner *runner)
{
	for (size_t i = 0; i < runner->roads; i++)
		road_free(runner->road[i]);
	free(runner->road);
	*runner = (struct runner){0};
}
