/* mochila call --estimate: what a call would move, how long it would take and what it would cost. */
#include "spool/door.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/way.h"

enum { TAIL = 256 << 10, LAST_CALLS = 10 };	/* of the history; and so many calls of a way count */

/* The last calls over one way, out of the history. */
struct past {
	size_t calls, at;
	struct past_call { uint64_t wire, data, came; int64_t micros; } call[LAST_CALLS];
};

struct estimate {
	struct door *door;
	const struct site_settings *site;
	uint64_t text, packed;		/* bytes of mail that were packed for it, and what went of that */
	struct way way;			/* the one that is looked at */
	struct past past;
	bool open;
	struct str why;			/* it is not */
	uint64_t messages, waiting, in_flight;
};

/* the history */

static uint64_t
number_in(struct span event, const char *key)
{
	uint64_t number;
	return span_number(history_value(event, key), INT64_MAX, &number) < 0 ? 0 : number;
}

static void
take_call(struct estimate *e, struct span event)
{
	struct past_call call = {
		.wire = number_in(event, "wire_up") + number_in(event, "wire_down"),
		.data = number_in(event, "data_out") + number_in(event, "data_in"),
		.came = number_in(event, "data_in"),
	};
	uint64_t micros;

	e->packed += number_in(event, "data_out");
	if (!span_is(history_value(event, "way"), e->way.name) || !span_is(history_value(event, "result"), "ok") ||
	    span_decimal(history_value(event, "secs"), 6, &micros) < 0 || micros == 0)
		return;
	call.micros = (int64_t)micros;
	e->past.call[e->past.at++ % LAST_CALLS] = call;
	e->past.calls += e->past.calls < LAST_CALLS;
}

/* "TIME SITE: event=call ...", "TIME ID: event=packed site=SITE ... bytes=N" */
static void
take_line(struct estimate *e, struct span line)
{
	struct span who = (span_word(&line), span_word(&line)), event = span_trim(line);

	if (span_begins(event, "event=packed ") && span_is(history_value(event, "site"), e->site->name))
		e->text += number_in(event, "bytes");
	if (who.len > 1 && span_is(span_to(who, who.len - 1), e->site->name) && span_begins(event, "event=call "))
		take_call(e, event);
}

static void
read_file(struct estimate *e, const char *node, unsigned n)
{
	struct str text = {0};
	struct span rest, line;
	struct err ignored;
	struct stat st;
	int fd = history_open(&e->door->spool, node, n, &ignored);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		ssize_t got = fs_pread(fd, str_room(&text, TAIL), TAIL, st.st_size > TAIL ? st.st_size - TAIL : 0, &ignored);
		text.len = got > 0 ? (size_t)got : 0;
	}
	close(fd);
	rest = str_span(&text);
	while (span_cut(&rest, '\n', &line))
		take_line(e, line);
	str_free(&text);
}

static void
read_history(struct estimate *e)
{
	struct fs_names nodes = {0};
	struct err ignored;

	if (history_nodes(&e->door->spool, &nodes, &ignored) == 0)
		for (size_t i = 0; i < nodes.count; i++) {
			read_file(e, nodes.name[i], 1);
			read_file(e, nodes.name[i], 0);
		}
	fs_names_free(&nodes);
}

/* what is to go */

static int
take_waiting(void *of, const struct door_file *file, struct err *err)
{
	struct estimate *e = of;
	const char *bucket = strstr(file->path, file->site);
	char grade = bucket != NULL && bucket[strlen(file->site)] == '/' ? bucket[strlen(file->site) + 1] : '\0';
	struct stat st;

	(void)err;
	if (fstatat(file->dir, file->file, &st, AT_SYMLINK_NOFOLLOW) < 0 || (e->open && e->way.grade != '\0' && grade > e->way.grade))
		return 0;
	if (e->way.site.call_largest > 0 && (uint64_t)st.st_size > e->way.site.call_largest)
		return 0;
	e->messages++;
	e->waiting += (uint64_t)st.st_size;
	return 0;
}

static uint64_t
bytes_below(int dir, const char *path)
{
	struct fs_names names = {0};
	struct err ignored;
	uint64_t sum = 0;
	int at = fs_dir(dir, path, &ignored);

	if (at >= 0 && fs_names(at, ".", &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++) {
			struct stat st;
			if (names.name[i][0] != '.' && fstatat(at, names.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
				sum += (uint64_t)st.st_size;
		}
	fs_names_free(&names);
	if (at >= 0)
		close(at);
	return sum;
}

static int
look_at_way(struct estimate *e, struct err *err)
{
	const struct spool *spool = &e->door->spool;
	struct str jobs = {0};

	e->past = (struct past){0};
	e->text = e->packed = e->messages = e->waiting = 0;
	str_clear(&e->why);
	e->open = way_open(spool, &e->way, clock_now(), &e->why);
	read_history(e);
	str_printf(&jobs, "uux/%s", e->site->name);
	e->in_flight = bytes_below(spool->sent, e->site->name) + bytes_below(spool->dir, str_c(&jobs));
	str_free(&jobs);
	return door_walk(spool, 1u << DOOR_WAITING, e->site->name, take_waiting, e, err);
}

/* the estimate */

struct told {
	uint64_t go, come, cost;
	double seconds;			/* negative: not known */
};

/* What is not packed yet shrinks as it did before; what comes is as much as came on the average; on
 * top comes what a call costs that moves nothing. */
static struct told
tell(const struct estimate *e)
{
	const struct past *past = &e->past;
	double shrinks = e->text > 0 && e->packed > 0 && e->packed < e->text ? (double)e->packed / (double)e->text : 1;
	struct told told = { .go = e->in_flight + (uint64_t)((double)e->waiting * shrinks), .seconds = -1 };
	uint64_t wire = 0, least = UINT64_MAX;
	int64_t micros = 0;

	for (size_t i = 0; i < past->calls; i++) {
		const struct past_call *call = &past->call[i];
		uint64_t beyond = call->wire > call->data ? call->wire - call->data : 0;
		wire += call->wire;
		micros += call->micros;
		told.come += call->came / past->calls;
		least = beyond < least ? beyond : least;
	}
	uint64_t bytes = told.go + told.come + (least < UINT64_MAX ? least : 0);
	if (wire > 0)
		told.seconds = (double)bytes * (double)micros / (double)CLOCK_SECOND / (double)wire;
	told.cost = budget_cost(&e->way.left.tariff, bytes, told.seconds > 0 ? (int64_t)(told.seconds * CLOCK_SECOND) : 0);
	return told;
}

static bool
has_tariff(const struct estimate *e)
{
	return e->way.left.tariff.megabyte > 0 || e->way.left.tariff.minute > 0;
}

static const struct door_column columns[] = {
	{ "WAY", 10 }, { "MESSAGES", -8 }, { "GO", -7 }, { "COME", -7 }, { "MINUTES", -7 }, { "COST", -8 }, { "NOW", 1 }, {0},
};
enum { COL_WAY, COL_MESSAGES, COL_GO, COL_COME, COL_MINUTES, COL_COST, COL_NOW, COLS };

static void
add_line(const struct estimate *e, struct str *out)
{
	struct told told = tell(e);
	struct door_cell cells[COLS] = {0};

	door_escape(&cells[COL_WAY].text, span_of(e->way.name[0] != '\0' ? e->way.name : "link"), 40);
	str_printf(&cells[COL_MESSAGES].text, "%llu", (unsigned long long)e->messages);
	door_size(&cells[COL_GO].text, told.go);
	if (e->past.calls > 0)
		door_size(&cells[COL_COME].text, told.come);
	else
		str_add_char(&cells[COL_COME].text, '?');
	str_printf(&cells[COL_MINUTES].text, told.seconds < 0 ? "?" : "%.1f", told.seconds / 60);
	if (has_tariff(e))
		str_add_decimal(&cells[COL_COST].text, (told.cost + 9999) / 10000, 2);	/* in hundredths, rounded up */
	else
		str_add_char(&cells[COL_COST].text, '-');
	str_add_text(&cells[COL_NOW].text, e->open ? "open" : str_c((struct str *)(uintptr_t)&e->why));
	door_row(columns, cells, out);
}

static json_t *
json_of(const struct estimate *e)
{
	struct told told = tell(e);
	struct str cost = {0};
	json_t *line = json_object();

	json_object_set_new(line, "way", door_json_text(span_of(e->way.name)));
	json_object_set_new(line, "link", door_json_text(span_of(e->way.site.link)));
	json_object_set_new(line, "open", json_boolean(e->open));
	json_object_set_new(line, "why", e->open ? json_null() : door_json_text(str_span(&e->why)));
	json_object_set_new(line, "messages", json_integer((json_int_t)e->messages));
	json_object_set_new(line, "go", json_integer((json_int_t)told.go));
	json_object_set_new(line, "come", e->past.calls > 0 ? json_integer((json_int_t)told.come) : json_null());
	json_object_set_new(line, "seconds", told.seconds >= 0 ? json_real(told.seconds) : json_null());
	str_add_decimal(&cost, told.cost, 6);
	json_object_set_new(line, "cost", has_tariff(e) ? door_json_text(str_span(&cost)) : json_null());
	json_object_set_new(line, "calls", json_integer((json_int_t)e->past.calls));
	str_free(&cost);
	return line;
}

int
door_estimate(struct door *door, const char *site, bool json, struct err *err)
{
	struct estimate e = { .door = door, .site = settings_site(&door->settings, site) };
	json_t *all = json ? json_array() : NULL;
	struct str out = {0};
	int result = 0;

	if (e.site == NULL)
		result = settings_no_site(&door->settings, site, ERR_CONFIG, err);
	else if (e.site->link[0] == '\0')
		result = err_set(err, ERR_CONFIG, "[site %s] has no link: it calls us", site);
	if (result == 0 && !json)
		door_titles(columns, &out);
	for (size_t n = 0; result == 0 && way_nth(&door->settings, e.site, n, &e.way); n++) {
		result = look_at_way(&e, err);
		if (result == 0 && json)
			json_array_append_new(all, json_of(&e));
		else if (result == 0)
			add_line(&e, &out);
	}
	str_free(&e.why);
	if (result < 0)
		json_decref(all);
	else
		result = json ? door_json_print(all, "\n", err) : door_print(&out, err);
	str_free(&out);
	return result;
}
