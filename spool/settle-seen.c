#include "spool/settle.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "spool/lock.h"
#include "spool/seen.h"

/* From the first look-up on.  A process that died between its commit and noting the ids has
 * left the lock to us, and its S.d: that comes first, or its messages would come twice. */
int
settle_lock(struct settling *s, struct err *err)
{
	struct fs_names names = {0};
	int result = spool_lock(s->peers, s->spool, "seen", s->spool->seen, ".lock", true, err);

	if (result == 0)
		result = fs_names(s->spool->in, ".", &names, err);
	for (size_t i = 0; i < names.count && result == 0; i++)
		if (settle_ends(names.name[i], ".d") && strcmp(names.name[i], str_c(&s->folder)) != 0)
			result = settle_name(s, names.name[i], err);
	fs_names_free(&names);
	if (result < 0) {
		seen_look_end(s->look);
		spool_unlock(s->peers);
	}
	return result;
}

/* An id of a peer's, be it a site or not.  The peer becomes a folder's name, and a person may
 * have written what he likes. */
static bool
is_of_peer(const struct entry_info *info)
{
	const struct str *peer = &info->peer;

	return info->peer_id.len > 0 && peer->len > 0 && peer->len <= NAME_MAX && peer->p[0] != '.' &&
	    memchr(peer->p, '/', peer->len) == NULL && memchr(peer->p, '\0', peer->len) == NULL;
}

int
settle_repeated(struct settling *s, const struct entry_info *info, struct err *err)
{
	struct str text = {0};

	if (!is_of_peer(info))
		return 0;
	if (!spool_locked(s->peers) && settle_lock(s, err) < 0)
		return -1;
	str_add_span(&text, str_span(&info->peer));
	str_add_char(&text, ' ');
	str_add_span(&text, str_span(&info->peer_id));
	int seen = idset_add(&s->ids, str_span(&text)) ? 0 : 1;
	if (seen == 0) {
		char *peer = mem_text_n(info->peer.p, info->peer.len);
		seen = seen_look(s->look, s->spool, peer, str_span(&info->peer_id), err);
		free(peer);
	}
	if (seen == 0) {
		str_add_span(&s->fresh, str_span(&text));
		str_add_char(&s->fresh, '\n');
	}
	str_free(&text);
	return seen;
}

/* Of a process that died between its commit and this: the ids that are not noted. */
static int
list_fresh(struct settling *s, struct err *err)
{
	struct entry entry;
	off_t at = 0;
	int got;

	idset_clear(&s->ids);
	while ((got = entry_read(s->fd, &at, false, &entry, err)) > 0) {
		int seen = settle_repeated(s, &entry.info, err);
		entry_free(&entry);
		if (seen < 0)
			return -1;
	}
	return got;
}

/* Those of one peer, with one sync; behind them nothing of it was looked at. */
static int
note_some(struct settling *s, struct span peer, const struct span *ids, size_t count, struct err *err)
{
	if (count == 0)
		return 0;
	char *name = mem_text_n(peer.p, peer.len);
	int result = seen_note(s->spool, name, ids, count, err);
	free(name);
	seen_look_end(s->look);
	return result;
}

int
settle_note(struct settling *s, struct err *err)
{
	struct span rest, line, last = {0};
	size_t count = 0;
	int result = s->listed ? 0 : list_fresh(s, err);

	rest = str_span(&s->fresh);
	struct span *ids = mem_get(span_count(rest, '\n') * sizeof *ids);
	while (result == 0 && rest.len > 0 && span_cut(&rest, '\n', &line)) {
		struct span peer = span_word(&line);
		if (!span_same(peer, last)) {
			result = note_some(s, last, ids, count, err);
			last = peer;
			count = 0;
		}
		ids[count++] = span_from(line, 1);
	}
	if (result == 0)
		result = note_some(s, last, ids, count, err);
	free(ids);
	str_free(&s->fresh);
	return result;
}
