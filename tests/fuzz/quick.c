/*
 * Fuzz target: an ssh session of ours against any server.
 *
 * The first byte: what follows is the server's own bytes from the beginning (0), or the payloads that
 * a server says under good keys, a length before each (else): behind our login, or behind an open
 * channel; in gcm or ctr.
 *
 * Held: what is kept is bounded, whole pieces and single bytes end the same, and a failure has its words.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/quick-host.h"

enum { MOST = 2 * QUICK_PACKET };

static int
known(void *arg, struct span key, struct err *err)
{
	(void)arg;
	(void)key;
	(void)err;
	return 0;
}

static void
begin(struct quick *quick)
{
	*quick = (struct quick){ .known = known };
	str_set(&quick->user, "mochila");
	str_set(&quick->command, "uucico-ssh -r0");
}

static int
feed(struct quick *quick, const void *bytes, size_t len, size_t step)
{
	struct err err = {0};
	char taken[100];
	int result = 0;

	for (size_t at = 0; result == 0 && at < len; at += step) {
		result = quick_feed(quick, (const char *)bytes + at, len - at < step ? len - at : step, &err);
		if (quick->in.len > MOST + step || quick->noise.len > QUICK_NOISE || quick->said.len > QUICK_WINDOW)
			abort();
		quick_write(quick, "words", 5);
		quick_take(quick, taken, sizeof taken);
		if (step == 1)
			str_clear(&quick->out);
	}
	if ((result < 0) != (quick->end != QUICK_GOING) || (result < 0) != (err.text[0] != '\0'))
		abort();
	return result;
}

static void
raw(const uint8_t *data, size_t size)
{
	struct quick quick;
	enum quick_end end[2];

	for (int i = 0; i < 2; i++) {
		begin(&quick);
		quick_start(&quick);
		feed(&quick, data, size, i == 0 ? size : 1);
		end[i] = quick.end;
		if (quick.state > QUICK_EXCHANGE)
			abort();	/* nobody proves a key by chance */
		quick_free(&quick);
	}
	if (end[0] != end[1])
		abort();
}

/* Keys as if they had been exchanged, which takes long and is the other form's. */
static void
give_keys(struct quick *quick, struct quick_host *host, bool gcm)
{
	static const unsigned char key[2][QUICK_MAC] = { "up", "down" };

	for (int end = 0; end < 2; end++) {
		struct quick *side = end == 0 ? quick : &host->side;
		if (quick_key_way(&side->up, gcm, true, key[end], key[end], key[end]) < 0 ||
		    quick_key_way(&side->down, gcm, false, key[!end], key[!end], key[!end]) < 0)
			abort();
	}
	quick->has_session = true;
	quick->state = QUICK_LOGIN;
	quick->our_window = QUICK_WINDOW;
	quick->their_packet = QUICK_CHUNK;
}

static void
keyed(uint8_t how, const uint8_t *data, size_t size)
{
	struct quick_host host = {0};
	struct quick quick;

	begin(&quick);
	give_keys(&quick, &host, (how & 2) != 0);
	quick.asked = (how & 4) != 0;
	if ((how & 8) != 0) {
		quick_host_say(&host, (struct span){ "\x34", 1 });
		quick_host_say(&host, (struct span){ "\x5b\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\x10\0", 17 });
	}
	while (size > 0) {
		size_t len = data[0];
		data++, size--;
		len = len < size ? len : size;
		if (len > 0)
			quick_host_say(&host, (struct span){ (const char *)data, len });
		data += len, size -= len;
	}
	feed(&quick, host.side.out.p, host.side.out.len, (how & 1) != 0 ? 1000 : host.side.out.len + 1);
	quick_eof(&quick);
	quick_goodbye(&quick);
	quick_free(&quick);
	quick_host_free(&host);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if (data[0] == 0)
		raw(data + 1, size - 1);
	else
		keyed(data[0], data + 1, size - 1);
	return 0;
}
