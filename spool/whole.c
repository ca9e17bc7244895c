#include "spool/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/header.h"
#include "spool/body.h"

enum { HEADER_MAX = 256 << 10, PIECE = 64 << 10 };

/* the words */

void
whole_id(struct span id, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];
	struct str text = {0};

	str_add_text(&text, WHOLE_FROM " ");
	str_add_span(&text, id);
	digest_of(text.p, text.len, sum);
	str_add_span(out, span_to(id, strlen("20261121T184502.123456-")));
	digest_hex(sum, 8, out);
	str_add_text(out, "-1");
	str_free(&text);
}

void
whole_reason(struct span site, int64_t until, struct span id, struct str *out)
{
	str_printf(out, WHOLE_FROM " for %.*s until ", (int)site.len, site.p != NULL ? site.p : "");
	clock_utc(until, out);
	str_printf(out, ", of %.*s", (int)id.len, id.p);
}

bool
whole_reason_read(struct span reason, struct span *site, int64_t *until)
{
	struct span word = span_word(&reason), before = span_word(&reason);

	*site = span_word(&reason);
	struct span behind = span_word(&reason), time = span_word(&reason);
	return span_is(word, WHOLE_FROM) && span_is(before, "for") && span_is(behind, "until") && time.len > 1 &&
	    clock_parse_utc(span_to(time, time.len - 1), until) == 0;
}

/* one of them */

int
whole_open(const struct spool *spool, const char *id, int *fd, struct entry *entry, struct err *err)
{
	struct span site;
	int64_t until;
	off_t at = 0;

	*entry = (struct entry){0};
	*fd = spool_id_ok(id) ? fs_open(spool->hold, id, O_RDWR, err) : -1;
	if (*fd < 0)
		return !spool_id_ok(id) || errno == ENOENT ? 0 : -1;
	int got = entry_read(*fd, &at, false, entry, err);
	if (got > 0 && span_is(str_span(&entry->info.from), WHOLE_FROM) &&
	    whole_reason_read(str_span(&entry->held), &site, &until))
		return 1;
	entry_free(entry);
	close(*fd);
	*fd = -1;
	return got < 0 && err->kind == ERR_TEMP ? -1 : 0;
}

static int
append_released(int fd, const struct entry *entry, struct err *err)
{
	struct str line = {0};

	entry_state_line(clock_now(), NULL, "released", NULL, (struct span){0}, &line);
	int result = ftruncate(fd, entry->states_end) < 0 ? err_sys(err, "state line") :
	    fs_pwrite(fd, line.p, line.len, entry->states_end, err) < 0 || fs_sync_data(fd, err) < 0 ? -1 : 0;
	str_free(&line);
	return result;
}

static int
gone(const char *id, struct err *err)
{
	err_set(err, ERR_PERM, "there is no whole mail %.100s here, or not any more", id);
	return err_as_reply(err, 550, "5.1.1");
}

int
whole_release(const struct spool *spool, const char *id, struct err *err)
{
	struct entry entry;
	int fd, got = whole_open(spool, id, &fd, &entry, err);

	if (got <= 0)
		return got < 0 ? -1 : gone(id, err);
	int result = append_released(fd, &entry, err);
	if (result == 0)
		result = fs_rename(spool->hold, id, spool->in, id, err);
	if (result == 0 && (fs_sync_dir(spool->in, ".", err) < 0 || fs_sync(spool->hold, err) < 0))
		result = -1;
	close(fd);
	entry_free(&entry);
	if (result == 0)
		spool_ring(spool);
	return result;
}

/* Where its first part ends: behind a line, not before its header does. */
static int
end_of_first(int fd, const struct entry *entry, uint64_t bytes, uint64_t *len, struct err *err)
{
	struct str text = {0};
	size_t want = entry->body_len < HEADER_MAX ? (size_t)entry->body_len : HEADER_MAX;
	ssize_t got = fs_pread(fd, str_room(&text, want), want, entry->body_at, err);

	text.len = got > 0 ? (size_t)got : 0;
	struct span rest = str_span(&text);
	header_end(&rest);
	*len = text.len - rest.len + bytes;
	if (*len >= entry->body_len)
		*len = entry->body_len;
	str_clear(&text);
	/* the line in which it falls, to its end */
	if (got >= 0 && *len < entry->body_len)
		got = fs_pread(fd, str_room(&text, PIECE), PIECE, entry->body_at + (off_t)*len, err);
	const char *lf = got > 0 && *len < entry->body_len ? memchr(text.p, '\n', (size_t)got) : NULL;
	if (lf != NULL)
		*len += (uint64_t)(lf - text.p) + 1;
	str_free(&text);
	return got < 0 ? -1 : 0;
}

static int
write_first(const struct spool *spool, int fd, const struct entry *entry, uint64_t len, struct err *err)
{
	struct arrival a;
	struct entry_info info = { .grade = entry->info.grade };
	struct str mark = {0};
	int result = arrival_open(&a, spool, NULL, err);

	if (result < 0)
		return -1;
	str_printf(&mark, "X-Mochila-First: %llu of %llu bytes\r\n", (unsigned long long)len, (unsigned long long)entry->body_len);
	str_set(&info.from, WHOLE_FROM);
	if (arrival_begin(&a, &info, &entry->env, err) < 0 || arrival_body(&a, mark.p, mark.len, err) < 0 ||
	    body_pieces(fd, entry->body_at, len, body_to_arrival, &a, err) < 0 || arrival_end(&a, err) < 0)
		result = -1;
	str_clear(&mark);
	entry_state_line(clock_now(), NULL, "filtered", NULL, (struct span){0}, &mark);
	if (result == 0) {
		arrival_states(&a, str_span(&mark));
		result = arrival_commit(&a, err);
	}
	if (result == 0)
		spool_event(spool, str_c(&a.name), "event=first-part bytes=%llu", (unsigned long long)len);
	arrival_close(&a);
	entry_info_free(&info);
	str_free(&mark);
	return result;
}

int
whole_first(const struct spool *spool, const char *id, uint64_t bytes, struct err *err)
{
	struct entry entry;
	uint64_t len;
	int fd, got = whole_open(spool, id, &fd, &entry, err);

	if (got <= 0)
		return got < 0 ? -1 : gone(id, err);
	int result = end_of_first(fd, &entry, bytes, &len, err);
	if (result == 0)
		result = write_first(spool, fd, &entry, len, err);
	close(fd);
	entry_free(&entry);
	if (result == 0)
		spool_ring(spool);
	return result;
}

size_t
whole_expire(const struct spool *spool, int64_t now)
{
	struct fs_names names = {0};
	struct err err;
	struct span site;
	size_t count = 0;

	if (fs_names(spool->hold, ".", &names, &err) < 0)
		return 0;
	for (size_t i = 0; i < names.count; i++) {
		struct entry entry;
		int64_t until = 0;
		int fd;
		if (whole_open(spool, names.name[i], &fd, &entry, &err) <= 0)
			continue;
		if (whole_reason_read(str_span(&entry.held), &site, &until) && until < now &&
		    fs_remove(spool->hold, names.name[i], &err) == 0) {
			spool_event(spool, names.name[i], "event=removed reason=\"its time is over\"");
			count++;
		}
		close(fd);
		entry_free(&entry);
	}
	fs_names_free(&names);
	return count;
}
