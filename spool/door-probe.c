/*
 * mochila doctor --mail: a probe goes the way of all mail, and says what it passed.
 *
 * It asks to be told of success as of failure, and its sender, mochila-probe at our host, is known
 * to the routes: what comes for him is held (spool/route.h).  Meanwhile what our own history says of
 * the probe is printed as it happens; from the answer, the Received fields that each host has left.
 */
#include "spool/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "spool/route.h"

enum { LOOK_EACH = 200, ANSWER_MAX = 256 << 10, LINE_MAX_SHOWN = 300, HISTORY_PIECE = 64 << 10 };

struct probe {
	struct door *door;
	struct str id, line;		/* line: of the history, as far as it is there */
	int history;			/* -1: none yet */
	off_t at;
	bool answered, good;
};

/* ---- Sending ---- */

static void
make_text(const struct probe *probe, const char *to, struct str *text)
{
	const char *host = probe->door->settings.spool.host;
	struct str date = {0};

	date_mail(clock_now(), &date);
	str_printf(text, "Received: from localhost by %s id %.*s; %s\r\n", host, (int)probe->id.len, probe->id.p, str_c(&date));
	str_printf(text, "From: <" ROUTE_PROBE "@%s>\r\nTo: <%s>\r\nDate: %s\r\n", host, to, str_c(&date));
	str_printf(text, "Message-ID: <%.*s@%s>\r\nSubject: A probe of the way of mail\r\n", (int)probe->id.len, probe->id.p, host);
	str_add_text(text, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n\r\n"
	    "Somebody who looks after mail wants to know which way it goes. Nothing is to be done.\r\n");
	str_free(&date);
}

static int
send_probe(struct probe *probe, const char *to, struct err *err)
{
	struct entry_info info = {0};
	struct envelope env = {0};
	struct str text = {0}, from = {0}, args = {0};
	struct settled settled;

	spool_new_id(&probe->id);
	str_set_span(&info.id, str_span(&probe->id));
	str_set(&info.from, "doctor");
	str_printf(&from, ROUTE_PROBE "@%s", probe->door->settings.spool.host);
	str_printf(&args, "RET=HDRS ENVID=%s", str_c(&probe->id));
	envelope_from(&env, str_span(&from), str_span(&args));
	envelope_add(&env, span_of(to), SPAN("NOTIFY=SUCCESS,FAILURE,DELAY"));
	make_text(probe, to, &text);
	int result = arrival_at_once(&probe->door->spool, &info, &env, str_span(&text), err);
	if (result == 0) {
		spool_event(&probe->door->spool, str_c(&probe->id), "event=accepted from=doctor to=<%s>", to);
		struct err ignored = {0};	/* it is taken: routing it is for the next who settles, too */
		spool_settle(&probe->door->spool, &settled, &ignored);
		spool_ring(&probe->door->spool);
	}
	entry_info_free(&info);
	envelope_free(&env);
	str_free(&text);
	str_free(&from);
	str_free(&args);
	return result;
}

/* ---- What happens here ---- */

static int
show_line(struct span line, struct err *err)
{
	struct str out = {0};

	str_add_text(&out, "here:   ");
	door_noted(&out, line, LINE_MAX_SHOWN);
	str_add_char(&out, '\n');
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

/* "2026-11-21T18:45:02Z ID event=..." */
static int
take_line(struct probe *probe, struct err *err)
{
	struct span rest = str_span(&probe->line);
	struct span when = span_word(&rest), id = span_word(&rest);

	/* The end of the line is whole: the id of a part of it is ours with more behind. */
	if (when.len == 0 || id.len < probe->id.len || memcmp(id.p, probe->id.p, probe->id.len) != 0)
		return 0;
	return show_line(str_span(&probe->line), err);
}

static int
open_history(struct probe *probe)
{
	struct err ignored;

	if (probe->history < 0)
		probe->history = history_open(&probe->door->spool, history_node(&probe->door->spool), 0, &ignored);
	return probe->history;
}

static int
read_history(struct probe *probe, struct err *err)
{
	char piece[4096];
	ssize_t got;

	if (open_history(probe) < 0)
		return 0;
	while ((got = fs_pread(probe->history, piece, sizeof piece, probe->at, err)) > 0) {
		probe->at += got;
		for (ssize_t i = 0; i < got; i++) {
			if (piece[i] != '\n') {
				if (probe->line.len < HISTORY_PIECE)
					str_add_char(&probe->line, piece[i]);
				continue;
			}
			if (take_line(probe, err) < 0)
				return -1;
			str_clear(&probe->line);
		}
	}
	return got < 0 ? -1 : 0;
}

/* What was there before is nothing of ours. */
static void
skip_history(struct probe *probe)
{
	struct stat st;

	if (open_history(probe) >= 0 && fstat(probe->history, &st) == 0)
		probe->at = st.st_size;
}

/* ---- The answer ---- */

static void
add_field(struct span line, const char *field, const char *words, struct str *out)
{
	if (!span_begins_case(line, field))
		return;
	str_add_text(out, words);
	door_escape(out, span_trim(span_from(line, strlen(field))), LINE_MAX_SHOWN);
	str_add_char(out, '\n');
}

/* Fields that are folded become one line each, and line ends LF. */
static void
unfold(struct span text, struct str *out)
{
	struct span line;

	while (span_cut(&text, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		bool goes_on = line.len > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
		str_add_char(out, goes_on ? ' ' : '\n');
		str_add_span(out, goes_on ? span_trim(line) : line);
	}
}

/* Received fields stand with the last on top: they are told from the first on. */
static void
add_stations(struct span text, struct str *out)
{
	struct span fields[64], line;
	size_t count = 0;

	while (span_cut(&text, '\n', &line))
		if (span_begins_case(line, "Received:") && count < sizeof fields / sizeof fields[0])
			fields[count++] = span_trim(span_from(line, strlen("Received:")));
	for (size_t i = count; i > 0; i--) {
		str_add_text(out, "passed: ");
		door_escape(out, fields[i - 1], LINE_MAX_SHOWN);
		str_add_char(out, '\n');
	}
}

/* The report's own Received fields come before its first part, those of the probe behind it. */
static struct span
behind_status(struct span text)
{
	static const char mark[] = "message/delivery-status";

	for (size_t i = 0; i + sizeof mark < text.len; i++)
		if (strncasecmp(text.p + i, mark, sizeof mark - 1) == 0)
			return span_from(text, i);
	return text;
}

static int
show_answer(struct probe *probe, struct span text, struct err *err)
{
	struct str out = {0}, unfolded = {0};

	unfold(behind_status(text), &unfolded);
	struct span lines = str_span(&unfolded), line;
	add_stations(lines, &out);
	while (span_cut(&lines, '\n', &line)) {
		if (span_begins_case(line, "Action:")) {
			struct span action = span_trim(span_from(line, strlen("Action:")));
			probe->good = span_begins_case(action, "delivered") || span_begins_case(action, "relayed") ||
			    span_begins_case(action, "expanded");
			probe->answered = probe->answered || probe->good || span_begins_case(action, "failed");
		}
		add_field(line, "Reporting-MTA:", "told by: ", &out);
		add_field(line, "Final-Recipient:", "for:    ", &out);
		add_field(line, "Action:", "answer: ", &out);
		add_field(line, "Status:", "status: ", &out);
		add_field(line, "Remote-MTA:", "it asked: ", &out);
		add_field(line, "Diagnostic-Code:", "and heard: ", &out);
	}
	int result = door_print(&out, err);
	str_free(&out);
	str_free(&unfolded);
	return result;
}

static bool
names_probe(const struct probe *probe, struct span text)
{
	for (size_t i = 0; i + probe->id.len <= text.len; i++)
		if (memcmp(text.p + i, probe->id.p, probe->id.len) == 0)
			return true;
	return false;
}

static bool
is_for_probe(const struct door_message *message)
{
	const struct envelope *env = &message->entry.env;

	for (size_t i = 0; i < env->rcpts; i++)
		if (span_begins_case(str_span(&env->rcpt[i].to), ROUTE_PROBE "@"))
			return true;
	return false;
}

/* What is held of our day, is for the probe's sender, and names the probe. */
static int
look_at(void *of, const struct door_file *file, struct err *err)
{
	struct probe *probe = of;
	struct door_message message;
	struct str text = {0};
	bool ours = false;

	if (spool_id_time(file->name) < spool_id_time(str_c(&probe->id)) ||
	    door_load(&probe->door->spool, file, &message, err) <= 0)
		return 0;
	if (!message.damaged && is_for_probe(&message)) {
		size_t want = message.entry.body_len < ANSWER_MAX ? (size_t)message.entry.body_len : ANSWER_MAX;
		ssize_t got = fs_pread(message.fd, str_room(&text, want), want, message.entry.body_at, err);
		text.len += got > 0 ? (size_t)got : 0;
		ours = names_probe(probe, str_span(&text));
	}
	door_message_free(&message);
	int result = ours ? show_answer(probe, str_span(&text), err) : 0;
	if (ours && result == 0)
		result = fs_remove(file->dir, file->name, err);
	str_free(&text);
	return result < 0 ? -1 : probe->answered;
}

static int
wait_for_answer(struct probe *probe, int64_t seconds, struct err *err)
{
	int64_t until = clock_mono() + seconds * CLOCK_SECOND;

	do {
		struct settled settled;
		struct err ignored = {0};
		/* Where no daemon runs, what a call has brought is settled by us. */
		spool_settle(&probe->door->spool, &settled, &ignored);
		if (read_history(probe, err) < 0 || door_walk(&probe->door->spool, 1u << DOOR_HELD, NULL, look_at, probe, err) < 0)
			return -1;
		if (!probe->answered)
			nanosleep(&(struct timespec){ .tv_nsec = LOOK_EACH * 1000000L }, NULL);
	} while (!probe->answered && clock_mono() < until);
	return 0;
}

static int
verdict(const struct probe *probe, struct err *err)
{
	if (probe->answered && probe->good)
		return 0;
	if (probe->answered) {
		err_set(err, ERR_PERM, "the probe did not arrive");
		return err_as(err, EXIT_FAILURE, NULL);
	}
	return err_set(err, ERR_TEMP, "no answer yet: \"mochila show %.*s\" says where the probe is, and an answer will be held",
	    (int)probe->id.len, probe->id.p);
}

int
door_probe(struct door *door, const char *to, const char *wait, struct err *err)
{
	struct probe probe = { .door = door, .history = -1 };
	int64_t seconds;

	if (conf_seconds.set(&seconds, wait) < 0) {
		err_set(err, ERR_CONFIG, "--wait %.40s: want %s", wait, conf_seconds.what);
		return err_as(err, EX_USAGE, NULL);
	}
	if (address_check(span_of(to), 0, err) < 0)
		return err_as(err, EX_USAGE, NULL);
	skip_history(&probe);
	int result = send_probe(&probe, to, err);
	if (result == 0)
		result = wait_for_answer(&probe, seconds, err);
	if (result == 0)
		result = verdict(&probe, err);
	if (probe.history >= 0)
		close(probe.history);
	str_free(&probe.id);
	str_free(&probe.line);
	return result;
}
