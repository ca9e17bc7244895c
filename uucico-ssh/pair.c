#include "uucico-ssh/pair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
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
copy_rest(struct job *from, struct job *to, struct err *err)
{
	char bytes[32768];
	ssize_t got;

	while ((got = fs_pread(from->fd, bytes, sizeof bytes, from->data_at + (off_t)to->have, err)) > 0)
		if (job_write(to, bytes, (size_t)got, err) < 0)
			return -1;
	return got < 0 ? -1 : job_commit(to, err);
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

/* The job is whole when this returns 0; both halves may go then. */
static int
make_job(struct job *x_job, struct job *data, struct err *err)
{
	struct xfile x;
	struct job job = { .fd = -1 };
	int result = read_xfile(x_job, &x, err);

	if (result == 0)
		result = job_begin(&job, x_job->spool, str_c(&x_job->peer), str_c(&x.user),
		    str_c(&x_job->temp), data->have, str_c(&x.command), false, err);
	if (result == 0)
		result = copy_rest(data, &job, err);
	job_close(&job);
	xfile_free(&x);
	return result < 0 ? -1 : 0;
}

static int
join(const struct spool *spool, const char *peer, const char *x_name, const char *d_name,
    struct err *err)
{
	struct job x = { .fd = -1 }, data = { .fd = -1 };
	int result = 0;

	if (!waits(spool, peer, x_name) || !waits(spool, peer, d_name))
		return 0;
	if (job_load(&x, spool, peer, x_name, err) < 0 ||
	    job_load(&data, spool, peer, d_name, err) < 0 || make_job(&x, &data, err) < 0 ||
	    job_done(&x, err) < 0 || job_done(&data, err) < 0)
		result = -1;
	job_close(&x);
	job_close(&data);
	return result;
}

static int
keep(struct job *job, char kind, struct span data_name, struct err *err)
{
	struct str own = {0}, x = {0}, data = {0}, peer = {0};

	waiting_name('x', data_name, &x);
	waiting_name('d', data_name, &data);
	str_add_span(&own, str_span(kind == 'x' ? &x : &data));
	str_add_span(&peer, str_span(&job->peer));
	int result = job_commit_as(job, str_c(&own), err);
	if (result == 0)
		result = join(job->spool, str_c(&peer), str_c(&x), str_c(&data), err);
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

	str_add_span(&command, str_span(&x->command));
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
	if (result == 0 && (site == NULL || !pair_may_run(site, str_span(&x.command))))
		result = err_set(err, ERR_PERM, "the command is not one it may run here");
	if (result == 0 && x.input.len > 0)
		result = keep(job, 'x', str_span(&x.input), err);
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
		char *data = mem_text(names.name[i]);
		data[0] = 'd';
		if (join(spool, peer, names.name[i], data, err) < 0)
			log_error("peer=%s event=job-incomplete %s", peer, err->text);
		free(data);
	}
	fs_names_free(&names);
	close(dir);
	return result;
}

bool
pair_may_run(const struct site_settings *site, struct span command)
{
	struct span first = span_word(&command), allowed = span_of(site->commands);

	for (struct span word; (word = span_word(&allowed)).len > 0;)
		if (span_same(word, first))
			return true;
	return false;
}
