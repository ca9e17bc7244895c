#include "uucico-ssh/output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "uucico-ssh/copying.h"
#include "uucico-ssh/files.h"
#include "uucico-ssh/queued.h"

static bool
is_here(const struct spool *spool, const struct filed *filed)
{
	return span_is(filed->out_site, spool->settings->spool.site);
}

static bool
is_named(const char *list, struct span site)
{
	struct span words = span_of(list), word;

	while ((word = span_word(&words)).len > 0)
		if (span_same(word, site))
			return true;
	return false;
}

/* NULL with err: it goes to no such site. */
static const struct site_settings *
site_of(const struct spool *spool, const struct site_settings *by, const struct filed *filed, struct err *err)
{
	char *name = mem_text_n(filed->out_site.p, filed->out_site.len);
	const struct site_settings *site = settings_site(spool->settings, name);

	if (site == NULL || (site != by && !is_named(by->forward_to, filed->out_site))) {
		err_set(err, ERR_PERM, "[site %s] forward-to does not permit output to %.60s", by->name, name);
		site = NULL;
	}
	free(name);
	return site;
}

/* What it is called when the path is a folder. */
static struct span
own_name(const struct filed *filed)
{
	struct span rest = filed->command;
	return span_word(&rest);
}

int
output_check(const struct spool *spool, const struct site_settings *site, const struct filed *filed,
    struct err *err)
{
	struct files_target target = { .dir = -1 };

	if (filed->out_path.len == 0)
		return 0;
	if (!copying_path_ok(filed->out_path))
		return err_set(err, ERR_PERM, "its output is to be at no path");
	if (!is_here(spool, filed))
		return site_of(spool, site, filed, err) != NULL ? 0 : -1;
	int result = files_target(spool->settings, site->receive, filed->out_path, own_name(filed), true, &target, err);
	files_target_free(&target);
	return result;
}

static int
put_here(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct filed *filed, int fd, off_t size, struct err *err)
{
	struct job output = { .spool = spool, .key = job->key, .fd = fd, .have = (uint64_t)size };
	struct files_target target;
	int result = files_target(spool->settings, site->receive, filed->out_path, own_name(filed), true, &target, err);

	if (result == 0)
		result = files_put(&target, &output, err);
	files_target_free(&target);
	return result;
}

static int
send(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct filed *filed, int fd, struct err *err)
{
	const struct copying copying = { false, own_name(filed), filed->out_path };
	struct queued head = { .fd = -1 };
	struct filed none = {0};
	struct str name = {0};

	str_add_span(&head.user, str_span(&job->user));
	str_set(&head.options, "C");
	copying_print(&copying, &head.command);
	none.command = str_span(&head.command);
	int result = lseek(fd, 0, SEEK_SET) < 0 ? err_sys(err, "its output") :
	    queued_add(spool, site->name, 'N', &head, &none, NULL, fd, &name, err);
	if (result == 0)
		spool_event(spool, str_c(&name), "event=queued site=%s user=%s command=\"%s\"", site->name, str_c(&head.user),
		    str_c(&head.command));
	queued_close(&head);
	str_free(&name);
	return result;
}

int
output_put(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct filed *filed, int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "its output");
	if (is_here(spool, filed))
		return put_here(spool, site, job, filed, fd, st.st_size, err);
	const struct site_settings *to = site_of(spool, site, filed, err);
	return to == NULL ? -1 : send(spool, to, job, filed, fd, err);
}
