#include "uucico-ssh/copying.h"

#include <unistd.h>

#include "lib/base/log.h"
#include "uucico-ssh/files.h"
#include "uucico-ssh/gather.h"
#include "uucico-ssh/queued.h"

bool
copying_path_ok(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if ((unsigned char)path.p[i] <= ' ' || path.p[i] == 0x7f)
			return false;
	return path.len > 0 && path.len < 1000;
}

int
copying_parse(struct span command, struct copying *copying)
{
	struct span word = span_word(&command), first, second;
	bool fetch = span_is(word, "@fetch");

	if (!fetch && !span_is(word, "@copy"))
		return 0;
	first = span_word(&command);
	second = span_word(&command);
	if (!copying_path_ok(first) || !copying_path_ok(second) || span_word(&command).len > 0)
		return -1;
	*copying = (struct copying){ fetch, fetch ? first : second, fetch ? second : first };
	return 1;
}

void
copying_print(const struct copying *copying, struct str *out)
{
	str_add_text(out, copying->fetch ? "@fetch " : "@copy ");
	str_add_span(out, copying->fetch ? copying->from : copying->to);
	str_add_char(out, ' ');
	str_add_span(out, copying->fetch ? copying->to : copying->from);
}

static int
put(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct copying *copying, struct err *err)
{
	struct files_target target;
	int result = gather_is(copying->to) ? gather_target(spool, site->name, copying->to, &target, err) :
	    files_target(spool->settings, site->receive, copying->to, copying->from, true, &target, err);

	if (result == 0)
		result = files_put(&target, job, err);
	files_target_free(&target);
	return result;
}

enum { GIVEN_MAX = 64 };

/* Each is a copy: who asks for the same file a thousand times waits until the first are gone. */
static int
check_given(const struct spool *spool, const char *site, struct err *err)
{
	struct fs_names names;
	int result = queued_names(spool, site, &names, err);

	if (result == 0 && names.count >= GIVEN_MAX)
		result = err_set(err, ERR_TEMP, "%zu jobs wait for it: what it wants comes later", names.count);
	fs_names_free(&names);
	return result;
}

/* A file of ours that a peer wants is queued for it.  Twice, after a crash, changes nothing there. */
static int
give(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct copying *copying, struct err *err)
{
	struct queued head = { .fd = -1 };
	struct filed filed = {0};
	struct str name = {0};
	const struct copying answer = { false, copying->from, copying->to };

	if (check_given(spool, site->name, err) < 0)
		return -1;
	int fd = files_open(spool->settings, site->requests, copying->from, err);

	if (fd < 0)
		return -1;
	str_add_span(&head.user, str_span(&job->user));
	str_set(&head.options, "C");
	copying_print(&answer, &head.command);
	filed.command = str_span(&head.command);
	int result = queued_add(spool, site->name, 'N', &head, &filed, NULL, fd, &name, err);
	if (result == 0)
		spool_event(spool, str_c(&name), "event=queued site=%s user=%s command=\"%s\"", site->name, str_c(&head.user),
		    str_c(&head.command));
	close(fd);
	queued_close(&head);
	str_free(&name);
	return result;
}

int
copying_run(const struct spool *spool, const struct site_settings *site, const struct job *job,
    const struct copying *copying, struct err *err)
{
	return copying->fetch ? give(spool, site, job, copying, err) : put(spool, site, job, copying, err);
}
