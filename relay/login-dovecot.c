/* login dovecot: Dovecot's auth socket is asked (its authentication protocol 1.x, as a client). */
#include "relay/login.h"

#include <string.h>
#include <unistd.h>

#include "lib/mail/base64.h"
#include "relay/lines.h"

static int
greet(struct lines *d, struct str *line, struct err *err)
{
	struct str hello = {0};

	str_printf(&hello, "VERSION\t1\t1\nCPID\t%ld\n", (long)getpid());
	int result = lines_say(d, str_span(&hello), err);
	str_free(&hello);
	while (result == 0 && (result = lines_hear(d, line, err)) == 0 && !span_is(str_span(line), "DONE"))
		;
	return result;
}

/* A field of the protocol ends at a tab: base64 and a word have none. */
static int
ask(struct lines *d, const struct login *who, struct err *err)
{
	struct str question = {0}, plain = {0};

	str_add_char(&plain, '\0');
	str_add_span(&plain, who->user);
	str_add_char(&plain, '\0');
	str_add_span(&plain, who->pass);
	str_printf(&question, "AUTH\t1\tPLAIN\tservice=%.*s\tsecured\trip=%.*s\tresp=", (int)who->service.len,
	    who->service.p, (int)who->client.len, who->client.p);
	base64_add(&question, plain.p, plain.len);
	str_add_char(&question, '\n');
	int result = lines_say(d, str_span(&question), err);
	explicit_bzero(plain.p, plain.size);
	explicit_bzero(question.p, question.size);
	str_free(&plain);
	str_free(&question);
	return result;
}

static int
dovecot_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	struct lines d = { .fd = -1 };
	struct str line = {0};

	(void)mailbox;
	if (who->token)
		return 0;
	int result = lines_dial(&d, rest, LOGIN_SECONDS / 2, err);
	if (result == 0)
		result = greet(&d, &line, err);
	if (result == 0)
		result = ask(&d, who, err);
	while (result == 0 && (result = lines_hear(&d, &line, err)) == 0) {
		if (span_begins(str_span(&line), "OK\t1"))
			result = 1;
		else if (span_begins(str_span(&line), "FAIL\t1"))
			break;
	}
	if (result == 0 && strstr(str_c(&line), "\ttemp") != NULL)
		result = err_set(err, ERR_TEMP, "not now");
	if (result < 0)
		err_prefix(err, "dovecot");
	lines_close(&d);
	str_free(&line);
	return result;
}

const struct login_row login_dovecot = { .scheme = "dovecot:", .alone = true, .check = dovecot_check };
