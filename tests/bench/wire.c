/*
 * bench: what a mailbox costs on the wire, replayed in order, n mails to a batch.
 *
 *	wire text MBOX N DIR			plain batches, as others write them, for other tools
 *	wire pack MBOX N CODEC LEVEL RING	ours; RING: bytes of history, 0 for none
 *	wire run COMMAND...			any program: seconds of processor, seconds, KiB of memory
 *	wire files COUNT BYTES DIR		so many files of that size, each made and renamed, as settle
 *						does it, and nothing else: what no unpacking can do without
 *	wire deflate LEVEL			standard input through zlib, and nothing else
 *	wire sites MBOX N CODEC LEVEL RING DIR	the same by the programs themselves, bsmtp pack and
 *						unpack, between two spools below DIR
 *
 * pack prints: bytes, mails, batches, raw bytes, seconds of processor for packing, the same
 * for unpacking, the most for one batch.  Each batch is read back, and counts only if it
 * came out right: the label's sum says so.  What counts can be less, for settings that take
 * long: $WIRE_SKIP mails are history only, and then every $WIRE_EVERY-th batch counts, in text
 * and in pack.  sites counts in the words that go back, and the
 * whole of each program's time.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "bsmtp/reader.h"
#include "bsmtp/writer.h"
#include "lib/base/clock.h"
#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/crlf.h"
#include "lib/mail/fromline.h"
#include "lib/mail/mbox.h"
#include "lib/mail/utf8.h"
#include "spool/bucket.h"
#include "spool/queue.h"

enum { PIECE = 65536 };

struct wire {
	uint64_t batch_mails;
	const char *folder;		/* text: where batches go */
	struct site *sites;		/* sites: hub and home */
	const struct codec *codec;
	struct writer_setup setup;
	size_t ring;
	struct str sender, text, plain;	/* of the mail being read; text: CRLF lines */
	struct crlf crlf;
	struct str history, travelled;
	struct writer writer;
	int fd;
	uint64_t skip, every, passed;	/* batches: before the first that counts, and between; so far */
	uint64_t in_batch, mails, batches, bytes, raw;
	double pack, unpack, worst, begun;
};

static void
give_up(const struct err *err)
{
	fprintf(stderr, "wire: %s\n", err->text);
	exit(1);
}

static double
processor(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ours */

/* The last bytes of what travelled, as much as the ring holds. */
static struct span
ring_of(const struct wire *w)
{
	struct span all = str_span(&w->history);

	return all.len > w->ring ? span_from(all, all.len - w->ring) : all;
}

static struct span
referred(const struct wire *w, const struct label *label)
{
	struct span all = ring_of(w);

	return span_from(all, all.len - (size_t)label->units * LABEL_UNIT);
}

static bool
counts(const struct wire *w)
{
	return w->passed >= w->skip && (w->passed - w->skip) % w->every == 0;
}

/* As for a site with a history; what travels is taken from the reader. */
static int
on_travels(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)ctx;
	(void)bytes;
	(void)len;
	(void)err;
	return 0;
}

static void
begin_batch(struct wire *w)
{
	struct err err = {0};
	struct writer_setup setup = w->setup;

	w->fd = memfd_create("batch", MFD_CLOEXEC);
	setup.scratch = fs_dir(AT_FDCWD, "/tmp", &err);
	setup.label.units = label_units(ring_of(w).len);
	setup.pack.prefix = counts(w) ? referred(w, &setup.label) : (struct span){0};
	if (!counts(w))
		setup.pack.level = LEVEL_FAST;
	setup.label.has_ref = setup.pack.prefix.len > 0;
	setup.label.mark = (struct ring_mark){ w->batches, UINT64_MAX / 7 };
	setup.travels = w->ring > 0 ? on_travels : NULL;
	setup.ctx = w;
	w->begun = processor();
	if (w->fd < 0 || writer_start(&w->writer, w->codec, &setup, w->fd, &err) < 0)
		give_up(&err);
	close(setup.scratch);
}

static int
on_history(void *ctx, const struct label *label, struct codec_setup *setup, struct err *err)
{
	const struct wire *w = ctx;

	(void)err;
	setup->prefix = referred(w, label);
	setup->window_log = w->setup.pack.window_log;
	return 0;
}

static int
on_travelled(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct wire *w = ctx;

	(void)err;
	str_add(&w->travelled, bytes, len);
	return 0;
}

static void
read_back(struct wire *w)
{
	static const struct reader_hooks hooks = { .history = on_history, .travelled = on_travelled };
	struct reader reader;
	struct err err = {0};

	lseek(w->fd, 0, SEEK_SET);
	double begun = processor();
	reader_start(&reader, NULL, 0, &hooks, w);
	if (reader_run(&reader, w->fd, &err) < 0 || reader.messages != w->in_batch)
		give_up(&err);
	reader_free(&reader);
	w->unpack += processor() - begun;
}

static void
remember(struct wire *w)
{
	if (w->ring > 0)
		str_add_span(&w->history, str_span(&w->travelled));
	str_clear(&w->travelled);
	if (w->history.len > 2 * w->ring + (1 << 20))
		str_cut(&w->history, w->history.len - w->ring);
}

static void
end_batch(struct wire *w)
{
	struct err err = {0};

	if (writer_end(&w->writer, &err) < 0)
		give_up(&err);
	writer_free(&w->writer);
	double took = processor() - w->begun, unpack = w->unpack;
	read_back(w);
	if (counts(w)) {
		w->pack += took;
		w->worst = took > w->worst ? took : w->worst;
		w->bytes += w->writer.packed;
		w->raw += w->writer.raw;
	} else {
		w->unpack = unpack;
	}
	remember(w);
	close(w->fd);
}

static void
add_ours(struct wire *w)
{
	struct entry_info info = { .time = clock_now() };
	struct envelope env = {0};
	struct err err = {0};

	spool_new_id(&info.id);
	envelope_from(&env, str_span(&w->sender), utf8_is_ascii(str_span(&w->text)) ?
	    (struct span){ "", 0 } : SPAN("BODY=8BITMIME"));
	envelope_add(&env, SPAN("user@home.example"), SPAN(""));
	if (writer_entry(&w->writer, &info, &env, w->text.len, &err) < 0 ||
	    writer_body(&w->writer, w->text.p, w->text.len, &err) < 0)
		give_up(&err);
	envelope_free(&env);
	entry_info_free(&info);
}

/* sites: the programs themselves */

struct site {
	const char *name;
	struct str root;
	struct settings settings;
	struct spool spool;
	struct arrival arrival;		/* what comes next */
};
enum { HUB, HOME };

static void
make_site(struct site *s, const char *folder, const char *name, const char *other, char **words)
{
	struct str conf = {0}, path = {0};
	struct err err = {0};

	s->name = name;
	str_printf(&s->root, "%s/%s", folder, name);
	str_printf(&path, "%s/mochila.conf", str_c(&s->root));
	str_printf(&conf, "[spool]\nsite = %s\nhost = %s.example\nmin-free = 1M\n[site %s]\ncodec = %s\nlevel = %s\n"
	    "history = %s\nbatch-size = 64M\n[routes]\n%s.example = smtp:localhost:9\n* = site:%s\n", name, name,
	    other, words[0], words[1], words[2], name, other);
	struct settings_args args = { .root = str_c(&s->root) };
	int fd = mkdir(str_c(&s->root), 0700) < 0 ? -1 : open(str_c(&path), O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		err_sys(&err, "%s", str_c(&path));
	if (fd < 0 || fs_write(fd, conf.p, conf.len, &err) < 0 || settings_load(&s->settings, &args, &err) < 0 ||
	    spool_open(&s->spool, &s->settings, true, &err) < 0)
		give_up(&err);
	close(fd);
	s->arrival.fd = -1;
	str_free(&conf);
	str_free(&path);
}

/* Seconds of processor that it took. */
static double
run(const struct site *s, const char *const *argv, int in)
{
	struct rusage before, after;
	struct child child = { .argv = argv, .in = in, .out = -1, .errors = -1 };
	struct str path = {0};
	struct err err = {0};
	int status = 0;

	settings_program("bsmtp", &path);
	child.path = str_c(&path);
	setenv("MOCHILA_ROOT", s->settings.root, 1);
	getrusage(RUSAGE_CHILDREN, &before);
	if (child_run(&child, 600, &status, &err) < 0)
		give_up(&err);
	child_status(status, argv[0], &err);
	if (err.kind != ERR_NONE)
		give_up(&err);
	getrusage(RUSAGE_CHILDREN, &after);
	str_free(&path);
	return (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
	    (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
}

/* All that waits there, packed, carried and read. */
static void
carry(struct wire *w, const struct site *from, const struct site *to, double *pack, double *unpack)
{
	struct str peer = {0};
	str_printf(&peer, "--peer=%s", from->name);
	const char *const pack_words[] = { "bsmtp", "pack", to->name, NULL };
	const char *const read_words[] = { "bsmtp", str_c(&peer), "unpack", NULL };
	struct fs_names names;
	struct stat st;
	struct err err = {0};

	*pack = run(from, pack_words, -1);
	if (batch_names(&from->spool, to->name, &names, &err) < 0)
		give_up(&err);
	for (size_t i = 0; i < names.count; i++) {
		int fd = batch_open(&from->spool, to->name, names.name[i], &err);
		if (fd < 0 || fstat(fd, &st) < 0)
			give_up(&err);
		w->bytes += (uint64_t)st.st_size;
		setenv("MOCHILA_JOB", names.name[i], 1);
		*unpack += run(to, read_words, fd);
		close(fd);
		if (batch_acked(&from->spool, to->name, names.name[i], &err) < 0)
			give_up(&err);
	}
	fs_names_free(&names);
	str_free(&peer);
}

static void
end_sites(struct wire *w)
{
	struct site *hub = &w->sites[HUB], *home = &w->sites[HOME];
	struct err err = {0};
	double pack, back;

	if (arrival_commit(&hub->arrival, &err) < 0)
		give_up(&err);
	arrival_close(&hub->arrival);
	carry(w, hub, home, &pack, &w->unpack);
	carry(w, home, hub, &back, &w->unpack);
	w->pack += pack;
	w->worst = pack > w->worst ? pack : w->worst;
}

static void
add_sites(struct wire *w)
{
	struct arrival *a = &w->sites[HUB].arrival;
	struct entry_info info = {0};
	struct envelope env = {0};
	struct err err = {0};

	str_set(&info.from, "mbox");
	envelope_from(&env, str_span(&w->sender), utf8_is_ascii(str_span(&w->text)) ?
	    (struct span){ "", 0 } : SPAN("BODY=8BITMIME"));
	envelope_add(&env, SPAN("user@home.example"), SPAN(""));
	if ((w->in_batch == 0 && arrival_open(a, &w->sites[HUB].spool, NULL, &err) < 0) ||
	    arrival_begin(a, &info, &env, &err) < 0 || arrival_body(a, w->text.p, w->text.len, &err) < 0 ||
	    arrival_end(a, &err) < 0)
		give_up(&err);
	w->raw += w->text.len;
	envelope_free(&env);
	entry_info_free(&info);
}

/* others': MAIL, RCPT, DATA, lines end in LF, dots stuffed */

static void
add_plain(struct wire *w)
{
	struct span rest = str_span(&w->text), line;

	str_add_text(&w->plain, "MAIL FROM:<");
	str_add_span(&w->plain, str_span(&w->sender));
	str_add_text(&w->plain, ">\nRCPT TO:<user@home.example>\nDATA\n");
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		if (line.len > 0 && line.p[0] == '.')
			str_add_char(&w->plain, '.');
		str_add_span(&w->plain, line.len > 0 && line.p[line.len - 1] == '\r' ?
		    span_to(line, line.len - 1) : line);
		str_add_char(&w->plain, '\n');
	}
	str_add_text(&w->plain, ".\n");
}

static void
write_plain(struct wire *w)
{
	struct str path = {0};
	struct err err = {0};

	str_printf(&path, "%s/%07llu", w->folder, (unsigned long long)w->batches);
	int fd = open(str_c(&path), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || fs_write(fd, w->plain.p, w->plain.len, &err) < 0)
		give_up(&err);
	close(fd);
	str_free(&path);
}

/* the mailbox */

static void
close_batch(struct wire *w)
{
	if (w->in_batch == 0)
		return;
	if (w->folder != NULL && counts(w))
		write_plain(w);
	else if (w->sites != NULL)
		end_sites(w);
	else if (w->folder == NULL)
		end_batch(w);
	str_clear(&w->plain);
	if (counts(w)) {
		w->batches++;
		w->mails += w->in_batch;
	}
	w->passed++;
	w->in_batch = 0;
}

static int
on_begin(void *ctx, struct span from_line, struct err *err)
{
	struct wire *w = ctx;
	struct from_path path = {0};
	int result = fromline_take(&path, from_line, err);

	str_clear(&w->sender);
	if (result > 0)
		fromline_sender(&path, &w->sender);
	from_path_free(&path);
	return result < 0 ? -1 : 0;
}

static int
on_text(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct wire *w = ctx;

	(void)err;
	crlf_add(&w->crlf, (struct span){ bytes, len }, &w->text);
	return 0;
}

static int
on_end(void *ctx, struct err *err)
{
	struct wire *w = ctx;

	(void)err;
	crlf_end(&w->crlf, &w->text);
	if (w->folder == NULL && w->sites == NULL && w->in_batch == 0)
		begin_batch(w);
	if (w->folder != NULL)
		add_plain(w);
	else if (w->sites != NULL)
		add_sites(w);
	else
		add_ours(w);
	str_clear(&w->text);
	if (++w->in_batch == w->batch_mails)
		close_batch(w);
	return 0;
}

static void
replay(struct wire *w, const char *name)
{
	static const struct mbox_hooks hooks = { on_begin, on_text, on_end };
	static char piece[PIECE];
	struct mbox mbox;
	struct err err = {0};
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY);
	ssize_t got = 0;

	mbox_start(&mbox, &hooks, w);
	while (fd >= 0 && (got = read(fd, piece, sizeof piece)) > 0)
		if (mbox_feed(&mbox, piece, (size_t)got, &err) < 0)
			give_up(&err);
	if (fd < 0 || got < 0)
		err_sys(&err, "%s", name);
	if (fd < 0 || got < 0 || mbox_end(&mbox, &err) < 0)
		give_up(&err);
	mbox_free(&mbox);
	close_batch(w);
}

static unsigned
window_for(size_t ring)
{
	unsigned log = CODEC_WINDOW;

	while (log < CODEC_WINDOW_MAX && ((size_t)1 << log) < ring + (8 << 20))
		log++;
	return log;
}

static double
seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static int
run_other(char **argv)
{
	struct rusage used;
	struct child child = { .path = argv[0], .argv = (const char *const *)argv, .in = STDIN_FILENO, .out = -1, .errors = -1 };
	struct err err = {0};
	int64_t begun = clock_mono();
	int status = 0;

	if (child_run(&child, 36000, &status, &err) < 0)
		give_up(&err);
	double took = (double)(clock_mono() - begun) / CLOCK_SECOND;
	getrusage(RUSAGE_CHILDREN, &used);
	printf("%.3f %.3f %ld\n", seconds(&used.ru_utime) + seconds(&used.ru_stime), took, used.ru_maxrss);
	return status == 0 ? 0 : 1;
}

/* floors: what ours cannot be faster than */

/* As settle makes them: in buckets, each of which is renamed. */
static void
make_files(int dir, uint64_t count, struct span bytes, struct err *err)
{
	char name[64], bucket[32];
	int in = -1;

	for (uint64_t i = 0; i < count; i++) {
		snprintf(bucket, sizeof bucket, "home=N-%llu", (unsigned long long)(i / BUCKET_NAMES));
		if (i % BUCKET_NAMES == 0) {
			if (in >= 0)
				close(in);
			if (fs_make_dir(dir, bucket, 0750, err) < 0 || (in = fs_dir(dir, bucket, err)) < 0)
				give_up(err);
		}
		snprintf(name, sizeof name, "%020llu", (unsigned long long)i);
		int fd = fs_create(in, name, 0640, err);
		if (fd < 0 || fs_write(fd, bytes.p, bytes.len, err) < 0)
			give_up(err);
		close(fd);
		if ((i + 1 == count || (i + 1) % BUCKET_NAMES == 0) &&
		    fs_rename(dir, bucket, dir, bucket + strlen("home="), err) < 0)
			give_up(err);
	}
	close(in);
}

static int
run_files(char **argv)
{
	uint64_t count = strtoull(argv[0], NULL, 10);
	size_t len = (size_t)strtoull(argv[1], NULL, 10);
	struct err err = {0};
	char *bytes = mem_get(len);
	int dir = fs_make_dir(AT_FDCWD, argv[2], 0750, &err) < 0 ? -1 : fs_dir(AT_FDCWD, argv[2], &err);

	if (dir < 0)
		give_up(&err);
	make_files(dir, count, (struct span){ bytes, len }, &err);
	close(dir);
	free(bytes);
	return 0;
}

static int
run_deflate(int level)
{
	static unsigned char in[PIECE], out[PIECE];
	z_stream z = {0};
	struct err err = {0};
	ssize_t got = 1;

	if (deflateInit2(&z, level, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 1;
	while (got > 0) {
		got = read(STDIN_FILENO, in, sizeof in);
		z.next_in = in;
		z.avail_in = got > 0 ? (unsigned)got : 0;
		do {
			z.next_out = out;
			z.avail_out = sizeof out;
			deflate(&z, got > 0 ? Z_NO_FLUSH : Z_FINISH);
			if (fs_write(STDOUT_FILENO, out, sizeof out - z.avail_out, &err) < 0)
				give_up(&err);
		} while (z.avail_out == 0);
	}
	deflateEnd(&z);
	return got < 0;
}

static uint64_t
number_in(const char *variable, uint64_t preset)
{
	const char *text = getenv(variable);

	return text != NULL ? strtoull(text, NULL, 10) : preset;
}

int
main(int argc, char **argv)
{
	struct wire w = { .every = number_in("WIRE_EVERY", 1) };
	struct err err = {0};

	if (argc > 2 && strcmp(argv[1], "run") == 0)
		return run_other(argv + 2);
	if (argc == 5 && strcmp(argv[1], "files") == 0)
		return run_files(argv + 2);
	if (argc == 3 && strcmp(argv[1], "deflate") == 0)
		return run_deflate(atoi(argv[2]));
	if (w.every == 0 || argc < 5 || argc == 6 || argc > 8) {
		fprintf(stderr, "usage: wire text MBOX N DIR | pack MBOX N CODEC LEVEL RING | sites MBOX N CODEC LEVEL RING DIR\n");
		return 64;
	}
	w.batch_mails = strtoull(argv[3], NULL, 10);
	if (w.batch_mails > 0)
		w.skip = number_in("WIRE_SKIP", 0) / w.batch_mails;
	if (argc == 5) {
		w.folder = argv[4];
	} else if (argc == 8) {
		w.sites = mem_get(2 * sizeof *w.sites);
		log_open("wire", "none", LOG_LEVEL_ERROR, &err);
		make_site(&w.sites[HUB], argv[7], "hub", "home", argv + 4);
		make_site(&w.sites[HOME], argv[7], "home", "hub", argv + 4);
	} else {
		w.codec = codec_named(argv[4], &err);
		if (w.codec == NULL || codec_level_named(argv[5], &w.setup.pack.level, &err) < 0)
			give_up(&err);
		w.ring = strtoull(argv[6], NULL, 10);
		w.setup.pack.window_log = window_for(w.ring);
	}
	replay(&w, argv[2]);
	printf("%llu %llu %llu %llu %.3f %.3f %.4f\n", (unsigned long long)w.bytes, (unsigned long long)w.mails,
	    (unsigned long long)w.batches, (unsigned long long)w.raw, w.pack, w.unpack, w.worst);
	return 0;
}
