#include "relay/gate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "lib/mail/envelope.h"
#include "relay/check.h"
#include "relay/session.h"
#include "spool/alias.h"
#include "spool/route.h"

enum {
	KNOWN_MAX = 4096,
	YES_SECONDS = 3600,	/* how long a yes is believed, */
	NO_SECONDS = 300,	/* and a no: somebody may have just been added */
};

static const struct relay_settings *
limits_of(const struct gate *gate)
{
	return gate->session->instance->settings;
}

static const struct settings *
settings_of(const struct gate *gate)
{
	return &gate->session->setup->settings;
}

static void go_on(struct gate *gate, int result, const struct err *err);

/* ---- lists in the DNS ---- */

static int
judge_lists(const struct gate *gate, struct err *err)
{
	if (gate->score < (int)limits_of(gate)->lists_refuse)
		return 0;
	err_set(err, ERR_PERM, "mail from %.*s is refused: it is listed by %.*s", (int)gate->session->client.len,
	    gate->session->client.p, (int)gate->listed.len, gate->listed.p);
	return err_as_reply(err, 550, "5.7.1");
}

static void
on_lists(void *ctx)
{
	struct gate *gate = ctx;
	struct err err = {0};

	gate->lists_known = true;
	gate->score = gate->lists.score;
	str_set_span(&gate->listed, str_span(&gate->lists.names));
	if (gate->listed.len > 0)
		log_info("-: event=listed relay=%s client=%s score=%d lists=\"%s\"", limits_of(gate)->name,
		    str_c(&gate->session->client), gate->score, str_c(&gate->listed));
	lists_leave(&gate->lists);
	go_on(gate, judge_lists(gate, &err), &err);
}

static int
step_lists(struct gate *gate, struct err *err)
{
	if (gate->about.free || limits_of(gate)->lists[0] == '\0')
		return 0;
	if (gate->lists_known)
		return judge_lists(gate, err);
	lists_ask(&gate->lists, gate->session->relay, &gate->session->ip, limits_of(gate)->lists,
	    settings_of(gate)->spool.resolver, limits_of(gate)->lists_wait, on_lists, gate);
	return GATE_LATER;
}

/* ---- SPF ---- */

static int
judge_spf(struct gate *gate, struct err *err)
{
	if (!span_is(str_span(&gate->spf), "fail") || strcmp(limits_of(gate)->spf, "refuse") != 0)
		return 0;
	err_set(err, ERR_PERM, "SPF: %s", gate->spf_says.len > 0 ? str_c(&gate->spf_says) :
	    "that domain does not send from there");
	return err_as_reply(err, 550, "5.7.23");	/* RFC 7372 */
}

static void
on_spf(struct pool_question *question, int result, struct span words)
{
	struct gate *gate = (struct gate *)((char *)question - offsetof(struct gate, question));
	struct span said = span_word(&words);
	struct err err = {0};

	gate->spf_known = true;
	str_set_span(&gate->spf, result == 0 && said.len > 0 ? said : SPAN("temperror"));
	str_set_span(&gate->spf_says, span_trim(words));
	str_clear(&gate->spf_of);
	str_add_text(&gate->spf_of, gate->about.from.len > 0 ? "smtp.mailfrom=" : "smtp.helo=");
	str_add_span(&gate->spf_of, gate->about.from.len > 0 ? gate->about.from : gate->about.helo);
	go_on(gate, judge_spf(gate, &err), &err);
}

static int
step_spf(struct gate *gate, struct err *err)
{
	const struct span fields[] = { SPAN("spf"), span_of(settings_of(gate)->spool.resolver),
		span_of(settings_of(gate)->spool.host), str_span(&gate->session->client), gate->about.helo, gate->about.from };

	if (gate->about.free || strcmp(limits_of(gate)->spf, "no") == 0)
		return 0;
	if (gate->spf_known)
		return judge_spf(gate, err);
	gate->question.answer = on_spf;
	return pool_ask(&gate->session->relay->checks, &gate->question, fields, sizeof fields / sizeof fields[0],
	    err) < 0 ? -1 : GATE_LATER;
}

/* What goes into a header: no byte that ends the field, or a comment. */
void
gate_results(const struct gate *gate, struct str *out)
{
	if (gate->spf.len == 0)
		return;
	str_printf(out, "Authentication-Results: %s; spf=", settings_of(gate)->spool.host);
	str_add_span(out, str_span(&gate->spf));
	str_add_text(out, "\r\n\t");
	for (size_t i = 0; i < gate->spf_of.len; i++) {
		char ch = gate->spf_of.p[i];
		str_add_char(out, ch <= ' ' || ch > '~' || strchr("()<>;\\\"", ch) != NULL ? '?' : ch);
	}
	str_add_text(out, "\r\n");
}

/* ---- addresses ---- */

static struct gate_known *
place_of(struct gate_memory *memory, struct span text)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};

	if (memory->known == NULL)
		memory->known = mem_get(KNOWN_MAX * sizeof *memory->known);
	digest_start(&digest);
	digest_add(&digest, text.p, text.len);
	digest_end(&digest, sum);
	struct gate_known *found = &memory->known[((size_t)sum[16] << 8 | sum[17]) % KNOWN_MAX];
	if (memcmp(found->key, sum, sizeof found->key) != 0) {
		*found = (struct gate_known){0};
		memcpy(found->key, sum, sizeof found->key);
	}
	return found;
}

static int
unknown(bool sender, enum check_result result, struct span text, struct err *err)
{
	if (result == CHECK_YES || result == CHECK_NONE)
		return 0;
	if (result == CHECK_ABORT) {
		err_set(err, ERR_TEMP, "not now");
		return err_as_reply(err, GATE_CLOSES, "4.7.0");
	}
	const char *usual = result == CHECK_LATER ? "it cannot be found out now whether there is such an address" :
	    sender ? "there is no such sender" : "there is no such mailbox";
	if (text.len > 0)
		err_set(err, result == CHECK_LATER ? ERR_TEMP : ERR_PERM, "%.*s", (int)text.len, text.p);
	else
		err_set(err, result == CHECK_LATER ? ERR_TEMP : ERR_PERM, "%s", usual);
	if (result == CHECK_LATER)
		return err_as_reply(err, 450, sender ? "4.1.8" : "4.2.1");
	return err_as_reply(err, 550, sender ? "5.1.8" : "5.1.1");
}

static enum check_result
result_of(struct span word)
{
	static const char *const words[] = { "no", "yes", "none", "later", "abort" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (span_is(word, words[i]))
			return (enum check_result)i;
	return CHECK_LATER;
}

static void
remember(struct gate *gate, enum check_result result)
{
	if (gate->key.len == 0 || (result != CHECK_YES && result != CHECK_NO))
		return;
	struct gate_known *known = place_of(&gate->session->relay->gate_memory, str_span(&gate->key));
	known->yes = result == CHECK_YES;
	known->until = clock_mono() + (known->yes ? YES_SECONDS : NO_SECONDS) * CLOCK_SECOND;
}

static void
on_address(struct gate *gate, bool sender, int result, struct span words)
{
	struct err err = {0};
	struct span word = span_word(&words), text = {0};
	enum check_result said = result < 0 ? CHECK_LATER : result_of(word);

	words = span_trim(words);
	span_cut(&words, '\t', &text);
	if (words.len > 0)
		log_info("-: event=verifier relay=%s address=<%.*s> result=%.*s why=\"%.*s\"", limits_of(gate)->name,
		    (int)(sender ? gate->about.from.len : gate->to.len), sender ? gate->about.from.p : gate->to.p,
		    (int)word.len, word.p, (int)words.len, words.p);
	remember(gate, said);
	gate->sender_known = sender && (said == CHECK_YES || said == CHECK_NONE);
	go_on(gate, unknown(sender, said, text, &err), &err);
}

static void
on_recipient(struct pool_question *question, int result, struct span words)
{
	on_address((struct gate *)((char *)question - offsetof(struct gate, question)), false, result, words);
}

static void
on_sender(struct pool_question *question, int result, struct span words)
{
	on_address((struct gate *)((char *)question - offsetof(struct gate, question)), true, result, words);
}

/* Where mail for it goes: "" unless that is a matter of ours. */
static void
route_of(const struct settings *settings, struct span address, struct str *route)
{
	struct route_match match = route_find(settings, address);
	struct str folder = {0};

	if (match.kind != ROUTE_NONE && match.kind != ROUTE_LATER && !match.wildcard) {
		route_folder(&match, &folder);
		route_of_folder(str_c(&folder), route);
	}
	str_free(&folder);
}

/* Is it remembered?  1 yes, 0 no, -1 neither; gate->key is set. */
static int
remembered(struct gate *gate, const char *sources, bool sender, struct span address)
{
	str_clear(&gate->key);
	if (strchr(sources, '|') != NULL || strstr(sources, "net:") != NULL)
		return -1;	/* what they say hangs on more than the address */
	str_printf(&gate->key, "%c%s", sender ? 's' : 'r', sources);
	str_add_char(&gate->key, '\0');
	str_add_lower(&gate->key, address);
	const struct gate_known *known = place_of(&gate->session->relay->gate_memory, str_span(&gate->key));
	return known->until > clock_mono() ? known->yes : -1;
}

static int
ask_address(struct gate *gate, bool sender, const char *sources, struct span address, struct err *err)
{
	const struct settings *settings = settings_of(gate);
	struct str base = {0}, route = {0};
	int known = remembered(gate, sources, sender, address);

	if (known >= 0)
		return unknown(sender, known ? CHECK_YES : CHECK_NO, (struct span){0}, err);
	if (!alias_base(settings, address, &base))
		str_set_span(&base, address);
	route_of(settings, address, &route);
	const struct span fields[] = { sender ? SPAN("sender") : SPAN("recipient"), span_of(sources), address,
		str_span(&base), gate->about.from, str_span(&gate->session->where), span_of(settings->spool.host),
		gate->about.mechanism, gate->about.user, str_span(&route), span_of(settings->root) };
	gate->question.answer = sender ? on_sender : on_recipient;
	int result = pool_ask(&gate->session->relay->checks, &gate->question, fields, sizeof fields / sizeof fields[0],
	    err);
	str_free(&base);
	str_free(&route);
	return result < 0 ? -1 : GATE_LATER;
}

/* What an alias stands for is there because somebody said so. */
static int
step_recipient(struct gate *gate, struct err *err)
{
	const char *sources = limits_of(gate)->verify_recipients;
	struct err ignored;

	if (sources[0] == '\0' || alias_has(settings_of(gate), str_span(&gate->to), &ignored) > 0)
		return 0;
	return ask_address(gate, false, sources, str_span(&gate->to), err);
}

static int
step_sender(struct gate *gate, struct err *err)
{
	const char *sources = limits_of(gate)->verify_senders;

	if (sources[0] == '\0' || gate->about.free || gate->sender_known || gate->about.from.len == 0)
		return 0;
	return ask_address(gate, true, sources, gate->about.from, err);
}

/* ---- the greylist ---- */

/* Whoever a list speaks for, or whose SPF says that it is he, is no stranger. */
static int
step_grey(struct gate *gate, struct err *err)
{
	const struct relay_settings *limits = limits_of(gate);
	struct str path = {0};
	int64_t wait;

	if (gate->about.free || limits->greylist == 0 || gate->score < 0)
		return 0;
	settings_path(settings_of(gate), "grey", &path);
	int result = grey_seen(&gate->session->relay->grey, str_c(&path), &gate->session->ip, gate->about.from,
	    str_span(&gate->to), clock_now(), limits->greylist, limits->greylist_keep, &wait, err);
	str_free(&path);
	if (result < 0) {	/* mail is taken rather than lost to a table */
		log_error("-: event=greylist-trouble why=\"%s\"", err->text);
		*err = (struct err){0};
		return 0;
	}
	if (result == 0)
		return 0;
	err_set(err, ERR_TEMP, "greylisted: please come back in %lld seconds", (long long)wait);
	return err_as_reply(err, 450, "4.7.1");
}

/* ---- all of them ---- */

static int (*const steps[])(struct gate *gate, struct err *err) = {
	step_lists, step_recipient, step_sender, step_spf, step_grey,
};
enum { STEPS = sizeof steps / sizeof steps[0] };

static int
run(struct gate *gate, struct err *err)
{
	int result = 0;

	while (result == 0 && gate->step < STEPS)
		result = steps[gate->step++](gate, err);
	gate->waits = result == GATE_LATER;
	return result;
}

static void
go_on(struct gate *gate, int result, const struct err *err)
{
	struct err why = *err;

	if (result == 0)
		result = run(gate, &why);
	else
		gate->waits = false;
	if (result != GATE_LATER)
		gate->done(gate, result, &why);
}

int
gate_ask(struct gate *gate, const struct gate_about *about, struct err *err)
{
	gate->about = *about;
	str_set_span(&gate->to, about->to);
	gate->step = 0;
	return run(gate, err);
}

void
gate_open(struct gate *gate, struct session *session,
    void (*done)(struct gate *gate, int result, const struct err *err))
{
	*gate = (struct gate){ .session = session, .done = done };
}

void
gate_forget(struct gate *gate)
{
	gate->spf_known = gate->sender_known = false;
	str_clear(&gate->spf);
	str_clear(&gate->spf_of);
	str_clear(&gate->spf_says);
}

void
gate_client(struct gate *gate)
{
	gate_forget(gate);
	gate->lists_known = false;
	gate->score = 0;
	str_clear(&gate->listed);
}

void
gate_close(struct gate *gate)
{
	lists_leave(&gate->lists);
	pool_leave(&gate->question);
	str_free(&gate->to);
	str_free(&gate->listed);
	str_free(&gate->spf);
	str_free(&gate->spf_of);
	str_free(&gate->spf_says);
	str_free(&gate->key);
	gate->waits = false;
}

int
gate_check(const struct relay_settings *settings, struct err *err)
{
	if (strcmp(settings->spf, "no") != 0 && !check_has_spf())
		return err_set(err, ERR_CONFIG, "spf = %s: this was built without libspf2", settings->spf);
	if (lists_check(settings->lists, err) < 0)
		return -1;
	if (check_sources(settings->verify_recipients, err) < 0)
		return err_prefix(err, "verify-recipients");
	if (check_sources(settings->verify_senders, err) < 0)
		return err_prefix(err, "verify-senders");
	return 0;
}
