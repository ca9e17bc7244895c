#include "uucico-ssh/request.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "uucico-ssh/files.h"

static enum uucp_answer
refuse(const struct site_settings *site, struct uucp_job *job, enum uucp_answer answer)
{
	log_warn("peer=%s event=refused request=\"%s\" user=%s answer=%d", site->name, str_c(&job->from),
	    str_c(&job->user), (int)answer);
	return answer;
}

enum uucp_answer
request_admit(const struct spool *spool, const struct site_settings *site, struct uucp_job *job)
{
	struct err err;
	struct stat st;
	int fd = files_open(spool->settings, site->requests, str_span(&job->from), &err);

	if (fd < 0)
		return refuse(site, job, err.kind == ERR_TEMP ? UUCP_NO_ROOM : UUCP_DENIED);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size > job->size) {
		close(fd);
		return refuse(site, job, UUCP_NO_ROOM);
	}
	int *mine = mem_get(sizeof *mine);
	*mine = fd;
	job->mine = mine;
	job->size = (uint64_t)st.st_size;
	job->mode = (st.st_mode & 0111) != 0 ? 0777 : 0666;
	return UUCP_YES;
}

int
request_read(struct uucp_job *job, void *to, size_t len, struct err *err)
{
	const int *fd = job->mine;
	ssize_t got = fs_pread(*fd, to, len, (off_t)job->at, err);

	if (got < 0)
		return -1;
	return (size_t)got == len ? 0 : err_set(err, ERR_TEMP, "%s became shorter while it was sent", str_c(&job->from));
}

void
request_sent(const struct site_settings *site, struct uucp_job *job, enum uucp_fate fate, const char *why)
{
	int *fd = job->mine;

	log_info("peer=%s event=%s request=\"%s\" user=%s bytes=%llu why=\"%s\"", site->name,
	    fate == UUCP_DELIVERED ? "given" : "not-given", str_c(&job->from), str_c(&job->user),
	    (unsigned long long)job->size, why);
	close(*fd);
	free(fd);
	job->mine = NULL;
}
