/* transport-maildir - into a Maildir of ours (spool/maildir.h). */
#include "relay/transport.h"

#include "relay/lane.h"
#include "relay/mailbox.h"
#include "relay/relay.h"
#include "spool/maildir.h"

static int
write_field(void *box, const char *name, struct span value, struct err *err)
{
	return maildir_field(box, name, value, err);
}

static int
write_body(void *box, const void *bytes, size_t len, struct err *err)
{
	return maildir_body(box, bytes, len, err);
}

static const struct mailbox_writer writer = { write_field, write_body };

/* One file for all the recipients that share the folder of the first. */
static int
deliver(struct lane *lane, const struct mailboxes *boxes, size_t first, struct err *err)
{
	struct maildir box;
	uint64_t quota = lane->relay->setup->settings.spool.mailbox_quota;
	int result = maildir_open(&box, boxes->path[first], str_c(&lane->message.id), err);

	if (result != 0)
		return result > 0 ? 0 : -1;
	result = maildir_room(&box, quota, lane->message.entry.body_len, err);
	if (result == 0)
		result = mailbox_write(lane, boxes, first, &writer, &box, err);
	if (result == 0)
		result = maildir_commit(&box, err);
	maildir_close(&box);
	return result;
}

/* A folder of ours that cannot be written to is our trouble, never the sender's. */
static void
maildir_send(struct lane *lane)
{
	struct mailboxes boxes;

	mailboxes_find(lane, &boxes);
	for (size_t i = 0; i < boxes.count; i++) {
		struct err err = {0};
		if (boxes.path[i] == NULL)
			continue;
		bool delivered = deliver(lane, &boxes, i, &err) == 0;
		if (!delivered && err.kind == ERR_PERM)
			err.kind = ERR_TEMP;
		mailboxes_told(lane, &boxes, i, delivered ? NULL : &err);
	}
	mailboxes_free(&boxes);
	lane_done(lane, NULL);
}

const struct transport transport_maildir = {
	.name = "maildir",
	.kind = ROUTE_MAILDIR,
	.send = maildir_send,
};
