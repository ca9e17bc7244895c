/*
 * The session: who may ask, what is asked, what is answered.
 *
 *	master				slave
 *	E D.x D.x uucp -C ... rgsmtp	EY [0xOFFSET] | EN2 EN4 EN6 EN7 EN8
 *	(the file)			CY | CN5
 *	R ~/x ...			RY 0666 0xSIZE, the file | RN2 RN6
 *	CY | CN5
 *	H				HN, and the roles swap | HY
 *	HY				HY
 */
#include "uucico-ssh/proto.h"

#include <string.h>

#include "uucico-ssh/command.h"

enum { CHUNK = 16384 };

static void
say_line(struct uucp *u, unsigned slot, bool answer, struct span line)
{
	shown_line(&u->config.shown, true, line);
	u->proto->command(u, slot, answer, line);
}

static void
say(struct uucp *u, unsigned slot, bool answer, const char *text)
{
	say_line(u, slot, answer, span_of(text));
}

/* --- our jobs --- */

static int
give_back(struct uucp *u, unsigned slot, enum uucp_fate fate, const char *why)
{
	struct uucp_job job = u->sending[slot].job;
	struct err err = {0};

	u->sending[slot].job = (struct uucp_job){0};
	u->sending[slot].state = UUCP_FREE;
	u->sending[slot].answered = false;
	if (fate == UUCP_DELIVERED) {
		u->jobs_out++;
		u->idle_turns = 0;
	}
	int result = u->hooks->sent(u->arg, &job, fate, why, &err);
	command_free(&job);
	if (result < 0)
		uucp_stop(u, &err);
	return result;
}

/* Why this call does not take it, or NULL. */
static const char *
unwanted(const struct uucp *u, const struct uucp_job *job)
{
	if (job->size > u->max_size)
		return "larger than the far end takes in this call";
	if (u->grade != 0 && job->grade > u->grade)
		return "of a grade that this call does not move";
	return NULL;
}

/* The next job into a free slot: 1, or 0 when there is none. */
static int
fetch(struct uucp *u, unsigned slot)
{
	for (;;) {
		struct uucp_job job = {0};
		struct err err = {0};
		int got = u->hooks->next(u->arg, &job, &err);
		if (got <= 0) {
			command_free(&job);
			if (got < 0)
				uucp_stop(u, &err);
			return got;
		}
		u->sending[slot].job = job;
		u->sending[slot].state = UUCP_ASKED;
		const char *why = unwanted(u, &job);
		if (why == NULL)
			return 1;
		if (give_back(u, slot, UUCP_LATER, why) < 0)
			return -1;
	}
}

static void
begin_data(struct uucp *u, unsigned slot, uint64_t at)
{
	struct uucp_job *job = &u->sending[slot].job;

	job->at = at;
	u->sending[slot].state = UUCP_DATA;
	if (u->proto->send != NULL)
		u->proto->send(u, slot, at, job->size - at);
}

static void
ask(struct uucp *u, unsigned slot)
{
	struct str line = {0};

	command_print(&u->sending[slot].job, u->features, u->decimal, &line);
	say_line(u, slot, false, str_span(&line));
	str_free(&line);
	if (u->proto->early && !u->sending[slot].job.tried && u->sending[slot].job.kind != 'R')
		begin_data(u, slot, 0);
}

static bool
sends(const struct uucp *u)
{
	for (unsigned slot = 0; slot < UUCP_SENDING; slot++)
		if (u->sending[slot].state != UUCP_FREE)
			return true;
	return false;
}

static bool
receives(const struct uucp *u)
{
	for (unsigned slot = 0; slot < UUCP_SENDING; slot++)
		if (u->receiving[slot].active || (slot >= UUCP_SLOTS && u->receiving[slot].refused))
			return true;
	return false;
}

/* A slot for one job more; -1 while there is none, or a file is under way. */
static int
free_slot(const struct uucp *u)
{
	int found = -1;

	for (unsigned slot = UUCP_SENDING; slot-- > 0;) {
		if (u->sending[slot].state == UUCP_DATA)
			return -1;
		if (slot < u->slots && u->sending[slot].state == UUCP_FREE)
			found = (int)slot;
	}
	return found;
}

/* Asks for one thing more; false when there is nothing to ask now. */
static bool
ask_more(struct uucp *u)
{
	if ((!u->master && !u->proto->duplex) || u->asked_end || u->said_hy || free_slot(u) < 0)
		return false;
	unsigned slot = (unsigned)free_slot(u);
	int got = u->want_turn ? 0 : fetch(u, slot);
	if (got > 0)
		ask(u, slot);
	if (got != 0)
		return got > 0;
	if (!u->master || sends(u) || receives(u))
		return false;
	say(u, 0, false, "H");
	u->asked_end = true;
	u->want_turn = false;
	return false;
}

static bool
move_data(struct uucp *u, unsigned slot)
{
	struct uucp_job *job = &u->sending[slot].job;
	uint64_t left = job->size - job->at;
	size_t len = left < CHUNK ? (size_t)left : CHUNK;
	char bytes[CHUNK];
	struct err err = {0};

	if (u->sending[slot].state != UUCP_DATA)
		return false;
	if (left == 0) {
		if (u->proto->sent != NULL)
			u->proto->sent(u, slot);
		u->sending[slot].state = UUCP_AWAIT_CY;
		return true;
	}
	if (u->proto->room != NULL && u->proto->room(u) < len)
		len = u->proto->room(u);
	if (len == 0)
		return false;
	if (u->hooks->read(u->arg, job, bytes, len, &err) < 0) {
		uucp_stop(u, &err);
		return false;
	}
	u->proto->data(u, slot, bytes, len);
	job->at += len;
	u->bytes_out += len;
	return true;
}

static bool
move_any(struct uucp *u)
{
	for (unsigned slot = 0; slot < UUCP_SENDING; slot++)
		if (move_data(u, slot))
			return true;
	return false;
}

void
session_fill(struct uucp *u)
{
	if (u->proto->ready != NULL && !u->proto->ready(u))
		return;
	while (u->phase == UUCP_TALK && u->out.len < UUCP_OUT_MAX && (move_any(u) || ask_more(u)))
		;
}

/* --- answers to us --- */

static bool
asked(const struct uucp *u, unsigned slot, char kind)
{
	return u->sending[slot].state != UUCP_FREE && u->sending[slot].job.kind == kind;
}

static int
answer_yes(struct uucp *u, unsigned slot, struct span line)
{
	uint64_t at = 0;
	struct span word = span_from(line, 2);

	if (!asked(u, slot, line.p[0]))
		return uucp_wrong(u, "a yes to nothing");
	word = span_word(&word);
	if (word.len > 0 && (u->features & UUCP_RESTART) != 0 && command_number(word, &at) < 0)
		return uucp_wrong(u, "a yes with an offset that is no number");
	struct uucp_job *job = &u->sending[slot].job;
	if (at > job->size)
		return uucp_wrong(u, "it wants byte %llu of a file of %llu", (unsigned long long)at,
		    (unsigned long long)job->size);
	if (u->sending[slot].answered)
		return uucp_wrong(u, "a second yes");
	u->sending[slot].answered = true;
	if (u->sending[slot].state == UUCP_ASKED ||
	    (u->sending[slot].state == UUCP_DATA && at > job->at))	/* one passed already is no error */
		begin_data(u, slot, at);
	return 0;
}

static const struct {
	const char *code;
	enum uucp_fate fate;
	const char *why;
} noes[] = {
	{ "2", UUCP_REFUSED, "not permitted there (answer 2)" },
	{ "4", UUCP_LATER, "it cannot make a temporary file now (answer 4)" },
	{ "6", UUCP_LATER, "too large for it now (answer 6)" },
	{ "7", UUCP_REFUSED, "too large for it ever (answer 7)" },
	{ "8", UUCP_DELIVERED, "received in an earlier call (answer 8)" },
	{ "9", UUCP_LATER, "no channel free (answer 9)" },
	{ "10", UUCP_REFUSED, "too large for it (answer 10)" },
	{ NULL, UUCP_LATER, "refused with a code we do not know" },
};

static int
answer_no(struct uucp *u, unsigned slot, struct span line)
{
	struct span code = span_from(line, 2);
	size_t i = 0;

	if (!asked(u, slot, line.p[0]) || u->sending[slot].answered)
		return uucp_wrong(u, "a no to nothing");
	if (u->proto->early && u->sending[slot].state != UUCP_AWAIT_CY && line.p[0] != 'R')
		u->proto->sent(u, slot);
	while (noes[i].code != NULL && !span_is(code, noes[i].code))
		i++;
	return give_back(u, slot, noes[i].fate, noes[i].why);
}

/* Which file a CY or CN is about: of ours, or one that they asked for. */
static unsigned
spoken_of(const struct uucp *u, unsigned slot, bool theirs)
{
	bool asked_for = u->proto->duplex ? theirs : u->sending[UUCP_SLOTS].state != UUCP_FREE;
	return asked_for ? UUCP_SLOTS + slot : slot;
}

static int
answer_stored(struct uucp *u, unsigned slot, struct span line)
{
	if (u->sending[slot].state != UUCP_AWAIT_CY || !u->sending[slot].answered)
		return uucp_wrong(u, "a file acknowledged that was not sent");
	if (span_is(line, "CYM"))
		u->want_turn = true;
	return give_back(u, slot, UUCP_DELIVERED, "stored");
}

static int
answer_not_stored(struct uucp *u, unsigned slot, struct span line)
{
	if (u->sending[slot].state != UUCP_AWAIT_CY || !u->sending[slot].answered)
		return uucp_wrong(u, "a file given up that was not sent");
	if (span_is(line, "CN5"))
		return give_back(u, slot, UUCP_REFUSED, "it could not put the file into its place (CN5)");
	return give_back(u, slot, UUCP_LATER, "not stored, with a code we do not know");
}

/* "RY MODE [SIZE]": what we asked for comes, and on which slot we know.  When we cannot take it
 * after all it is passed over: there is no word to stop it. */
static int
answer_given(struct uucp *u, unsigned slot, struct span line)
{
	struct span words = span_from(line, 2), mode, size;
	const struct uucp_job *asked_for = &u->sending[slot].job;
	struct uucp_job *job = &u->receiving[UUCP_SLOTS + slot].job;

	if (!asked(u, slot, 'R') || u->sending[slot].answered)
		return uucp_wrong(u, "a file that nobody asked for");
	mode = span_word(&words);
	size = span_word(&words);
	*job = (struct uucp_job){ .kind = 'R', .size = UUCP_SIZE_UNKNOWN, .mode = 0666 };
	if (mode.len == 0 || ((u->features & UUCP_SIZES) != 0 && size.len > 0 && command_number(size, &job->size) < 0))
		return uucp_wrong(u, "a file without a mode, or whose size is no number");
	str_add_span(&job->from, str_span(&asked_for->from));
	str_add_span(&job->to, str_span(&asked_for->to));
	str_add_span(&job->user, str_span(&asked_for->user));
	str_add_span(&job->options, str_span(&asked_for->options));
	str_add_span(&job->temp, str_span(&asked_for->temp));
	u->sending[slot].answered = true;
	enum uucp_answer answer = u->hooks->offered(u->arg, job);
	u->receiving[UUCP_SLOTS + slot].active = answer == UUCP_YES;
	u->receiving[UUCP_SLOTS + slot].refused = answer != UUCP_YES;
	u->receiving[UUCP_SLOTS + slot].why = answer;
	if (answer != UUCP_YES)
		command_free(job);
	if (u->proto->receive != NULL)
		u->proto->receive(u, slot);
	return 0;
}

/* It is whole: we, who asked, say what became of it, and it is a job of ours that is done. */
static int
asked_for_came(struct uucp *u, unsigned slot, bool stored, enum uucp_fate fate, const char *why)
{
	say(u, slot, false, stored ? "CY" : "CN5");
	u->jobs_in += stored;
	u->progress = u->now;
	return give_back(u, slot, fate, why);
}

/* HY answers our H, or ends the exchange in which we said HY. */
static int
answer_end(struct uucp *u, unsigned slot, struct span line)
{
	(void)line;
	if (!u->asked_end && !u->said_hy)
		return uucp_wrong(u, "HY where nobody wants to hang up");
	say(u, slot, true, "HY");
	farewell(u);
	return 0;
}

static int
answer_turn(struct uucp *u, unsigned slot, struct span line)
{
	(void)slot;
	(void)line;
	if (!u->asked_end)
		return uucp_wrong(u, "HN where nobody wants to hang up");
	if (++u->idle_turns > UUCP_IDLE_TURNS)
		return uucp_wrong(u, "the line turned round %d times with nothing done", UUCP_IDLE_TURNS);
	u->asked_end = u->master = false;
	return 0;
}

/* --- their jobs --- */

static int
refuse(struct uucp *u, unsigned slot, char kind, enum uucp_answer answer)
{
	char text[] = "?N?";

	text[0] = kind;
	text[2] = (char)('0' + answer);
	u->receiving[slot].refused = u->proto->early && strchr("SE", kind) != NULL;
	say(u, slot, true, kind == 'X' ? "XN" : text);
	if (++u->refusals > UUCP_REFUSALS_MAX)
		return uucp_wrong(u, "more than %d things refused in one call", UUCP_REFUSALS_MAX);
	return 0;
}

/* Before anybody is asked: C. is never taken, and E is for data (uucp-wire, commands). */
static bool
admissible(const struct uucp_job *job)
{
	struct span to = str_span(&job->to);

	return job->kind == 'E' ? span_begins(to, "D.") : !span_begins(to, "C.");
}

static int
accept_job(struct uucp *u, unsigned slot)
{
	struct uucp_job *job = &u->receiving[slot].job;
	char text[32] = "?Y";

	text[0] = job->kind;
	u->receiving[slot].active = true;
	struct str answer = {0};
	str_add_text(&answer, text);
	if (job->at > 0)
		str_printf(&answer, " 0x%llx", (unsigned long long)job->at);
	say(u, slot, true, str_c(&answer));
	str_free(&answer);
	if (u->proto->receive != NULL)
		u->proto->receive(u, slot);
	return 0;
}

static int
command_offer(struct uucp *u, unsigned slot, struct span line)
{
	struct uucp_job *job = &u->receiving[slot].job;
	enum uucp_answer answer = UUCP_DENIED;

	if (u->receiving[slot].active)
		return uucp_wrong(u, "a file offered inside another");
	if (command_parse(line, u->features, job) == 0 && admissible(job) &&
	    (job->kind != 'E' || (u->features & UUCP_EXEC) != 0))
		answer = u->hooks->offered(u->arg, job);
	if (answer == UUCP_YES)
		return accept_job(u, slot);
	command_free(job);
	return refuse(u, slot, line.p[0], answer);
}

/* --- what they ask for --- */

static void
give(struct uucp *u, unsigned slot, const struct uucp_job *job)
{
	struct str answer = {0};

	str_printf(&answer, "RY 0%03o", job->mode);
	if ((u->features & UUCP_SIZES) != 0)
		str_printf(&answer, u->decimal ? " %llu" : " 0x%llx", (unsigned long long)job->size);
	say(u, slot, true, str_c(&answer));
	str_free(&answer);
	u->sending[UUCP_SLOTS + slot].job = *job;
	u->sending[UUCP_SLOTS + slot].answered = true;
	begin_data(u, UUCP_SLOTS + slot, 0);
}

static int
command_request(struct uucp *u, unsigned slot, struct span line)
{
	struct uucp_job job;
	enum uucp_answer answer = UUCP_DENIED;

	if (u->sending[UUCP_SLOTS + slot].state != UUCP_FREE || uucp_awaits_file(u, slot))
		return uucp_wrong(u, "a file asked for inside another");
	if (command_parse(line, u->features, &job) == 0 && u->hooks->requested != NULL)
		answer = u->hooks->requested(u->arg, &job);
	if (answer == UUCP_YES) {
		give(u, slot, &job);
		return 0;
	}
	command_free(&job);
	return refuse(u, slot, 'R', answer);
}

/* X: requests with patterns, or to be passed on to another site. */
static int
command_forward(struct uucp *u, unsigned slot, struct span line)
{
	return refuse(u, slot, line.p[0], UUCP_DENIED);
}

static int
command_end(struct uucp *u, unsigned slot, struct span line)
{
	(void)line;
	if (u->said_hy)
		return uucp_wrong(u, "H behind our HY");
	if (receives(u))
		return uucp_wrong(u, "H in the middle of a file");
	bool busy = sends(u);
	int got = busy ? 1 : fetch(u, 0);
	if (got < 0)
		return -1;
	if (got == 0) {
		say(u, slot, true, "HY");
		u->said_hy = true;
		return 0;
	}
	say(u, slot, true, "HN");
	u->master = true;
	if (!busy)
		ask(u, 0);
	return 0;
}

/* Where there is one slot and one direction at a time, what comes is what we asked for. */
static unsigned
coming(const struct uucp *u, unsigned slot)
{
	unsigned ours = UUCP_SLOTS + slot;
	bool is_ours = slot < UUCP_SLOTS && !u->proto->duplex &&
	    (u->receiving[ours].active || u->receiving[ours].refused);

	return is_ours ? ours : slot;
}

bool
uucp_awaits_file(const struct uucp *u, unsigned slot)
{
	slot = coming(u, slot);
	return u->receiving[slot].active || u->receiving[slot].refused;
}

int
uucp_got_size(struct uucp *u, unsigned slot, uint64_t left)
{
	slot = coming(u, slot);
	struct uucp_job *job = &u->receiving[slot].job;

	if (u->receiving[slot].refused)
		return 0;
	if (job->size == UUCP_SIZE_UNKNOWN)
		job->size = job->at + left;
	if (job->size - job->at == left)
		return 0;
	return uucp_wrong(u, "a file of %llu bytes was announced and another size comes",
	    (unsigned long long)job->size);
}

int
uucp_got_data(struct uucp *u, unsigned slot, const void *bytes, size_t len)
{
	slot = coming(u, slot);
	struct uucp_job *job = &u->receiving[slot].job;
	struct err err = {0};

	if (u->receiving[slot].refused)
		return 0;
	if (!u->receiving[slot].active)
		return uucp_wrong(u, "data of no file");
	if (len > job->size - job->at)
		return uucp_wrong(u, "more data than the file has");
	if (u->hooks->write(u->arg, job, bytes, len, &err) < 0) {
		uucp_stop(u, &err);
		return -1;
	}
	job->at += len;
	u->bytes_in += len;
	u->progress = u->now;
	return 0;
}

int
uucp_got_data_at(struct uucp *u, unsigned slot, uint32_t at, struct span bytes)
{
	uint64_t have = u->receiving[slot].job.at;
	uint32_t behind = (uint32_t)have - at;	/* huge when it is ahead */

	if (u->receiving[slot].refused)
		return 0;
	if (behind > have)
		return uucp_wrong(u, "data with a hole before it");
	if (behind >= bytes.len)
		return 0;	/* sent before it had our offset */
	bytes = span_from(bytes, behind);
	return uucp_got_data(u, slot, bytes.p, bytes.len);
}

int
uucp_got_end(struct uucp *u, unsigned slot)
{
	slot = coming(u, slot);
	bool ours = slot >= UUCP_SLOTS;

	if (u->receiving[slot].refused) {
		u->receiving[slot].refused = false;
		bool never = u->receiving[slot].why == UUCP_DENIED || u->receiving[slot].why == UUCP_TOO_LARGE;
		return !ours ? 0 : asked_for_came(u, slot - UUCP_SLOTS, false, never ? UUCP_REFUSED : UUCP_LATER,
		    never ? "it may not be put there, or is too large" : "it cannot be put there now");
	}
	struct uucp_job job = u->receiving[slot].job;
	struct err err = {0};

	if (!u->receiving[slot].active)
		return uucp_wrong(u, "the end of no file");
	if (job.size != UUCP_SIZE_UNKNOWN && job.at != job.size)
		return uucp_wrong(u, "a file ended before its size");
	u->receiving[slot].active = false;
	u->receiving[slot].job = (struct uucp_job){0};
	int result = u->hooks->stored(u->arg, &job, &err);
	command_free(&job);
	u->progress = u->now;
	if (result < 0 && err.kind != ERR_PERM) {
		uucp_stop(u, &err);
		return -1;
	}
	if (ours)
		return asked_for_came(u, slot - UUCP_SLOTS, result == 0, result == 0 ? UUCP_DELIVERED : UUCP_REFUSED,
		    result == 0 ? "it is here" : "it could not be put into its place");
	u->jobs_in += result == 0;
	u->idle_turns = 0;
	say(u, slot, true, result == 0 ? "CY" : "CN5");
	return 0;
}

int
uucp_got_close(struct uucp *u)
{
	if (!u->said_hy)
		return uucp_fail(u, ERR_TEMP, "the far end left the protocol in the middle of the call");
	farewell(u);	/* without their last HY, which nothing depends on */
	return 0;
}

/* The words behind a conversation, in the middle of it: the other end gave up, perhaps
 * because it saw the line drop before we did. */
static int
hung_up(struct uucp *u, unsigned slot, struct span line)
{
	(void)slot;
	(void)line;
	return uucp_fail(u, ERR_TEMP, "the far end hung up in the middle of the call");
}

/* --- commands and answers --- */

enum speaker { SLAVE = 1, MASTER = 2, ANYONE = SLAVE | MASTER };

static const struct {
	const char *word;
	bool whole;			/* nothing may follow */
	enum speaker by;		/* what the other end must be */
	int (*heard)(struct uucp *u, unsigned slot, struct span line);
} verbs[] = {
	{ "SY", false, SLAVE, answer_yes },
	{ "EY", false, SLAVE, answer_yes },
	{ "RY", false, SLAVE, answer_given },
	{ "SN", false, SLAVE, answer_no },
	{ "RN", false, SLAVE, answer_no },
	{ "EN", false, SLAVE, answer_no },
	{ "CY", false, ANYONE, answer_stored },	/* the master's for what it asked for */
	{ "CN", false, ANYONE, answer_not_stored },
	{ "HY", true, ANYONE, answer_end },
	{ "HN", true, SLAVE, answer_turn },
	{ "S ", false, MASTER, command_offer },
	{ "E ", false, MASTER, command_offer },
	{ "R ", false, MASTER, command_request },
	{ "X ", false, MASTER, command_forward },
	{ "H", true, MASTER, command_end },
	{ "\020O", false, ANYONE, hung_up },
};

int
uucp_got_command(struct uucp *u, unsigned slot, struct span text)
{
	enum speaker they = u->proto->duplex ? ANYONE : u->master ? SLAVE : MASTER;
	bool theirs = slot >= UUCP_SLOTS;

	u->progress = u->now;
	shown_line(&u->config.shown, false, text);
	slot %= UUCP_SLOTS;
	if (span_begins(text, "C"))
		slot = spoken_of(u, slot, theirs);
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
		if (!span_begins(text, verbs[i].word) ||
		    (verbs[i].whole && text.len != strlen(verbs[i].word)))
			continue;
		if ((verbs[i].by & they) == 0)
			return uucp_wrong(u, "%s out of turn", verbs[i].word);
		return verbs[i].heard(u, slot, text);
	}
	return uucp_wrong(u, "a command we do not know");
}

int
uucp_got_text(struct uucp *u, unsigned slot, struct str *line, struct span bytes)
{
	const char *end = memchr(bytes.p, '\0', bytes.len);

	str_add(line, bytes.p, end != NULL ? (size_t)(end - bytes.p) : bytes.len);
	if (line->len > UUCP_LINE_MAX)
		return uucp_wrong(u, "a command of more than %d bytes", UUCP_LINE_MAX);
	if (end == NULL)
		return 0;
	struct str whole = *line;
	*line = (struct str){0};
	int result = uucp_got_command(u, slot, str_span(&whole));
	str_free(&whole);
	return result;
}

void
session_eof(struct uucp *u)
{
	if (!u->said_hy)	/* after a HY some just leave */
		uucp_fail(u, ERR_TEMP, "the line dropped in the middle of the call");
}

void
session_end(struct uucp *u)
{
	for (unsigned slot = 0; slot < UUCP_SENDING; slot++)
		if (u->sending[slot].state != UUCP_FREE)
			give_back(u, slot, UUCP_LATER, "the call ended before it was stored");
	for (unsigned slot = 0; slot < UUCP_SENDING; slot++) {
		if (u->receiving[slot].active) {
			u->receiving[slot].active = false;
			u->hooks->dropped(u->arg, &u->receiving[slot].job);
			command_free(&u->receiving[slot].job);
		}
	}
}
