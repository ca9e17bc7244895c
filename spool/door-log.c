/* mochila log: what became of a message. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* "2026-11-21T18:45:02Z ID: event=..." */
static bool
is_of(struct span line, const char *id)
{
	span_word(&line);
	return span_begins(span_word(&line), id);
}

static int
print_lines(FILE *file, const char *id, size_t *found, struct err *err)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len;
	struct str out = {0};
	int result = 0;

	while (result == 0 && (len = getline(&text, &size, file)) > 0) {
		struct span line = { text, (size_t)len };
		if (line.p[line.len - 1] == '\n')
			line.len--;
		if (!is_of(line, id))
			continue;
		++*found;
		door_noted(&out, line, 4096);
		str_add_char(&out, '\n');
		result = door_print(&out, err);
	}
	str_free(&out);
	free(text);
	return result;
}

static int
log_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false;
	const struct opt_row rows[] = { DOOR_HELP(&help), {0} };
	int result = door_options(door, &door_log, rows, 0, 1, &argc, &argv, err);
	size_t found = 0;

	if (result != 0)
		return result < 0 ? -1 : 0;
	const char *id = argc > 0 ? argv[0] : "";
	int fd = fs_open(door->spool.log, "mochila.log", O_RDONLY, err);
	if (fd < 0 && errno != ENOENT)
		return -1;
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (file != NULL) {
		result = print_lines(file, id, &found, err);
		fclose(file);
	}
	if (result < 0 || found > 0 || id[0] == '\0')
		return result;
	err_set(err, ERR_PERM, "the history knows nothing of %.80s", id);
	return err_as(err, EX_NOINPUT, NULL);
}

const struct door_command door_log = {
	"log", "[ID]", "what became of a message, or of all", true, log_run
};
