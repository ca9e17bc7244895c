/* An ssh session in few turns: libssh2 makes it as it is used to, which takes longer and works as well. */
#include "uucico-ssh/quick-line.h"

int
quick_line_open(struct link *link, struct ssh *place, const char *command, struct err *err)
{
	(void)link;
	(void)place;
	(void)command;
	(void)err;
	return 1;
}
