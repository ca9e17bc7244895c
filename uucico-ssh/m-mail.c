#include "uucico-ssh/m-mail.h"

#include <ctype.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/mail/address.h"
#include "lib/mail/received.h"

enum { GROWS = 3, GROWS_ANYWAY = 4096, ID_MAX = 120 };

/* It is refused, but its bytes are still summed up: those of another name are told as such. */
static void
refuse(struct take *t, int reply, const char *code, const char *why)
{
	if (t->bad.kind != ERR_NONE)
		return;
	err_set(&t->bad, ERR_PERM, "%s", why);
	err_as_reply(&t->bad, reply, code);
}

static void
refuse_as(struct take *t, const struct err *why)
{
	if (t->bad.kind == ERR_NONE)
		t->bad = *why;
}

/* --- the head --- */

/* The only form that there is: what we would print ourselves. */
static bool
is_canonical(const struct entry *entry, struct span head)
{
	struct entry_info told = { .id = entry->info.id, .time = entry->info.time, .grade = entry->info.grade };
	struct str again = {0};

	entry_head(&told, &entry->env, entry->body_len, &again);
	bool same = span_same(head, str_span(&again));
	str_free(&again);
	return same;
}

static bool
is_id(const struct str *id)
{
	return span_has_only(str_span(id), ".-_") && id->len > 0 && id->len <= ID_MAX;
}

static void
check_size(struct take *t, uint64_t len)
{
	uint64_t most = t->spool->settings->spool.max_size;
	struct str why = {0};

	if (most == 0 || len <= most)
		return;
	str_printf(&why, "%llu bytes are more than the %llu taken here", (unsigned long long)len,
	    (unsigned long long)most);
	refuse(t, 552, "5.3.4", str_c(&why));
	str_free(&why);
}

static void
check_head(struct take *t, const struct entry *entry, struct span head)
{
	struct err why;

	if (!is_canonical(entry, head) || !is_id(&entry->info.id) || !isalnum((unsigned char)entry->info.grade))
		refuse(t, 554, "5.6.0", "its head is not as it must be");
	if (entry_check_envelope(&entry->env, &why) < 0)
		refuse_as(t, &why);
	if (entry->env.rcpts > t->spool->settings->spool.max_recipients)
		refuse(t, 554, "5.5.3", "more recipients than are taken here");
	if (entry->env.from.len > 0 &&
	    address_check(str_span(&entry->env.from), ADDRESS_BARE | ADDRESS_UTF8, &why) < 0)
		refuse(t, 553, "5.1.7", "the sender's address is none");
	check_size(t, entry->body_len);
}

static void
check_rcpts(struct take *t, const struct envelope *env)
{
	struct err why;

	for (size_t i = 0; i < env->rcpts; i++) {
		struct str number = {0}, reply = {0};
		if (address_check(str_span(&env->rcpt[i].to), ADDRESS_POSTMASTER | ADDRESS_BARE | ADDRESS_UTF8,
		    &why) == 0)
			continue;
		err_as_reply(&why, 501, "5.1.3");
		err_reply(&why, &reply);
		str_printf(&number, "%zu", i + 1);
		entry_state_line(clock_now(), str_c(&number), "failed due=failure", "reply", str_span(&reply), &t->states);
		str_free(&number);
		str_free(&reply);
	}
}

/* Each pass leaves its trace, or a loop of calls would never end. */
static int
add_trace(struct take *t, struct err *err)
{
	struct arrival *a = t->arrival;
	struct str field = {0};
	struct received received = {
		.helo = span_of(t->site->name), .by = span_of(t->spool->settings->spool.host),
		.with = SPAN("BSMTP"), .id = str_span(&a->info.id), .when = clock_now(),
	};

	received_field(&received, &field);
	int result = arrival_body(a, field.p, field.len, err);
	str_free(&field);
	return result;
}

static int
begin_mail(struct take *t, const struct entry *entry, struct err *err)
{
	struct entry_info info = { .time = entry->info.time, .grade = entry->info.grade };
	struct envelope env = {0};
	struct mask mask;

	str_set(&info.from, "m");
	str_set(&info.peer, t->site->name);
	str_set_span(&info.peer_id, str_span(&entry->info.id));
	str_set(&info.to, t->folder);
	check_rcpts(t, &entry->env);
	envelope_copy(&env, &entry->env);
	int result = mask_envelope(t->spool->settings, MASQUERADE_IN, &env, &mask, err);
	if (result == 0)
		result = arrival_begin(t->arrival, &info, &env, err);
	if (result == 0) {
		arrival_mask(t->arrival, mask);
		result = add_trace(t, err);
	}
	envelope_free(&env);
	entry_info_free(&info);
	return result;
}

static int
take_head(struct take *t, size_t *used, struct err *err)
{
	struct entry entry;
	struct err why = {0};
	int got = entry_parse_head(str_span(&t->text), &entry, used, &why), result = 0;

	if (got < 0)
		refuse(t, 554, "5.6.0", why.text);
	if (got <= 0)
		return 0;
	check_head(t, &entry, span_to(str_span(&t->text), *used));
	t->in_body = true;
	t->left = entry.body_len;
	if (t->bad.kind == ERR_NONE)
		result = begin_mail(t, &entry, err);
	entry_free(&entry);
	return result;
}

/* --- the body --- */

static int
take_body(struct take *t, struct span bytes, struct err *err)
{
	if (bytes.len > t->left)
		refuse(t, 554, "5.6.0", "something stands behind its body");
	if (t->bad.kind != ERR_NONE)
		return 0;
	t->left -= bytes.len;
	return arrival_body(t->arrival, bytes.p, bytes.len, err);
}

static int
take_mail(struct take *t, struct span bytes, struct err *err)
{
	size_t used = 0;

	if (t->bad.kind != ERR_NONE)
		return 0;
	if (t->in_body)
		return take_body(t, bytes, err);
	str_add_span(&t->text, bytes);
	if (take_head(t, &used, err) < 0)
		return -1;
	int result = t->in_body ? take_body(t, span_from(str_span(&t->text), used), err) : 0;
	if (t->in_body || t->bad.kind != ERR_NONE)
		str_free(&t->text);
	return result;
}

/* What comes out of it, unpacked. */
static int
on_plain(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct take *t = ctx;

	digest_add(&t->digest, bytes, len);
	t->out += len;
	if (t->out > t->most)
		return err_set(err, ERR_PERM, "more comes of it than can be true");
	if (t->note == 0)
		return take_mail(t, (struct span){ bytes, len }, err);
	if (t->text.len + len > t->note)
		refuse(t, 554, "5.6.0", "a note that is too long");
	else
		str_add(&t->text, bytes, len);
	return 0;
}

/* --- the whole --- */

void
take_start(struct take *t, const struct m_object *object)
{
	memcpy(t->name, object->name, M_NAME);
	t->packed = object->packed;
	t->most = object->length > (UINT64_MAX - GROWS_ANYWAY) / GROWS ? UINT64_MAX :
	    GROWS * object->length + GROWS_ANYWAY;
	digest_start(&t->digest);
	if (t->packed)
		plain_start(&t->plain, PLAIN_UNPACK, on_plain, t);
}

int
take_feed(struct take *t, const void *bytes, size_t len, struct err *err)
{
	int result = t->packed ? plain_feed(&t->plain, bytes, len, err) : on_plain(t, bytes, len, err);

	if (result == 0 || err->kind != ERR_PERM)
		return result;
	t->broken = true;
	refuse_as(t, err);	/* damaged: then its name will not fit either */
	return 0;
}

static enum m_status
refused(const struct take *t, bool named, struct err *err)
{
	*err = t->bad;
	return named ? M_NEVER : M_WRONG;
}

enum m_status
take_end(struct take *t, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];

	/* Of what is refused, too: without its last bytes it would not have its name. */
	if (t->packed && !t->broken && plain_end(&t->plain, err) < 0) {
		if (err->kind != ERR_PERM)
			return M_LATER;
		refuse_as(t, err);
	}
	digest_end(&t->digest, sum);
	bool named = memcmp(sum, t->name, M_NAME) == 0;
	if (!named)
		refuse(t, 554, "5.6.0", "its bytes are not those of its name");
	else if (t->note == 0 && (!t->in_body || t->left > 0))
		refuse(t, 554, "5.6.0", "it ends before its end");
	if (t->bad.kind != ERR_NONE)
		return refused(t, named, err);
	if (t->note > 0)
		return M_STORED;
	if (arrival_end(t->arrival, err) < 0)
		return M_LATER;
	arrival_states(t->arrival, str_span(&t->states));
	return M_STORED;
}

void
take_free(struct take *t)
{
	if (t->packed)
		plain_free(&t->plain);
	digest_free(&t->digest);
	str_free(&t->text);
	str_free(&t->states);
}
