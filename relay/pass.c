#include "relay/pass.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/relay.h"
#include "relay/transport.h"
#include "spool/alias.h"
#include "spool/retry.h"

/* the way */

static void
drop_lane(struct pass *pass)
{
	if (pass->lane == NULL)
		return;
	if (pass->lane->busy)
		pass->relay->runner.busy--;
	else
		lane_rest(pass->lane);	/* says goodbye */
	lane_free(pass->lane);
	pass->lane = NULL;
}

static void over(struct lane *lane, const struct err *err);

/* The lane of the last message serves the next one, if it goes the same way. */
static bool
take_lane(struct pass *pass, const struct route_match *match)
{
	const struct transport *transport = transport_of(match->kind);
	struct str folder = {0};

	if (transport == NULL || !transport->many)
		return false;
	route_folder(match, &folder);
	if (pass->lane != NULL && !span_same(str_span(&folder), str_span(&pass->folder)))
		drop_lane(pass);
	if (pass->lane == NULL) {
		str_set_span(&pass->folder, str_span(&folder));
		str_set(&pass->rest, match->rest);
		pass->lane = lane_of_its_own(pass->relay, str_c(&pass->rest), transport, over, pass);
	}
	str_free(&folder);
	return true;
}

/* What is known to be down need not be tried by each who comes. */
static bool
is_paused(const struct pass *pass, struct str *folder)
{
	struct retry retry;
	struct err ignored;

	if (retry_load(&pass->relay->spool, str_c(folder), &retry, &ignored) < 0)
		return false;
	bool paused = retry.failures > 0 && retry.next > clock_now();
	str_free(&retry.why);
	return paused;
}

static bool
same_way(const struct route_match *a, const struct route_match *b)
{
	return a->kind == b->kind && strcmp(a->rest, b->rest) == 0;
}

bool
pass_may(struct pass *pass, const struct envelope *env, bool paused)
{
	const struct settings *settings = &pass->relay->setup->settings;
	struct route_match first = {0};
	struct err ignored;

	for (size_t i = 0; i < env->rcpts; i++) {
		struct span to = str_span(&env->rcpt[i].to);
		struct route_match match = route_find(settings, to);
		if (alias_has(settings, to, &ignored) != 0 || (i > 0 && !same_way(&match, &first)))
			return false;
		first = match;
	}
	return take_lane(pass, &first) && settings_filters_of(settings, str_c(&pass->folder))[0] == '\0' &&
	    (paused || !is_paused(pass, &pass->folder));
}

void
pass_ready(struct pass *pass)
{
	struct route_match match = route_find(&pass->relay->setup->settings, SPAN("anybody@anywhere.invalid"));

	if (match.wildcard && take_lane(pass, &match) && !is_paused(pass, &pass->folder))
		lane_early(pass->lane);
}

/* the message: as transports know it, though it waits in no queue */

static void
describe(struct pass *pass, struct arrival *arrival)
{
	struct message *m = &pass->lane->message;

	pass->outside = pass->relay->spool;
	pass->outside.lease = NULL;	/* tmp/ is ours, whoever else works the spool */
	pass->queue = (struct queue){ .spool = &pass->outside, .site = pass->folder.p, .dir = pass->outside.tmp,
	    .lock = SPOOL_UNLOCKED, .claims = -1, .bucket_dir = -1 };
	*m = (struct message){ .spool = &pass->outside, .queue = &pass->queue,
	    .fd = fcntl(arrival->fd, F_DUPFD_CLOEXEC, 3) };
	fs_file_of(m->fd, &m->file);
	str_set_span(&m->id, str_span(&arrival->name));
	str_set(&m->bucket, ".");
	entry_info_copy(&m->entry.info, &arrival->info);
	envelope_copy(&m->entry.env, &arrival->env);
	m->entry.body_at = arrival->body_at;
	m->entry.body_len = arrival->body_len;
	m->entry.status = mem_get(arrival->env.rcpts * sizeof *m->entry.status);
	m->fresh = mem_get(arrival->env.rcpts * sizeof *m->fresh);
}

int
pass_send(struct pass *pass, struct arrival *arrival, struct err *err)
{
	if (arrival_flush(arrival, err) < 0)
		return -1;
	pass->arrival = arrival;
	describe(pass, arrival);
	if (pass->lane->message.fd < 0) {
		err_sys(err, "tmp/%s", str_c(&arrival->name));
		message_close(&pass->lane->message);
		return -1;
	}
	lane_send(pass->lane);
	return 0;
}

/* what became of it */

/* A reply of the next hop as an error, or as good words, of ours. */
static void
take_words(struct span reply, struct err *err)
{
	static const enum err_kind kinds[] = { [2] = ERR_NONE, [4] = ERR_TEMP, [5] = ERR_PERM };
	struct span rest = reply, word = span_word(&rest);
	uint64_t code = 0;

	if (span_number(word, 599, &code) < 0 || (code / 100 != 2 && code / 100 != 4 && code / 100 != 5)) {
		err_set(err, ERR_TEMP, "%.*s", (int)(reply.len < 500 ? reply.len : 500), reply.p);
		return;
	}
	struct span text = span_trim(rest), enhanced = span_word(&rest);
	bool known = enhanced.len >= 5 && enhanced.len < sizeof err->code && enhanced.p[0] == word.p[0] && enhanced.p[1] == '.';
	text = known ? span_trim(rest) : text;
	err_set(err, kinds[code / 100], "%.*s", (int)(text.len < 500 ? text.len : 500), text.len > 0 ? text.p : "");
	char first[12] = { word.p[0], '.', '0', '.', '0' };
	if (known) {
		memcpy(first, enhanced.p, enhanced.len);
		first[enhanced.len] = '\0';
	}
	err_as_reply(err, code / 100 == 2 ? 250 : (int)code, first);
}

/* All to the same end, with nothing to be told to the sender: 0 when it is not so. */
static enum rcpt_state
common_state(const struct message *m)
{
	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		bool reported = m->fresh[i].state == RCPT_DONE && m->fresh[i].due != DSN_NONE;
		if (m->fresh[i].at == 0 || m->fresh[i].state != m->fresh[0].state || reported)
			return RCPT_WAITING;
	}
	return m->fresh[0].state;
}

static enum passed
judge(struct pass *pass, const struct err *why)
{
	struct message *m = &pass->lane->message;
	struct str lines = {0};
	bool told = false;

	/* What is put off because the connection broke was not said by the next hop. */
	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		told = told || (m->fresh[i].at != 0 && (why == NULL || m->fresh[i].state != RCPT_DEFERRED));
	if (!told) {
		err_set(&pass->err, ERR_TEMP, "the message was moved away");
		if (why != NULL)
			pass->err = *why;
		return PASS_NOT;
	}
	enum rcpt_state state = common_state(m);
	if (state != RCPT_WAITING) {
		take_words(str_span(&m->fresh[0].reply), &pass->err);
		return state == RCPT_DONE ? PASS_TAKEN : PASS_REFUSED;
	}
	message_lines(m, &lines);
	arrival_states(pass->arrival, str_span(&lines));
	str_free(&lines);
	return PASS_PARTED;
}

/* The transport calls from inside its connection, which the client's end might be about to
 * close: the loop comes between. */
static void
over(struct lane *lane, const struct err *err)
{
	struct pass *pass = lane->ctx;

	pass->result = judge(pass, err);
	message_close(&lane->message);
	lane->busy = false;
	pass->relay->runner.busy--;
	timer_set(&pass->over, 0);
}

static void
tell(void *ctx)
{
	struct pass *pass = ctx;
	struct err err = pass->err;

	pass->arrival = NULL;
	pass->err = (struct err){0};
	pass->done(pass, pass->result, &err);
}

void
pass_open(struct pass *pass, struct relay *relay,
    void (*done)(struct pass *pass, enum passed result, const struct err *err))
{
	*pass = (struct pass){ .relay = relay, .done = done };
	timer_start(&pass->over, &relay->loop, tell, pass);
}

bool
pass_busy(const struct pass *pass)
{
	return pass->arrival != NULL;
}

void
pass_close(struct pass *pass)
{
	drop_lane(pass);
	timer_free(&pass->over);
	str_free(&pass->folder);
	str_free(&pass->rest);
	pass->arrival = NULL;
}
