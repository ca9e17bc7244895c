/*
 * rrecipients - takes a list of a peer's recipients, as uuxqt hands it over
 * (spool/recipients.h).
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/program.h"
#include "spool/enclose.h"
#include "spool/recipients.h"

/* uuxqt knows who sent the job: the call has proven it. */
static int
take(const struct settings *settings, struct err *err)
{
	const char *peer = getenv("UU_MACHINE");
	const struct site_settings *site = peer != NULL ? settings_site(settings, peer) : NULL;
	struct str list = {0};

	if (site == NULL) {
		err_set(err, ERR_PERM, "uuxqt runs this, and says in UU_MACHINE which site has sent the list");
		return err_as(err, EX_USAGE, NULL);
	}
	int result = fs_read_all(0, RECIPIENTS_MAX, &list, err);
	if (result == 0)
		result = recipients_take(settings, site, str_span(&list), err);
	if (result == 0)
		log_info("-: event=recipients-taken site=%s bytes=%zu", site->name, list.len);
	str_free(&list);
	return result;
}

int
PROGRAM(rrecipients)(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = {0};
	struct err err = {0};
	const struct opt_row rows[] = { SETTINGS_OPTS(&args), {0} };

	umask(022);
	signal(SIGPIPE, SIG_IGN);	/* the call that left us here may have ended, and its stderr */
	int result = settings_start(&settings, &args, rows, "rrecipients", "rrecipients",
	    "Takes a list of the recipients there are at another site.", false, &argc, &argv, &err);
	const struct enclosing mine = { .needs = ENCLOSE_LISTS };
	if (result == 0 && enclose(&settings, &args, &mine, &err) == 0 && take(&settings, &err) == 0)
		err = (struct err){0};
	helper_stop();
	settings_free(&settings);
	opt_list_free(&args.set);
	return log_failure(&err);
}
