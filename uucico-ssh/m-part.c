#include "uucico-ssh/m-part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { PIECE = 65536, ASKED_KEPT = 90 * 24 * 3600 };

int
m_part_folder(const struct spool *spool, const char *peer, struct err *err)
{
	return fs_make_dir(spool->part, peer, 0750, err) < 0 ? -1 : fs_dir(spool->part, peer, err);
}

void
m_part_file(const unsigned char name[M_NAME], char file[2 * M_NAME + 1])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < M_NAME; i++) {
		file[2 * i] = digits[name[i] >> 4];
		file[2 * i + 1] = digits[name[i] & 15];
	}
	file[2 * M_NAME] = '\0';
}

static int
value_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c - 'a' + 10;
}

static bool
take_name(const char *file, unsigned char name[M_NAME])
{
	if (strlen(file) != 2 * M_NAME || strspn(file, "0123456789abcdef") != 2 * M_NAME)
		return false;
	for (size_t i = 0; i < M_NAME; i++)
		name[i] = (unsigned char)(value_of(file[2 * i]) << 4 | value_of(file[2 * i + 1]));
	return true;
}

/* --- what there is --- */

struct found {
	char *file;		/* borrowed from the names */
	unsigned char name[M_NAME];
	int64_t at;		/* when it grew last, microseconds */
	uint64_t size;
};

static int
newest_first(const void *a, const void *b)
{
	const struct found *one = a, *other = b;

	return one->at != other->at ? (one->at > other->at ? -1 : 1) : strcmp(one->file, other->file);
}

/* Parts only; the caller frees both. */
static size_t
look(int dir, struct fs_names *names, struct found **list)
{
	struct err ignored;
	struct stat st;
	size_t count = 0;

	if (fs_names(dir, ".", names, &ignored) < 0)
		*names = (struct fs_names){0};
	*list = mem_get((names->count + 1) * sizeof **list);
	for (size_t i = 0; i < names->count; i++) {
		struct found *found = &(*list)[count];
		if (!take_name(names->name[i], found->name) ||
		    fstatat(dir, names->name[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
			continue;
		found->file = names->name[i];
		found->at = st.st_mtim.tv_sec * CLOCK_SECOND + st.st_mtim.tv_nsec / 1000;
		found->size = (uint64_t)st.st_size;
		count++;
	}
	qsort(*list, count, sizeof **list, newest_first);
	return count;
}

/* What was asked for and never came (m-hold.h). */
static void
forget_asked(int dir, const struct fs_names *names, int64_t now)
{
	struct stat st;

	for (size_t i = 0; i < names->count; i++)
		if (span_ends_case(span_of(names->name[i]), ".asked") &&
		    fstatat(dir, names->name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    now / CLOCK_SECOND - st.st_mtim.tv_sec > ASKED_KEPT)
			unlinkat(dir, names->name[i], 0);
}

void
m_part_clean(int dir, const char *peer, uint64_t most)
{
	struct fs_names names;
	struct found *list;
	uint64_t bytes = 0;
	int64_t now = clock_now();
	size_t count = look(dir, &names, &list);

	for (size_t i = 0; i < count; i++) {
		bytes += list[i].size;
		if (list[i].size > 0 && i < PARTS_MAX && bytes <= most && now - list[i].at <= PARTS_KEPT * CLOCK_SECOND)
			continue;
		if (unlinkat(dir, list[i].file, 0) == 0)
			log_info("peer=%s event=part-removed part=%s bytes=%llu", peer, list[i].file,
			    (unsigned long long)list[i].size);
	}
	free(list);
	forget_asked(dir, &names, now);
	fs_names_free(&names);
}

static int
sum_of(int fd, uint64_t len, uint64_t *check, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};
	char *piece = mem_get(PIECE);
	int result = 0;

	digest_start(&digest);
	for (uint64_t at = 0; at < len && result == 0;) {
		size_t want = len - at < PIECE ? (size_t)(len - at) : PIECE;
		ssize_t got = fs_pread(fd, piece, want, (off_t)at, err);
		result = got == (ssize_t)want ? 0 : -1;
		if (result == 0)
			digest_add(&digest, piece, want);
		at += want;
	}
	digest_end(&digest, sum);
	*check = bytes_number(sum, 8);
	free(piece);
	return result;
}

size_t
m_part_list(int dir, struct m_partial *partials, size_t most)
{
	struct fs_names names;
	struct found *list;
	struct err err;
	size_t told = 0, count = look(dir, &names, &list);

	for (size_t i = 0; i < count && told < most; i++) {
		struct m_partial *partial = &partials[told];
		int fd = list[i].size > 0 ? fs_open(dir, list[i].file, O_RDWR, &err) : -1;
		*partial = (struct m_partial){ .at = list[i].size };
		memcpy(partial->name, list[i].name, M_NAME);
		if (fd >= 0 && fs_sync(fd, &err) == 0 && sum_of(fd, list[i].size, &partial->check, &err) == 0)
			told++;
		if (fd >= 0)
			close(fd);
	}
	free(list);
	fs_names_free(&names);
	return told;
}

int
m_part_open(int dir, const char *file, bool make, uint64_t *size, struct err *err)
{
	struct stat st;
	int fd = fs_open(dir, file, O_RDWR, err);

	if (fd < 0 && errno == ENOENT && make)
		fd = fs_create(dir, file, 0640, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		err_sys(err, "part %s", file);
		close(fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	return fd;
}
