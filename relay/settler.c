#include "relay/settler.h"

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum {
	SETTLE_SECONDS = 600,	/* then it hangs, and its locks are in our way */
	SYNCS = 10,		/* about so many for a few messages, in which we hear nobody */
	LONGEST = 4 * CLOCK_SECOND,	/* what was accepted waits for more, the slower the disk */
	SHUNNED_SECONDS = 60,	/* one that died, or cannot be started, is not tried again so long */
};

static void
count(struct settler *settler, const struct settled *settled)
{
	settler->relay->meters.messages_settled_total += settled->messages;
	settler->relay->meters.repeats_total += settled->repeats;
	settler->relay->meters.held_total += settled->held;
	if (settled->messages > 0 || settled->held > 0)
		log_debug("-: event=settled messages=%zu repeats=%zu held=%zu", settled->messages,
		    settled->repeats, settled->held);
}

static void
on_table(struct asked_question *question)
{
	struct settler *settler = (struct settler *)((char *)question - offsetof(struct settler, table));

	timer_set_before(&settler->soon, 0);
}

/* Where there is nobody else to ask programs of tables it is us, but not for long; one that does
 * not answer at once is asked beside the loop, and then all is settled anew. */
static int
settle_asking(struct settler *settler, struct settled *settled, struct err *err)
{
	struct asked *asked = &settler->relay->asked;
	struct err ignored;

	if (settler->pool.args > 0)
		return spool_settle(&settler->relay->spool, settled, err);
	asked_here(asked, true);
	int result = spool_settle(&settler->relay->spool, settled, err);
	asked_here(asked, false);
	settler->table.answer = on_table;
	if (result < 0 && settler->table.from == NULL)
		asked_misses(asked, &settler->table, &ignored);
	return result;
}

static void
settled_by_us(struct settler *settler, bool sure)
{
	struct settled settled = {0};
	struct err err;

	int result = settle_asking(settler, &settled, &err);
	if (result == 0)
		settler->bytes = settler->messages = settler->asked_bytes = settler->asked_messages = 0;
	else
		log_error("-: event=settle-failed why=\"%s\"", err.text);
	count(settler, &settled);
	settler->settled = clock_mono();
	runner_look(&settler->relay->runner, sure);
}

/* ---- by a process of its own ---- */

static bool
is_much(const struct settler *settler)
{
	return settler->bytes >= UNSETTLED_MUCH || settler->messages >= UNSETTLED_MUCH >> 10;
}

static bool
takes_long(const struct settler *settler)
{
	return settler->relay->session_count > 1 && SYNCS * settler->relay->acceptor.took > CLOCK_SECOND / 20;
}

static bool
is_too_much(const struct settler *settler)
{
	return settler->bytes >= UNSETTLED_MAX || settler->messages >= UNSETTLED_MANY;
}

static bool
read_answer(struct span words, struct settled *settled)
{
	struct span verdict = span_word(&words), messages = span_word(&words), repeats = span_word(&words),
	    held = span_word(&words);
	uint64_t number[3];

	if (span_number(messages, SIZE_MAX, &number[0]) < 0 || span_number(repeats, SIZE_MAX, &number[1]) < 0 ||
	    span_number(held, SIZE_MAX, &number[2]) < 0)
		return false;
	*settled = (struct settled){ .messages = number[0], .repeats = number[1], .held = number[2] };
	if (span_is(verdict, "ok"))
		return true;
	log_error("-: event=settle-failed why=\"%.*s\"", (int)words.len, words.p);
	return false;
}

static void
on_answer(struct pool_question *question, int result, struct span words)
{
	struct settler *settler = (struct settler *)((char *)question - offsetof(struct settler, question));
	struct settled settled = {0};
	bool again = settler->again, sure = settler->sure;

	settler->asked = 0;
	settler->again = settler->sure = false;
	if (result < 0) {	/* whatever it left half done is done by us */
		settler->shunned = clock_mono() + SHUNNED_SECONDS * CLOCK_SECOND;
		settled_by_us(settler, sure);
		return;
	}
	if (read_answer(words, &settled)) {
		settler->bytes -= settler->asked_bytes;
		settler->messages -= settler->asked_messages;
	}
	settler->asked_bytes = settler->asked_messages = 0;
	count(settler, &settled);
	settler->settled = clock_mono();
	runner_look(&settler->relay->runner, sure);
	if (again)
		timer_set_before(&settler->soon, 0);
}

/* True: it will be settled. */
static bool
ask(struct settler *settler, bool sure)
{
	const struct span none = {0};
	struct err err;

	/* It waits for programs of tables, and we do not. */
	bool must = settler->pool.args > 0 && asked_needed(&settler->relay->setup->settings);
	if (settler->pool.args == 0 || settler->relay->ending || (clock_mono() < settler->shunned && !must))
		return false;
	if (settler->asked == 0 && !is_much(settler) && !takes_long(settler) && !must)
		return false;
	if (settler->asked != 0) {
		settler->again = true;
	} else if (pool_ask(&settler->pool, &settler->question, &none, 1, &err) == 0) {
		settler->asked = clock_mono();
		settler->asked_bytes = settler->bytes;
		settler->asked_messages = settler->messages;
	} else {
		return false;
	}
	settler->sure = settler->sure || sure;
	return must || !is_too_much(settler);
}

static void
hire(struct settler *settler)
{
	pool_start(&settler->pool, settler->relay, "mochila-settle", "settle", 1, SETTLE_SECONDS);
	settler->pool.tells = true;
	settler->question.answer = on_answer;
	if (settler->relay->spool.lease == NULL)
		settler->pool.args = pool_words(settler->relay, settler->pool.arg);
}

/* ---- when ---- */

static void
settle(struct settler *settler, bool sure)
{
	struct err err;

	if (acceptor_hand_over(&settler->relay->acceptor, &err) < 0)
		log_error("-: event=settle-failed why=\"%s\"", err.text);
	relay_tell(settler->relay);	/* that it was accepted, before that it is queued */
	if (!ask(settler, sure))
		settled_by_us(settler, sure);
}

static bool
is_full(const struct settler *settler)
{
	return settler->relay->acceptor.journal.good >= JOURNAL_MAX || is_too_much(settler);
}

static int64_t
between(int64_t value, int64_t least, int64_t most)
{
	return value < least ? least : value > most ? most : value;
}

/* So long what was accepted may wait for more.  Where several send, more of the time is ours
 * than the disk's, and mochila-settle has its own, unless syncs are slow: each time takes some,
 * and half of the disk's time is for accepting.  One that waits for each sync is only held up. */
static int64_t
longest(const struct settler *settler)
{
	int64_t took = settler->relay->acceptor.took;

	if (settler->relay->session_count <= 1)
		return CLOCK_SECOND;
	return between(2 * SYNCS * took, between(100 * took, CLOCK_SECOND / 4, CLOCK_SECOND), LONGEST);
}

/* Nobody has said anything so long: more than a sync, in which nobody is heard. */
static int64_t
quiet(const struct settler *settler)
{
	return between(10 * settler->relay->acceptor.took, CLOCK_SECOND / 50, CLOCK_SECOND / 20);
}

/* Sessions side by side are between two messages all the time, and so is one that sends one
 * after the other: that is no rest yet. */
static bool
more_will_come(const struct settler *settler)
{
	return (settler->relay->session_count > 1 || settler->stream) && !is_full(settler) &&
	    clock_mono() - settler->first < longest(settler);
}

static void
settle_soon(void *ctx)
{
	struct settler *settler = ctx;
	int64_t rest = settler->last + quiet(settler) - clock_mono();

	if (rest > 0 && more_will_come(settler)) {
		timer_set(&settler->soon, rest);
		return;
	}
	settler->first = 0;
	settle(settler, false);
}

static void
each_minute(void *ctx)
{
	struct settler *settler = ctx;

	timer_set(&settler->minute, 60 * CLOCK_SECOND);
	if (settler->asked == 0 && clock_mono() - settler->settled >= 60 * CLOCK_SECOND)
		pool_restart(&settler->pool);	/* nobody needs it now */
	settle(settler, true);
}

static void
bell_rang(void *ctx)
{
	struct settler *settler = ctx;
	char dust[256];

	while (read(settler->bell, dust, sizeof dust) > 0)
		;
	timer_set_before(&settler->soon, 0);
}

void
settler_start(struct settler *settler, struct relay *relay)
{
	struct err err;

	*settler = (struct settler){ .relay = relay };
	hire(settler);
	timer_start(&settler->soon, &relay->loop, settle_soon, settler);
	timer_start(&settler->minute, &relay->loop, each_minute, settler);
	settler->bell = spool_bell_open(&relay->spool, &err);
	if (settler->bell >= 0)
		watch_start(&settler->watch, &relay->loop, settler->bell, WATCH_READ, bell_rang, settler);
	else
		log_warn("-: event=no-bell why=\"%s\"", err.text);
	each_minute(settler);
}

void
settler_count(struct settler *settler, uint64_t bytes)
{
	settler->bytes += bytes;
	settler->messages++;
}

void
settler_reload(struct settler *settler)
{
	/* What it leaves half done is taken up by whoever settles next. */
	pool_restart(&settler->pool);
	settler->shunned = 0;
}

void
settler_wake(struct settler *settler, bool busy)
{
	settler_stir(settler);
	if (settler->first == 0) {
		settler->first = settler->last;
		settler->stream = settler->settled != 0 && settler->first - settler->settled < CLOCK_SECOND / 20;
	}
	timer_set_before(&settler->soon, busy && !is_full(settler) ? longest(settler) : 0);
}

void
settler_stir(struct settler *settler)
{
	settler->last = clock_mono();
}

void
settler_close(struct settler *settler)
{
	if (settler->relay == NULL)
		return;
	pool_leave(&settler->question);
	asked_leave(&settler->table);
	pool_finish(&settler->pool);
	pool_close(&settler->pool);
	watch_free(&settler->watch);
	timer_free(&settler->soon);
	timer_free(&settler->minute);
	if (settler->bell >= 0)
		close(settler->bell);
	*settler = (struct settler){ .bell = -1 };
}
