#include "spool/bucket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool/queue.h"

struct place {
	char *site, *bucket;	/* bucket: "SITE/GRADE-TIME-HOST" below out/ */
	char grade;
	size_t names;
	int dir;
	bool dirty;
};

static void
place_close(struct place *place)
{
	if (place->dir >= 0)
		close(place->dir);
	free(place->site);
	free(place->bucket);
}

void
placer_free(struct placer *p)
{
	for (size_t i = 0; i < p->places; i++)
		place_close(&p->place[i]);
	free(p->place);
	p->place = NULL;
	p->places = 0;
}

static void
host_part(const struct spool *spool, struct str *out)
{
	const struct spool_settings *set = &spool->settings->spool;

	if (set->shared) {
		str_set(out, set->node);
		return;
	}
	for (const char *c = set->host; *c != '\0' && *c != '.'; c++)
		str_add_char(out, (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		    (*c >= '0' && *c <= '9') ? *c : '_');
}

void
bucket_new_name(const struct spool *spool, char grade, struct str *out)
{
	struct str id = {0};

	spool_new_id(&id);
	/* the id's time: 20261121T184502.123456 */
	str_printf(out, "%c-%.22s-", grade, str_c(&id));
	str_clear(&id);
	host_part(spool, &id);
	str_add_span(out, str_span(&id));
	str_free(&id);
}

/* Is it a bucket of this grade and of this host? */
static bool
is_ours(const char *name, char grade, const char *host)
{
	size_t len = strlen(name), host_len = strlen(host);

	return name[0] == grade && name[1] == '-' && len > host_len + 2 &&
	    name[len - host_len - 1] == '-' && strcmp(name + len - host_len, host) == 0;
}

static int
make_bucket(const struct spool *spool, const char *site, char grade, struct str *bucket, struct err *err)
{
	str_printf(bucket, "%s/", site);
	bucket_new_name(spool, grade, bucket);
	if (fs_make_dir(spool->out, site, 0750, err) < 0)
		return -1;
	/* durable now, name and parent's name, so that only the bucket is left to sync */
	return fs_make_dir(spool->out, str_c(bucket), 0750, err);
}

/* The newest bucket that has room, or a new one; *names: how many are in it. */
static int
find_bucket(const struct spool *spool, const char *site, char grade, struct str *bucket,
    size_t *names, struct err *err)
{
	struct fs_names list = {0}, inside = {0};
	struct str host = {0};
	const char *last = NULL;
	int result = 0;

	host_part(spool, &host);
	*names = 0;
	if (fs_names(spool->out, site, &list, err) < 0) {
		result = errno == ENOENT ? 0 : -1;
		if (result == 0)	/* the first message for that site */
			*err = (struct err){0};
	}
	for (size_t i = 0; result == 0 && i < list.count; i++)
		if (is_ours(list.name[i], grade, str_c(&host)))
			last = list.name[i];
	if (last != NULL) {
		str_printf(bucket, "%s/%s", site, last);
		if (fs_names(spool->out, str_c(bucket), &inside, err) < 0 || inside.count >= BUCKET_NAMES)
			str_clear(bucket);
		*names = bucket->len > 0 ? inside.count : 0;
	}
	if (result == 0 && bucket->len == 0)
		result = make_bucket(spool, site, grade, bucket, err);
	fs_names_free(&inside);
	fs_names_free(&list);
	str_free(&host);
	return result;
}

static struct place *
open_place(struct placer *p, const char *site, char grade, struct err *err)
{
	struct place place = { .grade = grade, .dir = -1 };
	struct str bucket = {0};

	if (find_bucket(p->spool, site, grade, &bucket, &place.names, err) == 0)
		place.dir = fs_dir(p->spool->out, str_c(&bucket), err);
	if (place.dir < 0) {
		str_free(&bucket);
		return NULL;
	}
	place.site = mem_text(site);
	place.bucket = mem_text(str_c(&bucket));
	str_free(&bucket);
	p->place = mem_resize(p->place, p->places + 1, sizeof *p->place);
	p->place[p->places] = place;
	return &p->place[p->places++];
}

static struct place *
place_with_room(struct placer *p, const char *site, char grade)
{
	for (size_t i = p->places; i > 0; i--) {
		struct place *place = &p->place[i - 1];
		if (place->grade == grade && place->names < BUCKET_NAMES && strcmp(place->site, site) == 0)
			return place;
	}
	return NULL;
}

int
placer_put(struct placer *p, int dir, const char *name, const char *site, const char *id,
    char grade, struct err *err)
{
	/* The grade becomes a file name: only what the format knows. */
	bool known = entry_grade_ok(grade);

	for (int attempt = 0; attempt < 10; attempt++) {
		struct place *place = place_with_room(p, site, known ? grade : 'N');
		if (place == NULL)
			place = open_place(p, site, known ? grade : 'N', err);
		if (place == NULL && errno == ENOENT)
			continue;	/* the bucket was emptied and removed: make it anew */
		if (place == NULL)
			return -1;
		if (renameat(dir, name, place->dir, id) == 0) {
			place->names++;
			place->dirty = true;
			return 0;
		}
		if (errno != ENOENT || faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return err_sys(err, "move %s to out/%s", name, place->bucket);
		place->names = BUCKET_NAMES;	/* removed under us: not this one again */
	}
	return err_set(err, ERR_TEMP, "no bucket in out/%s", site);
}

/* out/SITE, to be synced with the buckets; nothing is put into it. */
static struct place *
open_site(struct placer *p, const char *site, struct err *err)
{
	for (size_t i = p->places; i > 0; i--)
		if (p->place[i - 1].grade == '\0' && strcmp(p->place[i - 1].site, site) == 0)
			return &p->place[i - 1];
	struct place place = { .names = BUCKET_NAMES };
	if (fs_make_dir(p->spool->out, site, 0750, err) < 0 || (place.dir = fs_dir(p->spool->out, site, err)) < 0)
		return NULL;
	place.site = mem_text(site);
	place.bucket = mem_text(site);
	p->place = mem_resize(p->place, p->places + 1, sizeof *p->place);
	p->place[p->places] = place;
	return &p->place[p->places++];
}

/* The folder under our descriptor may have been removed, as nothing waited in it: it is made anew. */
static void
forget_site(struct placer *p, struct place *place)
{
	place_close(place);
	*place = p->place[--p->places];
}

int
placer_put_bucket(struct placer *p, int dir, const char *name, const char *site, const char *bucket,
    struct err *err)
{
	struct str as = {0};
	int result = 1;

	str_set(&as, bucket);
	for (int attempt = 0; attempt < 10 && result > 0; attempt++) {
		struct place *place = open_site(p, site, err);
		if (place == NULL)
			result = errno == ENOENT ? 1 : -1;
		else if (renameat(dir, name, place->dir, str_c(&as)) == 0)
			place->dirty = (result = 0) == 0;
		else if (errno == EEXIST || errno == ENOTEMPTY) {
			str_clear(&as);
			bucket_new_name(p->spool, bucket[0], &as);
		} else if (errno == ENOENT && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			forget_site(p, place);
		else
			result = err_sys(err, "move %s to out/%s", name, site);
	}
	str_free(&as);
	return result <= 0 ? result : err_set(err, ERR_TEMP, "no place for a bucket in out/%s", site);
}

int
placer_sync(struct placer *p, struct err *err)
{
	for (size_t i = 0; i < p->places; i++) {
		if (!p->place[i].dirty)
			continue;
		if (fs_sync(p->place[i].dir, err) < 0)
			return err_prefix(err, "out/%s", p->place[i].bucket);
		p->place[i].dirty = false;
	}
	return 0;
}

int
bucket_place(const struct spool *spool, int dir, const char *name, const char *site,
    const char *id, char grade, struct err *err)
{
	struct placer p = { .spool = spool };
	int result = placer_put(&p, dir, name, site, id, grade, err);

	if (result == 0)
		result = placer_sync(&p, err);
	placer_free(&p);
	return result;
}
