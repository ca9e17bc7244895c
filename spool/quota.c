#include "spool/quota.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "spool/route.h"

enum {
	KEEP = 60, KEEP_WHEN_OVER = 5,	/* seconds */
	DEPTH_MAX = 4,			/* sent/SITE/B.d/ID */
	COUNT_MAX = 64 << 10,		/* bytes of that file */
};

/* counting */

static uint64_t
bytes_below(int at, const char *path, unsigned depth)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *name;
	struct stat st;
	uint64_t sum = 0;

	if (dir == NULL && fd >= 0)
		close(fd);
	while (dir != NULL && (name = readdir(dir)) != NULL) {
		if (name->d_name[0] == '.' || fstatat(fd, name->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (S_ISREG(st.st_mode))
			sum += (uint64_t)st.st_size;
		else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			sum += bytes_below(fd, name->d_name, depth + 1);
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

/* "all BYTES", then "SITE BYTES" for each that has a quota, and "xqt/SITE BYTES" of its jobs. */
static void
count(const struct spool *spool, struct str *out)
{
	const struct settings *settings = spool->settings;

	str_printf(out, "all %llu\n", (unsigned long long)(bytes_below(spool->in, ".", 1) +
	    bytes_below(spool->out, ".", 1) + bytes_below(spool->sent, ".", 1) +
	    bytes_below(spool->xqt, ".", 1) + bytes_below(spool->hold, ".", 1)));
	for (size_t i = 0; i < settings->sites; i++) {
		const char *name = settings->site[i].name;
		if (settings->site[i].quota == 0)
			continue;
		struct str filtered = {0};
		route_folder_of("filter", name, &filtered);	/* and what is on its way there */
		str_printf(out, "%s %llu\n", name, (unsigned long long)(bytes_below(spool->out, name, 2) +
		    bytes_below(spool->out, str_c(&filtered), 2) + bytes_below(spool->sent, name, 2)));
		str_free(&filtered);
		str_printf(out, "xqt/%s %llu\n", name, (unsigned long long)bytes_below(spool->xqt, name, 2));
	}
}

/* What the count says of "all", a site or its jobs; false: nothing. */
static bool
find(struct span counted, const char *name, uint64_t *bytes)
{
	struct span line;

	while (span_cut(&counted, '\n', &line)) {
		struct span word = span_word(&line);
		if (span_is(word, name))
			return span_number(span_word(&line), UINT64_MAX, bytes) == 0;
	}
	return false;
}

/* tmp/.quota; hosts/.quota-NODE where several share the spool, and tmp/ is ours alone. */
static int
count_file(const struct spool *spool, struct str *name)
{
	str_set(name, ".quota");
	if (spool->lease == NULL)
		return spool->tmp;
	str_printf(name, "-%s", spool->settings->spool.node);
	return spool->hosts;
}

/* How long ago it was counted; the clock may have been set in between. */
static int64_t
age(const struct spool *spool)
{
	struct stat st;
	struct str name = {0};
	int dir = count_file(spool, &name);
	int64_t seconds = fstatat(dir, str_c(&name), &st, AT_SYMLINK_NOFOLLOW) < 0 ?
	    KEEP : clock_now() / CLOCK_SECOND - st.st_mtime;

	str_free(&name);
	return seconds < 0 ? KEEP : seconds;
}

/* A count that cannot be kept is made anew each time, but it counts. */
static void
count_again(const struct spool *spool, struct str *counted)
{
	struct err ignored;
	struct str name = {0};
	int dir = count_file(spool, &name);

	str_clear(counted);
	count(spool, counted);
	fs_replace(dir, str_c(&name), str_span(counted), 0640, &ignored);
	str_free(&name);
}

static uint64_t
waiting(const struct spool *spool, const char *name, uint64_t quota)
{
	struct str counted = {0}, file = {0};
	struct err ignored;
	uint64_t bytes = 0;
	int64_t seconds = age(spool);
	int dir = count_file(spool, &file);
	bool found = seconds < KEEP &&
	    fs_load(dir, str_c(&file), COUNT_MAX, &counted, &ignored) == 0 &&
	    find(str_span(&counted), name, &bytes);

	if (!found || (bytes >= quota && seconds >= KEEP_WHEN_OVER)) {
		count_again(spool, &counted);
		find(str_span(&counted), name, &bytes);
	}
	str_free(&file);
	str_free(&counted);
	return bytes;
}

static int
over(uint64_t bytes, uint64_t quota, const char *whose, struct err *err)
{
	err_set(err, ERR_TEMP, "%s: %llu bytes wait, its quota is %llu; please come back later",
	    whose, (unsigned long long)bytes, (unsigned long long)quota);
	return err_as(err, 0, "4.3.1");
}

int
quota_spool(const struct spool *spool, struct err *err)
{
	uint64_t quota = spool->settings->spool.quota;
	uint64_t bytes = quota == 0 ? 0 : waiting(spool, "all", quota);

	return quota == 0 || bytes < quota ? 0 : over(bytes, quota, "the spool", err);
}

int
quota_rcpt(const struct spool *spool, struct span rcpt, struct err *err)
{
	struct route_match match = route_find(spool->settings, rcpt);
	const struct site_settings *site = match.kind == ROUTE_SITE ?
	    settings_site(spool->settings, match.rest) : NULL;
	uint64_t quota = site != NULL ? site->quota : 0;
	uint64_t bytes = quota == 0 ? 0 : waiting(spool, site->name, quota);

	return quota == 0 || bytes < quota ? 0 : over(bytes, quota, site->name, err);
}

int
quota_jobs(const struct spool *spool, const struct site_settings *site, struct err *err)
{
	struct str jobs = {0};
	uint64_t bytes = 0;

	str_printf(&jobs, "xqt/%s", site->name);
	if (site->quota > 0)
		bytes = waiting(spool, str_c(&jobs), site->quota);
	int result = site->quota == 0 || bytes < site->quota ? 0 : over(bytes, site->quota, str_c(&jobs), err);
	str_free(&jobs);
	return result;
}
