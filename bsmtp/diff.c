/* diff: what codecs would make of the messages in a batch, in bytes and seconds. */
#include "bsmtp/bsmtp.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bsmtp/writer.h"
#include "bsmtp/trailer.h"

enum { SIDES_MAX = 8 };

struct side {
	const struct codec *codec;
	enum codec_level level;
	struct writer writer;
	double seconds;		/* of processor */
};

struct diff {
	struct side side[SIDES_MAX];
	size_t sides;
	struct str tail;	/* what may be the trailer: that is not packed again */
};

static double
processor(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CODEC or CODEC:LEVEL */
static int
read_side(struct diff *d, const char *text, struct err *err)
{
	struct side *side = &d->side[d->sides];
	size_t len = strcspn(text, ":");
	char *name = mem_text_n(text, len);

	side->codec = codec_named(name, err);
	free(name);
	if (side->codec == NULL)
		return -1;
	return text[len] == ':' ? codec_level_named(text + len + 1, &side->level, err) : 0;
}

static int
start_sides(struct diff *d, size_t count, char **args, int nowhere, int scratch, struct err *err)
{
	for (; d->sides < count; d->sides++) {
		struct side *side = &d->side[d->sides];
		if (read_side(d, args[d->sides], err) < 0)
			return -1;
		struct writer_setup setup = { .pack.level = side->level, .scratch = scratch };
		double begun = processor();
		if (writer_start(&side->writer, side->codec, &setup, nowhere, err) < 0) {
			d->sides++;
			return -1;
		}
		side->seconds += processor() - begun;
	}
	return 0;
}

static int
pack_bytes(struct diff *d, const char *bytes, size_t len, struct err *err)
{
	for (struct side *side = d->side; side < d->side + d->sides; side++) {
		double begun = processor();
		if (writer_body(&side->writer, bytes, len, err) < 0)
			return -1;
		side->seconds += processor() - begun;
	}
	return 0;
}

static int
on_text(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct diff *d = ctx;

	str_add(&d->tail, bytes, len);
	if (d->tail.len <= TRAILER_MAX)
		return 0;
	size_t sure = d->tail.len - TRAILER_MAX;
	int result = pack_bytes(d, d->tail.p, sure, err);
	str_cut(&d->tail, sure);
	return result;
}

static int
end_sides(struct diff *d, uint64_t messages, struct err *err)
{
	struct span rest = str_span(&d->tail);

	for (size_t at = 0; at < rest.len; at++)
		if (span_begins(span_from(rest, at), "NOOP mochila-batch "))
			rest = span_to(rest, at);
	if (pack_bytes(d, rest.p, rest.len, err) < 0)
		return -1;
	for (struct side *side = d->side; side < d->side + d->sides; side++) {
		double begun = processor();
		side->writer.count = messages;
		if (writer_end(&side->writer, err) < 0)
			return -1;
		side->seconds += processor() - begun;
	}
	return 0;
}

/* what came out */

static double
ratio(const struct side *side)
{
	return side->writer.packed > 0 ? (double)side->writer.raw / (double)side->writer.packed : 0;
}

static void
add_table(const struct diff *d, struct str *out)
{
	str_add_text(out, "codec        level           bytes   ratio   seconds\n");
	for (const struct side *side = d->side; side < d->side + d->sides; side++)
		str_printf(out, "%-12s %-8s %12llu %7.2f %9.3f\n", side->codec->name,
		    codec_level_name(side->level), (unsigned long long)side->writer.packed, ratio(side),
		    side->seconds);
}

static void
add_json(const struct diff *d, uint64_t messages, struct str *out)
{
	json_t *all = json_object(), *rows = json_array();

	for (const struct side *side = d->side; side < d->side + d->sides; side++)
		json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:f, s:f}", "codec", side->codec->name,
		    "level", codec_level_name(side->level), "bytes", (json_int_t)side->writer.packed,
		    "ratio", ratio(side), "seconds", side->seconds));
	json_object_set_new(all, "messages", json_integer((json_int_t)messages));
	json_object_set_new(all, "raw", json_integer((json_int_t)d->side[0].writer.raw));
	json_object_set_new(all, "codecs", rows);
	char *text = json_dumps(all, JSON_INDENT(2));
	str_add_text(out, text);
	str_add_char(out, '\n');
	free(text);
	json_decref(all);
}

static int
compare(struct diff *d, const struct bsmtp *b, const char *name, struct err *err)
{
	static const struct reader_hooks hooks = { .text = on_text };
	struct str out = {0};
	uint64_t messages;

	if (look(b, name, &hooks, d, &messages, err) < 0 || end_sides(d, messages, err) < 0)
		return -1;
	if (b->json)
		add_json(d, messages, &out);
	else
		add_table(d, &out);
	int result = fs_write(STDOUT_FILENO, out.p, out.len, err);
	str_free(&out);
	return result;
}

/* CODEC[:LEVEL]... [BATCH]: the last operand is the batch when it is no codec. */
static size_t
count_codecs(int count, char **args)
{
	struct diff probe = {0};
	struct err ignored = {0};

	return count > 0 && read_side(&probe, args[count - 1], &ignored) < 0 ? (size_t)count - 1 : (size_t)count;
}

int
diff(const struct bsmtp *b, int count, char **args, struct err *err)
{
	struct diff d = {0};
	size_t codecs_said = count_codecs(count, args);

	if (codecs_said == 0 || codecs_said > SIDES_MAX)
		return usage(err, "diff: which codecs? say for example: diff gz zstd:metered BATCH");
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC), scratch = fs_dir(AT_FDCWD, "/tmp", err);
	int result = nowhere < 0 ? err_sys(err, "/dev/null") : scratch < 0 ? -1 :
	    start_sides(&d, codecs_said, args, nowhere, scratch, err);
	if (result == 0)
		result = compare(&d, b, codecs_said < (size_t)count ? args[count - 1] : NULL, err);
	for (size_t i = 0; i < d.sides; i++)
		writer_free(&d.side[i].writer);
	str_free(&d.tail);
	close_batch(nowhere);
	close_batch(scratch);
	return result;
}
