/*
 * filter-net - a filter that listens, by E-MailRelay's protocol: it is told the path of the content
 * in a line, beside which is the envelope, and answers with a line.
 *
 *	ok			goes on, with what is in the files now
 *	100			taken
 *	[CODE ]TEXT[TAB WHY]	refused; WHY is for the log
 *
 * It reads and writes the files itself, so it runs on this host, as who may.
 */
#include "relay/filter.h"

#include <string.h>

#include "relay/filter-exit.h"
#include "relay/filter-files.h"
#include "relay/talk.h"

enum { LINE_MAX_HERE = 4096 };

struct line {
	struct dialogue d;
	struct str in;
};

static int
line_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct line *line = (struct line *)d;
	const char *end = memchr(bytes.p, '\n', bytes.len);

	str_add_span(&line->in, end != NULL ? span_to(bytes, (size_t)(end - bytes.p)) : bytes);
	if (line->in.len > LINE_MAX_HERE)
		return err_set(err, ERR_TEMP, "its answer is longer than a line");
	if (line->in.len > 0 && line->in.p[line->in.len - 1] == '\r' && end != NULL)
		line->in.len--;
	d->done = end != NULL;
	return 0;
}

static const struct dialogue_row row = { .feed = line_feed };

static int
decide(struct filter_job *job, struct filter_files *files, struct span said, struct err *err)
{
	struct span rest = said, text, word = span_trim(said);

	word = span_word(&word);
	if (span_is_case(span_trim(said), "ok"))
		return filter_files_take(files, err);
	if (span_is(word, "100")) {
		files->letter->gone = true;
		return 0;
	}
	span_cut(&rest, '\t', &text);
	if (rest.len > 0)
		str_printf(&job->notes, "event=filter-says text=\"%.*s\"\n", rest.len > 500 ? 500 : (int)rest.len, rest.p);
	return filter_refuse(span_trim(text), err);
}

static int
net_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct filter_files files;
	struct line line = { .d.row = &row };
	struct str where = spec->rest;
	int result = filter_files_put(&files, job, letter, err);

	if (result == 0) {
		str_printf(&line.d.out, "%s\n", str_c(&files.content_path));
		result = talk_to(str_c(&where), &line.d, job->deadline, err);
	}
	if (result == 0)
		result = decide(job, &files, str_span(&line.in), err);
	filter_files_free(&files);
	str_free(&line.d.out);
	str_free(&line.in);
	return result;
}

const struct filter filter_net = { .scheme = "net:", .check = talk_check, .run = net_run,
	.form = "net:HOST:PORT or net:/SOCKET" };
