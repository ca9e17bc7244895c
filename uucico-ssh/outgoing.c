#include "uucico-ssh/outgoing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "uucico-ssh/xfile.h"

/* 14 characters are what the oldest peers' file systems keep. */
enum { NAME_CHARS = 11 };

/* One job under way. */
struct part {
	char *batch;
	int fd;			/* the batch, or -1: the bytes are text */
	struct str text;	/* an X. file */
	bool first_half;	/* a D. whose X. follows */
};

static void
part_free(struct part *part)
{
	if (part->fd >= 0)
		close(part->fd);
	free(part->batch);
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

/* D.mXXXXXXXXXXX: 65 bits that no other batch of any spool has. */
static void
unique_name(const struct outgoing *out, const char *batch, struct str *name)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char sum[DIGEST_SIZE];
	struct digest digest;

	digest_start(&digest);
	digest_add(&digest, out->salt, sizeof out->salt);
	digest_add(&digest, out->site->name, strlen(out->site->name) + 1);
	digest_add(&digest, batch, strlen(batch));
	digest_end(&digest, sum);
	for (size_t i = 0; i < NAME_CHARS; i++)
		str_add_char(name, digits[(sum[2 * i] << 8 | sum[2 * i + 1]) % 62]);
}

/* --- open --- */

static void
add_sizes(struct outgoing *out)
{
	struct err err;
	struct stat st;

	for (size_t i = 0; i < out->names.count; i++) {
		int fd = batch_open(out->spool, out->site->name, out->names.name[i], &err);
		if (fd >= 0 && fstat(fd, &st) == 0)
			out->total += (uint64_t)st.st_size;
		if (fd >= 0)
			close(fd);
	}
}

int
outgoing_open(struct outgoing *out, const struct spool *spool,
    const struct site_settings *site, struct err *err)
{
	*out = (struct outgoing){ .spool = spool, .site = site };
	if (get_salt(spool, out->salt, err) < 0 ||
	    batch_names(spool, site->name, &out->names, err) < 0)
		return -1;
	add_sizes(out);
	return 0;
}

void
outgoing_close(struct outgoing *out)
{
	fs_names_free(&out->names);
	free(out->half);
	out->half = NULL;
}

/* --- next --- */

/* The file itself says how it was packed: the setting may have changed since.  One letter has
 * its recipients behind the command. */
static int
command_of(const struct outgoing *out, const char *batch, int fd, struct str *command, struct err *err)
{
	static const struct {
		struct span begins;
		const char *command;
	} rows[] = {
		{ { "\x1f\x8b", 2 }, "rgsmtp" },
		{ { "BZh", 3 }, "rbsmtp" },
		{ { "mb", 2 }, "rzsmtp" },	/* a label: batch(5) */
		{ { "From ", 5 }, "rmail" },
		{ { "", 0 }, "rsmtp" },
	};
	char magic[8];
	ssize_t got = fs_pread(fd, magic, sizeof magic, 0, err);
	size_t i = 0;

	if (got < 0)
		return -1;
	while (got < (ssize_t)rows[i].begins.len || memcmp(magic, rows[i].begins.p, rows[i].begins.len) != 0)
		i++;
	str_set(command, rows[i].command);
	return strcmp(rows[i].command, "rmail") != 0 ? 0 :
	    batch_rcpts(out->spool, out->site->name, batch, command, err);
}

static void
name_job(const struct outgoing *out, struct uucp_job *job, const char *batch, const char *from,
    const char *to)
{
	struct str unique = {0};

	unique_name(out, batch, &unique);
	str_printf(&job->from, "%s%s", from, str_c(&unique));
	str_printf(&job->to, "%s%s", to, str_c(&unique));
	str_add_span(&job->temp, str_span(&job->from));
	str_set(&job->user, "uucp");
	str_set(&job->options, "C");
	job->mode = 0666;
	str_free(&unique);
}

static int
offer_batch(struct outgoing *out, bool exec, char *batch, int fd, struct uucp_job *job,
    struct err *err)
{
	struct part *part = mem_get(sizeof *part);
	struct stat st;

	*part = (struct part){ .batch = mem_text(batch), .fd = fd, .first_half = !exec };
	job->mine = part;
	if (fstat(fd, &st) < 0) {
		part_free(part);
		job->mine = NULL;
		return err_sys(err, "batch %s", batch);
	}
	job->kind = exec ? 'E' : 'S';
	job->tried = st.st_ctim.tv_sec * CLOCK_SECOND + st.st_ctim.tv_nsec / 1000 < out->since;
	job->size = (uint64_t)st.st_size;
	name_job(out, job, batch, "D.m", "D.m");
	if (!exec || command_of(out, batch, fd, &job->command, err) == 0)
		return 1;
	part_free(part);
	job->mine = NULL;
	return -1;
}

static int
offer_second_half(struct outgoing *out, struct uucp_job *job, struct err *err)
{
	struct part *part = mem_get(sizeof *part);
	struct xfile x = {0};
	int fd = batch_open(out->spool, out->site->name, out->half, err);

	*part = (struct part){ .batch = out->half, .fd = -1 };
	out->half = NULL;
	if (fd < 0) {
		part_free(part);
		return -1;
	}
	job->kind = 'S';
	job->mine = part;
	name_job(out, job, part->batch, "D.X", "X.m");
	str_set(&x.user, "uucp");
	int result = command_of(out, part->batch, fd, &x.command, err);
	str_printf(&x.input, "D.m%s", str_c(&job->to) + strlen("X.m"));
	xfile_print(&x, out->spool->settings->spool.site, &part->text);
	job->size = part->text.len;
	xfile_free(&x);
	close(fd);
	if (result == 0)
		return 1;
	part_free(part);
	job->mine = NULL;
	return -1;
}

int
outgoing_next(struct outgoing *out, bool exec, struct uucp_job *job, struct err *err)
{
	if (out->half != NULL)
		return offer_second_half(out, job, err);
	while (out->next < out->names.count) {
		char *batch = out->names.name[out->next++];
		int fd = batch_open(out->spool, out->site->name, batch, err);
		if (fd >= 0)
			return offer_batch(out, exec, batch, fd, job, err);
		/* One that cannot be read blocks only itself (FS-02). */
		log_warn("batch=%s event=skipped %s", batch, err->text);
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
	ssize_t got = fs_pread(part->fd, to, len, (off_t)job->at, err);
	if (got < 0)
		return -1;
	return (size_t)got == len ? 0 : err_set(err, ERR_TEMP, "batch %s became shorter", part->batch);
}

/* --- sent --- */

static int
settle(struct outgoing *out, struct part *part, const struct uucp_job *job, enum uucp_fate fate,
    const char *why, struct err *err)
{
	const char *site = out->site->name;

	switch (fate) {
	case UUCP_DELIVERED:
		if (part->first_half) {
			out->half = mem_text(part->batch);
			return 0;
		}
		log_info("batch=%s event=acknowledged peer=%s bytes=%llu %s", part->batch, site,
		    (unsigned long long)job->size, why);
		return batch_acked(out->spool, site, part->batch, err);
	case UUCP_REFUSED:
		out->refused++;
		log_error("batch=%s event=refused peer=%s why=\"%s\"; its messages are held",
		    part->batch, site, why);
		return batch_refused(out->spool, site, part->batch, why, err);
	case UUCP_LATER:
		break;
	}
	out->later++;
	log_warn("batch=%s event=kept peer=%s why=\"%s\"", part->batch, site, why);
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
