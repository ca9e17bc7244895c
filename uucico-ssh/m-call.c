#include "uucico-ssh/m-call.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/mix.h"
#include "uucico-ssh/m-taught.h"

#define MIX_FAR (CLOCK_SECOND / 50)	/* a line is slow, as long as nothing else is known, when it is as long */

enum { MIX_HISTORY = 256 << 10 };
enum { WINDOW_MAX = 8 << 20, MEMORY_MAX = 4096, FAST_LINE = 5000000 /* bytes a second */ };

static const char memory_file[] = ".peer";

/* --- hooks --- */

static void
look_again(struct m_call *c)
{
	if (c->out.more && c->engine != NULL && *c->engine != NULL)
		m_more(*c->engine);
}

static int
hook_next(void *arg, bool tried, struct m_object *object, struct err *err)
{
	struct m_call *c = arg;
	return m_out_next(&c->out, tried, object, err);
}

static int
hook_work(void *arg, struct err *err)
{
	struct m_call *c = arg;
	int got = m_out_work(&c->out, err);

	if (got == 2)
		m_more(*c->engine);
	return got < 0 ? -1 : got > 0;
}

static int
hook_read(void *arg, struct m_object *object, void *to, size_t len, struct err *err)
{
	struct m_call *c = arg;
	return m_out_read(&c->out, object, to, len, err);
}

static int
hook_fate(void *arg, struct m_object *object, enum m_status status, const char *text, struct err *err)
{
	struct m_call *c = arg;
	int result = m_out_fate(&c->out, object, status, text, err);

	look_again(c);	/* perhaps there is a summary now */
	return result;
}

static int
hook_did(void *arg, const char *class, const unsigned char (*names)[M_NAME], size_t count, struct m_mark last,
    struct err *err)
{
	struct m_call *c = arg;
	return m_out_did(&c->out, class, names, count, last, err);
}

static int
hook_settled(void *arg, struct err *err)
{
	struct m_call *c = arg;
	int result = m_out_settled(&c->out, err);

	look_again(c);	/* perhaps there is room for another large one */
	return result;
}

static int
hook_refer(void *arg, const char *class, struct m_mark theirs, size_t most, struct m_prefix *prefix,
    struct span *bytes, struct err *err)
{
	struct m_call *c = arg;
	return m_out_refer(&c->out, class, theirs, most, prefix, bytes, err);
}

static enum m_status
hook_offered(void *arg, struct m_object *object, struct str *text)
{
	struct m_call *c = arg;
	return m_in_offered(&c->in, object, text);
}

static int
hook_write(void *arg, struct m_object *object, const void *bytes, size_t len, struct err *err)
{
	struct m_call *c = arg;
	return m_in_write(&c->in, object, bytes, len, err);
}

static enum m_status
hook_complete(void *arg, struct m_object *object, struct str *text)
{
	struct m_call *c = arg;
	return m_in_complete(&c->in, object, text);
}

static int
hook_commit(void *arg, struct m_object *const *objects, enum m_status *status, size_t count, struct err *err)
{
	struct m_call *c = arg;
	int result = m_in_commit(&c->in, objects, status, count, err);

	if (c->in.asked)	/* what they asked for goes in this call */
		m_out_more(&c->out);
	c->in.asked = false;
	look_again(c);
	return result;
}

static void
hook_dropped(void *arg, struct m_object *object)
{
	struct m_call *c = arg;
	m_in_dropped(&c->in, object);
}

static int
hook_history(void *arg, const char *class, const struct m_prefix *prefix, struct span *bytes, struct err *err)
{
	struct m_call *c = arg;
	return m_in_history(&c->in, class, prefix, bytes, err);
}

static size_t
hook_untold(void *arg, const char *class, struct m_mark known, unsigned char (*names)[M_NAME], size_t most)
{
	struct m_call *c = arg;
	return m_in_untold(&c->in, class, known, names, most);
}

const struct m_hooks m_call_hooks = {
	.next = hook_next, .work = hook_work, .read = hook_read, .fate = hook_fate, .did = hook_did, .settled = hook_settled,
	.refer = hook_refer, .offered = hook_offered, .write = hook_write, .complete = hook_complete,
	.commit = hook_commit, .dropped = hook_dropped, .history = hook_history, .untold = hook_untold,
};

/* --- what is remembered --- */

static void
memory_path(const char *site, struct str *out)
{
	str_printf(out, "%s/%s", site, memory_file);
}

static uint64_t
number_of(struct span value)
{
	uint64_t number = 0;

	return span_number(value, INT64_MAX, &number) == 0 ? number : 0;
}

void
m_peer_load(const struct spool *spool, const char *site, const char *link, struct m_peer_memory *memory)
{
	struct str path = {0}, text = {0};
	struct err ignored;
	struct span rest, line, word, name;

	*memory = (struct m_peer_memory){0};
	memory_path(site, &path);
	if (fs_load(spool->out, str_c(&path), MEMORY_MAX, &text, &ignored) == 0) {
		rest = str_span(&text);
		span_cut(&rest, '\n', &line);
		memory->speaks = span_is(span_word(&line), "m=1");
		memory->same_link = memory->speaks && span_cut(&rest, '\n', &word) && span_is(word, link);
		while ((word = span_word(&line)).len > 0) {
			span_cut(&word, '=', &name);
			if (span_is(name, "rtt"))
				memory->rtt = (int64_t)number_of(word);
			else if (span_is(name, "rate"))
				memory->rate = number_of(word);
			else if (span_is(name, "mix"))
				memory->mix = number_of(word) == MIX_MODEL;
			else if (m_taught_noted(name))
				memory->kept = true;
			else if (span_is(name, "slow"))
				memory->slow = true;
		}
	}
	if (!memory->same_link)	/* of another line */
		memory->rtt = 0, memory->rate = 0;
	str_free(&path);
	str_free(&text);
}

void
m_peer_save(const struct spool *spool, const char *site, const char *link, const struct m_peer_memory *memory)
{
	struct str text = {0};
	struct err why;
	int dir = fs_make_dir(spool->out, site, 0750, &why) < 0 ? -1 : fs_dir(spool->out, site, &why);

	str_printf(&text, "m=1 rtt=%lld rate=%llu", (long long)memory->rtt, (unsigned long long)memory->rate);
	if (memory->mix)
		str_printf(&text, " mix=%d", MIX_MODEL);
	m_taught_note(memory->kept, &text);
	if (memory->slow)
		str_add_text(&text, " slow");
	str_printf(&text, "\n%s\n", link);
	if (dir < 0 || fs_replace(dir, memory_file, str_span(&text), 0640, &why) < 0)
		log_debug("%s", why.text);
	if (dir >= 0)
		close(dir);
	str_free(&text);
}

void
m_peer_forget(const struct spool *spool, const char *site)
{
	struct str path = {0};

	memory_path(site, &path);
	unlinkat(spool->out, str_c(&path), 0);
	str_free(&path);
}

void
m_call_remember(struct m_call *c, const struct m *m)
{
	bool doubted = m != NULL && m->rtt == 0 && c->memory.rtt > 0;	/* m-line.c */

	if (m != NULL && (m->met || doubted))
		m_peer_save(c->spool, c->site->name, c->link,
		    &(struct m_peer_memory){ .rtt = m->rtt, .rate = m->rate, .mix = m->mix_theirs, .kept = m_keeps_same(m),
		    .slow = c->slow || c->memory.slow });
	else if (m == NULL && c->memory.speaks)
		m_peer_forget(c->spool, c->site->name);
}

/* --- the call --- */

int
m_call_start(struct m_call *c, const struct spool *spool, const struct site_settings *site, const char *link,
    struct err *err)
{
	*c = (struct m_call){ .spool = spool, .site = site, .link = link };
	m_peer_load(spool, site->name, link, &c->memory);
	m_out_start(&c->out, spool, site);
	return m_in_start(&c->in, spool, site, err);
}

/* A line that was faster than that is not to wait for the packing, unless somebody said how hard. */
int
m_call_level(const char *said, uint64_t rate)
{
	static const struct { const char *name; int level; } levels[] = {
		{ "fast", 3 }, { "metered", 19 }, { "default", 9 },
	};
	size_t i = strcmp(said, "default") == 0 && rate > FAST_LINE ? 0 : 2;

	for (size_t row = 0; row < 2; row++)
		if (strcmp(said, levels[row].name) == 0)
			i = row;
	return levels[i].level;
}

enum m_mixes
m_call_mix(const struct site_settings *site, bool caller, uint64_t rate, int64_t rtt)
{
	if (strcmp(site->level, "fast") == 0 || site->history < MIX_HISTORY)
		return M_MIX_NEVER;
	if (strcmp(site->level, "metered") == 0)
		return M_MIX_ALWAYS;
	bool far = site->half_duplex > 0 || rtt >= MIX_FAR;
	return rate <= M_MIX_RATE && (far || !caller) ? M_MIX_MAY : M_MIX_NEVER;
}

void
m_call_config(struct m_call *c, bool caller, int64_t rtt, char grade, const struct budget *budget)
{
	const struct site_settings *site = c->site;
	uint64_t bytes = budget_bytes(budget, 0, 0);
	int64_t micros = budget_micros(budget, 0, 0);
	/* What was measured behind programs and disks is more than the line's part. */
	int64_t far = rtt > 0 ? rtt : c->memory.rtt / 2;

	c->config = (struct m_config){
		.caller = caller, .timeout = site->timeout, .keepalive = site->keepalive, .grade = grade,
		.half_duplex = site->half_duplex > 0, .burst = site->half_duplex,
		.left = bytes == UINT64_MAX ? 0 : bytes, .may_send = bytes == UINT64_MAX ? 0 : bytes,
		.secs = micros == INT64_MAX ? 0 : micros / CLOCK_SECOND + 1,
		.window = site->history < WINDOW_MAX ? (size_t)site->history : WINDOW_MAX,
		.level = m_call_level(site->level, c->memory.rate),
		.mix = c->memory.slow ? M_MIX_NEVER : m_call_mix(site, caller, c->memory.rate, far),
		.mix_theirs = c->memory.mix, .kept_theirs = c->memory.mix && c->memory.kept, .models = m_call_models(),
		.rtt = c->memory.rtt, .far = far, .rate = c->memory.rate,
		.classes = c->out.classes, .class_count = c->out.class_count,
		.partials = c->in.partials, .partial_count = c->in.partial_count,
	};
	c->config.max_object = site->hold_over;
	c->out.grade = grade;
	c->out.largest = c->in.largest = budget->largest;
}

void
m_call_settle(struct m_call *c)
{
	m_in_settle(&c->in);
}

void
m_call_free(struct m_call *c)
{
	m_out_close(&c->out);
	m_in_close(&c->in);
}
