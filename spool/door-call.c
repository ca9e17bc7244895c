/* mochila call, and the programs of libexec under the door's own name. */
#include "spool/door.h"

#include <sysexits.h>

static int
call_all(struct door *door, struct err *err)
{
	struct err first = {0};
	size_t calls = 0;

	for (size_t i = 0; i < door->settings.sites; i++) {
		const struct site_settings *site = &door->settings.site[i];
		const char *const words[] = { "uucico-ssh", "-s", site->name, NULL };
		if (site->link[0] == '\0')
			continue;
		calls++;
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
call_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool all = false, help = false;
	const struct opt_row rows[] = {
		{ "all", 'a', NULL, "every site that has a link, one after the other", OPT_FLAG, &all },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_call, rows, 0, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (all != (argc == 0)) {
		err_set(err, ERR_CONFIG, "name a site, or --all");
		return err_as(err, EX_USAGE, NULL);
	}
	if (all)
		return call_all(door, err);
	char *const words[] = { (char *)(uintptr_t)"uucico-ssh", (char *)(uintptr_t)"-s", argv[0], NULL };
	return door_become(door, "uucico-ssh", words, err);
}

const struct door_command door_call = {
	"call", "SITE | --all", "call a site and exchange mail with it", false, call_run
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
