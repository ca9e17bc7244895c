#include "spool/usage.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"

enum {
	ROWS_MOST = 20000,	/* those behind are counted together */
	PIECE = 256 << 10,	/* of the history, at a time; a line has 1.2 K at most */
	BEGINNING = 64,		/* a file is known by so many first bytes: a time and an id */
	WORTH_NOTING = 64 << 10,	/* less is sooner read again than written down */
	NOTED_MOST = 8 << 20,
};
static const char noted_file[] = ".usage", others[] = "(others)";

/* tables */

static size_t
slot_of(const struct usage_table *table, struct span name)
{
	uint64_t hash = UINT64_C(14695981039346656037);	/* FNV-1a */

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	size_t at = (size_t)hash & (table->slots - 1);
	while (table->slot[at] != 0 && !span_is(name, table->row[table->slot[at] - 1].name))
		at = (at + 1) & (table->slots - 1);
	return at;
}

static void
grow(struct usage_table *table)
{
	free(table->slot);
	table->slots = table->slots > 0 ? 2 * table->slots : 64;
	table->slot = mem_get(table->slots * sizeof *table->slot);
	for (size_t i = 0; i < table->rows; i++)
		table->slot[slot_of(table, span_of(table->row[i].name))] = i + 1;
}

static struct usage_row *
row_for(struct usage_table *table, struct span name)
{
	if (2 * table->rows >= table->slots)
		grow(table);
	size_t at = slot_of(table, name);
	if (table->slot[at] == 0 && table->rows >= ROWS_MOST) {
		name = span_of(others);
		at = slot_of(table, name);
	}
	if (table->slot[at] == 0) {
		table->row = mem_resize(table->row, table->rows + 1, sizeof *table->row);
		table->row[table->rows++] = (struct usage_row){ .name = mem_text_n(name.p, name.len) };
		table->slot[at] = table->rows;
	}
	return &table->row[table->slot[at] - 1];
}

const struct usage_row *
usage_of(const struct usage_table *table, const char *name)
{
	size_t found = table->slots == 0 ? 0 : table->slot[slot_of(table, span_of(name))];

	return found == 0 ? NULL : &table->row[found - 1];
}

static int
larger_first(const void *a, const void *b)
{
	const struct usage_row *one = a, *two = b;
	uint64_t first = one->in + one->out, second = two->in + two->out;

	return first > second ? -1 : first < second ? 1 : strcmp(one->name, two->name);
}

void
usage_sort(struct usage_table *table)
{
	if (table->rows > 0)
		qsort(table->row, table->rows, sizeof *table->row, larger_first);
}

static void
table_free(struct usage_table *table)
{
	for (size_t i = 0; i < table->rows; i++)
		free(table->row[i].name);
	free(table->row);
	free(table->slot);
	*table = (struct usage_table){0};
}

void
usage_free(struct usage *usage)
{
	table_free(&usage->site);
	table_free(&usage->user);
	str_free(&usage->file);
}

/* lines of the history */

static uint64_t
number_of(struct span line, const char *key)
{
	uint64_t number;
	return span_number(history_value(line, key), INT64_MAX, &number) < 0 ? 0 : number;
}

/* "12.34" seconds, or money: in millionths. */
static uint64_t
millionths_of(struct span line, const char *key)
{
	uint64_t number;
	return span_decimal(history_value(line, key), 6, &number) < 0 || number > INT64_MAX ? 0 : number;
}

static void
take_call(struct usage *usage, struct span site, struct span event)
{
	struct usage_row *row = row_for(&usage->site, site);

	row->out += number_of(event, "wire_up");
	row->in += number_of(event, "wire_down");
	row->micros += millionths_of(event, "secs");
	row->cost += millionths_of(event, "cost");
	row->count++;
}

/* By the sender's address, where the mail came from elsewhere; else by the user. */
static void
take_message(struct usage *usage, struct span event)
{
	struct span from = history_value(event, "from"), who = from;

	if (!span_begins(from, "<"))
		who = history_value(event, "client");
	if (who.len == 0)
		return;
	struct usage_row *row = row_for(&usage->user, who);
	row->in += number_of(event, "size") + number_of(event, "bytes");
	row->count++;
}

static void
take_line(struct usage *usage, struct span line)
{
	struct span event = line, time = span_word(&event), id = span_word(&event);

	if (!span_begins(time, usage->month) || id.len < 2)
		return;
	if (span_begins(span_trim(event), "event=call "))
		take_call(usage, span_to(id, id.len - 1), event);
	else if (span_begins(span_trim(event), "event=accepted "))
		take_message(usage, event);
}

/* Up to the last line that is whole; returns where that ends. */
static uint64_t
take_file(struct usage *usage, int fd, uint64_t at)
{
	struct str text = {0};
	struct err ignored;

	for (;;) {
		str_clear(&text);
		ssize_t got = fs_pread(fd, str_room(&text, PIECE), PIECE, (off_t)at, &ignored);
		const char *last = got > 0 ? memrchr(text.p, '\n', (size_t)got) : NULL;
		if (last == NULL)
			break;
		struct span rest = { text.p, (size_t)(last - text.p) + 1 }, line;
		at += rest.len;
		while (span_cut(&rest, '\n', &line))
			take_line(usage, line);
	}
	str_free(&text);
	return at;
}

/* which files */

static bool
beginning_of(int fd, struct str *sum)
{
	unsigned char bytes[BEGINNING], all[DIGEST_SIZE];
	struct digest digest = {0};
	struct err ignored;

	str_clear(sum);
	if (fs_pread(fd, bytes, sizeof bytes, 0, &ignored) < (ssize_t)sizeof bytes)
		return false;
	digest_start(&digest);
	digest_add(&digest, bytes, sizeof bytes);
	digest_end(&digest, all);
	digest_hex(all, 8, sum);
	return true;
}

static bool
is_noted(int fd, const struct usage *usage)
{
	struct str sum = {0};
	bool same = beginning_of(fd, &sum) && span_same(str_span(&sum), str_span(&usage->file));

	str_free(&sum);
	return same;
}

/* The number of the file where we stopped; when it has gone, one more than the oldest has. */
static unsigned
first_file(const struct spool *spool, const char *node, const struct usage *usage)
{
	unsigned n = 0, files = 0;
	struct err ignored;
	bool same = false;

	for (; !same && n <= history_keep(spool); n++) {
		int fd = history_open(spool, node, n, &ignored);
		if (fd < 0)
			continue;
		files = n + 1;
		same = is_noted(fd, usage);
		close(fd);
	}
	return same ? n - 1 : files;
}

/* One file from there on; usage says then that it ends there.  Returns how much was new. */
static uint64_t
take_new(struct usage *usage, int fd, uint64_t from)
{
	struct str sum = {0};
	uint64_t fresh = 0;

	if (beginning_of(fd, &sum)) {	/* else it has no line yet */
		str_set_span(&usage->file, str_span(&sum));
		usage->at = take_file(usage, fd, from);
		fresh = usage->at - from;
	}
	str_free(&sum);
	return fresh;
}

/* The file that was noted goes on where we stopped; it may just have got the next number. */
static uint64_t
take_history(const struct spool *spool, const char *node, struct usage *usage)
{
	uint64_t fresh = 0;
	struct err ignored;

	for (unsigned n = first_file(spool, node, usage) + 1; n-- > 0;) {
		int fd = history_open(spool, node, n, &ignored);
		if (fd < 0)
			continue;
		fresh += take_new(usage, fd, is_noted(fd, usage) ? usage->at : 0);
		close(fd);
	}
	return fresh;
}

/* what was counted: "usage-2 2026-11 SUM AT", then "site|user NAME OUT IN COUNT MICROS COST" */

static const char version[] = "usage-2";	/* another: all is counted anew */

static void
parse_row(struct usage *usage, struct span line)
{
	struct span kind = span_word(&line), name = span_word(&line);
	struct usage_table *table = span_is(kind, "site") ? &usage->site : &usage->user;
	uint64_t number[5];

	for (size_t i = 0; i < 5; i++)
		if (span_number(span_word(&line), INT64_MAX, &number[i]) < 0)
			return;
	if (name.len == 0)
		return;
	struct usage_row *row = row_for(table, name);
	row->out = number[0];
	row->in = number[1];
	row->count = number[2];
	row->micros = number[3];
	row->cost = number[4];
}

/* tmp/.usage; where several share the spool, and tmp/ is ours alone, hosts/.usage-NODE. */
static int
note_of(const struct spool *spool, const char *node, struct str *name)
{
	str_set(name, noted_file);
	if (node[0] != '\0')
		str_printf(name, "-%s", node);
	return spool->lease == NULL ? spool->tmp : spool->hosts;
}

/* Of another month only where it ended is of use. */
static void
load(const struct spool *spool, const char *node, struct usage *usage)
{
	struct str text = {0}, name = {0};
	struct span rest, line;
	struct err ignored;
	int dir = note_of(spool, node, &name);

	if (fs_load(dir, str_c(&name), NOTED_MOST, &text, &ignored) < 0)
		str_clear(&text);
	str_free(&name);
	rest = str_span(&text);
	if (span_cut(&rest, '\n', &line) && span_is(span_word(&line), version)) {
		bool current = span_is(span_word(&line), usage->month);
		str_set_span(&usage->file, span_word(&line));
		if (span_number(span_word(&line), INT64_MAX, &usage->at) < 0)
			usage->at = 0;
		while (current && span_cut(&rest, '\n', &line))
			parse_row(usage, line);
	}
	str_free(&text);
}

static void
add_rows(const char *kind, const struct usage_table *table, struct str *out)
{
	for (size_t i = 0; i < table->rows; i++)
		str_printf(out, "%s %s %llu %llu %llu %llu %llu\n", kind, table->row[i].name,
		    (unsigned long long)table->row[i].out, (unsigned long long)table->row[i].in,
		    (unsigned long long)table->row[i].count, (unsigned long long)table->row[i].micros,
		    (unsigned long long)table->row[i].cost);
}

static void
store(const struct spool *spool, const char *node, struct usage *usage)
{
	struct str text = {0}, name = {0};
	struct err ignored;
	int dir = note_of(spool, node, &name);

	str_printf(&text, "%s %s %s %llu\n", version, usage->month, str_c(&usage->file), (unsigned long long)usage->at);
	add_rows("site", &usage->site, &text);
	add_rows("user", &usage->user, &text);
	fs_replace(dir, str_c(&name), str_span(&text), 0640, &ignored);
	str_free(&text);
	str_free(&name);
}

static void
add_table(struct usage_table *to, const struct usage_table *from)
{
	for (size_t i = 0; i < from->rows; i++) {
		const struct usage_row *row = &from->row[i];
		struct usage_row *sum = row_for(to, span_of(row->name));
		sum->out += row->out;
		sum->in += row->in;
		sum->count += row->count;
		sum->micros += row->micros;
		sum->cost += row->cost;
	}
}

/* What one host's history says of the month. */
static void
add_node(const struct spool *spool, const char *node, struct usage *usage)
{
	struct usage one = {0};

	memcpy(one.month, usage->month, sizeof one.month);
	load(spool, node, &one);
	if (take_history(spool, node, &one) >= WORTH_NOTING)
		store(spool, node, &one);
	add_table(&usage->site, &one.site);
	add_table(&usage->user, &one.user);
	usage_free(&one);
}

void
usage_read(const struct spool *spool, struct usage *usage)
{
	struct str now = {0};
	struct fs_names nodes;
	struct err ignored;

	*usage = (struct usage){0};
	clock_utc(clock_now(), &now);
	memcpy(usage->month, str_c(&now), sizeof usage->month - 1);
	str_free(&now);
	if (history_nodes(spool, &nodes, &ignored) < 0)
		return;
	for (size_t i = 0; i < nodes.count; i++)
		add_node(spool, nodes.name[i], usage);
	fs_names_free(&nodes);
}
