/* Files of UUCP, and commands of others than mailers: neither uux nor uucp is here, and no peer may have or put any. */
#include "lib/base/small.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/files.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/notice.h"
#include "uucico-ssh/output.h"
#include "uucico-ssh/request.h"

static int
no_files(struct err *err)
{
	small_without(err, "files of UUCP");
	err->kind = ERR_PERM;	/* the peer is told, and does not come again with it */
	return -1;
}

/* What a peer asks for, or brings. */

enum uucp_answer
request_admit(const struct spool *spool, const struct site_settings *site, struct uucp_job *job)
{
	(void)spool;
	(void)site;
	(void)job;
	return UUCP_DENIED;
}

int
request_read(struct uucp_job *job, void *to, size_t len, struct err *err)
{
	(void)job;
	(void)to;
	(void)len;
	return no_files(err);
}

void
request_sent(const struct site_settings *site, struct uucp_job *job, enum uucp_fate fate, const char *why)
{
	(void)site;
	(void)job;
	(void)fate;
	(void)why;
}

int
files_target(const struct settings *settings, const char *folders, struct span path, struct span from, bool make,
    struct files_target *target, struct err *err)
{
	(void)settings;
	(void)folders;
	(void)path;
	(void)from;
	(void)make;
	*target = (struct files_target){ .dir = -1 };
	return no_files(err);
}

void
files_target_free(struct files_target *target)
{
	(void)target;
}

int
files_put(struct files_target *target, const struct job *job, struct err *err)
{
	(void)target;
	(void)job;
	return no_files(err);
}

/* A copy is a command like any that the site's commands do not name. */
int
copying_parse(struct span command, struct copying *copying)
{
	(void)command;
	(void)copying;
	return 0;
}

int
copying_run(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct copying *copying, struct err *err)
{
	(void)spool;
	(void)site;
	(void)job;
	(void)copying;
	return no_files(err);
}

int
output_check(const struct spool *spool, const struct site_settings *site, const struct filed *filed, struct err *err)
{
	(void)spool;
	(void)site;
	return filed->out_path.len == 0 ? 0 : no_files(err);
}

int
output_put(const struct spool *spool, const struct site_settings *site, const struct job *job, const struct filed *filed,
    int fd, struct err *err)
{
	(void)spool;
	(void)site;
	(void)job;
	(void)filed;
	(void)fd;
	return no_files(err);
}

/* What somebody here asked for: nobody can. */

int
queued_names(const struct spool *spool, const char *site, struct fs_names *names, struct err *err)
{
	(void)spool;
	(void)site;
	(void)err;
	*names = (struct fs_names){0};
	return 0;
}

int
queued_open(struct queued *queued, const struct spool *spool, const char *site, const char *name, struct err *err)
{
	(void)spool;
	(void)site;
	(void)name;
	*queued = (struct queued){ .fd = -1 };
	return no_files(err);
}

int
queued_done(const struct spool *spool, const char *site, const char *name, struct err *err)
{
	(void)spool;
	(void)site;
	(void)name;
	(void)err;
	return 0;
}

int
queued_refused(const struct spool *spool, const char *site, const char *name, const char *why, struct err *err)
{
	(void)spool;
	(void)site;
	(void)name;
	(void)why;
	(void)err;
	return 0;
}

void
queued_held_name(const char *site, const char *name, struct str *out)
{
	(void)site;
	str_add_text(out, name);
}

bool
gather_is(struct span path)
{
	(void)path;
	return false;
}

int
gather_target(const struct spool *spool, const char *site, struct span path, struct files_target *target, struct err *err)
{
	(void)spool;
	(void)site;
	(void)path;
	(void)target;
	return no_files(err);
}

void
gather_settle(const struct spool *spool)
{
	(void)spool;
}

void
notice_here(const struct spool *spool, const struct notice *notice)
{
	(void)spool;
	(void)notice;
}

void
notice_there(const struct spool *spool, const struct notice *notice)
{
	(void)spool;
	(void)notice;
}
