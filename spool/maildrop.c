#include "spool/maildrop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { PIECE = 64 << 10, UID_MAX_BYTES = 70, SIZES_MAX = 64 << 20 };

static const char lock_file[] = ".pop3-lock", sizes_file[] = ".pop3-sizes";

/* What stays the same whatever flags it has. */
static struct span
base_of(const char *name)
{
	return (struct span){ name, strcspn(name, ":") };
}

static int
by_base(const void *a, const void *b)
{
	const struct maildrop_item *one = a, *other = b;
	struct span first = base_of(one->name), second = base_of(other->name);
	int order = memcmp(first.p, second.p, first.len < second.len ? first.len : second.len);

	return order != 0 ? order : first.len < second.len ? -1 : first.len > second.len;
}

/* ---- listing ---- */

static DIR *
list_of(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;

	if (list == NULL && copy >= 0)
		close(copy);
	return list;
}

static int
add_folder(struct maildrop *drop, bool fresh, struct err *err)
{
	const struct dirent *entry;
	DIR *list = list_of(drop->dir[fresh]);
	size_t room = drop->count;

	if (list == NULL)
		return err_sys(err, "Maildir %s", fresh ? "new" : "cur");
	while ((entry = readdir(list)) != NULL && drop->count < MAILDROP_MAX) {
		if (entry->d_name[0] == '.' || (entry->d_type != DT_REG && entry->d_type != DT_UNKNOWN))
			continue;
		if (drop->count == room) {
			room = room > 0 ? 2 * room : 64;
			drop->item = mem_resize(drop->item, room, sizeof *drop->item);
		}
		drop->item[drop->count++] = (struct maildrop_item){ .name = mem_text(entry->d_name), .fresh = fresh };
	}
	closedir(list);
	return 0;
}

/* A file that was moved while we looked was seen twice. */
static void
drop_doubles(struct maildrop *drop)
{
	size_t kept = 0;

	for (size_t i = 0; i < drop->count; i++) {
		if (kept > 0 && by_base(&drop->item[kept - 1], &drop->item[i]) == 0)
			free(drop->item[i].name);
		else
			drop->item[kept++] = drop->item[i];
	}
	drop->count = kept;
}

static int
list_items(struct maildrop *drop, struct err *err)
{
	for (int fresh = 0; fresh < 2; fresh++)
		if (drop->dir[fresh] >= 0 && add_folder(drop, fresh, err) < 0)
			return -1;
	if (drop->count > 0)
		qsort(drop->item, drop->count, sizeof *drop->item, by_base);
	drop_doubles(drop);
	return 0;
}

/* ---- sizes ---- */

/* ",W=" in a name: what Dovecot and others say of a message as it goes over the wire. */
static bool
size_in_name(struct maildrop_item *item)
{
	struct span rest = base_of(item->name), word;

	span_cut(&rest, ',', &word);
	while (span_cut(&rest, ',', &word))
		if (span_begins(word, "W=") && span_number(span_from(word, 2), INT64_MAX, &item->octets) == 0)
			return true;
	return false;
}

/* "OCTETS BYTES BASE" a line, in the order of the bases, as the items are. */
static bool
next_size(struct span *rest, struct maildrop_item *was)
{
	struct span line, octets, bytes;

	while (span_cut(rest, '\n', &line)) {
		octets = span_word(&line);
		bytes = span_word(&line);
		line = span_trim(line);
		if (line.len == 0 || line.p[0] == ':' || span_number(octets, INT64_MAX, &was->octets) < 0 ||
		    span_number(bytes, INT64_MAX, &was->bytes) < 0)
			continue;	/* whatever it is, it is only a hint */
		free(was->name);
		was->name = mem_text_n(line.p, line.len);
		return true;
	}
	return false;
}

static void
remember_sizes(struct maildrop *drop, struct span text)
{
	struct maildrop_item was = {0};
	size_t i = 0;
	bool more = next_size(&text, &was);

	while (more && i < drop->count) {
		int order = by_base(&was, &drop->item[i]);
		if (order == 0) {
			drop->item[i].octets = was.octets;
			drop->item[i].bytes = was.bytes;
			drop->item[i].counted = true;
		}
		i += order >= 0;
		if (order <= 0)
			more = next_size(&text, &was);
	}
	free(was.name);
}

/* Lines are ended by LF, or by CRLF already.  A piece that is not full was the last. */
static int
count_file(int fd, struct maildrop_item *item, char piece[PIECE], struct err *err)
{
	bool cr = false;
	ssize_t got = PIECE;

	item->octets = item->bytes = 0;
	while (got == PIECE && (got = fs_pread(fd, piece, PIECE, (off_t)item->bytes, err)) > 0) {
		const char *end = piece + got, *lf = piece;
		while ((lf = memchr(lf, '\n', (size_t)(end - lf))) != NULL) {
			item->octets += !(lf > piece ? lf[-1] == '\r' : cr);
			lf++;
		}
		cr = end[-1] == '\r';
		item->bytes += (uint64_t)got;
		item->octets += (uint64_t)got;
	}
	item->counted = got >= 0;
	return got < 0 ? -1 : 0;
}

/* The file, wherever another reader has moved it; -1 with ENOENT: it is gone. */
static int
open_item(struct maildrop *drop, struct maildrop_item *item, struct err *err)
{
	int fd = fs_open(drop->dir[item->fresh], item->name, O_RDONLY, err);
	const struct dirent *entry;

	for (int fresh = 0; fresh < 2 && fd < 0 && errno == ENOENT; fresh++) {
		DIR *list = drop->dir[fresh] >= 0 ? list_of(drop->dir[fresh]) : NULL;
		while (list != NULL && (entry = readdir(list)) != NULL) {
			struct maildrop_item found = { .name = (char *)entry->d_name };
			if (by_base(&found, item) != 0)
				continue;
			free(item->name);
			item->name = mem_text(entry->d_name);
			item->fresh = fresh;
			break;
		}
		if (list != NULL)
			closedir(list);
		fd = fs_open(drop->dir[item->fresh], item->name, O_RDONLY, err);
	}
	return fd;
}

/* One that is gone meanwhile, or cannot be read, has no octets. */
static void
count_item(struct maildrop *drop, struct maildrop_item *item, char piece[PIECE])
{
	struct err err;

	if (item->counted || size_in_name(item))
		return;
	int fd = open_item(drop, item, &err);
	if (fd < 0 || count_file(fd, item, piece, &err) < 0)
		log_warn("event=unreadable file=%s why=\"%s\"", item->name, err.text);
	if (fd >= 0)
		close(fd);
	drop->news = drop->news || item->counted;
}

/* A hint for the next time: nothing is lost with it, so nothing is synced. */
static void
note_sizes(const struct maildrop *drop)
{
	static const char fresh[] = ".pop3-sizes.new";
	struct str text = {0};
	struct err err;

	for (size_t i = 0; i < drop->count; i++)
		if (drop->item[i].counted && strpbrk(drop->item[i].name, " \t\n") == NULL)
			str_printf(&text, "%llu %llu %.*s\n", (unsigned long long)drop->item[i].octets,
			    (unsigned long long)drop->item[i].bytes, (int)base_of(drop->item[i].name).len,
			    drop->item[i].name);
	unlinkat(drop->top, fresh, 0);
	int fd = fs_create(drop->top, fresh, 0600, &err);
	if (fd >= 0 && fs_write(fd, text.p, text.len, &err) == 0)
		fs_rename(drop->top, fresh, drop->top, sizes_file, &err);
	if (fd >= 0)
		close(fd);
	str_free(&text);
}

static void
find_sizes(struct maildrop *drop)
{
	struct str text = {0};
	struct err err;

	if (fs_load(drop->top, sizes_file, SIZES_MAX, &text, &err) == 0)
		remember_sizes(drop, str_span(&text));
	str_free(&text);
}

bool
maildrop_count(struct maildrop *drop, int64_t until)
{
	char *piece = mem_get(PIECE);

	do {
		if (drop->known < drop->count)
			count_item(drop, &drop->item[drop->known++], piece);
	} while (drop->known < drop->count && (until == 0 || clock_mono() < until));
	free(piece);
	if (drop->known < drop->count)
		return true;
	if (drop->news)
		note_sizes(drop);
	drop->news = false;
	return false;
}

/* ---- open ---- */

static int
open_folder(struct maildrop *drop, bool fresh, struct err *err)
{
	int *fd = &drop->dir[fresh];

	*fd = openat(drop->top, fresh ? "new" : "cur", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *fd >= 0 || errno == ENOENT ? 0 : err_sys(err, "Maildir %s", fresh ? "new" : "cur");
}

int
maildrop_look(struct maildrop *drop, const char *folder, struct err *err)
{
	*drop = (struct maildrop){ .dir = { -1, -1 }, .top = -1, .lock = -1, .fd = -1 };
	drop->top = fs_dir(AT_FDCWD, folder, err);
	if (drop->top < 0 && errno == ENOENT)
		return 0;
	if (drop->top >= 0)
		drop->lock = fs_lock(drop->top, lock_file, false, err);
	bool held = drop->top >= 0 && drop->lock < 0 && errno == EWOULDBLOCK;
	if (drop->lock < 0 || open_folder(drop, true, err) < 0 || open_folder(drop, false, err) < 0 ||
	    list_items(drop, err) < 0) {
		maildrop_close(drop);
		return held ? 1 : err_prefix(err, "%s", folder);
	}
	find_sizes(drop);
	return 0;
}

int
maildrop_open(struct maildrop *drop, const char *folder, struct err *err)
{
	int result = maildrop_look(drop, folder, err);

	if (result == 0)
		maildrop_count(drop, 0);
	return result;
}

void
maildrop_close(struct maildrop *drop)
{
	maildrop_end(drop);
	for (size_t i = 0; i < drop->count; i++)
		free(drop->item[i].name);
	free(drop->item);
	const int fds[] = { drop->dir[0], drop->dir[1], drop->lock, drop->top };
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	*drop = (struct maildrop){ .dir = { -1, -1 }, .top = -1, .lock = -1, .fd = -1 };
}

/* ---- one message ---- */

void
maildrop_uid(const struct maildrop *drop, size_t item, struct str *uid)
{
	struct span base = base_of(drop->item[item].name);
	unsigned char sum[DIGEST_SIZE];
	size_t i = 0;

	while (i < base.len && base.p[i] > ' ' && base.p[i] < 0x7F)
		i++;
	if (i == base.len && base.len > 0 && base.len <= UID_MAX_BYTES) {
		str_add_span(uid, base);
		return;
	}
	digest_of(base.p, base.len, sum);
	digest_hex(sum, 16, uid);
}

int
maildrop_begin(struct maildrop *drop, size_t item, struct err *err)
{
	struct stat st;

	drop->fd = open_item(drop, &drop->item[item], err);
	if (drop->fd < 0)
		return errno == ENOENT ? err_set(err, ERR_TEMP, "it has been removed meanwhile") : -1;
	drop->cr = false;
	if (drop->item[item].bytes == 0 || fstat(drop->fd, &st) < 0 ||
	    (uint64_t)st.st_size == drop->item[item].bytes)
		return 0;
	/* Nobody changes a file of a Maildir; whoever did, the sizes we said are wrong. */
	unlinkat(drop->top, sizes_file, 0);
	maildrop_end(drop);
	return err_set(err, ERR_TEMP, "its file has been changed meanwhile; connect again");
}

/* CR before each LF that has none: what is read is at most half of the room there is. */
ssize_t
maildrop_read(struct maildrop *drop, void *to, size_t len, struct err *err)
{
	char *out = to;
	size_t used = 0, half = len / 2;
	ssize_t got;

	do {
		got = read(drop->fd, out + len - half, half);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(err, "the message");
	for (const char *in = out + len - half, *end = in + got; in < end; in++) {
		if (*in == '\n' && !drop->cr)
			out[used++] = '\r';
		drop->cr = *in == '\r';
		out[used++] = *in;
	}
	return (ssize_t)used;
}

void
maildrop_end(struct maildrop *drop)
{
	if (drop->fd >= 0)
		close(drop->fd);
	drop->fd = -1;
}

/* ---- the end ---- */

static int
remove_item(struct maildrop *drop, struct maildrop_item *item, struct err *err)
{
	if (unlinkat(drop->dir[item->fresh], item->name, 0) == 0)
		return 0;
	if (errno != ENOENT)
		return err_sys(err, "%s", item->name);
	int fd = open_item(drop, item, err);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	close(fd);
	return unlinkat(drop->dir[item->fresh], item->name, 0) == 0 || errno == ENOENT ? 0 :
	    err_sys(err, "%s", item->name);
}

int
maildrop_remove(struct maildrop *drop, const bool *marked, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < drop->count; i++)
		if (marked[i] && remove_item(drop, &drop->item[i], err) < 0)
			result = -1;
	for (int fresh = 0; fresh < 2; fresh++)
		if (drop->dir[fresh] >= 0 && fs_sync_dir(drop->dir[fresh], ".", err) < 0)
			result = -1;
	return result;
}
