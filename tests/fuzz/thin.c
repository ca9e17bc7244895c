/*
 * The thin view of any mail: whatever a stranger put together, it is made in time, from nothing
 * but the mail, the same each time, and never much larger; what is encrypted stays as it is.
 *
 * The first byte says how large an attachment may be, and whether pictures are made smaller.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/mail/thin.h"
#include "tests/fuzz/fuzz.h"

/* Half of what it was, as something else. */
static int
picture(void *ctx, struct span from, struct str *type, struct str *to)
{
	(void)ctx;
	if (from.len < 4)
		return 0;
	str_set(type, "image/gif");
	str_add_span(to, span_to(from, from.len / 2));
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str out = {0}, again = {0};

	if (size < 1)
		return 0;
	const struct span message = { (const char *)data + 1, size - 1 };
	const struct thin_how how = { .largest = data[0] / 2, .picture = data[0] & 1 ? picture : NULL,
		.note = SPAN("All of it stays.\r\n") };
	int thin = thin_make(message, &how, &out);

	if (thin != thin_make(message, &how, &again) || out.len != again.len ||
	    (out.len > 0 && memcmp(out.p, again.p, out.len) != 0))
		abort();
	if (thin < 0 || (thin == 0 && out.len > 0) || out.len > 16 * size + 65536)
		abort();
	str_free(&out);
	str_free(&again);
	return 0;
}
