#include "bsmtp/writer.h"

#include <string.h>
#include <unistd.h>

#include "bsmtp/trailer.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "spool/dictionary.h"

enum { HISTORY_OLD = 4 << 20 };

static int
write_packed(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct writer *w = ctx;

	w->packed += len;
	return fs_write(w->scratch >= 0 ? w->scratch : w->fd, bytes, len, err);
}

static int
pack_travelling(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct writer *w = ctx;

	if (w->travels != NULL && w->travels(w->ctx, bytes, len, err) < 0)
		return -1;
	return codec_feed(&w->pack, bytes, len, err);
}

/* A site that has lost its own packs against nothing, which everybody can read.  A history
 * grown old has all the words by itself. */
static void
choose_dictionary(struct writer *w, size_t history)
{
	struct err err = {0};

	if (w->label.codec->alone || history > HISTORY_OLD)
		return;
	if (dictionary_load(DICTIONARY_VERSION, &w->dictionary, &err) == 0)
		w->label.dictionary = DICTIONARY_VERSION;
	else
		log_warn("event=no-dictionary why=\"%s\"", err.text);
}

static int
write_raw(struct writer *w, const void *bytes, size_t len, struct err *err)
{
	digest_add(&w->digest, bytes, len);
	w->raw += len;
	return w->scratch >= 0 ? plain_feed(&w->plain, bytes, len, err) : codec_feed(&w->pack, bytes, len, err);
}

static int
write_text(struct writer *w, struct err *err)
{
	int result = write_raw(w, w->text.p, w->text.len, err);

	str_clear(&w->text);
	return result;
}

extern const struct codec codec_mix;

/* Whoever keeps a history takes what makes the most of it, and of the dictionary before there is
 * one: all that read this version of the label read mix. */
static const struct codec *
codec_for(const struct codec *codec, const struct writer_setup *setup)
{
	bool kept = setup->label.has_ref || setup->travels != NULL;
	bool hardest = codec->label != NULL && !codec->alone && kept && setup->pack.level == LEVEL_METERED;

	return hardest ? &codec_mix : codec;
}

static int
start_codec(struct writer *w, const struct codec *codec, const struct writer_setup *setup, struct err *err)
{
	struct codec_setup pack = setup->pack;

	if (codec->label != NULL && (w->scratch = fs_scratch(setup->scratch, ".", err)) < 0)
		return -1;
	if (codec->label != NULL)
		choose_dictionary(w, setup->pack.prefix.len);
	plain_start(&w->plain, PLAIN_PACK, pack_travelling, w);
	pack.dictionary = str_span(&w->dictionary);
	pack.bare = pack.tables = true;
	return codec_start(&w->pack, codec_for(codec, setup), CODEC_PACK, &pack, write_packed, w, err);
}

int
writer_start(struct writer *w, const struct codec *codec, const struct writer_setup *setup, int fd,
    struct err *err)
{
	*w = (struct writer){ .fd = fd, .scratch = -1, .label = setup->label,
		.format = setup->format != NULL ? setup->format : formats[0], .settings = setup->settings,
		.travels = setup->travels, .ctx = setup->ctx };
	w->label.codec = codec;
	digest_start(&w->digest);
	if (start_codec(w, codec, setup, err) < 0)
		return -1;
	if (w->format->begin != NULL)
		w->format->begin(w->settings, &w->text);
	return write_text(w, err);
}

int
writer_body(struct writer *w, const void *bytes, size_t len, struct err *err)
{
	if (w->format->body == NULL)
		return write_raw(w, bytes, len, err);
	w->format->body(&w->body, (struct span){ bytes, len }, &w->text);
	return write_text(w, err);
}

int
writer_entry(struct writer *w, const struct entry_info *info, const struct envelope *env,
    uint64_t body_len, struct err *err)
{
	if (entry_check_envelope(env, err) < 0)
		return -1;
	w->count++;
	w->body = (struct format_body){0};
	w->format->head(info, env, body_len, w->settings, &w->text);
	return write_text(w, err);
}

int
writer_entry_end(struct writer *w, struct err *err)
{
	if (w->format->tail != NULL)
		w->format->tail(&w->body, &w->text);
	return write_text(w, err);
}

static int
end_in_trailer(struct writer *w, struct err *err)
{
	struct str lines = {0};

	if (w->format->end != NULL)
		w->format->end(w->count, &w->digest, &lines);
	int result = codec_feed(&w->pack, lines.p, lines.len, err);
	str_free(&lines);
	return result < 0 ? -1 : codec_end(&w->pack, err);
}

static int
put_label_on(struct writer *w, struct err *err)
{
	struct str line = {0};
	uint64_t len = w->packed;

	w->label.has_ref = w->label.has_ref && w->pack.setup.prefix.len > 0;
	if (w->pack.setup.dictionary.len == 0)
		w->label.dictionary = 0;
	w->label.codec = w->pack.codec;
	w->label.brief = w->pack.setup.brief;
	w->label.count = w->count;
	w->label.len = w->raw;
	memcpy(w->label.sum, w->sum, sizeof w->label.sum);
	label_put(&w->label, &line);
	w->packed += line.len;
	int result = fs_write(w->fd, line.p, line.len, err);
	str_free(&line);
	return result < 0 ? -1 : fs_copy(w->scratch, 0, len, w->fd, err);
}

int
writer_end(struct writer *w, struct err *err)
{
	digest_peek(&w->digest, w->sum);
	if (w->scratch < 0)
		return end_in_trailer(w, err);
	if (plain_end(&w->plain, err) < 0 || codec_end(&w->pack, err) < 0)
		return -1;
	return put_label_on(w, err);
}

void
writer_free(struct writer *w)
{
	plain_free(&w->plain);
	codec_free(&w->pack);
	digest_free(&w->digest);
	str_free(&w->dictionary);
	str_free(&w->text);
	if (w->scratch >= 0)
		close(w->scratch);
	w->scratch = -1;
}
