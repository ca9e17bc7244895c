/* A worker of the soak (soak.h): does things to a spool, at random, until it is killed. */
#include "tests/crash/soak.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/journal.h"
#include "spool/queue.h"

static const char *const addresses[SOAK_RCPTS] = { "bob@home.example", "eve@ship.example", "tom@home.example" };
static const char *const sites[SOAK_SITES] = { "home", "ship" };

static struct {
	struct spool spool;
	struct err err;
	uint64_t random;
	unsigned long next, end;	/* keys that are ours to use */
	bool draining;			/* no faults, no defers: to the end */
	size_t worked;			/* messages touched by the last drain */
} w;

/* Without stdio: its buffer would be lost by a kill. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void
say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vdprintf(STDOUT_FILENO, format, args);	/* one write, and not one that fault.so counts */
	va_end(args);
}

static unsigned long
roll(unsigned long sides)
{
	return soak_mix(w.random++) % sides;
}

/* in */

static int
add_message(struct arrival *a, unsigned long key)
{
	struct envelope env = {0};
	struct entry_info info = {0};
	struct str body = {0};

	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	for (size_t i = 0; i < SOAK_RCPTS; i++)
		if (soak_rcpts(key) & 1u << i)
			envelope_add(&env, span_of(addresses[i]), SPAN(""));
	str_set(&info.from, "test");
	if (soak_from_peer(key)) {
		str_set(&info.peer, "hub");
		str_printf(&info.peer_id, "p-%lu", key);
	}
	soak_body(key, &body);
	int result = arrival_begin(a, &info, &env, &w.err);
	/* in pieces, as the net brings it */
	for (size_t at = 0; at < body.len && result == 0; at += 5000)
		result = arrival_body(a, body.p + at, body.len - at < 5000 ? body.len - at : 5000, &w.err);
	if (result == 0)
		result = arrival_end(a, &w.err);
	envelope_free(&env);
	entry_info_free(&info);
	str_free(&body);
	return result;
}

/* The next key of the wanted kind; 0 when all are used. */
static unsigned long
new_key(bool from_peer)
{
	while (w.next < w.end) {
		unsigned long key = w.next++;
		if (soak_from_peer(key) == from_peer)
			return key;
	}
	return 0;
}

static void
op_accept(void)
{
	struct arrival a;
	unsigned long key = new_key(false);

	if (key == 0)
		return;
	int result = arrival_open(&a, &w.spool, NULL, &w.err);
	if (result == 0) {
		result = add_message(&a, key);
		if (result == 0)
			result = arrival_commit(&a, &w.err);
		arrival_close(&a);
	}
	say("%d %lu\n", result == 0 ? 250 : 451, key);
}

/* Several that share a sync, a few times, as sessions of the relay do. */
static void
op_journal(void)
{
	struct journal j = { .spool = &w.spool };

	for (unsigned long turns = 1 + roll(3); turns > 0; turns--) {
		unsigned long waiting[4], key;
		size_t count = 0, many = 1 + roll(4);
		while (count < many && (key = new_key(false)) != 0) {
			struct arrival a;
			arrival_join(&a, &j);
			int result = add_message(&a, key) < 0 ? -1 : arrival_post(&a, &w.err);
			if (result > 0)
				waiting[count++] = key;
			else
				say("%d %lu\n", result == 0 ? 250 : 451, key);
			arrival_close(&a);
		}
		int result = journal_sync(&j, &w.err);
		for (size_t i = 0; i < count; i++)
			say("%d %lu\n", result == 0 ? 250 : 451, waiting[i]);
	}
	journal_close(&j);
}

/* One file of several messages from a peer. */
static void
receive(const char *name, const unsigned long *keys, size_t count)
{
	struct arrival a;
	int result = arrival_open(&a, &w.spool, name, &w.err);

	if (result == 0) {
		for (size_t i = 0; i < count && result == 0; i++)
			result = add_message(&a, keys[i]);
		if (result == 0 && count > 0)
			result = arrival_commit(&a, &w.err);
		arrival_close(&a);
	}
	for (size_t i = 0; i < count && result == 0; i++)
		say("250 %lu\n", keys[i]);
}

/* The peer's messages among the keys from FIRST on: the same name, the same batch. */
static void
receive_from(unsigned long first)
{
	unsigned long keys[4];
	size_t count = 0;
	char name[40];

	for (unsigned long key = first; key < first + 4; key++)
		if (soak_from_peer(key))
			keys[count++] = key;
	snprintf(name, sizeof name, "b-%lx", first);
	receive(name, keys, count);
}

static void
op_receive(void)
{
	if (w.next + 4 > w.end)
		return;
	w.next += 4;
	receive_from(w.next - 4);
}

/* What a worker with these keys has received first. */
static void
op_again(void)
{
	receive_from(w.next);
}

static void
op_repeat(void)
{
	receive_from(1 + roll(w.end > 4 ? w.end - 4 : 1));
}

/* What came before, in other company and another order, perhaps twice in one file. */
static void
op_reorder(void)
{
	unsigned long keys[8], key;
	size_t count = 0;
	char name[40];

	while (count < 8 && roll(8) != 0)
		if (soak_from_peer(key = 1 + roll(w.end - 1)))
			keys[count++] = key;
	snprintf(name, sizeof name, "b-%lx%lx", roll(1ul << 40), roll(1ul << 40));
	receive(name, keys, count);
}

static void
op_settle(void)
{
	struct settled settled;

	if (roll(8) == 0)
		spool_repair(&w.spool, &w.err);
	spool_settle(&w.spool, &settled, &w.err);
	w.worked += settled.files;
}

/* out */

/* What the far end answers for this one: always the same, as it knows what it has.  By the
 * address, not by its number: what is left of a message when another recipient was reported has
 * other numbers. */
static bool
refused(struct message *m, size_t rcpt)
{
	unsigned char sum[DIGEST_SIZE];
	struct str name = {0};

	str_printf(&name, "%s %s", str_c(&m->id), str_c(&m->entry.env.rcpt[rcpt].to));
	digest_of(str_c(&name), name.len, sum);
	str_free(&name);
	return sum[0] % 16 == 0;
}

/* The clock of the library stands still here, wherever it was set. */
static long long
real_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static unsigned long
key_of(struct message *m)
{
	char body[256] = "";
	const char *key = fs_pread(m->fd, body, sizeof body - 1, m->entry.body_at, &w.err) < 0 ? NULL :
	    strstr(body, "X-Key: ");

	return key != NULL ? strtoul(key + 7, NULL, 10) : 0;
}

/* "ID KEY RCPT SIZE SHA" of what is in the file, for recipient i. */
static int
describe(struct message *m, size_t i, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];
	uint64_t len = m->entry.body_len;
	char *body = mem_get(len + 1);
	int result = fs_pread(m->fd, body, len, m->entry.body_at, &w.err) < 0 ? -1 : 0;
	const char *key = strstr(body, "X-Key: ");

	digest_of(body, len, sum);
	str_printf(out, "%s %lu %s %llu ", str_c(&m->id), key != NULL ? strtoul(key + 7, NULL, 10) : 0,
	    str_c(&m->entry.env.rcpt[i].to), (unsigned long long)len);
	digest_hex(sum, sizeof sum, out);
	str_add_char(out, '\n');
	free(body);
	return result;
}

static void
say_noted(struct span lines)
{
	long long at = real_time();
	struct span line;

	while (span_cut(&lines, '\n', &line))
		if (line.len > 0)
			say("noted %lld %.*s\n", at, (int)line.len, line.p);
}

static void
deliver(struct message *m)
{
	struct str noted = {0};

	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct str line = {0};
		if (m->entry.status[i].state >= RCPT_DONE)
			continue;
		if (!w.draining && roll(4) == 0) {
			message_rcpt(m, i, RCPT_DEFERRED, "451 4.3.0 try later");
		} else if (refused(m, i)) {
			message_rcpt(m, i, RCPT_FAILED, "550 5.1.1 no such user");
		} else if (message_still_there(m) && describe(m, i, &line) == 0) {
			/* the far end has it, whatever comes */
			say("sent %lld %s", real_time(), str_c(&line));
			message_rcpt(m, i, RCPT_DONE, "250 2.0.0 ok");
			str_printf(&noted, "%lu %s\n", key_of(m), str_c(&m->entry.env.rcpt[i].to));
		}
		str_free(&line);
	}
	if (message_settle(m, &w.err) == 0)
		say_noted(str_span(&noted));
	str_free(&noted);
}

static void
finish(const char *site)
{
	struct queue q;
	struct message m;
	unsigned long most = w.draining ? -1ul : 1 + roll(30);

	if (queue_open(&q, &w.spool, site, true, &w.err) < 0)
		return;
	while (most-- > 0 && queue_next(&q, &m, &w.err) > 0) {
		w.worked++;
		if (!w.draining && roll(20) == 0)
			message_hold(&m, "held by the soak", &w.err);
		else
			deliver(&m);
		message_close(&m);
	}
	queue_close(&q);
}

static void
op_finish(void)
{
	finish(sites[roll(SOAK_SITES)]);
}

static int
pick(struct batch *b, struct message *m)
{
	struct str list = {0};
	int result = 0;

	for (size_t i = 0; i < m->entry.env.rcpts && result == 0; i++)
		if (m->entry.status[i].state < RCPT_DONE)
			result = describe(m, i, &list);
	if (result == 0)
		result = batch_pick(b, m, &w.err);
	if (result == 0)
		result = fs_write(b->fd, list.p, list.len, &w.err);
	str_free(&list);
	return result;
}

static void
op_pack(void)
{
	struct queue q;
	struct message m;
	struct batch b;
	const char *site = sites[roll(SOAK_SITES)];
	int result = 0;

	if (queue_open(&q, &w.spool, site, true, &w.err) < 0)
		return;
	if (batch_new(&b, &w.spool, site, &w.err) == 0) {
		for (unsigned long most = 1 + roll(10); most > 0 && result == 0; most--) {
			if (queue_next(&q, &m, &w.err) <= 0)
				break;
			result = pick(&b, &m);
			message_close(&m);
		}
		if (result < 0 || b.count == 0 || batch_offer(&b, &w.err) < 0)
			batch_undo(&b, &w.err);
		batch_close(&b);
	}
	queue_close(&q);
}

/* The far end takes a batch or refuses it; asked again it says the same. */
static void
end_batch(const char *site, const char *name)
{
	struct str text = {0};
	struct span rest, line;
	unsigned char sum[DIGEST_SIZE];

	digest_of(name, strlen(name), sum);
	if (sum[0] % 8 == 0) {
		batch_refused(&w.spool, site, name, "refused by the soak", &w.err);
		return;
	}
	int fd = batch_open(&w.spool, site, name, &w.err);
	if (fd >= 0 && fs_read_all(fd, 1 << 20, &text, &w.err) == 0) {
		rest = str_span(&text);
		while (span_cut(&rest, '\n', &line))
			if (line.len > 0)
				say("sent %lld %.*s\n", real_time(), (int)line.len, line.p);
		batch_acked(&w.spool, site, name, &w.err);
	}
	if (fd >= 0)
		close(fd);
	str_free(&text);
}

static void
ack(const char *site)
{
	struct fs_names names;

	if (batch_names(&w.spool, site, &names, &w.err) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		if (!w.draining && roll(3) == 0)
			continue;
		w.worked++;
		end_batch(site, names.name[i]);
	}
	fs_names_free(&names);
}

static void
op_ack(void)
{
	ack(sites[roll(SOAK_SITES)]);
}

/* a person */

static void
op_mv_to_hold(void)
{
	struct fs_names buckets, names = {0};
	struct str path = {0};

	str_printf(&path, "%s", sites[roll(SOAK_SITES)]);
	if (fs_names(w.spool.out, str_c(&path), &buckets, &w.err) == 0 && buckets.count > 0) {
		str_printf(&path, "/%s", buckets.name[roll(buckets.count)]);
		if (fs_names(w.spool.out, str_c(&path), &names, &w.err) == 0 && names.count > 0) {
			const char *id = names.name[roll(names.count)];
			str_printf(&path, "/%s", id);
			if (spool_id_ok(id))
				fs_rename(w.spool.out, str_c(&path), w.spool.hold, id, &w.err);
		}
	}
	fs_names_free(&names);
	fs_names_free(&buckets);
	str_free(&path);
}

static void
release(unsigned long of)
{
	struct fs_names names;

	if (fs_names(w.spool.hold, ".", &names, &w.err) < 0)
		return;
	for (size_t i = 0; i < names.count; i++) {
		if (!spool_id_ok(names.name[i]) || (of > 1 && roll(of) != 0))
			continue;
		w.worked++;
		fs_rename(w.spool.hold, names.name[i], w.spool.in, names.name[i], &w.err);
	}
	fs_names_free(&names);
}

static void
op_mv_to_in(void)
{
	release(4);
}

/* the end */

static void
drain(void)
{
	w.draining = true;
	spool_repair(&w.spool, &w.err);
	do {
		w.worked = 0;
		op_settle();
		for (size_t i = 0; i < SOAK_SITES; i++) {
			ack(sites[i]);
			finish(sites[i]);
		}
		release(1);
	} while (w.worked > 0);
}

static unsigned long
key_in(const char *body)
{
	const char *key = strstr(body, "X-Key: ");

	return key != NULL ? strtoul(key + 7, NULL, 10) : 0;
}

static void
say_reports(const char *body)
{
	static const char field[] = "Final-Recipient: rfc822;";
	unsigned long key = key_in(body);

	for (const char *at = body; (at = strstr(at, field)) != NULL; at++) {
		const char *to = at + sizeof field - 1;
		to += strspn(to, " ");
		say("report %lu %.*s\n", key, (int)strcspn(to, "\r\n"), to);
	}
}

static void
say_left(int fd, const struct entry *entry, const char *place)
{
	char *body = mem_get(entry->body_len + 1);

	if (fs_pread(fd, body, entry->body_len, entry->body_at, &w.err) < 0)
		say("damaged %s\n", place);
	else if (span_is(str_span(&entry->info.from), "dsn"))
		say_reports(body);
	else for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			say("left %s %lu %.*s\n", place, key_in(body), (int)entry->env.rcpt[i].to.len,
			    entry->env.rcpt[i].to.p);
	free(body);
}

static void
walk(int dir, const char *path, const char *place)
{
	struct fs_names names;
	struct entry entry;
	off_t at = 0;
	int got = 0;

	if (fs_names(dir, path, &names, &w.err) == 0) {
		for (size_t i = 0; i < names.count; i++) {
			struct str inner = {0};
			str_printf(&inner, "%s/%s", path, names.name[i]);
			if (names.name[i][0] != '.' && !span_ends_case(span_of(names.name[i]), ".reason"))
				walk(dir, str_c(&inner), place);
			str_free(&inner);
		}
		fs_names_free(&names);
		return;
	}
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && (got = entry_read(fd, &at, true, &entry, &w.err)) > 0) {
		say_left(fd, &entry, place);
		entry_free(&entry);
	}
	if (fd < 0 || got < 0)
		say("damaged %s/%s\n", place, path);
	if (fd >= 0)
		close(fd);
}

static void
tell_all(void)
{
	walk(w.spool.tmp, ".", "tmp");
	walk(w.spool.in, ".", "in");
	walk(w.spool.out, ".", "out");
	walk(w.spool.sent, ".", "sent");
	walk(w.spool.hold, ".", "hold");
	walk(w.spool.failed, ".", "failed");
}

/* How often, of all. */
static const struct op {
	const char *name;
	unsigned weight;
	void (*run)(void);
} ops[] = {
	{ "accept", 6, op_accept }, { "journal", 6, op_journal }, { "receive", 4, op_receive },
	{ "repeat", 3, op_repeat }, { "reorder", 2, op_reorder }, { "again", 0, op_again },
	{ "settle", 8, op_settle }, { "finish", 8, op_finish }, { "pack", 4, op_pack }, { "ack", 5, op_ack },
	{ "mv-to-hold", 3, op_mv_to_hold }, { "mv-to-in", 3, op_mv_to_in },
};

/* One of that name, or, without one, any. */
static void
run_one(const char *name)
{
	unsigned sum = 0;

	say("op\n");
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (strcmp(ops[i].name, name) == 0) {
			ops[i].run();
			return;
		}
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		sum += ops[i].weight;
	unsigned long at = roll(sum);
	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
		if (at < ops[i].weight) {
			ops[i].run();
			return;
		}
		at -= ops[i].weight;
	}
}

/* The clock stands still while something is done, but where others wait for it to pass. */
static void
set_clock(int64_t offset)
{
	if (w.spool.lease != NULL) {
		clock_shift(offset);
		return;
	}
	clock_set(0);
	clock_set(clock_now() + offset);
}

/* ROOT SEED FIRST END OPS CLOCK NODE OP: so many things done, the clock wrong by CLOCK seconds;
 * OPS 0: all that is left is brought to its end and told; SOAK_DRAIN: not told.  NODE "":
 * there is only one host. */
int
soak_worker(int argc, char **argv)
{
	struct str node = {0};
	bool many = argc == 8 && argv[6][0] != '\0';
	str_printf(&node, "spool.node=%s", many ? argv[6] : "one");
	const char *said[] = { many ? "spool.shared=yes" : "spool.shared=no", str_c(&node), "spool.lease=1", "spool.host=hub.example", "spool.site=here", "spool.min-free=0",
		"spool.delay-after=0", "spool.expire-after=0", "routes.home.example=site:home",
		"routes.ship.example=site:ship", "routes.x.example=site:back" };
	struct settings settings;
	struct settings_args args = { .root = argc == 8 ? argv[0] : NULL,
		.set = { said, sizeof said / sizeof said[0] } };

	log_open("soak", "none", LOG_LEVEL_ERROR, &w.err);
	if (argc != 8 || settings_load(&settings, &args, &w.err) < 0 ||
	    spool_open(&w.spool, &settings, true, &w.err) < 0)
		return 70;
	w.random = strtoull(argv[1], NULL, 10);
	w.next = strtoul(argv[2], NULL, 10);
	w.end = strtoul(argv[3], NULL, 10);
	unsigned long left = strtoul(argv[4], NULL, 10);
	int64_t offset = strtoll(argv[5], NULL, 10) * CLOCK_SECOND;
	if (many)
		clock_shift(offset);
	if (left == 0 || left == SOAK_DRAIN)
		drain();
	if (left == 0)
		tell_all();
	if (left == SOAK_LOOK)
		spool_repair(&w.spool, &w.err);
	if (left >= SOAK_DRAIN)
		left = 0;
	for (; left > 0; left--) {
		set_clock(offset);
		run_one(argv[7]);
	}
	str_free(&node);
	spool_close(&w.spool);
	settings_free(&settings);
	return 0;
}
