#include "relay/acceptor.h"

#include "lib/base/clock.h"

enum { PATIENCE_LEAST = 400, PATIENCE_MOST = 5000 };	/* microseconds; a loop waits for a thousand at least */

static void
join(struct waiter **list, struct waiter *waiter)
{
	waiter->next = *list;
	waiter->at = list;
	if (waiter->next != NULL)
		waiter->next->at = &waiter->next;
	*list = waiter;
}

void
acceptor_leave(struct waiter *waiter)
{
	if (waiter->at == NULL)
		return;
	*waiter->at = waiter->next;
	if (waiter->next != NULL)
		waiter->next->at = waiter->at;
	waiter->at = NULL;
}

/* Whoever posts while others are being answered waits for the next sync. */
static void
answer(struct acceptor *acceptor, const struct err *trouble)
{
	struct waiter *due = acceptor->syncing, *waiter;

	acceptor->syncing = NULL;
	if (due != NULL)
		due->at = &due;
	while ((waiter = due) != NULL) {
		acceptor_leave(waiter);
		waiter->answer(waiter, trouble);
	}
}

static int
sync_here(struct acceptor *acceptor, struct err *err)
{
	acceptor->begun = clock_mono();
	int result = fs_sync_data(acceptor->journal.fd, err);
	acceptor->took = clock_mono() - acceptor->begun;
	return journal_written(&acceptor->journal, result, err);
}

/* Something was, be it of a client that did not wait for it. */
static bool
is_posted(const struct acceptor *acceptor)
{
	return acceptor->journal.pending.len > 0;
}

/* The thread's is over, or is waited for. */
static void
finish(struct acceptor *acceptor)
{
	struct err err;
	int result = syncer_end(&acceptor->syncer, &err);

	acceptor->under_way = false;
	acceptor->took = acceptor->syncer.ended - acceptor->begun;
	result = journal_written(&acceptor->journal, result, &err);
	answer(acceptor, result < 0 ? &err : NULL);
	if (is_posted(acceptor))
		timer_set_before(&acceptor->turn, acceptor->patience);
}

static bool
begin_beside(struct acceptor *acceptor)
{
	bool beside = acceptor->beside;

	acceptor->beside = false;
	acceptor->begun = clock_mono();
	acceptor->under_way = beside && syncer_begin(&acceptor->syncer, acceptor->journal.fd) == 0;
	return acceptor->under_way;
}

/* All that was posted. */
static void
sync_posted(struct acceptor *acceptor)
{
	struct err err;

	acceptor->syncing = acceptor->waiting;
	if (acceptor->syncing != NULL)
		acceptor->syncing->at = &acceptor->syncing;
	acceptor->waiting = NULL;
	int result = journal_write(&acceptor->journal, &err);
	if (result > 0 && begin_beside(acceptor))
		return;
	if (result > 0)
		result = sync_here(acceptor, &err);
	answer(acceptor, result < 0 ? &err : NULL);
}

static void
end_of_turn(void *ctx)
{
	struct acceptor *acceptor = ctx;

	if (!acceptor->under_way)	/* else they are seen to when it is back */
		sync_posted(acceptor);
}

static void
on_synced(void *ctx)
{
	struct acceptor *acceptor = ctx;

	if (syncer_is_over(&acceptor->syncer))
		finish(acceptor);
}

void
acceptor_start(struct acceptor *acceptor, struct loop *loop, const struct spool *spool)
{
	*acceptor = (struct acceptor){ .journal.spool = spool, .journal.fd = -1 };
	timer_start(&acceptor->turn, loop, end_of_turn, acceptor);
	syncer_start(&acceptor->syncer);
	if (acceptor->syncer.told >= 0)
		watch_start(&acceptor->synced, loop, acceptor->syncer.told, WATCH_READ, on_synced, acceptor);
}

/* Who comes just behind us would wait for all of our sync, and then for his own. */
void
acceptor_wait(struct acceptor *acceptor, struct waiter *waiter, bool more, bool beside)
{
	int64_t patience = acceptor->took / 4 < PATIENCE_MOST ? acceptor->took / 4 : PATIENCE_MOST;

	if (patience < PATIENCE_LEAST)
		patience = 0;

	join(&acceptor->waiting, waiter);
	acceptor->beside = acceptor->beside || more || beside;
	acceptor->patience = more ? patience : 0;
	if (!acceptor->under_way)
		timer_set_before(&acceptor->turn, acceptor->patience);
}

int
acceptor_at_once(struct acceptor *acceptor, struct err *err)
{
	if (acceptor->waiting != NULL || acceptor->under_way)
		return 1;
	int result = journal_write(&acceptor->journal, err);
	return result > 0 ? sync_here(acceptor, err) : result;
}

int
acceptor_hand_over(struct acceptor *acceptor, struct err *err)
{
	if (acceptor->under_way)
		finish(acceptor);
	acceptor->beside = false;
	if (is_posted(acceptor))
		sync_posted(acceptor);
	return journal_due(&acceptor->journal, true) ? journal_turn(&acceptor->journal, err) : 0;
}

void
acceptor_close(struct acceptor *acceptor)
{
	if (acceptor->turn.event == NULL)
		return;
	if (acceptor->under_way)
		finish(acceptor);
	watch_free(&acceptor->synced);
	syncer_stop(&acceptor->syncer);
	timer_free(&acceptor->turn);
	journal_close(&acceptor->journal);
}
