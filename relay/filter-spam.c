/*
 * filter-spam - SpamAssassin's spamd (lib/proto/spamd.h).
 *
 *	spam:HOST:PORT		spam is what [filter] found says
 *	spam-report:HOST:PORT	fields say what it is, and it goes on
 *	spam-edit:HOST:PORT	it goes on as spamd writes it
 */
#include "relay/filter.h"

#include <string.h>

#include "lib/mail/crlf.h"
#include "lib/mail/fields.h"
#include "lib/proto/spamd.h"
#include "relay/talk.h"

static int
ask(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, enum spamd_how how,
    struct spamd *spamd, struct err *err)
{
	struct str where = spec->rest;

	spamd_start(spamd, how, letter_text(letter));
	return talk_to(str_c(&where), &spamd->d, job->deadline, err);
}

static int
spam_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct spamd spamd;
	int result = ask(job, spec, letter, SPAMD_SYMBOLS, &spamd, err);

	if (result == 0 && spamd.spam) {
		struct str text = {0};
		str_printf(&text, spec->found == FOUND_MARK ? "YES" : "this looks like spam (%s of %s)", str_c(&spamd.score),
		    str_c(&spamd.threshold));
		result = filter_found(spec, letter, "X-Spam-Flag", str_c(&text), err);
		str_free(&text);
	}
	spamd_free(&spamd);
	return result;
}

/* Those of others say nothing: ours take their place. */
static void
report(struct letter *letter, struct spamd *spamd)
{
	struct span names = span_trim(str_span(&spamd->text)), line;
	struct fields fields;
	struct str status = {0};

	span_cut(&names, '\n', &line);
	line = span_trim(line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	str_printf(&status, "%s, score=%s required=%s tests=%.*s", spamd->spam ? "Yes" : "No", str_c(&spamd->score),
	    str_c(&spamd->threshold), line.len > 600 ? 600 : (int)line.len, line.len > 0 ? line.p : "none");
	fields_read(&fields, letter_header(letter));
	for (size_t i = 0; i < fields.count; i++)
		fields.one[i].gone = span_is_case(fields.one[i].name, "X-Spam-Flag") ||
		    span_is_case(fields.one[i].name, "X-Spam-Status");
	fields_insert(&fields, 0, SPAN("X-Spam-Status"), str_span(&status), true);
	if (spamd->spam)
		fields_insert(&fields, 0, SPAN("X-Spam-Flag"), SPAN("YES"), true);
	letter_fields_take(letter, &fields);
	str_free(&status);
}

static int
report_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct spamd spamd;
	int result = ask(job, spec, letter, SPAMD_SYMBOLS, &spamd, err);

	if (result == 0)
		report(letter, &spamd);
	spamd_free(&spamd);
	return result;
}

static int
edit_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct spamd spamd;
	struct crlf crlf = {0};
	struct str text = {0};
	int result = ask(job, spec, letter, SPAMD_PROCESS, &spamd, err);

	if (result == 0 && spamd.text.len == 0)
		result = err_set(err, ERR_TEMP, "spamd gave nothing back");
	if (result == 0) {
		crlf_add(&crlf, str_span(&spamd.text), &text);
		crlf_end(&crlf, &text);
		letter_replace_take(letter, &text);
	}
	spamd_free(&spamd);
	return result;
}

const struct filter filter_spam = { .scheme = "spam:", .check = talk_check, .run = spam_run, .form = "spam:HOST:PORT" };
const struct filter filter_spam_report = { .scheme = "spam-report:", .check = talk_check, .run = report_run,
	.form = "spam-report:HOST:PORT" };
const struct filter filter_spam_edit = { .scheme = "spam-edit:", .check = talk_check, .run = edit_run,
	.form = "spam-edit:HOST:PORT" };
