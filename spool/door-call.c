/* mochila call, and the programs of libexec under the door's own name. */
#include "spool/door.h"

#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/way.h"

/* Does it rest after a failure (spool/retry.h)? */
static bool
rests(const struct door *door, const char *site)
{
	struct retry retry;
	struct err ignored;
	bool later = retry_load(&door->spool, site, &retry, &ignored) == 0 && retry.next > clock_now();

	str_free(&retry.why);
	return later;
}

/* Before a call, so that it goes with it.  What is wrong with the list is no reason not to call. */
static void
tell_recipients(struct door *door, const struct site_settings *site)
{
	struct err why = {0};

	if (site == NULL || site->recipients[0] == '\0')
		return;
	if (door_recipients_tell(door, site, false, &why) < 0)
		log_error("-: event=recipients-not-told site=%s why=\"%s\"", site->name, why.text);
}

/* Is there a way to call it now, and does it not rest? */
static bool
is_due(struct door *door, const struct site_settings *site)
{
	struct str why = {0};
	struct way way;
	bool open = false;

	for (size_t n = 0; !open && way_nth(&door->settings, site, n, &way); n++)
		open = way_open(&door->spool, &way, clock_now(), &why);
	if (!open)
		log_debug("site=%s not called: %s", site->name, str_c(&why));
	str_free(&why);
	return open && !rests(door, site->name);
}

static int
call_all(struct door *door, bool due, struct err *err)
{
	struct err first = {0};
	size_t calls = 0;

	for (size_t i = 0; i < door->settings.sites; i++) {
		const struct site_settings *site = &door->settings.site[i];
		const char *const words[] = { "uucico-ssh", "-s", site->name, NULL };
		if (site->link[0] == '\0')
			continue;
		calls++;
		if (due && !is_due(door, site))
			continue;
		tell_recipients(door, site);
		/* One that cannot be reached does not keep us from the others. */
		if (door_run(door, "uucico-ssh", words, 1, err) < 0 && first.kind == ERR_NONE) {
			err_prefix(err, "%s", site->name);
			first = *err;
		}
	}
	if (calls == 0)
		return err_set(err, ERR_CONFIG, "no site has a link; \"mochila pair SITE ssh://USER@HOST\" "
		    "makes one");
	*err = first;
	return first.kind == ERR_NONE ? 0 : -1;
}

static int
call_one(struct door *door, const char *name, bool due, const char *how, struct err *err)
{
	const struct site_settings *site = settings_site(&door->settings, name);
	char *const words[] = { (char *)(uintptr_t)"uucico-ssh", (char *)(uintptr_t)"-s", (char *)(uintptr_t)name,
		(char *)(uintptr_t)how, NULL };

	if (due && site != NULL && site->link[0] != '\0' && !is_due(door, site))
		return 0;
	tell_recipients(door, site);
	return door_become(door, "uucico-ssh", words, err);
}

static int
call_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool all = false, due = false, now = false, stay = false, estimate = false, json = false, help = false;
	const struct opt_row rows[] = {
		{ "all", 'a', NULL, "every site that has a link, one after the other", OPT_FLAG, &all },
		{ "due", 0, NULL, "not while it rests after a failure, and in its call-window", OPT_FLAG, &due },
		{ "now", 0, NULL, "outside its call-window, too", OPT_FLAG, &now },
		{ "stay", 0, NULL, "go on calling it as mail comes", OPT_FLAG, &stay },
		{ "estimate", 0, NULL, "do not call: what would be moved, how long it would take, what it would cost", OPT_FLAG, &estimate },
		{ "json", 0, NULL, "with --estimate: an array of objects, for programs", OPT_FLAG, &json },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_call, rows, 0, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (all != (argc == 0) || (all && (now || stay || estimate)) || (json && !estimate) || (due && (now || stay))) {
		err_set(err, ERR_CONFIG, "name a site, or --all or --all --due; --now, --stay and --estimate are for one site");
		return err_as(err, EX_USAGE, NULL);
	}
	if ((due || estimate) && spool_open(&door->spool, &door->settings, false, err) < 0)
		return -1;
	door->spool_is_open = due || estimate;
	if (estimate)
		return door_estimate(door, argv[0], json, err);
	if (all)
		return call_all(door, due, err);
	return call_one(door, argv[0], due, now ? "--now" : stay ? "--stay" : NULL, err);
}

const struct door_command door_call = {
	"call", "[--due | --now | --stay] SITE | --all [--due] | --estimate [--json] SITE", "call a site and exchange mail with it", false, call_run
};

/* Their options are their own. */
static int
other_run(struct door *door, int argc, char **argv, struct err *err)
{
	(void)argc;
	return door_become(door, argv[0], argv, err);
}

#define OTHER(name, args, help) \
	const struct door_command door_##name = { #name, args, help, false, other_run }

OTHER(bsmtp, "...", "batches: pack, unpack, list, check, cat");
OTHER(rmail, "ADDRESS ...", "take one message from stdin, as UUCP does");
OTHER(sendmail, "...", "take one message from stdin, as sendmail does");
OTHER(uuxqt, "...", "run what other sites sent us to run");
