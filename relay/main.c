/*
 * mochila-relay - takes mail by SMTP into the spool, and carries on to next hops and
 * Maildirs what waits there for them.
 */
#include <signal.h>
#include <sys/stat.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/slim.h"
#include "relay/notify.h"
#include "relay/ready.h"
#include "relay/relay.h"
#include "relay/rights.h"
#include "spool/enclose.h"

static struct relay relay;

static void
on_stop(void *ctx)
{
	relay_stop(ctx);
}

static void
on_reload(void *ctx)
{
	relay_reload(ctx);
}

static void
enclose_relay(void)
{
	struct str said = {0};

	enclose_enter(&relay.setup->settings, &relay.enclosing, &said);
	log_info("-: event=sandbox %s", str_c(&said));
	str_free(&said);
}

/* Everything up to the first event: bind, then go to the background, then give rights
 * away, then touch the spool, and then give away the rest. */
static int
begin(struct settings *settings, struct ready *ready, struct err *err)
{
	struct setup *setup;

	if (ready_check(ready, err) < 0 ||
	    (setup = setup_new(settings, relay.only, err)) == NULL ||
	    relay_open(&relay, setup, err) < 0)
		return -1;
	notify_forget();
	relay.enclosing = (struct enclosing){ .needs = ENCLOSE_SPOOL | ENCLOSE_BOXES | ENCLOSE_DOORS,
		.removed = ready->pid_file };
	if (ready_detach(ready, err) < 0 ||
	    rights_drop(&setup->settings, err) < 0 ||
	    enclose_prepare(&setup->settings, relay.args, &relay.enclosing, err) < 0 ||
	    loop_start(&relay.loop, err) < 0 ||
	    relay_start(&relay, err) < 0)
		return -1;
	loop_signal(&relay.loop, SIGTERM, on_stop, &relay);
	loop_signal(&relay.loop, SIGINT, on_stop, &relay);
	loop_signal(&relay.loop, SIGHUP, on_reload, &relay);
	if (ready_tell(ready, &relay, err) < 0)
		return -1;
	enclose_relay();
	notify_say("READY=1");
	slim_down();
	return 0;
}

int
main(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = {0};
	struct ready ready = {0};
	struct err err = {0};
	const struct opt_row rows[] = {
		{ "instance", 0, "NAME", "only the section [relay NAME]", OPT_TEXT, &relay.only },
		{ "background", 0, NULL, "leave the terminal when ready", OPT_FLAG, &ready.background },
		{ "ready-fd", 0, "N", "when ready, print the addresses there", OPT_TEXT, &ready.fd_text },
		{ "pid-file", 0, "FILE", "when ready, write the process id there", OPT_TEXT, &ready.pid_file },
		SETTINGS_OPTS(&args),
		{0},
	};

	umask(027);
	relay.args = &args;
	int result = settings_start(&settings, &args, rows, "mochila-relay", "mochila-relay [OPTION ...]",
	    "Takes mail by SMTP, and carries it to next hops and Maildirs.", false, &argc, &argv, &err);
	if (result == 0 && begin(&settings, &ready, &err) == 0) {
		loop_run(&relay.loop);
		ready_gone(&ready);
		log_info("-: event=stopped");
	}
	relay_close(&relay);
	helper_stop();
	settings_free(&settings);
	opt_list_free(&args.set);
	int status = err.kind == ERR_NONE ? 0 : log_failure(&err);
	log_close();
	return status;
}
