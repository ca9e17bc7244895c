#include "spool/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"

enum { CHUNK = 16384, WALK = 128 << 10, SUM_HEX = 16 };

#define VERSION_WORDS "NOOP mochila=1"
_Static_assert(ENTRY_VERSION == 1, "VERSION_WORDS say it");

/* writing */

void
entry_info_free(struct entry_info *info)
{
	str_free(&info->id);
	str_free(&info->from);
	str_free(&info->client);
	str_free(&info->peer);
	str_free(&info->peer_id);
	str_free(&info->to);
}

void
entry_info_copy(struct entry_info *to, const struct entry_info *from)
{
	str_set_span(&to->id, str_span(&from->id));
	str_set_span(&to->from, str_span(&from->from));
	str_set_span(&to->client, str_span(&from->client));
	str_set_span(&to->peer, str_span(&from->peer));
	str_set_span(&to->peer_id, str_span(&from->peer_id));
	str_set_span(&to->to, str_span(&from->to));
	to->time = from->time;
	to->grade = from->grade;
	to->aliased = from->aliased;
}

static bool
fits_a_word(char c)
{
	return c > ' ' && c < 0x7f && c != '"';
}

/* A word's value: no blank, no quote, no control can be in it. */
static void
add_word(struct str *out, const char *name, const struct str *value)
{
	if (value->len == 0)
		return;
	str_add_text(out, name);
	char *to = str_room(out, value->len);
	for (size_t i = 0; i < value->len; i++)
		to[i] = fits_a_word(value->p[i]) ? value->p[i] : '?';
	out->len += value->len;
}

/* The line is as long whatever the length is: written first, and once more when that is known. */
static void
add_length(uint64_t body_len, struct str *out)
{
	enum { DIGITS = 10 };
	char text[] = "BDAT 0000000000 LAST\n";

	if (body_len / 1000000000 >= 10) {
		str_printf(out, "BDAT %llu LAST\n", (unsigned long long)body_len);
		return;
	}
	for (char *to = text + strlen("BDAT ") + DIGITS; body_len > 0; body_len /= 10)
		*--to = (char)('0' + body_len % 10);
	str_add(out, text, sizeof text - 1);
}

void
entry_head(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
    struct str *out)
{
	str_add_text(out, VERSION_WORDS);
	add_word(out, " id=", &info->id);
	str_add_text(out, " time=");
	clock_utc(info->time, out);
	add_word(out, " from=", &info->from);
	add_word(out, " client=", &info->client);
	add_word(out, " peer=", &info->peer);
	add_word(out, " peer-id=", &info->peer_id);
	add_word(out, " to=", &info->to);
	if (info->aliased)
		str_add_text(out, " aliased=yes");
	if (info->grade != 0 && info->grade != 'N')
		str_printf(out, " grade=%c", info->grade);
	str_add_char(out, '\n');
	envelope_mail_line(env, out);
	str_add_char(out, '\n');
	for (size_t i = 0; i < env->rcpts; i++) {
		envelope_rcpt_line(&env->rcpt[i], out);
		str_add_char(out, '\n');
	}
	add_length(body_len, out);
}

static void
add_sum(struct span bytes, const unsigned char *before, size_t before_len, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, before, before_len);
	digest_add(&digest, bytes.p, bytes.len);
	digest_end(&digest, sum);
	digest_hex(sum, SUM_HEX / 2, out);
}

void
entry_end_line(struct span head, const unsigned char body_digest[DIGEST_SIZE], struct str *out)
{
	str_add_text(out, "NOOP end sum=");
	add_sum(head, body_digest, DIGEST_SIZE, out);
	str_add_char(out, '\n');
}

void
entry_state_line(int64_t at, const char *rcpts, const char *event, const char *word,
    struct span text, struct str *out)
{
	size_t start = out->len;

	str_add_text(out, "NOOP at=");
	clock_utc(at, out);
	if (rcpts != NULL)
		str_printf(out, " rcpt=%s", rcpts);
	str_printf(out, " %s", event);
	if (word != NULL) {
		struct str plain = {0};
		log_escape(&plain, text, 1024);
		str_printf(out, " %s=\"", word);
		for (size_t i = 0; i < plain.len; i++)
			str_add_char(out, plain.p[i] == '"' ? '\'' : plain.p[i]);
		str_add_char(out, '"');
		str_free(&plain);
	}
	struct str sum = {0};
	add_sum((struct span){ out->p + start, out->len - start }, NULL, 0, &sum);
	str_printf(out, " sum=%s\n", str_c(&sum));
	str_free(&sum);
}

/* The address ends at the first '>' outside quotes. */
static size_t
address_end(struct span text)
{
	bool quoted = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] == '\\' && quoted)
			i++;
		else if (text.p[i] == '"')
			quoted = !quoted;
		else if (text.p[i] == '>' && !quoted)
			return i;
	}
	return text.len;
}

static bool
fits_a_line(struct span text, bool address)
{
	if (text.len > ENTRY_LINE_MAX / 4 || (address && address_end(text) != text.len))
		return false;
	bool quoted = false;
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
		if (address && text.p[i] == '\\' && quoted)
			i++;
		else if (address && text.p[i] == '"')
			quoted = !quoted;
	}
	return !quoted;
}

int
entry_check_envelope(const struct envelope *env, struct err *err)
{
	bool fits = fits_a_line(str_span(&env->from), true) && fits_a_line(str_span(&env->args), false);

	for (size_t i = 0; fits && i < env->rcpts; i++)
		fits = fits_a_line(str_span(&env->rcpt[i].to), true) &&
		    fits_a_line(str_span(&env->rcpt[i].args), false);
	if (fits)
		return 0;
	err_set(err, ERR_PERM, "an address or parameter that no mail can have");
	return err_as(err, EX_DATAERR, "5.1.3");
}

/* reading: most messages are read at once, head, body, end line and states */

static int
read_more(struct entry_reader *r, struct err *err)
{
	size_t want = r->walks ? WALK : CHUNK;
	ssize_t got = fs_pread(r->fd, str_room(&r->text, want), want, r->at + (off_t)r->text.len, err);

	if (got < 0)
		return -1;
	r->text.len += (size_t)got;
	r->at_end = (size_t)got < want;
	return 0;
}

/* The next line without its LF; 1, 0 at the end of the file (a piece without LF is
 * not a line), -1. */
static int
next_line(struct entry_reader *r, struct span *line, struct err *err)
{
	size_t searched = 0;

	for (;;) {
		struct span rest = span_from(str_span(&r->text), r->used);
		const char *end = rest.len > searched ?
		    memchr(rest.p + searched, '\n', rest.len - searched) : NULL;
		if (end != NULL) {
			*line = span_to(rest, (size_t)(end - rest.p));
			r->used += line->len + 1;
			return 1;
		}
		searched = rest.len;
		if (rest.len > ENTRY_LINE_MAX)
			return err_set(err, ERR_PERM, "a line of more than %d bytes", ENTRY_LINE_MAX);
		if (r->at_end)
			return 0;
		if (read_more(r, err) < 0)
			return -1;
	}
}

/* Goes on at an offset that is not before the first byte of text. */
static void
reader_seek(struct entry_reader *r, off_t to)
{
	if (to <= r->at + (off_t)r->text.len) {
		r->used = (size_t)(to - r->at);
		return;
	}
	str_clear(&r->text);
	r->at = to;
	r->start = r->used = 0;
	r->at_end = false;
}

/* What was given out is done with. */
static void
reader_cut(struct entry_reader *r)
{
	str_cut(&r->text, r->used);
	r->at += (off_t)r->used;
	r->start = r->used = 0;
}

/* All of a body in memory, for who wants it there. */
static int
reader_hold(struct entry_reader *r, uint64_t len, struct err *err)
{
	while (r->walks && len <= ENTRY_AT_ONCE && r->text.len - r->used < len && !r->at_end)
		if (read_more(r, err) < 0)
			return -1;
	return 0;
}

static off_t
reader_at(const struct entry_reader *r)
{
	return r->at + (off_t)r->used;
}

static bool
word_value(struct span line, const char *name, struct span *value)
{
	struct span word;

	while ((word = span_word(&line)).len > 0) {
		if (span_begins(word, name) && word.len > strlen(name) && word.p[strlen(name)] == '=') {
			*value = span_from(word, strlen(name) + 1);
			return true;
		}
	}
	return false;
}

/* Of words with one name the first counts. */
static void
take_words(struct span line, struct entry_info *info, struct span *aliased, struct span *grade, struct span *time)
{
	struct { const char *name; struct str *to; struct span value; } words[] = {
		{ "id", &info->id, {0} }, { "from", &info->from, {0} }, { "client", &info->client, {0} },
		{ "peer", &info->peer, {0} }, { "peer-id", &info->peer_id, {0} }, { "to", &info->to, {0} },
		{ "aliased", NULL, {0} }, { "grade", NULL, {0} }, { "time", NULL, {0} },
	};
	enum { WORDS = sizeof words / sizeof words[0] };
	struct span word, name;

	while ((word = span_word(&line)).len > 0) {
		struct span value = word;
		size_t i = 0;
		span_cut(&value, '=', &name);
		while (i < WORDS && !span_is(name, words[i].name))
			i++;
		if (i < WORDS && words[i].value.p == NULL && name.len < word.len)
			words[i].value = value;
	}
	for (size_t i = 0; i < WORDS && words[i].to != NULL; i++)
		str_set_span(words[i].to, words[i].value);
	*aliased = words[WORDS - 3].value;
	*grade = words[WORDS - 2].value;
	*time = words[WORDS - 1].value;
}

bool
entry_grade_ok(char grade)
{
	return (grade >= '0' && grade <= '9') || (grade >= 'A' && grade <= 'Z') || (grade >= 'a' && grade <= 'z');
}

int
entry_parse_info(struct span line, struct entry_info *info, struct err *err)
{
	struct span value;
	uint64_t version;

	if (!span_begins(line, "NOOP mochila="))
		return 0;
	if (!word_value(line, "mochila", &value) || span_number(value, 1000000, &version) < 0)
		return err_set(err, ERR_PERM, "an entry without a version number");
	if (version > ENTRY_VERSION)
		return err_set(err, ERR_CONFIG, "entry version %llu is newer than this mochila knows (%d)",
		    (unsigned long long)version, ENTRY_VERSION);
	struct span aliased = {0}, grade = {0}, time = {0};
	take_words(line, info, &aliased, &grade, &time);
	info->aliased = span_is(aliased, "yes");
	info->grade = grade.len == 1 && entry_grade_ok(grade.p[0]) ? grade.p[0] : 'N';
	if (time.len == 0 || clock_parse_utc(time, &info->time) < 0)
		return err_set(err, ERR_PERM, "an entry without a proper time");
	return 1;
}

/* "MAIL FROM:<address> args" behind the prefix. */
static int
parse_path(struct span line, const char *prefix, struct span *address, struct span *args)
{
	struct span rest = span_from(line, strlen(prefix));
	size_t end = address_end(rest);

	if (!span_begins(line, prefix) || end == rest.len)
		return -1;
	*address = span_to(rest, end);
	*args = span_trim(span_from(rest, end + 1));
	return 0;
}

static int
parse_head_line(struct entry *entry, struct span line, struct err *err)
{
	struct span address, args, number;

	if (parse_path(line, "MAIL FROM:<", &address, &args) == 0 && !entry->env.begun) {
		envelope_from(&entry->env, address, args);
		return 0;
	}
	if (parse_path(line, "RCPT TO:<", &address, &args) == 0 && entry->env.begun) {
		envelope_add(&entry->env, address, args);
		return 0;
	}
	if (span_begins(line, "BDAT ") && entry->env.begun && entry->env.rcpts > 0) {
		struct span rest = span_from(line, 5);
		span_cut(&rest, ' ', &number);
		if (span_is(rest, "LAST") && span_number(number, INT64_MAX / 2, &entry->body_len) == 0)
			return 1;
	}
	struct str shown = {0};
	log_escape(&shown, line, 60);
	err_set(err, ERR_PERM, "not a line of an entry's head: %s", str_c(&shown));
	str_free(&shown);
	return -1;
}

int
entry_parse_head(struct span text, struct entry *entry, size_t *len, struct err *err)
{
	struct span rest = text, line;
	int done = 0, lines = 0;

	*entry = (struct entry){0};
	while (done == 0 && memchr(rest.p, '\n', rest.len) != NULL) {
		span_cut(&rest, '\n', &line);
		if (lines++ > 0)
			done = parse_head_line(entry, line, err);
		else if (entry_parse_info(line, &entry->info, err) <= 0)
			done = err_set(err, ERR_PERM, "does not begin with NOOP mochila=");
		*len = (size_t)(line.p - text.p) + line.len + 1;
	}
	if (done == 0 && (rest.len > ENTRY_LINE_MAX || text.len > ENTRY_HEAD_MAX))
		done = err_set(err, ERR_PERM, "a head that is too long");
	if (done <= 0)
		entry_free(entry);
	else
		entry->status = mem_get(entry->env.rcpts * sizeof *entry->status);
	return done;
}

static int
read_head(struct entry_reader *r, struct entry *entry, struct err *err)
{
	struct span line;
	int got = next_line(r, &line, err), done = 0;

	if (got < 0)
		return -1;
	if (got == 0)
		return err_set(err, ERR_PERM, "cut off in its first line");
	got = entry_parse_info(line, &entry->info, err);
	if (got <= 0)
		return got < 0 ? -1 : err_set(err, ERR_PERM, "does not begin with NOOP mochila=");
	while (done == 0) {
		if (r->used - r->start > ENTRY_HEAD_MAX)
			return err_set(err, ERR_PERM, "a head of more than %d bytes", ENTRY_HEAD_MAX);
		got = next_line(r, &line, err);
		if (got < 0)
			return -1;
		if (got == 0)
			return err_set(err, ERR_PERM, "cut off in its envelope");
		done = parse_head_line(entry, line, err);
	}
	return done < 0 ? -1 : 0;
}

static int
digest_body(int fd, off_t at, uint64_t len, unsigned char out[DIGEST_SIZE], struct err *err)
{
	struct digest digest = {0};
	char *chunk = mem_get(CHUNK * 4);
	int result = 0;

	digest_start(&digest);
	while (len > 0 && result == 0) {
		size_t want = len < CHUNK * 4 ? (size_t)len : CHUNK * 4;
		ssize_t got = fs_pread(fd, chunk, want, at, err);
		if (got <= 0) {
			result = got < 0 ? -1 : err_set(err, ERR_PERM, "cut off in its body");
			break;
		}
		digest_add(&digest, chunk, (size_t)got);
		at += got;
		len -= (uint64_t)got;
	}
	digest_end(&digest, out);
	free(chunk);
	return result;
}

static int
by_place(const void *place, const void *sum)
{
	off_t at = *(const off_t *)place, there = ((const struct entry_sum *)sum)->body_at;

	return at < there ? -1 : at > there;
}

static const struct entry_sum *
find_known(const struct entry_reader *r, off_t body_at)
{
	return r->known == NULL || r->known->count == 0 ? NULL :
	    bsearch(&body_at, r->known->one, r->known->count, sizeof *r->known->one, by_place);
}

static int
body_sum(const struct entry_reader *r, const struct entry *entry, unsigned char out[DIGEST_SIZE], struct err *err)
{
	const struct entry_sum *known = find_known(r, entry->body_at);

	if (known != NULL) {
		memcpy(out, known->body, DIGEST_SIZE);
		return 0;
	}
	if (r->at > entry->body_at)	/* it is not all in memory: the end line was sought */
		return digest_body(r->fd, entry->body_at, entry->body_len, out, err);
	digest_of(r->text.p + (entry->body_at - r->at), (size_t)entry->body_len, out);
	return 0;
}

static int
check_sum(const struct entry_reader *r, struct entry *entry, struct span head, struct span end_line,
    struct err *err)
{
	struct str want = {0};

	if (body_sum(r, entry, entry->body_sum, err) < 0)
		return -1;
	entry_end_line(head, entry->body_sum, &want);
	bool same = span_same(end_line, span_to(str_span(&want), want.len - 1));
	str_free(&want);
	return same ? 0 : err_set(err, ERR_PERM, "damaged: the sum of its end line does not fit");
}

static int
read_end(struct entry_reader *r, struct entry *entry, bool check, struct err *err)
{
	struct str head = {0};
	struct span line;

	str_add(&head, r->text.p + r->start, r->used - r->start);
	if (reader_hold(r, entry->body_len, err) < 0) {
		str_free(&head);
		return -1;
	}
	reader_seek(r, entry->body_at + (off_t)entry->body_len);
	int got = next_line(r, &line, err);
	if (got >= 0 && (got == 0 || !span_begins(line, "NOOP end sum=") ||
	    line.len != strlen("NOOP end sum=") + SUM_HEX))
		got = err_set(err, ERR_PERM, "cut off: no end line behind its body");
	if (got > 0 && check && check_sum(r, entry, str_span(&head), line, err) < 0)
		got = -1;
	entry->end = reader_at(r);
	str_free(&head);
	return got < 0 ? -1 : 0;
}

/* state lines */

static bool
quoted_value(struct span line, const char *name, struct span *value)
{
	size_t len = strlen(name);

	for (size_t i = 0; i + len + 3 < line.len; i++) {
		struct span at = span_from(line, i);
		if (at.p[0] != ' ' || !span_begins(span_from(at, 1), name) ||
		    !span_begins(span_from(at, 1 + len), "=\""))
			continue;
		*value = span_from(at, len + 3);
		const char *end = memchr(value->p, '"', value->len);
		if (end == NULL)
			return false;
		value->len = (size_t)(end - value->p);
		return true;
	}
	return false;
}

static void
state_of_rcpt(struct rcpt_status *status, struct span line, enum rcpt_state state, int64_t at,
    struct span reply)
{
	struct span due = {0}, via = {0};

	word_value(line, "due", &due);
	word_value(line, "via", &via);
	status->state = state;
	status->at = at;
	status->due = dsn_kind_of(due);
	str_set_span(&status->reply, reply);
	str_set_span(&status->via, via);
}

static void
state_of_rcpts(struct entry *entry, struct span line, enum rcpt_state state, int64_t at,
    struct span reply)
{
	struct span which, number;
	uint64_t n;

	if (!word_value(line, "rcpt", &which)) {
		for (size_t i = 0; i < entry->env.rcpts; i++)
			state_of_rcpt(&entry->status[i], line, state, at, reply);
		return;
	}
	while (span_cut(&which, ',', &number))
		if (span_number(number, entry->env.rcpts, &n) == 0 && n > 0)
			state_of_rcpt(&entry->status[n - 1], line, state, at, reply);
}

static void
take_state(struct entry *entry, struct span line, int64_t at)
{
	static const struct { const char *word; enum rcpt_state state; } events[] = {
		{ "deferred", RCPT_DEFERRED }, { "done", RCPT_DONE }, { "failed", RCPT_FAILED },
	};
	struct span rest = span_from(line, 5), reply = {0}, word;

	span_word(&rest);	/* at=... */
	word = span_word(&rest);
	if (span_begins(word, "rcpt="))
		word = span_word(&rest);
	quoted_value(line, "reply", &reply);
	if (span_is(word, "held")) {
		quoted_value(line, "reason", &reply);
		str_set_span(&entry->held, reply);
	} else if (span_is(word, "released")) {
		str_clear(&entry->held);
		entry->asked = quoted_value(line, "reason", &reply) && span_is(reply, "asked for");
	} else if (span_is(word, "filtered")) {
		entry->filtered = true;
	} else if (span_is(word, "delay-due")) {
		entry->delay_due = true;
	} else if (span_is(word, "delayed")) {
		entry->delay_due = false;
		entry->delayed = at;
	}
	for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
		if (span_is(word, events[i].word))
			state_of_rcpts(entry, line, events[i].state, at, reply);
}

static bool
state_counts(struct span line)
{
	struct span before = span_to(line, line.len < SUM_HEX + 5 ? 0 : line.len - SUM_HEX - 5);
	struct str sum = {0};

	if (before.len == 0 || !span_begins(span_from(line, before.len), " sum="))
		return false;
	add_sum(before, NULL, 0, &sum);
	bool same = span_same(str_span(&sum), span_from(line, before.len + 5));
	str_free(&sum);
	return same;
}

static int
read_states(struct entry_reader *r, struct entry *entry, struct err *err)
{
	struct span line, value;
	int64_t at;
	int got;

	entry->states_end = entry->end;
	while ((got = next_line(r, &line, err)) > 0) {
		if (!span_begins(line, "NOOP at=") || !state_counts(line))
			break;
		if (word_value(line, "at", &value) && clock_parse_utc(value, &at) == 0)
			take_state(entry, line, at);
		entry->states_end = reader_at(r);
		if (r->used - r->start > 1 << 20)	/* a long history: do not hold it all */
			reader_cut(r);
	}
	/* An over-long or torn line ends the history as well; the message stands. */
	if (got < 0 && err->kind == ERR_PERM)
		got = 0;
	return got < 0 ? -1 : 0;
}

/* 1: the file, or what was written of it, ends there.  A byte that cannot be read is
 * no end: who took it for one would drop the rest. */
static int
nothing_there(struct entry_reader *r, struct err *err)
{
	if (r->used == r->text.len && read_more(r, err) < 0)
		return -1;
	return r->used == r->text.len || r->text.p[r->used] == '\0';
}

static int
read_entry(struct entry_reader *r, off_t *at, bool check, struct entry *entry, struct err *err)
{
	*entry = (struct entry){ .start = *at };
	int result = nothing_there(r, err);
	if (result != 0)
		return result < 0 ? -1 : 0;
	result = read_head(r, entry, err);
	if (result == 0) {
		entry->body_at = reader_at(r);
		entry->status = mem_get(entry->env.rcpts * sizeof *entry->status);
		result = read_end(r, entry, check, err);
	}
	if (result == 0)
		result = read_states(r, entry, err);
	if (result < 0) {
		entry_free(entry);
		return -1;
	}
	*at = entry->states_end;
	return 1;
}

int
entry_read(int fd, off_t *at, bool check, struct entry *entry, struct err *err)
{
	struct entry_reader reader = { .fd = fd, .at = *at };
	int result = read_entry(&reader, at, check, entry, err);

	entry_reader_free(&reader);
	return result;
}

int
entry_next(struct entry_reader *reader, off_t *at, struct entry *entry, struct err *err)
{
	reader->walks = true;
	if (*at < reader->at)
		str_clear(&reader->text);
	if (reader->text.len == 0)
		reader->at = *at;
	reader_seek(reader, *at);
	if (reader->used > WALK / 2)
		reader_cut(reader);
	reader->start = reader->used;
	return read_entry(reader, at, true, entry, err);
}

struct span
entry_body(const struct entry_reader *reader, const struct entry *entry)
{
	off_t from = entry->body_at - reader->at;

	if (from < 0 || from + (off_t)entry->body_len > (off_t)reader->text.len)
		return (struct span){0};
	return (struct span){ reader->text.p + from, (size_t)entry->body_len };
}

void
entry_reader_free(struct entry_reader *reader)
{
	str_free(&reader->text);
}

void
entry_free(struct entry *entry)
{
	for (size_t i = 0; entry->status != NULL && i < entry->env.rcpts; i++) {
		str_free(&entry->status[i].reply);
		str_free(&entry->status[i].via);
	}
	free(entry->status);
	envelope_free(&entry->env);
	entry_info_free(&entry->info);
	str_free(&entry->held);
	*entry = (struct entry){0};
}

size_t
entry_waiting(const struct entry *entry)
{
	size_t waiting = 0;

	for (size_t i = 0; i < entry->env.rcpts; i++)
		waiting += entry->status[i].state < RCPT_DONE;
	return waiting;
}

void
entry_still_waiting(const struct entry *entry, struct envelope *env)
{
	envelope_from(env, str_span(&entry->env.from), str_span(&entry->env.args));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			envelope_add(env, str_span(&entry->env.rcpt[i].to), str_span(&entry->env.rcpt[i].args));
}
