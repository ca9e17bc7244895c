/*
 * mochila-relay - takes mail by SMTP into the spool, and carries on to next hops and
 * Maildirs what waits there for them.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/closed.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/slim.h"
#include "relay/notify.h"
#include "relay/ready.h"
#include "relay/relay.h"
#include "relay/rights.h"
#include "spool/enclose.h"
#include "spool/users.h"

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

/* Mailboxes that only the users' lines name, and whether a program may name any. */
static void
name_boxes(const struct relay_settings *settings, struct enclosing *mine, struct str *boxes)
{
	struct span rest = span_of(settings->login), word, lines;
	struct user user;

	while (settings->pop3_listen[0] != '\0' && (word = span_word(&rest)).len > 0) {
		struct str path = {0}, text = {0};
		struct err ignored;
		if (span_begins(word, "command:"))
			mine->needs |= ENCLOSE_ANY_BOX;
		if (!span_begins(word, "file:"))
			continue;
		char *said = mem_text_n(word.p + 5, word.len - 5);
		settings_path(&relay.setup->settings, said, &path);
		free(said);
		if (users_load(str_c(&path), &text, &ignored) == 0)
			for (lines = str_span(&text); users_next(&lines, &user);)
				str_printf(boxes, "%.*s\n", (int)user.mailbox.len, user.mailbox.len > 0 ? user.mailbox.p : "");
		closed_forget(&text);
		str_free(&path);
	}
}

static void
what_we_need(const struct ready *ready)
{
	const struct settings *settings = &relay.setup->settings;
	static struct str boxes;

	relay.enclosing = (struct enclosing){ .needs = ENCLOSE_SPOOL | ENCLOSE_BOXES | ENCLOSE_DOORS,
		.removed = ready->pid_file };
	for (size_t i = 0; i < settings->relays; i++)
		name_boxes(&settings->relay[i], &relay.enclosing, &boxes);
	relay.enclosing.boxes = str_c(&boxes);
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
	if (ready_detach(ready, err) < 0 ||
	    rights_drop(&setup->settings, err) < 0)
		return -1;
	what_we_need(ready);
	if (enclose_prepare(&setup->settings, relay.args, &relay.enclosing, err) < 0 ||
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
