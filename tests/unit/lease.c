/*
 * Several hosts on one spool: who holds what, who is dead, and what the dead can still do.
 * Time passes only when a test says so; the hosts are spools of one process, opened as a, b, c.
 */
#include "spool/lease.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/hosts.h"
#include "spool/journal.h"
#include "spool/lock.h"
#include "spool/queue.h"
#include "spool/seen.h"
#include "tests/unit/unit.h"

enum { HOSTS = 3, LEASE = 3600 };	/* so long that no sign of life is given by itself */

static char root[] = "/tmp/mochila-lease-XXXXXX";
static struct settings settings[HOSTS];
static struct spool host[HOSTS];
static struct spool *const a = &host[0], *const b = &host[1];
static struct err err;

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

static void
open_host(struct settings *set, struct spool *spool, const char *node, const char *shared)
{
	struct str name = {0}, share = {0};

	str_printf(&name, "spool.node=%s", node);
	str_printf(&share, "spool.shared=%s", shared);
	const char *said[] = { "spool.host=hub.example", "spool.site=hub", "spool.min-free=0", "spool.lease=1h",
		"routes.home.example=site:home", str_c(&name), str_c(&share) };
	struct settings_args args = { .root = root, .set = { said, sizeof said / sizeof said[0] } };
	OK(settings_load(set, &args, &err));
	OK(spool_open(spool, set, true, &err));
	str_free(&name);
	str_free(&share);
}

static void
setup(void)
{
	static const char *const nodes[HOSTS] = { "a", "b", "c" };

	strcpy(root, "/tmp/mochila-lease-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	OK(log_open("lease", "none", LOG_LEVEL_ERROR, &err));
	clock_set(1795300000 * CLOCK_SECOND);
	for (size_t i = 0; i < HOSTS; i++)
		open_host(&settings[i], &host[i], nodes[i], "yes");
}

static void
remove_tree(int at, const char *path)
{
	struct fs_names names;
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
teardown(void)
{
	for (size_t i = 0; i < HOSTS; i++) {
		spool_close(&host[i]);
		settings_free(&settings[i]);
	}
	log_close();
	clock_set(0);
	remove_tree(AT_FDCWD, root);
}

/* helpers */

static void
pass(int64_t seconds)
{
	clock_set(clock_now() + seconds * CLOCK_SECOND);
}

/* Host x has taken all that stood still for dead. */
static void
outlive(struct spool *x)
{
	OK(spool_repair(x, &err));
	pass(LEASE + 1);
	OK(spool_repair(x, &err));
}

static void
give_sign(struct spool *x)
{
	struct str path = {0};
	char digit;

	str_printf(&path, "%s/.beat", lease_token(x));
	int fd = openat(lease_tmp(x), str_c(&path), O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &digit, 1, 14), 1);
	digit++;
	ck_assert_int_eq(pwrite(fd, &digit, 1, 14), 1);
	close(fd);
	str_free(&path);
}

static void
begin_message(struct arrival *arrival, const char *key, const char *peer_id)
{
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@home.example"), SPAN(""));
	str_set(&info.from, "test");
	if (peer_id != NULL) {
		str_set(&info.peer, "hub");
		str_set(&info.peer_id, peer_id);
	}
	OK(arrival_begin(arrival, &info, &env, &err));
	OK(arrival_body(arrival, key, strlen(key), &err));
	OK(arrival_end(arrival, &err));
	envelope_free(&env);
	entry_info_free(&info);
}

static void
accept_on(struct spool *x, const char *key, const char *peer_id, const char *name)
{
	struct arrival arrival;

	OK(arrival_open(&arrival, x, name, &err));
	begin_message(&arrival, key, peer_id);
	OK(arrival_commit(&arrival, &err));
	arrival_close(&arrival);
}

static size_t
settle_on(struct spool *x)
{
	struct settled settled;

	OK(spool_settle(x, &settled, &err));
	return settled.messages;
}

static size_t
waiting_on(struct spool *x)
{
	struct queue q;
	struct message m;
	size_t count = 0;

	OK(queue_open(&q, x, "home", false, &err));
	while (queue_next(&q, &m, &err) > 0) {
		count++;
		message_close(&m);
	}
	queue_close(&q);
	return count;
}

/* One message waiting, and its queue opened by x. */
static void
open_one(struct spool *x, struct queue *q, struct message *m)
{
	accept_on(x, "one\r\n", NULL, NULL);
	ck_assert_uint_eq(settle_on(x), 1);
	OK(queue_open(q, x, "home", false, &err));
	ck_assert_int_eq(queue_next(q, m, &err), 1);
}

/* locks */

/*
 * a+ a asks for it and gets it; a- asks and does not; a. lets it go; a* it is still its own;
 * a? it is not; a! a gives a sign of life; ~ a lease passes.
 */
static const char *const scenes[] = {
	"a+ b- a. b+ a-",		/* taken, kept, let go, taken */
	"a+ b- ~ b+ a? b*",		/* stale: taken, and who held it sees that he does not */
	"a+ b- ~ a! b- ~ b+",		/* a sign of life: counted from there */
	"a+ ~ b- a*",			/* what b has never seen before may be alive */
	"a+ b- ~ b+ a. b* c-",		/* who let go late lets go nothing */
	"a+ b- ~ b+ a- a?",		/* who asks anew is one like all others */
	"a+ b- c- ~ c+ b- a? c*",	/* one of two takes it */
	"a+ b- ~ b+ b. a+ b-",		/* who was taken for dead lives on */
};

static void
play(struct spool_lock *lock, const char *step)
{
	size_t who = (size_t)(step[0] - 'a');

	if (step[0] == '~')
		pass(LEASE + 1);
	else if (step[1] == '.')
		spool_unlock(&lock[who]);
	else if (step[1] == '!')
		give_sign(&host[who]);
	else if (step[1] == '*' || step[1] == '?')
		ck_assert_msg(spool_lock_ours(&lock[who]) == (step[1] == '*'), "%s", step);
	else {
		struct spool_lock fresh;
		int result = spool_lock(&fresh, &host[who], "out.home", -1, NULL, false, &err);
		ck_assert_msg((result == 0) == (step[1] == '+'), "%s", step);
		ck_assert(result == 0 || errno == EWOULDBLOCK);
		if (result == 0) {
			spool_unlock(&lock[who]);
			lock[who] = fresh;
		}
	}
}

START_TEST(a_lock_is_held_as_the_scene_says)
{
	struct spool_lock lock[HOSTS] = { SPOOL_UNLOCKED, SPOOL_UNLOCKED, SPOOL_UNLOCKED };

	for (const char *step = scenes[_i]; *step != '\0'; step += strcspn(step, " "), step += strspn(step, " "))
		play(lock, step);
	for (size_t i = 0; i < HOSTS; i++)
		spool_unlock(&lock[i]);
}
END_TEST

/* A child of its own host asks for the lock when the gate opens; the status says whether it got it. */
static pid_t
start_taker(const int *gate, int number)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	struct settings set;
	struct spool spool;
	struct spool_lock lock;
	char node[20], byte;
	snprintf(node, sizeof node, "taker%d", number);
	open_host(&set, &spool, node, "yes");
	/* it has seen the holder a lease ago */
	spool_lock(&lock, &spool, "out.home", -1, NULL, false, &err);
	pass(LEASE + 1);
	close(gate[1]);
	ssize_t got = read(gate[0], &byte, 1);
	_exit(got == 0 && spool_lock(&lock, &spool, "out.home", -1, NULL, false, &err) == 0);
}

START_TEST(of_several_who_take_it_from_the_dead_one_wins)
{
	enum { TAKERS = 6 };
	struct spool_lock lock;
	pid_t pid[TAKERS];
	int gate[2], status, won = 0;

	OK(spool_lock(&lock, a, "out.home", -1, NULL, false, &err));
	ck_assert_int_eq(pipe(gate), 0);
	for (int i = 0; i < TAKERS; i++)
		pid[i] = start_taker(gate, i);
	close(gate[0]);
	close(gate[1]);
	for (int i = 0; i < TAKERS; i++) {
		ck_assert_int_eq(waitpid(pid[i], &status, 0), pid[i]);
		ck_assert(WIFEXITED(status));
		won += WEXITSTATUS(status);
	}
	ck_assert_int_eq(won, 1);
	ck_assert(!spool_lock_ours(&lock));
	spool_unlock(&lock);
}
END_TEST

START_TEST(who_ended_on_the_same_host_is_found_at_once)
{
	struct spool_lock lock;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct settings set;
		struct spool spool;
		open_host(&set, &spool, "a", "yes");
		_exit(spool_lock(&lock, &spool, "out.home", -1, NULL, false, &err) < 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_lt(spool_lock(&lock, b, "out.home", -1, NULL, false, &err), 0);
	OK(spool_lock(&lock, a, "out.home", -1, NULL, false, &err));
	spool_unlock(&lock);
}
END_TEST

/* names */

static const struct { const char *name, *base, *token, *ending; } names[] = {
	{ "S=a-17-0123456789abcdef", "S", "a-17-0123456789abcdef", "" },
	{ "S=a-17-0123456789abcdef.d", "S", "a-17-0123456789abcdef", ".d" },
	{ "x=y=b_c-d-1-0123456789abcdef.open", "x=y", "b_c-d-1-0123456789abcdef", ".open" },
	{ "S", NULL, NULL, NULL },
	{ "S.d", NULL, NULL, NULL },
	{ "S=T", NULL, NULL, NULL },
	{ "=a-17-0123456789abcdef", NULL, NULL, NULL },
	{ "S=a-17-0123456789ABCDEF", NULL, NULL, NULL },
	{ "S=a--0123456789abcdef", NULL, NULL, NULL },
	{ "S=-17-0123456789abcdef", NULL, NULL, NULL },
	{ "S=17-0123456789abcdef", NULL, NULL, NULL },
	{ "S=a/b-17-0123456789abcdef", NULL, NULL, NULL },
};

START_TEST(a_name_says_whose_it_is)
{
	struct span base, token, ending;
	bool has = lease_parse(names[_i].name, &base, &token, &ending);

	ck_assert(has == (names[_i].base != NULL));
	if (has)
		ck_assert(span_is(base, names[_i].base) && span_is(token, names[_i].token) &&
		    span_is(ending, names[_i].ending));
}
END_TEST

/* what one can still do who was taken for dead */

START_TEST(his_journal_promises_nothing_more)
{
	struct journal j = { .spool = a };
	struct arrival arrival;

	for (int i = 0; i < 2; i++) {
		arrival_join(&arrival, &j);
		begin_message(&arrival, i == 0 ? "before\r\n" : "after\r\n", NULL);
		ck_assert_int_eq(arrival_post(&arrival, &err), 1);
		arrival_close(&arrival);
		if (i == 0) {
			OK(journal_sync(&j, &err));
			outlive(b);
			ck_assert_uint_eq(settle_on(b), 1);
		}
	}
	ck_assert_int_lt(journal_sync(&j, &err), 0);
	journal_close(&j);
	ck_assert_uint_eq(settle_on(b), 0);
	ck_assert_uint_eq(settle_on(a), 0);
	ck_assert_uint_eq(waiting_on(b), 1);
}
END_TEST

START_TEST(his_arrival_is_not_taken)
{
	struct arrival arrival;

	OK(arrival_open(&arrival, a, NULL, &err));
	begin_message(&arrival, "one\r\n", NULL);
	outlive(b);
	ck_assert_int_lt(arrival_commit(&arrival, &err), 0);
	arrival_close(&arrival);
	ck_assert_uint_eq(settle_on(b), 0);
}
END_TEST

START_TEST(the_message_he_is_at_is_sent_by_another)
{
	struct queue q, other;
	struct message m, same;

	open_one(a, &q, &m);
	ck_assert(message_still_there(&m));
	outlive(b);
	OK(queue_open(&other, b, "home", false, &err));
	ck_assert_int_eq(queue_next(&other, &same, &err), 1);
	ck_assert_str_eq(str_c(&m.id), str_c(&same.id));
	ck_assert(!message_still_there(&m));
	message_rcpt(&m, 0, RCPT_DONE, "250 2.0.0 late");
	ck_assert_int_lt(message_settle(&m, &err), 0);
	message_close(&m);
	queue_close(&q);
	message_rcpt(&same, 0, RCPT_DEFERRED, "451 4.3.0 later");
	OK(message_settle(&same, &err));
	message_close(&same);
	queue_close(&other);
	ck_assert_uint_eq(waiting_on(b), 1);
}
END_TEST

/* b has written to a message that a had opened, and not claimed. */
START_TEST(what_he_would_write_is_not_written)
{
	struct queue q, other;
	struct message m, same;
	struct stat before, after;

	open_one(a, &q, &m);
	outlive(b);
	OK(queue_open(&other, b, "home", false, &err));
	ck_assert_int_eq(queue_next(&other, &same, &err), 1);
	message_rcpt(&same, 0, RCPT_DEFERRED, "451 4.3.0 b was here");
	OK(message_settle(&same, &err));
	message_close(&same);
	queue_close(&other);
	ck_assert_int_eq(fstat(m.fd, &before), 0);
	ck_assert(!message_still_there(&m));
	message_rcpt(&m, 0, RCPT_FAILED, "550 5.1.1 late");
	ck_assert_int_lt(message_settle(&m, &err), 0);
	ck_assert_int_eq(fstat(m.fd, &after), 0);
	ck_assert_int_eq(before.st_size, after.st_size);
	message_close(&m);
	queue_close(&q);
	ck_assert_uint_eq(waiting_on(b), 1);
}
END_TEST

START_TEST(his_batch_is_not_offered)
{
	struct queue q;
	struct message m;
	struct batch batch;
	struct fs_names in_flight;

	open_one(a, &q, &m);
	OK(batch_new(&batch, a, "home", &err));
	OK(batch_pick(&batch, &m, &err));
	message_close(&m);
	outlive(b);
	ck_assert_uint_eq(waiting_on(b), 1);
	ck_assert_int_lt(batch_offer(&batch, &err), 0);
	OK(batch_undo(&batch, &err));
	batch_close(&batch);
	queue_close(&q);
	OK(batch_names(b, "home", &in_flight, &err));
	ck_assert_uint_eq(in_flight.count, 0);
	fs_names_free(&in_flight);
	ck_assert_uint_eq(waiting_on(b), 1);
}
END_TEST

/* As his crash between two steps leaves it: claimed, and committed with the ids not noted. */
START_TEST(what_he_was_settling_is_settled_by_another)
{
	struct str from = {0}, to = {0};

	accept_on(a, "one\r\n", NULL, "S");
	lease_name(a, "S", "", &to);
	ck_assert_int_eq(renameat(a->in, "S", a->in, str_c(&to)), 0);
	ck_assert_uint_eq(settle_on(b), 0);
	outlive(b);
	ck_assert_uint_eq(settle_on(b), 1);
	ck_assert_int_lt(renameat(a->in, str_c(&to), a->in, "S"), 0);
	str_free(&from);
	str_free(&to);
}
END_TEST

START_TEST(what_he_had_committed_counts_before_the_same_comes_again)
{
	struct str folder = {0}, inside = {0}, entry = {0};
	struct str id = {0};

	accept_on(a, "one\r\n", "p-1", "z");
	lease_name(a, "z", ".d", &folder);
	ck_assert_int_eq(mkdirat(a->in, str_c(&folder), 0750), 0);
	str_printf(&inside, "%s/z", str_c(&folder));
	spool_new_id(&id);
	str_printf(&entry, "%s/home=N=%s", str_c(&folder), str_c(&id));
	ck_assert_int_eq(linkat(a->in, "z", a->in, str_c(&entry), 0), 0);
	ck_assert_int_eq(renameat(a->in, "z", a->in, str_c(&inside)), 0);
	outlive(b);
	accept_on(b, "one\r\n", "p-1", "a");	/* sorted before z=TOKEN.d */
	settle_on(b);
	ck_assert_uint_eq(waiting_on(b), 1);
	str_free(&folder);
	str_free(&inside);
	str_free(&entry);
	str_free(&id);
}
END_TEST

START_TEST(he_lives_on_as_another)
{
	char *was;

	OK(lease_begin(a, &err));
	was = mem_text(lease_token(a));
	outlive(b);
	ck_assert_int_lt(lease_alive(a, &err), 0);
	accept_on(a, "one\r\n", NULL, NULL);
	ck_assert_str_ne(lease_token(a), was);
	ck_assert_uint_eq(settle_on(a), 1);
	ck_assert_uint_eq(waiting_on(a), 1);
	free(was);
}
END_TEST

/* the rest */

START_TEST(what_each_host_has_noted_all_have_seen)
{
	char text[20];

	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof text, "id-%d", i);
		struct span id = span_of(text);
		if (i == 60)
			pass(86400);
		struct spool *x = &host[i % HOSTS];
		OK(seen_note(x, "hub", &id, 1, &err));
	}
	for (int i = 0; i < 101; i++) {
		snprintf(text, sizeof text, "id-%d", i);
		ck_assert_int_eq(seen_has(b, "hub", span_of(text), &err), i < 100);
	}
	struct fs_names files;
	OK(fs_names(a->seen, "hub", &files, &err));
	ck_assert_uint_lt(files.count, 45);
	fs_names_free(&files);
}
END_TEST

START_TEST(nothing_is_left_of_who_ends)
{
	struct fs_names files;

	accept_on(a, "one\r\n", NULL, NULL);
	ck_assert_uint_eq(settle_on(a), 1);
	spool_close(a);
	OK(fs_names(lease_tmp(b), ".", &files, &err));
	ck_assert_uint_eq(files.count, 0);
	fs_names_free(&files);
	settings_free(&settings[0]);
	open_host(&settings[0], a, "a", "yes");
}
END_TEST

START_TEST(what_was_shared_is_understood_when_it_is_not_any_more)
{
	struct journal j = { .spool = a };
	struct arrival arrival;
	struct queue q;
	struct message m;
	struct str to = {0};
	struct settings set;
	struct spool one;

	open_one(a, &q, &m);
	ck_assert(message_still_there(&m));
	accept_on(a, "two\r\n", NULL, "S");
	lease_name(a, "S", "", &to);
	ck_assert_int_eq(renameat(a->in, "S", a->in, str_c(&to)), 0);
	arrival_join(&arrival, &j);
	begin_message(&arrival, "three\r\n", NULL);
	ck_assert_int_eq(arrival_post(&arrival, &err), 1);
	OK(journal_sync(&j, &err));
	open_host(&set, &one, "one", "no");
	ck_assert_uint_eq(settle_on(&one), 2);
	ck_assert_uint_eq(waiting_on(&one), 3);
	spool_close(&one);
	settings_free(&set);
	str_free(&to);
	arrival_close(&arrival);
	message_close(&m);
	queue_close(&q);
	journal_close(&j);
}
END_TEST

START_TEST(the_hosts_are_known)
{
	struct hosts hosts;

	OK(hosts_list(b, &hosts, &err));
	ck_assert_uint_eq(hosts.count, 3);
	ck_assert_str_eq(hosts.host[2].node, "c");
	ck_assert(hosts.host[2].shared);
	ck_assert_int_eq(hosts.host[2].said, 1795300000 * CLOCK_SECOND);
	hosts_free(&hosts);
}
END_TEST

UNIT_WITH("lease", setup, teardown,
	{ a_lock_is_held_as_the_scene_says, ROWS(scenes) },
	{ of_several_who_take_it_from_the_dead_one_wins, 5 },
	{ who_ended_on_the_same_host_is_found_at_once, 1 },
	{ a_name_says_whose_it_is, ROWS(names) },
	{ his_journal_promises_nothing_more, 1 },
	{ his_arrival_is_not_taken, 1 },
	{ the_message_he_is_at_is_sent_by_another, 1 },
	{ what_he_would_write_is_not_written, 1 },
	{ his_batch_is_not_offered, 1 },
	{ what_he_was_settling_is_settled_by_another, 1 },
	{ what_he_had_committed_counts_before_the_same_comes_again, 1 },
	{ he_lives_on_as_another, 1 },
	{ what_each_host_has_noted_all_have_seen, 1 },
	{ nothing_is_left_of_who_ends, 1 },
	{ what_was_shared_is_understood_when_it_is_not_any_more, 1 },
	{ the_hosts_are_known, 1 })
