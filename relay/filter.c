#include "relay/filter.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mail/envelope.h"
#include "spool/spool.h"

const struct filter *const filter_rows[] = {
	&filter_exec, &filter_file, &filter_exit, &filter_sleep, &filter_msgid, &filter_split, &filter_mx,
	&filter_copy, &filter_deliver, &filter_net, &filter_spam, &filter_spam_report, &filter_spam_edit,
	&filter_clamd, &filter_rspamd, &filter_milter, &filter_lmtp, &filter_senders,
	&filter_thin, NULL,
};

const struct filter *
filter_of(const char *run, const char **rest)
{
	for (const struct filter *const *f = filter_rows; *f != NULL; f++) {
		size_t len = strlen((*f)->scheme);
		if (strncmp(run, (*f)->scheme, len) != 0)
			continue;
		*rest = run + len;
		return *f;
	}
	return NULL;
}

int
filter_check(const struct filter_settings *settings, bool arrival, struct err *err)
{
	const char *rest;
	const struct filter *filter = filter_of(settings->run, &rest);
	int result = 0;

	if (filter == NULL) {
		struct str forms = {0};
		for (const struct filter *const *f = filter_rows; *f != NULL; f++)
			str_printf(&forms, "%s%s", forms.len > 0 ? ", " : "", (*f)->form);
		result = err_set(err, ERR_CONFIG, "run = %.100s: want one of %s", settings->run, str_c(&forms));
		str_free(&forms);
	} else if (filter->arrival_only && !arrival) {
		result = err_set(err, ERR_CONFIG, "%s is for mail that arrives: only [relay] filters can name it",
		    filter->scheme);
	} else if (filter->departure_only && arrival) {
		result = err_set(err, ERR_CONFIG, "%s is for mail on its way out: [hop] or [site] filters can name it",
		    filter->scheme);
	} else if (arrival && settings->users[0] != '\0') {
		result = err_set(err, ERR_CONFIG, "users is for filters of [hop] and [site]: what arrives is one message for all");
	} else if (filter->check != NULL) {
		result = filter->check(rest, err);
	}
	return result < 0 ? err_prefix(err, "[filter %s]", settings->name) : 0;
}

struct letter *
filter_add(struct filter_job *job, const struct letter *like)
{
	struct letter *letter = letter_new(&like->info, &like->env, content_hold(like->content));

	str_set_span(&letter->forward_to, str_span(&like->forward_to));
	str_set_span(&letter->forward_to_address, str_span(&like->forward_to_address));
	str_set_span(&letter->selector, str_span(&like->selector));
	letter->changed = like->changed;
	job->letter = mem_resize(job->letter, job->letters + 1, sizeof *job->letter);
	job->letter[job->letters++] = letter;
	return letter;
}

void
filter_new_id(struct str *out)
{
	spool_new_id(out);
}

bool
filter_is_local(const struct filter_job *job, struct span address)
{
	struct span rest = str_span(&job->locals), line;

	while (span_cut(&rest, '\n', &line))
		if (span_same(line, address))
			return true;
	return false;
}

int
filter_found(const struct filter_spec *spec, struct letter *letter, const char *field, const char *text,
    struct err *err)
{
	switch (spec->found) {
	case FOUND_HOLD:
		str_clear(&letter->hold);
		str_printf(&letter->hold, "%.*s: %s", (int)spec->name.len, spec->name.p, text);
		return 0;
	case FOUND_MARK:
		letter_set_field(letter, field, span_of(text));
		return 0;
	case FOUND_DROP:
		letter->gone = true;
		return 0;
	case FOUND_REJECT:
		break;
	}
	err_set(err, ERR_PERM, "%s", text);
	return err_as_reply(err, 550, "5.7.1");
}

void
filter_settings_for(const struct filter_job *job, struct settings *settings)
{
	struct str root = job->root;

	*settings = (struct settings){ .root = mem_text(str_c(&root)) };
}
