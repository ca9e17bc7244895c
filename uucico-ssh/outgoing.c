#include "uucico-ssh/outgoing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/notice.h"
#include "uucico-ssh/queued.h"
#include "uucico-ssh/xfile.h"

/* 14 characters are what the oldest peers' file systems keep. */
enum { NAME_CHARS = 11, BATCH_GRADE = 'C', ENTRY_HEAD = 4096 };

/* One job under way. */
struct part {
	struct outgoing_item *item;
	int fd;			/* of the data, or -1: the bytes are text */
	off_t data_at;		/* where it begins there */
	struct str text;	/* an X. file */
	bool last;		/* no other part follows */
};

static void
part_free(struct part *part)
{
	if (part->fd >= 0)
		close(part->fd);
	str_free(&part->text);
	free(part);
}

/* --- the spool's secret --- */

static int
load_salt(const struct spool *spool, unsigned char salt[16], struct err *err)
{
	int fd = fs_open(spool->dir, ".salt", O_RDONLY, err);
	if (fd < 0)
		return -1;
	ssize_t got = fs_pread(fd, salt, 16, 0, err);
	close(fd);
	return got == 16 ? 0 : err_set(err, ERR_CONFIG,
	    "the spool's .salt has not its 16 bytes; remove it when nothing is in flight below sent/");
}

static int
make_salt(const struct spool *spool, struct err *err)
{
	unsigned char fresh[16];
	struct str name = {0};

	random_bytes(fresh, sizeof fresh);
	spool_new_id(&name);
	int fd = fs_create(spool->tmp, str_c(&name), 0600, err);
	int result = fd < 0 || fs_write(fd, fresh, sizeof fresh, err) < 0 || fs_sync(fd, err) < 0 ? -1 : 0;
	/* A link, not a rename: whoever is first gives the name, the others read his. */
	if (result == 0 && linkat(spool->tmp, str_c(&name), spool->dir, ".salt", 0) < 0 &&
	    errno != EEXIST)
		result = err_sys(err, ".salt");
	if (result == 0)
		result = fs_sync_dir(spool->dir, ".", err);
	if (fd >= 0) {
		close(fd);
		unlinkat(spool->tmp, str_c(&name), 0);
	}
	str_free(&name);
	return result;
}

static int
get_salt(const struct spool *spool, unsigned char salt[16], struct err *err)
{
	if (load_salt(spool, salt, err) == 0)
		return 0;
	if (errno != ENOENT)
		return -1;
	return make_salt(spool, err) < 0 ? -1 : load_salt(spool, salt, err);
}

int
outgoing_ready(const struct spool *spool, struct err *err)
{
	unsigned char salt[16];

	return get_salt(spool, salt, err);
}

/* D.mXXXXXXXXXXX: 65 bits that no other batch of any spool has. */
static void
unique_name(const struct outgoing *out, const char *batch, struct str *name)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, out->salt, sizeof out->salt);
	digest_add(&digest, out->site->name, strlen(out->site->name) + 1);
	digest_add(&digest, batch, strlen(batch));
	digest_end(&digest, sum);
	for (size_t i = 0; i < NAME_CHARS; i++)
		str_add_char(name, digits[(unsigned)(sum[2 * i] << 8 | sum[2 * i + 1]) % 62]);
}

/* --- open --- */

static int
by_grade(const void *a, const void *b)
{
	const struct outgoing_item *one = a, *other = b;

	if (one->grade != other->grade)
		return one->grade < other->grade ? -1 : 1;
	return one->queued != other->queued ? one->queued - other->queued : strcmp(one->name, other->name);
}

/* A message in it is larger than what may go this way (call-largest); beside the batch its
 * messages lie in B.d/. */
static bool
is_too_large(const struct outgoing *out, const char *batch)
{
	struct fs_names names = {0};
	struct str path = {0};
	struct err ignored;
	bool found = false;

	str_printf(&path, "%s/%s.d", out->site->name, batch);
	int dir = out->site->call_largest > 0 ? fs_dir(out->spool->sent, str_c(&path), &ignored) : -1;
	if (dir >= 0 && fs_names(dir, ".", &names, &ignored) == 0)
		for (size_t i = 0; i < names.count && !found; i++) {
			struct stat st;
			found = fstatat(dir, names.name[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			    (uint64_t)st.st_size > out->site->call_largest + ENTRY_HEAD;
		}
	fs_names_free(&names);
	if (dir >= 0)
		close(dir);
	str_free(&path);
	return found;
}

/* Takes the names over. */
static void
add_items(struct outgoing *out, struct fs_names *names, bool queued)
{
	out->items = mem_resize(out->items, out->count + names->count + 1, sizeof *out->items);
	for (size_t i = 0; i < names->count; i++) {
		if (!queued && is_too_large(out, names->name[i]))
			continue;
		char *name = mem_text(names->name[i]);
		out->items[out->count++] = (struct outgoing_item){
		    .grade = queued ? name[0] : BATCH_GRADE, .queued = queued, .name = name };
	}
	fs_names_free(names);
}

/* The item's file, and its size without a head. */
static int
open_item(const struct outgoing *out, const struct outgoing_item *item, struct queued *queued,
    struct err *err)
{
	struct stat st;

	if (item->queued)
		return queued_open(queued, out->spool, out->site->name, item->name, err);
	*queued = (struct queued){ .fd = batch_open(out->spool, out->site->name, item->name, err) };
	if (queued->fd < 0)
		return -1;
	if (fstat(queued->fd, &st) < 0)
		return err_sys(err, "batch %s", item->name);
	queued->size = (uint64_t)st.st_size;
	return 0;
}

static void
add_sizes(struct outgoing *out)
{
	struct err err;

	for (size_t i = 0; i < out->count; i++) {
		struct queued file;
		if (open_item(out, &out->items[i], &file, &err) == 0)
			out->total += file.size;
		queued_close(&file);
	}
}

int
outgoing_open(struct outgoing *out, const struct spool *spool,
    const struct site_settings *site, struct err *err)
{
	struct fs_names batches, queued;

	*out = (struct outgoing){ .spool = spool, .site = site };
	gather_settle(spool);
	if (get_salt(spool, out->salt, err) < 0 || batch_names(spool, site->name, &batches, err) < 0)
		return -1;
	add_items(out, &batches, false);
	if (queued_names(spool, site->name, &queued, err) < 0)
		return -1;
	add_items(out, &queued, true);
	qsort(out->items, out->count, sizeof *out->items, by_grade);
	add_sizes(out);
	return 0;
}

void
outgoing_close(struct outgoing *out)
{
	for (size_t i = 0; i < out->count; i++)
		free(out->items[i].name);
	free(out->items);
	out->items = NULL;
	out->count = 0;
}

/* --- next --- */

const char *
outgoing_unpacker(struct span first)
{
	static const struct { const char *begins, *command; } rows[] = {
		{ "\x1f\x8b", "rgsmtp" }, { "BZh", "rbsmtp" }, { "\x1f\x9d", "rcsmtp" }, { "\x28\xb5\x2f\xfd", "rzsmtp" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (span_begins(first, rows[i].begins))
			return rows[i].command;
	return batch_is_labelled(first) ? "rzsmtp" : NULL;
}

/* The file itself says how it was packed: the setting may have changed since.  One letter has
 * its recipients behind the command. */
static int
command_of(const struct outgoing *out, const char *batch, int fd, struct str *command, struct err *err)
{
	char magic[OUTGOING_FIRST];
	ssize_t got = fs_pread(fd, magic, sizeof magic, 0, err);

	if (got < 0)
		return -1;
	const struct span first = { magic, (size_t)got };
	const char *unpacker = outgoing_unpacker(first);
	str_set(command, unpacker != NULL ? unpacker : span_begins(first, "From ") ? "rmail" : "rsmtp");
	return strcmp(str_c(command), "rmail") != 0 ? 0 :
	    batch_rcpts(out->spool, out->site->name, batch, command, err);
}

/* The parts of one item are unlike each other; the first of several is named as if it were
 * the only one, so that what another version of us has begun goes on. */
static void
unique_part(const struct outgoing *out, const char *item, unsigned part, struct str *name)
{
	struct str both = {0};

	str_add_text(&both, item);
	if (part > 0)
		str_printf(&both, "/%u", part);
	unique_name(out, str_c(&both), name);
	str_free(&both);
}

static void
name_job(const struct outgoing *out, struct uucp_job *job, const char *item, unsigned part, const char *from,
    const char *to)
{
	struct str unique = {0};

	unique_part(out, item, part, &unique);
	str_printf(&job->from, "%s%s", from, str_c(&unique));
	str_printf(&job->to, "%s%s", to, str_c(&unique));
	str_add_span(&job->temp, str_span(&job->from));
	job->mode = 0666;
	str_free(&unique);
}

/* Who wants what done, and how he hears of it. */
static int
describe(const struct outgoing *out, const struct outgoing_item *item, struct queued *file,
    struct err *err)
{
	if (item->queued)
		return 0;
	str_set(&file->user, "uucp");
	str_set(&file->options, "C");
	return command_of(out, item->name, file->fd, &file->command, err);
}

/* Which bytes of the item's data part is. */
static void
bounds(const struct filed *filed, unsigned part, uint64_t whole, uint64_t *at, uint64_t *size)
{
	*at = 0;
	for (unsigned i = 0; i < part && i < filed->count; i++)
		*at += filed->file[i].size;
	*size = part < filed->count ? filed->file[part].size : whole - filed->total;
}

static int
offer_data(struct outgoing *out, bool exec, struct outgoing_item *item, const struct filed *filed,
    struct queued *file, struct uucp_job *job, struct err *err)
{
	struct part *part;
	struct stat st;
	uint64_t at;

	if (fstat(file->fd, &st) < 0)
		return err_sys(err, "%s", item->name);
	if (filed->total > file->size)
		return err_set(err, ERR_PERM, "%s is shorter than its files", item->name);
	bounds(filed, item->part, file->size, &at, &job->size);
	part = mem_get(sizeof *part);
	*part = (struct part){ .item = item, .fd = file->fd, .data_at = file->data_at + (off_t)at, .last = exec };
	file->fd = -1;	/* the part has it now */
	job->mine = part;
	job->kind = exec ? 'E' : 'S';
	job->grade = item->grade;
	job->tried = st.st_ctim.tv_sec * CLOCK_SECOND + st.st_ctim.tv_nsec / 1000 < out->since;
	name_job(out, job, item->name, item->part, "D.m", "D.m");
	str_add_span(&job->user, str_span(&file->user));
	str_set(&job->options, exec ? str_c(&file->options) : "C");
	if (exec) {
		str_add_span(&job->notify, str_span(&file->notify));
		str_add_span(&job->command, str_span(&file->command));
	}
	return 1;
}

/* The data are there: what is to be done with them. */
static void
offer_command(struct outgoing *out, struct outgoing_item *item, const struct filed *filed,
    const struct queued *file, struct uucp_job *job)
{
	struct part *part = mem_get(sizeof *part);
	struct xfile x = {0};
	struct str name = {0};

	*part = (struct part){ .item = item, .fd = -1, .last = true };
	job->kind = 'S';
	job->grade = item->grade;
	job->mine = part;
	name_job(out, job, item->name, 0, "D.X", "X.m");
	str_add_span(&job->user, str_span(&file->user));
	str_set(&job->options, "C");
	str_add_span(&x.user, str_span(&file->user));
	str_add_span(&x.command, filed->command);
	str_add_span(&x.options, str_span(&file->options));
	str_add_span(&x.requestor, str_span(&file->notify));
	str_add_span(&x.out_path, filed->out_path);
	if (!span_is(filed->out_site, out->site->name))
		str_add_span(&x.out_site, filed->out_site);
	for (unsigned i = 0; i <= filed->count; i++) {
		str_set(&name, "D.m");
		unique_part(out, item->name, i, &name);
		if (i < filed->count)
			xfile_add(&x, str_span(&name), filed->file[i].name);
		else
			str_add_span(&x.input, str_span(&name));
	}
	xfile_print(&x, out->spool->settings->spool.site, &part->text);
	job->size = part->text.len;
	str_free(&name);
	xfile_free(&x);
}

/* A plain file: its data to a path there, or a path there that we want. */
static int
offer_file(struct outgoing *out, struct outgoing_item *item, const struct copying *copying, struct queued *file,
    struct uucp_job *job, struct err *err)
{
	const struct filed none = {0};
	int result = offer_data(out, false, item, &none, file, job, err);

	if (result < 0)
		return -1;
	((struct part *)job->mine)->last = true;
	str_set_span(&job->from, copying->from);
	str_set_span(&job->to, copying->to);
	str_set(&job->options, "Cd");
	if (copying->fetch) {
		job->kind = 'R';
		job->size = 0;
		job->tried = false;
		str_set(&job->temp, "D.0");
	}
	return result;
}

static int
offer(struct outgoing *out, bool exec, struct outgoing_item *item, struct uucp_job *job, struct err *err)
{
	struct copying copying;
	int copies = 0;
	struct queued file;
	struct filed filed;
	int result = open_item(out, item, &file, err);

	if (result == 0)
		result = describe(out, item, &file, err);
	if (result == 0 && filed_parse(str_span(&file.command), &filed) < 0)
		result = err_set(err, ERR_PERM, "%s: its files are not as it says", item->name);
	if (result == 0 && out->whole)
		filed = (struct filed){ .command = filed.command };
	else if (result == 0 && (copies = copying_parse(filed.command, &copying)) < 0)
		result = err_set(err, ERR_PERM, "%s: no file is copied so", item->name);
	if (result == 0 && copies > 0)
		result = offer_file(out, item, &copying, &file, job, err) < 0 ? -1 : 0;
	else if (result == 0 && item->part > filed.count)
		offer_command(out, item, &filed, &file, job);
	else if (result == 0)
		result = offer_data(out, exec && filed.count == 0 && filed.out_path.len == 0, item, &filed, &file, job, err);
	queued_close(&file);
	return result < 0 ? -1 : 1;
}

/* The item whose next part is due, or the next one that was not begun. */
static struct outgoing_item *
next_item(struct outgoing *out)
{
	for (size_t i = 0; out->due > 0 && i < out->next; i++)
		if (out->items[i].due) {
			out->items[i].due = false;
			out->due--;
			return &out->items[i];
		}
	return out->next < out->count ? &out->items[out->next++] : NULL;
}

int
outgoing_next(struct outgoing *out, bool exec, struct uucp_job *job, struct err *err)
{
	struct outgoing_item *item;

	while ((item = next_item(out)) != NULL) {
		if (offer(out, exec, item, job, err) > 0)
			return 1;
		/* One that cannot be read blocks only itself (FS-02). */
		log_warn("batch=%s event=skipped %s", item->name, err->text);
	}
	return 0;
}

int
outgoing_read(struct uucp_job *job, void *to, size_t len, struct err *err)
{
	struct part *part = job->mine;

	if (part->fd < 0) {
		memcpy(to, part->text.p + job->at, len);
		return 0;
	}
	ssize_t got = fs_pread(part->fd, to, len, part->data_at + (off_t)job->at, err);
	if (got < 0)
		return -1;
	return (size_t)got == len ? 0 : err_set(err, ERR_TEMP, "%s became shorter", part->item->name);
}

/* --- sent --- */

static int
delivered(struct outgoing *out, const struct part *part, uint64_t size, const char *why, struct err *err)
{
	const char *site = out->site->name;

	if (!part->last) {
		part->item->part++;
		part->item->due = true;
		out->due++;
		return 0;
	}
	log_info("batch=%s event=acknowledged peer=%s bytes=%llu %s", part->item->name, site,
	    (unsigned long long)size, why);
	if (part->item->queued)
		return queued_done(out->spool, site, part->item->name, err);
	return batch_acked(out->spool, site, part->item->name, err);
}

/* Who asked for it hears of it, unless he did not want to (-n). */
static int
refused_queued(struct outgoing *out, const char *name, const char *why, struct err *err)
{
	const char *site = out->site->name;
	struct queued queued;
	struct err ignored;
	struct str held = {0};
	bool tell = queued_open(&queued, out->spool, site, name, &ignored) == 0 &&
	    memchr(str_c(&queued.options), 'N', queued.options.len) == NULL;
	int result = queued_refused(out->spool, site, name, why, err);

	queued_held_name(site, name, &held);
	const struct notice notice = { str_span(queued.notify.len > 0 ? &queued.notify : &queued.user),
		str_span(&queued.command), site, why, str_c(&held) };
	if (result == 0 && tell)
		notice_here(out->spool, &notice);
	queued_close(&queued);
	str_free(&held);
	return result;
}

static int
refused(struct outgoing *out, const struct part *part, const char *why, struct err *err)
{
	const char *site = out->site->name;

	out->refused++;
	log_error("batch=%s event=refused peer=%s why=\"%s\"; it is held", part->item->name, site, why);
	if (part->item->queued)
		return refused_queued(out, part->item->name, why, err);
	return out->queue != NULL ? batch_refused_in(out->queue, part->item->name, why, err) :
	    batch_refused(out->spool, site, part->item->name, why, err);
}

static int
settle(struct outgoing *out, struct part *part, const struct uucp_job *job, enum uucp_fate fate,
    const char *why, struct err *err)
{
	if (fate == UUCP_DELIVERED)
		return delivered(out, part, job->size, why, err);
	if (fate == UUCP_REFUSED)
		return refused(out, part, why, err);
	out->later++;
	log_warn("batch=%s event=kept peer=%s why=\"%s\"", part->item->name, out->site->name, why);
	return 0;
}

int
outgoing_sent(struct outgoing *out, struct uucp_job *job, enum uucp_fate fate, const char *why,
    struct err *err)
{
	struct part *part = job->mine;
	struct str reason = {0};

	str_printf(&reason, "%s: %s", out->site->name, why);
	int result = settle(out, part, job, fate, fate == UUCP_REFUSED ? str_c(&reason) : why, err);
	str_free(&reason);
	part_free(part);
	job->mine = NULL;
	return result;
}

/* --- for protocol m --- */

const char *
outgoing_name(const struct uucp_job *job)
{
	const struct part *part = job->mine;

	return part->item->name;
}

int
outgoing_over(struct outgoing *out, const char *name, struct err *err)
{
	for (size_t i = out->next; i < out->count; i++) {
		struct outgoing_item *item = &out->items[i];
		if (strcmp(item->name, name) != 0)
			continue;
		log_info("batch=%s event=acknowledged peer=%s by=earlier-call", name, out->site->name);
		int result = item->queued ? queued_done(out->spool, out->site->name, name, err) :
		    batch_acked(out->spool, out->site->name, name, err);
		free(item->name);
		memmove(item, item + 1, (--out->count - i) * sizeof *item);
		return result;
	}
	return 0;
}
