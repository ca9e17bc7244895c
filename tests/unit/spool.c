/*
 * The spool: its file format, its states, what a crash leaves between any two steps.
 */
#include "spool/spool.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/bucket.h"
#include "spool/journal.h"
#include "spool/queue.h"
#include "spool/quota.h"
#include "spool/seen.h"
#include "tests/unit/scratch.h"

static char root[] = "/tmp/mochila-spool-XXXXXX";
static struct settings settings;
static struct spool spool;
static struct err err;

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

static void
setup(void)
{
	static const char *said[] = {
		"spool.host=hub.example", "spool.site=hub", "spool.min-free=0",
		"routes.home.example=site:home", "routes.ship.example=site:ship",
		"routes.no.example=reject:not here",
	};
	struct settings_args args = { .root = root,
		.set = { said, sizeof said / sizeof said[0] } };

	strcpy(root, "/tmp/mochila-spool-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	OK(log_open("spool", "none", LOG_LEVEL_ERROR, &err));
	OK(settings_load(&settings, &args, &err));
	OK(spool_open(&spool, &settings, true, &err));
}

static void
teardown(void)
{
	spool_close(&spool);
	settings_free(&settings);
	log_close();
	clock_set(0);
	scratch_remove(AT_FDCWD, root);
}

/* helpers */

static void
envelope(struct envelope *env, const char *const *to)
{
	envelope_from(env, SPAN("ann@x.example"), SPAN("RET=HDRS"));
	for (; *to != NULL; to++)
		envelope_add(env, span_of(*to), SPAN(""));
}

/* One message in one file; returns its id (static). */
static const char *
accept_one(const char *const *to, const char *body, const char *peer, const char *peer_id,
    const char *name)
{
	static char id[80];
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope(&env, to);
	str_set(&info.from, "smtp");
	str_set(&info.peer, peer);
	str_set(&info.peer_id, peer_id);
	OK(arrival_open(&a, &spool, name, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, body, strlen(body), &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	snprintf(id, sizeof id, "%s", str_c(&a.info.id));
	arrival_close(&a);
	envelope_free(&env);
	entry_info_free(&info);
	return id;
}

static const char *const to_home[] = { "bob@home.example", NULL };
static const char *const to_both[] = { "bob@home.example", "eve@ship.example", NULL };
static const char *const to_lost[] = { "bob@nowhere.example", NULL };

static struct settled
settle(void)
{
	struct settled settled;
	OK(spool_settle(&spool, &settled, &err));
	return settled;
}

static size_t
waiting(const char *site)
{
	struct queue q;
	struct message m;
	size_t found = 0;

	OK(queue_open(&q, &spool, site, false, &err));
	while (queue_next(&q, &m, &err) > 0) {
		found++;
		message_close(&m);
	}
	queue_close(&q);
	return found;
}

static void
write_file(int dir, const char *name, const void *bytes, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	ck_assert_int_ge(fd, 0);
	OK(fs_write(fd, bytes, len, &err));
	close(fd);
}

/* the format */

static int64_t sampled;		/* the time of the last sample: too young to be told of */

static void
sample(struct str *out)
{
	struct envelope env = {0};
	struct entry_info info = { .time = clock_now() / CLOCK_SECOND * CLOCK_SECOND, .grade = 'A' };
	struct digest digest = {0};
	unsigned char sum[DIGEST_SIZE];
	static const char body[] = "Subject: hello\r\n\r\n.dots\r\nNOOP end\r\n";
	struct str head = {0};

	sampled = info.time;
	envelope(&env, to_both);
	spool_new_id(&info.id);
	str_set(&info.from, "smtp");
	str_set(&info.client, "192.0.2.7");
	entry_head(&info, &env, sizeof body - 1, &head);
	digest_start(&digest);
	digest_add(&digest, body, sizeof body - 1);
	digest_end(&digest, sum);
	str_add_span(out, str_span(&head));
	str_add(out, body, sizeof body - 1);
	entry_end_line(str_span(&head), sum, out);
	str_free(&head);
	envelope_free(&env);
	entry_info_free(&info);
}

static int
read_bytes(struct span bytes, struct entry *entry)
{
	off_t at = 0;

	write_file(spool.tmp, "sample", bytes.p, bytes.len);
	int fd = openat(spool.tmp, "sample", O_RDONLY);
	err = (struct err){0};
	int got = entry_read(fd, &at, true, entry, &err);
	close(fd);
	return got;
}

START_TEST(an_entry_reads_back_as_it_was_written)
{
	struct str text = {0};
	struct entry entry;

	sample(&text);
	ck_assert_int_eq(read_bytes(str_span(&text), &entry), 1);
	ck_assert_str_eq(str_c(&entry.env.from), "ann@x.example");
	ck_assert_str_eq(str_c(&entry.env.args), "RET=HDRS");
	ck_assert_uint_eq(entry.env.rcpts, 2);
	ck_assert_str_eq(str_c(&entry.env.rcpt[1].to), "eve@ship.example");
	ck_assert_str_eq(str_c(&entry.info.client), "192.0.2.7");
	ck_assert_int_eq(entry.info.grade, 'A');
	ck_assert_int_eq(entry.info.time, sampled);
	ck_assert_int_eq(entry.end, (off_t)text.len);
	entry_free(&entry);
	str_free(&text);
}
END_TEST

START_TEST(an_entry_cut_anywhere_is_no_entry)	/* FS-02 */
{
	struct str text = {0};
	struct entry entry;

	sample(&text);
	for (size_t len = 1; len < text.len; len++)
		ck_assert_msg(read_bytes(span_to(str_span(&text), len), &entry) < 0, "cut at %zu", len);
	ck_assert_int_eq(read_bytes(span_to(str_span(&text), 0), &entry), 0);
	str_free(&text);
}
END_TEST

START_TEST(no_flipped_bit_of_an_entry_goes_unnoticed)
{
	struct str text = {0};
	struct entry entry;

	sample(&text);
	for (size_t bit = 0; bit < 8 * (text.len - 1); bit++) {
		text.p[bit / 8] ^= (char)(1 << bit % 8);
		int got = read_bytes(str_span(&text), &entry);
		ck_assert_msg(got < 0, "bit %zu of byte %zu", bit % 8, bit / 8);
		text.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	str_free(&text);
}
END_TEST

START_TEST(an_entry_of_a_newer_version_waits_for_a_newer_mochila)
{
	struct str text = {0};
	struct entry entry;

	sample(&text);
	memcpy(text.p, "NOOP mochila=2", 14);
	ck_assert_int_lt(read_bytes(str_span(&text), &entry), 0);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	write_file(spool.in, "newer", text.p, text.len);
	struct settled settled;
	ck_assert_int_lt(spool_settle(&spool, &settled, &err), 0);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 1);
	str_free(&text);
}
END_TEST

START_TEST(state_lines_count_and_a_torn_one_does_not)
{
	struct str text = {0};
	struct entry entry;

	sample(&text);
	entry_state_line(clock_now(), "1", "done", "reply", SPAN("250 2.0.0 ok"), &text);
	size_t whole = text.len;
	entry_state_line(clock_now(), "2", "deferred", "reply", SPAN("451 say \"later\"\r\nX: y"), &text);
	ck_assert_int_eq(read_bytes(str_span(&text), &entry), 1);
	ck_assert_int_eq(entry.status[0].state, RCPT_DONE);
	ck_assert_int_eq(entry.status[1].state, RCPT_DEFERRED);
	ck_assert_str_eq(str_c(&entry.status[1].reply), "451 say 'later'\\x0D\\x0AX: y");
	ck_assert_uint_eq(entry_waiting(&entry), 1);
	entry_free(&entry);
	for (size_t len = whole; len < text.len; len++) {
		ck_assert_int_eq(read_bytes(span_to(str_span(&text), len), &entry), 1);
		ck_assert_int_eq(entry.states_end, (off_t)whole);
		ck_assert_int_eq(entry.status[1].state, RCPT_WAITING);
		entry_free(&entry);
	}
	str_free(&text);
}
END_TEST

START_TEST(zeros_written_ahead_end_a_file)
{
	struct str text = {0};
	struct entry entry;
	off_t at = 0;

	sample(&text);
	size_t len = text.len;
	memset(str_room(&text, 5000), 0, 5000);
	text.len += 5000;
	write_file(spool.tmp, "sample", text.p, text.len);
	int fd = openat(spool.tmp, "sample", O_RDONLY);
	OK(entry_read(fd, &at, true, &entry, &err));
	entry_free(&entry);
	ck_assert_int_eq(at, (off_t)len);
	ck_assert_int_eq(entry_read(fd, &at, true, &entry, &err), 0);
	close(fd);
	str_free(&text);
}
END_TEST

static const struct { const char *from, *args; } hostile[] = {	/* what no line can hold */
	{ "a@b>\nRCPT TO:<evil@x", "" }, { "a\r@b", "" }, { "a@b", "RET=\nFULL" }, { "a>b@c", "" },
	{ "\"unclosed@b", "" }, { "a\x7f@b", "" },
};

START_TEST(an_address_cannot_write_lines_of_its_own)	/* SMTP-06, CVE-2020-28015 */
{
	struct envelope env = {0};

	envelope_from(&env, span_of(hostile[_i].from), span_of(hostile[_i].args));
	envelope_add(&env, SPAN("b@c"), SPAN(""));
	ck_assert_int_lt(entry_check_envelope(&env, &err), 0);
	ck_assert_int_eq(err.kind, ERR_PERM);
	envelope_free(&env);
}
END_TEST

START_TEST(a_quoted_bracket_in_an_address_is_kept)
{
	struct envelope env = {0};
	struct entry entry;
	static const char *const odd[] = { "\"a>b\\\"c\"@home.example", NULL };
	struct str text = {0};

	accept_one(odd, "x\r\n", NULL, NULL, NULL);
	settle();
	struct queue q;
	struct message m;
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_str_eq(str_c(&m.entry.env.rcpt[0].to), odd[0]);
	message_close(&m);
	queue_close(&q);
	(void)entry;
	str_free(&text);
	envelope_free(&env);
}
END_TEST

/* ids */

START_TEST(ids_never_repeat_and_never_run_back)
{
	char last[80] = "";
	struct str id = {0};

	clock_set(1795373102 * CLOCK_SECOND);	/* the clock stands still */
	for (int i = 0; i < 10000; i++) {
		str_clear(&id);
		spool_new_id(&id);
		ck_assert_msg(spool_id_ok(str_c(&id)), "%s", str_c(&id));
		ck_assert_int_gt(strcmp(str_c(&id), last), 0);
		snprintf(last, sizeof last, "%s", str_c(&id));
	}
	clock_set(1795373000 * CLOCK_SECOND);	/* and runs back */
	str_clear(&id);
	spool_new_id(&id);
	ck_assert_int_gt(strcmp(str_c(&id), last), 0);
	str_free(&id);
}
END_TEST

static const char *const no_ids[] = { "", ".", "..", "../x", "20261121T210450.814751-25d4d5aabf1c8a29-",
	"20261121T210450.814751-25d4d5aabf1c8a29-1/x", "20261121T210450.814751-25D4d5aabf1c8a29-1",
	"20261121T210450.814751-25d4d5aabf1c8a29-1.d", "x20261121T210450.814751-25d4d5aabf1c8a29-1" };

START_TEST(what_is_no_id_is_no_file_name)
{
	ck_assert(!spool_id_ok(no_ids[_i]));
}
END_TEST

/* accept and settle */

START_TEST(what_is_done_is_durable_while_another_hangs)
{
	struct queue q;
	struct message done, hangs;

	accept_one(to_home, "one\r\n", NULL, NULL, NULL);
	accept_one(to_home, "two\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &done, &err), 1);
	message_keep(&done);
	ck_assert_int_eq(queue_next(&q, &hangs, &err), 1);
	message_keep(&hangs);
	ck_assert_ptr_eq(done.kept, hangs.kept);
	struct message none;
	ck_assert_int_eq(queue_next(&q, &none, &err), 0);	/* the walk has left the bucket */
	message_rcpt(&done, 0, RCPT_DONE, "250 ok");
	OK(message_settle(&done, &err));
	OK(message_left(&done, &err));
	ck_assert(done.removed);
	message_close(&done);
	ck_assert_int_gt(hangs.kept->since, 0);		/* others come soon, it was thought */
	OK(message_left_by_others(&hangs, &err));
	ck_assert_int_eq(hangs.kept->since, 0);
	message_close(&hangs);
	queue_close(&q);
}
END_TEST

START_TEST(one_message_for_one_site_is_only_renamed)
{
	const char *id = accept_one(to_home, "Subject: x\r\n\r\nhello\r\n", NULL, NULL, NULL);
	struct stat before, after;
	struct queue q;
	struct message m;

	ck_assert_int_eq(fstatat(spool.in, id, &before, 0), 0);
	ck_assert_uint_eq(settle().messages, 1);
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_int_eq(fstat(m.fd, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	ck_assert_str_eq(str_c(&m.id), id);
	message_close(&m);
	queue_close(&q);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
}
END_TEST

START_TEST(each_destination_gets_a_file_with_its_own_recipients)
{
	struct queue q;
	struct message m;

	accept_one(to_both, "x\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "ship", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_uint_eq(m.entry.env.rcpts, 1);
	ck_assert_str_eq(str_c(&m.entry.env.rcpt[0].to), "eve@ship.example");
	message_close(&m);
	queue_close(&q);
	ck_assert_uint_eq(waiting("home"), 1);
}
END_TEST

START_TEST(what_has_no_route_is_held_with_a_reason)
{
	struct fs_names names;
	struct entry entry;
	off_t at = 0;

	accept_one(to_lost, "x\r\n", NULL, NULL, NULL);
	ck_assert_uint_eq(settle().held, 1);
	OK(fs_names(spool.hold, ".", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	int fd = openat(spool.hold, names.name[0], O_RDONLY);
	ck_assert_int_eq(entry_read(fd, &at, true, &entry, &err), 1);
	ck_assert_ptr_nonnull(strstr(str_c(&entry.held), "no route for <bob@nowhere.example>"));
	entry_free(&entry);
	close(fd);
	fs_names_free(&names);
}
END_TEST

START_TEST(a_held_message_that_a_person_moves_to_in_is_routed_anew)
{
	struct fs_names names;
	static const char *const reject[] = { "x@no.example", NULL };

	/* also one of a peer, whose id must not make it look like a repeat */
	accept_one(to_lost, "x\r\n", "ship", "7", "b-7");
	accept_one(reject, "x\r\n", NULL, NULL, NULL);
	ck_assert_uint_eq(settle().held, 2);
	conf_text.set(&settings.route[2].destination, "site:home");
	settings.route[2].pattern = (free(settings.route[2].pattern), mem_text("*"));
	OK(fs_names(spool.hold, ".", &names, &err));
	for (size_t i = 0; i < names.count; i++)
		ck_assert_int_eq(renameat(spool.hold, names.name[i], spool.in, names.name[i]), 0);
	fs_names_free(&names);
	settle();
	ck_assert_uint_eq(waiting("home"), 2);
	ck_assert_uint_eq(scratch_count(spool.hold, "."), 0);
}
END_TEST

START_TEST(a_repeat_of_a_peer_is_dropped_and_a_loop_is_not)
{
	accept_one(to_home, "x\r\n", "ship", "id-1", "b-1");
	ck_assert_uint_eq(settle().repeats, 0);
	accept_one(to_home, "x\r\n", "ship", "id-1", "b-2");	/* another file, the same id */
	ck_assert_uint_eq(settle().repeats, 1);
	accept_one(to_home, "x\r\n", "boat", "id-1", "b-3");	/* another peer */
	ck_assert_uint_eq(settle().repeats, 0);
	ck_assert_uint_eq(waiting("home"), 2);
}
END_TEST

START_TEST(a_file_damaged_in_its_middle_is_held_whole)
{
	struct str text = {0};

	sample(&text);
	size_t len = text.len;
	sample(&text);
	text.p[len + 120] ^= 1;
	write_file(spool.in, "b-damaged", text.p, text.len);
	ck_assert_uint_eq(settle().held, 1);
	ck_assert_uint_eq(scratch_count(spool.hold, "."), 2);	/* it, and its .reason */
	ck_assert_uint_eq(waiting("home"), 0);
	str_free(&text);
}
END_TEST

/* a whole entry, and behind it | what comes of the file */
static const struct { const char *rest; size_t len, waiting, held; } rests[] = {
	{ "\0\0\0\0", 4, 1, 0 }, { "\0\0x", 3, 0, 2 }, { "", 0, 1, 0 },
};

START_TEST(what_stands_behind_the_last_message_is_not_dropped)
{
	struct str text = {0};

	sample(&text);
	str_add(&text, rests[_i].rest, rests[_i].len);
	write_file(spool.in, "b-rest", text.p, text.len);
	settle();
	ck_assert_uint_eq(waiting("home"), rests[_i].waiting);
	ck_assert_uint_eq(scratch_count(spool.hold, "."), rests[_i].held);
	str_free(&text);
}
END_TEST

START_TEST(an_undone_message_leaves_nothing)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};
	char *large = mem_get(600000);

	memset(large, 'x', 600000);
	envelope(&env, to_home);
	OK(arrival_open(&a, &spool, "b-x", &err));
	for (int i = 0; i < 3; i++) {
		OK(arrival_begin(&a, &info, &env, &err));
		OK(arrival_body(&a, large, i == 1 ? 600000 : 10, &err));
		if (i == 1)
			OK(arrival_undo(&a, &err));
		else
			OK(arrival_end(&a, &err));
	}
	OK(arrival_begin(&a, &info, &env, &err));	/* and one that never ends */
	OK(arrival_body(&a, large, 400000, &err));
	OK(arrival_commit(&a, &err));
	ck_assert_uint_eq(a.count, 2);
	arrival_close(&a);
	ck_assert_uint_eq(settle().messages, 2);
	envelope_free(&env);
	free(large);
}
END_TEST

START_TEST(a_large_body_has_its_length_in_its_head)
{
	char *large = mem_get(900001);
	struct queue q;
	struct message m;

	memset(large, 'y', 900000);
	accept_one(to_home, large, NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_uint_eq(m.entry.body_len, 900000);
	message_close(&m);
	queue_close(&q);
	free(large);
}
END_TEST

/* It is written in whole pages as it comes, the last part and the head at the end. */
static const struct { size_t size, piece; } bodies[] = {
	{ 65536, 65536 }, { 65536 + 4096, 1000 }, { 70000, 1 }, { 131072, 16384 },
	{ 300001, 4095 }, { 300001, 300001 }, { 1 << 20, 16384 }, { (1 << 20) + 1, 65537 },
};

START_TEST(a_body_in_any_pieces_is_written_whole)
{
	size_t size = bodies[_i].size, piece = bodies[_i].piece;
	char *body = mem_get(size);
	struct envelope env = {0};
	struct entry_info info = {0};
	struct arrival a;
	struct entry entry;
	off_t at = 0;

	for (size_t i = 0; i < size; i++)
		body[i] = (char)(i * 31 + i / 4096);
	envelope(&env, to_home);
	OK(arrival_open(&a, &spool, NULL, &err));
	for (int n = 0; n < 2; n++) {
		OK(arrival_begin(&a, &info, &env, &err));
		for (size_t i = 0; i < size; i += piece)
			OK(arrival_body(&a, body + i, size - i < piece ? size - i : piece, &err));
		OK(arrival_end(&a, &err));
	}
	OK(arrival_commit(&a, &err));
	for (int n = 0; n < 2; n++) {
		char *back = mem_get(size);
		OK(entry_read(a.fd, &at, true, &entry, &err));
		ck_assert_uint_eq(entry.body_len, size);
		ck_assert_int_eq(fs_pread(a.fd, back, size, entry.body_at, &err), (ssize_t)size);
		ck_assert(memcmp(back, body, size) == 0);
		entry_free(&entry);
		free(back);
	}
	arrival_close(&a);
	envelope_free(&env);
	free(body);
}
END_TEST

START_TEST(an_arrival_not_committed_is_gone)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope(&env, to_home);
	OK(arrival_open(&a, &spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	arrival_close(&a);
	ck_assert_uint_eq(scratch_count(spool.tmp, ".") + scratch_count(spool.in, "."), 0);
	envelope_free(&env);
}
END_TEST

/* the journal */

static void
post(struct journal *j, const char *const *to, size_t body_len, int expect)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};
	char *body = mem_get(body_len + 1);

	memset(body, 'z', body_len);
	envelope(&env, to);
	arrival_join(&a, j);
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, body, body_len, &err));
	OK(arrival_end(&a, &err));
	ck_assert_int_eq(arrival_post(&a, &err), expect);
	arrival_close(&a);
	envelope_free(&env);
	free(body);
}

START_TEST(many_share_a_sync_and_become_one_file)
{
	struct journal j = { .spool = &spool };

	clock_set(1795373102 * CLOCK_SECOND);	/* however long that takes, it is not a second */
	for (int round = 0; round < 40; round++) {
		for (int i = 0; i < 5; i++)
			post(&j, to_home, 3000, 1);
		OK(journal_sync(&j, &err));
	}
	ck_assert_uint_eq(scratch_count(spool.in, "."), 1);
	ck_assert_uint_eq(settle().messages, 0);	/* its writer lives */
	ck_assert(!journal_due(&j, false));
	ck_assert(journal_due(&j, true));
	OK(journal_turn(&j, &err));
	ck_assert_uint_eq(settle().messages, 200);
	ck_assert_uint_eq(waiting("home"), 200);
	journal_close(&j);
}
END_TEST

START_TEST(a_journal_has_room_before_it_is_needed)
{
	struct journal j = { .spool = &spool };
	struct stat st;
	char room[1000];

	clock_set(1795373102 * CLOCK_SECOND);
	for (int round = 0; round < 60; round++) {
		post(&j, to_home, 3000, 1);
		OK(journal_sync(&j, &err));
		OK(fstat(j.fd, &st));
		ck_assert_int_ge(st.st_size, j.good);
	}
	ck_assert_int_ge(st.st_size, j.good + (off_t)sizeof room);	/* 64 KB at first, twice as much the next time */
	ck_assert_int_eq(pread(j.fd, room, sizeof room, j.good), (ssize_t)sizeof room);
	for (size_t i = 0; i < sizeof room; i++)
		ck_assert_int_eq(room[i], '\0');
	ck_assert_uint_lt(j.pending.size, JOURNAL_AHEAD);	/* which is no memory of ours */
	OK(journal_turn(&j, &err));
	ck_assert_uint_eq(settle().messages, 60);
	journal_close(&j);
}
END_TEST

START_TEST(a_large_message_has_a_file_of_its_own)
{
	struct journal j = { .spool = &spool };

	post(&j, to_home, JOURNAL_BODY_MAX - 1000, 1);
	post(&j, to_home, JOURNAL_BODY_MAX + 1000, 0);
	OK(journal_sync(&j, &err));
	journal_close(&j);
	ck_assert_uint_eq(settle().messages, 2);
}
END_TEST

START_TEST(a_dead_writers_journal_is_settled_to_its_last_whole_entry)
{
	struct journal j = { .spool = &spool };

	for (int i = 0; i < 3; i++)
		post(&j, to_both, 500, 1);
	OK(journal_sync(&j, &err));
	OK(fs_pwrite(j.fd, "NOOP mochila=1 torn", 19, j.good, &err));
	close(j.fd);		/* its lock dies with it */
	str_clear(&j.name);
	ck_assert_uint_eq(settle().messages, 3);
	ck_assert_uint_eq(waiting("home"), 3);
	ck_assert_uint_eq(waiting("ship"), 3);
	journal_close(&j);
}
END_TEST

START_TEST(a_journal_taken_away_promises_nothing)
{
	struct journal j = { .spool = &spool };

	post(&j, to_home, 500, 1);
	OK(journal_sync(&j, &err));
	ck_assert_int_eq(renameat(spool.in, str_c(&j.name), spool.tmp, "taken"), 0);
	post(&j, to_home, 500, 1);
	ck_assert_int_lt(journal_sync(&j, &err), 0);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	post(&j, to_home, 500, 1);	/* and a new file is begun */
	OK(journal_sync(&j, &err));
	journal_close(&j);
	ck_assert_uint_eq(settle().messages, 1);
}
END_TEST

/* what a crash leaves: the table of spool(5) */

START_TEST(settling_is_begun_again_when_S_is_beside_S_d)
{
	accept_one(to_both, "x\r\n", "ship", "1", "b-1");
	ck_assert_int_eq(mkdirat(spool.in, "b-1.d", 0750), 0);
	int dir = openat(spool.in, "b-1.d", O_RDONLY);
	write_file(dir, "home=N=20261121T210450.814751-25d4d5aabf1c8a29-1", "half", 4);
	close(dir);
	settle();
	ck_assert_uint_eq(waiting("home"), 1);
	ck_assert_uint_eq(waiting("ship"), 1);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
}
END_TEST

START_TEST(settling_is_finished_when_S_is_inside_S_d)
{
	struct str text = {0};

	accept_one(to_home, "x\r\n", "ship", "1", "b-1");
	ck_assert_int_eq(mkdirat(spool.in, "b-1.d", 0750), 0);
	int dir = openat(spool.in, "b-1.d", O_RDONLY);
	ck_assert_int_eq(renameat(spool.in, "b-1", dir, "b-1"), 0);
	sample(&text);
	write_file(dir, "home=A=20261121T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len);
	close(dir);
	settle();
	ck_assert_uint_eq(waiting("home"), 1);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
	ck_assert_int_eq(seen_has(&spool, "ship", SPAN("1"), &err), 1);
	str_free(&text);
}
END_TEST

START_TEST(so_it_is_with_a_bucket_in_S_d)
{
	struct str text = {0};
	int dir;

	sample(&text);
	for (int inside = 0; inside < 2; inside++) {
		accept_one(to_home, "x\r\n", "ship", inside ? "2" : "1", "b-1");
		ck_assert_int_eq(mkdirat(spool.in, "b-1.d", 0750), 0);
		ck_assert_int_eq(mkdirat(spool.in, "b-1.d/home=A-20261121T210450.814751-hub", 0750), 0);
		dir = openat(spool.in, "b-1.d/home=A-20261121T210450.814751-hub", O_RDONLY);
		write_file(dir, "20261121T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len);
		write_file(dir, "20261121T210450.814751-25d4d5aabf1c8a29-2", text.p, text.len);
		close(dir);
		if (inside)
			ck_assert_int_eq(renameat(spool.in, "b-1", spool.in, "b-1.d/b-1"), 0);
		settle();
		ck_assert_uint_eq(waiting("home"), inside ? 3 : 1);
		ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
	}
	str_free(&text);
}
END_TEST

/* A job run again after its first run was killed between the commit and the last move. */
START_TEST(what_comes_again_does_not_undo_what_was_committed)
{
	struct str text = {0};
	struct span id = SPAN("1");

	accept_one(to_home, "x\r\n", "ship", "1", "b-1");
	ck_assert_int_eq(mkdirat(spool.in, "b-1.d", 0750), 0);
	int dir = openat(spool.in, "b-1.d", O_RDONLY);
	ck_assert_int_eq(renameat(spool.in, "b-1", dir, "b-1"), 0);
	sample(&text);
	write_file(dir, "home=A=20261121T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len);
	close(dir);
	OK(seen_note(&spool, "ship", &id, 1, &err));
	accept_one(to_home, "x\r\n", "ship", "1", "b-1");
	ck_assert_uint_eq(settle().repeats, 1);
	ck_assert_uint_eq(waiting("home"), 1);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
	str_free(&text);
}
END_TEST

START_TEST(an_empty_S_d_is_removed)
{
	ck_assert_int_eq(mkdirat(spool.in, "b-1.d", 0750), 0);
	settle();
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
}
END_TEST

START_TEST(orphans_in_tmp_go_and_living_writers_stay)
{
	struct arrival a;

	write_file(spool.tmp, "20261121T210450.814751-25d4d5aabf1c8a29-1", "dead", 4);
	OK(arrival_open(&a, &spool, NULL, &err));
	OK(spool_repair(&spool, &err));
	ck_assert_uint_eq(scratch_count(spool.tmp, "."), 1);
	arrival_close(&a);
}
END_TEST

/* the queue */

START_TEST(the_queue_gives_grade_then_age)
{
	static const char grades[] = "NAN0A";
	static const size_t left[] = { 2, 3, 2, 1, 0 };	/* by the bucket that was read last */
	struct envelope env = {0};
	char got[6] = "";
	struct queue q;
	struct message m;

	envelope(&env, to_home);
	for (size_t i = 0; i < 5; i++) {
		struct arrival a;
		struct entry_info info = { .grade = grades[i] };
		OK(arrival_open(&a, &spool, NULL, &err));
		OK(arrival_begin(&a, &info, &env, &err));
		OK(arrival_end(&a, &err));
		OK(arrival_commit(&a, &err));
		arrival_close(&a);
	}
	envelope_free(&env);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	for (size_t i = 0; queue_next(&q, &m, &err) > 0; i++) {
		got[i] = m.entry.info.grade;
		ck_assert_uint_eq(queue_left(&q), left[i]);
		message_close(&m);
	}
	queue_close(&q);
	ck_assert_str_eq(got, "0AANN");
}
END_TEST

START_TEST(a_bucket_holds_a_thousand)
{
	struct placer p = { .spool = &spool };
	char name[80];

	for (int i = 0; i < BUCKET_NAMES + 5; i++) {
		snprintf(name, sizeof name, "20261121T210450.814751-25d4d5aabf1c8a29-%d", i);
		write_file(spool.tmp, name, "", 0);
		OK(placer_put(&p, spool.tmp, name, "home", name, 'N', &err));
	}
	OK(placer_sync(&p, &err));
	placer_free(&p);
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 2);
}
END_TEST

/* One file of so many messages, of that grade, from a peer. */
static void
accept_many(int count, char grade, const char *name)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = { .grade = grade };

	envelope(&env, to_home);
	str_set(&info.from, "bsmtp");
	str_set(&info.peer, "ship");
	OK(arrival_open(&a, &spool, name, &err));
	for (int i = 0; i < count; i++) {
		str_clear(&info.peer_id);
		str_printf(&info.peer_id, "%s-%d", name, i);
		OK(arrival_begin(&a, &info, &env, &err));
		OK(arrival_body(&a, "x\r\n", 3, &err));
		OK(arrival_end(&a, &err));
	}
	OK(arrival_commit(&a, &err));
	arrival_close(&a);
	envelope_free(&env);
	entry_info_free(&info);
}

/* 32 join the bucket that has room, also one that came with them; those behind have their own. */
START_TEST(what_is_many_for_one_place_moves_on_by_buckets)
{
	accept_many(20, 'N', "b-1");
	ck_assert_uint_eq(settle().messages, 20);
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 1);
	accept_many(32, 'N', "b-2");
	ck_assert_uint_eq(settle().messages, 32);
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 1);
	accept_many(32 + BUCKET_NAMES + 7, 'N', "b-3");
	accept_many(40, 'A', "b-4");
	ck_assert_uint_eq(settle().messages, 32 + BUCKET_NAMES + 7 + 40);
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 3 + 1);
	ck_assert_uint_eq(waiting("home"), 20 + 32 + 32 + BUCKET_NAMES + 7 + 40);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
	accept_many(40, 'A', "b-4");
	ck_assert_uint_eq(settle().repeats, 40);
}
END_TEST

START_TEST(a_bucket_joins_no_other_of_its_name)
{
	struct placer p = { .spool = &spool };
	static const char *const ids[] = { "20261121T210450.814751-25d4d5aabf1c8a29-1",
		"20261121T210450.814751-25d4d5aabf1c8a29-2" };

	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(mkdirat(spool.tmp, "made", 0750), 0);
		int dir = openat(spool.tmp, "made", O_RDONLY);
		write_file(dir, ids[i], "", 0);
		close(dir);
		OK(placer_put_bucket(&p, spool.tmp, "made", "home", "N-20261121T210450.814751-hub", &err));
	}
	OK(placer_sync(&p, &err));
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 2);
	ck_assert_uint_eq(scratch_count(spool.out, "home/N-20261121T210450.814751-hub"), 1);
	/* and where all of a place has gone meanwhile, it is made anew */
	scratch_remove(spool.out, "home");
	ck_assert_int_eq(mkdirat(spool.tmp, "made", 0750), 0);
	OK(placer_put_bucket(&p, spool.tmp, "made", "home", "N-20261121T210450.814751-hub", &err));
	ck_assert_uint_eq(scratch_count(spool.out, "home"), 1);
	ck_assert_int_lt(placer_put_bucket(&p, spool.tmp, "made", "home", "N-20261121T210450.814751-hub", &err), 0);
	placer_free(&p);
}
END_TEST

/* A peer says it, and it becomes a part of names: what is no letter or digit counts for nothing. */
START_TEST(a_grade_is_no_part_of_a_path)
{
	static const char grades[] = "=/.-*\"";

	for (size_t i = 0; grades[i] != '\0'; i++) {
		char name[] = "b-?";
		name[2] = (char)('0' + i);
		accept_many(40, grades[i], name);
		ck_assert_uint_eq(settle().messages, 40);
		ck_assert_uint_eq(scratch_count(spool.in, "."), 0);
		ck_assert_uint_eq(waiting("home"), 40 * (i + 1));
	}
}
END_TEST

START_TEST(a_site_is_worked_by_one_at_a_time)
{
	struct queue one, two;

	OK(queue_open(&one, &spool, "home", false, &err));
	ck_assert_int_lt(queue_open(&two, &spool, "home", false, &err), 0);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	queue_close(&one);
	OK(queue_open(&two, &spool, "home", false, &err));
	queue_close(&two);
}
END_TEST

/* recipients' outcomes | how many messages then wait, and reports to the sender (held
 * here: he has no route) */
static const struct {
	enum rcpt_state first, second;
	size_t waiting, reports;
} outcomes[] = {
	{ RCPT_DONE, RCPT_DONE, 0, 0 }, { RCPT_DONE, RCPT_DEFERRED, 1, 0 },
	{ RCPT_DEFERRED, RCPT_DEFERRED, 1, 0 }, { RCPT_DONE, RCPT_FAILED, 0, 1 },
	{ RCPT_FAILED, RCPT_DEFERRED, 1, 1 },
};

static const char *const two_home[] = { "bob@home.example", "sue@home.example", NULL };

START_TEST(outcomes_decide_where_a_message_goes)
{
	struct queue q;
	struct message m;

	accept_one(two_home, "x\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	message_rcpt(&m, 0, outcomes[_i].first, "reply one");
	message_rcpt(&m, 1, outcomes[_i].second, "reply two");
	OK(message_settle(&m, &err));
	message_close(&m);
	queue_close(&q);
	settle();
	ck_assert_uint_eq(waiting("home"), outcomes[_i].waiting);
	ck_assert_uint_eq(scratch_count(spool.hold, "."), outcomes[_i].reports);
	OK(queue_open(&q, &spool, "home", false, &err));
	if (queue_next(&q, &m, &err) > 0) {	/* who still waits, with his last words */
		size_t last = m.entry.env.rcpts - 1;
		ck_assert_int_eq(m.entry.status[last].state, RCPT_DEFERRED);
		ck_assert_str_eq(str_c(&m.entry.status[last].reply), "reply two");
		message_close(&m);
	}
	queue_close(&q);
}
END_TEST

START_TEST(what_a_person_moved_away_while_it_was_sent_says_so_itself)
{
	struct queue q;
	struct message m;
	struct entry entry;
	off_t at = 0;

	accept_one(to_home, "x\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert(message_still_there(&m));
	ck_assert_int_eq(renameat(q.bucket_dir, str_c(&m.id), spool.hold, str_c(&m.id)), 0);
	ck_assert(!message_still_there(&m));
	message_rcpt(&m, 0, RCPT_DONE, "250 ok");	/* the dot was out already */
	OK(message_settle(&m, &err));
	int fd = openat(spool.hold, str_c(&m.id), O_RDONLY);
	ck_assert_int_eq(entry_read(fd, &at, true, &entry, &err), 1);
	ck_assert_uint_eq(entry_waiting(&entry), 0);
	entry_free(&entry);
	close(fd);
	/* released later, there is nothing left to do */
	ck_assert_int_eq(renameat(spool.hold, str_c(&m.id), spool.in, str_c(&m.id)), 0);
	message_close(&m);
	queue_close(&q);
	settle();
	ck_assert_uint_eq(waiting("home") + scratch_count(spool.in, ".") + scratch_count(spool.hold, "."), 0);
}
END_TEST

/* Its writer died between the line and the rename: sent to the others and removed, the
 * message would take the report with it. */
START_TEST(a_report_that_is_due_comes_before_all_else)
{
	static const char *const to_two[] = { "bob@home.example", "tom@home.example", NULL };
	struct queue q;
	struct message m;
	struct str line = {0};

	accept_one(to_two, "x\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	entry_state_line(clock_now(), "1", "failed due=failure", "reply", SPAN("550 5.1.1 no"), &line);
	OK(message_append(&m, str_span(&line), &err));
	str_free(&line);
	message_close(&m);
	queue_close(&q);
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 0);
	queue_close(&q);
	ck_assert_uint_eq(scratch_count(spool.in, "."), 1);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_uint_eq(m.entry.env.rcpts, 1);
	ck_assert_str_eq(str_c(&m.entry.env.rcpt[0].to), "tom@home.example");
	message_close(&m);
	queue_close(&q);
}
END_TEST

START_TEST(a_damaged_message_blocks_only_itself)
{
	accept_one(to_home, "x\r\n", NULL, NULL, NULL);
	settle();
	struct fs_names names;
	OK(fs_names(spool.out, "home", &names, &err));
	char path[300];
	for (size_t i = 0; i < names.count; i++)
		if (names.name[i][0] == 'N')
			snprintf(path, sizeof path, "home/%s/20201121T210450.814751-25d4d5aabf1c8a29-1",
			    names.name[i]);
	fs_names_free(&names);
	write_file(spool.out, path, "garbage", 7);
	ck_assert_uint_eq(waiting("home"), 1);
	ck_assert_int_eq(faccessat(spool.out, path, F_OK, 0), 0);
}
END_TEST

/* batches */

static void
offer(struct batch *b)
{
	struct queue q;
	struct message m;

	accept_one(to_home, "x\r\n", NULL, NULL, NULL);
	accept_one(to_home, "y\r\n", NULL, NULL, NULL);
	settle();
	OK(queue_open(&q, &spool, "home", false, &err));
	OK(batch_new(b, &spool, "home", &err));
	while (queue_next(&q, &m, &err) > 0) {
		OK(batch_pick(b, &m, &err));
		message_close(&m);
	}
	OK(fs_write(b->fd, "batch", 5, &err));
	OK(batch_offer(b, &err));
	queue_close(&q);
}

START_TEST(a_batch_waits_for_its_acknowledgement_and_goes)
{
	struct batch b;
	struct fs_names names;

	offer(&b);
	ck_assert_uint_eq(waiting("home"), 0);
	OK(batch_names(&spool, "home", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	OK(batch_acked(&spool, "home", names.name[0], &err));
	fs_names_free(&names);
	ck_assert_uint_eq(scratch_count(spool.sent, "home"), 0);
	batch_close(&b);
}
END_TEST

START_TEST(an_acknowledged_batch_of_a_dead_process_is_finished)
{
	struct batch b;
	char inside[200];

	offer(&b);
	snprintf(inside, sizeof inside, "home/%s.d/%s", str_c(&b.name), str_c(&b.name));
	char beside[200];
	snprintf(beside, sizeof beside, "home/%s", str_c(&b.name));
	ck_assert_int_eq(renameat(spool.sent, beside, spool.sent, inside), 0);
	OK(spool_repair(&spool, &err));
	ck_assert_uint_eq(scratch_count(spool.sent, "home"), 0);
	ck_assert_uint_eq(waiting("home"), 0);
	batch_close(&b);
}
END_TEST

START_TEST(what_was_only_picked_goes_back)
{
	struct batch b;
	char beside[200];

	offer(&b);
	snprintf(beside, sizeof beside, "home/%s", str_c(&b.name));
	ck_assert_int_eq(unlinkat(spool.sent, beside, 0), 0);
	OK(spool_repair(&spool, &err));
	ck_assert_uint_eq(scratch_count(spool.sent, "home"), 0);
	ck_assert_uint_eq(waiting("home"), 2);
	batch_close(&b);
}
END_TEST

START_TEST(a_refused_batch_is_held_message_by_message)
{
	struct batch b;

	offer(&b);
	OK(batch_refused(&spool, "home", str_c(&b.name), "EN2 not permitted", &err));
	ck_assert_uint_eq(scratch_count(spool.hold, "."), 2);
	ck_assert_uint_eq(scratch_count(spool.sent, "home"), 0);
	batch_close(&b);
}
END_TEST

/* seen */

START_TEST(ids_are_remembered_for_seen_keep_and_days_are_sorted)
{
	int64_t day = 86400 * CLOCK_SECOND, start = 1795373102 * CLOCK_SECOND;
	char text[20];

	settings.spool.seen_keep = 3 * 86400;
	for (int d = 0; d < 6; d++) {
		clock_set(start + d * day);
		for (int i = 0; i < 50; i++) {
			snprintf(text, sizeof text, "%d-%d", d, i);
			struct span id = span_of(text);
			OK(seen_note(&spool, "ship", &id, 1, &err));
		}
	}
	for (int d = 0; d < 6; d++) {
		snprintf(text, sizeof text, "%d-%d", d, 17);
		ck_assert_int_eq(seen_has(&spool, "ship", span_of(text), &err), d >= 2);
	}
	ck_assert_int_eq(seen_has(&spool, "ship", SPAN("5-50"), &err), 0);
	ck_assert_int_eq(seen_has(&spool, "boat", SPAN("5-17"), &err), 0);
}
END_TEST

/* So many that the day which is appended to is put in order, in memory or from a file too large
 * for that. */
START_TEST(many_ids_are_looked_for_as_one_is)
{
	enum { SOME = 40, LARGE = 20000 };
	struct seen_look look = {0};
	struct str text = {0};
	char name[20];

	for (int round = 0; round < 2; round++) {
		int count = round == 0 ? SOME : LARGE;
		struct span *ids = mem_get((size_t)count * sizeof *ids);
		str_clear(&text);
		str_room(&text, 20 * LARGE);
		for (int i = 0; i < count; i++) {
			size_t at = text.len;
			str_printf(&text, "%d-%d", round, i);
			ids[i] = span_from(str_span(&text), at);
		}
		OK(seen_note(&spool, "ship", ids, (size_t)count, &err));
		for (int i = 0; i < SOME; i++) {
			ck_assert_int_eq(seen_look(&look, &spool, "ship", ids[i], &err), 1);
			snprintf(name, sizeof name, "x-%d", i);
			ck_assert_int_eq(seen_look(&look, &spool, "ship", span_of(name), &err), 0);
			ck_assert_int_eq(seen_has(&spool, "ship", ids[count - 1 - i], &err), 1);
		}
		ck_assert_int_eq(seen_look(&look, &spool, "boat", ids[0], &err), 0);
		seen_look_end(&look);
		free(ids);
	}
	str_free(&text);
}
END_TEST

/* drop/ */

START_TEST(a_message_of_an_ordinary_user_gets_an_id_of_ours)
{
	struct str text = {0};
	struct queue q;
	struct message m;

	sample(&text);
	write_file(spool.drop, "20261121T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len);
	settle();
	ck_assert_uint_eq(scratch_count(spool.drop, "."), 0);
	OK(queue_open(&q, &spool, "home", false, &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	ck_assert_str_eq(str_c(&m.entry.info.from), "local");
	ck_assert_ptr_nonnull(strstr(str_c(&m.entry.info.client), "uid:"));
	message_close(&m);
	queue_close(&q);
	str_free(&text);
}
END_TEST

START_TEST(a_bad_file_in_drop_is_held_and_the_rest_goes_on)
{
	struct str text = {0};

	sample(&text);
	write_file(spool.drop, "20261121T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len - 3);
	write_file(spool.drop, "20261121T210450.814751-25d4d5aabf1c8a29-2", text.p, text.len);
	/* FS-01; before the others, so that they would be stopped if anything were */
	ck_assert_int_eq(symlinkat("/etc/passwd", spool.drop,
	    "20261121T210450.814751-25d4d5aabf1c8a29-0"), 0);
	memcpy(text.p, "NOOP mochila=9", 14);
	write_file(spool.drop, "20261120T210450.814751-25d4d5aabf1c8a29-1", text.p, text.len);
	struct settled settled;
	OK(spool_settle(&spool, &settled, &err));
	ck_assert_uint_eq(settled.held, 1);
	ck_assert_uint_eq(waiting("home"), 1);
	str_free(&text);
}
END_TEST

/* room */

START_TEST(a_full_disk_is_said_before_anything_is_written)	/* DATA-07 */
{
	settings.spool.min_free = UINT64_MAX / 2;
	ck_assert_int_lt(spool_room(&spool, 1000, &err), 0);
	ck_assert_int_eq(err.kind, ERR_TEMP);
	struct str reply = {0};
	err_reply(&err, &reply);
	ck_assert(span_begins(str_span(&reply), "452 4.3.1 "));
	str_free(&reply);
}
END_TEST

/* the history */

enum { WRITERS = 4, EVENTS = 500 };

static void
write_events(int writer)
{
	for (int i = 0; i < EVENTS; i++)
		spool_event(&spool, "id", "event=test writer=%d number=%d", writer, i);
}

static size_t
count_lines(unsigned n)
{
	struct str text = {0};
	struct span rest, line;
	size_t count = 0;
	int fd = history_open(&spool, "", n, &err);

	if (fd < 0)
		return 0;
	OK(fs_read_all(fd, 1 << 20, &text, &err));
	close(fd);
	for (rest = str_span(&text); span_cut(&rest, '\n', &line);)
		count += line.len > 0;
	str_free(&text);
	return count;
}

START_TEST(the_history_is_turned_and_no_event_is_lost_with_many_writers)
{
	size_t lines = 0, files = 0;

	settings.spool.log_size = 4096;
	settings.spool.log_keep = 1000;
	spool_event(&spool, "id", "event=test");	/* open in all of them */
	for (int writer = 0; writer < WRITERS; writer++) {
		if (fork() == 0) {
			write_events(writer);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		continue;
	for (unsigned n = 0; n <= history_keep(&spool); n++) {
		size_t count = count_lines(n);
		lines += count;
		files += count > 0;
	}
	ck_assert_uint_eq(lines, WRITERS * EVENTS + 1);
	ck_assert_uint_gt(files, 2);	/* how many writers overshoot each is chance */
}
END_TEST

START_TEST(so_many_old_files_of_the_history_are_kept)
{
	settings.spool.log_size = 1024;
	settings.spool.log_keep = 3;
	write_events(0);
	for (unsigned n = 0; n <= 3; n++)
		ck_assert_uint_gt(count_lines(n) + (n == 0), 0);
	ck_assert_uint_eq(count_lines(4), 0);
}
END_TEST

START_TEST(a_hole_in_the_history_is_filled_and_loses_nothing)	/* a crash between two renames */
{
	settings.spool.log_size = 1024;
	settings.spool.log_keep = 8;
	write_events(0);
	OK(fs_remove(spool.log, "mochila.log.3", &err));
	size_t last = count_lines(8), fourth = count_lines(4);
	while (count_lines(3) == 0)
		spool_event(&spool, "id", "event=test");
	ck_assert_uint_eq(count_lines(8), last);
	ck_assert_uint_eq(count_lines(4), fourth);
}
END_TEST

START_TEST(a_history_that_somebody_moves_or_removes_is_begun_anew)
{
	spool_event(&spool, "id", "event=test");
	OK(fs_rename(spool.log, "mochila.log", spool.log, "mochila.log.7", &err));
	spool_event(&spool, "id", "event=test");
	spool_event(&spool, "id", "event=test");
	ck_assert_uint_eq(count_lines(7), 1);
	ck_assert_uint_eq(count_lines(0), 2);
	OK(fs_remove(spool.log, "mochila.log", &err));
	spool_event(&spool, "id", "event=test");
	ck_assert_uint_eq(count_lines(0), 1);
}
END_TEST

START_TEST(events_that_wait_are_written_when_the_spool_is_closed)
{
	history_gather(&spool);
	spool_event(&spool, "id", "event=test");
	ck_assert_uint_eq(count_lines(0), 0);
	spool_close(&spool);
	OK(spool_open(&spool, &settings, true, &err));
	ck_assert_uint_eq(count_lines(0), 1);
}
END_TEST

static size_t
count_words(int dir, const char *name, const char *word)
{
	struct str text = {0};
	size_t count = 0;

	OK(fs_load(dir, name, 1 << 20, &text, &err));
	for (const char *at = str_c(&text); (at = strstr(at, word)) != NULL; at += strlen(word))
		count++;
	str_free(&text);
	return count;
}

START_TEST(a_history_that_cannot_be_written_is_said_once_and_goes_on)	/* a disk full in the middle of a line */
{
	struct rlimit most;
	struct stat st;
	char path[sizeof root + 10];

	snprintf(path, sizeof path, "%s/said", root);
	OK(log_open("spool", path, LOG_LEVEL_WARN, &err));
	write_events(0);
	OK(fstatat(spool.log, "mochila.log", &st, 0));
	ck_assert_ptr_ne(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
	OK(getrlimit(RLIMIT_FSIZE, &most));
	const struct rlimit full = { (rlim_t)st.st_size + 10, most.rlim_max };
	for (int round = 1; round <= 2; round++) {
		OK(setrlimit(RLIMIT_FSIZE, &full));
		for (int i = 0; i < 3; i++)
			spool_event(&spool, "id", "event=lost");
		OK(setrlimit(RLIMIT_FSIZE, &most));
		ck_assert_uint_eq(count_words(AT_FDCWD, path, "event=history-failed why=\"write: "), (size_t)round);
		ck_assert_uint_eq(count_words(spool.log, "mochila.log", "event=lost"), 0);
		spool_event(&spool, "id", "event=round");
		ck_assert_uint_eq(count_words(spool.log, "mochila.log", " id: event=round\n"), (size_t)round);
	}
	ck_assert_uint_eq(count_lines(0), EVENTS + 3);		/* and one that is no whole one */
}
END_TEST

START_TEST(events_that_wait_are_all_written_in_order)
{
	enum { MANY = 3000 };	/* more than wait in memory */

	history_gather(&spool);
	spool_event(&spool, "id", "event=first");
	ck_assert_uint_eq(count_lines(0), 0);
	for (int i = 1; i < MANY; i++)
		spool_event(&spool, "id", "event=test number=%d", i);
	history_write(&spool);
	ck_assert_uint_eq(count_lines(0), MANY);
	spool_event(&spool, "id", "event=last");
	ck_assert_uint_eq(count_lines(0), MANY + 1);

	struct str log = {0};
	OK(fs_load(spool.log, "mochila.log", 1 << 20, &log, &err));
	const char *at = strstr(str_c(&log), "event=first");
	for (int i = 1; i < MANY; i++) {
		char word[40];
		snprintf(word, sizeof word, "number=%d\n", i);
		ck_assert_ptr_nonnull(at = strstr(at, word));
	}
	str_free(&log);
}
END_TEST

/* what we have written a moment ago */

static void
arrive_large(struct arrival *a, const char *peer_id, char c, size_t len)
{
	struct envelope env = {0};
	struct entry_info info = {0};
	char piece[1000];

	memset(piece, c, sizeof piece);
	envelope(&env, to_home);
	str_set(&info.peer, "ship");
	str_set(&info.peer_id, peer_id);
	OK(arrival_begin(a, &info, &env, &err));
	for (size_t done = 0; done < len; done += sizeof piece)
		OK(arrival_body(a, piece, sizeof piece, &err));
	OK(arrival_end(a, &err));
	envelope_free(&env);
	entry_info_free(&info);
}

static void
all_waiting_are_whole(size_t wanted)
{
	struct queue q;
	struct message m;
	struct entry entry;
	size_t found = 0;

	OK(queue_open(&q, &spool, "home", false, &err));
	while (queue_next(&q, &m, &err) > 0) {
		off_t at = 0;
		ck_assert_int_eq(entry_read(m.fd, &at, true, &entry, &err), 1);
		entry_free(&entry);
		message_close(&m);
		found++;
	}
	queue_close(&q);
	ck_assert_uint_eq(found, wanted);
}

static void
is_as_read_alone(int fd, const struct entry *entry, struct span body)
{
	struct entry alone;
	off_t at = entry->start;

	ck_assert_int_eq(entry_read(fd, &at, true, &alone, &err), 1);
	ck_assert_int_eq(alone.body_at, entry->body_at);
	ck_assert_uint_eq(alone.body_len, entry->body_len);
	ck_assert_int_eq(alone.states_end, entry->states_end);
	ck_assert_int_eq(alone.status[0].state, entry->status[0].state);
	ck_assert_mem_eq(alone.body_sum, entry->body_sum, DIGEST_SIZE);
	ck_assert(body.p != NULL || entry->body_len > ENTRY_AT_ONCE);
	if (body.p != NULL) {
		struct str there = {0};
		ck_assert_int_eq(pread(fd, str_room(&there, body.len), body.len, entry->body_at), (ssize_t)body.len);
		ck_assert_mem_eq(there.p, body.p, body.len);
		str_free(&there);
	}
	entry_free(&alone);
}

/* Sizes around those in which it is read, and states behind some of them. */
START_TEST(entries_behind_each_other_are_read_as_each_alone)
{
	static const size_t sizes[] = { 1, 0, 3, 60, 64, 65, 66, 2000, 30, 7, 128, 129, 300, 5, 64, 1 };
	enum { COUNT = sizeof sizes / sizeof sizes[0], ROUNDS = 20 };
	struct arrival a;
	struct entry entry;
	off_t at = 0;
	int found = 0;

	OK(arrival_open(&a, &spool, NULL, &err));
	for (int i = 0; i < COUNT * ROUNDS; i++) {
		struct str states = {0};
		arrive_large(&a, "1", (char)('a' + i % 26), sizes[i % COUNT] * 1000 / (size_t)(1 + i / COUNT % 3));
		for (int n = 0; n < i % 4; n++)
			entry_state_line(clock_now(), "1", "deferred", "reply", SPAN("450 later"), &states);
		arrival_states(&a, str_span(&states));
		str_free(&states);
	}
	OK(arrival_flush(&a, &err));
	struct entry_reader reader = { .fd = a.fd };
	for (; entry_next(&reader, &at, &entry, &err) > 0; found++) {
		is_as_read_alone(a.fd, &entry, entry_body(&reader, &entry));
		entry_free(&entry);
	}
	ck_assert_int_eq(found, COUNT * ROUNDS);
	ck_assert_int_eq(at, lseek(a.fd, 0, SEEK_END));
	entry_reader_free(&reader);
	arrival_close(&a);
}
END_TEST

START_TEST(our_own_arrival_is_settled_without_being_read_again)
{
	struct settled settled;
	struct arrival a;

	OK(arrival_open(&a, &spool, NULL, &err));
	arrive_large(&a, "1", 'x', 1000);
	arrive_large(&a, "2", 'y', 300000);
	arrive_large(&a, "3", 'z', 2000000);
	ck_assert_uint_eq(a.sums.count, 3);
	OK(arrival_commit(&a, &err));
	OK(spool_settle_own(&spool, &a, &settled, &err));
	ck_assert_uint_eq(settled.messages, 3);
	arrival_close(&a);
	all_waiting_are_whole(3);
}
END_TEST

START_TEST(what_is_altered_in_an_arrival_is_found_by_whoever_has_not_written_it)
{
	struct settled settled;
	struct arrival a, other;

	OK(arrival_open(&a, &spool, NULL, &err));
	arrive_large(&a, "1", 'x', 300000);
	arrive_large(&a, "2", 'y', 1000);
	OK(arrival_commit(&a, &err));
	ck_assert_int_eq(pwrite(a.fd, "?", 1, 200000), 1);
	OK(arrival_open(&other, &spool, NULL, &err));
	OK(spool_settle_own(&spool, &other, &settled, &err));	/* the sums of one are not those of another */
	ck_assert_uint_eq(settled.held, 1);
	arrival_close(&other);
	arrival_close(&a);
	all_waiting_are_whole(0);
}
END_TEST

/* quotas */

static bool
put_off(int result)
{
	struct str reply = {0};
	bool as_expected = result < 0 && err.kind == ERR_TEMP;

	err_reply(&err, &reply);
	as_expected = as_expected && span_begins(str_span(&reply), "452 4.3.1 ");
	str_free(&reply);
	return as_expected;
}

START_TEST(a_quota_puts_mail_off_and_recovers_by_itself)
{
	static const char *said[] = { "spool.quota=3000", "site home.quota=2000",
		"routes.home.example=site:home", "routes.ship.example=site:ship" };
	const struct settings_args args = { .root = root, .set = { said, sizeof said / sizeof said[0] } };
	struct settings quotas;
	char body[1000];
	int64_t now = clock_now();

	OK(settings_load(&quotas, &args, &err));
	spool.settings = &quotas;
	memset(body, 'x', sizeof body);
	memcpy(body + sizeof body - 3, "\r\n", 3);
	OK(quota_spool(&spool, &err));
	OK(quota_rcpt(&spool, SPAN("bob@home.example"), &err));
	for (int i = 0; i < 2; i++)
		accept_one(to_home, body, NULL, NULL, NULL);
	settle();
	OK(quota_rcpt(&spool, SPAN("bob@home.example"), &err));	/* counted within the minute */
	clock_set(now + 61 * CLOCK_SECOND);
	ck_assert(put_off(quota_rcpt(&spool, SPAN("bob@home.example"), &err)));
	OK(quota_rcpt(&spool, SPAN("eve@ship.example"), &err));
	OK(quota_rcpt(&spool, SPAN("who@nowhere.example"), &err));
	OK(quota_spool(&spool, &err));
	accept_one(to_both, body, NULL, NULL, NULL);
	clock_set(now + 122 * CLOCK_SECOND);
	ck_assert(put_off(quota_spool(&spool, &err)));
	scratch_remove(spool.out, "home");		/* it was sent */
	clock_set(now + 128 * CLOCK_SECOND);
	OK(quota_spool(&spool, &err));
	OK(quota_rcpt(&spool, SPAN("bob@home.example"), &err));
	spool.settings = &settings;
	settings_free(&quotas);
}
END_TEST

/* folders of destinations that are no more */

enum { COMERS = 60 };

static const char *
comer(int i)
{
	static char name[40];
	snprintf(name, sizeof name, "comer-%d", i);
	return name;
}

/* Each put where nothing waits, with all three steps to be made. */
static _Noreturn void
bring_them(void)
{
	for (int i = 0; i < COMERS; i++) {
		char id[80];
		snprintf(id, sizeof id, "20261121T184502.%06d-7f3a9c02d41be066-1", i);
		/* Whoever is unlucky ten times in a row is told to come back, and has lost nothing. */
		while (bucket_place(&spool, spool.tmp, comer(i), "mx:x.example", id, 'N', &err) < 0)
			if (err.kind != ERR_TEMP)
				_exit(1);
	}
	_exit(0);
}

static size_t
deliver_waiting(const char *site)
{
	struct queue q;
	struct message m;
	size_t done = 0;

	OK(queue_open(&q, &spool, site, true, &err));
	while (queue_next(&q, &m, &err) > 0) {
		message_rcpt(&m, 0, RCPT_DONE, "250 2.0.0 ok");
		OK(message_settle(&m, &err));
		message_close(&m);
		done++;
	}
	queue_close(&q);
	return done;
}

START_TEST(a_folder_that_goes_takes_nothing_from_whoever_comes)
{
	const char *id = accept_one(to_home, "Subject: x\r\n\r\nbody\r\n", "", "", NULL);
	char bytes[4000];
	size_t done = 0, gone = 0;
	int status;

	int fd = openat(spool.in, id, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ssize_t len = read(fd, bytes, sizeof bytes);
	close(fd);
	ck_assert_int_gt(len, 0);
	for (int i = 0; i < COMERS; i++)
		write_file(spool.tmp, comer(i), bytes, (size_t)len);
	pid_t child = fork();
	if (child == 0)
		bring_them();
	while (waitpid(child, &status, WNOHANG) == 0) {
		done += deliver_waiting("mx:x.example");
		for (int i = 0; i < 5; i++) {
			int result = queue_retire(&spool, "mx:x.example", 0, &err);
			ck_assert_msg(result >= 0, "%s", err.text);
			gone += result > 0;
		}
	}
	ck_assert_int_eq(status, 0);
	done += deliver_waiting("mx:x.example");
	ck_assert_uint_eq(done, COMERS);
	ck_assert_uint_gt(gone, 0);
}
END_TEST

START_TEST(a_folder_goes_when_nothing_waited_for_long)
{
	struct stat st;

	accept_one(to_home, "Subject: x\r\n\r\nbody\r\n", "", "", NULL);
	settle();
	ck_assert_int_eq(queue_retire(&spool, "home", 0, &err), 0);
	ck_assert_uint_eq(deliver_waiting("home"), 1);
	ck_assert_int_eq(queue_retire(&spool, "home", 3600 * CLOCK_SECOND, &err), 0);
	ck_assert_int_eq(fstatat(spool.out, "home", &st, 0), 0);
	ck_assert_int_eq(queue_retire(&spool, "home", 0, &err), 1);
	ck_assert_int_lt(fstatat(spool.out, "home", &st, 0), 0);
	accept_one(to_home, "Subject: x\r\n\r\nbody\r\n", "", "", NULL);
	settle();
	ck_assert_uint_eq(deliver_waiting("home"), 1);
}
END_TEST

/* Who waited for the lock of a folder that is gone does not hold one that keeps nobody out. */
START_TEST(the_lock_of_a_removed_file_is_taken_anew)
{
	int first = fs_lock(spool.tmp, ".lock", false, &err), ready[2];
	char byte;
	int status;

	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		close(first);
		ssize_t told = write(ready[1], "", 1);
		int fd = fs_lock(spool.tmp, ".lock", true, &err);
		_exit(told == 1 && fd >= 0 && fs_is(fd, spool.tmp, ".lock") ? 0 : 1);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	unlinkat(spool.tmp, ".lock", 0);
	close(first);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	close(ready[0]);
	close(ready[1]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_entry_reads_back_as_it_was_written, an_entry_cut_anywhere_is_no_entry,
		no_flipped_bit_of_an_entry_goes_unnoticed, an_entry_of_a_newer_version_waits_for_a_newer_mochila,
		state_lines_count_and_a_torn_one_does_not, zeros_written_ahead_end_a_file,
		a_quoted_bracket_in_an_address_is_kept, ids_never_repeat_and_never_run_back,
		what_is_done_is_durable_while_another_hangs, one_message_for_one_site_is_only_renamed,
		each_destination_gets_a_file_with_its_own_recipients, what_has_no_route_is_held_with_a_reason,
		a_held_message_that_a_person_moves_to_in_is_routed_anew,
		a_repeat_of_a_peer_is_dropped_and_a_loop_is_not, a_file_damaged_in_its_middle_is_held_whole,
		an_undone_message_leaves_nothing, a_large_body_has_its_length_in_its_head,
		an_arrival_not_committed_is_gone, many_share_a_sync_and_become_one_file,
		a_journal_has_room_before_it_is_needed,
		a_large_message_has_a_file_of_its_own,
		a_dead_writers_journal_is_settled_to_its_last_whole_entry,
		a_journal_taken_away_promises_nothing,
		settling_is_begun_again_when_S_is_beside_S_d,
		settling_is_finished_when_S_is_inside_S_d, so_it_is_with_a_bucket_in_S_d,
		what_comes_again_does_not_undo_what_was_committed, an_empty_S_d_is_removed,
		orphans_in_tmp_go_and_living_writers_stay, the_queue_gives_grade_then_age,
		a_bucket_holds_a_thousand, what_is_many_for_one_place_moves_on_by_buckets,
		a_bucket_joins_no_other_of_its_name, a_grade_is_no_part_of_a_path, a_site_is_worked_by_one_at_a_time,
		what_a_person_moved_away_while_it_was_sent_says_so_itself,
		a_report_that_is_due_comes_before_all_else, a_damaged_message_blocks_only_itself,
		a_batch_waits_for_its_acknowledgement_and_goes,
		an_acknowledged_batch_of_a_dead_process_is_finished, what_was_only_picked_goes_back,
		a_refused_batch_is_held_message_by_message,
		ids_are_remembered_for_seen_keep_and_days_are_sorted, many_ids_are_looked_for_as_one_is,
		a_message_of_an_ordinary_user_gets_an_id_of_ours, a_bad_file_in_drop_is_held_and_the_rest_goes_on,
		a_full_disk_is_said_before_anything_is_written,
		the_history_is_turned_and_no_event_is_lost_with_many_writers,
		so_many_old_files_of_the_history_are_kept,
		a_hole_in_the_history_is_filled_and_loses_nothing,
		a_history_that_somebody_moves_or_removes_is_begun_anew,
		events_that_wait_are_all_written_in_order, events_that_wait_are_written_when_the_spool_is_closed,
		a_history_that_cannot_be_written_is_said_once_and_goes_on,
		entries_behind_each_other_are_read_as_each_alone, our_own_arrival_is_settled_without_being_read_again,
		what_is_altered_in_an_arrival_is_found_by_whoever_has_not_written_it,
		a_quota_puts_mail_off_and_recovers_by_itself,
		a_folder_that_goes_takes_nothing_from_whoever_comes,
		a_folder_goes_when_nothing_waited_for_long,
		the_lock_of_a_removed_file_is_taken_anew,
	};
	Suite *suite = suite_create("spool");
	TCase *tcase = tcase_create("spool");
	SRunner *runner;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, an_address_cannot_write_lines_of_its_own, 0,
	    sizeof hostile / sizeof hostile[0]);
	tcase_add_loop_test(tcase, what_is_no_id_is_no_file_name, 0, sizeof no_ids / sizeof no_ids[0]);
	tcase_add_loop_test(tcase, outcomes_decide_where_a_message_goes, 0,
	    sizeof outcomes / sizeof outcomes[0]);
	tcase_add_loop_test(tcase, a_body_in_any_pieces_is_written_whole, 0, sizeof bodies / sizeof bodies[0]);
	tcase_add_loop_test(tcase, what_stands_behind_the_last_message_is_not_dropped, 0,
	    sizeof rests / sizeof rests[0]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
