#include "uucico-ssh/m-early.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/thread.h"
#include "lib/mail/mix-keep.h"
#include "spool/class.h"
#include "uucico-ssh/m-ring.h"
#include "uucico-ssh/m-taught.h"

enum state { LOOKING, LOOKED, MADE, NONE };	/* it comes to NONE from either: there is none, or it is of no use */

struct m_early {
	const struct spool *spool;
	const struct site_settings *site;
	enum ring_way way;
	uint64_t least;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state state;
	atomic_bool unwanted;
	atomic_flag judged;		/* one of both looks whether that history is the model's */
	/* from LOOKED on */
	struct taught taught;
	struct m_kept kept;
	struct m_prefix prefix;
	struct mix *mix;		/* its past stays, whatever becomes of it */
	size_t bytes;			/* that it is taught */
	bool given;
};

/* --- the thread --- */

static void
come_to(struct m_early *early, enum state state)
{
	pthread_mutex_lock(&early->lock);
	early->state = state;
	pthread_cond_broadcast(&early->changed);
	pthread_mutex_unlock(&early->lock);
}

/* Of the mail in a bucket, as much as counts. */
static uint64_t
count_bucket(const struct m_early *early, const char *bucket, uint64_t most)
{
	struct str path = {0};
	struct fs_names names;
	struct err ignored;
	struct stat st;
	uint64_t bytes = 0;

	str_printf(&path, "%s/%s", early->site->name, bucket);
	int dir = fs_dir(early->spool->out, str_c(&path), &ignored);
	if (dir >= 0 && fs_names(dir, ".", &names, &ignored) == 0) {
		for (size_t i = 0; i < names.count && bytes < most; i++)
			if (fstatat(dir, names.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size <= M_MIX_OBJECT_MAX)
				bytes += (uint64_t)st.st_size;
		fs_names_free(&names);
	}
	if (dir >= 0)
		close(dir);
	str_free(&path);
	return bytes;
}

static bool
enough_waits(const struct m_early *early)
{
	struct fs_names names;
	struct err ignored;
	uint64_t bytes = 0;

	if (early->way == RING_FROM)	/* nobody knows */
		return true;
	if (fs_names(early->spool->out, early->site->name, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.count && bytes < early->least; i++)
		if (names.name[i][0] != '.')
			bytes += count_bucket(early, names.name[i], early->least - bytes);
	fs_names_free(&names);
	return bytes >= early->least;
}

/* The ring is not ours for longer than it takes to copy it. */
static bool
copy_past(struct m_early *early, struct ring *ring)
{
	struct str dictionary = {0};
	struct span past[2];
	const struct m_kept *kept = &early->kept;

	bool can = m_taught_kept(&early->taught, ring, &early->kept, &dictionary) &&
	    taught_may_grow(kept->past, kept->taught, kept->grown) &&
	    m_taught_history(&early->taught, ring, &early->prefix, &past[1]);
	if (can) {
		past[0] = str_span(&dictionary);
		early->bytes = kept->taught + (size_t)kept->grown;
		early->mix = mix_begin(past, 2, early->bytes, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL);
	}
	str_free(&dictionary);
	return can;
}

static bool
look(struct m_early *early)
{
	struct ring ring;
	bool can = false;

	if (m_taught_open(&early->taught, early->spool, early->site, early->way, CLASS_MAIN) && enough_waits(early) &&
	    m_ring_open(&ring, early->spool, early->site, early->way, CLASS_MAIN)) {
		can = copy_past(early, &ring);
		ring_close(&ring);
	}
	return can;
}

static bool
is_past(const struct m_early *early)
{
	unsigned char digest[DIGEST_SIZE];

	digest_of(mix_past(early->mix).p, early->kept.past, digest);
	return memcmp(digest, early->kept.digest, sizeof digest) == 0;
}

static bool
make(struct m_early *early)
{
	bool good = !early->unwanted && mix_go_on(early->mix, early->kept.model) && !early->unwanted;

	if (good && !atomic_flag_test_and_set(&early->judged))
		good = is_past(early);
	while (good && !early->unwanted && mix_prepare(early->mix, MIX_STEP))
		;
	return good && !early->unwanted;
}

static void *
take_up(void *arg)
{
	struct m_early *early = arg;
	bool looked = look(early);

	come_to(early, looked ? LOOKED : NONE);
	if (looked)
		come_to(early, make(early) ? MADE : NONE);
	return NULL;
}

/* --- the call --- */

struct m_early *
m_early_begin(const struct spool *spool, const struct site_settings *site, enum ring_way way, uint64_t least)
{
	if (spool->lease != NULL)
		return NULL;
	struct m_early *early = mem_get(sizeof *early);
	*early = (struct m_early){ .spool = spool, .site = site, .way = way, .least = least,
		.judged = ATOMIC_FLAG_INIT };
	pthread_mutex_init(&early->lock, NULL);
	pthread_cond_init(&early->changed, NULL);
	if (thread_start(&early->thread, take_up, early) == 0)
		return early;
	pthread_cond_destroy(&early->changed);
	pthread_mutex_destroy(&early->lock);
	free(early);
	return NULL;
}

void
m_early_end(struct m_early *early)
{
	if (early == NULL)
		return;
	early->unwanted = true;
	pthread_join(early->thread, NULL);
	if (!early->given)
		mix_free(early->mix);
	taught_close(&early->taught);
	pthread_cond_destroy(&early->changed);
	pthread_mutex_destroy(&early->lock);
	free(early);
}

static enum state
wait_for(struct m_early *early, enum state state)
{
	pthread_mutex_lock(&early->lock);
	while (early->state < state)
		pthread_cond_wait(&early->changed, &early->lock);
	state = early->state;
	pthread_mutex_unlock(&early->lock);
	return state;
}

/* What it found out is good as long as the model may be, and has not been given away. */
static bool
has(struct m_early *early, const char *class, enum state least)
{
	if (early == NULL || strcmp(class, CLASS_MAIN) != 0)
		return false;
	enum state state = wait_for(early, least);
	return (state == LOOKED || state == MADE) && !early->given;
}

bool
m_early_has(struct m_early *early, const char *class, struct m_kept *kept)
{
	if (!has(early, class, LOOKED))
		return false;
	*kept = early->kept;
	return true;
}

struct span
m_early_refer(struct m_early *early, const char *class, const struct ring *ring, struct m_prefix *prefix)
{
	struct ring_mark last = ring_last(ring);

	/* The ring is the caller's: the thread may wait for it. */
	if (!has(early, class, LOOKING) || last.k != early->prefix.mark.k || last.link != early->prefix.mark.link)
		return (struct span){0};
	*prefix = early->prefix;
	return mix_past(early->mix);
}

struct span
m_early_history(struct m_early *early, const char *class, const struct m_prefix *prefix)
{
	if (!has(early, class, LOOKED))
		return (struct span){0};
	const struct m_prefix *has = &early->prefix;
	bool same = prefix->mark.k == has->mark.k && prefix->mark.link == has->mark.link && prefix->length == has->length &&
	    prefix->dictionary == has->dictionary;
	return same ? mix_past(early->mix) : (struct span){0};
}

struct mix *
m_early_made(struct m_early *early, struct span past, size_t taught)
{
	if (!has(early, CLASS_MAIN, LOOKED) || past.p != mix_past(early->mix).p || past.len != mix_past(early->mix).len ||
	    taught != early->bytes)
		return NULL;
	/* Who waits for the thread can as well do what it has not come to. */
	bool same = atomic_flag_test_and_set(&early->judged) || is_past(early);
	if (wait_for(early, MADE) != MADE || !same)
		return NULL;
	early->given = true;
	return early->mix;
}
