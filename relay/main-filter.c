/* mochila-filter - takes messages through chains of filters, for the relay; see relay/filters.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "relay/chain.h"
#include "relay/filters.h"
#include "spool/enclose.h"

enum { QUESTION_MAX = 16 << 20 };

/* The text of the question, and the message's where that is a file. */
static int
answer(int question, int file, const char *folder, struct filtered *filtered)
{
	struct filter_job job = {0};
	struct entry entry = {0};
	struct str text = {0};
	struct content *content = NULL;
	struct err err = {0};
	size_t used = 0;

	str_set(&job.folder, folder);
	int result = lseek(question, 0, SEEK_SET) < 0 ? err_sys(&err, "the question") :
	    fs_read_all(question, QUESTION_MAX, &text, &err);
	if (result == 0)
		result = chain_read(str_span(&text), &job, &entry, &used, &err);
	if (result == 0) {
		struct span rest = span_from(str_span(&text), used), at = rest, word = {0};
		uint64_t offset = 0;
		if (file >= 0) {	/* where in it the message begins */
			span_cut(&at, '\n', &word);
			result = span_number(word, INT64_MAX / 2, &offset) < 0 ? err_set(&err, ERR_TEMP, "no offset") : 0;
		}
		content = result < 0 ? NULL : file >= 0 ? content_map(file, (off_t)offset, entry.body_len, &err) :
		    content_borrow(rest);
	}
	if (content != NULL)
		chain_run(&job, &entry.info, &entry.env, content, filtered);
	else
		*filtered = (struct filtered){ .verdict = FILTERED_LATER, .err = err, .fd = -1 };
	chain_free(&job);
	entry_free(&entry);
	str_free(&text);
	return 0;
}

static int
serve_one(const char *folder, struct err *err)
{
	struct filters_packet packet = {0};
	struct filtered filtered;
	struct str text = {0};
	int got = filters_receive(0, &packet, 0, err);

	if (got <= 0)
		return got;
	answer(packet.fd[0], packet.fd[1], folder, &filtered);
	filtered_write(&filtered, &text);
	int fds[2] = { filtered.fd, -1 };
	got = filters_send(0, packet.number, str_span(&text), fds, err) < 0 ? -1 : 1;
	for (size_t i = 0; i < 2; i++)
		if (packet.fd[i] >= 0)
			close(packet.fd[i]);
	str_free(&text);
	str_free(&packet.text);
	filtered_free(&filtered);
	return got;
}

/* Messages are from strangers; programs that filters name the helper starts, with all their rights. */
static int
serve(const struct settings *settings, const struct settings_args *args, const char *folder, struct err *err)
{
	const struct enclosing mine = { .needs = ENCLOSE_BOXES, .written = folder };
	int got = enclose(settings, args, &mine, err) < 0 ? -1 : 1;

	while (got > 0)
		got = serve_one(folder, err);
	helper_stop();
	return got;
}

int
main(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = {0};
	struct err err = {0};
	const struct opt_row rows[] = { SETTINGS_OPTS(&args), {0} };

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);	/* relay/program.h ends whoever runs on */
	int result = settings_start(&settings, &args, rows, "mochila-filter", "mochila-filter [OPTION ...] FOLDER",
	    "Takes messages through filters for mochila-relay, which starts it.", false, &argc, &argv, &err);
	if (result == 0 && (argc != 1 || argv[0][0] != '/')) {
		err_set(&err, ERR_CONFIG, "one FOLDER, by its whole path; the relay starts it");
		err_as(&err, EX_USAGE, NULL);
	} else if (result == 0) {
		serve(&settings, &args, argv[0], &err);
	}
	settings_free(&settings);
	opt_list_free(&args.set);
	int status = err.kind == ERR_NONE ? 0 : log_failure(&err);
	log_close();
	return status;
}
