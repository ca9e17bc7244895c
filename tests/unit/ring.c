/*
 * The ring: the same bytes at both ends whatever happens to the words between them, and
 * whatever happens to the file.  Both ends live in one spool: what the site "hub" is
 * sent is ring/hub/to-main, and what it receives is ring/home/from-main.
 */
#include "spool/ring.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "spool/taught.h"
#include "tests/unit/unit.h"

#define OK(call) do {							\
	struct err ok_err = {0};					\
	struct err *err = &ok_err;					\
	ck_assert_msg((call) >= 0, #call ": %s", err->text);		\
} while (0)

enum { WINDOW = 40000 };

static char root[] = "/tmp/mochila-ring-XXXXXX";
static struct settings settings;
static struct spool spool;

static void
start(void)
{
	static const char *said[] = { "spool.min-free=0", "spool.history-budget=100K" };
	struct settings_args args = { .root = root, .set = { said, 2 } };

	strcpy(root, "/tmp/mochila-ring-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	OK(log_open("ring", "none", LOG_LEVEL_ERROR, err));
	OK(settings_load(&settings, &args, err));
	OK(spool_open(&spool, &settings, true, err));
}

static void
remove_tree(int at, const char *path)
{
	struct fs_names names;
	struct err err;
	int dir = openat(at, path, O_RDONLY | O_DIRECTORY);

	if (dir >= 0 && fs_names(dir, ".", &names, &err) == 0) {
		for (size_t i = 0; i < names.count; i++)
			if (unlinkat(dir, names.name[i], 0) < 0)
				remove_tree(dir, names.name[i]);
		fs_names_free(&names);
	}
	if (dir >= 0)
		close(dir);
	unlinkat(at, path, AT_REMOVEDIR);
}

static void
stop(void)
{
	spool_close(&spool);
	settings_free(&settings);
	log_close();
	remove_tree(AT_FDCWD, root);
}

/* helpers: opened and closed around each step, as programs do */

static struct ring
open_ring(enum ring_way way, uint64_t window)
{
	struct ring r;

	OK(ring_open(&r, &spool, way == RING_FROM ? "home" : "hub", way, "main", window, err));
	return r;
}

/* Text of a size, that each name has its own of. */
static void
text_of(uint64_t name, size_t len, struct str *out)
{
	for (uint64_t i = 0; out->len < len; i++)
		str_printf(out, "%llu of %llu, ", (unsigned long long)(i * name), (unsigned long long)name);
	out->len = len;
}

static size_t
length_of(uint64_t name)
{
	return name % 7 == 0 ? 0 : (size_t)(name * 2654435761u % 5000);
}

static void
commit_into(struct ring *r, uint64_t name, size_t len)
{
	struct str text = {0};

	text_of(name, len, &text);
	struct ring_item item = { name, str_span(&text) };
	OK(ring_commit(r, &item, 1, err));
	str_free(&text);
}

static void
received(uint64_t name, uint64_t window)
{
	struct ring r = open_ring(RING_FROM, window);

	commit_into(&r, name, length_of(name));
	ring_close(&r);
}

static void
was_sent(uint64_t name, uint64_t window)
{
	struct ring r = open_ring(RING_TO, window);
	struct str text = {0};

	text_of(name, length_of(name), &text);
	OK(ring_wait(&r, name, str_span(&text), err));
	str_free(&text);
	ring_close(&r);
}

static struct ring_word
said_by_receiver(uint64_t window)
{
	struct ring r = open_ring(RING_FROM, window);
	struct ring_word word;

	ring_say(&r, &word);
	OK(ring_said(&r, err));
	ring_close(&r);
	return word;
}

static void
learned(const struct ring_word *word, bool lost, uint64_t window)
{
	struct ring r = open_ring(RING_TO, window);

	OK(ring_learn(&r, word, lost, err));
	ring_close(&r);
}

/* What a batch packed now would refer to is there at the receiver, the same bytes.  Returns
 * how many; -1: the receiver does not know the mark. */
static ssize_t
reference(uint64_t ours, uint64_t theirs, bool *same)
{
	struct ring to = open_ring(RING_TO, ours);
	struct span history, there;
	struct str copy = {0};
	uint64_t most = to.head.peer < ours ? to.head.peer : ours;

	OK(ring_at(&to, ring_last(&to), most, &history, err));
	str_add_span(&copy, history);
	struct ring_mark mark = ring_last(&to);
	ring_close(&to);
	struct ring from = open_ring(RING_FROM, theirs);
	bool known = ring_knows(&from, mark);
	OK(ring_at(&from, mark, copy.len, &there, err));
	*same = span_same(str_span(&copy), there);
	if (known)
		OK(ring_heard(&from, mark, err));
	ring_close(&from);
	ssize_t len = known ? (ssize_t)copy.len : -1;
	str_free(&copy);
	return len;
}

static size_t
must_agree(uint64_t ours, uint64_t theirs)
{
	bool same;
	ssize_t len = reference(ours, theirs, &same);

	ck_assert_int_ge(len, 0);
	ck_assert(same);
	return (size_t)len;
}

/* the file */

static int
open_file(int flags)
{
	int fd = openat(spool.ring, "home/from-main", flags, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
load_file(struct str *out)
{
	OK(fs_load(spool.ring, "home/from-main", 1 << 24, out, err));
}

static void
save_file(struct span bytes)
{
	int fd = open_file(O_WRONLY | O_CREAT | O_TRUNC);

	OK(fs_write(fd, bytes.p, bytes.len, err));
	close(fd);
}

START_TEST(a_ring_holds_what_was_committed_in_order)
{
	struct span history;

	start();
	for (uint64_t name = 1; name <= 5; name++)
		received(name, WINDOW);
	received(3, WINDOW);	/* a job that runs twice is one commit */
	struct ring r = open_ring(RING_FROM, WINDOW);
	ck_assert_uint_eq(ring_last(&r).k, 5);
	ck_assert_int_eq(ring_at(&r, ring_last(&r), 30, &history, NULL), 1);
	struct str text = {0};
	text_of(5, length_of(5), &text);
	ck_assert(span_same(history, span_from(str_span(&text), text.len - 30)));
	ck_assert_int_eq(ring_at(&r, (struct ring_mark){ 5, 1 }, 30, &history, NULL), 0);
	ck_assert_int_eq(ring_at(&r, (struct ring_mark){ 6, ring_last(&r).link }, 30, &history, NULL), 0);
	str_free(&text);
	ring_close(&r);
	stop();
}
END_TEST

START_TEST(only_its_owner_may_look)
{
	struct stat st;

	start();
	received(1, WINDOW);
	was_sent(2, WINDOW);
	ck_assert_int_eq(fstatat(spool.dir, "ring", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(fstatat(spool.ring, "home", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	ck_assert_int_eq(fstatat(spool.ring, "home/from-main", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(fstatat(spool.ring, "hub/to-main+0000000000000002", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	stop();
}
END_TEST

enum { TEXT = 60, LINE = 68, NAME_AT = 12 + 12 + 1 + 16 + 1 };	/* NOOP commit K LINK NAME LEN */

static uint64_t
last_number(void)
{
	struct ring r = open_ring(RING_FROM, WINDOW);
	uint64_t k = ring_last(&r).k;

	ring_close(&r);
	return k;
}

/* Cut anywhere, or with any byte of the last commit changed, it ends at a whole commit. */
START_TEST(a_torn_end_is_cut_off)
{
	struct str file = {0};

	start();
	struct ring r = open_ring(RING_FROM, WINDOW);
	for (uint64_t name = 1; name <= 3; name++)
		commit_into(&r, name, TEXT);
	ring_close(&r);
	load_file(&file);
	const size_t last = LINE + TEXT;
	const size_t ends[] = { file.len - 2 * last, file.len - last, file.len };
	for (size_t len = 0; len <= file.len; len++) {
		save_file(span_to(str_span(&file), len));
		ck_assert_uint_eq(last_number(), (len >= ends[0]) + (len >= ends[1]) + (len >= ends[2]));
	}
	for (size_t at = 0; at < last; at++) {
		file.p[ends[1] + at] ^= 4;
		save_file(str_span(&file));
		file.p[ends[1] + at] ^= 4;
		/* A name that is altered stands for nothing that was ever sent, at worst. */
		if (at < NAME_AT || at >= NAME_AT + 16)
			ck_assert_uint_eq(last_number(), 2);
	}
	str_free(&file);
	stop();
}
END_TEST

static const char *const foreign[] = {
	"", "x", "NOOP mochila-ring=0 base=00000000000000000000:0000000000000000",
	"NOOP mochila-ring=x", "NOOP mochila-ring=1 base=5", "NOOP mochila-ring=1 wild=5",
	"NOOP mochila-ring=1 base=1:xyz", "NOOP mochila-ring=1 base=99999999999999999999999:0",
};

START_TEST(what_is_no_ring_begins_anew)
{
	struct str file = {0};

	start();
	received(1, WINDOW);
	str_set(&file, foreign[_i]);
	while (file.len > 0 && file.len < 143)
		str_add_char(&file, ' ');
	str_add_char(&file, '\n');
	save_file(str_span(&file));
	struct ring r = open_ring(RING_FROM, WINDOW);
	ck_assert_uint_eq(ring_last(&r).k, 0);
	commit_into(&r, 9, 100);
	ck_assert_uint_eq(ring_last(&r).k, 1);
	ring_close(&r);
	str_free(&file);
	stop();
}
END_TEST

START_TEST(a_newer_version_is_refused_untouched)
{
	struct str before = {0}, after = {0};
	struct ring r;
	struct err err = {0};

	start();
	received(1, WINDOW);
	load_file(&before);
	before.p[strlen("NOOP mochila-ring=")] = '2';
	save_file(str_span(&before));
	ck_assert_int_eq(ring_open(&r, &spool, "home", RING_FROM, "main", WINDOW, &err), -1);
	ck_assert_int_eq(err.kind, ERR_CONFIG);
	load_file(&after);
	ck_assert(span_same(str_span(&before), str_span(&after)));
	str_free(&before);
	str_free(&after);
	stop();
}
END_TEST

/* A sample of version 1, as it was written once: it is read for ever. */
START_TEST(version_1_is_read)
{
	static const char sample[] =
	    "NOOP mochila-ring=1 base=00000000000000000876:00112233445566aa known=00000000000000000876 "
	    "told=00000000000000000876 peer=00000000000004194304  \n"
	    "NOOP commit 000000000877 c00ad7d0ca8e3014 9a01c4f25d30b811 00000005\nHello";
	struct span history;

	start();
	received(1, WINDOW);
	save_file(span_of(sample));
	struct ring r = open_ring(RING_FROM, WINDOW);
	ck_assert_uint_eq(ring_last(&r).k, 877);
	ck_assert_uint_eq(ring_last(&r).link, 0xc00ad7d0ca8e3014);
	ck_assert_uint_eq(r.head.peer, 4 << 20);
	ck_assert_int_eq(ring_at(&r, ring_last(&r), 5, &history, NULL), 1);
	ck_assert(span_is(history, "Hello"));
	ring_close(&r);
	stop();
}
END_TEST

START_TEST(it_stays_bounded)
{
	struct stat st;
	struct str all = {0};
	struct span history;

	start();
	for (uint64_t name = 1; name <= 200; name++) {
		received(name, WINDOW);
		ck_assert_int_eq(fstatat(spool.ring, "home/from-main", &st, 0), 0);
		ck_assert_int_lt(st.st_size, 3 * WINDOW);
	}
	struct ring r = open_ring(RING_FROM, WINDOW);
	ck_assert_uint_eq(ring_last(&r).k, 200);
	ck_assert_int_eq(ring_at(&r, ring_last(&r), WINDOW, &history, NULL), 1);
	ck_assert_uint_eq(history.len, WINDOW);
	text_of(200, length_of(200), &all);
	ck_assert(span_same(span_from(history, WINDOW - all.len), str_span(&all)));
	ring_close(&r);
	str_free(&all);
	stop();
}
END_TEST

START_TEST(what_is_larger_than_the_window_is_named_and_not_kept)
{
	struct ring_word word;

	start();
	received(1, WINDOW);
	struct ring r = open_ring(RING_FROM, WINDOW);
	commit_into(&r, 2, WINDOW + 1);
	ck_assert_uint_gt(ring_last(&r).k, 2);
	ring_say(&r, &word);
	ck_assert_uint_eq(word.names, 2);
	ck_assert_uint_eq(word.name[0], 1);
	ck_assert_uint_eq(word.name[1], 2);
	ck_assert_uint_lt(r.size, 1000);
	ring_close(&r);
	stop();
}
END_TEST

/* the words: names are committed in this order, of those sent, 1 to 9 */

static const struct {
	const char *what, *commits;
	bool follows;
} words[] = {
	{ "in order", "123", true },
	{ "out of order", "3152", true },
	{ "one is still under way", "124", true },
	{ "one came twice", "1213", true },
	{ "one that we never sent", "1x2", false },
	{ "nothing was lost on the way but the words", "123456789", true },
};

START_TEST(the_sender_follows_the_receiver)
{
	start();
	for (uint64_t name = 1; name <= 9; name++)
		was_sent(name, WINDOW);
	for (const char *c = words[_i].commits; *c != '\0'; c++)
		received((uint64_t)(*c - '0'), WINDOW);
	struct ring_word word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	size_t len = must_agree(WINDOW, WINDOW);
	ck_assert_msg((len > 0) == words[_i].follows, "%s: %zu bytes", words[_i].what, len);
	struct ring from = open_ring(RING_FROM, WINDOW);
	ck_assert(!ring_say(&from, &word));	/* it was heard: no more to tell */
	ring_close(&from);
	stop();
}
END_TEST

/* Of what was sent and is more than a window only digests are kept; the rest is history all the same. */
START_TEST(what_was_given_up_is_passed_over)
{
	uint64_t window = 8000;

	start();
	for (uint64_t name = 1; name <= 12; name++)
		was_sent(name, window);
	for (uint64_t name = 1; name <= (_i == 0 ? 12 : 3); name++)
		received(name, window);
	struct ring_word word = said_by_receiver(window);
	learned(&word, false, window);
	size_t len = must_agree(window, window);
	if (_i == 0)
		ck_assert_uint_gt(len, window / 2);
	else
		ck_assert_uint_eq(len, 0);	/* those are all gone */
	was_sent(13, window);
	received(13, window);
	word = said_by_receiver(window);
	learned(&word, false, window);
	ck_assert_uint_gt(must_agree(window, window), length_of(13));
	stop();
}
END_TEST

START_TEST(a_late_word_is_no_news)
{
	start();
	for (uint64_t name = 1; name <= 4; name++)
		was_sent(name, WINDOW);
	received(1, WINDOW);
	struct ring_word old = said_by_receiver(WINDOW);
	received(2, WINDOW);
	received(3, WINDOW);
	struct ring_word word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	learned(&old, false, WINDOW);
	learned(&word, false, WINDOW);
	struct ring r = open_ring(RING_TO, WINDOW);
	ck_assert_uint_eq(ring_last(&r).k, 3);
	ring_close(&r);
	must_agree(WINDOW, WINDOW);
	stop();
}
END_TEST

START_TEST(a_receiver_ahead_cuts_its_ring)
{
	start();
	for (uint64_t name = 1; name <= 9; name++)
		was_sent(name, WINDOW);
	received(1, WINDOW);
	struct ring_word word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	for (uint64_t name = 2; name <= 9; name++)
		received(name, WINDOW);
	ck_assert_uint_gt(must_agree(WINDOW, WINDOW), 0);
	stop();
}
END_TEST

/* Either end erased: nothing is wrong, and history comes again. */
START_TEST(an_erased_end_begins_anew)
{
	struct ring_word word;

	start();
	for (uint64_t name = 1; name <= 9; name++)
		was_sent(name, WINDOW);
	received(1, WINDOW);
	received(2, WINDOW);
	word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	must_agree(WINDOW, WINDOW);
	received(3, WINDOW);
	OK(ring_erase(&spool, _i == 0 ? "home" : "hub", _i == 0 ? "from-main" : "to-main", err));
	if (_i == 0) {	/* unknown mark, and what was not told is still to be told */
		bool same;
		ck_assert_int_eq(reference(WINDOW, WINDOW, &same), -1);
		word = said_by_receiver(WINDOW);
		ck_assert_uint_eq(word.names, 1);
		ck_assert_uint_eq(word.name[0], 3);
	}
	word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	ck_assert_uint_eq(must_agree(WINDOW, WINDOW), 0);
	was_sent(10, WINDOW);
	received(10, WINDOW);
	word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	ck_assert_uint_gt(must_agree(WINDOW, WINDOW), 0);
	stop();
}
END_TEST

START_TEST(a_restored_receiver_is_met_where_both_know)
{
	struct str backup = {0};
	bool same;

	start();
	for (uint64_t name = 1; name <= 9; name++)
		was_sent(name, WINDOW);
	received(1, WINDOW);
	received(2, WINDOW);
	load_file(&backup);
	received(3, WINDOW);
	struct ring_word word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);
	must_agree(WINDOW, WINDOW);
	save_file(str_span(&backup));
	ck_assert_int_eq(reference(WINDOW, WINDOW, &same), -1);
	word = said_by_receiver(WINDOW);
	learned(&word, false, WINDOW);		/* it could be an old word */
	ck_assert_int_eq(reference(WINDOW, WINDOW, &same), -1);
	learned(&word, true, WINDOW);		/* "no reference" */
	ck_assert_uint_gt(must_agree(WINDOW, WINDOW), 0);
	str_free(&backup);
	stop();
}
END_TEST

START_TEST(rings_of_different_sizes_agree)
{
	static const uint64_t sizes[][2] = { { 9000, 40000 }, { 40000, 9000 }, { 12345, 12345 } };
	uint64_t ours = sizes[_i][0], theirs = sizes[_i][1];

	start();
	for (uint64_t name = 1; name <= 60; name++) {
		was_sent(name, ours);
		received(name, theirs);
		struct ring_word word = said_by_receiver(theirs);
		learned(&word, false, ours);
		must_agree(ours, theirs);
	}
	ck_assert_uint_eq(must_agree(ours, theirs), ours < theirs ? ours : theirs);
	stop();
}
END_TEST

/* Everything at once, at random: never other bytes at the two ends under one mark. */
START_TEST(whatever_happens_no_mark_means_two_things)
{
	struct str backup = {0};
	struct ring_word word[3] = {0};
	uint64_t sent = 0, agreed = 0;

	start();
	srand((unsigned)_i + 1);
	received(100000, WINDOW);
	load_file(&backup);
	for (int step = 0; step < 300; step++) {
		int what = rand() % 100;
		if (what < 40)
			was_sent(++sent, WINDOW);
		else if (what < 75 && sent > 0)
			received(sent - (uint64_t)rand() % (sent < 6 ? sent : 6), WINDOW);
		else if (what < 84)
			word[rand() % 3] = said_by_receiver(WINDOW);
		else if (what < 94)
			learned(&word[rand() % 3], false, WINDOW);
		else if (what < 95)
			OK(ring_erase(&spool, "home", "from-main", err));
		else if (what < 96)
			OK(ring_erase(&spool, "hub", "to-main", err));
		else if (what < 97)
			save_file(str_span(&backup));
		else if (what < 98) {
			str_clear(&backup);
			load_file(&backup);
		}
		bool same;
		ssize_t len = reference(WINDOW, WINDOW, &same);
		ck_assert_msg(len <= 0 || same, "step %d", step);
		agreed += len > 0;
		if (len < 0 && rand() % 2 == 0) {	/* a batch so packed is answered "no reference" */
			word[0] = said_by_receiver(WINDOW);
			learned(&word[0], true, WINDOW);
			ck_assert_int_ge(reference(WINDOW, WINDOW, &same), 0);
		}
	}
	ck_assert_uint_gt(agreed, 0);
	str_free(&backup);
	stop();
}
END_TEST

/* all of them */

START_TEST(a_spool_of_before_gets_its_folder)
{
	struct spool again;

	start();
	ck_assert_int_eq(unlinkat(spool.dir, "ring", AT_REMOVEDIR), 0);
	OK(spool_open(&again, &settings, false, err));
	spool_close(&spool);
	spool = again;
	received(1, WINDOW);
	stop();
}
END_TEST

START_TEST(what_is_used_least_is_erased_first)
{
	static const char *const sites[] = { "a", "b", "c", "d" };
	struct ring_files files;
	struct ring r;

	start();
	for (size_t i = 0; i < 4; i++) {
		OK(ring_open(&r, &spool, sites[i], RING_FROM, "main", WINDOW, err));
		commit_into(&r, 1, WINDOW);
		struct timespec used[2] = { { .tv_sec = 1000 + (time_t)(i ^ 1) }, { .tv_sec = 1000 + (time_t)(i ^ 1) } };
		futimens(r.fd, used);
		ring_close(&r);
	}
	OK(ring_budget(&spool, err));	/* 100K are two of four: b and a go */
	OK(ring_list(&spool, &files, err));
	ck_assert_uint_eq(files.count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_msg((files.file[i].bytes > WINDOW) == (i >= 2), "%s has %llu", files.file[i].site,
		    (unsigned long long)files.file[i].bytes);
	ck_assert_uint_le(files.bytes, 100 << 10);
	ring_files_free(&files);
	stop();
}
END_TEST

/* ---- the model that was taught it ---- */

/* Of all that is committed there. */
static void
teach(const char *site, struct span model)
{
	struct taught t = { .length = 1, .dictionary = 1, .bytes = 7, .past = { 1, 2, 3 }, .model = model };
	struct ring r;

	OK(ring_open(&r, &spool, site, RING_FROM, "main", WINDOW, err));
	t.mark = ring_last(&r);
	OK(taught_write(&r, &t, err));
	ring_close(&r);
}

static int
find(const char *site, struct taught *t)
{
	struct err err;
	int result = taught_open(t, &spool, site, RING_FROM, "main", &err);

	if (result < 0)
		ck_assert_int_eq(err.kind, ERR_CONFIG);
	return result;
}

static bool
has_model(const char *site)
{
	struct taught t;
	bool has = find(site, &t) > 0;

	taught_close(&t);
	return has;
}

static void
commit_more(const char *site, size_t count, size_t len)
{
	struct ring r;

	OK(ring_open(&r, &spool, site, RING_FROM, "main", WINDOW, err));
	for (size_t name = 1; name <= count; name++)
		commit_into(&r, name, len);
	ring_close(&r);
}

START_TEST(a_model_is_kept_beside_its_ring)
{
	struct taught t;
	struct ring r;
	struct stat st;

	start();
	commit_more("home", 3, 100);
	ck_assert_int_eq(find("home", &t), 0);
	teach("home", SPAN("the model\nof a ring"));
	ck_assert_int_eq(find("home", &t), 1);
	ck_assert(span_is(t.model, "the model\nof a ring"));
	ck_assert_uint_eq(t.mark.k, 3);
	ck_assert_uint_eq(t.length, 1);
	ck_assert_uint_eq(t.dictionary, 1);
	ck_assert_uint_eq(t.bytes, 7);
	ck_assert_mem_eq(t.past, "\1\2\3\0", 4);
	ck_assert_int_eq(fstatat(spool.ring, "home/from-main~model", &st, 0), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	OK(ring_open(&r, &spool, "home", RING_FROM, "main", WINDOW, err));
	ck_assert_int_eq(taught_grown(&r, &t), 0);
	commit_into(&r, 9, 100);
	ck_assert_int_eq(taught_grown(&r, &t), 168);
	OK(ring_anew(&r, err));		/* and what it was made from is gone */
	ck_assert_int_eq(taught_grown(&r, &t), -1);
	OK(taught_write(&r, &t, err));
	ring_close(&r);
	taught_close(&t);
	ck_assert(!has_model("home"));
	stop();
}
END_TEST

START_TEST(a_model_goes_with_its_ring)
{
	struct ring_files files;

	start();
	commit_more("home", 3, 100);
	teach("home", SPAN("it"));
	OK(ring_list(&spool, &files, err));
	ck_assert_uint_eq(files.count, 1);
	ck_assert_str_eq(files.file[0].name, "from-main");
	ck_assert_uint_gt(files.file[0].bytes, 144 + 3 * 168 + 100);	/* with it */
	ring_files_free(&files);
	OK(ring_erase(&spool, "home", "from-main", err));
	ck_assert(!has_model("home"));
	stop();
}
END_TEST

/* Before any history goes; and who finds no room is not kept. */
START_TEST(models_go_first_where_disk_is_short)
{
	static const char *const sites[] = { "a", "b", "c" };
	static char model[12000];
	struct ring_files files;

	start();
	for (size_t i = 0; i < 3; i++) {
		commit_more(sites[i], 1, 20000);
		teach(sites[i], (struct span){ model, sizeof model });
		ck_assert(has_model(sites[i]));
	}
	teach("a", (struct span){ model, sizeof model });	/* in place of its own */
	ck_assert(has_model("a"));
	commit_more("d", 1, 30000);
	OK(ring_budget(&spool, err));
	OK(ring_list(&spool, &files, err));
	ck_assert_uint_eq(files.count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_ge(files.file[i].bytes, 20000);
	ck_assert_uint_le(files.bytes, 100 << 10);
	ring_files_free(&files);
	teach("d", (struct span){ model, sizeof model });
	ck_assert(!has_model("d"));
	stop();
}
END_TEST

static const struct { const char *text; int found; } model_files[] = {
	{ "", 0 }, { "x", 0 }, { "mochila-model=1\n", 0 }, { "mochila-model=0 k=1\n", 0 },
	{ "mochila-model=2 what=ever\nmodel", -1 },
	{ "mochila-model=1 mix=1.8l k=3 link=0000000000000001 length=1 dictionary=0 taught=1 past="
	    "0000000000000000000000000000000000000000000000000000000000000000\nof another time", 0 },
	{ "mochila-model=1 k=3 link=0000000000000001 length=99999999999 dictionary=0 taught=1 past="
	    "0000000000000000000000000000000000000000000000000000000000000000\nmodel", 0 },
	{ "mochila-model=1 k=3 link=000000000000000g length=1 dictionary=0 taught=1 past="
	    "0000000000000000000000000000000000000000000000000000000000000000\nmodel", 0 },
	{ "mochila-model=1 k=3 link=0000000000000001 length=1 dictionary=0 taught=1 past=00\nmodel", 0 },
	{ "mochila-model=1 k=3 link=0000000000000001 length=1 dictionary=0 taught=1 more=1\nmodel", 0 },
};

/* Newer ones stay where they are; any other is as if there were none. */
START_TEST(what_is_no_model_is_left_alone)
{
	struct taught t;
	struct str now = {0};
	int dir;

	start();
	commit_more("home", 3, 100);
	dir = openat(spool.ring, "home", O_RDONLY | O_DIRECTORY);
	OK(fs_replace(dir, "from-main~model", span_of(model_files[_i].text), 0600, err));
	ck_assert_int_eq(find("home", &t), model_files[_i].found);
	taught_close(&t);
	OK(fs_load(dir, "from-main~model", 1000, &now, err));
	ck_assert_str_eq(str_c(&now), model_files[_i].text);
	str_free(&now);
	close(dir);
	stop();
}
END_TEST

START_TEST(a_peer_cannot_invent_classes_without_end)
{
	struct ring r;
	struct err err = {0};
	struct ring_item item = { 1, { "x", 1 } };
	char class[16];
	int made = 0, result = 0;

	start();
	for (; result == 0 && made < 1000; made++) {
		snprintf(class, sizeof class, "c%d", made);
		ck_assert_int_eq(ring_open(&r, &spool, "home", RING_FROM, class, WINDOW, &err), 0);
		result = ring_commit(&r, &item, 1, &err);
		ring_close(&r);
	}
	ck_assert_int_eq(made, RING_CLASSES_MAX + 1);
	stop();
}
END_TEST

UNIT("ring",
	{ a_ring_holds_what_was_committed_in_order, 1 },
	{ only_its_owner_may_look, 1 },
	{ a_torn_end_is_cut_off, 1 },
	{ what_is_no_ring_begins_anew, ROWS(foreign) },
	{ a_newer_version_is_refused_untouched, 1 },
	{ version_1_is_read, 1 },
	{ it_stays_bounded, 1 },
	{ what_is_larger_than_the_window_is_named_and_not_kept, 1 },
	{ the_sender_follows_the_receiver, ROWS(words) },
	{ what_was_given_up_is_passed_over, 2 },
	{ a_late_word_is_no_news, 1 },
	{ a_receiver_ahead_cuts_its_ring, 1 },
	{ an_erased_end_begins_anew, 2 },
	{ a_restored_receiver_is_met_where_both_know, 1 },
	{ rings_of_different_sizes_agree, 3 },
	{ whatever_happens_no_mark_means_two_things, 8 },
	{ a_spool_of_before_gets_its_folder, 1 },
	{ what_is_used_least_is_erased_first, 1 },
	{ a_model_is_kept_beside_its_ring, 1 },
	{ a_model_goes_with_its_ring, 1 },
	{ models_go_first_where_disk_is_short, 1 },
	{ what_is_no_model_is_left_alone, ROWS(model_files) },
	{ a_peer_cannot_invent_classes_without_end, 1 })
