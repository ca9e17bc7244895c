/* What a person does with a batch by hand: that is done where there is more room. */
#include "bsmtp/bsmtp.h"
#include "bsmtp/gather.h"
#include "lib/base/small.h"

const char bsmtp_usage[] = "bsmtp pack SITE...|--all | unpack [--to=SINK] [FILE] | deliver --to=SINK";

#define COMMAND(name, what) \
	int \
	name(const struct bsmtp *b, int count, char **args, struct err *err) \
	{ \
		(void)b; \
		(void)count; \
		(void)args; \
		return small_without(err, "bsmtp " what); \
	}
COMMAND(list, "list")
COMMAND(check, "check")
COMMAND(cat, "cat")
COMMAND(diff, "diff")
COMMAND(teach, "teach")
COMMAND(gather, "pack --mbox, --maildir and --files")
