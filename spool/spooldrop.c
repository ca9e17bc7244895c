#include "spool/spooldrop.h"

#include <errno.h>
#include <stdlib.h>

static int
list(struct spooldrop *drop, struct err *err)
{
	size_t room = 0;
	struct message m;
	int got;

	while ((got = queue_next(&drop->queue, &m, err)) > 0 && drop->count < SPOOLDROP_MAX) {
		if (drop->count == room) {
			room = room > 0 ? 2 * room : 64;
			drop->item = mem_resize(drop->item, room, sizeof *drop->item);
		}
		drop->item[drop->count++] = (struct spooldrop_item){ mem_text(str_c(&m.id)), mem_text(str_c(&m.bucket)),
			m.entry.body_len };
		message_close(&m);
	}
	if (got > 0)
		message_close(&m);
	return got < 0 ? -1 : 0;
}

int
spooldrop_open(struct spooldrop *drop, const struct spool *spool, const char *site, struct err *err)
{
	*drop = (struct spooldrop){ .message.fd = -1 };
	if (queue_open(&drop->queue, spool, site, false, err) < 0)
		return errno == EWOULDBLOCK && err->kind == ERR_TEMP ? 1 : -1;
	drop->open = true;
	if (list(drop, err) == 0)
		return 0;
	spooldrop_close(drop);
	return -1;
}

static int
take(struct spooldrop *drop, size_t item, struct err *err)
{
	const struct spooldrop_item *one = &drop->item[item];

	return queue_take(&drop->queue, one->bucket, one->id, &drop->message, err);
}

int
spooldrop_begin(struct spooldrop *drop, size_t item, struct err *err)
{
	int got = take(drop, item, err);

	if (got <= 0) {
		drop->message.fd = -1;
		return got < 0 ? -1 : err_set(err, ERR_TEMP, "it has been removed meanwhile");
	}
	drop->at = drop->message.entry.body_at;
	drop->end = drop->at + (off_t)drop->message.entry.body_len;
	return 0;
}

ssize_t
spooldrop_read(struct spooldrop *drop, void *to, size_t len, struct err *err)
{
	size_t left = (size_t)(drop->end - drop->at);
	ssize_t got = left == 0 ? 0 : fs_pread(drop->message.fd, to, left < len ? left : len, drop->at, err);

	if (got == 0 && left > 0)
		return err_set(err, ERR_TEMP, "the message is shorter than its head says");
	drop->at += got > 0 ? got : 0;
	return got;
}

void
spooldrop_end(struct spooldrop *drop)
{
	if (drop->message.fd >= 0)
		message_close(&drop->message);
	drop->message.fd = -1;
}

static int
remove_item(struct spooldrop *drop, size_t item, struct err *err)
{
	int got = take(drop, item, err);

	if (got <= 0) {
		drop->message.fd = -1;
		return got;
	}
	struct message *m = &drop->message;
	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		if (m->entry.status[i].state == RCPT_DONE || m->entry.status[i].state == RCPT_FAILED)
			continue;
		message_rcpt(m, i, RCPT_DONE, "250 2.0.0 fetched by POP3");
		message_report(m, i, DSN_DELIVERED);
	}
	int result = message_settle(m, err);
	if (result == 0)
		result = message_left(m, err);
	if (result == 0)
		spool_event(m->spool, str_c(&m->id), "event=fetched site=%s rcpts=%zu", drop->queue.site, m->entry.env.rcpts);
	spooldrop_end(drop);
	return result;
}

int
spooldrop_remove(struct spooldrop *drop, const bool *marked, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < drop->count; i++)
		if (marked[i] && remove_item(drop, i, err) < 0)
			result = -1;
	return result;
}

void
spooldrop_close(struct spooldrop *drop)
{
	spooldrop_end(drop);
	for (size_t i = 0; i < drop->count; i++) {
		free(drop->item[i].id);
		free(drop->item[i].bucket);
	}
	free(drop->item);
	if (drop->open)
		queue_close(&drop->queue);
	*drop = (struct spooldrop){ .message.fd = -1 };
}
