/*
 * Fuzz target: the SMTP server engine on anything.
 *
 * The first byte's bits choose: 1 batch, 2 slow hooks, 4 a small size limit, 8 a low
 * limit of errors, 16 TLS, 32 TLS or nothing, 64 BINARYMIME and FUTURERELEASE.  The
 * rest is what the client says.  Held: the same bytes in one piece and in small ones (how
 * small hangs on how many they are) give the same replies and the same messages; there are
 * never more messages than ends; a session always comes to an end or an abort; replies are
 * lines of printable ASCII; and outside a batch no message holds a bare CR or LF.
 */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/dot.h"
#include "tests/fuzz/fuzz.h"
#include "tests/talk/fake.h"

static void
hold_replies(struct span out)
{
	struct span line;

	while (span_cut(&out, '\n', &line) && line.len > 0) {
		HOLD(line.len <= 511 && line.p[line.len - 1] == '\r');
		HOLD(line.p[0] >= '2' && line.p[0] <= '5');
		for (size_t i = 0; i < line.len - 1; i++)
			HOLD(line.p[i] >= ' ' && line.p[i] <= '~');
	}
}

/* Lines that are a dot, as strictly as the mode has it, and LASTs. */
static size_t
ends_in(struct span said, bool batch)
{
	size_t ends = 0;

	for (size_t i = 0; i < said.len; i++) {
		struct span here = span_from(said, i);
		if (span_begins(here, "\r\n.\r\n") || (batch && span_begins(here, "\n.")))
			ends++;
		ends += span_begins_case(here, "LAST");
	}
	return ends;
}

static void
run(struct fake *fake, uint8_t choice, struct span said, size_t step, bool any_pace)
{
	const struct smtp_server_options options = {
		.host = "mx.example", .any_pace = any_pace, .batch = choice & 1,
		.max_size = choice & 4 ? 40 : 1 << 20, .max_recipients = 5, .max_junk = 50,
		.binary = choice & 64, .max_hold = choice & 64 ? 1000 : 0, .tls = choice & (16 | 32), .must_tls = choice & 32,
		.max_errors = choice & 8 ? 3 : 0, .max_refused = choice & 8 ? 2 : 0,
	};

	*fake = (struct fake){ .slow = choice & 2 };
	fake_start(fake, &options);
	fake_feed(fake, said, step);
	hold_replies(str_span(&fake->server.out));
	smtp_server_eof(&fake->server);
	HOLD(!fake->open);
	HOLD(fake->accepted <= ends_in(said, choice & 1));
	bool cr = false;
	if (fake->accepted > 0 && !options.batch && !options.binary && fake->aborted == 0)
		HOLD(dot_lines_ok(str_span(&fake->body), &cr) && !cr);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = { 1, 7, 50 };
	struct fake whole, pieces;

	if (size == 0)
		return 0;
	clock_set(INT64_C(1795286702000000));	/* EHLO tells until when a mail may be held */
	struct span said = { (const char *)data + 1, size - 1 };
	run(&whole, data[0], said, 0, true);
	run(&pieces, data[0], said, steps[said.len % (sizeof steps / sizeof steps[0])], true);
	HOLD(span_same(str_span(&whole.server.out), str_span(&pieces.server.out)));
	HOLD(span_same(str_span(&whole.messages), str_span(&pieces.messages)));
	HOLD(span_same(str_span(&whole.notes), str_span(&pieces.notes)));
	HOLD(whole.server.closing == pieces.server.closing);
	fake_free(&pieces);
	run(&pieces, data[0], said, 0, false);
	HOLD(pieces.accepted <= whole.accepted);
	fake_free(&pieces);
	fake_free(&whole);
	return 0;
}
