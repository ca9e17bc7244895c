#include "spool/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/thread.h"
#include "spool/entry.h"
#include "spool/hosts.h"

static const char beat_file[] = ".beat", dead_file[] = ".dead";

enum { BEAT_MAX = 512, BEATS_A_LEASE = 6, RANDOM_DIGITS = 16, FENCE_TRIES = 100 };

struct lease {
	char *token;		/* NULL: not begun */
	int tmp;		/* the spool's tmp/; spool->tmp becomes our folder in it */
	int dir, hosts;		/* for the thread: tmp/TOKEN/ and hosts/ */
	pid_t pid;		/* who began it: a child has no lease */
	struct str home;	/* where a pid means something */
	const char *node;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool beating, stop;
	int64_t pause;		/* microseconds between two signs of life */
	uint64_t beats;
};

/* who we are */

static void
read_line(const char *path, struct str *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err ignored;

	if (fd >= 0)
		fs_read_all(fd, 4096, out, &ignored);
	if (fd >= 0)
		close(fd);
}

/* Two processes of the same home can look for each other's pid: one node, one boot, one pid
 * namespace. */
static void
find_home(const char *node, struct str *out)
{
	struct str text = {0};
	unsigned char sum[DIGEST_SIZE];
	char link[64];

	read_line("/proc/sys/kernel/random/boot_id", &text);
	ssize_t len = text.len > 0 ? readlink("/proc/self/ns/pid", link, sizeof link) : 0;
	if (len > 0)
		str_add(&text, link, (size_t)len);
	str_add_text(&text, node);
	digest_of(text.p, text.len, sum);
	if (len > 0)		/* else no home is like ours */
		digest_hex(sum, 8, out);
	str_free(&text);
}

const char *
lease_token(const struct spool *spool)
{
	return spool->lease != NULL && spool->lease->token != NULL ? spool->lease->token : "";
}

int
lease_tmp(const struct spool *spool)
{
	return spool->lease != NULL ? spool->lease->tmp : spool->tmp;
}

bool
lease_is_token(struct span text)
{
	size_t digits = 0;

	if (text.len < RANDOM_DIGITS + 4)
		return false;
	struct span random = span_from(text, text.len - RANDOM_DIGITS);
	for (size_t i = 0; i < random.len; i++)
		if (strchr("0123456789abcdef", random.p[i]) == NULL)
			return false;
	text.len -= RANDOM_DIGITS;
	if (text.p[--text.len] != '-')
		return false;
	while (text.len > 0 && text.p[text.len - 1] >= '0' && text.p[text.len - 1] <= '9') {
		text.len--;
		digits++;
	}
	return digits > 0 && text.len > 1 && text.p[text.len - 1] == '-' &&
	    memchr(text.p, '/', text.len) == NULL && text.p[0] != '.';
}

/* names */

void
lease_name(const struct spool *spool, const char *name, const char *ending, struct str *out)
{
	str_printf(out, "%s=%s%s", name, lease_token(spool), ending);
}

bool
lease_parse(const char *name, struct span *base, struct span *token, struct span *ending)
{
	const char *mark = strrchr(name, '=');

	if (mark == NULL)
		return false;
	size_t len = strcspn(mark + 1, ".");
	*base = (struct span){ name, (size_t)(mark - name) };
	*token = (struct span){ mark + 1, len };
	*ending = span_of(mark + 1 + len);
	return base->len > 0 && lease_is_token(*token);
}

bool
lease_names(const struct spool *spool, int dir, const char *name, int fd)
{
	struct stat ours, named;

	if (spool->lease == NULL)
		return fs_is(fd, dir, name);
	int other = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool same = other >= 0 && fstat(other, &named) == 0 && fstat(fd, &ours) == 0 &&
	    ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
	if (other >= 0)
		close(other);
	return same;
}

/* signs of life */

/* Always of the same length, and written over the last one.  No memory is taken: the
 * process may fork at any moment. */
static int
write_beat(struct lease *lease, int fd)
{
	char text[BEAT_MAX];
	int64_t seconds = clock_now() / CLOCK_SECOND;
	int len = snprintf(text, sizeof text, "beat=%010llu at=%012lld node=%s home=%s pid=%ld start=%llu "
	    "program=%s\n", (unsigned long long)++lease->beats, (long long)seconds, lease->node,
	    str_c(&lease->home), (long)lease->pid, (unsigned long long)process_began(lease->pid),
	    program_invocation_short_name);

	return len < (int)sizeof text && pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

static void
beat_host(struct lease *lease)
{
	char text[40];
	int len = snprintf(text, sizeof text, HOSTS_TIME, (long long)(clock_now() / CLOCK_SECOND));
	int fd = openat(lease->hosts, lease->node, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t done = pwrite(fd, text, (size_t)len, 0);
	(void)done;
	close(fd);
}

/* Closed at once: that brings it to where others see it (NFS).  If ours is gone we were
 * fenced, and find out when we begin the next thing. */
static void
beat_once(struct lease *lease)
{
	int fd = openat(lease->dir, beat_file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	write_beat(lease, fd);
	close(fd);
	beat_host(lease);
}

static void *
beat_on(void *ctx)
{
	struct lease *lease = ctx;
	struct timespec next;

	pthread_mutex_lock(&lease->mutex);
	clock_gettime(CLOCK_MONOTONIC, &next);
	while (!lease->stop) {
		int64_t nsec = next.tv_nsec + lease->pause % CLOCK_SECOND * 1000;
		next.tv_sec += lease->pause / CLOCK_SECOND + nsec / 1000000000;
		next.tv_nsec = nsec % 1000000000;
		int got = 0;
		while (!lease->stop && got == 0)
			got = pthread_cond_timedwait(&lease->wake, &lease->mutex, &next);
		if (!lease->stop)
			beat_once(lease);
	}
	pthread_mutex_unlock(&lease->mutex);
	return NULL;
}

static int
start_thread(struct lease *lease, struct err *err)
{
	lease->stop = false;
	int number = thread_start(&lease->thread, beat_on, lease);
	lease->beating = number == 0;
	errno = number;
	return number == 0 ? 0 : err_sys(err, "signs of life");
}

static void
stop_thread(struct lease *lease)
{
	if (!lease->beating)
		return;
	pthread_mutex_lock(&lease->mutex);
	lease->stop = true;
	pthread_cond_signal(&lease->wake);
	pthread_mutex_unlock(&lease->mutex);
	pthread_join(lease->thread, NULL);
	lease->beating = false;
}

/* beginning and end */

int
lease_start(struct spool *spool, struct err *err)
{
	const struct spool_settings *set = &spool->settings->spool;
	pthread_condattr_t attr;

	if (!set->shared)
		return 0;
	struct lease *lease = mem_get(sizeof *lease);
	*lease = (struct lease){ .node = set->node, .dir = -1, .hosts = spool->hosts,
		.pause = set->lease * CLOCK_SECOND / BEATS_A_LEASE };
	pthread_mutex_init(&lease->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lease->wake, &attr);
	pthread_condattr_destroy(&attr);
	find_home(lease->node, &lease->home);
	lease->tmp = fcntl(spool->tmp, F_DUPFD_CLOEXEC, 0);
	spool->lease = lease;
	return lease->tmp < 0 ? err_sys(err, "tmp/") : 0;
}

/* tmp/TOKEN/ with .beat in it: from here on others see us. */
static int
make_folder(struct lease *lease, struct err *err)
{
	if (fs_make_dir(lease->tmp, lease->token, 0750, err) < 0)
		return -1;
	lease->dir = fs_dir(lease->tmp, lease->token, err);
	int fd = lease->dir < 0 ? -1 : fs_create(lease->dir, beat_file, 0640, err);
	if (fd < 0)
		return -1;
	int result = write_beat(lease, fd);
	return close(fd) < 0 || result < 0 ? err_sys(err, "tmp/%s/%s", lease->token, beat_file) : 0;
}

static void
leave(struct lease *lease)
{
	stop_thread(lease);
	if (lease->dir >= 0)
		close(lease->dir);
	lease->dir = -1;
	free(lease->token);
	lease->token = NULL;
}

int
lease_alive(const struct spool *spool, struct err *err)
{
	struct str path = {0};

	if (spool->lease == NULL)
		return 0;
	if (spool->lease->token == NULL || spool->lease->pid != getpid())
		return err_set(err, ERR_TEMP, "this process has no part in the spool");
	/* Opened, not looked at: what a host remembers of names is not good enough here. */
	str_printf(&path, "%s/%s", spool->lease->token, beat_file);
	int fd = openat(spool->lease->tmp, str_c(&path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	str_free(&path);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : err_set(err, ERR_TEMP, "another host has taken this process for dead, as it "
	    "stood still for a lease; what it was at is done there");
}

int
lease_begin(const struct spool *spool, struct err *err)
{
	struct lease *lease = spool->lease;
	struct err ignored;
	uint64_t random;

	if (lease == NULL || lease_alive(spool, &ignored) == 0)
		return 0;
	leave(lease);
	hosts_note(spool);
	random_bytes(&random, sizeof random);
	struct str token = {0};
	str_printf(&token, "%s-%ld-%016llx", lease->node, (long)getpid(), (unsigned long long)random);
	lease->token = mem_text(str_c(&token));
	lease->pid = getpid();
	str_free(&token);
	if (make_folder(lease, err) < 0 || dup3(lease->dir, spool->tmp, O_CLOEXEC) < 0 ||
	    start_thread(lease, err) < 0) {
		leave(lease);
		return err_prefix(err, "a place in the shared spool");
	}
	return 0;
}

static void fence_folder(const struct spool *spool, const char *token);

void
lease_end(struct spool *spool)
{
	struct lease *lease = spool->lease;

	if (lease == NULL)
		return;
	if (lease->pid == getpid())
		stop_thread(lease);
	if (lease->token != NULL && lease->pid == getpid())
		fence_folder(spool, lease->token);
	if (lease->dir >= 0)
		close(lease->dir);
	if (lease->tmp >= 0)
		close(lease->tmp);
	pthread_cond_destroy(&lease->wake);
	pthread_mutex_destroy(&lease->mutex);
	free(lease->token);
	str_free(&lease->home);
	free(lease);
	spool->lease = NULL;
}

/* watching others */

/* "word=value" of a line of such. */
static struct span
value_of(struct span line, const char *word)
{
	size_t len = strlen(word);

	for (struct span next; (next = span_word(&line)).len > 0;)
		if (next.len > len && next.p[len] == '=' && memcmp(next.p, word, len) == 0)
			return span_from(next, len + 1);
	return (struct span){0};
}

/* Of our own home, and its pid is no more, or another's. */
static bool
is_gone(const struct lease *lease, struct span beat)
{
	uint64_t pid, start;

	return lease->home.len > 0 && span_same(value_of(beat, "home"), str_span(&lease->home)) &&
	    span_number(value_of(beat, "pid"), INT32_MAX, &pid) == 0 &&
	    span_number(value_of(beat, "start"), UINT64_MAX, &start) == 0 && process_began((pid_t)pid) != start;
}

/* What this host noted when it first saw this beat: "SINCE HOME BEAT...", by the clock that
 * counts from the boot on.  0: it is another beat. */
static int64_t
seen_since(const struct lease *lease, int dir, const char *name, struct span beat)
{
	struct str text = {0};
	struct err ignored;
	uint64_t since = 0;

	if (fs_load(dir, name, 2 * BEAT_MAX, &text, &ignored) == 0) {
		struct span rest = str_span(&text);
		if (span_number(span_word(&rest), INT64_MAX, &since) < 0 ||
		    !span_same(span_word(&rest), str_span(&lease->home)) || rest.len < 1 ||
		    !span_same(span_from(rest, 1), beat))
			since = 0;
	}
	str_free(&text);
	return (int64_t)since;
}

static void
note_seen(const struct lease *lease, int dir, const char *name, struct span beat)
{
	struct str text = {0};
	struct err ignored;

	str_printf(&text, "%lld %s ", (long long)clock_mono(), str_c((struct str *)(uintptr_t)&lease->home));
	str_add_span(&text, beat);
	fs_replace(dir, name, str_span(&text), 0640, &ignored);
	str_free(&text);
}

static bool
is_stale(const struct spool *spool, int dir, struct span beat)
{
	const struct lease *lease = spool->lease;
	struct str name = {0};

	str_printf(&name, ".seen=%s", lease->node);
	int64_t since = seen_since(lease, dir, str_c(&name), beat), now = clock_mono();
	bool stale = since > 0 && now - since > spool->settings->spool.lease * CLOCK_SECOND;
	if (since == 0 || since > now)
		note_seen(lease, dir, str_c(&name), beat);
	str_free(&name);
	return stale;
}

static bool
looks_dead(const struct spool *spool, int dir)
{
	struct str beat = {0};
	struct err ignored;

	if (faccessat(dir, dead_file, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;		/* somebody has begun to fence it */
	fs_load(dir, beat_file, BEAT_MAX, &beat, &ignored);	/* none yet: an empty one */
	bool dead = is_gone(spool->lease, str_span(&beat)) || is_stale(spool, dir, str_span(&beat));
	str_free(&beat);
	return dead;
}

bool
lease_dead(const struct spool *spool, struct span token)
{
	struct err ignored;

	if (spool->lease == NULL || span_is(token, lease_token(spool)))
		return spool->lease == NULL;
	char *name = mem_text_n(token.p, token.len);
	int dir = fs_dir(spool->lease->tmp, name, &ignored);
	bool gone = dir < 0 && errno == ENOENT, dead = dir >= 0 && looks_dead(spool, dir);
	if (dir >= 0)
		close(dir);
	if (dead) {
		log_warn("-: event=fenced process=%s", name);
		fence_folder(spool, name);
		gone = faccessat(spool->lease->tmp, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
	}
	free(name);
	return gone;
}

void
lease_fence(const struct spool *spool, struct span token)
{
	char *name = mem_text_n(token.p, token.len);

	log_warn("-: event=fenced process=%s", name);
	fence_folder(spool, name);
	free(name);
}

/* fencing: the sign of life, private files, claims in in/, the folder, in this order */

static void
empty_folder(int dir)
{
	struct fs_names names;
	struct err ignored;

	if (fs_names(dir, ".", &names, &ignored) < 0)
		return;
	for (size_t i = 0; i < names.count; i++)
		if (strcmp(names.name[i], dead_file) != 0)
			unlinkat(dir, names.name[i], 0);
	fs_names_free(&names);
}

/* in/S=TOKEN becomes in/S.  What has an ending waits for settle, which takes it from the
 * dead.  -1: perhaps something was left. */
static int
give_back(const struct spool *spool, const char *whose)
{
	struct fs_names names;
	struct span base, token, ending;
	struct err err;
	int result = 0;

	if (fs_names(spool->in, ".", &names, &err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		if (!lease_parse(names.name[i], &base, &token, &ending) || ending.len > 0 ||
		    !span_is(token, whose))
			continue;
		char *free_name = mem_text_n(base.p, base.len);
		if (renameat(spool->in, names.name[i], spool->in, free_name) < 0 && errno != ENOENT)
			result = -1;
		free(free_name);
	}
	fs_names_free(&names);
	return result;
}

static void
fence_folder(const struct spool *spool, const char *token)
{
	int tmp = spool->lease->tmp;
	struct err ignored;

	for (int i = 0; i < FENCE_TRIES; i++) {
		int dir = fs_dir(tmp, token, &ignored);
		if (dir < 0)
			return;
		bool begun = renameat(dir, beat_file, dir, dead_file) == 0 || errno == ENOENT;
		if (begun)
			empty_folder(dir);
		/* Only then is the folder gone, and with it what says that it may live. */
		if (begun && give_back(spool, token) == 0 && (unlinkat(dir, dead_file, 0) == 0 || errno == ENOENT))
			unlinkat(tmp, token, AT_REMOVEDIR);
		close(dir);
		if (!begun)	/* a full disk: what tells that it has ended stays for the next */
			return;
	}
}

/* what a dead process may still write to */

static int
copy_bytes(int from, int to, off_t *size, struct err *err)
{
	enum { CHUNK = 64 << 10 };
	char *chunk = mem_get(CHUNK);
	ssize_t got;
	int result = 0;

	for (*size = 0; result == 0 && (got = fs_pread(from, chunk, CHUNK, *size, err)) != 0; *size += got) {
		result = got < 0 ? -1 : fs_write(to, chunk, (size_t)got, err);
		if (got < 0)
			break;
	}
	free(chunk);
	return result;
}

/* Behind its last whole entry there is nothing that anybody was promised. */
static int
cut_entries(int fd, off_t *size, struct err *err)
{
	struct entry entry;
	off_t good = 0;

	while (entry_read(fd, &good, true, &entry, err) > 0)
		entry_free(&entry);
	if (err->kind == ERR_TEMP)
		return -1;
	*err = (struct err){0};
	*size = good;
	return ftruncate(fd, good) == 0 ? 0 : err_sys(err, "cut");
}

int
lease_copy(const struct spool *spool, int dir, const char *name, bool whole, off_t *size,
    struct err *err)
{
	struct str fresh = {0};

	spool_new_id(&fresh);
	int from = fs_open(dir, name, O_RDONLY, err);
	int to = from < 0 ? -1 : fs_create(spool->tmp, str_c(&fresh), 0640, err);
	int result = to < 0 ? -1 : copy_bytes(from, to, size, err);
	if (result == 0 && whole)
		result = cut_entries(to, size, err);
	if (result == 0)
		result = fs_sync(to, err);
	if (result == 0)
		result = fs_rename(spool->tmp, str_c(&fresh), dir, name, err);
	if (result < 0 && to >= 0)
		unlinkat(spool->tmp, str_c(&fresh), 0);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	str_free(&fresh);
	return result;
}
