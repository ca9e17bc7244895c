/*
 * HELLO: words, a blank between two.  Those that are not known are passed over: a feature
 * is a word, and is used only after it was heard.  Then DID: the names of what was
 * committed here and is not known to be there, for each class where the two marks differ.
 */
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "uucico-ssh/m-parts.h"

#define MILLISECOND (CLOCK_SECOND / 1000)

/* --- ours --- */

static unsigned
window_log(size_t window)
{
	unsigned log = M_WINDOW_LOG_MIN;

	while (log < M_WINDOW_LOG_MAX && (size_t)1 << (log + 1) <= window)
		log++;
	return log;
}

static void
add_number(struct str *text, const char *word, uint64_t number)
{
	str_printf(text, " %s=%llu", word, (unsigned long long)number);
}

static void
add_classes(struct str *text, const struct m_config *config)
{
	for (size_t i = 0; i < config->class_count && i < M_CLASSES_MAX; i++) {
		const struct m_class *c = &config->classes[i];
		if (c->from.k == 0 && c->to.k == 0)
			continue;
		str_printf(text, " h=%s:%llu:%llx:%llu:%llx", strcmp(c->name, "main") == 0 ? "" : c->name,
		    (unsigned long long)c->from.k, (unsigned long long)c->from.link,
		    (unsigned long long)c->to.k, (unsigned long long)c->to.link);
	}
}

static void
add_partials(struct str *text, const struct m_config *config)
{
	for (size_t i = 0; i < config->partial_count && i < M_HAVE_MAX; i++) {
		const struct m_partial *p = &config->partials[i];
		str_add_text(text, i == 0 ? " have=" : ",");
		digest_hex(p->name, M_NAME, text);
		str_printf(text, ":%llu:%016llx", (unsigned long long)p->at, (unsigned long long)p->check);
	}
}

void
m_hello_say(struct m *m)
{
	const struct m_config *config = &m->config;
	struct str text = {0};

	str_printf(&text, "m=%d", M_VERSION);
	add_classes(&text, config);
	if (config->credit != M_CREDIT)
		add_number(&text, "w", config->credit);
	if (window_log(config->window) != M_WINDOW_LOG)
		add_number(&text, "wl", window_log(config->window));
	if (config->max_object > 0)
		add_number(&text, "max", config->max_object);
	if (config->left > 0)
		add_number(&text, "left", config->left);
	if (config->secs > 0)
		add_number(&text, "secs", (uint64_t)config->secs);
	if (config->grade != 0)
		str_printf(&text, " grade=%c", config->grade);
	if (config->stay)
		str_add_text(&text, " stay");
	if (m_mix_offers(m))
		m_mix_say(m, &text);
	if (m_mix_offers(m) && config->caller && config->far >= MILLISECOND)
		add_number(&text, "rtt", (uint64_t)(config->far / MILLISECOND));
	add_partials(&text, config);
	m_frame(m, M_HELLO, str_span(&text));
	str_free(&text);
	m->own->greeted = true;
}

/* --- theirs --- */

static int
read_mark(struct span *text, struct m_mark *mark)
{
	struct span k, link;

	return span_cut(text, ':', &k) && span_number(k, INT64_MAX, &mark->k) == 0 &&
	    span_cut(text, ':', &link) && span_hex(link, &mark->link) == 0 ? 0 : -1;
}

static int
hear_class(struct m *m, struct span text)
{
	struct m_peer *peer = &m->own->peer;
	struct m_class class = {0};
	struct span name;

	if (!span_cut(&text, ':', &name) || name.len > M_CLASS_MAX || read_mark(&text, &class.from) < 0 ||
	    read_mark(&text, &class.to) < 0 || text.len > 0 || peer->classes == M_CLASSES_MAX)
		return -1;
	if (name.len == 0)
		name = SPAN("main");
	memcpy(class.name, name.p, name.len);
	for (size_t i = 0; i < peer->classes; i++)
		if (strcmp(peer->class[i].name, class.name) == 0)
			return -1;
	peer->class[peer->classes++] = class;
	return 0;
}

static int
read_name(struct span text, unsigned char name[M_NAME])
{
	uint64_t half;

	if (text.len != 2 * M_NAME)
		return -1;
	for (size_t i = 0; i < M_NAME; i++) {
		if (span_hex((struct span){ text.p + 2 * i, 2 }, &half) < 0)
			return -1;
		name[i] = (unsigned char)half;
	}
	return 0;
}

static int
hear_have(struct m *m, struct span text)
{
	struct m_peer *peer = &m->own->peer;

	for (struct span one, name, at; span_cut(&text, ',', &one);) {
		struct m_partial *p = &peer->have[peer->haves];
		if (peer->haves == M_HAVE_MAX || !span_cut(&one, ':', &name) || read_name(name, p->name) < 0 ||
		    !span_cut(&one, ':', &at) || span_number(at, INT64_MAX, &p->at) < 0 ||
		    span_hex(one, &p->check) < 0)
			return -1;
		peer->haves++;
	}
	return 0;
}

static int
hear_credit(struct m *m, struct span text)
{
	return span_number(text, INT64_MAX, &m->own->peer.credit) == 0 && m->own->peer.credit > 0 ? 0 : -1;
}

static int
hear_window(struct m *m, struct span text)
{
	uint64_t log;

	if (span_number(text, 63, &log) < 0 || log < M_WINDOW_LOG_MIN)
		return -1;
	m->own->peer.window_log = log < M_WINDOW_LOG_MAX ? (unsigned)log : M_WINDOW_LOG_MAX;
	return 0;
}

static int
hear_max(struct m *m, struct span text)
{
	return span_number(text, INT64_MAX, &m->own->peer.max);
}

static int
hear_left(struct m *m, struct span text)
{
	return span_number(text, INT64_MAX, &m->own->peer.left);
}

static int
hear_secs(struct m *m, struct span text)
{
	uint64_t secs;

	if (span_number(text, INT32_MAX, &secs) < 0)
		return -1;
	m->own->peer.until = m->own->now + (int64_t)secs * CLOCK_SECOND;
	return 0;
}

static int
hear_grade(struct m *m, struct span text)
{
	if (text.len != 1)
		return -1;
	m->own->peer.grade = text.p[0];
	return 0;
}

static int
hear_stay(struct m *m, struct span text)
{
	(void)text;
	m->own->peer.stay = true;
	return 0;
}

static int
hear_mix(struct m *m, struct span text)
{
	m->mix_theirs = m_mix_hears(m, text);
	return 0;
}

static int
hear_rtt(struct m *m, struct span text)
{
	uint64_t milliseconds;

	if (span_number(text, INT32_MAX, &milliseconds) < 0)
		return -1;
	m->own->peer.far = (int64_t)milliseconds * MILLISECOND;
	return 0;
}

static const struct {
	const char *word;
	int (*hear)(struct m *m, struct span text);
} words[] = {
	{ "h=", hear_class },
	{ "w=", hear_credit },
	{ "wl=", hear_window },
	{ "max=", hear_max },
	{ "left=", hear_left },
	{ "secs=", hear_secs },
	{ "grade=", hear_grade },
	{ "stay", hear_stay },
	{ "mix=", hear_mix },
	{ "rtt=", hear_rtt },
	{ "have=", hear_have },
};

static int
hear_word(struct m *m, struct span word)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		size_t len = strlen(words[i].word);
		if (words[i].word[len - 1] == '=' ? span_begins(word, words[i].word) : span_is(word, words[i].word))
			return words[i].hear(m, span_from(word, len));
	}
	return 0;
}

/* --- which commits the other does not know of --- */

static struct m_mark
mark_of(const struct m_class *classes, size_t count, const char *name, bool to)
{
	for (size_t i = 0; i < count && i < M_CLASSES_MAX; i++)
		if (strcmp(classes[i].name, name) == 0)
			return to ? classes[i].to : classes[i].from;
	return (struct m_mark){0};
}

static bool
same(struct m_mark a, struct m_mark b)
{
	return a.k == b.k && a.link == b.link;
}

/* Both ends see both HELLOs, so both know how many DID are to come. */
static void
compare(struct m *m)
{
	struct m_parts *own = m->own;
	const struct m_config *config = &m->config;

	for (size_t i = 0; i < config->class_count && i < M_CLASSES_MAX; i++) {
		const struct m_class *c = &config->classes[i];
		own->did_owed[i] = c->from.k > 0 &&
		    !same(c->from, mark_of(own->peer.class, own->peer.classes, c->name, true));
	}
	for (size_t i = 0; i < own->peer.classes; i++) {
		const struct m_class *c = &own->peer.class[i];
		own->did_due += c->from.k > 0 &&
		    !same(c->from, mark_of(config->classes, config->class_count, c->name, true));
	}
}

struct m_mark
m_theirs(const struct m *m, const char *class)
{
	if (m->met)
		return mark_of(m->own->peer.class, m->own->peer.classes, class, false);
	return mark_of(m->config.classes, m->config.class_count, class, true);
}

int
m_hello_heard(struct m *m, struct m_cursor body)
{
	struct span text = { (const char *)body.p, body.left }, word = span_word(&text);
	uint64_t version;

	if (m->met)
		return m_wrong(m, "a second HELLO");
	if (body.left > M_HELLO_MAX || !m_printable((struct span){ (const char *)body.p, body.left }))
		return m_wrong(m, "a HELLO that is no text");
	if (!span_begins(word, "m=") || span_number(span_from(word, 2), UINT32_MAX, &version) < 0)
		return m_wrong(m, "a HELLO without its version");
	if (version < M_VERSION)
		return m_fail(m, M_BYE_VERSION, ERR_CONFIG, "it speaks m%u, and we no less than m%d",
		    (unsigned)version, M_VERSION);
	m->mix_theirs = false;
	while ((word = span_word(&text)).len > 0)
		if (hear_word(m, word) < 0)
			return m_wrong(m, "a word of HELLO that cannot be");
	compare(m);
	m->met = true;
	return 0;
}

void
m_did_say(struct m *m)
{
	struct m_parts *own = m->own;
	static unsigned char names[M_DID_MAX][M_NAME];

	for (size_t i = 0; m->met && i < M_CLASSES_MAX; i++) {
		struct str body = {0};
		if (!own->did_owed[i])
			continue;
		const struct m_class *c = &m->config.classes[i];
		own->did_owed[i] = false;
		m_stream_class(&body, c->name);
		size_t count = m->hooks->untold(m->arg, c->name,
		    mark_of(own->peer.class, own->peer.classes, c->name, true), names, M_DID_MAX);
		for (size_t name = 0; name < count; name++)
			str_add(&body, names[name], M_DID_NAME);
		m_frame(m, M_DID, str_span(&body));
		str_free(&body);
	}
}

int
m_did_heard(struct m *m, struct m_cursor body)
{
	struct m_parts *own = m->own;
	static unsigned char names[M_DID_MAX][M_NAME];
	char class[M_CLASS_MAX + 1];
	struct err err = {0};

	if (!m_get_class(&body, class) || body.left % M_DID_NAME != 0 || body.left / M_DID_NAME > M_DID_MAX)
		return m_wrong(m, "a DID that cannot be");
	size_t count = body.left / M_DID_NAME;
	if (own->did_due == 0 || m_theirs(m, class).k == 0)
		return m_wrong(m, "a DID that is not due");
	own->did_due--;
	memset(names, 0, count * M_NAME);
	for (size_t i = 0; i < count; i++)
		memcpy(names[i], m_get_bytes(&body, M_DID_NAME), M_DID_NAME);
	if (m->hooks->did(m->arg, class, (const unsigned char (*)[M_NAME])names, count, m_theirs(m, class), &err) < 0)
		return m_hook_failed(m, &err);
	own->fates = true;
	own->dry = own->dry_tried = false;
	return 0;
}
