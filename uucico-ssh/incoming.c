#include "uucico-ssh/incoming.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "spool/job.h"
#include "spool/quota.h"
#include "uucico-ssh/files.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/pair.h"
#include "uucico-ssh/xfile.h"

/* What we take but plain files: a command with its data, and the two halves of the old way. */
static const struct {
	char kind;
	const char *to;
	uint64_t most;		/* 0: the batch limit of the settings */
} kinds[] = {
	{ 'E', "D.", 0 },
	{ 'S', "D.", 0 },
	{ 'S', "X.", XFILE_MAX },
};
enum {
	KINDS = sizeof kinds / sizeof kinds[0],
	LOOK_EACH = 1 << 20,	/* bytes of unknown size: is there still room? */
};

/* Its row; KINDS: we take no such. */
static size_t
kind_of(const struct uucp_job *job)
{
	size_t i = 0;

	while (i < KINDS && (job->kind != kinds[i].kind || !span_begins(str_span(&job->to), kinds[i].to)))
		i++;
	return i;
}

static uint64_t
most_of(const struct spool *spool, const struct uucp_job *job)
{
	uint64_t most = spool->settings->spool.max_batch_unpacked;
	size_t i = kind_of(job);

	if (i < KINDS && kinds[i].most > 0)
		return kinds[i].most;
	return most > 0 ? most : UINT64_MAX;
}

/* For whom the mail is shows when the job is run (spool/quota.h). */
static bool
has_room(const struct incoming *in, uint64_t size)
{
	struct err err = {0};

	if (spool_room(in->spool, size, &err) == 0 && quota_spool(in->spool, &err) == 0 &&
	    quota_jobs(in->spool, in->site, &err) == 0)
		return true;
	log_warn("peer=%s event=no-room why=\"%s\"", in->site->name, err.text);
	return false;
}

/* A file for its own sake: neither a job's nor a command. */
static bool
is_file(const struct uucp_job *job)
{
	return strchr("SR", job->kind) != NULL && job->to.len > 0 && (job->to.p[0] == '/' || job->to.p[0] == '~');
}

static int
target_of(const struct incoming *in, struct uucp_job *job, struct files_target *target, struct err *err)
{
	bool make = strchr(str_c(&job->options), 'd') != NULL;

	if (gather_is(str_span(&job->to)))
		return gather_target(in->spool, in->site->name, str_span(&job->to), target, err);
	return files_target(in->spool->settings, in->site->receive, str_span(&job->to), str_span(&job->from),
	    make, target, err);
}

static enum uucp_answer
admit_file(const struct incoming *in, struct uucp_job *job)
{
	struct files_target target;
	struct err err;
	int result = target_of(in, job, &target, &err);

	files_target_free(&target);
	return result == 0 ? UUCP_YES : err.kind == ERR_TEMP ? UUCP_NO_TEMP : UUCP_DENIED;
}

static enum uucp_answer
admit(const struct incoming *in, struct uucp_job *job)
{
	enum uucp_answer file = is_file(job) ? admit_file(in, job) : UUCP_YES;
	bool known = job->size != UUCP_SIZE_UNKNOWN;

	if (file != UUCP_YES)
		return file;
	if (!is_file(job) && kind_of(job) == KINDS)
		return UUCP_DENIED;
	if (job->kind == 'E' && !pair_may_run(in->site, str_span(&job->command), NULL))
		return UUCP_DENIED;
	if (known && job->size > most_of(in->spool, job))
		return UUCP_TOO_LARGE;
	return has_room(in, known ? job->size : 0) ? UUCP_YES : UUCP_NO_ROOM;
}

/* The sender's temp name makes a repeat known; "D.0" says that it has none. */
static void
identity(const struct uucp_job *job, struct str *temp)
{
	unsigned char bytes[8];

	str_add_span(temp, str_span(&job->temp));
	if (!span_is(str_span(temp), "D.0"))
		return;
	random_bytes(bytes, sizeof bytes);
	str_add_char(temp, '-');
	digest_hex(bytes, sizeof bytes, temp);
}

static int
begin(const struct incoming *in, bool restart, struct uucp_job *job, struct job *file,
    struct err *err)
{
	struct str temp = {0}, command = {0};

	identity(job, &temp);
	if (job->kind == 'E') {
		str_add_span(&command, str_span(&job->command));
	} else {	/* no command: what keeps the two halves apart */
		str_add_text(&command, "S ");
		str_add_span(&command, str_span(&job->to));
	}
	int result = job_begin(file, in->spool, in->site->name, str_c(&job->user), str_c(&temp),
	    job->size, str_c(&command), restart, err);
	str_free(&temp);
	str_free(&command);
	return result;
}

enum uucp_answer
incoming_offered(const struct incoming *in, bool restart, struct uucp_job *job)
{
	enum uucp_answer answer = admit(in, job);
	struct err err;

	if (answer != UUCP_YES) {
		log_warn("peer=%s event=refused temp=%s answer=%d", in->site->name, str_c(&job->temp),
		    (int)answer);
		return answer;
	}
	struct job *file = mem_get(sizeof *file);
	int result = begin(in, restart, job, file, &err);
	if (result == 0) {
		job->mine = file;
		job->at = file->have;
		return UUCP_YES;
	}
	if (result < 0)
		log_error("peer=%s event=refused temp=%s %s", in->site->name, str_c(&job->temp), err.text);
	job_close(file);
	free(file);
	if (result > 0)
		return UUCP_HAD;
	return err.kind == ERR_PERM ? UUCP_DENIED : UUCP_NO_TEMP;
}

/* What was not announced shows as it comes. */
static int
has_grown(const struct uucp_job *job, const struct job *file, size_t len, struct err *err)
{
	uint64_t most = most_of(file->spool, job), size = file->have + len;

	if (size > most)
		return err_set(err, ERR_PERM, "more than the %llu bytes taken here", (unsigned long long)most);
	return size / LOOK_EACH > file->have / LOOK_EACH ? spool_room(file->spool, len, err) : 0;
}

int
incoming_write(struct uucp_job *job, const void *bytes, size_t len, struct err *err)
{
	if (job->size == UUCP_SIZE_UNKNOWN && has_grown(job, job->mine, len, err) < 0)
		return -1;
	return job_write(job->mine, bytes, len, err);
}

/* Into its folder first, then noted: a crash in between has it sent, and put there, again. */
static int
store_file(const struct incoming *in, struct uucp_job *job, struct job *file, struct err *err)
{
	struct files_target target;
	int result = target_of(in, job, &target, err);

	if (result == 0)
		result = files_put(&target, file, err);
	if (result == 0)
		result = job_seen(file, err);
	if (result == 0 || err->kind == ERR_PERM)
		job_drop(file);
	files_target_free(&target);
	return result;
}

static int
store(const struct incoming *in, struct uucp_job *job, struct job *file, struct err *err)
{
	if (job->kind == 'E')
		return job_commit(file, err);
	return is_file(job) ? store_file(in, job, file, err) : pair_arrived(file, str_span(&job->to), err);
}

int
incoming_stored(const struct incoming *in, struct uucp_job *job, struct err *err)
{
	struct job *file = job->mine;
	int result = store(in, job, file, err);

	if (result == 0)
		log_info("peer=%s event=received temp=%s bytes=%llu job=%s", in->site->name,
		    str_c(&job->temp), (unsigned long long)job->size, str_c(&file->key));
	else
		log_error("peer=%s event=refused temp=%s %s", in->site->name, str_c(&job->temp), err->text);
	incoming_dropped(job);
	return result;
}

void
incoming_dropped(struct uucp_job *job)
{
	struct job *file = job->mine;

	if (file != NULL)
		job_close(file);
	free(file);
	job->mine = NULL;
}
