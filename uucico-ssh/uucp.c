#include "uucico-ssh/proto.h"

#include <stdio.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "uucico-ssh/command.h"

/* When all is said, how long for their last words, which mean nothing. */
#define FAREWELL_TIME (5 * CLOCK_SECOND)

const struct uucp_proto *const uucp_protos[] = {
	&uucp_proto_m,
	&uucp_proto_i,
#if !MOCHILA_SMALL	/* m between two of ours, i with any other of today */
	&uucp_proto_e,
	&uucp_proto_t,
	&uucp_proto_y,
	&uucp_proto_large_g,
	&uucp_proto_g,
	&uucp_proto_v,
#endif
	NULL,
};

bool
uucp_letter_known(char letter)
{
	for (size_t i = 0; uucp_protos[i] != NULL; i++)
		if (uucp_protos[i]->letter == letter)
			return true;
	return false;
}

char
uucp_letter(const struct uucp *u)
{
	return u->proto != NULL ? u->proto->letter : '-';
}

/* Its protocol has a conversation of its own, which may have begun before the handshake is through. */
static const struct uucp_talk *
talk(const struct uucp *u)
{
	return u->proto != NULL ? u->proto->talk : NULL;
}

static void
over(struct uucp *u)
{
	if (u->phase == UUCP_OVER)
		return;
	u->reached = u->phase;
	u->phase = UUCP_OVER;
	if (talk(u) != NULL)
		talk(u)->stop(u);
	session_end(u);
}

static int
fail(struct uucp *u, enum err_kind kind, int status, const char *format, va_list args)
{
	char text[400];

	vsnprintf(text, sizeof text, format, args);
	err_set(&u->err, kind, "%s", text);
	err_as(&u->err, status, NULL);
	over(u);
	return -1;
}

int
uucp_fail(struct uucp *u, enum err_kind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail(u, kind, 0, format, args);
	va_end(args);
	return -1;
}

int
uucp_wrong(struct uucp *u, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail(u, ERR_TEMP, EX_PROTOCOL, format, args);
	va_end(args);
	return err_prefix(&u->err, "the far end broke the protocol");
}

void
uucp_stop(struct uucp *u, const struct err *why)
{
	if (u->phase == UUCP_OVER)
		return;
	if (u->err.kind == ERR_NONE)
		u->err = *why;
	over(u);
}

void
uucp_start(struct uucp *u, const struct uucp_config *config, const struct uucp_hooks *hooks,
    void *arg, int64_t now)
{
	*u = (struct uucp){
		.config = *config, .hooks = hooks, .arg = arg, .now = now, .progress = now,
		.max_size = UUCP_SIZE_UNKNOWN, .master = config->caller,
	};
	handshake_start(u);
}

static int
feed_some(struct uucp *u, struct span *rest)
{
	if (u->phase == UUCP_TALK && talk(u) != NULL) {
		talk(u)->feed(u, *rest);
		rest->len = 0;
		return 0;
	}
	if (u->phase == UUCP_TALK)
		return u->proto->feed(u, rest);
	return handshake_feed(u, rest);
}

void
uucp_feed(struct uucp *u, const void *bytes, size_t len, int64_t now)
{
	struct span rest = { bytes, len };

	u->now = now;
	if (len > 0 && u->spoke)
		u->turns++;
	u->spoke = u->spoke && len == 0;
	while (rest.len > 0 && u->phase != UUCP_OVER)
		if (feed_some(u, &rest) < 0)
			over(u);
}

void
uucp_eof(struct uucp *u, int64_t now)
{
	u->now = now;
	if (u->phase == UUCP_TALK && talk(u) != NULL)
		talk(u)->eof(u);
	else if (u->phase == UUCP_TALK)
		session_eof(u);
	else if (u->phase != UUCP_FAREWELL && u->phase != UUCP_OVER)
		handshake_eof(u);
	over(u);
}

void
uucp_fill(struct uucp *u)
{
	if (talk(u) != NULL && u->phase != UUCP_OVER)
		talk(u)->fill(u);
	else if (u->phase == UUCP_TALK)
		session_fill(u);
}

void
uucp_taken(struct uucp *u, size_t len, int64_t now)
{
	if (len == 0)
		return;
	u->now = now;
	u->spoke = true;
	if (talk(u) != NULL && u->phase != UUCP_OVER) {
		talk(u)->taken(u, len);
		return;
	}
	str_cut(&u->out, len);
	if (u->phase != UUCP_TALK || !u->proto->windowed)
		u->progress = now;
}

/* When we give up. */
static int64_t
limit(const struct uucp *u)
{
	return u->progress + (u->phase == UUCP_FAREWELL ? FAREWELL_TIME : u->config.timeout * CLOCK_SECOND);
}

int64_t
uucp_deadline(const struct uucp *u)
{
	int64_t until = limit(u), due = INT64_MAX;

	if (talk(u) != NULL)
		due = talk(u)->deadline(u);
	if (talk(u) != NULL && u->phase == UUCP_TALK)
		return due;
	if (u->phase == UUCP_TALK && u->proto->due != NULL)
		due = u->proto->due(u);
	return due < until ? due : until;
}

void
uucp_tick(struct uucp *u, int64_t now)
{
	u->now = now;
	if (talk(u) != NULL && u->phase != UUCP_OVER)
		talk(u)->tick(u);
	if (u->phase == UUCP_OVER || now < uucp_deadline(u) || (talk(u) != NULL && (u->phase == UUCP_TALK || now < limit(u))))
		return;
	if (now < limit(u))
		u->proto->tick(u);
	else if (u->phase == UUCP_FAREWELL)
		over(u);
	else
		uucp_fail(u, ERR_TEMP, "the far end has been silent for %lld s",
		    (long long)u->config.timeout);
}

void
farewell(struct uucp *u)
{
	if (u->phase == UUCP_OVER)
		return;
	if (u->proto->stop != NULL)
		u->proto->stop(u);
	/* The caller says six O, the called end seven; nothing depends on them. */
	str_add(&u->out, "\020OOOOOOO", u->config.caller ? 7 : 8);
	str_add_char(&u->out, '\0');
	u->phase = UUCP_FAREWELL;
	u->in_line = false;
	u->noise_len = 0;
	u->progress = u->now;
}

void
uucp_free(struct uucp *u)
{
	over(u);
	if (u->proto != NULL && u->proto->free != NULL)
		u->proto->free(u);
	str_free(&u->out);
	str_free(&u->line);
	str_free(&u->noise);
	str_free(&u->held);
}
