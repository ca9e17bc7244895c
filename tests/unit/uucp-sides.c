#include "tests/unit/uucp.h"

#include <stdlib.h>
#include <string.h>

#include "uucico-ssh/command.h"

static int
side_next(void *arg, struct uucp_job *job, struct err *err)
{
	struct side *side = arg;

	(void)err;
	if (side->next == SIDE_JOBS || side->send[side->next] == NULL)
		return 0;
	job->kind = 'E';
	str_printf(&job->from, "D.%04zu", side->next + 1);
	str_printf(&job->to, "D.%sN%04zu", side->u.config.name, side->next + 1);
	str_add_span(&job->temp, str_span(&job->from));
	str_set(&job->user, "uucp");
	str_set(&job->options, "C");
	str_set(&job->command, side->u.config.caller ? "rmail bob@hub" : "rmail carol@home");
	job->mode = 0666;
	job->grade = 'N';
	job->mine = (void *)(uintptr_t)side->send[side->next];
	job->size = strlen(side->send[side->next++]);
	return 1;
}

static int
side_read(void *arg, struct uucp_job *job, void *to, size_t len, struct err *err)
{
	(void)arg;
	(void)err;
	memcpy(to, (const char *)job->mine + job->at, len);
	return 0;
}

/* "~/five" is "five!"; there is nothing else. */
static enum uucp_answer
side_requested(void *arg, struct uucp_job *job)
{
	(void)arg;
	if (!span_is(str_span(&job->from), "~/five"))
		return UUCP_DENIED;
	if (job->size < 5)
		return UUCP_NO_ROOM;
	job->size = 5;
	job->mode = 0666;
	job->mine = (void *)(uintptr_t)"five!";
	return UUCP_YES;
}

static int
side_sent(void *arg, struct uucp_job *job, enum uucp_fate fate, const char *why, struct err *err)
{
	struct side *side = arg;

	(void)job;
	(void)why;
	(void)err;
	side->fate[side->told++] = fate;
	return 0;
}

static enum uucp_answer
side_offered(void *arg, struct uucp_job *job)
{
	struct side *side = arg;

	job->at = side->answer == UUCP_YES ? side->part.len : 0;
	return side->answer;
}

static int
side_write(void *arg, struct uucp_job *job, const void *bytes, size_t len, struct err *err)
{
	struct side *side = arg;

	(void)job;
	(void)err;
	str_add(&side->part, bytes, len);
	return 0;
}

static int
side_stored(void *arg, struct uucp_job *job, struct err *err)
{
	struct side *side = arg;
	struct str *got = &side->got[side->count++];

	(void)err;
	str_add_span(got, str_span(&job->command));
	str_add_char(got, '\n');
	str_add_span(got, str_span(&side->part));
	str_clear(&side->part);
	return 0;
}

static void
side_dropped(void *arg, struct uucp_job *job)
{
	struct side *side = arg;

	(void)job;
	side->dropped++;
}

const struct uucp_hooks side_hooks = {
	.next = side_next,
	.read = side_read,
	.sent = side_sent,
	.requested = side_requested,
	.offered = side_offered,
	.write = side_write,
	.stored = side_stored,
	.dropped = side_dropped,
};

void
side_start(struct side *side, bool caller, const char *name, const char *peer)
{
	struct uucp_config config = { .caller = caller, .name = name, .peer = peer, 
		.letters = side->letters != NULL ? side->letters : "e", .timeout = 60 };

	uucp_start(&side->u, &config, &side_hooks, side, 0);
}

void
side_free(struct side *side)
{
	uucp_free(&side->u);
	for (size_t i = 0; i < SIDE_JOBS; i++)
		str_free(&side->got[i]);
	str_free(&side->part);
}

/* Up to step bytes from one to the other; false when nothing moved. */
static bool
carry(struct uucp *from, struct uucp *to, size_t step, size_t *left)
{
	uucp_fill(from);
	size_t len = from->out.len < step ? from->out.len : step;
	len = len < *left ? len : *left;
	if (len == 0)
		return false;
	char *bytes = mem_get(len);
	memcpy(bytes, from->out.p, len);
	uucp_taken(from, len, 0);
	uucp_feed(to, bytes, len, 0);
	free(bytes);
	*left -= len;
	return true;
}

void
wire_run(struct uucp *a, struct uucp *b, size_t step, size_t there, size_t back)
{
	for (bool moved = true; moved;) {
		moved = carry(a, b, step, &there);
		moved = carry(b, a, step, &back) || moved;
	}
	/* What was refused in the handshake is heard before the line closes. */
	uucp_eof(a, 0);
	uucp_eof(b, 0);
}
