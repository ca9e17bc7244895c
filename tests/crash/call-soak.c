/*
 * call-soak - calls between two sites, cut and killed at random, against an outside ledger.
 *
 *	call-soak FOLDER CUTTER PROTOCOL MESSAGES CUTS KILLS [SEED]
 *	call-soak ledger ROOT		what lies in a spool: "PLACE KEY whole|wrong", one a line
 *
 * FOLDER holds home/ and hub/, each with its mochila.conf; their programs are on PATH.  Each
 * round gives both sites some mail, packs it, and home calls hub over a line of cutter.c,
 * which is cut, or kills one end, behind a random byte.  So it goes until there were so many
 * cuts and KILLS of each end, and then in good order until nothing is on the way.  Each
 * message that was taken must then be in the other site's queue once, whole.  What a message
 * is follows from its key (odd: from home), and only the disk is asked where it is.
 *
 * "Twice" are bytes of mail that came over the line (data_in of --wire-stats; at an end
 * that was killed, what the other put into it) beyond the size of all there was to move.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "tests/crash/soak.h"

enum { HOME, HUB, SITES };
static const char *const sites[SITES] = { "home", "hub" }, *const to[SITES] = { "ann@home.example", "bob@hub.example" };

/* What a message is. */

static size_t
size_of(unsigned long key)
{
	uint64_t random = soak_mix(key ^ 0xca11), size = soak_mix(random);

	if (random % 20 == 0)
		return 200000 + size % 800000;
	return random % 4 == 0 ? 8000 + size % 52000 : 1000 + size % 7000;
}

/* Nothing in it can be packed, so that bytes on the line are bytes of it. */
static void
letter(unsigned long key, struct str *out)
{
	uint64_t random = soak_mix(key ^ 0x1e77e2);
	size_t end = out->len + size_of(key);

	str_printf(out, "X-Key: %lu\r\nSubject: soak\r\n\r\n", key);
	while (out->len < end) {
		for (int i = 0; i < 256; i++) {
			if (i % 8 == 0)
				random = soak_mix(random);
			char c = (char)(random >> i % 8 * 8);
			str_add_char(out, c == '\0' || c == '\r' || c == '\n' || c == '.' ? 'x' : c);
		}
		str_add_text(out, "\r\n");
	}
}

/* the ledger: a reader of its own of what spool(5) says */

static void
tell(const char *place, struct span body)
{
	const char *at = memmem(body.p, body.len, "X-Key: ", 7);
	unsigned long key = at != NULL && (size_t)(at - body.p) < body.len - 7 ? strtoul(at + 7, NULL, 10) : 0;
	struct str wanted = {0};

	letter(key, &wanted);
	/* Fields that it got on its way stand on top. */
	bool whole = body.len >= wanted.len && memcmp(body.p + body.len - wanted.len, wanted.p, wanted.len) == 0;
	printf("%s %lu %s\n", place, key, whole ? "whole" : "wrong");
	str_free(&wanted);
}

static void
tell_entries(const char *place, struct span rest)
{
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		struct span word = span_trim(line);
		uint64_t len;
		if (!span_begins(word, "BDAT "))
			continue;
		word = span_from(word, 5);
		if (span_number(span_word(&word), rest.len, &len) < 0) {
			printf("%s 0 wrong\n", place);
			return;
		}
		tell(place, span_to(rest, len));
		rest = span_from(rest, len);
	}
}

static void
tell_file(int dir, const char *name, const char *place)
{
	struct str text = {0};
	struct err err;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fs_read_all(fd, SIZE_MAX / 2, &text, &err) < 0)
		printf("%s 0 wrong\n", place);
	tell_entries(place, str_span(&text));
	if (fd >= 0)
		close(fd);
	str_free(&text);
}

static void
tell_folder(int dir, const char *place)
{
	DIR *folder = fdopendir(dir);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		struct stat st;
		if (entry->d_name[0] == '.' || fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			tell_folder(openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), place);
		else if (S_ISREG(st.st_mode) && !span_ends_case(span_of(entry->d_name), ".reason"))
			tell_file(dir, entry->d_name, place);
	}
	if (folder != NULL)
		closedir(folder);
}

static int
ledger_main(const char *root)
{
	static const char *const places[] = { "in", "out/sink", "out/home", "out/hub", "hold", "failed", "sent" };

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		struct str path = {0};
		str_printf(&path, "%s/spool/%s", root, places[i]);
		int dir = open(str_c(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			tell_folder(dir, places[i]);
		str_free(&path);
	}
	return 0;
}

/* programs */

static struct {
	const char *folder, *cutter, *protocol;
	char *self;
	uint64_t random;
	unsigned long next, messages;		/* keys given out, and how many there shall be */
	unsigned long cuts, kills[SITES], calls, hangs;
	unsigned long want_cuts, want_kills;
	uint64_t packed;			/* bytes of all batches made */
	unsigned long wrong;
} s;

static unsigned long
roll(unsigned long sides)
{
	return soak_mix(s.random++) % sides;
}

static struct str
path_of(const char *name)
{
	struct str path = {0};
	str_printf(&path, "%s/%s", s.folder, name);
	return path;
}

/* Runs it, its input from a file of FOLDER (NULL: none), its output and errors onto the end of
 * another; returns the exit status. */
static int
run(const char *input, const char *output, const char *const *argv)
{
	struct str in = path_of(input != NULL ? input : ""), out = path_of(output);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int from = open(input != NULL ? str_c(&in) : "/dev/null", O_RDONLY);
		int onto = open(str_c(&out), O_WRONLY | O_CREAT | O_APPEND, 0640);
		dup2(from, 0);
		dup2(onto, 1);
		dup2(onto, 2);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(71);
	}
	str_free(&in);
	str_free(&out);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return 71;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
run_at(unsigned site, const char *input, const char *output, const char *program, const char *word, const char *word2)
{
	struct str root = {0};

	str_printf(&root, "--root=%s/%s", s.folder, sites[site]);
	const char *const argv[] = { program, word != NULL ? word : str_c(&root), word != NULL ? str_c(&root) : NULL,
		word2, NULL };
	int status = run(input, output, argv);
	str_free(&root);
	return status;
}

static void
must(int status, const char *what)
{
	if (status == 0)
		return;
	printf("%s: exit %d\n", what, status);
	s.wrong++;
}

/* mail */

static void
write_file(const char *name, struct span bytes)
{
	struct str path = path_of(name);
	struct err err;
	int fd = open(str_c(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	if (fd < 0 || fs_write(fd, bytes.p, bytes.len, &err) < 0) {
		perror(str_c(&path));
		exit(71);
	}
	close(fd);
	str_free(&path);
}

/* The next keys, for whoever they are from: taken when the program says so. */
static void
give_mail(unsigned long many)
{
	struct str text[SITES] = { {0}, {0} };

	for (; many > 0 && s.next < s.messages; many--) {
		unsigned long key = ++s.next;
		unsigned from = key % 2 == 1 ? HOME : HUB;
		str_printf(&text[from], "MAIL FROM:<sue@x.example> BODY=8BITMIME\r\nRCPT TO:<%s>\r\nDATA\r\n", to[!from]);
		letter(key, &text[from]);
		str_add_text(&text[from], ".\r\n");
	}
	for (unsigned i = 0; i < SITES; i++) {
		if (text[i].len > 0) {
			write_file("mail", str_span(&text[i]));
			must(run_at(i, "mail", "log.unpack", "bsmtp", "unpack", NULL), "bsmtp unpack");
		}
		str_free(&text[i]);
	}
}

static void
pack(void)
{
	if (strcmp(s.protocol, "m") == 0)	/* it takes the mail from the queue */
		return;
	for (unsigned i = 0; i < SITES; i++)
		must(run_at(i, NULL, "log.pack", "bsmtp", "pack", sites[!i]), "bsmtp pack");
}

static void
read_file(const char *name, struct str *text)
{
	struct str path = path_of(name);
	struct err err;

	if (fs_load(AT_FDCWD, str_c(&path), SIZE_MAX / 2, text, &err) < 0)
		str_clear(text);
	str_free(&path);
}

/* The sum of the numbers behind KEY= in a text. */
static uint64_t
sum_of(struct span text, const char *key)
{
	const size_t len = strlen(key);
	uint64_t sum = 0;

	for (const char *at; (at = memmem(text.p, text.len, key, len)) != NULL;) {
		text = span_from(text, (size_t)(at - text.p) + len);
		size_t digits = 0;
		uint64_t number;
		while (digits < text.len && text.p[digits] >= '0' && text.p[digits] <= '9')
			digits++;
		if (span_number(span_to(text, digits), UINT64_MAX, &number) == 0)
			sum += number;
	}
	return sum;
}

/* a call */

static const char *
next_fault(void)
{
	static const char *const of_line[] = { "cut", "cut", "cut", "reset", "reset", "hang" };
	unsigned long cuts = s.want_cuts - s.cuts, home = s.want_kills - s.kills[HOME], hub = s.want_kills - s.kills[HUB];

	if (cuts + home + hub == 0)
		return "none";
	unsigned long die = roll(cuts + home + hub);
	if (die < cuts)
		return of_line[roll(sizeof of_line / sizeof of_line[0])];
	return die < cuts + home ? "kill-caller" : "kill-called";
}

static void
count_fault(void)
{
	struct str name = {0}, text = {0};

	str_printf(&name, "stats/%lu.line", s.calls);
	read_file(str_c(&name), &text);
	const char *did = memmem(text.p, text.len, "did=", 4);
	struct span what = did == NULL ? SPAN("none") : span_from(str_span(&text), (size_t)(did - text.p) + 4);
	if (span_begins(what, "kill-caller"))
		s.kills[HOME]++;
	else if (span_begins(what, "kill-called"))
		s.kills[HUB]++;
	else if (!span_begins(what, "none"))
		s.cuts++;
	s.hangs += span_begins(what, "hang");
	str_free(&name);
	str_free(&text);
}

/* Where it happens: in the first words, or anywhere in what there is to move; what has happened
 * already is behind us when the byte comes. */
static long
place_of_fault(uint64_t waiting)
{
	return roll(4) == 0 ? 1 + (long)roll(500) : 1 + (long)roll(waiting > 0 ? waiting : 1);
}

static void
call(const char *fault, uint64_t waiting)
{
	struct str link = {0}, stats = {0}, home = {0}, protocols = {0};
	const char *line = roll(2) == 0 ? "pipe" : "socket", *way = roll(2) == 0 ? "up" : "down";
	long at = strcmp(fault, "none") == 0 ? -1 : place_of_fault(waiting);

	s.calls++;
	str_printf(&home, "--root=%s/home", s.folder);
	str_printf(&stats, "--wire-stats=%s/stats/%lu.home", s.folder, s.calls);
	str_printf(&protocols, "--set=site hub.protocols=%s", s.protocol);
	str_printf(&link, "--set=site hub.link=exec:%s %s/stats/%lu.line %s %s %ld %s uucico-ssh -r0 --peer=home --no-pack "
	    "--root=%s/hub --wire-stats=%s/stats/%lu.hub", s.cutter, s.folder, s.calls, line, way, at, fault, s.folder,
	    s.folder, s.calls);
	const char *const argv[] = { "uucico-ssh", "-s", "hub", "--no-pack", str_c(&home), str_c(&protocols),
		str_c(&link), str_c(&stats), NULL };
	int status = run(NULL, "log.home", argv);
	if (at < 0)
		must(status, "a call in good order");
	count_fault();
	str_free(&link);
	str_free(&stats);
	str_free(&home);
	str_free(&protocols);
}

/* Bytes that wait at the one site that has more of them: about what a call can move one way. */
static uint64_t
waiting(void)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < SITES; i++) {
		struct str path = path_of(sites[i]);
		uint64_t sum = 0;
		struct err err;
		struct fs_names names;
		str_printf(&path, "/spool/sent/%s", sites[!i]);
		int dir = fs_dir(AT_FDCWD, str_c(&path), &err);
		if (dir >= 0 && fs_names(dir, ".", &names, &err) == 0) {
			for (size_t j = 0; j < names.count; j++) {
				struct stat st;
				if (fstatat(dir, names.name[j], &st, 0) == 0 && S_ISREG(st.st_mode))
					sum += (uint64_t)st.st_size;
			}
			fs_names_free(&names);
		}
		if (dir >= 0)
			close(dir);
		str_free(&path);
		most = sum > most ? sum : most;
	}
	return most;
}

static unsigned long
faults_left(void)
{
	return s.want_cuts - s.cuts + s.want_kills - s.kills[HOME] + s.want_kills - s.kills[HUB];
}

static void
all_rounds(void)
{
	while (faults_left() > 0 && s.calls < 4 * (s.want_cuts + 2 * s.want_kills) + 20) {
		give_mail((s.messages - s.next) / faults_left() + (roll(2) == 0));
		pack();
		call(next_fault(), waiting());
	}
	if (faults_left() > 0) {
		printf("%lu faults did not come about\n", faults_left());
		s.wrong++;
	}
	give_mail(s.messages - s.next);
}

/* Files that have not arrived; what find itself complains of is gone, and so has. */
static bool
something_on_the_way(void)
{
	static const char *const places[] = { "spool/in", "spool/sent", "spool/xqt", "spool/out/home", "spool/out/hub" };
	enum { PLACES = sizeof places / sizeof places[0] };
	struct str path[SITES * PLACES] = {{0}}, left = {0};
	const char *argv[SITES * PLACES + 8] = { "find" };
	size_t words = 1;

	for (unsigned i = 0; i < SITES * PLACES; i++) {
		str_printf(&path[i], "%s/%s/%s", s.folder, sites[i / PLACES], places[i % PLACES]);
		if (access(str_c(&path[i]), F_OK) == 0)
			argv[words++] = str_c(&path[i]);
	}
	for (const char *const *word = (const char *const[]){ "-type", "f", "!", "-name", ".*", NULL }; *word != NULL; word++)
		argv[words++] = *word;
	write_file("left", SPAN(""));
	run(NULL, "left", argv);
	read_file("left", &left);
	bool some = left.len > 0;
	for (unsigned i = 0; i < SITES * PLACES; i++)
		str_free(&path[i]);
	str_free(&left);
	return some;
}

static void
calm(void)
{
	const struct timespec moment = { .tv_sec = 1 };

	for (int i = 0; i < 30 && (i == 0 || something_on_the_way()); i++) {
		if (i > 1)
			nanosleep(&moment, NULL);	/* jobs of the far end may run yet */
		pack();
		call("none", 0);
		for (unsigned site = 0; site < SITES; site++) {
			run_at(site, NULL, "log.jobs", "uuxqt", NULL, NULL);
			run_at(site, NULL, "log.pack", "bsmtp", "pack", sites[!site]);
		}
	}
}

/* the end */

static unsigned char *found;	/* by key: how often it is where it belongs */

static void
hear(unsigned site, struct span line)
{
	struct span place = span_word(&line), number = span_word(&line), state = span_word(&line);
	uint64_t key;

	if (span_number(number, s.messages, &key) < 0 || key == 0 || !span_is(state, "whole") ||
	    !(span_is(place, "out/sink") || span_is(place, "in")) || (key % 2 == 1 ? HUB : HOME) != site) {
		printf("at %s, in %.*s: message %.*s, %.*s\n", sites[site], (int)place.len, place.p,
		    (int)number.len, number.p, (int)state.len, state.p);
		s.wrong++;
	} else if (found[key] < 255) {
		found[key]++;
	}
}

static void
ask_ledger(unsigned site)
{
	struct str root = path_of(sites[site]), name = {0}, text = {0};
	struct span rest, line;

	str_printf(&name, "ledger.%s", sites[site]);
	const char *const argv[] = { s.self, "ledger", str_c(&root), NULL };
	must(run(NULL, str_c(&name), argv), "ledger");
	read_file(str_c(&name), &text);
	rest = str_span(&text);
	while (span_cut(&rest, '\n', &line))
		if (line.len > 0)
			hear(site, line);
	str_free(&root);
	str_free(&name);
	str_free(&text);
}

/* KEY=... of what is left of one call: "home" and "hub" are what the ends wrote of themselves,
 * "line" is the cutter's.  -1: it did not live to write that. */
static int64_t
of_call(unsigned long number, const char *whose, const char *key)
{
	struct str name = {0}, text = {0};

	str_printf(&name, "stats/%lu.%s", number, whose);
	read_file(str_c(&name), &text);
	int64_t sum = text.len > 0 ? (int64_t)sum_of(str_span(&text), key) : -1;
	str_free(&name);
	str_free(&text);
	return sum;
}

/* Bytes of batches that came to one end: when that did not live to say so, what the other put
 * into the line, or the line let through. */
static uint64_t
data_moved(unsigned long number, unsigned site)
{
	int64_t came = of_call(number, sites[site], " data_in="), line = of_call(number, "line", site == HUB ? "up=" : "down=");

	if (came < 0)
		came = of_call(number, sites[!site], " data_out=");
	if (came < 0 || (line >= 0 && line < came))
		came = line;
	return came > 0 ? (uint64_t)came : 0;
}

/* Of a job of UUCP that a killed end was receiving, what was not surely on disk is lost with it:
 * up to two pieces of spool/job.c. */
static double
most_twice(uint64_t made)
{
	const char *percent = getenv("TWICE");
	double most = (double)made * (percent != NULL ? atof(percent) : 2) / 100;

	if (strcmp(s.protocol, "m") != 0)
		most += (double)(s.kills[HOME] + s.kills[HUB]) * 2 * 65536;
	return made > 0 ? most / (double)made * 100 : 0;
}

/* All that there was to move: the batches, as they were packed; the mails, which protocol m takes
 * as they are (without the lines before them, which are few). */
static uint64_t
all_bytes(void)
{
	struct str log = {0};
	uint64_t sum = 0;

	read_file("log.pack", &log);
	if (strcmp(s.protocol, "m") != 0)
		sum = sum_of(str_span(&log), " packed=");
	else for (unsigned long key = 1; key <= s.next; key++) {
		str_clear(&log);
		letter(key, &log);
		sum += log.len;
	}
	str_free(&log);
	return sum;
}

static bool
check_bytes(void)
{
	uint64_t sent = 0, made = all_bytes();
	int64_t wire = 0;

	for (unsigned long i = 1; i <= s.calls; i++) {
		sent += data_moved(i, HOME) + data_moved(i, HUB);
		wire += of_call(i, "line", "up=") + of_call(i, "line", "down=");
	}
	double most = most_twice(made), twice = made > 0 ? 100.0 * ((double)sent - (double)made) / (double)made : 0;
	printf("%llu bytes of mail, %llu moved: %.2f %% twice (at most %.2f); %lld bytes on the line\n",
	    (unsigned long long)made, (unsigned long long)sent, twice, most, (long long)wire);
	return twice <= most;
}

static int
verdict(void)
{
	unsigned long lost = 0, doubled = 0;

	found = mem_get(s.messages + 1);
	for (unsigned i = 0; i < SITES; i++)
		ask_ledger(i);
	for (unsigned long key = 1; key <= s.messages; key++) {
		if (found[key] == 0)
			printf("LOST %lu\n", key);
		if (found[key] > 1)
			printf("DOUBLED %lu: %u times\n", key, found[key]);
		lost += found[key] == 0;
		doubled += found[key] > 1;
	}
	printf("protocol %s: %lu messages, %lu calls, %lu cut (%lu of them silent to the far end), %lu callers and %lu far "
	    "ends killed\n%lu lost, %lu doubled, %lu wrong\n", s.protocol, s.messages, s.calls, s.cuts, s.hangs,
	    s.kills[HOME], s.kills[HUB], lost, doubled, s.wrong);
	bool few = check_bytes();
	free(found);
	return lost + doubled + s.wrong > 0 || !few;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "ledger") == 0)
		return ledger_main(argv[2]);
	if (argc < 7) {
		fputs("usage: call-soak FOLDER CUTTER PROTOCOL MESSAGES CUTS KILLS [SEED]\n", stderr);
		return 64;
	}
	s.self = argv[0];
	s.folder = argv[1];
	s.cutter = argv[2];
	s.protocol = argv[3];
	s.messages = strtoul(argv[4], NULL, 10);
	s.want_cuts = strtoul(argv[5], NULL, 10);
	s.want_kills = strtoul(argv[6], NULL, 10);
	s.random = argc > 7 ? strtoull(argv[7], NULL, 10) : 1;
	struct str stats = path_of("stats");
	mkdir(str_c(&stats), 0750);
	str_free(&stats);
	setvbuf(stdout, NULL, _IOLBF, 0);
	all_rounds();
	calm();
	return verdict();
}
