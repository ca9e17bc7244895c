/*
 * spool - what scripts/bench-spool measures, one case a run.
 *
 *	spool ROOT loop ROUNDS PEERS MANY SIZE		the reference against itself
 *	spool ROOT accept ROUNDS PEERS MANY SIZE WRITERS	by the journal, WRITERS messages a sync
 *	spool ROOT drain ROUNDS PEERS SECONDS SIZE WRITERS	accept, settle and finish, till all is gone
 *	spool ROOT fair ROUNDS SECONDS SIZE	two processes accept at once, each for itself
 *	spool ROOT fill MANY SITES	so many waiting (not synced: only to be counted)
 *	spool ROOT claim SITE		open the queue, take the first
 *	spool ROOT run PROGRAM ARG...	another program, its output thrown away
 *
 * The first three are measured against the reference: write a file, fsync, rename, fsync the
 * folder.  In each round PEERS messages of SIZE bytes go that way and MANY (or what SECONDS
 * bring) go ours, in turn in one process, so that whatever else the machine does meets both;
 * what either leaves for the disk to do counts as its own.  A line a round: "OURS PEER SYNCS",
 * messages a second, and syncs of ours for each message (0 without flush.so).  fair prints
 * "LESS MORE" a round, messages a second of either.  The others print "SECONDS KIB", the
 * largest resident memory.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/journal.h"
#include "spool/queue.h"

enum { PIECE = 16 << 10 };

static struct spool spool;
static struct settings settings;
static struct err err;
static char *text;		/* a body */
static size_t size;

static void
check(int result)
{
	if (result >= 0)
		return;
	fprintf(stderr, "bench: %s\n", err.text);
	exit(err_exit(&err));
}

static void
make_text(const char *number)
{
	size = strtoul(number, NULL, 10);
	text = mem_get(size);
	for (size_t i = 0; i < size; i++)
		text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : (char)('a' + (i * 7 + i / 64) % 26);
	if (size >= 2)
		memcpy(text + size - 2, "\r\n", 2);
}

static void
add_message(struct arrival *a)
{
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@home.example"), SPAN(""));
	str_set(&info.from, "smtp");
	check(arrival_begin(a, &info, &env, &err));
	for (size_t at = 0; at < size; at += PIECE)	/* as the net brings it */
		check(arrival_body(a, text + at, size - at < PIECE ? size - at : PIECE, &err));
	check(arrival_end(a, &err));
	envelope_free(&env);
	entry_info_free(&info);
}

/* One message of each writer, and the sync for all of them. */
static void
accept_group(struct journal *j, size_t many)
{
	for (size_t i = 0; i < many; i++) {
		struct arrival a;
		arrival_join(&a, j);
		add_message(&a);
		check(arrival_post(&a, &err));
		arrival_close(&a);
	}
	check(journal_sync(j, &err));
}

/* the reference */

static void
loop_one(void)
{
	static size_t number;
	char name[32];

	snprintf(name, sizeof name, "loop-%zu", ++number);
	int fd = fs_create(spool.tmp, name, 0640, &err);
	check(fd);
	check(fs_write(fd, text, size, &err));
	check(fs_sync(fd, &err));
	close(fd);
	check(fs_rename(spool.tmp, name, spool.failed, name, &err));
	check(fs_sync(spool.failed, &err));
}

static size_t
slice_loop(size_t many)
{
	for (size_t i = 0; i < many; i++)
		loop_one();
	return many;
}

/* ours */

static struct journal journal = { .spool = &spool };
static size_t writers;

static size_t
slice_accept(size_t many)
{
	for (size_t i = 0; i < many; i += writers) {
		accept_group(&journal, writers);
		if (journal_due(&journal, false))
			check(journal_turn(&journal, &err));
	}
	return many;
}

static size_t
settle_and_finish(void)
{
	struct settled settled;
	struct queue q;
	struct message m;
	size_t done = 0;

	check(journal_turn(&journal, &err));
	check(spool_settle(&spool, &settled, &err));
	check(queue_open(&q, &spool, "home", true, &err));
	while (queue_next(&q, &m, &err) > 0) {
		message_rcpt(&m, 0, RCPT_DONE, "250 2.0.0 ok");
		check(message_settle(&m, &err));
		message_close(&m);
		done++;
	}
	check(queue_sync(&q, &err));
	queue_close(&q);
	return done;
}

static size_t
slice_drain(size_t seconds)
{
	int64_t until = clock_mono() + (int64_t)seconds * CLOCK_SECOND;
	size_t done = 0;

	while (clock_mono() < until) {
		accept_group(&journal, writers);
		if (journal_due(&journal, false))
			done += settle_and_finish();
	}
	return done + settle_and_finish();
}

/* both in turn */

typedef size_t (*slice)(size_t amount);

static unsigned long
syncs_so_far(void)
{
	static unsigned long (*flush_count)(void);
	static bool asked;

	if (!asked)
		*(void **)&flush_count = dlsym(RTLD_DEFAULT, "flush_count");
	asked = true;
	return flush_count != NULL ? flush_count() : 0;
}

static double
rate(slice run, size_t amount, double *syncs)
{
	unsigned long before = syncs_so_far();
	int64_t began = clock_mono();
	double done = (double)run(amount);

	*syncs = (double)(syncs_so_far() - before) / done;
	if (syncfs(spool.dir) < 0)
		check(err_sys(&err, "syncfs"));
	return done / ((double)(clock_mono() - began) / CLOCK_SECOND);
}

static void
in_turn(char **args, slice ours)
{
	size_t rounds = strtoul(args[0], NULL, 10), peers = strtoul(args[1], NULL, 10);
	size_t amount = strtoul(args[2], NULL, 10);
	double syncs;

	make_text(args[3]);
	for (size_t i = 0; i < rounds; i++) {
		double peer = rate(slice_loop, peers, &syncs), our = rate(ours, amount, &syncs);
		printf("%.1f %.1f %.4f\n", our, peer, syncs);
	}
	journal_close(&journal);
}

static void
bench_loop(char **args)
{
	in_turn(args, slice_loop);
}

static void
bench_accept(char **args)
{
	writers = strtoul(args[4], NULL, 10);
	in_turn(args, slice_accept);
}

static void
bench_drain(char **args)
{
	writers = strtoul(args[4], NULL, 10);
	in_turn(args, slice_drain);
}

/* two writers */

/* Messages a second, told on a pipe. */
static void
write_for(int64_t seconds, int told)
{
	int64_t began = clock_mono(), until = began + seconds * CLOCK_SECOND;
	size_t done = 0;

	while (clock_mono() < until)
		done += slice_accept(1);
	double each = (double)done / ((double)(clock_mono() - began) / CLOCK_SECOND);
	journal_close(&journal);
	if (write(told, &each, sizeof each) != sizeof each)
		_exit(71);
	_exit(0);
}

static void
bench_fair(char **args)
{
	size_t rounds = strtoul(args[0], NULL, 10);
	int64_t seconds = strtol(args[1], NULL, 10);
	int told[2];

	make_text(args[2]);
	writers = 1;
	for (size_t i = 0; i < rounds; i++) {
		double a, b;
		if (pipe(told) < 0)
			check(err_sys(&err, "pipe"));
		fflush(stdout);
		for (int j = 0; j < 2; j++)
			if (fork() == 0)
				write_for(seconds, told[1]);
		close(told[1]);
		if (read(told[0], &a, sizeof a) != sizeof a || read(told[0], &b, sizeof b) != sizeof b)
			exit(70);
		close(told[0]);
		while (wait(NULL) > 0)
			;
		printf("%.1f %.1f\n", a < b ? a : b, a < b ? b : a);
	}
}

/* a long queue */

static void
bench_fill(char **args)
{
	size_t many = strtoul(args[0], NULL, 10), sites = strtoul(args[1], NULL, 10), each = many / sites;
	struct entry_info info = { .grade = 'N', .time = clock_now() };
	struct envelope env = {0};
	unsigned char sum[DIGEST_SIZE];

	make_text("300");
	digest_of(text, size, sum);
	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@home.example"), SPAN(""));
	str_set(&info.from, "smtp");
	for (size_t site = 0; site < sites; site++) {
		struct str path = {0}, head = {0};
		str_printf(&path, "%s/spool/out/site-%zu", settings.root, site);
		mkdir(str_c(&path), 0750);
		for (size_t i = 0; i < each; i++) {
			if (i % 1000 == 0) {
				str_clear(&path);
				str_printf(&path, "%s/spool/out/site-%zu/N-20260101T0000%02zu.000000-here",
				    settings.root, site, i / 1000);
				mkdir(str_c(&path), 0750);
			}
			str_clear(&info.id);
			spool_new_id(&info.id);
			str_clear(&head);
			entry_head(&info, &env, size, &head);
			size_t len = head.len;
			str_add(&head, text, size);
			entry_end_line((struct span){ head.p, len }, sum, &head);
			int dir = fs_dir(AT_FDCWD, str_c(&path), &err);
			check(dir);
			int fd = fs_create(dir, str_c(&info.id), 0640, &err);
			check(fd);
			check(fs_write(fd, head.p, head.len, &err));
			close(fd);
			close(dir);
		}
		str_free(&path);
		str_free(&head);
	}
}

static void
bench_claim(char **args)
{
	struct queue q;
	struct message m;

	check(queue_open(&q, &spool, args[0], false, &err));
	int got = queue_next(&q, &m, &err);
	check(got);
	if (got > 0)
		message_close(&m);
	queue_close(&q);
}

static void
bench_run(char **args)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(null, STDOUT_FILENO);
		execv(args[0], args);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0) {
		fprintf(stderr, "bench: %s failed\n", args[0]);
		exit(70);
	}
}

static const struct bench {
	const char *name;
	int args;
	void (*run)(char **args);
	bool rounds;		/* it prints its own figures */
	int whose;		/* memory */
} benches[] = {
	{ "loop", 4, bench_loop, true, 0 },
	{ "accept", 5, bench_accept, true, 0 },
	{ "drain", 5, bench_drain, true, 0 },
	{ "fair", 3, bench_fair, true, 0 },
	{ "fill", 2, bench_fill, false, RUSAGE_SELF },
	{ "claim", 1, bench_claim, false, RUSAGE_SELF },
	{ "run", 1, bench_run, false, RUSAGE_CHILDREN },
};

static void
measure(const struct bench *bench, char **args)
{
	struct rusage usage;
	int64_t began = clock_mono();

	bench->run(args);
	double seconds = (double)(clock_mono() - began) / CLOCK_SECOND;
	if (bench->rounds)
		return;
	getrusage(bench->whose, &usage);
	printf("%.4f %ld\n", seconds, usage.ru_maxrss);
}

int
main(int argc, char **argv)
{
	static const char *said[] = { "spool.host=here.example", "spool.site=here", "spool.min-free=0",
		"routes.home.example=site:home" };
	struct settings_args args = { .root = argc > 1 ? argv[1] : NULL,
		.set = { said, sizeof said / sizeof said[0] } };

	check(log_open("bench", "none", LOG_LEVEL_ERROR, &err));
	if (argc < 3)
		return 64;
	check(settings_load(&settings, &args, &err));
	check(spool_open(&spool, &settings, true, &err));
	for (size_t i = 0; i < sizeof benches / sizeof benches[0]; i++)
		if (strcmp(benches[i].name, argv[2]) == 0 && argc >= 3 + benches[i].args) {
			measure(&benches[i], argv + 3);
			return 0;
		}
	return 64;
}
