#include "uucico-ssh/stay.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/retry.h"
#include "uucico-ssh/link.h"

/* After a call that failed for a reason of ours, as a window that is closed: nothing rests for it. */
#define PAUSE (60 * CLOCK_SECOND)

static uint64_t
mix(uint64_t hash, uint64_t number)
{
	return (hash ^ number) * UINT64_C(1099511628211);	/* FNV-1a, by words */
}

static uint64_t
look_at(int dir, const char *path, uint64_t hash)
{
	struct stat st;

	if (fstatat(dir, path, &st, 0) < 0)
		return mix(hash, 0);
	return mix(mix(hash, (uint64_t)st.st_mtim.tv_sec), (uint64_t)st.st_mtim.tv_nsec);
}

/* What is for the site: its folder, its buckets, what uux queued. */
static uint64_t
look(const struct stay *stay)
{
	struct str path = {0};
	struct fs_names names = {0};
	struct err ignored;
	uint64_t hash = 1;

	if (fs_names(stay->spool->out, stay->site, &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++) {
			if (names.name[i][0] == '.')
				continue;
			str_clear(&path);
			str_printf(&path, "%s/%s", stay->site, names.name[i]);
			hash = look_at(stay->spool->out, str_c(&path), hash);
		}
	fs_names_free(&names);
	str_clear(&path);
	str_printf(&path, "uux/%s", stay->site);
	hash = look_at(stay->spool->dir, str_c(&path), hash);
	str_free(&path);
	return hash;
}

static uint64_t
look_at_arrivals(const struct stay *stay)
{
	return look_at(stay->spool->dir, "drop", look_at(stay->spool->in, ".", 1));
}

static bool
has_files(int dir, const char *path)
{
	struct fs_names names = {0};
	struct err ignored;
	bool some = false;

	if (fs_names(dir, path, &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++)
			some |= names.name[i][0] != '.';
	fs_names_free(&names);
	return some;
}

/* Buckets that are there hold something, or will soon be gone. */
static bool
has_work(const struct stay *stay)
{
	struct str path = {0};

	str_printf(&path, "uux/%s", stay->site);
	bool some = has_files(stay->spool->out, stay->site) || has_files(stay->spool->sent, stay->site) ||
	    has_files(stay->spool->dir, str_c(&path));
	str_free(&path);
	return some;
}

void
stay_begin(struct stay *stay)
{
	stay->seen = look(stay);	/* what comes while it is called is new */
}

void
stay_end(struct stay *stay, bool failed)
{
	stay->called = clock_mono();
	stay->failed = failed;
	stay->again = failed ? stay->called + PAUSE : 0;
}

/* A call that stands is missed at once: the first rests are short. */
static bool
hurries(const struct stay *stay, const struct retry *retry, int64_t mono)
{
	return stay->stands && retry->failures < 10 && mono - stay->called >= CLOCK_SECOND << retry->failures;
}

static bool
rests(struct stay *stay, int64_t now, int64_t mono)
{
	struct retry retry;
	struct err ignored;
	bool noted = retry_load(stay->spool, stay->site, &retry, &ignored) == 0 && retry.next != 0;
	bool later = noted && retry.next > now && !hurries(stay, &retry, mono);

	if (noted)
		stay->again = 0;	/* that says when, and may be said anew by a link that came up */
	str_free(&retry.why);
	return later;
}

bool
stay_is_due(struct stay *stay, int64_t now, int64_t mono)
{
	if (rests(stay, now, mono) || mono < stay->again)
		return false;
	if (stay->stands)
		return true;
	if (stay->every > 0 && mono - stay->called >= stay->every)
		return true;
	return has_work(stay) && (stay->failed || look(stay) != stay->seen);
}

/* What came in is for somebody; the daemon, where there is one, is quicker. */
static void
settle_arrivals(struct stay *stay)
{
	uint64_t arrivals = look_at_arrivals(stay);
	struct settled settled;
	struct err ignored;

	if (arrivals == stay->arrivals)
		return;
	spool_settle(stay->spool, &settled, &ignored);
	stay->arrivals = look_at_arrivals(stay);
}

bool
stay_news(struct stay *stay)
{
	settle_arrivals(stay);
	uint64_t now = look(stay);
	bool news = now != stay->seen && has_work(stay);

	stay->seen = now;
	return news;
}

/* A folder that is not there yet is made with the first file in it, and its parent is heard. */
static void
listen_at(int ear, int dir, const char *below)
{
	struct str path = {0};

	str_printf(&path, "/proc/self/fd/%d/%s", dir, below);
	inotify_add_watch(ear, str_c(&path), IN_MOVE | IN_CREATE | IN_DELETE | IN_CLOSE_WRITE);
	str_free(&path);
}

int
stay_ear(struct stay *stay)
{
	struct str uux = {0};

	if (stay->ear != 0)
		return stay->ear;
	stay->ear = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (stay->ear < 0)
		return -1;
	str_printf(&uux, "uux/%s", stay->site);
	listen_at(stay->ear, stay->spool->in, ".");
	listen_at(stay->ear, stay->spool->dir, "drop");
	listen_at(stay->ear, stay->spool->out, ".");
	listen_at(stay->ear, stay->spool->out, stay->site);
	listen_at(stay->ear, stay->spool->dir, str_c(&uux));
	str_free(&uux);
	return stay->ear;
}

bool
stay_heard(struct stay *stay)
{
	char events[4096];
	bool some = false;

	while (stay->ear > 0 && read(stay->ear, events, sizeof events) > 0)
		some = true;
	return some;
}

void
stay_over(struct stay *stay)
{
	if (stay->ear > 0)
		close(stay->ear);
	stay->ear = 0;
}

int
stay_wait(struct stay *stay, struct err *err)
{
	do {
		if (link_wait(NULL, 0, clock_mono() + CLOCK_SECOND, err) < 0)
			return -1;
		settle_arrivals(stay);
	} while (!stay_is_due(stay, clock_now(), clock_mono()));
	return 0;
}
