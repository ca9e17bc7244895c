#include "spool/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/lease.h"
#include "spool/seen.h"

enum { SYNC_EACH = 65536, SYNC_PARTS = 16, KEY_LEN = 16 };

/* --- the head --- */

/* Words of the head: what would part them is %XX. */
static void
add_word(struct str *out, const struct str *word)
{
	for (size_t i = 0; i < word->len; i++) {
		unsigned char c = (unsigned char)word->p[i];
		if (c <= ' ' || c == '%' || c == 0x7f)
			str_printf(out, "%%%02X", c);
		else
			str_add_char(out, (char)c);
	}
}

static void
take_word(struct span word, struct str *out)
{
	for (size_t i = 0; i < word.len; i++) {
		char hex[3] = {0};
		if (word.p[i] != '%' || i + 2 >= word.len) {
			str_add_char(out, word.p[i]);
			continue;
		}
		memcpy(hex, word.p + i + 1, 2);
		str_add_char(out, (char)strtoul(hex, NULL, 16));
		i += 2;
	}
}

static const char boot_word[] = " boot=";

static void
print_head(const struct job *job, struct str *out)
{
	str_add_text(out, "job=1 peer=");
	add_word(out, &job->peer);
	str_add_text(out, " user=");
	add_word(out, &job->user);
	str_add_text(out, " temp=");
	add_word(out, &job->temp);
	if (job->size == UINT64_MAX)
		str_add_text(out, " size=-");
	else
		str_printf(out, " size=%llu", (unsigned long long)job->size);
	if (job->spool->boot[0] != '\0')
		str_printf(out, "%s%s", boot_word, job->spool->boot);
	str_add_text(out, "\ncommand ");
	str_add_span(out, str_span(&job->command));
	str_add_text(out, "\n\n");
}

static int
take_size(struct span word, uint64_t *size)
{
	*size = UINT64_MAX;
	return span_is(word, "-") ? 0 : span_number(word, INT64_MAX, size);
}

static int
parse_first_line(struct span line, struct job *job)
{
	bool ours = false, sized = false;

	for (struct span word; (word = span_word(&line)).len > 0;) {
		struct span value = word, name;
		span_cut(&value, '=', &name);
		if (span_is(name, "job"))
			ours = span_is(value, "1");
		else if (span_is(name, "user"))
			take_word(value, &job->user);
		else if (span_is(name, "temp"))
			take_word(value, &job->temp);
		else if (span_is(name, "size"))
			sized = take_size(value, &job->size) == 0;
	}
	return ours && sized ? 0 : -1;
}

static int
parse_head(struct span bytes, struct job *job)
{
	struct span rest = bytes, first, second, empty;

	if (!span_cut(&rest, '\n', &first) || !span_cut(&rest, '\n', &second) ||
	    !span_cut(&rest, '\n', &empty) || empty.len != 0 || !span_begins(second, "command ") ||
	    parse_first_line(first, job) < 0)
		return -1;
	str_set_span(&job->command, span_from(second, strlen("command ")));
	/* rest may have been cut at the end of the bytes: both lines end inside them */
	job->data_at = empty.p + 1 - bytes.p;
	return job->data_at <= (off_t)bytes.len ? 0 : -1;
}

/* --- names --- */

static void
name_key(struct job *job)
{
	struct digest digest = {0};
	unsigned char sum[DIGEST_SIZE];
	char size[32];

	snprintf(size, sizeof size, "%llu", (unsigned long long)job->size);
	digest_start(&digest);
	digest_add(&digest, job->temp.p, job->temp.len);
	digest_add(&digest, "", 1);
	digest_add(&digest, size, strlen(size) + 1);
	digest_add(&digest, job->command.p, job->command.len);
	digest_end(&digest, sum);
	digest_hex(sum, KEY_LEN / 2, &job->key);
}

static void
path_of(const struct job *job, const char *name, const char *suffix, struct str *out)
{
	str_set_span(out, str_span(&job->peer));
	str_printf(out, "/%s%s", name, suffix);
}

static void
own_path(const struct job *job, const char *suffix, struct str *out)
{
	struct str key = {0};

	str_add_span(&key, str_span(&job->key));
	path_of(job, str_c(&key), suffix, out);
	str_free(&key);
}

static bool
is_key(const char *name)
{
	return strlen(name) == KEY_LEN && strspn(name, "0123456789abcdef") == KEY_LEN;
}

static void
seen_id(const struct job *job, struct str *out)
{
	str_add_text(out, "job:");
	str_add_span(out, str_span(&job->key));
}

int
job_seen(const struct job *job, struct err *err)
{
	struct str id = {0}, peer = {0};

	seen_id(job, &id);
	str_add_span(&peer, str_span(&job->peer));
	struct span one = str_span(&id);
	int result = seen_has(job->spool, str_c(&peer), one, err);
	if (result == 0)
		result = seen_note(job->spool, str_c(&peer), &one, 1, err);
	str_free(&id);
	str_free(&peer);
	return result < 0 ? -1 : 0;
}

/* --- begin --- */

static void
start_job(struct job *job, const struct spool *spool, const char *peer)
{
	*job = (struct job){ .spool = spool, .fd = -1 };
	str_set(&job->peer, peer);
}

static bool
there(const struct job *job, const char *suffix)
{
	struct str path = {0};
	struct stat st;

	own_path(job, suffix, &path);
	bool found = fstatat(job->spool->xqt, str_c(&path), &st, AT_SYMLINK_NOFOLLOW) == 0;
	str_free(&path);
	return found;
}

/* 1 when it came in an earlier call.  A job that is there may lack its note, and its
 * name may not be durable yet: both before anybody is told to forget it. */
static int
had(struct job *job, struct err *err)
{
	struct str id = {0};

	if (there(job, ""))
		return fs_sync_dir(job->spool->xqt, str_c(&job->peer), err) < 0 ||
		    job_seen(job, err) < 0 ? -1 : 1;
	seen_id(job, &id);
	int result = seen_has(job->spool, str_c(&job->peer), str_span(&id), err);
	str_free(&id);
	return result;
}

static int
move_own(const struct job *job, const char *from, const char *to, struct err *err)
{
	struct str source = {0}, target = {0};

	own_path(job, from, &source);
	own_path(job, to, &target);
	int result = fs_rename(job->spool->xqt, str_c(&source), job->spool->xqt, str_c(&target), err);
	str_free(&source);
	str_free(&target);
	return result;
}

/* xqt/PEER/KEY=TOKEN.open of a dead process becomes ours, in a copy, as he may still write to
 * it.  A living one's: ERR_TEMP. */
static int
take_open(struct job *job, const char *name, struct span token, struct err *err)
{
	struct str from = {0}, to = {0};
	off_t size;

	if (!lease_dead(job->spool, token))
		return err_set(err, ERR_TEMP, "another call receives this job now");
	path_of(job, name, "", &from);
	own_path(job, str_c(&job->open), &to);
	int result = fs_rename(job->spool->xqt, str_c(&from), job->spool->xqt, str_c(&to), err);
	if (result == 0)
		result = lease_alive(job->spool, err);
	if (result == 0)
		result = lease_copy(job->spool, job->spool->xqt, str_c(&to), false, &size, err);
	str_free(&from);
	str_free(&to);
	return result;
}

static int
take_from_dead(struct job *job, struct err *err)
{
	struct fs_names names;
	struct span base, token, ending;
	int result = fs_names(job->spool->xqt, str_c(&job->peer), &names, err);

	for (size_t i = 0; result == 0 && i < names.count; i++)
		if (lease_parse(names.name[i], &base, &token, &ending) && span_is(ending, ".open") &&
		    span_same(base, str_span(&job->key)))
			result = take_open(job, names.name[i], token, err);
	fs_names_free(&names);
	return result;
}

static int
name_open(struct job *job, struct err *err)
{
	str_clear(&job->open);
	if (job->spool->lease == NULL) {
		str_set(&job->open, ".open");
		return 0;
	}
	if (lease_begin(job->spool, err) < 0)
		return -1;
	lease_name(job->spool, "", ".open", &job->open);
	return take_from_dead(job, err);
}

/* Opens KEY.open, new or old; trusted: how much of an old one is surely on disk. */
static int
open_part(struct job *job, bool *clean, struct err *err)
{
	struct str path = {0};

	if (name_open(job, err) < 0)
		return -1;
	*clean = there(job, ".part");
	/* Durable before the first byte more: the name says how much can be trusted. */
	if (*clean && (move_own(job, ".part", str_c(&job->open), err) < 0 ||
	    fs_sync_dir(job->spool->xqt, str_c(&job->peer), err) < 0))
		return -1;
	own_path(job, str_c(&job->open), &path);
	job->fd = fs_open(job->spool->xqt, str_c(&path), O_RDWR, err);
	if (job->fd < 0 && errno == ENOENT)
		job->fd = fs_create(job->spool->xqt, str_c(&path), 0640, err);
	str_free(&path);
	if (job->fd < 0)
		return -1;
	if (job->spool->lease != NULL || flock(job->fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return err_set(err, ERR_TEMP, "another call receives this job now");
}

/* Is it the head of this job?  which start of the machine it was written in does not matter for that, but
 * tells whether all that was written since is there. */
static bool
begins_with(const struct job *job, struct str *head, bool *same_boot)
{
	char *bytes = mem_get(head->len), *boot = NULL;
	struct err err;
	bool is_head = fs_pread(job->fd, bytes, head->len, 0, &err) == (ssize_t)head->len;
	const char *at = job->spool->boot[0] != '\0' ? strstr(str_c(head), boot_word) : NULL;

	if (at != NULL && is_head)
		boot = bytes + (at - head->p) + strlen(boot_word);
	*same_boot = boot != NULL && memcmp(boot, job->spool->boot, strlen(job->spool->boot)) == 0;
	if (boot != NULL)
		memcpy(boot, job->spool->boot, strlen(job->spool->boot));
	is_head = is_head && memcmp(bytes, head->p, head->len) == 0;
	free(bytes);
	return is_head;
}

/* Data is synced each time it has grown over a multiple of this: more often, and a fast line
 * would wait for the disk; less often, and a crash would cost a slow one its hours. */
static uint64_t
sync_step(uint64_t have)
{
	uint64_t step = SYNC_EACH;

	while (step <= have / (2 * SYNC_PARTS))
		step *= 2;
	return step;
}

/* The last of these that is not beyond at. */
static uint64_t
sync_point(uint64_t at)
{
	return at - at % sync_step(at);
}

static uint64_t
kept_length(const struct job *job, uint64_t have, bool clean, bool same_boot)
{
	uint64_t last = sync_point(have);
	struct err err;

	/* Who was killed left to the kernel what he had written, and the kernel is still the same; if the disk
	 * would not take it, this sync is told. */
	if (clean || (same_boot && fs_sync(job->fd, &err) == 0))
		return have;
	/* The sync at the last one may not have been done; that at the one before was. */
	return last > 0 && !same_boot ? sync_point(last - 1) : 0;
}

static int
resume(struct job *job, bool clean, bool restart, struct err *err)
{
	struct str head = {0};
	struct stat st;
	bool same_boot = false;
	int result = 0;

	print_head(job, &head);
	job->data_at = (off_t)head.len;
	if (fstat(job->fd, &st) < 0)
		result = err_sys(err, "fstat");
	if (result == 0 && restart && st.st_size >= job->data_at && begins_with(job, &head, &same_boot))
		job->have = kept_length(job, (uint64_t)(st.st_size - job->data_at), clean, same_boot);
	if (result == 0 && job->have > job->size)
		job->have = 0;
	if (result == 0 && ftruncate(job->fd, job->have > 0 ? job->data_at + (off_t)job->have : 0) < 0)
		result = err_sys(err, "ftruncate");
	if (result == 0 && (job->have == 0 || !same_boot))	/* it is of this start from now on */
		result = fs_pwrite(job->fd, head.p, head.len, 0, err);
	str_free(&head);
	return result;
}

static int
count_files(const struct job *job, struct err *err)
{
	struct fs_names names;

	if (fs_names(job->spool->xqt, str_c((struct str *)(uintptr_t)&job->peer), &names, err) < 0)
		return -1;
	size_t count = names.count;
	fs_names_free(&names);
	return count < JOBS_MAX ? 0 : err_set(err, ERR_TEMP, "%d jobs wait already", JOBS_MAX);
}

int
job_begin(struct job *job, const struct spool *spool, const char *peer, const char *user,
    const char *temp, uint64_t size, const char *command, bool restart, struct err *err)
{
	bool clean = false;

	start_job(job, spool, peer);
	str_set(&job->user, user);
	str_set(&job->temp, temp);
	str_set(&job->command, command);
	job->size = size;
	name_key(job);
	if (!settings_site_name(peer))
		return err_set(err, ERR_CONFIG, "%s is no name of a site", peer);
	if (strpbrk(command, "\r\n") != NULL || user[0] == '\0' || temp[0] == '\0' ||
	    strlen(command) + 3 * (strlen(user) + strlen(temp)) > JOB_HEAD_MAX - 200)
		return err_set(err, ERR_PERM, "a job whose head cannot be kept");
	if (fs_make_dir(spool->xqt, peer, 0750, err) < 0)
		return -1;
	int result = had(job, err);
	if (result == 0 && (count_files(job, err) < 0 || open_part(job, &clean, err) < 0 ||
	    resume(job, clean, restart, err) < 0))
		result = -1;
	return result;
}

void
job_drop(struct job *job)
{
	struct str path = {0};
	struct err err;

	own_path(job, str_c(&job->open), &path);
	if (job->fd >= 0 && fs_remove(job->spool->xqt, str_c(&path), &err) < 0)
		log_warn("xqt/%s", err.text);
	str_free(&path);
}

/* A file whose sync failed says nothing true any more: it is received anew. */
static int
sync_or_drop(struct job *job, struct err *err)
{
	if (fs_sync(job->fd, err) == 0)
		return 0;
	job_drop(job);
	return -1;
}

int
job_write(struct job *job, const void *bytes, size_t len, struct err *err)
{
	if (len > job->size - job->have)
		return err_set(err, ERR_PERM, "more data than was announced");
	if (fs_pwrite(job->fd, bytes, len, job->data_at + (off_t)job->have, err) < 0)
		return -1;
	bool grown = sync_point(job->have + len) > job->have;
	job->have += len;
	return grown ? sync_or_drop(job, err) : 0;
}

/* --- commit --- */

static int read_head(struct job *job, struct err *err);

static int
put_into_place(struct job *job, const char *name, struct err *err)
{
	struct str from = {0}, to = {0};

	own_path(job, str_c(&job->open), &from);
	path_of(job, name, "", &to);
	int result = fs_rename(job->spool->xqt, str_c(&from), job->spool->xqt, str_c(&to), err);
	if (result == 0)
		result = fs_sync_dir(job->spool->xqt, str_c(&job->peer), err);
	str_free(&from);
	str_free(&to);
	return result;
}

int
job_commit_as(struct job *job, const char *name, struct err *err)
{
	if (job->size != UINT64_MAX && job->have != job->size)
		return err_set(err, ERR_TEMP, "a job with %llu of %llu bytes",
		    (unsigned long long)job->have, (unsigned long long)job->size);
	if (sync_or_drop(job, err) < 0 || put_into_place(job, name, err) < 0)
		return -1;
	close(job->fd);
	job->fd = -1;
	return job_seen(job, err);
}

int
job_commit(struct job *job, struct err *err)
{
	return job_commit_as(job, str_c(&job->key), err);
}

/* The head is read from the file itself, which so names its key. */
int
job_adopt(struct job *job, const struct spool *spool, const char *peer, int fd, int dir, const char *file,
    struct err *err)
{
	start_job(job, spool, peer);
	job->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (job->fd < 0)
		return err_sys(err, "job");
	if (read_head(job, err) < 0 || fs_make_dir(spool->xqt, peer, 0750, err) < 0)
		return -1;
	name_key(job);
	int result = had(job, err);
	if (result != 0)
		return result;
	struct str to = {0};
	own_path(job, "", &to);
	if (count_files(job, err) < 0 || fs_sync(job->fd, err) < 0 ||
	    fs_rename(dir, file, spool->xqt, str_c(&to), err) < 0 ||
	    fs_sync_dir(spool->xqt, peer, err) < 0 || fs_sync(dir, err) < 0 || job_seen(job, err) < 0)
		result = -1;
	str_free(&to);
	return result;
}

static void
keep_part(struct job *job)
{
	struct err err;

	if (sync_or_drop(job, &err) < 0 || move_own(job, str_c(&job->open), ".part", &err) < 0)
		log_warn("xqt/%s: a partial job is not kept whole: %s", str_c(&job->peer), err.text);
}

void
job_close(struct job *job)
{
	/* Loaded whole jobs have no .open, and what another call holds is not ours. */
	if (job->fd >= 0 && job->data_at > 0 && job->open.len > 0 && there(job, str_c(&job->open)))
		keep_part(job);
	if (job->fd >= 0)
		close(job->fd);
	struct str *all[] = { &job->peer, &job->key, &job->user, &job->temp, &job->command, &job->open };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	*job = (struct job){ .fd = -1 };
}

/* --- whole jobs --- */

struct aged {
	char *name;
	struct timespec at;
};

static int
by_age(const void *a, const void *b)
{
	const struct aged *one = a, *other = b;

	if (one->at.tv_sec != other->at.tv_sec)
		return one->at.tv_sec < other->at.tv_sec ? -1 : 1;
	if (one->at.tv_nsec != other->at.tv_nsec)
		return one->at.tv_nsec < other->at.tv_nsec ? -1 : 1;
	return strcmp(one->name, other->name);
}

/* Leaves whole jobs only, and puts them in order of their last byte. */
static void
sort_by_age(int dir, struct fs_names *names)
{
	struct aged *list = mem_get((names->count + 1) * sizeof *list);
	size_t count = 0;
	struct stat st;

	for (size_t i = 0; i < names->count; i++) {
		if (is_key(names->name[i]) && fstatat(dir, names->name[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
			list[count++] = (struct aged){ names->name[i], st.st_mtim };
		else
			free(names->name[i]);
	}
	qsort(list, count, sizeof *list, by_age);
	for (size_t i = 0; i < count; i++)
		names->name[i] = list[i].name;
	names->count = count;
	free(list);
}

int
job_names(const struct spool *spool, const char *peer, struct fs_names *names, struct err *err)
{
	*names = (struct fs_names){0};
	int dir = openat(spool->xqt, peer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "xqt/%s", peer);
	int result = fs_names(dir, ".", names, err);
	if (result == 0)
		sort_by_age(dir, names);
	close(dir);
	return result;
}

static int
read_head(struct job *job, struct err *err)
{
	struct str head = {0};
	struct stat st;
	ssize_t got = fs_pread(job->fd, str_room(&head, JOB_HEAD_MAX), JOB_HEAD_MAX, 0, err);

	if (got < 0) {
		str_free(&head);
		return -1;
	}
	head.len = (size_t)got;
	int result = parse_head(str_span(&head), job);
	str_free(&head);
	if (result < 0)
		return err_set(err, ERR_PERM, "it does not begin as a job does");
	if (fstat(job->fd, &st) < 0 || lseek(job->fd, job->data_at, SEEK_SET) < 0)
		return err_sys(err, "job");
	job->have = (uint64_t)(st.st_size - job->data_at);
	if (job->size == UINT64_MAX || job->have == job->size)
		return 0;
	return err_set(err, ERR_PERM, "it has %llu of %llu bytes", (unsigned long long)job->have,
	    (unsigned long long)job->size);
}

int
job_load(struct job *job, const struct spool *spool, const char *peer, const char *key,
    struct err *err)
{
	struct str path = {0};

	start_job(job, spool, peer);
	str_set(&job->key, key);
	own_path(job, "", &path);
	job->fd = fs_open(spool->xqt, str_c(&path), O_RDONLY, err);
	int result = job->fd < 0 || read_head(job, err) < 0 ? -1 : 0;
	if (result < 0)
		err_prefix(err, "xqt/%s", str_c(&path));
	str_free(&path);
	return result;
}

int
job_done(struct job *job, struct err *err)
{
	struct str path = {0};

	own_path(job, "", &path);
	int result = fs_remove(job->spool->xqt, str_c(&path), err);
	str_free(&path);
	/* A name that came back after a power cut would run again. */
	return result < 0 ? -1 : fs_sync_dir(job->spool->xqt, str_c(&job->peer), err);
}

int
job_hold(struct job *job, const char *reason, struct err *err)
{
	struct str from = {0}, to = {0}, note = {0}, text = {0};

	own_path(job, "", &from);
	str_printf(&to, "%s-%s.job", str_c(&job->peer), str_c(&job->key));
	str_printf(&note, "%s.reason", str_c(&to));
	str_printf(&text, "%s\n", reason);
	int result = fs_replace(job->spool->hold, str_c(&note), str_span(&text), 0640, err);
	if (result == 0)
		result = fs_rename(job->spool->xqt, str_c(&from), job->spool->hold, str_c(&to), err);
	if (result == 0)
		result = fs_sync_dir(job->spool->hold, ".", err);
	if (result == 0)
		result = fs_sync_dir(job->spool->xqt, str_c(&job->peer), err);
	str_free(&from);
	str_free(&to);
	str_free(&note);
	str_free(&text);
	return result;
}

static void
expire_file(const struct spool *spool, const char *peer, int dir, const char *name)
{
	const char *dot = strchr(name, '.');
	struct job half = { .fd = -1 };
	struct err err = {0};

	if (dot != NULL && (strcmp(dot, ".part") == 0 || strcmp(dot, ".open") == 0)) {
		log_info("peer=%s event=part-expired name=%s", peer, name);
		fs_remove(dir, name, &err);
	} else if (strncmp(name, "d-", 2) == 0 || strncmp(name, "x-", 2) == 0) {
		if (job_load(&half, spool, peer, name, &err) == 0 &&
		    job_hold(&half, "the other half of this job never came", &err) == 0)
			log_warn("peer=%s event=held job=%s", peer, name);
		job_close(&half);
	}
	if (err.kind != ERR_NONE)
		log_error("peer=%s %s", peer, err.text);
}

int
job_expire(const struct spool *spool, const char *peer, int64_t seconds, struct err *err)
{
	struct fs_names names;
	struct stat st;
	int64_t before = clock_now() / CLOCK_SECOND - seconds;
	int dir = openat(spool->xqt, peer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "xqt/%s", peer);
	int result = fs_names(dir, ".", &names, err);
	for (size_t i = 0; i < names.count; i++)
		if (fstatat(dir, names.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime < before)
			expire_file(spool, peer, dir, names.name[i]);
	fs_names_free(&names);
	close(dir);
	return result;
}
