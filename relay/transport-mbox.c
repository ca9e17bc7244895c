/*
 * transport-mbox - to the end of a mailbox file (spool/mboxfile.h).
 *
 * A reader may have it locked: then it is tried again each moment, for a while, and the loop
 * goes on meanwhile.  Between the sync of the file and the note of it in the spool a crash
 * leaves the message in both, and it comes twice: a file of many has no name to know it by,
 * as a Maildir has.
 */
#include "relay/transport.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/lane.h"
#include "relay/mailbox.h"
#include "relay/relay.h"
#include "spool/mboxfile.h"

enum { MOMENT = 100000, MOMENTS_MAX = 300 };	/* microseconds; half a minute */

struct work {
	struct lane *lane;
	struct mailboxes boxes;
	size_t next;		/* the recipient in hand */
	unsigned moments;	/* waited for a lock */
	bool vanished;		/* somebody moved the message away */
	struct timer timer;
};

static int
write_field(void *box, const char *name, struct span value, struct err *err)
{
	return mboxfile_field(box, name, value, err);
}

static int
write_body(void *box, const void *bytes, size_t len, struct err *err)
{
	return mboxfile_body(box, bytes, len, err);
}

static const struct mailbox_writer writer = { write_field, write_body };

/* 1: it is locked. */
static int
deliver(struct work *work, struct err *err)
{
	struct lane *lane = work->lane;
	struct mboxfile box;
	int result = mboxfile_open(&box, work->boxes.path[work->next], err);

	if (result == 0 && !message_still_there(&lane->message)) {
		mboxfile_close(&box);
		work->vanished = true;
		return 0;
	}
	if (result != 0)
		return result;
	mboxfile_begin(&box, str_span(&lane->message.entry.env.from), clock_now());
	result = mailbox_write(lane, &work->boxes, work->next, &writer, &box, err);
	if (result == 0)
		result = mboxfile_commit(&box, err);
	mboxfile_close(&box);
	return result;
}

/* False: to be called again after a moment. */
static bool
take_one(struct work *work)
{
	struct err err = {0};
	int result = deliver(work, &err);

	if (work->vanished)
		return true;
	if (result > 0 && work->moments++ < MOMENTS_MAX)
		return false;
	if (result > 0) {
		err_set(&err, ERR_TEMP, "the mailbox is locked");
		err_as(&err, 0, "4.2.0");
		result = -1;
	}
	if (result < 0 && err.kind == ERR_PERM)
		err.kind = ERR_TEMP;	/* a file of ours is our trouble */
	mailboxes_told(work->lane, &work->boxes, work->next, result < 0 ? &err : NULL);
	return true;
}

static void
go_on(void *ctx)
{
	struct work *work = ctx;

	for (; work->next < work->boxes.count && !work->vanished; work->next++) {
		if (work->boxes.path[work->next] == NULL)
			continue;
		if (!take_one(work)) {
			timer_set(&work->timer, MOMENT);
			return;
		}
		work->moments = 0;
	}
	mailboxes_free(&work->boxes);
	if (work->vanished)
		log_info("%s: event=moved-away by=mbox:%s", str_c(&work->lane->message.id), work->lane->rest);
	lane_done(work->lane, NULL);
}

static void
mbox_open(struct lane *lane)
{
	struct work *work = mem_get(sizeof *work);

	work->lane = lane;
	timer_start(&work->timer, &lane->relay->loop, go_on, work);
	lane->work = work;
}

static void
mbox_send(struct lane *lane)
{
	struct work *work = lane->work;

	mailboxes_find(lane, &work->boxes);
	work->next = work->moments = 0;
	work->vanished = false;
	go_on(work);
}

static void
mbox_close(struct lane *lane)
{
	struct work *work = lane->work;

	timer_free(&work->timer);
	mailboxes_free(&work->boxes);
	free(work);
	lane->work = NULL;
}

const struct transport transport_mbox = {
	.name = "mbox",
	.kind = ROUTE_MBOX,
	.open = mbox_open,
	.send = mbox_send,
	.close = mbox_close,
};
