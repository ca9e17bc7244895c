/*
 * The soak with three hosts on one spool.
 *
 * soak_hosts: three workers at a time, each of another host.  Some are killed, and some are
 * stopped before a random call; while they stand still the clock of the others goes on by
 * several leases a round.  Then they go on, or are killed as they stand.
 *
 * soak_sweep: each thing (op), or "all", that a worker does is stopped before each of its calls.  Another host
 * takes it for dead and brings all to its end; then it goes on.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/soak-driver.h"

enum { HOSTS = 3, STANDING_MAX = 16, LEASES = 5, EACH = 12, TRIES = 3 };
static const char *const nodes[HOSTS] = { "a", "b", "c" };
static struct worker standing[STANDING_MAX];
static size_t standings;
static int64_t now;		/* seconds by which the hosts' clocks are ahead of ours */
static unsigned long next = 1;	/* key */

/* It has ended: false; or it stands still. */
static bool
stands_still(struct worker *worker)
{
	waitpid(worker->pid, &worker->status, WUNTRACED);
	worker->ended = !WIFSTOPPED(worker->status);
	if (worker->ended)
		return false;
	driver.pauses++;
	worker->stopped = true;
	soak_listen(worker);
	worker->stopped_at = ledger.lines;
	return true;
}

static void
let_go_on(struct worker *worker, int signal)
{
	worker->stopped = false;
	worker->late = true;
	kill(worker->pid, signal);
}

static void
begin(struct worker *worker, unsigned long many, const char *node, const char *op, const char *fault,
    unsigned long at)
{
	soak_more_keys(next + EACH);
	soak_start(worker, next, next + EACH, many, now, node, op, fault, at);
	fcntl(worker->said, F_SETPIPE_SZ, 1 << 20);	/* it is read when it has ended */
	next += EACH;
}

static void
start_hosts(struct worker *worker)
{
	enum { OPS = 16 };

	for (size_t i = 0; i < HOSTS; i++) {
		unsigned long fate = soak_roll(10);
		begin(&worker[i], 1 + soak_roll(OPS), nodes[i], "",
		    fate < 2 ? "kill" : fate < 6 && standings < STANDING_MAX / 2 ? "stop" : NULL, 1 + soak_roll(300));
	}
}

static size_t
wake_some(struct worker *awake)
{
	size_t woken = 0, still = 0;

	for (size_t i = 0; i < standings; i++) {
		if (standing[i].rounds-- > 0) {
			standing[still++] = standing[i];
			continue;
		}
		let_go_on(&standing[i], soak_roll(4) == 0 ? SIGKILL : SIGCONT);
		awake[woken++] = standing[i];
	}
	standings = still;
	return woken;
}

static void
round_of_hosts(void)
{
	struct worker worker[HOSTS], awake[STANDING_MAX];

	now += LEASES;
	size_t woken = wake_some(awake);
	start_hosts(worker);
	for (size_t i = 0; i < HOSTS; i++) {
		worker[i].rounds = (unsigned)soak_roll(4);
		if (stands_still(&worker[i]))
			standing[standings++] = worker[i];
		else
			soak_finish(&worker[i]);
	}
	for (size_t i = 0; i < woken; i++)
		soak_finish(&awake[i]);
	driver.rounds++;
}

/* What a host does that has seen for a lease what others left. */
static void
do_the_rest(const char *node, unsigned long what)
{
	struct worker worker;

	now += LEASES;
	soak_start(&worker, 1, next, what, now, node, "", NULL, 0);
	soak_finish(&worker);
}

void
soak_hosts(unsigned long messages, unsigned long kills, unsigned long pauses)
{
	while (ledger.promised < messages || driver.kills < kills || driver.pauses < pauses)
		round_of_hosts();
	for (size_t i = 0; i < standings; i++) {
		let_go_on(&standing[i], SIGCONT);
		soak_finish(&standing[i]);
	}
	do_the_rest("a", SOAK_DRAIN);
	do_the_rest("a", SOAK_DRAIN);
	do_the_rest("a", 0);
}

/* the sweep */

static const struct sweep {
	const char *op, *before[8];	/* what is done first, so that there is something to do */
	bool again;			/* the peer brings its last batch once more */
} sweeps[] = {
	{ "accept", {0}, false },
	{ "journal", {0}, false },
	{ "receive", {0}, true },
	{ "settle", { "accept", "journal", "receive" }, true },
	{ "finish", { "accept", "journal", "receive", "settle" }, false },
	{ "pack", { "accept", "journal", "receive", "settle" }, false },
	{ "ack", { "accept", "journal", "receive", "settle", "pack", "pack", "pack" }, false },
};

static void
prepare(const struct sweep *sweep)
{
	struct worker worker;

	for (size_t i = 0; sweep->before[i] != NULL; i++) {
		begin(&worker, 1, "c", sweep->before[i], NULL, 0);
		soak_finish(&worker);
	}
}

static void
again(unsigned long first)
{
	struct worker worker;

	soak_start(&worker, first, next, 1, now, "b", "again", NULL, 0);
	soak_finish(&worker);
}

/* The other host takes it for dead, and does all there is, or leaves some half done. */
static void
go_on_with_it(bool all)
{
	static const char *const some[] = { "settle", "finish", "finish", "pack", "finish" };
	struct worker worker;

	if (all) {
		do_the_rest("b", SOAK_DRAIN);
		return;
	}
	now += LEASES;
	for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
		begin(&worker, 1, "b", some[i], NULL, 0);
		soak_finish(&worker);
	}
}

/* false: it ended before that call */
static bool
sweep_one(const struct sweep *sweep, unsigned long at, uint64_t seed)
{
	struct worker worker;
	uint64_t random = driver.random;

	prepare(sweep);
	unsigned long first = next;
	driver.random = seed;
	begin(&worker, 1, "a", sweep->op, "stop", at);
	driver.random = random;
	bool stopped = stands_still(&worker);
	if (stopped) {
		if (sweep->again)
			again(first);
		do_the_rest("b", SOAK_LOOK);
		go_on_with_it(seed % 2 == 0);
		let_go_on(&worker, SIGCONT);
	}
	soak_finish(&worker);
	if (sweep->again)
		again(first);
	do_the_rest("c", SOAK_DRAIN);
	return stopped;
}

void
soak_sweep(const char *op, unsigned long first, unsigned long each, unsigned long seeds)
{
	for (size_t i = 0; i < sizeof sweeps / sizeof sweeps[0]; i++) {
		unsigned long most = 0;
		if (strcmp(op, "all") != 0 && strcmp(op, sweeps[i].op) != 0)
			continue;
		for (unsigned long seed = 1; seed <= seeds; seed++) {
			unsigned ended = 0;	/* now and then there was little to do */
			for (unsigned long at = first; ended < TRIES; at += each) {
				bool stopped = sweep_one(&sweeps[i], at, seed);
				ended = stopped ? 0 : ended + 1;
				most = stopped && at > most ? at : most;
			}
		}
		printf("%s: stopped before up to %lu calls\n", sweeps[i].op, most);
	}
	do_the_rest("a", SOAK_DRAIN);
	do_the_rest("a", SOAK_DRAIN);
	do_the_rest("a", 0);
}
