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

/* Of one host: its files, and the line that is next. */
struct source {
	FILE *file[HISTORY_MAX + 1];	/* the current one first */
	size_t files;
	char *line;
	size_t room;
	ssize_t len;			/* -1: it has no more */
};

struct history {
	const char *id;			/* "": of all */
	bool json;
	size_t found;
	struct source *source;
	size_t sources;
};

static json_t *
json_of_fields(struct span event)
{
	json_t *fields = json_object();
	struct span key, value;

	while (history_field(&event, &key, &value)) {
		char *name = mem_text_n(key.p, key.len);
		if (!span_is(key, "event") && name[0] != '\0')
			json_object_set_new(fields, name, door_json_text(value));
		free(name);
	}
	return fields;
}

static json_t *
json_of(struct span line)
{
	struct span time = span_word(&line), id = span_word(&line);
	json_t *event = json_object();

	if (id.len > 0 && id.p[id.len - 1] == ':')
		id.len--;
	json_object_set_new(event, "time", door_json_text(time));
	json_object_set_new(event, "id", door_json_text(id));
	json_object_set_new(event, "event", door_json_text(history_value(line, "event")));
	json_object_set_new(event, "fields", json_of_fields(line));
	json_object_set_new(event, "text", door_json_text(span_trim(line)));
	return event;
}

static int
print_line(struct history *history, struct span line, struct err *err)
{
	struct str out = {0};

	if (line.len > 0 && line.p[line.len - 1] == '\n')
		line.len--;
	if (!is_of(line, history->id))
		return 0;
	history->found++;
	if (history->json)
		return fs_write(1, history->found > 1 ? ",\n" : "[\n", 2, err) < 0 ? -1 :
		    door_json_print(json_of(line), "", err);
	door_noted(&out, line, 4096);
	str_add_char(&out, '\n');
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

/* The oldest file is the last one. */
static void
next_line(struct source *source)
{
	source->len = -1;
	while (source->files > 0) {
		source->len = getline(&source->line, &source->room, source->file[source->files - 1]);
		if (source->len > 0)
			break;
		fclose(source->file[--source->files]);
	}
}

static bool
is_open_already(const struct source *source, int fd)
{
	struct stat ours, theirs;

	return source->files > 0 && fstat(fd, &ours) == 0 &&
	    fstat(fileno(source->file[source->files - 1]), &theirs) == 0 && ours.st_ino == theirs.st_ino;
}

/* The newest first: one that is turned meanwhile is met again, and not missed. */
static int
open_files(const struct spool *spool, const char *node, struct source *source, struct err *err)
{
	for (unsigned n = 0; n <= history_keep(spool); n++) {
		int fd = history_open(spool, node, n, err);
		if (fd < 0 && errno != ENOENT)
			return -1;
		if (fd < 0 || is_open_already(source, fd)) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		FILE *file = fdopen(fd, "r");
		if (file == NULL) {
			close(fd);
			return err_sys(err, "history");
		}
		source->file[source->files++] = file;
	}
	*err = (struct err){0};
	return 0;
}

static int
open_sources(struct history *history, const struct spool *spool, struct err *err)
{
	struct fs_names nodes;
	int result = history_nodes(spool, &nodes, err);

	history->source = result == 0 ? mem_get((nodes.count + 1) * sizeof *history->source) : NULL;
	for (size_t i = 0; result == 0 && i < nodes.count; i++) {
		struct source *source = &history->source[history->sources++];
		*source = (struct source){ .len = -1 };
		result = open_files(spool, nodes.name[i], source, err);
		if (result == 0)
			next_line(source);
	}
	fs_names_free(&nodes);
	return result;
}

static void
close_sources(struct history *history)
{
	for (size_t i = 0; i < history->sources; i++) {
		struct source *source = &history->source[i];
		while (source->files > 0)
			fclose(source->file[--source->files]);
		free(source->line);
	}
	free(history->source);
}

/* Where several hosts share the spool each has its own: the one whose next event came first. */
static struct source *
first_source(const struct history *history)
{
	struct source *first = NULL;

	for (size_t i = 0; i < history->sources; i++) {
		struct source *source = &history->source[i];
		if (source->len > 0 && (first == NULL ||
		    strncmp(source->line, first->line, sizeof "2026-11-21T18:45:02Z" - 1) < 0))
			first = source;
	}
	return first;
}

static int
print_history(struct history *history, const struct spool *spool, struct err *err)
{
	struct source *source;
	int result = open_sources(history, spool, err);

	while (result == 0 && (source = first_source(history)) != NULL) {
		result = print_line(history, (struct span){ source->line, (size_t)source->len }, err);
		next_line(source);
	}
	close_sources(history);
	if (result == 0 && history->json)
		result = history->found > 0 ? fs_write(1, "\n]\n", 3, err) : fs_write(1, "[]\n", 3, err);
	return result;
}

static int
log_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct history history = {0};
	bool help = false;
	const struct opt_row rows[] = {
		{ "json", 0, NULL, "an array of objects, for programs", OPT_FLAG, &history.json },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_log, rows, 0, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	history.id = argc > 0 ? argv[0] : "";
	if (print_history(&history, &door->spool, err) < 0)
		return -1;
	if (history.found > 0 || history.id[0] == '\0')
		return 0;
	err_set(err, ERR_PERM, "the history knows nothing of %.80s", history.id);
	return err_as(err, EX_NOINPUT, NULL);
}

const struct door_command door_log = {
	"log", "[--json] [ID]", "what became of a message, or of all", true, log_run
};
