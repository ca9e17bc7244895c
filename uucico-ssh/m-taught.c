#include "uucico-ssh/m-taught.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-ring.h"

/* One of a newer version is said once, by whoever makes them. */
bool
m_taught_open(struct taught *taught, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class)
{
	struct err ignored;

	return settings_site_name(class) && taught_open(taught, spool, site->name, way, class, &ignored) > 0;
}

uint32_t
m_taught_number(const struct spool *spool, const struct site_settings *site, const char *class)
{
	struct taught taught;
	uint32_t number = 0;

	if (m_taught_open(&taught, spool, site, RING_FROM, class)) {
		number = (uint32_t)bytes_number(taught.past, 4);
		taught_close(&taught);
	}
	return number;
}

bool
m_taught_kept(const struct taught *taught, const struct ring *ring, struct m_kept *kept, struct str *dictionary)
{
	int64_t grown = taught_grown(ring, taught);

	str_clear(dictionary);
	if (grown < 0 || (taught->dictionary > 0 && !m_ring_dictionary(taught->dictionary, true, dictionary)))
		return false;
	*kept = (struct m_kept){ .model = taught->model, .past = dictionary->len + (size_t)taught->length,
		.taught = (size_t)taught->bytes, .grown = (uint64_t)grown };
	memcpy(kept->digest, taught->past, sizeof kept->digest);
	return true;
}

bool
m_taught_find(struct taught *taught, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class, struct m_kept *kept)
{
	struct str dictionary = {0};
	struct ring ring;
	bool can = false;

	taught_close(taught);
	if (m_taught_open(taught, spool, site, way, class) && m_ring_open(&ring, spool, site, way, class)) {
		can = m_taught_kept(taught, &ring, kept, &dictionary);
		ring_close(&ring);
	}
	str_free(&dictionary);
	return can;
}

bool
m_taught_history(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct span *history)
{
	struct ring_mark last = ring_last(ring);
	int64_t grown = taught->map != NULL ? taught_grown(ring, taught) : -1;
	uint64_t length = taught->length + (uint64_t)grown;
	struct err why = {0};

	int got = grown >= 0 ? ring_at(ring, last, length, history, &why) : 0;
	m_ring_trouble(got, &why);
	if (got <= 0 || history->len != length)
		return false;
	*prefix = (struct m_prefix){ .mark = { last.k, last.link }, .length = length, .dictionary = taught->dictionary,
		.kept = true };
	return true;
}

bool
m_taught_refer(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct str *bytes)
{
	struct span history;

	if (taught->dictionary > 0 && !m_ring_dictionary(taught->dictionary, true, bytes))
		return false;
	bool can = m_taught_history(taught, ring, prefix, &history);
	if (can)
		str_add_span(bytes, history);
	else
		str_clear(bytes);
	return can;
}

void
m_taught_note(bool kept, struct str *words)
{
	if (kept)
		str_add_text(words, " kept");
}

bool
m_taught_noted(struct span word)
{
	return span_is(word, "kept");
}
