/* mochila - the operator's one door; see mochila(1). */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "lib/base/program.h"
#include "spool/door.h"

static const struct door_command *const commands[] = {
	&door_init,
	&door_pair,
	&door_call,
	&door_status,
	&door_top,
	&door_list,
	&door_show,
	&door_hold,
	&door_release,
	&door_retry,
	&door_link_up,
	&door_remove,
	&door_bounce,
	&door_log,
	&door_history,
	&door_recipients,
	&door_doctor,
	&door_user,
	&door_import,
	&door_bsmtp,
	&door_rmail,
	&door_sendmail,
	&door_uuxqt,
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char *
command_name(const void *unused, size_t i)
{
	(void)unused;
	return i < COMMANDS ? commands[i]->name : NULL;
}

static int
find_command(const char *name, const struct door_command **command, struct err *err)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0) {
			*command = commands[i];
			return 0;
		}
	}
	const char *near = conf_nearest(name, command_name, NULL);
	if (near != NULL)
		err_set(err, ERR_CONFIG, "unknown command %.60s; did you mean %s?", name, near);
	else
		err_set(err, ERR_CONFIG, "unknown command %.60s (mochila --help lists them)", name);
	return err_as(err, EX_USAGE, NULL);
}

static void
about(struct str *out)
{
	str_add_text(out, "Look after the mail of this site: what waits, what is held, whom to call.\n\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		size_t start = out->len;
		str_printf(out, "  %s %s", commands[i]->name, commands[i]->args);
		while (out->len - start < 38)
			str_add_char(out, ' ');
		str_printf(out, " %s\n", commands[i]->help);
	}
	str_add_text(out, "\nmochila COMMAND --help tells more.");
}

int
door_options(struct door *door, const struct door_command *command, const struct opt_row *rows,
    int min, int max, int *argc, char ***argv, struct err *err)
{
	struct str usage = {0}, out = {0};
	int result = opt_parse(rows, false, argc, argv, err);
	bool help = false;

	for (const struct opt_row *row = rows; row->name != NULL || row->letter != 0; row++)
		if (row->name != NULL && strcmp(row->name, "help") == 0)
			help = *(bool *)row->to;
	str_printf(&usage, "mochila %s %s", command->name, command->args);
	if (result == 0 && help) {
		opt_help(str_c(&usage), command->help, rows, &out);
		result = door_print(&out, err) < 0 ? -1 : 1;
	} else if (result == 0 && (*argc < min || (max >= 0 && *argc > max))) {
		err_set(err, ERR_CONFIG, "usage: %s", str_c(&usage));
		result = err_as(err, EX_USAGE, NULL);
	} else if (result == 0 && command->needs_spool) {
		result = spool_open(&door->spool, &door->settings, false, err);
		door->spool_is_open = result == 0;
	}
	str_free(&usage);
	str_free(&out);
	return result;
}

static int
run_command(struct door *door, int argc, char **argv, struct err *err)
{
	const struct door_command *command;

	if (argc < 1) {
		err_set(err, ERR_CONFIG, "usage: mochila [options] COMMAND ... (--help lists them)");
		return err_as(err, EX_USAGE, NULL);
	}
	if (find_command(argv[0], &command, err) < 0)
		return -1;
	int result = command->run(door, argc, argv, err);
	if (door->spool_is_open)
		spool_close(&door->spool);
	return result;
}

/* The log of the daemons is no place for an answer: here it is stderr, unless said. */
static int
speak_to_the_person(const struct settings_args *args, struct err *err)
{
	enum log_level level = LOG_LEVEL_WARN;

	if (args->log != NULL)
		return 0;
	if (args->log_level != NULL)
		log_level_of(args->log_level, &level);
	return log_open("mochila", "stderr", level, err);
}

int
PROGRAM(mochila)(int argc, char **argv)
{
	struct settings_args args = {0};
	struct door door = { .args = &args };
	const struct opt_row rows[] = { SETTINGS_OPTS(&args), {0} };
	struct str text = {0};
	struct err err = {0};

	umask(027);
	about(&text);
	int started = settings_start(&door.settings, &args, rows, "mochila",
	    "mochila [options] COMMAND ...", str_c(&text), true, &argc, &argv, &err);
	/* What was met on the way to success is no failure. */
	if (started == 0 && speak_to_the_person(&args, &err) == 0 &&
	    run_command(&door, argc, argv, &err) == 0)
		err = (struct err){0};
	str_free(&text);
	settings_free(&door.settings);
	opt_list_free(&args.set);
	return log_failure(&err);
}
