/* mochila-login - answers the relay's questions about passwords; see relay/login.h. */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/sandbox.h"
#include "relay/answering.h"
#include "relay/login.h"

/* 1, 0, -1 as a row says, and where all of them stand. */
static int
ask_all(char **sources, const struct login *who, struct str *mailbox, struct err *err)
{
	int result = 0;

	for (; *sources != NULL; sources++) {
		const char *rest;
		const struct login_row *row = login_row_of(*sources, &rest);
		struct err why = {0};
		str_clear(mailbox);
		int said = row->check(rest, who, mailbox, &why);
		if (said > 0)
			return 1;
		if (said < 0) {
			*err = why;
			result = -1;
		}
	}
	return result;
}

static void
answer(void *ctx, struct span rest, struct str *words)
{
	struct login who = { .user = answering_field(&rest), .pass = answering_field(&rest) };
	struct str mailbox = {0};
	struct err why = {0};

	who.service = answering_field(&rest);
	who.client = answering_field(&rest);
	who.token = span_is(rest, "token");
	int said = ask_all(ctx, &who, &mailbox, &why);
	if (said > 0)
		str_printf(words, "yes %s", str_c(&mailbox));
	else
		str_printf(words, "%s%s", said == 0 ? "no" : "later ", said == 0 ? "" : why.text);
	str_free(&mailbox);
}

static bool
may_start(void *ctx, const char *path, const char *const *words)
{
	(void)ctx;
	(void)path;
	(void)words;
	return false;
}

/* A list of users that is replaced is another file: by its name it stays ours to read, and nothing beside it. */
static bool
may_open(void *ctx, const char *path, enum helper_way way)
{
	const char *rest;

	for (char **sources = ctx; *sources != NULL && way == HELPER_READ; sources++)
		if (login_row_of(*sources, &rest) != NULL && strcmp(rest, path) == 0)
			return true;
	return false;
}

/* Passwords are from strangers.  Where other programs are asked too, they need what they need. */
static int
give_away(char **sources, struct err *err)
{
	const struct helper_rules helper = { .may = may_start, .may_open = may_open, .ctx = sources };
	struct sandbox sandbox = {0};
	struct str said = {0};
	const char *rest;
	bool alone = getenv("MOCHILA_SANDBOX") == NULL;	/* the relay's sandbox = no */

	for (char **each = sources; *each != NULL && alone; each++)
		alone = login_row_of(*each, &rest)->alone;
	if (!alone)
		return 0;
	if (helper_start(&helper, err) < 0)
		return -1;
	sandbox_may_libraries(&sandbox);
	sandbox_enter(&sandbox, &said);
	sandbox_free(&sandbox);
	str_free(&said);
	return 0;
}

int
main(int argc, char **argv)
{
	struct err err = {0};
	const char *rest;

	log_open("mochila-login", "stderr", LOG_LEVEL_INFO, &err);
	for (int i = 1; i < argc; i++) {
		if (login_row_of(argv[i], &rest) == NULL) {
			err_set(&err, ERR_CONFIG, "usage: mochila-login SOURCE ...; no source is called %.100s", argv[i]);
			err_as(&err, EX_USAGE, NULL);
			return log_failure(&err);
		}
	}
	int result = give_away(argv + 1, &err) < 0 || answering(answer, argv + 1, &err) < 0 ? -1 : 0;
	helper_stop();
	return result == 0 ? 0 : log_failure(&err);
}
