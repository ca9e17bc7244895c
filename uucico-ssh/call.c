#include "uucico-ssh/call.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/number.h"
#include "spool/job.h"
#include "uucico-ssh/helper.h"
#include "uucico-ssh/lock.h"
#include "uucico-ssh/request.h"
#include "uucico-ssh/sequence.h"

enum { READ_SIZE = 65536, SLOW_SECONDS = 3 };

#define SHOW_EACH (CLOCK_SECOND / 4)
#define FLUSH_TIME (10 * CLOCK_SECOND)
#define STOP_TIME (20 * CLOCK_SECOND)
#define LOCK_EACH (CLOCK_SECOND / 10)
#define LOOK_EACH (CLOCK_SECOND / 20)	/* however much happens in the folders */

/* --- hooks --- */

static bool
in_force(const struct call *call, unsigned feature)
{
	return (call->uucp.features & feature) != 0;
}

static int
hook_next(void *arg, struct uucp_job *job, struct err *err)
{
	struct call *call = arg;
	return outgoing_next(&call->out, in_force(call, UUCP_EXEC), job, err);
}

static int
hook_read(void *arg, struct uucp_job *job, void *to, size_t len, struct err *err)
{
	(void)arg;
	return job->kind == 'R' ? request_read(job, to, len, err) : outgoing_read(job, to, len, err);
}

static int
hook_sent(void *arg, struct uucp_job *job, enum uucp_fate fate, const char *why, struct err *err)
{
	struct call *call = arg;

	/* A request of ours has a grade, theirs has none. */
	if (job->kind != 'R' || job->grade != '\0')
		return outgoing_sent(&call->out, job, fate, why, err);
	request_sent(call->site, job, fate, why);
	return 0;
}

static enum uucp_answer
hook_requested(void *arg, struct uucp_job *job)
{
	struct call *call = arg;
	return request_admit(call->spool, call->site, job);
}

static bool
hook_numbered(void *arg, uint64_t number)
{
	struct call *call = arg;
	struct err err;

	if (!call->site->sequence || sequence_take(call->spool, call->site->name, number, &err) == 0)
		return true;
	log_error("peer=%s event=refused %s", call->site->name, err.text);
	return false;
}

static enum uucp_answer
hook_offered(void *arg, struct uucp_job *job)
{
	struct call *call = arg;
	return incoming_offered(&call->in, in_force(call, UUCP_RESTART), job);
}

static int
hook_write(void *arg, struct uucp_job *job, const void *bytes, size_t len, struct err *err)
{
	(void)arg;
	return incoming_write(job, bytes, len, err);
}

static int
hook_stored(void *arg, struct uucp_job *job, struct err *err)
{
	struct call *call = arg;
	return incoming_stored(&call->in, job, err);
}

static void
hook_dropped(void *arg, struct uucp_job *job)
{
	(void)arg;
	incoming_dropped(job);
}

const struct uucp_hooks call_hooks = {
	.next = hook_next,
	.read = hook_read,
	.sent = hook_sent,
	.requested = hook_requested,
	.numbered = hook_numbered,
	.offered = hook_offered,
	.write = hook_write,
	.stored = hook_stored,
	.dropped = hook_dropped,
};

/* --- what a person sees --- */

/* One direction of protocol m: what moves, how far it is, how fast all of it goes. */
static void
show_way(const char *sign, struct str *id, uint64_t at, uint64_t length, uint64_t bytes, int64_t took)
{
	uint64_t rate = number_share(bytes, CLOCK_SECOND, (uint64_t)took, false);

	if (id->len == 0) {
		fprintf(stderr, "  %s -", sign);
		return;
	}
	fprintf(stderr, "  %s ..%s %llu%% of %llu, %llu.%llu kB/s", sign, str_c(id) + (id->len > 12 ? id->len - 12 : 0),
	    (unsigned long long)(length > 0 ? at * 100 / length : 100), (unsigned long long)length,
	    (unsigned long long)rate / 1000, (unsigned long long)rate / 100 % 10);
	if (rate > 0 && length > at)
		fprintf(stderr, " %llu s", (unsigned long long)((length - at) / rate));
}

static void
show_m(struct call *call, int64_t took, bool last)
{
	const struct uucp *u = &call->uucp;
	struct m_out *out = &call->m.out;
	struct m_in *in = &call->m.in;

	fprintf(stderr, "\r%s:", call->site->name);
	show_way(">", &out->showing, out->shown_at, out->shown_length, u->bytes_out, took);
	show_way("<", &in->showing, in->shown_at, in->shown_length, u->bytes_in, took);
	fprintf(stderr, "   %s", last ? "\n" : "");
}

static void
show_progress(struct call *call, bool last)
{
	const struct uucp *u = &call->uucp;
	int64_t now = clock_mono();
	int64_t took = now > call->started ? now - call->started : 1;

	if (!call->progress || (!last && now - call->shown < SHOW_EACH))
		return;
	call->shown = now;
	if (call->spoke_m) {
		show_m(call, took, last);
		return;
	}
	uint64_t rate = number_share(u->bytes_out + u->bytes_in, CLOCK_SECOND, (uint64_t)took, false);
	fprintf(stderr, "\r%s: sent %llu of %llu bytes (%llu %%), received %llu, %llu.%llu kB/s   %s",
	    call->site->name, (unsigned long long)u->bytes_out, (unsigned long long)call->out.total,
	    (unsigned long long)(call->out.total > 0 ? u->bytes_out * 100 / call->out.total : 100),
	    (unsigned long long)u->bytes_in, (unsigned long long)rate / 1000, (unsigned long long)rate / 100 % 10,
	    last ? "\n" : "");
}

static void
summary(const struct call *call, struct str *out)
{
	const struct uucp *u = &call->uucp;
	const struct link *link = &call->link;
	long long took = clock_mono() - call->started;

	str_printf(out, "peer=%s role=%s protocol=%c jobs_out=%llu jobs_in=%llu data_out=%llu data_in=%llu "
	    "up=%llu down=%llu wire_up=%llu wire_down=%llu turns=%llu secs=%lld.%02lld", call->site->name,
	    u->config.caller ? "caller" : "called", uucp_letter(u),
	    (unsigned long long)u->jobs_out, (unsigned long long)u->jobs_in,
	    (unsigned long long)u->bytes_out, (unsigned long long)u->bytes_in,
	    (unsigned long long)link->up, (unsigned long long)link->down,
	    (unsigned long long)link->wire_up, (unsigned long long)link->wire_down,
	    (unsigned long long)u->turns, took / CLOCK_SECOND, took % CLOCK_SECOND / (CLOCK_SECOND / 100));
	if (u->m != NULL) {
		m_tell_mix(u->m, out);
		str_printf(out, " packed_out=%llu packed_in=%llu again=%llu rtt=%lld.%03lld",
		    (unsigned long long)u->m->packed_out, (unsigned long long)u->m->packed_in,
		    (unsigned long long)u->m->again_out, (long long)(u->m->rtt / CLOCK_SECOND),
		    (long long)(u->m->rtt % CLOCK_SECOND / (CLOCK_SECOND / 1000)));
	}
}

static void
write_stats(const struct call *call, struct str *line)
{
	int fd = open(call->stats, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	struct err err;

	if (fd < 0 && errno == EACCES)
		fd = helper_open(call->stats, HELPER_APPEND);
	str_add_char(line, '\n');
	if (fd < 0 || fs_write(fd, line->p, line->len, &err) < 0)
		log_warn("--wire-stats %s: cannot be written", call->stats);
	if (fd >= 0)
		close(fd);
}

/* --- the loop --- */

/* What may go out now. */
static size_t
ready(const struct uucp *u)
{
	size_t held = u->m != NULL ? m_holds_back(u->m) : 0;

	return u->out.len > held ? u->out.len - held : 0;
}

/* Writes until the link takes no more.  1: something went out, 0: not, -1. */
static int
push(struct call *call, struct err *err)
{
	struct uucp *u = &call->uucp;
	size_t len;
	int moved = 0;

	while ((len = ready(u)) > 0) {
		ssize_t done = link_write(&call->link, u->out.p, len, err);
		if (done == LINK_AGAIN || done == 0)
			return moved;
		if (done < 0)
			return -1;
		uucp_taken(u, (size_t)done, clock_mono());
		moved = 1;
	}
	return moved;
}

/* One read: 1 something came, 0 nothing, -1. */
static int
pull(struct call *call, struct err *err)
{
	static char bytes[READ_SIZE];
	ssize_t got = link_read(&call->link, bytes, sizeof bytes, err);

	if (got == LINK_AGAIN)
		return 0;
	if (got < 0)
		return -1;
	call->closed = got == 0;
	if (got == 0)
		uucp_eof(&call->uucp, clock_mono());
	else
		uucp_feed(&call->uucp, bytes, (size_t)got, clock_mono());
	return 1;
}

static uint64_t
bytes_so_far(const struct link *link)
{
	/* What carries them is known of some links, of some only at the end. */
	return (link->wire_up > link->up ? link->wire_up : link->up) +
	    (link->wire_down > link->down ? link->wire_down : link->down);
}

/* In a call that stands: something came, from the peer or for it. */
static bool
is_news(struct call *call)
{
	call->heard = call->heard || stay_heard(&call->watch);
	return call->heard || call->m.in.got != call->settled;
}

/* When what came may be settled in the call; 0: not now. */
static int64_t
leaves_at(const struct call *call)
{
	return call->uucp.m != NULL ? m_leaves_at(call->uucp.m, call->m.in.got - call->settled) : 0;
}

static void
settle_early(struct call *call)
{
	int64_t at = leaves_at(call);

	if (at == 0 || clock_mono() < at)
		return;
	call->settled = call->m.in.got;
	m_call_settle(&call->m);
}

static int
wait_for_more(struct call *call, struct err *err)
{
	struct pollfd fds[LINK_FDS + 1];
	int64_t now = clock_mono(), until = uucp_deadline(&call->uucp);
	size_t count = link_poll(&call->link, ready(&call->uucp) > 0, fds);

	if (call->progress && until > now + SHOW_EACH)
		until = now + SHOW_EACH;
	int64_t left = budget_micros(&call->budget, bytes_so_far(&call->link), now - call->started);
	if (left < until - now)
		until = now + left;
	if (call->m.out.locked && until > now + LOCK_EACH)
		until = now + LOCK_EACH;
	bool stands = call->uucp.m != NULL && m_stands(call->uucp.m);
	if (stands && until > now + CLOCK_SECOND)
		until = now + CLOCK_SECOND;
	if (stands && m_idle(call->uucp.m)) {	/* then stand() looks, and notes when */
		int64_t look = call->looked + (is_news(call) ? LOOK_EACH : CLOCK_SECOND);
		until = until < look ? until : look > now ? look : now + 1;
		if (!call->heard)
			fds[count++] = (struct pollfd){ .fd = stay_ear(&call->watch), .events = POLLIN };
	}
	if (call->stopping != 0 && until > call->stopping + STOP_TIME)
		until = call->stopping + STOP_TIME;
	int64_t leaves = leaves_at(call);
	if (leaves > 0 && until > leaves)
		until = leaves;
	return link_wait(fds, count, until, err);
}

/* In protocol m an end can be said, once: what is under way goes on in the next call.  *err says
 * why, and is that of the call then. */
static int
say_end(struct call *call, enum m_bye why, struct err *err)
{
	if (call->uucp.m == NULL || call->uucp.m->over || call->stopping != 0)
		return -1;
	call->stopping = clock_mono();
	call->ended = *err;
	*err = (struct err){0};
	m_end(call->uucp.m, why);
	return 0;
}

static int
within_budget(struct call *call, struct err *err)
{
	if (call->stopping != 0)
		return 0;
	call->spent = budget_over(&call->budget, bytes_so_far(&call->link), clock_mono() - call->started);
	if (call->spent == NULL)
		return 0;
	err_set(err, ERR_TEMP, "%s is used up: what is left goes on later", call->spent);
	return say_end(call, M_BYE_BUDGET, err);
}

/* Told to stop: the first time we say so, where that can be said. */
static int
stopped(struct call *call, struct err *err)
{
	if (call->stopping != 0 && clock_mono() >= call->stopping + STOP_TIME)
		return err_set(err, ERR_TEMP, "the far end did not hear of the end of the call");
	int signal = link_told_to_stop(true);
	if (signal == 0)
		return 0;
	call->told = true;
	err_set(err, ERR_TEMP, "stopped by signal %d", signal);
	/* The line is gone, or another call has taken our place: nobody hears what we say. */
	return signal == SIGHUP ? -1 : say_end(call, M_BYE_STOP, err);
}

/* Another process has the queue: perhaps not any more. */
static void
ask_again(struct call *call)
{
	if (call->m.out.locked && call->uucp.m != NULL && clock_mono() >= call->asked + LOCK_EACH) {
		call->asked = clock_mono();
		m_more(call->uucp.m);
	}
}

/* What they want run is run meanwhile, by one at a time; false: not yet. */
static bool
run_jobs(struct call *call)
{
	struct fs_names names = {0};
	struct err ignored;
	bool some = false;

	if (!call->run_jobs)
		return true;
	if (call->jobs > 0 && waitpid(call->jobs, NULL, WNOHANG) == 0)
		return false;
	call->jobs = 0;
	if (job_names(call->spool, call->site->name, &names, &ignored) == 0)
		some = names.count > 0;
	fs_names_free(&names);
	if (some)
		call->jobs = helper_leave("uuxqt", "-s", call->site->name);
	return true;
}

/* A call that stands, when all is still: what came is settled, the queue is for others to work
 * at, and we look whether something came for the peer.  True: something did. */
static bool
stand(struct call *call)
{
	struct m *m = call->uucp.m;

	if (m == NULL || !m_stands(m) || !m_idle(m) ||
	    clock_mono() < call->looked + (is_news(call) ? LOOK_EACH : CLOCK_SECOND))
		return false;
	call->looked = clock_mono();
	call->heard = false;
	call->stood = true;
	if (call->m.in.got != call->settled) {
		uint64_t got = call->m.in.got;
		m_call_settle(&call->m);
		if (run_jobs(call))
			call->settled = got;
	}
	m_out_rest(&call->m.out);
	if (!stay_news(&call->watch))
		return false;
	m_out_more(&call->m.out);
	m_more(m);
	return true;
}

/* From now on this is a call, whoever else calls. */
static void
note_met(struct call *call)
{
	const struct uucp *u = &call->uucp;

	call->spoke_m = call->spoke_m || (u->m != NULL && u->m->met);
	if (call->met || (u->m != NULL ? !u->m->met : u->phase != UUCP_TALK))
		return;
	call->met = true;
	if (u->config.caller && call->lock != NULL)
		lock_met(call->lock, call->spool);
}

/* Where the machine takes so long for models, mail waits for them in each call: no more of them with this
 * peer. */
static void
note_slow(struct call *call, clock_t begun)
{
	const struct uucp *u = &call->uucp;

	if (u->m == NULL || !u->m->models)
		return;
	call->models += clock() - begun;
	call->m.slow = call->m.slow || call->models > SLOW_SECONDS * CLOCKS_PER_SEC;
}

static int
turn(struct call *call, struct err *err)
{
	clock_t begun = clock();

	if (stopped(call, err) < 0 || within_budget(call, err) < 0)
		return -1;
	ask_again(call);
	uucp_fill(&call->uucp);
	int pushed = push(call, err);
	/* What they said last is worth more than that we could not write. */
	int pulled = pull(call, pushed < 0 ? &(struct err){0} : err);
	if (pulled < 0 || (pushed < 0 && pulled == 0))
		return -1;
	link_hear_noise(&call->link);
	note_met(call);
	note_slow(call, begun);
	bool news = stand(call);
	show_progress(call, false);
	if (!news && pushed == 0 && pulled == 0 && call->uucp.phase != UUCP_OVER) {
		settle_early(call);
		if (wait_for_more(call, err) < 0 && link_told_to_stop(false) == 0)
			return -1;
	}
	uucp_tick(&call->uucp, clock_mono());
	return 0;
}

/* The last words: a refusal, our O line. */
static void
flush(struct call *call)
{
	int64_t until = clock_mono() + FLUSH_TIME;
	struct pollfd fds[LINK_FDS];
	struct err err;

	while (call->uucp.out.len > 0 && push(call, &err) >= 0) {
		size_t count = link_poll(&call->link, true, fds);
		if (call->uucp.out.len > 0 && link_wait(fds, count, until, &err) <= 0)
			return;
	}
}

static void
talk(struct call *call)
{
	struct err err = {0};

	while (call->uucp.phase != UUCP_OVER)
		if (turn(call, &err) < 0)
			uucp_stop(&call->uucp, &err);
	if (err.kind == ERR_NONE)	/* else the link is broken, or we were told to stop */
		flush(call);
}

/* A line closed before the first word of UUCP: why is on the far end's standard error,
 * or known to whoever set it up. */
static void
explain(struct call *call)
{
	struct err *err = &call->uucp.err;
	struct span said = str_span(&call->link.noise);
	bool never_began = call->uucp.reached == UUCP_WAIT_SHERE;
	size_t len = strlen(err->text);

	if (err->kind == ERR_NONE)
		return;
	while (said.len > 0 && strchr("\r\n ", said.p[said.len - 1]) != NULL)
		said.len--;
	if (said.len > 0)
		snprintf(err->text + len, sizeof err->text - len, "; its error output is \"%.*s\"",
		    said.len > 200 ? 200 : (int)said.len, said.p);
	if (said.len > 0 && never_began && call->closed) {	/* it could not even start */
		err->kind = ERR_CONFIG;
		err_as(err, EX_PROTOCOL, NULL);
	}
	len = strlen(err->text);
	if (never_began)
		snprintf(err->text + len, sizeof err->text - len, "; %s", call->link.row->advice);
}

/* No job and no message is there for them; what comes in these seconds goes in the next call. */
static bool
nothing_waits(const struct call *call)
{
	struct fs_names names = {0};
	struct err ignored;
	size_t mails = 0;

	if (fs_names(call->spool->out, call->site->name, &names, &ignored) < 0)
		return false;
	for (size_t i = 0; i < names.count; i++)
		mails += names.name[i][0] != '.';
	fs_names_free(&names);
	return mails == 0 && call->out.count == 0;
}

static void
begin(struct call *call)
{
	bool caller = strcmp(call->target, "stdio:") != 0;
	struct uucp_config config = {
		.caller = caller, .name = call->spool->settings->spool.site, .peer = call->site->name,
		.letters = call->site->protocols, .busy = call->busy, .timeout = call->site->timeout,
		.grade = call->grade, .sequence = call->sequence,
		.require_m = strcmp(call->site->protocols, "m") == 0,
		.optimistic = caller && !call->patient && call->link.row->knows && call->m.memory.same_link,
	};

	if (call->busy == NULL) {
		m_call_config(&call->m, caller, call->link.rtt, call->grade, &call->budget);
		call->m.engine = &call->uucp.m;
		call->m.config.stay = call->stay;
		call->m.config.nothing = config.optimistic && nothing_waits(call);
		config.m = &call->m.config;
		config.m_hooks = &m_call_hooks;
		config.m_arg = &call->m;
	}
	str_clear(&call->words);
	str_printf(&call->words, "peer=%s", call->site->name);
	if (shown_is_wanted())
		config.shown = (struct shown){ shown_in_log, call->words.p };
	uucp_start(&call->uucp, &config, &call_hooks, call, clock_mono());
}

static void
report(struct call *call)
{
	const struct budget *budget = &call->budget;
	struct str line = {0};

	summary(call, &line);
	if (budget->tariff.megabyte > 0 || budget->tariff.minute > 0) {
		str_add_text(&line, " cost=");
		str_add_decimal(&line, budget_cost(&budget->tariff, bytes_so_far(&call->link),
		    clock_mono() - call->started), 6);
	}
	if (call->way != NULL && call->way[0] != '\0')
		str_printf(&line, " way=%s", call->way);
	/* "mochila status" finds the last one by the site's name. */
	spool_event(call->spool, call->site->name, "event=call result=%s %s",
	    call->uucp.err.kind == ERR_NONE ? "ok" : "failed", str_c(&line));
	if (call->stats != NULL)
		write_stats(call, &line);
	str_free(&line);
}

/* Before the line is open: what was said once is never said again. */
static int
number(struct call *call, struct err *err)
{
	if (!call->site->sequence || strcmp(call->target, "stdio:") == 0)
		return 0;
	return sequence_next(call->spool, call->site->name, &call->sequence, err);
}

/* Both ends said goodbye, but not because all was done. */
static void
ended_early(struct call *call, struct err *err)
{
	const struct m *m = call->uucp.m;

	if (err->kind != ERR_NONE || m == NULL)
		return;
	if (call->ended.kind != ERR_NONE) {
		*err = call->ended;
	} else if (m->said == M_BYE_BUDGET || m->heard == M_BYE_BUDGET) {
		const struct budget *budget = &call->budget;
		const char *by = budget->bytes.by != NULL ? budget->bytes.by : budget->micros.by;
		call->spent = by != NULL ? by : budget->money.by != NULL ? budget->money.by : "the far end's budget";
		err_set(err, ERR_TEMP, "%s is used up: what is left goes on later", call->spent);
	} else if (m->heard == M_BYE_STOP) {
		err_set(err, ERR_TEMP, "the far end was told to stop: what is left goes on later");
	}
}

static void
remember_m(struct call *call)
{
	const struct uucp *u = &call->uucp;

	if (u->m != NULL || (uucp_letter(u) != '-' && uucp_letter(u) != 'm'))
		m_call_remember(&call->m, u->m);
}

/* The link is closed: nobody waits for what is done now. */
static void
finish(struct call *call, struct err *err)
{
	const struct uucp *u = &call->uucp;

	report(call);
	*err = u->err;
	ended_early(call, err);
	call->teaches = u->m != NULL && m_teaches(u->m);
	call->redial = u->redial;
	if (u->redial)
		m_peer_forget(call->spool, call->site->name);
	else if (call->busy == NULL)
		remember_m(call);
	uucp_free(&call->uucp);		/* all goes back to the hooks */
	if (call->busy != NULL)
		return;
	call->deliver = call->m.in.folder.len > 0 && call->m.in.got > 0;
	m_call_settle(&call->m);
}

static void
start(struct call *call)
{
	call->in = (struct incoming){ call->spool, call->site };
	call->started = clock_mono();
	call->shown = call->stopping = call->asked = 0;
	call->closed = call->redial = call->spoke_m = call->met = call->deliver = false;
	call->ended = (struct err){0};
	call->spent = NULL;
	call->stood = call->told = false;
	call->looked = 0;
	call->settled = 0;
	call->models = 0;
	call->heard = false;
	call->watch = (struct stay){ .spool = call->spool, .site = call->site->name };
	stay_begin(&call->watch);
	link_signals();
}

/* Who is turned away leaves what the running call has alone. */
static int
begin_m(struct call *call, struct err *err)
{
	if (call->busy != NULL)
		return 0;
	int result = m_call_start(&call->m, call->spool, call->site, call->target, err);
	if (result == 0 && !call->stay)
		m_call_early(&call->m, strcmp(call->target, "stdio:") != 0);
	return result;
}

static int
open_all(struct call *call, struct err *err)
{
	call->link = (struct link){ .in = -1, .out = -1, .errors = -1, .pid = -1 };
	call->m = (struct m_call){ .in.dir = -1 };
	if (number(call, err) < 0 || begin_m(call, err) < 0 || outgoing_open(&call->out, call->spool, call->site, err) < 0 ||
	    link_open(&call->link, call->target, call->spool->settings, call->site, err) < 0)
		return -1;
	call->out.since = call->began;
	return 0;
}

int
call_run(struct call *call, struct err *err)
{
	start(call);
	int result = open_all(call, err);
	if (result == 0) {
		begin(call);
		talk(call);
		show_progress(call, true);
		call->link.both_know = call->spoke_m;
		if (call->uucp.err.kind == ERR_NONE)
			link_finish(&call->link);
		link_hear_noise(&call->link);
		explain(call);
	}
	link_close(&call->link);
	stay_over(&call->watch);
	if (result == 0) {
		finish(call, err);
		result = err->kind == ERR_NONE ? 0 : -1;
	}
	outgoing_close(&call->out);
	m_call_free(&call->m);
	str_free(&call->words);
	return result;
}
