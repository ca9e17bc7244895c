#include "uucico-ssh/window.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"

#define PATIENCE (10 * CLOCK_SECOND)
#define PATIENCE_MAX (300 * CLOCK_SECOND)

void
window_start(struct window *w, unsigned modulus,
    void (*emit)(struct uucp *u, unsigned number, const struct packet *packet))
{
	*w = (struct window){ .emit = emit, .modulus = modulus, .next = 1,
		.patience = PATIENCE, .wait = PATIENCE };
}

static void
send_next(struct uucp *u, struct window *w)
{
	struct packet *packet = &w->sent[w->next];

	*packet = w->waiting[w->first++];
	w->count--;
	packet->at = u->now;
	unsigned number = w->next;
	w->next = (w->next + 1) % w->modulus;
	w->out++;
	w->emit(u, number, packet);
}

static void
pump(struct uucp *u, struct window *w)
{
	while (w->count > 0 && w->out < w->size)
		send_next(u, w);
	if (w->count == 0)
		w->first = 0;
}

void
window_open(struct uucp *u, struct window *w, unsigned size)
{
	w->size = size;
	pump(u, w);
}

void
window_put(struct uucp *u, struct window *w, struct packet packet, struct span data)
{
	if (w->first + w->count == w->allotted && w->first > 0) {
		memmove(w->waiting, w->waiting + w->first, w->count * sizeof *w->waiting);
		w->first = 0;
	}
	if (w->count == w->allotted) {
		w->allotted = 2 * w->allotted + 8;
		w->waiting = mem_resize(w->waiting, w->allotted, sizeof *w->waiting);
	}
	packet.data = (struct str){0};
	str_add_span(&packet.data, data);
	w->waiting[w->first + w->count++] = packet;
	pump(u, w);
}

size_t
window_room(const struct window *w)
{
	return w->count > 0 || w->out >= w->size ? 0 : w->size - w->out;
}

bool
window_flooded(const struct window *w)
{
	return w->count > WINDOW_WAITING_MAX;
}

/* How many packets back from next that number is; 0: it is none of those under way. */
static unsigned
back(const struct window *w, unsigned number)
{
	unsigned distance = (w->next + w->modulus - number) % w->modulus;

	return distance <= w->out ? distance : 0;
}

static void
learn(struct window *w, const struct packet *packet, int64_t now)
{
	int64_t took = 2 * (now - packet->at);

	if (packet->at == 0)
		return;		/* which of its copies arrived is not known */
	w->patience = took < PATIENCE ? PATIENCE : took > PATIENCE_MAX ? PATIENCE_MAX : took;
}

void
window_acked(struct uucp *u, struct window *w, unsigned number)
{
	unsigned behind = back(w, number);

	if (behind == 0)
		return;
	learn(w, &w->sent[number], u->now);
	for (; w->out >= behind; w->out--)
		str_free(&w->sent[(w->next + w->modulus - w->out) % w->modulus].data);
	u->progress = u->now;
	pump(u, w);
}

void
window_again(struct uucp *u, struct window *w, unsigned number)
{
	if (back(w, number) == 0 || u->out.len >= UUCP_OUT_MAX)
		return;
	w->sent[number].at = 0;
	w->emit(u, number, &w->sent[number]);
}

void
window_all(struct uucp *u, struct window *w)
{
	for (unsigned behind = w->out; behind > 0; behind--)
		window_again(u, w, (w->next + w->modulus - behind) % w->modulus);
}

void
window_heard(struct window *w, int64_t now)
{
	w->heard = now;
	w->wait = w->patience;
}

int64_t
window_due(const struct uucp *u, const struct window *w)
{
	return u->out.len > 0 ? INT64_MAX : w->heard + w->wait;
}

void
window_late(struct uucp *u, struct window *w)
{
	w->heard = u->now;
	w->wait = w->wait < PATIENCE_MAX / 2 ? 2 * w->wait : PATIENCE_MAX;
	if (w->out > 0)
		window_again(u, w, (w->next + w->modulus - w->out) % w->modulus);
}

void
window_free(struct window *w)
{
	for (size_t i = 0; i < WINDOW_NUMBERS; i++)
		str_free(&w->sent[i].data);
	for (size_t i = 0; i < w->count; i++)
		str_free(&w->waiting[w->first + i].data);
	free(w->waiting);
	w->waiting = NULL;
	w->count = 0;
}
