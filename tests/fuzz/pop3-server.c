/* The POP3 server on anything: what it says is bounded, and only QUIT removes. */
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/talk/fake-pop3.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct fake_pop3 fake = { .slow = (data[0] & 1) != 0, .held = (data[0] & 2) != 0,
		.broken = (data[0] & 4) != 0, .stuck = (data[0] & 8) != 0 };
	fake_pop3_start(&fake, &fake_pop3_options);
	fake_pop3_feed(&fake, (struct span){ (const char *)data + 1, size - 1 }, data[0] >> 4);
	bool gone = fake.gone[0] || fake.gone[1] || fake.gone[2];
	if (gone != (fake.server.removed > 0) || (gone && !fake.server.closing))
		abort();
	fake_pop3_free(&fake);
	return 0;
}
