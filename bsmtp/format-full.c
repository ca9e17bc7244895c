/* format full: entries of the spool, without their end and state lines (batch(5)). */
#include "bsmtp/format.h"
#include "bsmtp/trailer.h"

static void
full_head(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
    const struct settings *settings, struct str *out)
{
	/* Who brought it to us is nothing to tell the next. */
	struct entry_info told = { .id = info->id, .time = info->time, .grade = info->grade };

	(void)settings;
	entry_head(&told, env, body_len, out);
}

extern const struct format format_full;
const struct format format_full = {
	.name = "full",
	.says = "every parameter, bodies by length",
	.carries = ~0u,
	.binary = true,
	.head = full_head,
	.end = trailer_lines,
};
