/* mochila status: one screen. */
#include "spool/door.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/usage.h"
#include "spool/waiting.h"

enum { HISTORY_TAIL = 256 << 10 };	/* of the log, searched for the last calls */

struct site_row {
	char *name;
	size_t waiting, in_flight, batches, held, failed;
	size_t commands;		/* of uux, queued for it */
	int64_t oldest;
	struct str why;			/* the last words that it got */
	char *batch;			/* the last one met, to count them */
	struct str call;		/* the last call's event, without its time */
	int64_t call_at;
	struct retry retry;
};

struct status {
	struct door *door;
	struct site_row **site;		/* in the order in which they are shown */
	size_t sites;
	struct site_row **slot;		/* the same by the hash of their names: there may be 10,000 */
	size_t slots;			/* a power of 2, at least half of them empty */
	size_t arrived, jobs, commands;
	struct usage usage;
};

static struct site_row **
slot_of(const struct status *status, const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037);	/* FNV-1a */

	for (const char *c = name; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(1099511628211);
	size_t at = (size_t)hash & (status->slots - 1);
	while (status->slot[at] != NULL && strcmp(status->slot[at]->name, name) != 0)
		at = (at + 1) & (status->slots - 1);
	return &status->slot[at];
}

static void
grow(struct status *status)
{
	free(status->slot);
	status->slots = status->slots > 0 ? 2 * status->slots : 64;
	status->slot = mem_get(status->slots * sizeof(struct site_row *));
	for (size_t i = 0; i < status->sites; i++)
		*slot_of(status, status->site[i]->name) = status->site[i];
}

static struct site_row *
row_for(struct status *status, const char *name)
{
	if (2 * status->sites >= status->slots)
		grow(status);
	struct site_row **slot = slot_of(status, name);
	if (*slot != NULL)
		return *slot;
	struct site_row *row = *slot = mem_get(sizeof *row);
	row->name = mem_text(name);
	status->site = mem_resize(status->site, status->sites + 1, sizeof(struct site_row *));
	status->site[status->sites++] = row;
	return row;
}

/* The one file that is opened, of what the relay carries: a site is called as a whole, and
 * its retry hint and the history say how that went. */
static void
ask_first(const struct status *status, const struct waiting_site *site, struct site_row *row)
{
	struct door_message message;
	struct err ignored;
	struct str path = {0};

	if (site->first == NULL || strchr(site->name, ':') == NULL)
		return;
	str_printf(&path, "%s/%s", site->name, site->first);
	struct door_file file = { .where = DOOR_WAITING, .name = strrchr(str_c(&path), '/') + 1,
		.file = str_c(&path), .site = row->name, .batch = "", .path = row->name,
		.dir = status->door->spool.out };
	if (door_load(&status->door->spool, &file, &message, &ignored) > 0) {
		str_set_span(&row->why, str_span(&message.why));
		door_message_free(&message);
	}
	str_free(&path);
}

/* Called for many at once: each has a row already. */
static void
count_site(void *ctx, struct waiting_site *site)
{
	const struct status *status = ctx;
	struct site_row *row = *slot_of(status, site->name);
	struct err ignored;

	row->waiting = site->messages;
	row->oldest = site->first != NULL ? spool_id_time(strrchr(site->first, '/') + 1) : 0;
	ask_first(status, site, row);
	if (site->rests)
		retry_load(&status->door->spool, row->name, &row->retry, &ignored);
}

static void
begin_site(void *ctx, const char *name)
{
	row_for(ctx, name);
}

static int
count_waiting(struct status *status, struct err *err)
{
	struct waiting waiting;

	if (waiting_read(&waiting, &status->door->spool, begin_site, count_site, status, err) < 0)
		return -1;
	waiting_free(&waiting);
	return 0;
}

static void
count_in_flight(struct site_row *row, const struct door_file *file)
{
	row->in_flight++;
	if (row->batch == NULL || strcmp(row->batch, file->batch) != 0) {
		row->batches++;
		free(row->batch);
		row->batch = mem_text(file->batch);
	}
}

static int
status_visit(void *of, const struct door_file *file, struct err *err)
{
	struct status *status = of;
	struct door_message message;
	int loaded;

	switch (file->where) {
	case DOOR_ARRIVED:
	case DOOR_DROPPED:
		status->arrived++;
		break;
	case DOOR_WAITING:
		break;
	case DOOR_SENT:
		count_in_flight(row_for(status, file->site), file);
		break;
	case DOOR_HELD:
	case DOOR_FAILED:
		loaded = door_load(&status->door->spool, file, &message, err);
		if (loaded <= 0)
			return loaded;
		struct site_row *row = row_for(status, message.site.len > 0 ? str_c(&message.site) : "-");
		*(file->where == DOOR_HELD ? &row->held : &row->failed) += 1;
		door_message_free(&message);
		break;
	}
	return 0;
}

/* Whole, and under its key (spool/job.h). */
static bool
is_job(const char *name)
{
	return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

static void
count_jobs(struct status *status)
{
	struct fs_names peers, jobs;
	struct err ignored;

	if (fs_names(status->door->spool.xqt, ".", &peers, &ignored) < 0)
		return;
	for (size_t i = 0; i < peers.count; i++) {
		if (fs_names(status->door->spool.xqt, peers.name[i], &jobs, &ignored) < 0)
			continue;
		for (size_t j = 0; j < jobs.count; j++)
			status->jobs += is_job(jobs.name[j]);
		fs_names_free(&jobs);
	}
	fs_names_free(&peers);
}

/* What uux queued, uux/SITE/GRADE-ID; a name with a dot in front is not whole. */
static void
count_commands(struct status *status)
{
	struct fs_names sites, names;
	struct err ignored;

	if (fs_names(status->door->spool.dir, "uux", &sites, &ignored) < 0)
		return;
	for (size_t i = 0; i < sites.count; i++) {
		struct str path = {0};
		size_t count = 0;
		str_printf(&path, "uux/%s", sites.name[i]);
		if (sites.name[i][0] != '.' && fs_names(status->door->spool.dir, str_c(&path), &names, &ignored) == 0) {
			for (size_t j = 0; j < names.count; j++)
				count += names.name[j][0] != '.';
			fs_names_free(&names);
		}
		str_free(&path);
		status->commands += count;
		if (count > 0)
			row_for(status, sites.name[i])->commands = count;
	}
	fs_names_free(&sites);
}

/* "TIME SITE: event=call ..." */
static void
take_call(struct status *status, struct span line)
{
	struct span time = span_word(&line), site = span_word(&line), event = span_trim(line);

	if (site.len < 2 || site.p[site.len - 1] != ':' || !span_begins(event, "event=call"))
		return;
	site.len--;
	char *name = mem_text_n(site.p, site.len);
	struct site_row *row = status->slots > 0 ? *slot_of(status, name) : NULL;
	free(name);
	int64_t at;
	if (row == NULL || clock_parse_utc(time, &at) < 0 || at < row->call_at)
		return;		/* another host's was later */
	row->call_at = at;
	span_word(&event);
	str_set_span(&row->call, span_trim(event));
}

static void
take_calls(struct status *status, const char *node, unsigned file)
{
	struct err ignored;
	struct str text = {0};
	struct stat st;
	int fd = history_open(&status->door->spool, node, file, &ignored);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		off_t at = st.st_size > HISTORY_TAIL ? st.st_size - HISTORY_TAIL : 0;
		ssize_t got = fs_pread(fd, str_room(&text, HISTORY_TAIL), HISTORY_TAIL, at, &ignored);
		text.len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	struct span rest = str_span(&text), line;
	while (span_cut(&rest, '\n', &line))
		take_call(status, line);
	str_free(&text);
}

/* The history grows; the last calls are near its end, or, when a new file has just been
 * begun, near the end of the one before. */
static void
find_calls(struct status *status)
{
	struct fs_names nodes;
	struct err ignored;

	if (history_nodes(&status->door->spool, &nodes, &ignored) < 0)
		return;
	for (size_t i = 0; i < nodes.count; i++) {
		take_calls(status, nodes.name[i], 1);
		take_calls(status, nodes.name[i], 0);
	}
	fs_names_free(&nodes);
}

static int
gather(struct status *status, struct err *err)
{
	for (size_t i = 0; i < status->door->settings.sites; i++)
		row_for(status, status->door->settings.site[i].name);
	if (count_waiting(status, err) < 0 || door_walk(&status->door->spool,
	    (unsigned)DOOR_ALL & ~(1u << DOOR_WAITING), NULL, status_visit, status, err) < 0)
		return -1;
	count_jobs(status);
	count_commands(status);
	usage_read(&status->door->spool, &status->usage);
	usage_sort(&status->usage.user);
	find_calls(status);
	return 0;
}

static void
status_free(struct status *status)
{
	for (size_t i = 0; i < status->sites; i++) {
		struct site_row *row = status->site[i];
		free(row->name);
		free(row->batch);
		str_free(&row->why);
		str_free(&row->call);
		str_free(&row->retry.why);
		free(row);
	}
	free(status->site);
	free(status->slot);
	usage_free(&status->usage);
}

static uint64_t
free_bytes(const struct status *status)
{
	struct statvfs fs;
	return fstatvfs(status->door->spool.dir, &fs) < 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* for people */

static const struct door_column columns[] = {
	{ "SITE", 16 }, { "WAITING", -7 }, { "OLDEST", -6 }, { "IN FLIGHT", -9 }, { "HELD", -4 },
	{ "FAILED", -6 }, { "NEXT TRY", -8 }, { "MONTH", 11 }, { "LAST CALL", 1 }, {0},
};
enum { COL_SITE, COL_WAITING, COL_OLDEST, COL_IN_FLIGHT, COL_HELD, COL_FAILED, COL_NEXT, COL_MONTH, COL_CALL, COLS };

static void
add_next(const struct site_row *row, struct door_cell *cell)
{
	int64_t now = clock_now();

	if (row->retry.next <= now) {
		str_add_text(&cell->text, row->waiting > 0 ? "now" : "-");
		return;
	}
	str_add_text(&cell->text, "in ");
	door_age(&cell->text, now - (row->retry.next - now));
	cell->colour = DOOR_YELLOW;
}

static void
add_bytes(struct span call, const char *key, const char *what, struct str *out)
{
	uint64_t bytes;

	if (span_number(history_value(call, key), INT64_MAX, &bytes) < 0)
		return;
	str_add_text(out, ", ");
	door_size(out, bytes);
	str_add_text(out, what);
}

/* "4m ago: ok, 12K out, 300 in" or "4m ago: failed 3 times: no route to host" */
static void
add_call_end(const struct site_row *row, struct str *out)
{
	struct span call = str_span(&row->call);

	door_age(out, row->call_at);
	str_add_text(out, " ago: ");
	door_noted(out, history_value(call, "result"), 40);
	if (span_is(history_value(call, "result"), "ok")) {
		add_bytes(call, "wire_up", " out", out);
		add_bytes(call, "wire_down", " in", out);
	} else if (row->retry.failures > 0) {
		str_printf(out, " %u time%s: ", row->retry.failures, row->retry.failures == 1 ? "" : "s");
		door_noted(out, str_span(&row->retry.why), 200);
	}
}

/* The last call's end; where nothing was called, why the last try failed, of the site or
 * of its oldest message. */
static void
add_call(const struct site_row *row, struct door_cell *cell)
{
	bool failed = row->retry.failures > 0;

	if (row->call_at != 0) {
		add_call_end(row, &cell->text);
	} else if (failed) {
		str_printf(&cell->text, "%u failed: ", row->retry.failures);
		door_noted(&cell->text, str_span(&row->retry.why), 200);
	} else if (row->why.len > 0) {
		door_noted(&cell->text, str_span(&row->why), 200);
	} else {
		str_add_char(&cell->text, '-');
	}
	cell->colour = failed ? DOOR_RED : NULL;
}

/* Sent to it and received from it, in calls. */
static void
add_month(const struct usage_row *row, struct door_cell *cell)
{
	if (row == NULL) {
		str_add_char(&cell->text, '-');
		return;
	}
	door_size(&cell->text, row->out);
	str_add_char(&cell->text, '/');
	door_size(&cell->text, row->in);
}

static void
add_row(const struct status *status, const struct site_row *row, struct str *out)
{
	struct door_cell cells[COLS] = {0};

	door_escape(&cells[COL_SITE].text, span_of(row->name), 80);
	str_printf(&cells[COL_WAITING].text, "%zu", row->waiting);
	door_age(&cells[COL_OLDEST].text, row->oldest);
	str_printf(&cells[COL_IN_FLIGHT].text, "%zu", row->in_flight);
	if (row->batches > 1)
		str_printf(&cells[COL_IN_FLIGHT].text, "/%zu", row->batches);
	str_printf(&cells[COL_HELD].text, "%zu", row->held);
	str_printf(&cells[COL_FAILED].text, "%zu", row->failed);
	cells[COL_HELD].colour = row->held > 0 ? DOOR_YELLOW : NULL;
	cells[COL_FAILED].colour = row->failed > 0 ? DOOR_RED : NULL;
	add_next(row, &cells[COL_NEXT]);
	add_month(usage_of(&status->usage.site, row->name), &cells[COL_MONTH]);
	add_call(row, &cells[COL_CALL]);
	door_row(columns, cells, out);
}

enum { USERS_SHOWN = 5 };

/* Who sent most this month. */
static void
add_users(const struct usage *usage, struct str *out)
{
	for (size_t i = 0; i < usage->user.rows && i < USERS_SHOWN; i++) {
		const struct usage_row *row = &usage->user.row[i];
		str_add_text(out, i == 0 ? "\nsent this month: " : ", ");
		door_noted(out, span_of(row->name), 64);
		str_add_char(out, ' ');
		door_size(out, row->in);
		str_printf(out, " (%llu)", (unsigned long long)row->count);
	}
	if (usage->user.rows > USERS_SHOWN)
		str_printf(out, ", and %zu more", usage->user.rows - USERS_SHOWN);
	if (usage->user.rows > 0)
		str_add_char(out, '\n');
}

static void
add_table(const struct status *status, struct str *out)
{
	str_printf(out, "site %s, %s: ", status->door->settings.spool.site, status->door->settings.root);
	door_size(out, free_bytes(status));
	str_add_text(out, " free");
	if (status->arrived > 0)
		str_printf(out, ", %zu arrived and not yet sorted", status->arrived);
	if (status->jobs > 0)
		str_printf(out, ", %zu jobs of other sites not yet run", status->jobs);
	if (status->commands > 0)
		str_printf(out, ", %zu commands of uux for other sites", status->commands);
	str_add_char(out, '\n');
	door_hosts_line(status->door, out);
	str_add_char(out, '\n');
	if (status->sites > 0)
		door_titles(columns, out);
	else
		str_add_text(out, "no site is known and nothing waits; \"mochila pair\" makes one known\n");
	for (size_t i = 0; i < status->sites; i++)
		add_row(status, status->site[i], out);
	add_users(&status->usage, out);
}

int
door_status_text(struct door *door, struct str *out, struct err *err)
{
	struct status status = { .door = door };
	int result = gather(&status, err);

	if (result == 0)
		add_table(&status, out);
	status_free(&status);
	return result;
}

/* for programs */

static json_t *
json_of_row(const struct status *status, const struct site_row *row)
{
	static const struct usage_row nothing;
	const struct usage_row *found = usage_of(&status->usage.site, row->name), *month = found != NULL ? found : &nothing;
	json_t *site = json_object();

	json_object_set_new(site, "site", door_json_text(span_of(row->name)));
	json_object_set_new(site, "waiting", json_integer((json_int_t)row->waiting));
	json_object_set_new(site, "oldest", door_json_time(row->oldest));
	json_object_set_new(site, "in_flight", json_integer((json_int_t)row->in_flight));
	json_object_set_new(site, "batches", json_integer((json_int_t)row->batches));
	json_object_set_new(site, "commands", json_integer((json_int_t)row->commands));
	json_object_set_new(site, "held", json_integer((json_int_t)row->held));
	json_object_set_new(site, "failed", json_integer((json_int_t)row->failed));
	json_object_set_new(site, "failures", json_integer((json_int_t)row->retry.failures));
	json_object_set_new(site, "next_try", door_json_time(row->retry.next));
	json_object_set_new(site, "why",
	    door_json_text(str_span(row->retry.failures > 0 ? &row->retry.why : &row->why)));
	json_object_set_new(site, "last_call", door_json_time(row->call_at));
	json_object_set_new(site, "last_call_result", door_json_text(str_span(&row->call)));
	json_object_set_new(site, "month_calls", json_integer((json_int_t)month->count));
	json_object_set_new(site, "month_out", json_integer((json_int_t)month->out));
	json_object_set_new(site, "month_in", json_integer((json_int_t)month->in));
	return site;
}

static json_t *
json_of_users(const struct usage *usage)
{
	json_t *all = json_array();

	for (size_t i = 0; i < usage->user.rows; i++) {
		const struct usage_row *row = &usage->user.row[i];
		json_t *user = json_object();
		json_object_set_new(user, "user", door_json_text(span_of(row->name)));
		json_object_set_new(user, "messages", json_integer((json_int_t)row->count));
		json_object_set_new(user, "bytes", json_integer((json_int_t)row->in));
		json_array_append_new(all, user);
	}
	return all;
}

/* Site by site, so that 10,000 need no memory. */
static int
print_json(const struct status *status, struct err *err)
{
	json_t *all = json_object();
	struct str out = {0};

	json_object_set_new(all, "site", door_json_text(span_of(status->door->settings.spool.site)));
	json_object_set_new(all, "root", door_json_text(span_of(status->door->settings.root)));
	json_object_set_new(all, "free_bytes", json_integer((json_int_t)free_bytes(status)));
	json_object_set_new(all, "arrived", json_integer((json_int_t)status->arrived));
	json_object_set_new(all, "jobs", json_integer((json_int_t)status->jobs));
	json_object_set_new(all, "commands", json_integer((json_int_t)status->commands));
	json_object_set_new(all, "hosts", door_hosts_json(status->door));
	json_object_set_new(all, "month", json_string(status->usage.month));
	json_object_set_new(all, "users", json_of_users(&status->usage));
	char *text = json_dumps(all, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_EMBED);
	str_printf(&out, "{%s,\"sites\":[", text != NULL ? text : "");
	free(text);
	json_decref(all);
	int result = door_print(&out, err);
	for (size_t i = 0; result == 0 && i < status->sites; i++)
		result = door_json_print(json_of_row(status, status->site[i]), i + 1 < status->sites ? ",\n" : "", err);
	str_free(&out);
	return result < 0 ? -1 : fs_write(1, "]}\n", 3, err);
}

static int
status_json(struct door *door, struct err *err)
{
	struct status status = { .door = door };
	int result = gather(&status, err);

	if (result == 0)
		result = print_json(&status, err);
	status_free(&status);
	return result;
}

static int
status_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool json = false, help = false;
	const struct opt_row rows[] = {
		{ "json", 0, NULL, "an object, for programs", OPT_FLAG, &json },
		DOOR_HELP(&help), {0},
	};
	struct str out = {0};
	int result = door_options(door, &door_status, rows, 0, 0, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	if (json)
		return status_json(door, err);
	result = door_status_text(door, &out, err);
	if (result == 0)
		result = door_print(&out, err);
	str_free(&out);
	return result;
}

const struct door_command door_status = {
	"status", "[--json]", "one screen: what waits, for whom, and the last calls", true, status_run
};
