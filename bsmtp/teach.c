/*
 * teach: makes for the histories of a site the models that its next call begins with (spool/taught.h).
 *
 * A call starts it behind its end, and nobody waits for it: the rest of the machine comes first.
 */
#include "bsmtp/bsmtp.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/mail/mix-keep.h"
#include "spool/dictionary.h"
#include "spool/enclose.h"
#include "spool/taught.h"

enum { POLITE = 19, SHORT_GROWN = 16 << 10 };	/* a short history soon asks for larger tables */

struct lesson {
	const struct spool *spool;
	const struct site_settings *site;
	enum ring_way way;
	const char *class;
	struct str past;
	struct taught taught;
};

/* Is there one that does for the next call? */
static int
has_one(const struct lesson *l, const struct ring *r, struct err *err)
{
	struct taught t;
	int result = taught_open(&t, l->spool, l->site->name, l->way, l->class, err);

	if (result > 0) {
		int64_t grown = taught_grown(r, &t), most = t.bytes < TAUGHT_BYTES ? SHORT_GROWN : TAUGHT_GROWN;
		result = grown >= 0 && grown <= most;
		taught_close(&t);
	}
	return result;
}

/* 1: it is in l->past.  The dictionary goes before history that is still short. */
static int
gather_past(struct lesson *l, struct ring *r, struct err *err)
{
	uint64_t most = l->site->history < TAUGHT_PAST + TAUGHT_GROWN ? l->site->history - TAUGHT_GROWN : TAUGHT_PAST;
	struct ring_mark last = ring_last(r);
	struct span history;
	struct err why;
	int got = ring_at(r, last, most, &history, err);

	if (got <= 0 || history.len < TAUGHT_LEAST)
		return got < 0 ? -1 : 0;
	l->taught = (struct taught){ .mark = last, .length = history.len };
	if (history.len + DICTIONARY_MAX <= TAUGHT_PAST && dictionary_load(DICTIONARY_VERSION, &l->past, &why) == 0) {
		str_cut(&l->past, DICTIONARY_MARK);
		l->taught.dictionary = DICTIONARY_VERSION;
	}
	str_add_span(&l->past, history);
	l->taught.bytes = l->past.len < TAUGHT_BYTES ? l->past.len : TAUGHT_BYTES;
	digest_of(l->past.p, l->past.len, l->taught.past);
	return 1;
}

/* The ring is not ours meanwhile. */
static int
open_ring(const struct lesson *l, struct ring *r, struct err *err)
{
	return ring_open(r, l->spool, l->site->name, l->way, l->class, l->site->history, err);
}

static int
teach_past(struct lesson *l, struct str *model, struct err *err)
{
	struct span past = str_span(&l->past);
	struct mix *mix = mix_begin(&past, 1, l->taught.bytes, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL);

	while (mix_prepare(mix, MIX_STEP))
		;
	int result = mix_keep(mix, model, err);
	mix_free(mix);
	return result;
}

static int
put_away(struct lesson *l, struct span model, struct err *err)
{
	struct ring r;
	int result = open_ring(l, &r, err);

	if (result < 0)
		return -1;
	l->taught.model = model;
	result = taught_write(&r, &l->taught, err);
	if (result == 0)
		log_debug("site=%s event=taught history=%s bytes=%llu model=%zu", l->site->name, str_c(&r.name),
		    (unsigned long long)l->taught.bytes, model.len);
	ring_close(&r);
	return result;
}

static int
give_lesson(struct lesson *l, struct err *err)
{
	struct str model = {0};
	struct ring r;

	int result = open_ring(l, &r, err);
	if (result < 0)
		return -1;
	result = has_one(l, &r, err);
	result = result != 0 ? -(result < 0) : gather_past(l, &r, err);
	ring_close(&r);
	if (result > 0 && (result = teach_past(l, &model, err)) == 0)
		result = put_away(l, str_span(&model), err);
	str_free(&model);
	str_free(&l->past);
	return result;
}

static int
teach_ring(const struct spool *spool, const struct site_settings *site, const char *name, struct err *err)
{
	struct lesson lesson = { .spool = spool, .site = site };

	if (!ring_split(name, &lesson.way, &lesson.class))
		return 0;
	return give_lesson(&lesson, err) < 0 ? err_prefix(err, "ring/%s/%s", site->name, name) : 0;
}

static int
teach_rings(const struct spool *spool, const struct site_settings *site, struct err *err)
{
	struct ring_files files;
	int result = ring_list(spool, &files, err);

	for (size_t i = 0; i < files.count && result == 0; i++)
		if (strcmp(files.file[i].site, site->name) == 0)
			result = teach_ring(spool, site, files.file[i].name, err);
	ring_files_free(&files);
	return result;
}

int
teach(const struct bsmtp *b, int count, char **args, struct err *err)
{
	const struct site_settings *site = count == 1 ? settings_site(&b->settings, args[0]) : NULL;
	struct spool spool;

	if (count != 1)
		return usage(err, "teach: the name of a site");
	if (site == NULL)
		return err_set(err, ERR_CONFIG, "%.60s: there is no such site", args[0]);
	if (site->history < TAUGHT_LEAST + TAUGHT_GROWN)
		return 0;
	if (spool_open(&spool, &b->settings, true, err) < 0)
		return -1;
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL };
	int result = enclose(&b->settings, b->args, &mine, err);
	if (nice(POLITE) < 0)
		log_debug("site=%s event=not-polite", site->name);
	if (result == 0)
		result = teach_rings(&spool, site, err);
	spool_close(&spool);
	helper_stop();
	return result;
}
