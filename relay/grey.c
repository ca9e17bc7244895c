#include "relay/grey.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"

enum { HEAD = 64, PLACES = 8 };

static const char magic[] = "mochila-grey 1\n";

/* In the host's own order of bytes: the table does not travel. */
struct row {
	uint32_t key[2];
	uint32_t first, last;	/* seconds; last 0: free */
};

/* A new one, or the secret of the one that is there. */
static int
read_head(struct grey *grey, const char *path, struct err *err)
{
	char head[HEAD] = {0};
	ssize_t got = fs_pread(grey->fd, head, sizeof head, 0, err);

	if (got < 0)
		return -1;
	if (got == 0) {
		memcpy(head, magic, sizeof magic - 1);
		random_bytes(head + 32, sizeof grey->secret);
		if (ftruncate(grey->fd, HEAD + GREY_ROWS * (off_t)sizeof(struct row)) < 0 ||
		    pwrite(grey->fd, head, sizeof head, 0) != (ssize_t)sizeof head)
			return err_sys(err, "%s", path);
	} else if (got < HEAD || memcmp(head, magic, sizeof magic - 1) != 0) {
		return err_set(err, ERR_CONFIG, "%s is no table of ours: move it away", path);
	}
	memcpy(grey->secret, head + 32, sizeof grey->secret);
	return 0;
}

static int
open_table(struct grey *grey, const char *path, struct err *err)
{
	if (grey->open)
		return 0;
	grey->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (grey->fd < 0)
		return err_sys(err, "%s", path);
	grey->open = true;
	/* Two that begin at once, after a restart: one of them writes its head. */
	int result = flock(grey->fd, LOCK_EX) < 0 ? err_sys(err, "%s", path) : read_head(grey, path, err);
	flock(grey->fd, LOCK_UN);
	if (result < 0)
		grey_close(grey);
	return result;
}

static void
key_of(const struct grey *grey, const struct ip *ip, struct span from, struct span to, unsigned char sum[DIGEST_SIZE])
{
	struct digest digest = {0};
	struct str text = {0};

	str_add(&text, grey->secret, sizeof grey->secret);
	str_add(&text, ip->bytes, ip_is_v4(ip) ? 15 : 8);
	str_add_char(&text, '\0');
	str_add_lower(&text, from);
	str_add_char(&text, '\0');
	str_add_lower(&text, to);
	digest_start(&digest);
	digest_add(&digest, text.p, text.len);
	digest_end(&digest, sum);
	str_free(&text);
}

/* Who never came back gives way first: a flood of strangers displaces nobody who is known. */
static bool
gives_way(const struct row *row, const struct row *to)
{
	bool passed = row->last > row->first, other = to->last > to->first;

	return passed != other ? other : row->last < to->last;
}

/* His row, or the one that is his from now on. */
static size_t
find(const struct row row[PLACES], const uint32_t key[2], bool *known)
{
	size_t oldest = 0;

	*known = false;
	for (size_t i = 0; i < PLACES; i++) {
		*known = row[i].last != 0 && row[i].key[0] == key[0] && row[i].key[1] == key[1];
		if (*known)
			return i;
		if (gives_way(&row[i], &row[oldest]))
			oldest = i;
	}
	return oldest;
}

/* 0 welcome, else seconds; the row as it is now. */
static int64_t
judge(struct row *row, uint32_t now, int64_t delay, int64_t keep)
{
	bool passed = row->last > row->first;
	int64_t age = (int64_t)now - row->first, since = (int64_t)now - row->last;

	if (passed ? since > keep || since < 0 : age > GREY_WINDOW || age < 0) {
		row->first = row->last = now;	/* also when the clock went back: as if he were new */
		return delay;
	}
	if (!passed && age < delay)
		return delay - age;
	row->last = now > row->first ? now : row->first + 1;
	return 0;
}

int
grey_seen(struct grey *grey, const char *path, const struct ip *ip, struct span from, struct span to,
    int64_t now, int64_t delay, int64_t keep, int64_t *wait, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];
	struct row row[PLACES];
	uint32_t key[2], seconds = (uint32_t)(now / CLOCK_SECOND);
	bool known;

	if (open_table(grey, path, err) < 0)
		return -1;
	key_of(grey, ip, from, to, sum);
	memcpy(key, sum, sizeof key);
	off_t at = HEAD + (off_t)(((size_t)sum[8] << 8 | sum[9]) % (GREY_ROWS / PLACES) * sizeof row);
	if (fs_pread(grey->fd, row, sizeof row, at, err) != (ssize_t)sizeof row)
		return err->kind != ERR_NONE ? -1 : err_set(err, ERR_TEMP, "%s is too short", path);
	size_t i = find(row, key, &known);
	if (!known)
		row[i] = (struct row){ { key[0], key[1] }, seconds, seconds };
	*wait = known ? judge(&row[i], seconds, delay, keep) : delay;
	at += (off_t)(i * sizeof row[0]);
	if (pwrite(grey->fd, &row[i], sizeof row[i], at) != (ssize_t)sizeof row[i])
		return err_sys(err, "%s", path);
	return *wait > 0;
}

void
grey_close(struct grey *grey)
{
	if (grey->open)
		close(grey->fd);
	*grey = (struct grey){0};
}
