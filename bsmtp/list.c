/* list, check, cat: looks into a batch, and promises nothing. */
#include "bsmtp/bsmtp.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/dictionary.h"
#include "bsmtp/history.h"
#include "bsmtp/reader.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

const char bsmtp_usage[] =
    "bsmtp pack SITE...|--all | pack --mbox=FILE|--maildir=DIR|--files FILE... [--to=ADDRESS] [-o FILE] |\n"
    "       unpack [--to=SINK] [FILE] | deliver --to=SINK | list [FILE] | check [FILE] | cat [N] [FILE] |\n"
    "       diff CODEC[:LEVEL]... [FILE] | teach SITE";

enum { PIECE = 65536 };
/* What a batch refers to: it came from --peer, or is one of ours, SITE/NAME in the spool. */
struct looking {
	const struct bsmtp *b;
	const char *name;
	struct spool spool;
	bool open;		/* spool and ring */
	struct ring ring;
};

static int
find_ring(struct looking *l, const struct label *label, struct span *history, struct err *err)
{
	const char *slash = l->name != NULL ? strrchr(l->name, '/') : NULL;
	enum ring_way way = l->b->peer != NULL ? RING_FROM : RING_TO;
	struct str site = {0};

	if (l->b->peer != NULL)
		str_set(&site, l->b->peer);
	else if (slash != NULL)
		str_set_span(&site, (struct span){ l->name, (size_t)(slash - l->name) });
	if (site.len == 0 || !settings_site_name(str_c(&site))) {
		str_free(&site);
		return label_without(label, ": whose? say --peer", err);
	}
	int result = spool_open(&l->spool, &l->b->settings, false, err);
	if (result == 0 && (result = history_of(&l->ring, &l->spool, str_c(&site), way, label, history, err)) < 0)
		spool_close(&l->spool);
	l->open = result == 0;
	str_free(&site);
	return result;
}

static void
stop_looking(struct looking *l)
{
	if (!l->open)
		return;
	ring_close(&l->ring);
	spool_close(&l->spool);
}

static int
on_history(void *ctx, const struct label *label, struct codec_setup *setup, struct err *err)
{
	return find_ring(ctx, label, &setup->prefix, err);
}

int
look(const struct bsmtp *b, const char *name, const struct reader_hooks *hooks, void *ctx,
    uint64_t *messages, struct err *err)
{
	struct reader_hooks with_history = *hooks;
	struct looking looking = { .b = b, .name = name };
	struct reader reader;
	int fd = open_batch(b, name, err);

	if (fd < 0)
		return -1;
	with_history.history = on_history;
	reader_start(&reader, b->codec, b->settings.spool.max_batch_unpacked, &with_history, ctx);
	reader.past = &looking;
	int result = reader_run(&reader, fd, err);
	*messages = reader.messages;
	reader_free(&reader);
	stop_looking(&looking);
	close_batch(fd);
	return result;
}

static int
print(const struct str *text, struct err *err)
{
	return fs_write(STDOUT_FILENO, text->p, text->len, err);
}

/* list */

struct listing {
	bool json;
	uint64_t number, bytes;
	struct entry_info info;
	struct envelope env;
	struct str out;		/* lines for people, when gathered */
	json_t *all;
};

static int
list_begin(void *ctx, const struct entry_info *info, const struct envelope *env,
    const struct reader_refused *refused, struct err *err)
{
	struct listing *l = ctx;

	(void)refused;
	(void)err;
	l->number++;
	l->bytes = 0;
	entry_info_free(&l->info);
	l->info = (struct entry_info){0};
	if (info != NULL)
		entry_info_copy(&l->info, info);
	envelope_copy(&l->env, env);
	return 0;
}

static int
list_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct listing *l = ctx;

	(void)bytes;
	(void)err;
	l->bytes += len;
	return 0;
}

static void
add_shown(struct str *out, const struct str *text)
{
	log_escape(out, str_span(text), 256);
}

static void
list_line(struct listing *l)
{
	str_printf(&l->out, "%5llu %10llu  ", (unsigned long long)l->number, (unsigned long long)l->bytes);
	str_add_char(&l->out, '<');
	add_shown(&l->out, &l->env.from);
	str_add_text(&l->out, ">  ");
	for (size_t i = 0; i < l->env.rcpts; i++) {
		str_add_text(&l->out, i > 0 ? " <" : "<");
		add_shown(&l->out, &l->env.rcpt[i].to);
		str_add_char(&l->out, '>');
	}
	str_add_text(&l->out, "  ");
	add_shown(&l->out, &l->info.id);
	if (l->info.id.len == 0)
		str_add_char(&l->out, '-');
	str_add_char(&l->out, '\n');
}

/* JSON is UTF-8, an address need not be. */
static json_t *
shown(const struct str *text)
{
	json_t *as_is = json_stringn(text->p != NULL ? text->p : "", text->len);
	struct str plain = {0};

	if (as_is != NULL)
		return as_is;
	add_shown(&plain, text);
	as_is = json_string(str_c(&plain));
	str_free(&plain);
	return as_is;
}

static void
list_object(struct listing *l)
{
	json_t *object = json_object(), *rcpts = json_array();
	struct str time = {0};

	json_object_set_new(object, "n", json_integer((json_int_t)l->number));
	json_object_set_new(object, "bytes", json_integer((json_int_t)l->bytes));
	json_object_set_new(object, "sender", shown(&l->env.from));
	for (size_t i = 0; i < l->env.rcpts; i++)
		json_array_append_new(rcpts, shown(&l->env.rcpt[i].to));
	json_object_set_new(object, "recipients", rcpts);
	if (l->info.id.len > 0) {
		clock_utc(l->info.time, &time);
		json_object_set_new(object, "id", shown(&l->info.id));
		json_object_set_new(object, "time", shown(&time));
	}
	str_free(&time);
	json_array_append_new(l->all, object);
}

static int
list_end(void *ctx, struct err *err)
{
	struct listing *l = ctx;

	if (l->json) {
		list_object(l);
		return 0;
	}
	list_line(l);
	int result = print(&l->out, err);
	str_clear(&l->out);
	return result;
}

static int
print_json(struct listing *l, struct err *err)
{
	char *text = json_dumps(l->all, JSON_INDENT(2));
	struct str out = {0};

	str_printf(&out, "%s\n", text != NULL ? text : "[]");
	free(text);
	int result = print(&out, err);
	str_free(&out);
	return result;
}

int
list(const struct bsmtp *b, int count, char **args, struct err *err)
{
	static const struct reader_hooks hooks = { .begin = list_begin, .body = list_body, .end = list_end };
	struct listing l = { .json = b->json, .all = json_array() };
	struct err print_err = {0};
	uint64_t messages;

	if (count > 1)
		return usage(err, "list: one batch at a time");
	if (!l.json) {
		str_add_text(&l.out, "    n      bytes  sender  recipients  id\n");
		print(&l.out, &print_err);
		str_clear(&l.out);
	}
	int result = look(b, count > 0 ? args[0] : NULL, &hooks, &l, &messages, err);
	if (l.json && print_json(&l, &print_err) < 0 && result == 0) {
		*err = print_err;
		result = -1;
	}
	entry_info_free(&l.info);
	envelope_free(&l.env);
	str_free(&l.out);
	json_decref(l.all);
	return result;
}

/* check */

int
check(const struct bsmtp *b, int count, char **args, struct err *err)
{
	static const struct reader_hooks hooks = {0};
	struct str line = {0};
	uint64_t messages;

	if (count > 1)
		return usage(err, "check: one batch at a time");
	if (look(b, count > 0 ? args[0] : NULL, &hooks, NULL, &messages, err) < 0)
		return -1;
	str_printf(&line, "whole: %llu message%s\n", (unsigned long long)messages, messages == 1 ? "" : "s");
	int result = print(&line, err);
	str_free(&line);
	return result;
}

/* cat */

struct catting {
	uint64_t wanted, number;	/* wanted 0: all of the text */
};

static int
cat_text(void *ctx, const char *bytes, size_t len, struct err *err)
{
	const struct catting *c = ctx;

	return c->wanted == 0 ? fs_write(STDOUT_FILENO, bytes, len, err) : 0;
}

static int
cat_begin(void *ctx, const struct entry_info *info, const struct envelope *env,
    const struct reader_refused *refused, struct err *err)
{
	struct catting *c = ctx;

	(void)refused;
	(void)info;
	(void)env;
	(void)err;
	c->number++;
	return 0;
}

static int
cat_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	const struct catting *c = ctx;

	return c->wanted == c->number ? fs_write(STDOUT_FILENO, bytes, len, err) : 0;
}

/* At most max bytes more, and less only at the end. */
static int
read_some(int fd, size_t max, struct str *out, struct err *err)
{
	for (size_t end = out->len + max; out->len < end; ) {
		ssize_t got = read(fd, str_room(out, end - out->len), end - out->len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "reading the batch");
		if (got == 0)
			return 0;
		out->len += (size_t)got;
	}
	return 0;
}

static int
no_label(struct err *err)
{
	return err->kind != ERR_NONE ? -1 : err_set(err, ERR_PERM, "it has no label, or not all of it");
}

/* The head of a frame in brief tells its length: of that all is read, and that is little. */
static int
put_head(const struct label *label, int fd, struct str *piece, struct err *err)
{
	struct str head = {0};
	int result = label->brief ? read_some(fd, PIECE * 4, piece, err) : 0;

	codec_head(label->codec, label->brief, piece->len, &head);
	if (result == 0)
		result = print(&head, err);
	str_free(&head);
	return result;
}

/* What stands behind the label, as it is: for other tools.  All of it where there is none. */
static int
cat_frame(int fd, struct err *err)
{
	struct str piece = {0};
	int result = read_some(fd, LABEL_MAX, &piece, err);
	struct span rest = str_span(&piece);
	struct label label;

	if (result == 0 && label_begins(rest)) {
		result = label_take(&rest, &label, err) <= 0 ? no_label(err) : 0;
		str_cut(&piece, piece.len - rest.len);
		if (result == 0 && label.version > 1)
			result = put_head(&label, fd, &piece, err);
	}
	while (result == 0 && piece.len > 0) {
		result = print(&piece, err);
		str_clear(&piece);
		if (result == 0)
			result = read_some(fd, PIECE, &piece, err);
	}
	str_free(&piece);
	return result;
}

static int
cat_frame_of(const struct bsmtp *b, const char *name, struct err *err)
{
	int fd = open_batch(b, name, err);

	if (fd < 0)
		return -1;
	int result = cat_frame(fd, err);
	close_batch(fd);
	return result;
}

/* cat --reference */

static int
read_label(const struct bsmtp *b, const char *name, struct label *label, struct err *err)
{
	struct str bytes = {0};
	int fd = open_batch(b, name, err);

	if (fd < 0)
		return -1;
	int result = read_some(fd, LABEL_MAX, &bytes, err);
	struct span rest = str_span(&bytes);
	close_batch(fd);
	if (result == 0)
		result = label_begins(rest) && label_take(&rest, label, err) > 0 ? 0 : no_label(err);
	str_free(&bytes);
	return result;
}

static int
cat_reference(const struct bsmtp *b, const char *name, struct err *err)
{
	struct looking looking = { .b = b, .name = name };
	struct str dictionary = {0};
	struct label label;
	struct span history;

	if (read_label(b, name, &label, err) < 0)
		return -1;
	if (!label.has_ref)
		return err_set(err, ERR_PERM, "it refers to no history");
	if (find_ring(&looking, &label, &history, err) < 0)
		return -1;
	int result = label.dictionary > 0 ? dictionary_load(label.dictionary, &dictionary, err) : 0;
	struct span part = span_from(str_span(&dictionary), label.tables || dictionary.len == 0 ? 0 : DICTIONARY_MARK);
	if (result == 0 && part.len > 0)
		result = fs_write(STDOUT_FILENO, part.p, part.len, err);
	if (result == 0)
		result = fs_write(STDOUT_FILENO, history.p, history.len, err);
	str_free(&dictionary);
	stop_looking(&looking);
	return result;
}

static int
cat_label(const struct bsmtp *b, const char *name, struct err *err)
{
	struct str line = {0};
	struct label label;
	int result = read_label(b, name, &label, err);

	if (result == 0) {
		label_show(&label, &line);
		result = print(&line, err);
	}
	str_free(&line);
	return result;
}

/* What is no text: a part of the batch as it lies there. */
static int
cat_part(const struct bsmtp *b, const char *name, struct err *err)
{
	return b->frame ? cat_frame_of(b, name, err) : b->label ? cat_label(b, name, err) :
	    cat_reference(b, name, err);
}

int
cat(const struct bsmtp *b, int count, char **args, struct err *err)
{
	static const struct reader_hooks hooks = { .begin = cat_begin, .body = cat_body, .text = cat_text };
	struct catting c = {0};
	uint64_t messages;

	if (b->frame || b->label || b->reference)
		return count <= 1 ? cat_part(b, count > 0 ? args[0] : NULL, err) :
		    usage(err, "cat: one batch at a time");
	if (count > 0 && span_number(span_of(args[0]), UINT32_MAX, &c.wanted) == 0) {
		if (c.wanted == 0)
			return usage(err, "cat: messages are counted from 1");
		count--;
		args++;
	}
	if (count > 1)
		return usage(err, "cat: one batch at a time");
	if (look(b, count > 0 ? args[0] : NULL, &hooks, &c, &messages, err) < 0)
		return -1;
	return c.wanted <= messages ? 0 :
	    err_set(err, ERR_PERM, "it holds %llu messages", (unsigned long long)messages);
}
