/* mochila list: every message, a line each, as it is met; never all in memory. */
#include "spool/door.h"

#include "lib/base/clock.h"
#include "spool/route.h"

enum { ID_SHOWN = 22 };		/* 20261121T184502.123456: short, and as good as always unique */

static const struct door_column columns[] = {
	{ "ID", ID_SHOWN }, { "AGE", -4 }, { "SIZE", -5 }, { "FROM", 20 }, { "TO", 20 },
	{ "WHERE", 16 }, { "WHY", 1 }, {0},
};
enum { COL_ID, COL_AGE, COL_SIZE, COL_FROM, COL_TO, COL_WHERE, COL_WHY, COLS };

struct listing {
	struct door_list list;
	struct door_select select;
};

static void
add_to(const struct entry *entry, struct str *out)
{
	size_t open = entry_waiting(entry), first = 0;

	/* Those that are still to be reached; of a failed message, all. */
	while (open > 0 && entry->status[first].state >= RCPT_DONE)
		first++;
	if (open == 0)
		open = entry->env.rcpts;
	door_escape(out, str_span(&entry->env.rcpt[first].to), 64);
	if (open > 1)
		str_printf(out, " +%zu", open - 1);
}

static void
add_where(const struct door_file *file, const struct door_message *message, struct door_cell *cell)
{
	if (file->where != DOOR_WAITING)
		str_add_text(&cell->text, door_where_name(file->where));
	if (file->where != DOOR_WAITING && message->site.len > 0)
		str_add_text(&cell->text, " ");
	door_escape(&cell->text, str_span(&message->site), 64);
	if (message->damaged || file->where == DOOR_FAILED)
		cell->colour = DOOR_RED;
	else if (file->where == DOOR_HELD)
		cell->colour = DOOR_YELLOW;
}

static void
add_line(struct door_list *list, const struct door_file *file, const struct door_message *message)
{
	const struct entry *entry = &message->entry;
	struct door_cell cells[COLS] = {0};

	door_escape(&cells[COL_ID].text, span_of(file->name), spool_id_ok(file->name) ? 1024 : 64);
	if (spool_id_ok(file->name))
		cells[COL_ID].text.len = ID_SHOWN;
	door_age(&cells[COL_AGE].text, message->damaged ? spool_id_time(file->name) : entry->info.time);
	door_size(&cells[COL_SIZE].text, message->size);
	add_where(file, message, &cells[COL_WHERE]);
	door_noted(&cells[COL_WHY].text, str_span(&message->why), 200);
	if (!message->damaged) {
		str_add_char(&cells[COL_FROM].text, '<');
		door_escape(&cells[COL_FROM].text, str_span(&entry->env.from), 64);
		str_add_char(&cells[COL_FROM].text, '>');
		add_to(entry, &cells[COL_TO].text);
	}
	if (list->shown == 0)
		door_titles(columns, &list->out);
	door_row(columns, cells, &list->out);
}

static json_t *
json_of(const struct door_file *file, const struct door_message *message)
{
	const struct entry *entry = &message->entry;
	json_t *line = json_object(), *to = json_array();

	json_object_set_new(line, "id", door_json_text(span_of(file->name)));
	json_object_set_new(line, "where", json_string(door_where_name(file->where)));
	json_object_set_new(line, "site", door_json_text(str_span(&message->site)));
	json_object_set_new(line, "batch", door_json_text(span_of(file->batch)));
	json_object_set_new(line, "path", door_json_text(span_of(file->path)));
	json_object_set_new(line, "time",
	    door_json_time(message->damaged ? spool_id_time(file->name) : entry->info.time));
	json_object_set_new(line, "size", json_integer((json_int_t)message->size));
	json_object_set_new(line, "damaged", json_boolean(message->damaged));
	json_object_set_new(line, "why", door_json_text(str_span(&message->why)));
	json_object_set_new(line, "from",
	    message->damaged ? json_null() : door_json_text(str_span(&entry->env.from)));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		json_array_append_new(to, door_json_text(str_span(&entry->env.rcpt[i].to)));
	json_object_set_new(line, "to", to);
	return line;
}

int
door_list_line(struct door_list *list, const struct door_file *file,
    const struct door_message *message, struct err *err)
{
	int result;

	if (list->json) {
		result = fs_write(1, list->shown > 0 ? ",\n" : "[\n", 2, err);
		if (result == 0)
			result = door_json_print(json_of(file, message), "", err);
	} else {
		add_line(list, file, message);
		result = door_print(&list->out, err);
	}
	list->shown++;
	return result;
}

int
door_list_end(struct door_list *list, struct err *err)
{
	if (list->json)
		str_add_text(&list->out, list->shown > 0 ? "\n]\n" : "[]\n");
	int result = door_print(&list->out, err);
	str_free(&list->out);
	return result;
}

static int
list_visit(void *of, const struct door_file *file, struct err *err)
{
	struct listing *listing = of;
	struct door_message message;

	if (!door_select_place(&listing->select, file))
		return 0;
	int result = door_load(&listing->list.door->spool, file, &message, err);
	if (result <= 0)
		return result;
	result = door_selected(&listing->select, file, &message) ?
	    door_list_line(&listing->list, file, &message, err) : 0;
	door_message_free(&message);
	return result;
}

/* A slip in a site's name looks like good news otherwise. */
static void
add_nothing(const struct door *door, const struct door_select *select, struct str *out)
{
	str_add_text(out, door_select_any(select) ? "nothing waits that is like that" : "nothing waits");
	if (select->site != NULL && settings_site(&door->settings, select->site) == NULL &&
	    !door_has_queue(&door->spool, select->site)) {
		str_add_text(out, "; there is no site ");
		door_escape(out, span_of(select->site), 80);
	}
	str_add_char(out, '\n');
}

static int
list_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct listing listing = { .list.door = door };
	bool help = false;
	const struct opt_row rows[] = {
		DOOR_SELECT_OPTS(&listing.select),
		{ "json", 0, NULL, "an array of objects, for programs", OPT_FLAG, &listing.list.json },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_list, rows, 0, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (argc > 0)
		listing.select.site = argv[0];
	if (door_select_read(&listing.select, err) < 0 ||
	    door_walk(&door->spool, (unsigned)DOOR_ALL, listing.select.site, list_visit, &listing, err) < 0)
		return -1;
	if (!listing.list.json && listing.list.shown == 0)
		add_nothing(door, &listing.select, &listing.list.out);
	return door_list_end(&listing.list, err);
}

const struct door_command door_list = {
	"list", "[SITE | SELECTION]", "the messages here: where they are, and why", true, list_run
};
