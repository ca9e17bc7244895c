/*
 * filter-milter - a filter of Sendmail's kind (lib/proto/milter.h), as OpenDKIM.
 *
 * It is told of a whole message, as if it came just now.  Our own Received, on top while mail
 * arrives, is kept from it, as others keep theirs.  A recipient or sender that it refuses
 * refuses the message.
 */
#include "relay/filter.h"

#include <string.h>
#include <strings.h>

#include "lib/mail/crlf.h"
#include "lib/mail/fields.h"
#include "lib/mail/header.h"
#include "lib/proto/milter.h"
#include "relay/filter-exit.h"
#include "relay/talk.h"

/* Our own field on top, not shown. */
static size_t
hidden_fields(const struct filter_job *job, struct span text, struct span *shown)
{
	struct header_field field;

	*shown = text;
	if (!job->arrival || !header_next(&text, &field) || !span_is_case(field.name, "Received"))
		return 0;
	*shown = text;
	return 1;
}

static struct span
behind_empty_line(struct span text)
{
	header_end(&text);
	return text;
}

static bool
same_address(const struct str *a, const struct str *b)
{
	return a->len == b->len && (a->len == 0 || strncasecmp(a->p, b->p, a->len) == 0);
}

static void
remove_rcpt(struct envelope *env, const struct str *address)
{
	struct envelope left = {0};

	envelope_from(&left, str_span(&env->from), str_span(&env->args));
	for (size_t i = 0; i < env->rcpts; i++)
		if (!same_address(&env->rcpt[i].to, address))
			envelope_add(&left, str_span(&env->rcpt[i].to), str_span(&env->rcpt[i].args));
	envelope_copy(env, &left);
	envelope_free(&left);
}

static void
add_rcpt(struct envelope *env, const struct str *address)
{
	for (size_t i = 0; i < env->rcpts; i++)
		if (same_address(&env->rcpt[i].to, address))
			return;
	envelope_add(env, str_span(address), SPAN(""));
}

struct change {
	struct letter *letter;
	struct fields fields;
	size_t hidden;
	struct span body;
	struct str new_body;
	bool blank, of_text;
};

static void
apply_one(struct change *c, const struct milter_edit *edit)
{
	struct span name = str_span(&edit->name), value = str_span(&edit->value);
	size_t at = edit->index == 0 ? 0 : (size_t)edit->index + c->hidden;

	switch (edit->what) {
	case MILTER_ADD_FIELD:
		fields_insert(&c->fields, c->fields.count, name, value, c->blank);
		break;
	case MILTER_INSERT_FIELD:
		fields_insert(&c->fields, at, name, value, c->blank);
		break;
	case MILTER_CHANGE_FIELD:
		at = edit->index + (c->hidden > 0 && span_is_case(name, "Received") ? 1 : 0);
		fields_change(&c->fields, name, at > 0 ? at : 1, value, c->blank);
		break;
	case MILTER_BODY: {
		struct crlf crlf = {0};
		str_clear(&c->new_body);
		crlf_add(&crlf, value, &c->new_body);
		crlf_end(&crlf, &c->new_body);
		c->body = str_span(&c->new_body);
		break;
	}
	case MILTER_ADD_RCPT:
		add_rcpt(&c->letter->env, &edit->name);
		break;
	case MILTER_REMOVE_RCPT:
		remove_rcpt(&c->letter->env, &edit->name);
		break;
	case MILTER_SENDER:
		str_set_span(&c->letter->env.from, name);
		break;
	}
	c->of_text = c->of_text || edit->what == MILTER_BODY || edit->what == MILTER_ADD_FIELD ||
	    edit->what == MILTER_INSERT_FIELD || edit->what == MILTER_CHANGE_FIELD;
}

static void
apply(struct letter *letter, const struct milter *milter, size_t hidden)
{
	struct change c = { .letter = letter, .hidden = hidden, .blank = !milter->keeps_blanks,
		.body = behind_empty_line(letter_text(letter)) };
	struct str text = {0};

	fields_read(&c.fields, letter_text(letter));
	for (size_t i = 0; i < milter->edits; i++)
		apply_one(&c, &milter->edit[i]);
	if (c.of_text) {
		fields_write(&c.fields, &text);
		str_add_text(&text, "\r\n");
		str_add_span(&text, c.body);
		letter_replace_take(letter, &text);
	}
	letter->changed = letter->changed || milter->edits > 0;
	letter->gone = letter->env.rcpts == 0;
	fields_free(&c.fields);
	str_free(&c.new_body);
}

static int
decide(const struct filter_spec *spec, struct letter *letter, struct milter *milter, size_t hidden, struct err *err)
{
	switch (milter->verdict) {
	case MILTER_REJECT:
		return filter_refuse(milter->reply.len > 0 ? str_span(&milter->reply) : SPAN("550 5.7.1 rejected by a filter"), err);
	case MILTER_LATER:
		return filter_refuse(milter->reply.len > 0 ? str_span(&milter->reply) : SPAN("451 4.7.1 try again later"), err);
	case MILTER_DISCARD:
		letter->gone = true;
		return 0;
	case MILTER_ACCEPT:
		break;
	}
	apply(letter, milter, hidden);
	if (milter->quarantine.len > 0 && !letter->gone) {
		str_clear(&letter->hold);
		str_printf(&letter->hold, "%.*s: %.500s", (int)spec->name.len, spec->name.p, str_c(&milter->quarantine));
	}
	return 0;
}

static int
milter_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str where = spec->rest;
	struct span shown;
	size_t hidden = hidden_fields(job, letter_text(letter), &shown);
	struct span body = behind_empty_line(shown);
	const struct milter_mail mail = { .host = str_span(&job->host), .id = str_span(&letter->info.id),
		.client = str_span(&letter->info.client), .port = str_span(&job->port), .helo = str_span(&job->helo),
		.user = str_span(&job->user), .env = &letter->env, .header = span_to(shown, shown.len - body.len), .body = body };
	struct milter milter;

	milter_start(&milter, &mail);
	int result = talk_to(str_c(&where), &milter.d, job->deadline, err);
	if (result == 0)
		result = decide(spec, letter, &milter, hidden, err);
	milter_free(&milter);
	return result;
}

const struct filter filter_milter = { .scheme = "milter:", .check = talk_check, .run = milter_run,
	.form = "milter:HOST:PORT or milter:/SOCKET" };
