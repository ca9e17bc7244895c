/* mochila link-up: a network is there, so what it leads to is due. */
#include "spool/door.h"

#include <stdlib.h>

#include "spool/route.h"

struct link_up {
	struct door *door;
	const char *link;		/* what came up; NULL: all of it */
	bool call;			/* --call */
	struct opt_list calls;		/* sites to be called, when all is due */
};

/* One word of destinations: as a folder below out/ is called, or as routes say it. */
static bool
is_like(const char *folder, struct span word)
{
	struct str destination = {0};
	char *pattern = mem_text_n(word.p, word.len);

	route_of_folder(folder, &destination);
	bool like = span_glob(span_of(folder), pattern) || span_glob(str_span(&destination), pattern);
	free(pattern);
	str_free(&destination);
	return like;
}

static bool
leads_to(const struct link_settings *link, const char *folder)
{
	struct span rest = span_of(link->destinations), word;
	bool found = false;

	while (!found && (word = span_word(&rest)).len > 0)
		found = is_like(folder, word);
	return found;
}

/* The first [link] that came up and leads there, or NULL. */
static const struct link_settings *
link_to(const struct link_up *up, const char *folder)
{
	const struct settings *settings = &up->door->settings;

	for (size_t i = 0; i < settings->links && up->link != NULL; i++)
		if (span_glob(span_of(up->link), settings->link[i].name) && leads_to(&settings->link[i], folder))
			return &settings->link[i];
	return NULL;
}

static int
make_due(struct link_up *up, const char *folder, bool call, struct err *err)
{
	const struct site_settings *site = settings_site(&up->door->settings, folder);
	int due = retry_link_up(&up->door->spool, folder, err);

	if (due <= 0)
		return due;
	spool_event(&up->door->spool, folder, "event=due by=link-up link=%s", up->link != NULL ? up->link : "-");
	if (site != NULL && site->link[0] != '\0' && (call || up->call))
		opt_list_add(&up->calls, site->name);
	return 0;
}

/* Where no [link] says what leads where, any leads anywhere. */
static int
consider(struct link_up *up, const char *folder, struct err *err)
{
	const struct link_settings *link = link_to(up, folder);

	if (link == NULL && up->link != NULL && up->door->settings.links > 0)
		return 0;
	return make_due(up, folder, link != NULL && link->call, err);
}

/* Every destination there is: the sites, and what the relay carries. */
static int
consider_all(struct link_up *up, struct err *err)
{
	const struct settings *settings = &up->door->settings;
	struct fs_names names;
	int result = 0;

	if (fs_names(up->door->spool.out, ".", &names, err) < 0)
		return -1;
	for (size_t i = 0; i < settings->sites && result == 0; i++)
		result = consider(up, settings->site[i].name, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (names.name[i][0] != '.' && settings_site(settings, names.name[i]) == NULL)
			result = consider(up, names.name[i], err);
	fs_names_free(&names);
	return result;
}

static int
came_up(struct link_up *up, const char *operand, struct err *err)
{
	up->link = operand;
	if (operand != NULL && (settings_site(&up->door->settings, operand) != NULL ||
	    door_has_queue(&up->door->spool, operand)))
		return make_due(up, operand, false, err);
	return consider_all(up, err);
}

/* One that cannot be reached does not keep us from the others. */
static int
call_them(struct link_up *up, struct err *err)
{
	struct err first = {0};

	for (size_t i = 0; i < up->calls.count; i++) {
		const char *const words[] = { "uucico-ssh", "-s", up->calls.text[i], NULL };
		if (door_run(up->door, "uucico-ssh", words, 1, err) < 0 && first.kind == ERR_NONE) {
			err_prefix(err, "%s", up->calls.text[i]);
			first = *err;
		}
	}
	*err = first;
	return first.kind == ERR_NONE ? 0 : -1;
}

static int
link_up_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct link_up up = { .door = door };
	bool help = false;
	const struct opt_row rows[] = {
		{ "call", 0, NULL, "call its sites, too", OPT_FLAG, &up.call },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_link_up, rows, 0, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (argc == 0)
		result = came_up(&up, NULL, err);
	for (int i = 0; i < argc && result == 0; i++)
		result = came_up(&up, argv[i], err);
	spool_ring(&door->spool);
	if (result == 0)
		result = call_them(&up, err);
	opt_list_free(&up.calls);
	return result;
}

const struct door_command door_link_up = {
	"link-up", "[LINK | SITE ...]", "a network is up: what it leads to is due", true, link_up_run
};
