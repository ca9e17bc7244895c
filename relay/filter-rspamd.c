/*
 * filter-rspamd - rspamd (lib/proto/rspamd.h), whose action decides; "reject" is what [filter]
 * found says.
 */
#include "relay/filter.h"

#include "lib/mail/fields.h"
#include "lib/proto/rspamd.h"
#include "relay/filter-exit.h"
#include "relay/talk.h"

static void
edit(struct letter *letter, struct rspamd *r)
{
	struct fields fields;
	struct str status = {0};

	fields_read(&fields, letter_header(letter));
	/* Those of others say nothing: ours take their place. */
	for (size_t i = 0; r->action == RSPAMD_MARK && i < fields.count; i++)
		fields.one[i].gone = span_is_case(fields.one[i].name, "X-Spam-Flag") ||
		    span_is_case(fields.one[i].name, "X-Spam-Status");
	for (size_t i = 0; i < r->fields; i++) {
		struct rspamd_field *field = &r->field[i];
		for (size_t n = 0; field->remove && n < fields.count; n++)
			fields.one[n].gone = fields.one[n].gone || span_is_case(fields.one[n].name, str_c(&field->name));
		if (!field->remove)
			fields_insert(&fields, 0, str_span(&field->name), str_span(&field->value), true);
	}
	if (r->action == RSPAMD_MARK) {
		str_printf(&status, "Yes, score=%s required=%s tests=%.600s", str_c(&r->score), str_c(&r->required), str_c(&r->symbols));
		fields_insert(&fields, 0, SPAN("X-Spam-Status"), str_span(&status), true);
		fields_insert(&fields, 0, SPAN("X-Spam-Flag"), SPAN("YES"), true);
	}
	if (r->action == RSPAMD_SUBJECT && r->subject.len > 0)
		fields_change(&fields, SPAN("Subject"), 1, str_span(&r->subject), true);
	letter_fields_take(letter, &fields);
	str_free(&status);
}

static int
decide(const struct filter_spec *spec, struct letter *letter, struct rspamd *r, struct err *err)
{
	struct str text = {0};
	int result = 0;

	switch (r->action) {
	case RSPAMD_LATER:
		str_printf(&text, "451 4.7.1 %s", r->message.len > 0 ? str_c(&r->message) : "try again later");
		result = filter_refuse(str_span(&text), err);
		break;
	case RSPAMD_REJECT:
		str_printf(&text, "%s", spec->found == FOUND_MARK ? "YES" :
		    r->message.len > 0 ? str_c(&r->message) : "this looks like spam");
		result = filter_found(spec, letter, "X-Spam-Flag", str_c(&text), err);
		break;
	case RSPAMD_DISCARD:
		letter->gone = true;
		break;
	case RSPAMD_QUARANTINE:
		str_printf(&letter->hold, "%.*s: rspamd says quarantine, score %s", (int)spec->name.len, spec->name.p, str_c(&r->score));
		break;
	case RSPAMD_NONE:
	case RSPAMD_MARK:
	case RSPAMD_SUBJECT:
		if (r->fields > 0 || r->action != RSPAMD_NONE)
			edit(letter, r);
		break;
	}
	str_free(&text);
	return result;
}

static int
rspamd_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str where = spec->rest;
	const struct rspamd_mail mail = { .id = str_span(&letter->info.id), .client = str_span(&letter->info.client),
		.helo = str_span(&job->helo), .user = str_span(&job->user), .host = str_span(&job->host),
		.env = &letter->env, .message = letter_text(letter) };
	struct rspamd rspamd;

	rspamd_start(&rspamd, &mail);
	int result = talk_to(str_c(&where), &rspamd.d, job->deadline, err);
	if (result == 0)
		result = decide(spec, letter, &rspamd, err);
	rspamd_free(&rspamd);
	return result;
}

const struct filter filter_rspamd = { .scheme = "rspamd:", .check = talk_check, .run = rspamd_run,
	.form = "rspamd:HOST:PORT" };
