/*
 * spool-soak - the driver and the outside ledger of the soak (soak.h).
 *
 *	spool-soak FOLDER FAULT.SO MESSAGES KILLS FULLS STEPS [SEED]
 *	spool-soak hosts FOLDER FAULT.SO MESSAGES KILLS PAUSES [SEED]
 *	spool-soak sweep FOLDER FAULT.SO FIRST EACH SEEDS [SEED [OP]]	(soak-hosts.c)
 *
 * Until there were so many messages, kills, disk-fulls and steps of the clock by ten years:
 * two workers at a time, one of them to be killed at a random call (fault.so) or at a
 * random moment, or its disk full, or a call failing with EIO.  Then all is brought to its
 * end, and each recipient of what was promised must have had it once, whole, or its sender a
 * report.  Exit 0: so it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/soak-driver.h"

static const char *const addresses[SOAK_RCPTS] = { "bob@home.example", "eve@ship.example", "tom@home.example" };

/* What a message is. */

void
soak_body(unsigned long key, struct str *out)
{
	uint64_t random = soak_mix(key);
	size_t size = random % 16 == 0 ? 60000 + random / 16 % 90000 : 100 + random / 16 % 6000;

	str_printf(out, "X-Key: %lu\r\nSubject: soak\r\n\r\n", key);
	while (out->len < size) {
		random = soak_mix(random);
		str_printf(out, ".%016llx and some words of it\r\n", (unsigned long long)random);
	}
}

unsigned
soak_rcpts(unsigned long key)
{
	return 1 + soak_mix(key ^ 0x7c3) % 7;
}

bool
soak_from_peer(unsigned long key)
{
	return soak_mix(key ^ 0x51) % 3 == 0;
}

/* the ledger */

struct ledger ledger;
struct driver driver;

unsigned long
soak_roll(unsigned long sides)
{
	return soak_mix(driver.random++) % sides;
}

static struct outcome *
outcome(unsigned long key, const char *to)
{
	for (size_t i = 0; i < SOAK_RCPTS && key > 0 && key < ledger.keys; i++)
		if (strcmp(addresses[i], to) == 0)
			return &ledger.line[key].to[i];
	printf("unknown: %lu %s\n", key, to);
	ledger.wrong++;
	return NULL;
}

static void
check_content(unsigned long key, unsigned long size, const char *sha)
{
	struct str body = {0}, hex = {0};
	unsigned char sum[DIGEST_SIZE];

	soak_body(key, &body);
	digest_of(body.p, body.len, sum);
	digest_hex(sum, sizeof sum, &hex);
	if (body.len != size || strcmp(str_c(&hex), sha) != 0) {
		printf("wrong content: %lu\n", key);
		ledger.wrong++;
	}
	str_free(&body);
	str_free(&hex);
}

static void
check_again(const struct outcome *o, unsigned long key, const char *to)
{
	if (o->noted == 0 || o->at <= o->noted)
		return;
	printf("%lu for %s was sent once more, though that it was sent is on disk (%lld us later)\n", key, to, o->at - o->noted);
	ledger.again++;
}

static void
note_sent(const struct worker *worker, long long at, const char *id, unsigned long key, const char *to,
    unsigned long size, const char *sha)
{
	struct outcome *o = outcome(key, to);

	if (o == NULL)
		return;
	check_content(key, size, sha);
	/* What it was at when it stopped has been done by others, and it was to see that. */
	if (worker->late && o->sent > 0 && o->when > worker->stopped_at) {
		printf("%lu for %s was sent once more by one who had stood still\n", key, to);
		ledger.late++;
	}
	o->at = at > o->at ? at : o->at;
	check_again(o, key, to);
	o->when = ++ledger.lines;
	if (strcmp(o->id, id) == 0)
		return;		/* the far end has that one, and drops it */
	if (o->sent++ > 0)
		printf("%lu for %s came as %s and as %s\n", key, to, o->id, id);
	snprintf(o->id, sizeof o->id, "%s", id);
}

static void
note_noted(struct outcome *o, long long at, unsigned long key, const char *to)
{
	o->noted = at;
	check_again(o, key, to);
}

/* One line of a worker. */
static void
note(struct worker *worker, char *text)
{
	char id[64], to[64], sha[80], place[16];
	unsigned long key, size;
	long long at;
	struct outcome *o;

	if (strcmp(text, "op") == 0)
		worker->late = false;		/* the next thing: it knows better now */
	else if (sscanf(text, "250 %lu", &key) == 1 && key < ledger.keys) {
		ledger.promised += !ledger.line[key].promised;
		ledger.line[key].promised = true;
	}
	else if (sscanf(text, "451 %lu", &key) == 1 && key < ledger.keys)
		ledger.line[key].refused = !worker->late;
	else if (sscanf(text, "noted %lld %lu %63s", &at, &key, to) == 3 && (o = outcome(key, to)) != NULL)
		note_noted(o, at, key, to);
	else if (sscanf(text, "sent %lld %63s %lu %63s %lu %79s", &at, id, &key, to, &size, sha) == 6)
		note_sent(worker, at, id, key, to, size, sha);
	else if (sscanf(text, "report %lu %63s", &key, to) == 2 && (o = outcome(key, to)) != NULL)
		o->reports++;
	else if (sscanf(text, "left %15s %lu %63s", place, &key, to) == 3 && (o = outcome(key, to)) != NULL)
		o->left++;
	else if (strncmp(text, "report", 6) != 0 && strncmp(text, "left", 4) != 0) {
		printf("%s\n", text);
		ledger.wrong++;
	}
}

static void
check_outcome(unsigned long key, const struct line *line, size_t i)
{
	const struct outcome *o = &line->to[i];
	unsigned total = o->sent + o->reports + o->left;

	if (line->promised && total == 0) {
		printf("LOST %lu for %s\n", key, addresses[i]);
		ledger.lost++;
	} else if (total > 1) {
		printf("DOUBLED %lu for %s: sent %u, reports %u, left %u\n", key, addresses[i],
		    o->sent, o->reports, o->left);
		ledger.doubled++;
	} else if (line->refused && !line->promised && total > 0 && !soak_from_peer(key)) {
		printf("REFUSED and yet there: %lu for %s\n", key, addresses[i]);
		ledger.ghosts++;
	}
}

static bool
check_ledger(void)
{
	unsigned long sent = 0, reports = 0, left = 0;

	for (unsigned long key = 1; key < ledger.keys; key++) {
		const struct line *line = &ledger.line[key];
		for (size_t i = 0; i < SOAK_RCPTS; i++) {
			sent += line->to[i].sent;
			reports += line->to[i].reports;
			left += line->to[i].left;
			if (soak_rcpts(key) & 1u << i)
				check_outcome(key, line, i);
		}
	}
	printf("%lu messages promised; for their recipients: %lu delivered, %lu bounced, %lu left\n"
	    "%lu rounds, %lu kills, %lu pauses, %lu disk-fulls, %lu failed calls, %lu steps of the clock\n"
	    "%lu lost, %lu doubled, %lu refused and yet there, %lu sent late, %lu sent again, "
	    "%lu wrong\n", ledger.promised, sent, reports, left,
	    driver.rounds, driver.kills, driver.pauses, driver.fulls, driver.errors, driver.steps,
	    ledger.lost, ledger.doubled, ledger.ghosts, ledger.late,
	    ledger.again, ledger.wrong);
	return ledger.promised > 0 && ledger.lost + ledger.doubled + ledger.ghosts + ledger.late + ledger.again + ledger.wrong + left == 0;
}

/* workers */

static void
set_fault(const char *what, unsigned long at)
{
	char number[24];

	snprintf(number, sizeof number, "%lu", at);
	setenv("LD_PRELOAD", driver.fault, 1);
	setenv("FAULT", what, 1);
	setenv("FAULT_AT", number, 1);
}

static void
become_worker(const char *const *numbers, const char *node, const char *op, const char *what, unsigned long at)
{
	if (what != NULL)
		set_fault(what, at);
	else if (getenv("FAULT_NOSYNC") != NULL)
		setenv("LD_PRELOAD", driver.fault, 1);
	execl(driver.self, driver.self, "worker", driver.folder, numbers[0], numbers[1], numbers[2],
	    numbers[3], numbers[4], node, op, (char *)NULL);
	_exit(71);
}

void
soak_start(struct worker *worker, unsigned long first, unsigned long end, unsigned long many, int64_t clock,
    const char *node, const char *op, const char *what, unsigned long at)
{
	char text[5][24];
	const char *numbers[5];
	const int64_t value[5] = { (int64_t)(soak_mix(driver.random++) >> 1), (int64_t)first, (int64_t)end,
		(int64_t)many, clock };
	int ends[2];

	for (size_t i = 0; i < 5; i++) {
		snprintf(text[i], sizeof text[i], "%lld", (long long)value[i]);
		numbers[i] = text[i];
	}
	*worker = (struct worker){0};
	fflush(stdout);
	if (pipe(ends) < 0 || (worker->pid = fork()) < 0) {
		perror("spool-soak");
		exit(71);
	}
	if (worker->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		become_worker(numbers, node, op, what, at);
	}
	close(ends[1]);
	worker->said = ends[0];
}

/* What it has said until now, or, while it runs, until it ends. */
void
soak_listen(struct worker *worker)
{
	struct span rest, line;
	ssize_t got;

	fcntl(worker->said, F_SETFL, worker->stopped ? O_NONBLOCK : 0);
	while ((got = read(worker->said, str_room(&worker->text, 4096), 4096)) > 0)
		worker->text.len += (size_t)got;
	rest = str_span(&worker->text);
	while (memchr(rest.p, '\n', rest.len) != NULL && span_cut(&rest, '\n', &line)) {
		char *text = mem_text_n(line.p, line.len);
		note(worker, text);
		free(text);
	}
	str_cut(&worker->text, worker->text.len - rest.len);
}

/* Reads what it says to the end, and counts how it ended. */
void
soak_finish(struct worker *worker)
{
	soak_listen(worker);
	close(worker->said);
	str_free(&worker->text);
	if (!worker->ended)
		waitpid(worker->pid, &worker->status, 0);
	int status = worker->status;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
		driver.kills++;
	} else if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 70)) {
		printf("a worker ended with %d\n", status);
		ledger.wrong++;
	}
}

/* Ten years forward, ten back, or right. */
static int64_t
clock_of_round(void)
{
	static int64_t now;
	const int64_t decade = INT64_C(10) * 365 * 86400;

	if (soak_roll(5) == 0) {
		now = ((int64_t)soak_roll(3) - 1) * decade;
		driver.steps++;
	}
	return now;
}

static const char *
fault_of_round(void)
{
	unsigned long die = soak_roll(20);

	if (die < 12)
		return "kill";
	if (die < 15) {
		driver.fulls++;
		return "full";
	}
	if (die < 17) {
		driver.errors++;
		return "EIO";
	}
	return NULL;
}

void
soak_more_keys(unsigned long keys)
{
	ledger.line = mem_resize(ledger.line, keys, sizeof *ledger.line);
	memset(ledger.line + ledger.keys, 0, (keys - ledger.keys) * sizeof *ledger.line);
	ledger.keys = keys;
}

static void
round_of_two(void)
{
	enum { EACH = 12, OPS = 16 };
	static unsigned long next = 1;
	struct worker worker[2];
	int64_t clock = clock_of_round();

	for (size_t i = 0; i < 2; i++) {
		const char *fault = i == 0 ? fault_of_round() : NULL;
		soak_more_keys(next + EACH);
		soak_start(&worker[i], next, next + EACH, 1 + soak_roll(OPS), clock, "", "", fault, 10 + soak_roll(150));
		next += EACH;
	}
	if (soak_roll(2) == 0) {	/* whatever it is doing just then */
		const struct timespec moment = { .tv_nsec = 1000000 + (long)soak_roll(40000000) };
		nanosleep(&moment, NULL);
		kill(worker[1].pid, SIGKILL);
	}
	soak_finish(&worker[0]);
	soak_finish(&worker[1]);
	driver.rounds++;
}

static void
run(unsigned long messages, unsigned long kills, unsigned long fulls, unsigned long steps)
{
	struct worker last;

	while (ledger.promised < messages || driver.kills < kills || driver.fulls < fulls ||
	    driver.steps < steps) {
		round_of_two();
		if (driver.rounds % 100 == 0 && isatty(STDERR_FILENO))
			fprintf(stderr, "%lu messages, %lu kills\r", ledger.promised, driver.kills);
	}
	soak_start(&last, 1, 1, 0, 0, "", "", NULL, 0);
	soak_finish(&last);
}

int
main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "worker") == 0)
		return soak_worker(argc - 2, argv + 2);
	if (argc < 7) {
		fprintf(stderr, "usage: spool-soak FOLDER FAULT.SO MESSAGES KILLS FULLS STEPS [SEED]\n"
		    "       spool-soak hosts FOLDER FAULT.SO MESSAGES KILLS PAUSES [SEED]\n"
		    "       spool-soak sweep FOLDER FAULT.SO FIRST EACH SEEDS [SEED [OP]]\n");
		return 64;
	}
	bool hosts = strcmp(argv[1], "hosts") == 0;
	bool sweep = strcmp(argv[1], "sweep") == 0;
	driver.self = argv[0];
	driver.folder = argv[hosts || sweep ? 2 : 1];
	driver.fault = argv[hosts || sweep ? 3 : 2];
	uint64_t seed = argc > 7 ? strtoull(argv[7], NULL, 10) : (uint64_t)time(NULL);
	driver.random = soak_mix(seed);
	printf("seed %llu\n", (unsigned long long)seed);
	if (sweep)
		soak_sweep(argc > 8 ? argv[8] : "all", strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10),
		    strtoul(argv[6], NULL, 10));
	else if (hosts)
		soak_hosts(strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10), strtoul(argv[6], NULL, 10));
	else
		run(strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), strtoul(argv[5], NULL, 10),
		    strtoul(argv[6], NULL, 10));
	bool good = check_ledger();
	free(ledger.line);
	return good ? 0 : 1;
}
