#include "relay/acceptor.h"

#include "lib/base/clock.h"

enum { PATIENCE_MOST = 5000 };	/* microseconds */

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

static void
end_of_turn(void *ctx)
{
	struct acceptor *acceptor = ctx;
	struct waiter *due = acceptor->waiting, *waiter;
	struct err err;
	int64_t begun = clock_mono();
	bool accepted = journal_sync(&acceptor->journal, &err) == 0;

	acceptor->took = clock_mono() - begun;
	/* Whoever posts while others are being answered waits for the next sync. */
	acceptor->waiting = NULL;
	if (due != NULL)
		due->at = &due;
	while ((waiter = due) != NULL) {
		acceptor_leave(waiter);
		waiter->answer(waiter, accepted ? NULL : &err);
	}
}

void
acceptor_start(struct acceptor *acceptor, struct loop *loop, const struct spool *spool)
{
	*acceptor = (struct acceptor){ .journal.spool = spool, .journal.fd = -1 };
	timer_start(&acceptor->turn, loop, end_of_turn, acceptor);
}

/* Who comes just behind us would wait for all of our sync, and then for his own. */
void
acceptor_wait(struct acceptor *acceptor, struct waiter *waiter, bool more)
{
	int64_t patience = acceptor->took / 4 < PATIENCE_MOST ? acceptor->took / 4 : PATIENCE_MOST;

	join(&acceptor->waiting, waiter);
	timer_set_before(&acceptor->turn, more ? patience : 0);
}

int
acceptor_hand_over(struct acceptor *acceptor, struct err *err)
{
	return journal_due(&acceptor->journal, true) ? journal_turn(&acceptor->journal, err) : 0;
}

void
acceptor_close(struct acceptor *acceptor)
{
	if (acceptor->turn.event == NULL)
		return;
	timer_free(&acceptor->turn);
	journal_close(&acceptor->journal);
}
