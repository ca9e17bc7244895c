#include "relay/filter-exit.h"

#include <signal.h>

/* The next line <<text>> or [[text]]. */
static bool
next_words(struct span *rest, struct span *words)
{
	struct span line;

	while (span_cut(rest, '\n', &line)) {
		bool round = span_begins(line, "<<");
		if (!round && !span_begins(line, "[["))
			continue;
		line = span_from(line, 2);
		for (size_t i = 0; i + 1 < line.len; i++)
			if (line.p[i] == (round ? '>' : ']') && line.p[i + 1] == line.p[i]) {
				*words = span_trim(span_to(line, i));
				return true;
			}
	}
	return false;
}

static bool
is_enhanced(struct span word, uint64_t reply)
{
	return word.len >= 5 && word.len < 12 && word.p[0] == (char)('0' + reply / 100) && word.p[1] == '.';
}

int
filter_refuse(struct span text, struct err *err)
{
	struct span rest = text, first = span_word(&rest), behind, code;
	struct str words = {0}, enhanced = {0};
	uint64_t reply;

	if (first.len == 3 && span_number(first, 599, &reply) == 0 && reply >= 400)
		text = span_trim(rest);
	else
		reply = 550;
	str_set(&enhanced, reply < 500 ? "4.7.1" : "5.7.1");
	behind = text;
	code = span_word(&behind);
	if (is_enhanced(code, reply)) {
		str_set_span(&enhanced, code);
		text = span_trim(behind);
	}
	str_add_span(&words, text.len > 0 ? text : SPAN("rejected by a filter"));
	err_set(err, reply < 500 ? ERR_TEMP : ERR_PERM, "%s", str_c(&words));
	err_as_reply(err, (int)reply, str_c(&enhanced));
	str_free(&words);
	str_free(&enhanced);
	return -1;
}

static int
refuse(struct filter_job *job, struct span said, struct err *err)
{
	struct span words = {0}, more;

	if (next_words(&said, &words) && next_words(&said, &more))
		str_printf(&job->notes, "event=filter-says text=\"%.*s\"\n", more.len > 500 ? 500 : (int)more.len, more.p);
	return filter_refuse(words, err);
}

static int
not_now(struct err *err)
{
	err_set(err, ERR_TEMP, "a filter says not now");
	return err_as_reply(err, 450, "4.7.1");
}

int
filter_exit_means(struct filter_job *job, int status, struct span said, struct err *err)
{
	bool arrival = job->arrival;

	if (status == 128 + SIGXCPU || status == 128 + SIGXFSZ)
		return err_set(err, ERR_TEMP, "the program went beyond its %s", status == 128 + SIGXCPU ? "max-cpu" : "max-written");
	if (status < 0 || status > 105)
		return err_set(err, ERR_TEMP, "the program ended with status %d, or by a signal", status);
	job->rescan = job->rescan || (arrival ? status >= 102 && status <= 104 : status == 103);
	job->rest_after = job->rest_after || (!arrival && (status == 102 || status == 104 || status == 105));
	switch (status) {
	case 0:
	case 101:
	case 103:
		return 1;
	case 100:
		return arrival ? 0 : not_now(err);
	case 102:
		return arrival ? 0 : 1;
	case 104:
		return arrival ? refuse(job, said, err) : not_now(err);
	default:
		return refuse(job, said, err);
	}
}
