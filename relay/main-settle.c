/* mochila-settle - settles the spool for the relay, which goes on accepting meanwhile; see
 * relay/settler.h. */
#include <sys/stat.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "relay/answering.h"
#include "spool/enclose.h"
#include "spool/spool.h"

/* "ok MESSAGES REPEATS HELD", or "no WHY". */
static void
answer(void *ctx, struct span question, struct str *words)
{
	struct settled settled = {0};
	struct err err = {0};

	(void)question;
	if (spool_settle(ctx, &settled, &err) == 0)
		str_add_text(words, "ok");
	else
		str_add_text(words, "no");
	str_printf(words, " %zu %zu %zu %s", settled.messages, settled.repeats, settled.held, err.text);
}

static int
serve(const struct settings *settings, const struct settings_args *args, struct err *err)
{
	struct spool spool = {0};
	struct str said = {0};
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL };

	if (enclose_prepare(settings, args, &mine, err) < 0)
		return -1;
	int result = spool_open(&spool, settings, false, err);
	if (result == 0) {
		enclose_enter(settings, &mine, &said);
		result = answering(answer, &spool, err);
		spool_close(&spool);
	}
	helper_stop();
	str_free(&said);
	return result;
}

int
main(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = {0};
	struct err err = {0};
	const struct opt_row rows[] = { SETTINGS_OPTS(&args), {0} };

	umask(027);
	int result = settings_start(&settings, &args, rows, "mochila-settle", "mochila-settle [OPTION ...]",
	    "Settles the spool for mochila-relay, which starts it.", false, &argc, &argv, &err);
	if (result == 0)
		serve(&settings, &args, &err);
	settings_free(&settings);
	opt_list_free(&args.set);
	int status = err.kind == ERR_NONE ? 0 : log_failure(&err);
	log_close();
	return status;
}
