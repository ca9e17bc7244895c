/* mochila history: what batches may refer to, by site; and to erase it. */
#include "spool/door.h"

#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "spool/ring.h"

static const struct door_column columns[] = {
	{ "SITE", 16 }, { "HISTORY", 20 }, { "SIZE", -6 }, { "USED", -5 }, {0},
};
enum { COL_SITE, COL_HISTORY, COL_SIZE, COL_USED, COLS };

static void
add_line(const struct ring_file *file, struct str *out)
{
	struct door_cell cells[COLS] = {0};

	door_escape(&cells[COL_SITE].text, span_of(file->site), 40);
	door_escape(&cells[COL_HISTORY].text, span_of(file->name), 48);
	door_size(&cells[COL_SIZE].text, file->bytes);
	door_age(&cells[COL_USED].text, file->used * CLOCK_SECOND);
	door_row(columns, cells, out);
}

static json_t *
json_of(const struct ring_file *file)
{
	json_t *line = json_object();

	json_object_set_new(line, "site", door_json_text(span_of(file->site)));
	json_object_set_new(line, "history", door_json_text(span_of(file->name)));
	json_object_set_new(line, "bytes", json_integer((json_int_t)file->bytes));
	json_object_set_new(line, "used", door_json_time(file->used * CLOCK_SECOND));
	return line;
}

static bool
is_meant(const struct ring_file *file, const char *site)
{
	return site == NULL || strcmp(file->site, site) == 0;
}

static int
show(const struct ring_files *files, const char *site, bool json, struct err *err)
{
	json_t *all = json ? json_array() : NULL;
	struct str out = {0};

	for (size_t i = 0; i < files->count; i++) {
		if (!is_meant(&files->file[i], site))
			continue;
		if (json)
			json_array_append_new(all, json_of(&files->file[i]));
		else if (out.len == 0)
			door_titles(columns, &out);
		if (!json)
			add_line(&files->file[i], &out);
	}
	int result = json ? door_json_print(all, "\n", err) : door_print(&out, err);
	str_free(&out);
	return result;
}

static int
erase(const struct spool *spool, const struct ring_files *files, const char *site, struct err *err)
{
	for (size_t i = 0; i < files->count; i++)
		if (is_meant(&files->file[i], site) &&
		    ring_erase(spool, files->file[i].site, files->file[i].name, err) < 0)
			return -1;
	return 0;
}

static int
history_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool json = false, erasing = false, help = false;
	struct ring_files files;
	const struct opt_row rows[] = {
		{ "erase", 0, NULL, "forget it: the next batches are larger, no mail is lost", OPT_FLAG, &erasing },
		{ "json", 0, NULL, "an array of objects, for programs", OPT_FLAG, &json },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_history, rows, 0, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	const char *site = argc > 0 ? argv[0] : NULL;
	if (site != NULL && !settings_site_name(site)) {
		err_set(err, ERR_CONFIG, "%.60s is not a site's name", site);
		return err_as(err, EX_USAGE, NULL);
	}
	if (ring_list(&door->spool, &files, err) < 0)
		return -1;
	result = erasing ? erase(&door->spool, &files, site, err) : show(&files, site, json, err);
	ring_files_free(&files);
	return result;
}

const struct door_command door_history = {
	"history", "[--json] [--erase] [SITE]", "the mail that batches refer to; or forget it", true, history_run
};
