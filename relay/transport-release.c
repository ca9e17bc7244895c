/*
 * transport-release - the robot: mail to release+ID@host brings the whole of a mail whose thin view
 * went (spool/whole.h), and with "first 100K" in its subject so much of it; or a mail that is held
 * back for the site until it is asked for (spool/heldback.h).
 *
 * Who asks is known by the call: only mail that a site brought counts, for what is kept for that
 * site, and from one of those it was for.  Everybody else hears that there is nothing; and no
 * listener takes mail for the robot (access.c).
 */
#include "relay/transport.h"

#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/conf.h"
#include "lib/mail/header.h"
#include "relay/lane.h"
#include "relay/relay.h"
#include "spool/heldback.h"
#include "spool/whole.h"

enum { HEADER_MAX = 64 << 10 };

static int
refuse(struct err *err)
{
	err_set(err, ERR_PERM, "there is no such mail for you here, or not any more");
	return err_as_reply(err, 550, "5.1.1");
}

/* "release+ID@host" */
static struct span
id_of(struct span address)
{
	struct span domain = envelope_domain(address), local = address, before;

	if (domain.len > 0)
		local.len -= domain.len + 1;
	return span_cut(&local, '+', &before) ? local : (struct span){ "", 0 };
}

static bool
was_for(const struct envelope *env, const struct str *who)
{
	for (size_t i = 0; i < env->rcpts; i++)
		if (env->rcpt[i].to.len == who->len && who->len > 0 &&
		    strncasecmp(env->rcpt[i].to.p, who->p, who->len) == 0)
			return true;
	return false;
}

/* One that is held back: 1, it goes; 0: there is none; -1. */
static int
release_held(struct lane *lane, const char *id, struct err *err)
{
	const struct entry *asking = &lane->message.entry;
	const struct spool *spool = &lane->relay->spool;
	const char *site = str_c(&lane->message.entry.info.peer);
	struct entry entry;
	int fd, got = site[0] == '\0' ? 0 : heldback_open(spool, site, id, &fd, &entry, err);

	if (got <= 0)
		return got;
	int result = was_for(&entry.env, &asking->env.from) ? heldback_release(spool, site, id, fd, &entry, err) : refuse(err);
	close(fd);
	entry_free(&entry);
	return result < 0 ? -1 : 1;
}

static int
may_have(struct lane *lane, const char *id, struct err *err)
{
	const struct entry *asking = &lane->message.entry;
	struct entry entry;
	struct span site;
	int64_t until;
	int fd, got = whole_open(&lane->relay->spool, id, &fd, &entry, err);

	if (got <= 0)
		return got < 0 ? -1 : refuse(err);
	bool may = asking->info.peer.len > 0 && whole_reason_read(str_span(&entry.held), &site, &until) &&
	    span_same(site, str_span(&asking->info.peer)) && was_for(&entry.env, &asking->env.from);
	close(fd);
	entry_free(&entry);
	return may ? 0 : refuse(err);
}

/* "Re: first 100K please": so many bytes; 0: all of it */
static uint64_t
first_asked(struct lane *lane)
{
	const struct entry *entry = &lane->message.entry;
	struct str text = {0};
	struct header_field field;
	struct err ignored;
	uint64_t bytes = 0;
	size_t want = entry->body_len < HEADER_MAX ? (size_t)entry->body_len : HEADER_MAX;
	ssize_t got = fs_pread(lane->message.fd, str_room(&text, want), want, entry->body_at, &ignored);

	text.len = got > 0 ? (size_t)got : 0;
	if (header_find(str_span(&text), "Subject", &field)) {
		struct span rest = field.value, word;
		while ((word = span_word(&rest)).len > 0 && !span_is_case(word, "first"))
			;
		word = span_word(&rest);
		char *size = mem_text_n(word.p, word.len);
		if (conf_bytes.set(&bytes, size) < 0)
			bytes = 0;
		free(size);
	}
	str_free(&text);
	return bytes;
}

static int
release_whole(struct lane *lane, const char *id, struct err *err)
{
	const struct spool *spool = &lane->relay->spool;
	uint64_t first = first_asked(lane);

	if (may_have(lane, id, err) < 0)
		return -1;
	return first > 0 ? whole_first(spool, id, first, err) : whole_release(spool, id, err);
}

static void
release_one(struct lane *lane, size_t rcpt)
{
	struct span said = id_of(str_span(&lane->message.entry.env.rcpt[rcpt].to));
	char *id = mem_text_n(said.p, said.len);
	struct err err = {0};
	int result = release_held(lane, id, &err);

	if (result == 0)
		result = release_whole(lane, id, &err);
	if (result >= 0) {
		spool_event(&lane->relay->spool, id, "event=asked-for site=%s by=<%s>", str_c(&lane->message.entry.info.peer),
		    str_c(&lane->message.entry.env.from));
		lane_rcpt_done(lane, rcpt, "250 2.0.0 it comes", DSN_NONE);
	} else {
		lane_rcpt_err(lane, rcpt, &err);
	}
	free(id);
}

static void
release_send(struct lane *lane)
{
	for (size_t i = 0; i < lane->message.entry.env.rcpts; i++)
		if (lane_waiting(lane, i))
			release_one(lane, i);
	lane_done(lane, NULL);
}

const struct transport transport_release = {
	.name = "release",
	.kind = ROUTE_RELEASE,
	.send = release_send,
};
