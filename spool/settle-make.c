#include "spool/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/bucket.h"
#include "spool/expand.h"
#include "spool/report.h"

/* Where a body comes from: the file that is settled, of which it may be in memory, or a text of
 * ours. */
struct body {
	const struct entry *entry;	/* NULL: the text */
	struct span text;		/* p NULL: it is in the file only */
};

static uint64_t
body_len(const struct body *body)
{
	return body->entry != NULL ? body->entry->body_len : body->text.len;
}

/* Adds the body to out, to be written with it; a large one is written behind what is there. */
static int
put_body(struct settling *s, const struct body *body, int fd, struct str *out,
    unsigned char sum[DIGEST_SIZE], struct err *err)
{
	uint64_t len = body_len(body);

	if (body->entry == NULL)
		digest_of(body->text.p, body->text.len, sum);
	else
		memcpy(sum, body->entry->body_sum, DIGEST_SIZE);	/* what reads otherwise now is found by it */
	if (body->text.p != NULL) {
		str_add_span(out, body->text);
		return 0;
	}
	if (len > ENTRY_AT_ONCE) {
		int result = fs_write(fd, out->p, out->len, err);
		str_clear(out);
		return result < 0 ? -1 : fs_copy(s->fd, body->entry->body_at, len, fd, err);
	}
	ssize_t got = fs_pread(s->fd, str_room(out, (size_t)len), (size_t)len, body->entry->body_at, err);
	if (got < (ssize_t)len)
		return got < 0 ? -1 : err_set(err, ERR_TEMP, "the body ended early");
	out->len += (size_t)len;
	return 0;
}

static void
add_states(const struct body *body, const struct group *group, struct str *out)
{
	str_add_span(out, str_span(&group->history));
	if (body->entry != NULL && body->entry->filtered)
		entry_state_line(clock_now(), NULL, "filtered", NULL, (struct span){0}, out);
	if (body->entry != NULL && (body->entry->delayed != 0 || body->entry->delay_due))
		entry_state_line(clock_now(), NULL, "delayed", NULL, (struct span){0}, out);
	if (group->fate == TO_HOLD)
		entry_state_line(clock_now(), NULL, "held", "reason", str_span(&group->reason), out);
}

static int
write_entry(struct settling *s, const struct body *body, const struct entry_info *info,
    const struct group *group, int fd, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];

	str_clear(&s->head);
	str_clear(&s->out);
	entry_head(info, &group->env, body_len(body), &s->head);
	str_add_span(&s->out, str_span(&s->head));
	int result = put_body(s, body, fd, &s->out, sum, err);
	if (result == 0) {
		entry_end_line(str_span(&s->head), sum, &s->out);
		add_states(body, group, &s->out);
		result = fs_write(fd, s->out.p, s->out.len, err);
	}
	if (result == 0 && s->made < SETTLE_FEW)
		result = fs_sync(fd, err);
	return result;
}

/* NULL: it is for a person, or one place too many. */
static struct settle_place *
place_of(struct settling *s, const struct group *group, char grade)
{
	struct settle_place *place = s->place;

	if (group->fate != TO_OUT)
		return NULL;
	for (; place < s->place + s->places; place++)
		if (place->grade == grade && span_same(str_span(&place->folder), str_span(&group->folder)))
			return place;
	if (s->places == SETTLE_PLACES)
		return NULL;
	if (s->place == NULL)
		s->place = mem_get(SETTLE_PLACES * sizeof *s->place);
	place = &s->place[s->places++];
	*place = (struct settle_place){ .grade = grade, .bucket = -1 };
	str_set_span(&place->folder, str_span(&group->folder));
	return place;
}

void
settle_places_free(struct settling *s)
{
	for (size_t i = 0; i < s->places; i++) {
		str_free(&s->place[i].folder);
		if (s->place[i].bucket >= 0)
			close(s->place[i].bucket);
	}
	free(s->place);
	s->place = NULL;
	s->places = 0;
}

/* S.d/FOLDER=BUCKET, durable with all that is in S.d. */
static int
new_bucket(struct settling *s, struct settle_place *place, struct err *err)
{
	struct str name = {0};
	int result = 0;

	if (place->bucket >= 0)
		close(place->bucket);
	place->bucket = -1;
	place->names = 0;
	str_set_span(&name, str_span(&place->folder));
	str_add_char(&name, '=');
	bucket_new_name(s->spool, place->grade, &name);
	if (name.len > NAME_MAX)
		result = err_set(err, ERR_CONFIG, "the destination's name is too long: %s", str_c(&name));
	else if (mkdirat(s->dir, str_c(&name), 0750) < 0)
		result = err_sys(err, "in/%s/%s", str_c(&s->folder), str_c(&name));
	else if ((place->bucket = fs_dir(s->dir, str_c(&name), err)) < 0)
		result = -1;
	str_free(&name);
	return result;
}

/* A file in the place's bucket, or one of its own. */
static int
create_file(struct settling *s, struct settle_place *place, const struct group *group,
    const struct entry_info *info, struct err *err)
{
	struct span id = str_span(&info->id);
	struct str *name = &s->out;	/* free for use until the entry is written */

	str_clear(name);
	if (place != NULL && ++place->loose > SETTLE_LOOSE) {
		if ((place->bucket < 0 || place->names == BUCKET_NAMES) && new_bucket(s, place, err) < 0)
			return -1;
		place->names++;
		str_set_span(name, id);
		return fs_create(place->bucket, str_c(name), 0640, err);
	}
	if (group->fate != TO_OUT)
		str_printf(name, "=%s=%.*s", group->fate == TO_HOLD ? "hold" : "failed", (int)id.len, id.p);
	else
		str_printf(name, "%.*s=%c=%.*s", (int)group->folder.len, group->folder.p, info->grade,
		    (int)id.len, id.p);
	return name->len > NAME_MAX ?
	    err_set(err, ERR_CONFIG, "the destination's name is too long: %s", str_c(name)) :
	    fs_create(s->dir, str_c(name), 0640, err);
}

static int
make_file(struct settling *s, const struct body *body, const struct entry_info *info,
    const struct group *group, struct err *err)
{
	int fd = create_file(s, place_of(s, group, info->grade), group, info, err);

	if (fd < 0)
		return -1;
	int result = write_entry(s, body, info, group, fd, err);
	if (close(fd) < 0 && result == 0)
		result = err_sys(err, "close");
	s->made++;
	return result;
}

static int
make_groups(struct settling *s, const struct entry *entry, struct span text, const struct groups *groups,
    struct err *err)
{
	const struct body body = { .entry = entry, .text = text };
	int result = 0;

	for (size_t i = 0; i < groups->count && result == 0; i++) {
		struct entry_info info = {0};
		entry_info_copy(&info, &entry->info);
		/* From here on it is ours: it must never again look like a repeat. */
		str_clear(&info.peer_id);
		info.aliased = groups->group[i].aliased;
		if (i > 0 || !spool_id_ok(str_c(&info.id))) {
			str_clear(&info.id);
			spool_new_id(&info.id);
		}
		if (i > 0)
			spool_event(s->spool, str_c(&info.id), "event=split from=%.*s",
			    (int)entry->info.id.len, entry->info.id.p);
		result = make_file(s, &body, &info, &groups->group[i], err);
		for (size_t n = 0; info.aliased && n < groups->group[i].env.rcpts; n++)
			spool_event(s->spool, str_c(&info.id), "event=alias to=<%s>", str_c(&groups->group[i].env.rcpt[n].to));
		entry_info_free(&info);
	}
	return result;
}

/* A report is routed like any other message. */
static int
make_report(struct settling *s, const struct entry *entry, enum dsn_kind kind, struct err *err)
{
	struct report report;
	int got = report_make(s->spool, s->fd, entry, kind, &report, err);
	struct entry as = { .env = report.env, .status = mem_get(sizeof *as.status) };
	struct groups groups = {0};
	int result = got < 0 ? -1 : 0;

	if (got > 0) {
		struct body body = { .text = str_span(&report.text) };
		struct str id = entry->info.id;
		spool_event(s->spool, str_c(&id), "event=report kind=%s id=%s to=<%.*s>", dsn_word(kind),
		    str_c(&report.info.id), (int)entry->env.from.len, entry->env.from.p);
		result = expand_entry(s->spool, &as, &groups, err);
		for (size_t i = 0; i < groups.count && result == 0; i++) {
			if (i > 0) {	/* its sender was an alias for several */
				str_clear(&report.info.id);
				spool_new_id(&report.info.id);
			}
			report.info.aliased = groups.group[i].aliased;
			result = make_file(s, &body, &report.info, &groups.group[i], err);
		}
	}
	groups_free(&groups);
	str_free(&as.status->reply);
	free(as.status);
	report_free(&report);
	return result;
}

/* text: its body, where that is in memory. */
static int
settle_entry(struct settling *s, struct entry *entry, struct span text, struct err *err)
{
	struct groups groups;
	int seen = settle_repeated(s, &entry->info, err);

	if (seen != 0) {
		if (seen > 0) {
			s->settled->repeats++;
			spool_event(s->spool, str_c(&entry->info.id), "event=repeat peer=%s peer-id=%s",
			    str_c(&entry->info.peer), str_c(&entry->info.peer_id));
		}
		return seen < 0 ? -1 : 0;
	}
	if (entry->info.peer_id.len > 0)
		spool_event(s->spool, str_c(&entry->info.id), "event=received peer=%s peer-id=%s",
		    str_c(&entry->info.peer), str_c(&entry->info.peer_id));
	if (expand_entry(s->spool, entry, &groups, err) < 0) {
		groups_free(&groups);
		return -1;
	}
	expand_failed(s->spool, entry, &groups);
	if (groups.count == 0 && !expand_reports_due(entry))
		spool_event(s->spool, str_c(&entry->info.id), "event=nothing-left-to-do");
	int result = make_groups(s, entry, text, &groups, err);
	groups_free(&groups);
	for (enum dsn_kind kind = DSN_FAILURE; kind < DSN_KINDS && result == 0; kind++)
		result = make_report(s, entry, kind, err);
	return result;
}

int
settle_empty(int dir, struct err *err)
{
	struct fs_names names;
	int result = fs_names(dir, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++)
		result = fs_remove_tree(dir, names.name[i], err);
	fs_names_free(&names);
	return result;
}

int
settle_start(struct settling *s, struct err *err)
{
	bool old = mkdirat(s->spool->in, str_c(&s->folder), 0750) < 0;
	if (old && errno != EEXIST)
		return err_sys(err, "in/%s", str_c(&s->folder));
	s->dir = openat(s->spool->in, str_c(&s->folder), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return err_sys(err, "in/%s", str_c(&s->folder));
	/* That S is beside S.d is on disk before anything in S.d goes: after a commit that
	 * failed and was taken back, a power cut might show S inside, and nothing else. */
	if (old && (fs_sync_dir(s->spool->in, ".", err) < 0 || fs_sync(s->dir, err) < 0)) {
		close(s->dir);
		s->dir = -1;
		return -1;
	}
	if (settle_empty(s->dir, err) < 0)
		return -1;
	/* S must not lose the folder that it is renamed into, whoever made it. */
	return fs_sync_dir(s->spool->in, ".", err);
}

/* Behind the last entry may be the zeros of a journal, and nothing else: what nobody can
 * read is held with the rest, not dropped. */
static int
check_rest(struct settling *s, off_t at, struct err *err)
{
	char chunk[16384];
	ssize_t got;

	while ((got = fs_pread(s->fd, chunk, sizeof chunk, at, err)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			if (chunk[i] != '\0')
				return err_set(err, ERR_PERM, "something stands behind its last message");
		at += got;
	}
	return (int)got;
}

/* That of our own arrival, if S is that. */
static const struct entry_sums *
known_sums(const struct settling *s)
{
	struct stat ours, its;

	return s->own != NULL && fstat(s->fd, &its) == 0 && fstat(s->own->fd, &ours) == 0 && its.st_ino == ours.st_ino &&
	    its.st_dev == ours.st_dev ? &s->own->sums : NULL;
}

static int
make_all(struct settling *s, struct err *err)
{
	struct entry_reader reader = { .fd = s->fd, .known = known_sums(s) };
	struct entry entry;
	off_t at = 0;
	int got, result = 0;

	while (result == 0 && (got = entry_next(&reader, &at, &entry, err)) > 0) {
		/* Whatever its sum says: a line end or worse in it would go on into a dialogue. */
		result = entry_check_envelope(&entry.env, err);
		if (result == 0)
			result = settle_entry(s, &entry, entry_body(&reader, &entry), err);
		entry_free(&entry);
		s->settled->messages += result == 0;
	}
	entry_reader_free(&reader);
	if (result < 0)
		return -1;
	s->listed = got == 0;
	settle_places_free(s);
	idset_clear(&s->ids);	/* many they may be, and what is done next needs room of its own */
	return got < 0 ? -1 : check_rest(s, at, err);
}

int
settle_make(struct settling *s, struct err *err)
{
	history_gather(s->spool);
	int result = make_all(s, err);
	history_write(s->spool);
	return result;
}
