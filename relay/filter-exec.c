/*
 * filter-exec - a program, by E-MailRelay's contract.
 *
 *	exec:/usr/bin/filter -v		is called as  /usr/bin/filter -v CONTENT ENVELOPE
 *
 * CONTENT is the message, ENVELOPE what lib/mail/envelope-file.h writes; both lie in a folder
 * of this process's own, and the program may change them.  There is no shell, PATH and IFS
 * are all of its environment, it reads nothing, and what it prints is looked at for <<words>> to
 * the client, or [[words]], and behind them others for the log.  Its exit status decides:
 *
 *			before the 250			on the way out
 *	0, 101		goes on				goes on
 *	1-99		refused				returned
 *	100		gone: the program has it	not now
 *	102		gone, and look for more		goes on; then no more this round
 *	103		goes on, and look for more	goes on
 *	104		refused, and look for more	not now; no more this round
 *	105		refused				returned; no more this round
 *
 * What ended by a signal, too late or otherwise has failed itself, and the message waits.
 */
#include "relay/filter.h"

#include <stdlib.h>

#include "relay/filter-exit.h"
#include "relay/filter-files.h"
#include "relay/program.h"

enum { WORDS_MAX = 100 };

struct work {
	struct filter_files files;
	struct str said;
	int status;
};

static int
exec_check(const char *rest, struct err *err)
{
	return rest[0] == '/' && rest[1] != '\0' && rest[1] != ' ' ? 0 :
	    err_set(err, ERR_CONFIG, "a program is named by its whole path");
}

static int
run_program(struct work *work, const struct str *rest, struct err *err)
{
	const char *argv[WORDS_MAX + 3];
	struct span words = str_span(rest), word;
	struct str root = work->files.job->root;
	char *own[WORDS_MAX];
	size_t count = 0;

	while (count < WORDS_MAX && (word = span_word(&words)).len > 0) {
		own[count] = mem_text_n(word.p, word.len);
		argv[count] = own[count];
		count++;
	}
	argv[count] = str_c(&work->files.content_path);
	argv[count + 1] = str_c(&work->files.envelope_path);
	argv[count + 2] = NULL;
	int result = program_run(argv, str_c(&root), &work->files.job->limits, work->files.job->deadline,
	    &work->said, &work->status, err);
	while (count > 0)
		free(own[--count]);
	return result;
}

static int
exec_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct work work = {0};
	int result = filter_files_put(&work.files, job, letter, err);

	if (result == 0)
		result = run_program(&work, &spec->rest, err);
	if (result == 0) {
		result = filter_exit_means(job, work.status, str_span(&work.said), err);
		letter->gone = result == 0;
	}
	if (result > 0)
		result = filter_files_take(&work.files, err);
	filter_files_free(&work.files);
	str_free(&work.said);
	return result;
}

const struct filter filter_exec = {
	.scheme = "exec:",
	.check = exec_check,
	.run = exec_run,
	.form = "exec:/PROGRAM [ARGUMENT ...]",
};

/* E-MailRelay's name for the same. */
const struct filter filter_file = {
	.scheme = "file:",
	.check = exec_check,
	.run = exec_run,
	.form = "file:/PROGRAM",
};
