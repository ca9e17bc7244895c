/* Lists of recipients: they are neither told to other sites nor taken from them. */
#include "spool/recipients.h"

/* Settings say so (spool/small-settings.c), better than this can. */
int
recipients_check(const char *sources, struct err *err)
{
	(void)sources;
	(void)err;
	return 0;
}

void
recipients_path(const struct settings *settings, const char *name, struct str *path)
{
	settings_path(settings, "recipients", path);
	if (name[0] != '\0')
		str_printf(path, "/%s", name);
}
