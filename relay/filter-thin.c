/*
 * filter-thin - mail for a thin link: its text, and what is small; the whole stays here.
 *
 *	thin:attachments=20K keep=14d pictures=/PROGRAM robot=release@hub.example
 *
 * See lib/mail/thin.h for what becomes of it.
 */
#include "relay/filter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/mail/thin.h"
#include "relay/program.h"
#include "spool/whole.h"

enum { PICTURE_MAX = 64 << 20 };

struct wishes {
	uint64_t attachments;
	int64_t keep;
	char *pictures, *robot;
};

/* what is wished */

static int
take_wish(struct wishes *w, struct span name, const char *value, struct err *err)
{
	int result = -1;

	if (span_is(name, "attachments"))
		result = conf_bytes.set(&w->attachments, value);
	else if (span_is(name, "keep"))
		result = conf_seconds.set(&w->keep, value);
	else if (span_is(name, "pictures") && value[0] == '/')
		result = conf_text.set(&w->pictures, value);
	else if (span_is(name, "robot") && strchr(value, '@') != NULL)
		result = conf_text.set(&w->robot, value);
	return result == 0 ? 0 : err_set(err, ERR_CONFIG,
	    "thin: want attachments=SIZE keep=TIME pictures=/PROGRAM robot=ADDRESS");
}

static void
wishes_free(struct wishes *w)
{
	free(w->pictures);
	free(w->robot);
}

static int
read_wishes(struct span rest, struct wishes *w, struct err *err)
{
	struct span word, name;
	int result = 0;

	*w = (struct wishes){ .attachments = 20 << 10, .keep = 14 * 86400, .pictures = mem_text(""),
		.robot = mem_text("") };
	while (result == 0 && (word = span_word(&rest)).len > 0) {
		span_cut(&word, '=', &name);
		char *value = mem_text_n(word.p, word.p != NULL ? word.len : 0);
		result = take_wish(w, name, value, err);
		free(value);
	}
	return result;
}

static int
thin_check(const char *rest, struct err *err)
{
	struct wishes w;
	int result = read_wishes(span_of(rest), &w, err);

	wishes_free(&w);
	return result;
}

/* pictures */

struct pictures {
	struct filter_job *job;
	const char *program;
	unsigned count;
};

static const char *
type_of(struct span bytes)
{
	static const struct { const char *magic; size_t len; const char *type; } rows[] = {
		{ "\xff\xd8\xff", 3, "image/jpeg" }, { "\x89PNG", 4, "image/png" }, { "GIF8", 4, "image/gif" },
		{ "RIFF", 4, "image/webp" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (bytes.len > rows[i].len && memcmp(bytes.p, rows[i].magic, rows[i].len) == 0)
			return rows[i].type;
	return NULL;
}

static int
put_picture(int dir, const char *name, struct span bytes, struct err *err)
{
	int fd = fs_create(dir, name, 0600, err);
	int result = fd < 0 ? -1 : fs_write(fd, bytes.p, bytes.len, err);

	if (fd >= 0)
		close(fd);
	return result;
}

/* PROGRAM FROM TO TYPE: whatever goes wrong with it, the picture is as it was. */
static int
shrink(void *ctx, struct span from, struct str *type, struct str *to)
{
	struct pictures *p = ctx;
	struct str folder = p->job->folder, root = p->job->root, in = {0}, out = {0}, said = {0};
	struct err ignored;
	int dir = fs_dir(AT_FDCWD, str_c(&folder), &ignored), status = 1, result = 0;

	if (dir < 0)
		return 0;
	str_printf(&in, "%s/picture", str_c(&folder));
	str_printf(&out, "%s/smaller", str_c(&folder));
	const char *const argv[] = { p->program, str_c(&in), str_c(&out), str_c(type), NULL };
	if (put_picture(dir, "picture", from, &ignored) == 0 &&
	    program_run(argv, str_c(&root), &p->job->limits, p->job->deadline, &said, &status, &ignored) == 0 && status == 0 &&
	    fs_load(dir, "smaller", PICTURE_MAX, to, &ignored) == 0 && type_of(str_span(to)) != NULL) {
		str_set(type, type_of(str_span(to)));
		result = 1;
	}
	fs_remove_tree(dir, "picture", &ignored);
	fs_remove_tree(dir, "smaller", &ignored);
	close(dir);
	str_free(&in);
	str_free(&out);
	str_free(&said);
	return result;
}

/* the original */

/* "release@hub.example" is told as release+ID@hub.example. */
static void
write_note(const struct filter_job *job, const struct wishes *w, struct span id, size_t size, int64_t until,
    struct str *note)
{
	struct str date = {0};
	struct span rest = span_of(w->robot), local;

	clock_utc(until, &date);
	str_printf(note, "The whole mail (%zu KB) stays at %.*s until %.10s, as\r\n  %.*s\r\n",
	    (size + 1023) / 1024, (int)job->host.len, job->host.p, str_c(&date), (int)id.len, id.p);
	if (rest.len > 0) {
		span_cut(&rest, '@', &local);
		str_printf(note, "It comes when a mail is sent to\r\n  <mailto:%.*s+%.*s@%.*s>\r\n"
		    "and with the subject \"first 100K\" so much of it.\r\n", (int)local.len, local.p, (int)id.len, id.p,
		    (int)rest.len, rest.p);
	} else {
		str_add_text(note, "It comes when \"mochila release\" is said of it there.\r\n");
	}
	str_free(&date);
}

static void
keep_whole(struct filter_job *job, struct letter *letter, struct span id, int64_t until)
{
	struct letter *whole = filter_add(job, letter);

	str_set_span(&whole->info.id, id);
	str_set(&whole->info.from, WHOLE_FROM);
	whole_reason(str_span(&job->destination), until, str_span(&letter->info.id), &whole->hold);
	whole->changed = true;
}

static int
thin_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct wishes w;
	struct str id = {0}, note = {0}, out = {0};
	int result = read_wishes(str_span(&spec->rest), &w, err);

	if (result == 0) {
		struct pictures pictures = { .job = job, .program = w.pictures };
		/* Counted from when it came here, so that the view is the same each time. */
		int64_t until = letter->info.time + w.keep * CLOCK_SECOND;
		whole_id(str_span(&letter->info.id), &id);
		if (w.keep > 0)
			write_note(job, &w, str_span(&id), letter_text(letter).len, until, &note);
		const struct thin_how how = { .largest = w.attachments, .ctx = &pictures, .note = str_span(&note),
			.picture = w.pictures[0] != '\0' ? shrink : NULL };
		if (thin_make(letter_text(letter), &how, &out) > 0) {
			if (w.keep > 0)
				keep_whole(job, letter, str_span(&id), until);
			letter_replace_take(letter, &out);
		}
	}
	wishes_free(&w);
	str_free(&id);
	str_free(&note);
	str_free(&out);
	return result;
}

const struct filter filter_thin = { .scheme = "thin:", .departure_only = true, .check = thin_check, .run = thin_run,
	.form = "thin:[attachments=SIZE] [keep=TIME] [pictures=/PROGRAM] [robot=ADDRESS]" };
