#include "uucico-ssh/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/xfile.h"

enum { HASH_BYTES = 8 };

static void
waiting_name(char kind, struct span data_name, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];

	digest_of(data_name.p, data_name.len, sum);
	str_printf(out, "%c-", kind);
	digest_hex(sum, HASH_BYTES, out);
}

static bool
waits(const struct spool *spool, const char *peer, const char *name)
{
	struct str path = {0};
	struct stat st;

	str_printf(&path, "%s/%s", peer, name);
	bool there = fstatat(spool->xqt, str_c(&path), &st, AT_SYMLINK_NOFOLLOW) == 0;
	str_free(&path);
	return there;
}

static int
copy_all(const struct job *from, struct job *to, struct err *err)
{
	char bytes[32768];
	uint64_t at = 0;
	ssize_t got;

	while ((got = fs_pread(from->fd, bytes, sizeof bytes, from->data_at + (off_t)at, err)) > 0) {
		if (job_write(to, bytes, (size_t)got, err) < 0)
			return -1;
		at += (uint64_t)got;
	}
	return got < 0 ? -1 : 0;
}

static int
read_xfile(const struct job *job, struct xfile *x, struct err *err)
{
	struct str text = {0};
	char *room = str_room(&text, XFILE_MAX);
	ssize_t got = fs_pread(job->fd, room, XFILE_MAX, job->data_at, err);

	*x = (struct xfile){0};
	text.len = got > 0 ? (size_t)got : 0;
	int result = got < 0 ? -1 : xfile_parse(str_span(&text), x, err);
	str_free(&text);
	return result;
}

/* --- its parts: files with a name, in their order, then the input --- */

struct parts {
	struct job data[FILED_MAX + 2];
	size_t count;		/* all of them */
	struct filed filed;	/* those that the command has by name */
};

static void
parts_close(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++)
		job_close(&parts->data[i]);
}

/* 1: it is there, and open; 0: not yet; -1. */
static int
add_part(struct parts *parts, const struct job *x_job, struct span name, struct err *err)
{
	struct str own = {0}, peer = {0};
	int result = 0;

	waiting_name('d', name, &own);
	str_add_span(&peer, str_span(&x_job->peer));
	if (waits(x_job->spool, str_c(&peer), str_c(&own))) {
		result = job_load(&parts->data[parts->count], x_job->spool, str_c(&peer), str_c(&own), err);
		parts->count++;
		result = result < 0 ? -1 : 1;
	}
	str_free(&own);
	str_free(&peer);
	return result;
}

static int
add_parts(struct parts *parts, const struct job *x_job, struct xfile *x, struct err *err)
{
	int got = 1;

	for (size_t i = 0; got > 0 && i < x->files; i++) {
		if (span_same(str_span(&x->file[i].name), str_span(&x->input)))
			continue;
		got = add_part(parts, x_job, str_span(&x->file[i].name), err);
		/* One without a name is only to be there: its bytes are nobody's. */
		if (got > 0 && x->file[i].as.len > 0)
			parts->filed.file[parts->filed.count++] = (struct filed_file){
			    parts->data[parts->count - 1].have, str_span(&x->file[i].as) };
		else if (got > 0)
			parts->data[parts->count - 1].have = 0;
	}
	if (got > 0 && x->input.len > 0)
		got = add_part(parts, x_job, str_span(&x->input), err);
	return got;
}

/* Where its output goes; without a system it is here. */
static void
fill_output(const struct spool *spool, const struct xfile *x, struct filed *filed)
{
	filed->out_path = str_span(&x->out_path);
	filed->out_site = x->out_site.len > 0 ? str_span(&x->out_site) : span_of(spool->settings->spool.site);
}

/* The job is whole when this returns 0; its parts may go then. */
static int
make_job(struct job *x_job, const struct xfile *x, struct parts *parts, struct err *err)
{
	struct job job = { .fd = -1 };
	struct str command = {0}, user = {0};
	uint64_t size = 0;

	for (size_t i = 0; i < parts->count; i++)
		size += parts->data[i].have;
	parts->filed.command = str_span(&x->command);
	fill_output(x_job->spool, x, &parts->filed);
	filed_print(&parts->filed, &command);
	str_add_span(&user, str_span(&x->user));
	int result = job_begin(&job, x_job->spool, str_c(&x_job->peer), str_c(&user),
	    str_c(&x_job->temp), size, str_c(&command), false, err);
	bool had = result > 0;		/* a crash came between its name and the end of its parts */
	for (size_t i = 0; result == 0 && i < parts->count; i++)
		if (parts->data[i].have > 0)
			result = copy_all(&parts->data[i], &job, err);
	if (result == 0)
		result = job_commit(&job, err);
	job_close(&job);
	str_free(&command);
	str_free(&user);
	return had ? 0 : result;
}

static int
join(const struct spool *spool, const char *peer, const char *x_name, struct err *err)
{
	struct job x_job = { .fd = -1 };
	struct parts parts = {0};
	struct xfile x = {0};
	int result;

	if (!waits(spool, peer, x_name))
		return 0;
	if ((result = job_load(&x_job, spool, peer, x_name, err)) == 0)
		result = read_xfile(&x_job, &x, err);
	int got = result < 0 ? -1 : add_parts(&parts, &x_job, &x, err);
	if (got > 0)
		got = make_job(&x_job, &x, &parts, err) < 0 || job_done(&x_job, err) < 0 ? -1 : 1;
	for (size_t i = 0; got > 0 && i < parts.count; i++)
		if (job_done(&parts.data[i], err) < 0)
			got = -1;
	job_close(&x_job);
	parts_close(&parts);
	xfile_free(&x);
	return got < 0 ? -1 : 0;
}

static int
keep(struct job *job, char kind, struct span data_name, struct err *err)
{
	struct str own = {0}, x = {0}, data = {0}, peer = {0};	/* of other files than the first, uuxqt sees to it */

	waiting_name('x', data_name, &x);
	waiting_name('d', data_name, &data);
	str_add_span(&own, str_span(kind == 'x' ? &x : &data));
	str_add_span(&peer, str_span(&job->peer));
	int result = job_commit_as(job, str_c(&own), err);
	if (result == 0)
		result = join(job->spool, str_c(&peer), str_c(&x), err);
	str_free(&own);
	str_free(&x);
	str_free(&data);
	str_free(&peer);
	return result;
}

/* A command without input needs no D. and is a job at once. */
static int
keep_alone(struct job *job, const struct xfile *x, struct err *err)
{
	struct job alone;
	struct str command = {0}, user = {0};
	struct filed filed = { .command = str_span(&x->command) };

	fill_output(job->spool, x, &filed);
	filed_print(&filed, &command);
	str_add_span(&user, str_span(&x->user));
	int result = job_begin(&alone, job->spool, str_c(&job->peer), str_c(&user), str_c(&job->temp),
	    0, str_c(&command), false, err);
	if (result == 0)
		result = job_commit(&alone, err);
	job_close(&alone);
	str_free(&command);
	str_free(&user);
	if (result < 0 || job_seen(job, err) < 0)
		return -1;
	job_drop(job);
	return 0;
}

int
pair_arrived(struct job *job, struct span to, struct err *err)
{
	struct xfile x;

	if (span_begins(to, "D."))
		return keep(job, 'd', to, err);
	const struct site_settings *site = settings_site(job->spool->settings, str_c(&job->peer));
	int result = read_xfile(job, &x, err);
	if (result == 0 && (site == NULL || !pair_may_run(site, str_span(&x.command), NULL)))
		result = err_set(err, ERR_PERM, "the command is not one it may run here");
	const struct str *first = x.files > 0 ? &x.file[0].name : &x.input;
	if (result == 0 && first->len > 0)
		result = keep(job, 'x', str_span(first), err);
	else if (result == 0)
		result = keep_alone(job, &x, err);
	if (result < 0 && err->kind == ERR_PERM)
		job_drop(job);
	xfile_free(&x);
	return result;
}

int
pair_all(const struct spool *spool, const char *peer, struct err *err)
{
	struct fs_names names;
	int result = 0;

	int dir = openat(spool->xqt, peer, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT ? 0 : err_sys(err, "xqt/%s", peer);
	if (fs_names(dir, ".", &names, err) < 0)
		result = -1;
	for (size_t i = 0; i < names.count; i++) {
		if (strncmp(names.name[i], "x-", 2) != 0)
			continue;
		if (join(spool, peer, names.name[i], err) < 0)
			log_error("peer=%s event=job-incomplete %s", peer, err->text);
	}
	fs_names_free(&names);
	close(dir);
	return result;
}

bool
pair_may_run(const struct site_settings *site, struct span command, struct span *program)
{
	struct copying copying;
	int copies = copying_parse(command, &copying);

	if (copies > 0 && !copying.fetch && gather_is(copying.to))
		return true;	/* asked for, or it is refused when it is done */
	if (copies != 0)	/* no program: where files may be is asked when it is done */
		return copies > 0 && (copying.fetch ? site->requests : site->receive)[0] != '\0';
	struct span first = span_word(&command), allowed = span_of(site->commands);
	for (struct span word, name; (word = span_word(&allowed)).len > 0;) {
		struct span path = word;
		span_cut(&path, '=', &name);
		if (!span_same(name, first))
			continue;
		if (program != NULL)
			*program = name.len < word.len ? path : (struct span){0};
		return true;
	}
	return false;
}
