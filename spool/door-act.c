/* What hold, release, retry, remove and bounce have in common: which messages, and how many. */
#include "spool/door.h"

#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

struct run {
	struct door_acting acting;
	struct door_list list;		/* of a dry run */
	struct err first;		/* one that cannot be moved does not keep us from the others */
};

static int
act_on(struct run *run, const struct door_file *file, const struct door_message *message,
    struct err *err)
{
	int result = run->acting.dry ? door_list_line(&run->list, file, message, err) :
	    run->acting.action->act(&run->acting, file, err);

	run->acting.count += result == 0;
	return result;
}

static int
act_visit(void *of, const struct door_file *file, struct err *err)
{
	struct run *run = of;
	struct door_message message;

	if (!door_select_place(&run->acting.select, file))
		return 0;
	int result = door_load(&run->acting.door->spool, file, &message, err);
	if (result <= 0)
		return result;
	if (door_selected(&run->acting.select, file, &message) && act_on(run, file, &message, err) < 0) {
		if (run->first.kind == ERR_NONE)
			run->first = *err;
		*err = (struct err){0};
	}
	door_message_free(&message);
	return 0;
}

static int
act_on_selection(struct run *run, struct err *err)
{
	if (door_walk(&run->acting.door->spool, run->acting.action->places, run->acting.select.site, act_visit,
	    run, err) < 0)
		return -1;
	*err = run->first;
	return run->first.kind == ERR_NONE ? 0 : -1;
}

static int
act_on_match(struct run *run, const struct door_match *match, struct err *err)
{
	struct door_file file;
	struct door_message message;
	int result = door_match_open(&run->acting.door->spool, match, &file, err) < 0 ? -1 :
	    door_load(&run->acting.door->spool, &file, &message, err);

	if (result > 0) {
		result = act_on(run, &file, &message, err);
		door_message_free(&message);
	} else if (result == 0) {
		result = err_set(err, ERR_TEMP, "%s has just been moved; look again", match->name);
	}
	if (file.dir >= 0)
		close(file.dir);
	return result;
}

static int
act_on_operand(struct run *run, const char *operand, struct err *err)
{
	const struct door_action *action = run->acting.action;
	struct door_matches matches = {0};
	int result = action->other != NULL ? action->other(&run->acting, operand, err) : 0;

	if (result != 0)
		return result < 0 ? -1 : 0;
	result = door_find(&run->acting.door->spool, operand, &matches, err);
	for (size_t i = 0; result == 0 && i < matches.count; i++)
		result = act_on_match(run, &matches.match[i], err);
	door_matches_free(&matches);
	return result;
}

/* What was let in is routed at once, also where no daemon runs. */
static int
settle(struct door *door, struct err *err)
{
	struct settled settled = {0};

	if (spool_settle(&door->spool, &settled, err) < 0)
		return -1;
	spool_ring(&door->spool);
	return 0;
}

static int
usage(const char *why, struct err *err)
{
	err_set(err, ERR_CONFIG, "%s", why);
	return err_as(err, EX_USAGE, NULL);
}

/* Operands that are ids come off argv; what is left is text. */
static int
act_on_all(struct run *run, int argc, char **argv, struct str *words, struct err *err)
{
	const struct door_action *action = run->acting.action;
	bool selected = door_select_any(&run->acting.select);
	int ids = selected ? 0 : action->words && argc > 1 ? 1 : argc, result = 0;

	if (selected && argc > 0 && !action->words)
		return usage("name messages or select them, not both", err);
	if (!selected && argc == 0 && action->other == NULL)
		return usage("which? name a message, or select some: --site, --from, --older ...", err);
	for (int i = ids; i < argc; i++)
		str_printf(words, "%s%s", i > ids ? " " : "", argv[i]);
	run->acting.words = str_c(words);
	if (selected)
		return act_on_selection(run, err);
	if (argc == 0)
		return action->other(&run->acting, NULL, err) < 0 ? -1 : 0;
	for (int i = 0; i < ids && result == 0; i++)
		result = act_on_operand(run, argv[i], err);
	return result;
}

static int
report(struct run *run, struct err *err)
{
	const struct door_acting *acting = &run->acting;
	struct str out = {0};

	if (acting->dry && acting->json)
		return door_list_end(&run->list, err);
	if (acting->json)
		return door_json_print(json_pack("{s:I}", "messages", (json_int_t)acting->count), "\n", err);
	if (!acting->dry && !door_select_any(&acting->select))
		return 0;	/* named one by one: no news is good news */
	str_printf(&out, "%zu message%s %s%s\n", acting->count, acting->count == 1 ? "" : "s",
	    acting->dry ? "would be " : "", acting->action->done);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

/* What went wrong first is said; what was let in before that is routed all the same. */
static int
act_and_tell(struct run *run, int argc, char **argv, struct err *err)
{
	struct str words = {0};
	struct err later = {0};
	int result = act_on_all(run, argc, argv, &words, err);

	queue_close(&run->acting.queue);
	if (!run->acting.dry && run->acting.action->settles && settle(run->acting.door, &later) < 0 && result == 0) {
		*err = later;
		result = -1;
	}
	if (report(run, &later) < 0 && result == 0) {
		*err = later;
		result = -1;
	}
	str_free(&words);
	str_free(&run->list.out);
	return result;
}

int
door_act(struct door *door, const struct door_action *action, int argc, char **argv, struct err *err)
{
	struct run run = { .acting = { .door = door, .action = action,
		.queue = { .dir = -1, .lock = SPOOL_UNLOCKED, .claims = -1, .bucket_dir = -1 } }, .list.door = door };
	bool help = false;
	const struct opt_row rows[] = {
		{ "first", 0, "SIZE", "only so much of a whole mail whose thin view went", OPT_TEXT, &run.acting.first },
		DOOR_SELECT_OPTS(&run.acting.select),
		{ "dry-run", 'n', NULL, "only show them", OPT_FLAG, &run.acting.dry },
		{ "json", 0, NULL, "say it for programs", OPT_FLAG, &run.acting.json },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, action->command, action->first ? rows : rows + 1, 0, -1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	run.list.json = run.acting.json;
	if (door_select_read(&run.acting.select, err) < 0)
		return -1;
	return act_and_tell(&run, argc, argv, err);
}
