#include "uucico-ssh/m-taught.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "spool/dictionary.h"
#include "uucico-ssh/m-ring.h"

/* One of a newer version is said once, by whoever makes them. */
static bool
find(struct taught *taught, const struct spool *spool, const struct site_settings *site, enum ring_way way,
    const char *class)
{
	struct err ignored;

	return settings_site_name(class) && taught_open(taught, spool, site->name, way, class, &ignored) > 0;
}

uint32_t
m_taught_number(const struct spool *spool, const struct site_settings *site, const char *class)
{
	struct taught taught;
	uint32_t number = 0;

	if (find(&taught, spool, site, RING_FROM, class)) {
		number = (uint32_t)bytes_number(taught.past, 4);
		taught_close(&taught);
	}
	return number;
}

bool
m_taught_find(struct taught *taught, const struct spool *spool, const struct site_settings *site,
    enum ring_way way, const char *class, struct m_kept *kept)
{
	struct str dictionary = {0};
	struct ring ring;
	int64_t grown = -1;

	taught_close(taught);
	if (!find(taught, spool, site, way, class))
		return false;
	if (m_ring_open(&ring, spool, site, way, class)) {
		grown = taught_grown(&ring, taught);
		ring_close(&ring);
	}
	bool can = grown >= 0 && (taught->dictionary == 0 || m_ring_dictionary(taught->dictionary, true, &dictionary));
	*kept = (struct m_kept){ .model = taught->model, .past = dictionary.len + (size_t)taught->length,
		.taught = (size_t)taught->bytes, .grown = (uint64_t)(can ? grown : 0) };
	memcpy(kept->digest, taught->past, sizeof kept->digest);
	str_free(&dictionary);
	return can;
}

bool
m_taught_refer(const struct taught *taught, struct ring *ring, struct m_prefix *prefix, struct str *bytes)
{
	struct ring_mark last = ring_last(ring);
	int64_t grown = taught->map != NULL ? taught_grown(ring, taught) : -1;
	size_t length = (size_t)taught->length + (size_t)grown;
	struct span history;
	struct err why = {0};

	if (grown < 0 || (taught->dictionary > 0 && !m_ring_dictionary(taught->dictionary, true, bytes)))
		return false;
	int got = ring_at(ring, last, length, &history, &why);
	m_ring_trouble(got, &why);
	if (got <= 0 || history.len != length) {
		str_clear(bytes);
		return false;
	}
	str_add_span(bytes, history);
	*prefix = (struct m_prefix){ .mark = { last.k, last.link }, .length = length, .dictionary = taught->dictionary,
		.kept = true };
	return true;
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
