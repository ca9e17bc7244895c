/* Many messages, one sync: who waits for it, what the loop does meanwhile, and what a disk that
 * fails says to whom. */
#include "relay/acceptor.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "tests/unit/looping.h"
#include "tests/unit/scratch.h"
#include "tests/unit/unit.h"

/* The disk: each sync takes until somebody lets it go on. */
static sem_t disk;
static atomic_int syncs, failing;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int
__wrap_fdatasync(int fd)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 60;
	while (sem_timedwait(&disk, &until) < 0 && errno == EINTR)
		;
	syncs++;
	if (failing-- > 0) {
		errno = EIO;
		return -1;
	}
	return __real_fdatasync(fd);
}

/* Somebody settles between the making of a file and the lock on it. */
static bool settles;
static struct scratch scratch;
static size_t settled(void);

int __real_flock(int fd, int what);
int __wrap_flock(int fd, int what);

int
__wrap_flock(int fd, int what)
{
	if (settles) {
		settles = false;
		settled();
	}
	return __real_flock(fd, what);
}

static const char *const said[] = { "spool.site=hub", "spool.host=hub.example", "routes.home.example=site:home" };
static struct loop loop;
static struct acceptor acceptor;
static struct err err;

struct client {
	struct waiter waiter;
	bool answered, accepted;
};

static void
on_answer(struct waiter *waiter, const struct err *trouble)
{
	struct client *client = (struct client *)((char *)waiter - offsetof(struct client, waiter));

	client->answered = true;
	client->accepted = trouble == NULL;
}

static void
setup(void)
{
	scratch_open(&scratch, said, ROWS(said));
	sem_init(&disk, 0, 0);
	syncs = failing = 0;
	ck_assert_int_eq(loop_start(&loop, &err), 0);
	acceptor_start(&acceptor, &loop, &scratch.spool);
}

static void
teardown(void)
{
	acceptor_close(&acceptor);
	loop_free(&loop);
	scratch_close(&scratch);
}

static void
let_go_on(int times)
{
	while (times-- > 0)
		sem_post(&disk);
}

static void
put_in(struct client *client)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};

	*client = (struct client){ .waiter.answer = on_answer };
	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@home.example"), SPAN(""));
	arrival_join(&a, &acceptor.journal);
	ck_assert_int_eq(arrival_begin(&a, &info, &env, &err), 0);
	ck_assert_int_eq(arrival_body(&a, "\r\nHello.\r\n", 10, &err), 0);
	ck_assert_int_eq(arrival_end(&a, &err), 0);
	ck_assert_int_eq(arrival_post(&a, &err), 1);
	arrival_close(&a);
	envelope_free(&env);
}

static void
post(struct client *client, bool more, bool beside)
{
	put_in(client);
	acceptor_wait(&acceptor, &client->waiter, more, beside);
}

static size_t
settled(void)
{
	struct settled settled;

	ck_assert_int_eq(spool_settle(&scratch.spool, &settled, &err), 0);
	return settled.messages;
}

/* Runs the loop in steps until all of them are answered. */
static void
until_answered(struct client *client, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (int n = 0; n < 6000 && !client[i].answered; n++)
			looping(&loop, 10);
	for (size_t i = 0; i < count; i++)
		ck_assert(client[i].answered);
}

START_TEST(the_loop_goes_on_while_a_thread_waits_for_the_disk)
{
	struct client client;

	post(&client, _i == 0, _i == 1);
	looping(&loop, 50);	/* which ends: nobody holds it up */
	ck_assert(!client.answered);
	let_go_on(1);
	until_answered(&client, 1);
	ck_assert(client.accepted);
	ck_assert_int_eq(syncs, 1);
}
END_TEST

START_TEST(who_posts_meanwhile_shares_the_next_sync)
{
	struct client client[4];

	post(&client[0], true, false);
	looping(&loop, 50);
	for (int i = 1; i < 4; i++)
		post(&client[i], true, false);
	looping(&loop, 50);
	let_go_on(1);
	until_answered(client, 1);
	ck_assert(!client[1].answered);
	let_go_on(1);
	until_answered(client, 4);
	ck_assert_int_eq(syncs, 2);
	ck_assert_int_eq(acceptor_hand_over(&acceptor, &err), 0);
	ck_assert_uint_eq(settled(), 4);
}
END_TEST

START_TEST(of_a_sync_that_fails_only_its_own_hear)
{
	struct client client[3];

	failing = 1;
	post(&client[0], true, false);
	looping(&loop, 50);
	post(&client[1], true, false);
	post(&client[2], true, false);
	let_go_on(2);
	until_answered(client, 3);
	ck_assert(!client[0].accepted);
	ck_assert(client[1].accepted && client[2].accepted);
	ck_assert_int_eq(acceptor_hand_over(&acceptor, &err), 0);
	ck_assert_uint_eq(settled(), 2);
}
END_TEST

START_TEST(all_that_was_posted_is_handed_over)
{
	struct client client[2];

	post(&client[0], true, false);
	looping(&loop, 50);
	post(&client[1], true, false);
	let_go_on(2);
	ck_assert_int_eq(acceptor_hand_over(&acceptor, &err), 0);
	ck_assert(client[0].accepted && client[1].accepted);
	ck_assert_uint_eq(settled(), 2);
	looping(&loop, 50);	/* what the thread has told meanwhile is old news */
}
END_TEST

START_TEST(a_client_that_left_leaves_its_message)
{
	struct client client[2];

	post(&client[0], true, false);
	looping(&loop, 50);
	post(&client[1], true, false);
	acceptor_leave(&client[0].waiter);
	acceptor_leave(&client[1].waiter);
	let_go_on(2);
	ck_assert_int_eq(acceptor_hand_over(&acceptor, &err), 0);
	ck_assert(!client[0].answered && !client[1].answered);
	ck_assert_uint_eq(settled(), 2);
}
END_TEST

START_TEST(who_is_alone_waits_for_the_disk_himself)
{
	struct client client[2];

	let_go_on(1);
	put_in(&client[0]);
	ck_assert_int_eq(acceptor_at_once(&acceptor, &err), 0);
	ck_assert_int_eq(syncs, 1);
	failing = 1;
	let_go_on(1);
	put_in(&client[0]);
	ck_assert_int_eq(acceptor_at_once(&acceptor, &err), -1);
	post(&client[0], true, false);
	put_in(&client[1]);
	ck_assert_int_eq(acceptor_at_once(&acceptor, &err), 1);
	looping(&loop, 50);
	ck_assert_int_eq(acceptor_at_once(&acceptor, &err), 1);
	let_go_on(1);
	until_answered(&client[0], 1);
	ck_assert_int_eq(syncs, 3);
}
END_TEST

static const struct {
	int64_t took, patience;
} disks[] = { { 0, 0 }, { 150, 0 }, { 1500, 0 }, { 2000, 500 }, { 10000, 2500 }, { 1000000, 5000 } };

/* A loop waits for a millisecond at least, which is longer than some disks take. */
START_TEST(others_are_waited_for_as_the_disk_is_slow)
{
	struct client client;

	acceptor.took = disks[_i].took;
	post(&client, true, false);
	ck_assert_int_eq(acceptor.patience, disks[_i].patience);
	let_go_on(1);
	until_answered(&client, 1);
	post(&client, false, true);	/* nobody else is about to */
	ck_assert_int_eq(acceptor.patience, 0);
	let_go_on(1);
	until_answered(&client, 1);
}
END_TEST

/* Who settles finds an empty file that nobody has locked yet. */
START_TEST(a_file_that_is_taken_for_a_dead_writers_is_made_anew)
{
	struct client client;

	let_go_on(1);
	put_in(&client);
	settles = true;
	ck_assert_int_eq(acceptor_at_once(&acceptor, &err), 0);
	ck_assert(!settles);
	ck_assert_int_eq(acceptor_hand_over(&acceptor, &err), 0);
	ck_assert_uint_eq(settled(), 1);
}
END_TEST

START_TEST(the_end_waits_for_what_was_begun)
{
	struct client client;

	post(&client, true, false);
	looping(&loop, 50);
	acceptor_leave(&client.waiter);
	let_go_on(1);
	acceptor_close(&acceptor);
	ck_assert_int_eq(syncs, 1);
	ck_assert_uint_eq(settled(), 1);
}
END_TEST

UNIT_WITH("acceptor", setup, teardown,
	{ the_loop_goes_on_while_a_thread_waits_for_the_disk, 2 },
	{ who_posts_meanwhile_shares_the_next_sync, 1 },
	{ of_a_sync_that_fails_only_its_own_hear, 1 },
	{ all_that_was_posted_is_handed_over, 1 },
	{ a_client_that_left_leaves_its_message, 1 },
	{ who_is_alone_waits_for_the_disk_himself, 1 },
	{ others_are_waited_for_as_the_disk_is_slow, ROWS(disks) },
	{ a_file_that_is_taken_for_a_dead_writers_is_made_anew, 1 },
	{ the_end_waits_for_what_was_begun, 1 })
