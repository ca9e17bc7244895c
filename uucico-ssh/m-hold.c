#include "uucico-ssh/m-hold.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"
#include "spool/body.h"
#include "spool/heldback.h"
#include "uucico-ssh/m-part.h"

enum {
	LINE_MOST = 1000, WORD_MOST = 120, RCPTS_TOLD = 20, FIRST_MOST = 8192,
	WELCOME_MOST = 256 << 10,
};

static const char word_from[] = "summary", word_drop[] = "drop";

bool
hold_is_note(const struct entry *entry)
{
	return span_is(str_span(&entry->info.from), word_from);
}

bool
hold_is_request(const struct entry *entry, const char *site)
{
	return hold_is_note(entry) && span_is(str_span(&entry->info.peer), site);
}

/* --- what a message is about --- */

struct about {
	struct str subject, line;	/* the line: as far as it was read */
	bool in_body;
	unsigned pictures, sounds, films, files;
};

static void
count_part(struct about *a, struct span type)
{
	static const char *const kinds[] = { "image/", "audio/", "video/", "application/" };
	unsigned *const counts[] = { &a->pictures, &a->sounds, &a->films, &a->files };

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		*counts[i] += span_begins_case(type, kinds[i]);
}

static void
look_at_line(struct about *a, struct span line)
{
	static const char subject[] = "Subject:", type[] = "Content-Type:";

	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	a->in_body = a->in_body || line.len == 0;
	if (!a->in_body && a->subject.len == 0 && span_begins_case(line, subject))
		str_set_span(&a->subject, span_to(span_trim(span_from(line, strlen(subject))), WORD_MOST));
	else if (span_begins_case(line, type))
		count_part(a, span_trim(span_from(line, strlen(type))));
}

/* Lines up to LINE_MOST are looked at; the rest of a longer one is none. */
static int
look_at_piece(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct about *a = ctx;
	const char *piece = bytes;

	(void)err;
	for (size_t i = 0; i < len; i++) {
		if (piece[i] == '\n') {
			look_at_line(a, str_span(&a->line));
			str_clear(&a->line);
		} else if (a->line.len < LINE_MOST) {
			str_add_char(&a->line, piece[i]);
		}
	}
	return 0;
}

static int
look_at_message(struct message *m, struct about *a, struct err *err)
{
	int result = body_pieces(m->fd, m->entry.body_at, m->entry.body_len, look_at_piece, a, err);

	str_free(&a->line);
	return result;
}

static void
add_count(struct str *out, unsigned count, const char *one, const char *more)
{
	if (count > 0)
		str_printf(out, "%s%u %s", out->len > 0 ? ", " : "", count, count == 1 ? one : more);
}

static void
print_about(const struct about *a, struct str *out)
{
	add_count(out, a->pictures, "picture", "pictures");
	add_count(out, a->sounds, "sound", "sounds");
	add_count(out, a->films, "film", "films");
	add_count(out, a->files, "file", "files");
}

/* --- the summary --- */

/* The shape of an id, from the time of another and a digest: always the same. */
static void
derived_id(struct span id, const char *salt, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, salt, strlen(salt) + 1);
	digest_add(&digest, id.p, id.len);
	digest_end(&digest, sum);
	str_add_span(out, span_to(id, strlen("20261121T184502.123456-")));
	digest_hex(sum, 8, out);
	str_add_text(out, "-1");
}

static void
add_field(struct str *out, const char *name, struct span value)
{
	str_printf(out, "%s: ", name);
	for (size_t i = 0; i < value.len; i++)
		str_add_char(out, (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f ? ' ' : value.p[i]);
	str_add_text(out, "\r\n");
}

static void
summary_body(struct message *m, const struct site_settings *site, const struct about *a,
    const unsigned char name[M_NAME], uint64_t length, struct str *out)
{
	struct str text = {0};

	add_field(out, "Held-Id", str_span(&m->entry.info.id));
	digest_hex(name, M_NAME, &text);
	add_field(out, "Held-Name", str_span(&text));
	str_clear(&text);
	str_printf(&text, "%llu", (unsigned long long)length);
	add_field(out, "Held-Size", str_span(&text));
	add_field(out, "Held-From", span_to(str_span(&m->entry.env.from), 2 * WORD_MOST));
	add_field(out, "Held-Subject", str_span(&a->subject));
	str_clear(&text);
	print_about(a, &text);
	add_field(out, "Held-Parts", str_span(&text));
	if (site->robot[0] != '\0')
		add_field(out, "Held-Robot", span_to(span_of(site->robot), 2 * WORD_MOST));
	str_free(&text);
}

static void
summary_envelope(const struct entry *entry, struct envelope *env)
{
	envelope_from(env, SPAN(""), SPAN(""));
	for (size_t i = 0; i < entry->env.rcpts && env->rcpts < RCPTS_TOLD; i++)
		if (entry->status[i].state < RCPT_DONE)
			envelope_add(env, str_span(&entry->env.rcpt[i].to), SPAN(""));
}

/* Into out/SITE, durably, past in/: it goes in this call. */
static int
place(struct arrival *a, const char *site, char grade, struct err *err)
{
	const char *name = str_c(&a->name);

	if (arrival_end(a, err) < 0 || arrival_flush(a, err) < 0 || fs_sync(a->fd, err) < 0 ||
	    bucket_place(a->spool, a->spool->tmp, name, site, name, grade, err) < 0)
		return -1;
	a->committed = true;
	return 0;
}

static int
write_summary(struct message *m, const char *site, struct span body, struct err *err)
{
	struct entry_info info = { .time = m->entry.info.time, .grade = m->entry.info.grade };
	struct envelope env = {0};
	struct arrival a;
	struct str id = {0};

	derived_id(str_span(&m->entry.info.id), word_from, &id);
	str_set(&info.from, word_from);
	summary_envelope(&m->entry, &env);
	int result = arrival_open(&a, m->spool, str_c(&id), err);
	if (result == 0) {
		result = arrival_begin(&a, &info, &env, err);
		if (result == 0)
			result = arrival_body(&a, body.p, body.len, err);
		if (result == 0)
			result = place(&a, site, info.grade, err);
		arrival_close(&a);
	}
	str_free(&id);
	entry_info_free(&info);
	envelope_free(&env);
	return result;
}

/* The summary first: killed in between, both are done again. */
int
hold_back(struct message *m, const struct site_settings *site, const unsigned char name[M_NAME],
    uint64_t length, const char *why, struct err *err)
{
	struct about about = {0};
	struct str body = {0}, reason = {0};
	int result = look_at_message(m, &about, err);

	summary_body(m, site, &about, name, length, &body);
	heldback_reason(site->name, why, &reason);
	if (result == 0)
		result = write_summary(m, site->name, str_span(&body), err);
	if (result == 0)
		result = message_hold(m, str_c(&reason), err);
	if (result == 0)
		spool_event(m->spool, str_c(&m->id), "event=held reason=\"%s\"", str_c(&reason));
	str_free(&about.subject);
	str_free(&body);
	str_free(&reason);
	return result;
}

/* --- a request of theirs --- */

static int
drop(const struct spool *spool, const char *site, const char *id, struct err *err)
{
	if (fs_remove(spool->hold, id, err) < 0 || fs_sync(spool->hold, err) < 0)
		return -1;
	spool_event(spool, id, "event=removed by=%s", site);
	return 0;
}

static int
answer(const struct spool *spool, const char *site, const char *id, bool send, struct err *err)
{
	struct entry entry;
	int fd, got = heldback_open(spool, site, id, &fd, &entry, err);

	if (got <= 0)
		return got;
	int result = send ? heldback_release(spool, site, id, fd, &entry, err) : drop(spool, site, id, err);
	entry_free(&entry);
	close(fd);
	return result;
}

int
hold_take_request(const struct spool *spool, const struct site_settings *site, struct span text,
    struct err *err)
{
	struct span line, own, id;

	span_cut(&text, '\n', &line);
	own = span_word(&line);
	id = span_word(&line);
	line = span_trim(line);
	bool send = span_is(line, "send");
	char *name = mem_text_n(id.p, id.len);
	int result = own.len > 0 && text.len == 0 && strlen(name) == id.len && spool_id_ok(name) &&
	    (send || span_is(line, word_drop)) ? answer(spool, site->name, name, send, err) :
	    err_set(err, ERR_PERM, "554 5.6.0 no request as requests are");
	free(name);
	return result;
}

/* --- a summary of theirs --- */

struct summary {
	struct span id, name, size, from, subject, parts;
	struct span robot;	/* or empty */
};

/* Who knows no robot says nothing of one. */
static int
read_fields(struct span body, struct summary *s)
{
	static const char *const names[] = { "Held-Id", "Held-Name", "Held-Size", "Held-From", "Held-Subject",
		"Held-Parts", "Held-Robot" };
	struct span *const values[] = { &s->id, &s->name, &s->size, &s->from, &s->subject, &s->parts, &s->robot };
	struct span line, name;
	size_t needed = sizeof names / sizeof names[0] - 1;

	for (size_t i = 0; i < needed || (i == needed && body.len > 0); i++) {
		if (!span_cut(&body, '\n', &line) || line.len == 0 || line.p[line.len - 1] != '\r')
			return -1;
		line.len--;
		if (!span_cut(&line, ':', &name) || !span_is(name, names[i]))
			return -1;
		*values[i] = span_trim(line);
	}
	return 0;
}

static bool
is_fit(const struct summary *s)
{
	uint64_t size;
	char *id = mem_text_n(s->id.p, s->id.len);
	bool fit = strlen(id) == s->id.len && spool_id_ok(id) && s->name.len == 2 * M_NAME &&
	    span_number(s->size, INT64_MAX, &size) == 0;

	free(id);
	for (size_t i = 0; fit && i < s->name.len; i++)
		fit = isxdigit((unsigned char)s->name.p[i]) && !isupper((unsigned char)s->name.p[i]);
	return fit;
}

/* "2.1 MB from ann@x.example, 3 pictures: photos" */
static void
tell(const struct summary *s, struct str *out)
{
	struct str plain = {0};
	uint64_t size = 0;

	span_number(s->size, INT64_MAX, &size);
	if (size >= 1000000)
		str_printf(out, "%.1f MB", (double)size / 1e6);
	else
		str_printf(out, "%.0f kB", (double)size / 1e3 + 0.5);
	log_escape(&plain, s->from, 2 * WORD_MOST);
	str_printf(out, " from %s", plain.len > 0 ? str_c(&plain) : "<>");
	str_clear(&plain);
	log_escape(&plain, s->parts, WORD_MOST);
	str_printf(out, "%s%s", plain.len > 0 ? ", " : "", str_c(&plain));
	str_clear(&plain);
	log_escape(&plain, s->subject, WORD_MOST);
	str_printf(out, "%s%s", plain.len > 0 ? ": " : "", str_c(&plain));
	str_free(&plain);
}

static int
keep_summary(const struct spool *spool, const char *site, const struct entry *theirs, const struct summary *s,
    const char *id, const char *said, struct span body, struct err *err)
{
	struct entry_info info = { .time = theirs->info.time, .grade = theirs->info.grade };
	struct arrival a;

	str_set(&info.from, word_from);
	str_set(&info.peer, site);
	str_set(&info.to, site);	/* where it goes, released: as a request */
	str_set_span(&info.client, s->id);
	int result = arrival_open(&a, spool, id, err);
	if (result == 0) {
		if (arrival_begin(&a, &info, &theirs->env, err) < 0 || arrival_body(&a, body.p, body.len, err) < 0 ||
		    arrival_end(&a, err) < 0 || arrival_hold(&a, said, err) < 0)
			result = -1;
		arrival_close(&a);
	}
	entry_info_free(&info);
	return result;
}

/* "release+ID@hub.example", where the sender of the summary has such a robot. */
static void
robot_of(const struct summary *s, struct str *out)
{
	struct span rest = s->robot, local;
	struct err ignored;

	if (span_cut(&rest, '@', &local) && local.len > 0)
		str_printf(out, "%.*s+%.*s@%.*s", (int)local.len, local.p, (int)s->id.len, s->id.p, (int)rest.len, rest.p);
	if (out->len > 0 && address_check(str_span(out), 0, &ignored) < 0)
		str_clear(out);
}

/* Known by (peer, peer_id): it comes once, too. */
static int
mail_it(const struct spool *spool, const char *site, const struct entry *theirs, const struct summary *s,
    const char *id, const char *said, struct journal *journal, struct err *err)
{
	struct entry_info info = {0};
	struct envelope env = {0};
	struct mask mask;
	struct str text = {0}, robot = {0};
	struct arrival a;

	robot_of(s, &robot);
	str_set(&info.from, "m");
	str_set(&info.peer, site);
	str_printf(&info.peer_id, "summary-%.*s", (int)s->id.len, s->id.p);
	str_printf(&text, "From: Mail system <postmaster@%s>\r\nSubject: held back at %s: %s\r\n"
	    "Auto-Submitted: auto-generated\r\n%s%s%s\r\n%s\r\n\r\nIt waits at %s.  %s\"mochila release %s\" brings it,\r\n"
	    "\"mochila remove %s\" removes it there.\r\n", spool->settings->spool.host, site, said,
	    robot.len > 0 ? "Reply-To: <" : "", str_c(&robot), robot.len > 0 ? ">\r\n" : "", said, site,
	    robot.len > 0 ? "An answer to this mail or\r\n" : "", id, id);
	envelope_copy(&env, &theirs->env);
	arrival_join(&a, journal);
	int result = mask_envelope(spool->settings, MASQUERADE_IN, &env, &mask, err) < 0 ||
	    arrival_begin(&a, &info, &env, err) < 0 || arrival_body(&a, text.p, text.len, err) < 0 ||
	    arrival_end(&a, err) < 0 || arrival_post(&a, err) < 0 ? -1 : 0;
	arrival_close(&a);
	envelope_free(&env);
	entry_info_free(&info);
	str_free(&text);
	str_free(&robot);
	return result;
}

static int
take_fields(const struct spool *spool, const struct site_settings *site, const struct entry *theirs,
    struct span body, struct journal *journal, struct err *err)
{
	struct summary s = {0};
	struct str id = {0}, said = {0};
	struct err why;

	if (theirs->env.from.len > 0 || theirs->env.rcpts > RCPTS_TOLD || theirs->body_len != body.len ||
	    entry_check_envelope(&theirs->env, &why) < 0 || read_fields(body, &s) < 0 || !is_fit(&s))
		return err_set(err, ERR_PERM, "554 5.6.0 no summary as summaries are");
	derived_id(s.id, site->name, &id);
	tell(&s, &said);
	int result = keep_summary(spool, site->name, theirs, &s, str_c(&id), str_c(&said), body, err);
	if (result == 0 && site->announce)
		result = mail_it(spool, site->name, theirs, &s, str_c(&id), str_c(&said), journal, err);
	str_free(&id);
	str_free(&said);
	return result;
}

int
hold_take_summary(const struct spool *spool, const struct site_settings *site, struct span text,
    struct journal *journal, struct err *err)
{
	struct entry theirs;
	struct err why = {0};
	size_t len;

	if (entry_parse_head(text, &theirs, &len, &why) <= 0)
		return err_set(err, ERR_PERM, "554 5.6.0 no summary as summaries are");
	int result = isalnum((unsigned char)theirs.info.grade) ?
	    take_fields(spool, site, &theirs, span_from(text, len), journal, err) :
	    err_set(err, ERR_PERM, "554 5.6.0 no summary as summaries are");
	entry_free(&theirs);
	return result;
}

/* --- the request --- */

static void
note_asked(const struct spool *spool, const char *site, struct span hex)
{
	struct str name = {0};
	struct err why;
	int dir = m_part_folder(spool, site, &why);

	str_printf(&name, "%.*s.asked", (int)hex.len, hex.p);
	int fd = dir < 0 ? -1 : openat(dir, str_c(&name), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0)
		log_warn("part/%s/%s: it may be held back once more", site, str_c(&name));
	else
		close(fd);
	if (dir >= 0)
		close(dir);
	str_free(&name);
}

void
hold_request(struct message *m, const struct site_settings *site, struct str *text)
{
	bool drops = span_is(str_span(&m->entry.held), word_drop);
	struct summary s = {0};
	struct str body = {0};
	struct err ignored;
	size_t len = m->entry.body_len < FIRST_MOST ? (size_t)m->entry.body_len : FIRST_MOST;
	ssize_t got = fs_pread(m->fd, str_room(&body, len), len, m->entry.body_at, &ignored);

	body.len = got > 0 ? (size_t)got : 0;
	if (!drops && read_fields(str_span(&body), &s) == 0 && is_fit(&s))
		note_asked(m->spool, site->name, s.name);
	str_printf(text, "%s %s %s\n", str_c(&m->id), str_c(&m->entry.info.client), drops ? word_drop : "send");
	str_free(&body);
}

/* --- a mail that asks --- */

/* hold/ID is a summary of that site's, and the sender one of those whom it is for. */
static bool
may_ask(const struct entry *entry, const char *site, struct span from)
{
	if (!hold_is_request(entry, site))
		return false;
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (from.len > 0 && span_is_case(from, str_c(&entry->env.rcpt[i].to)))
			return true;
	return false;
}

static void
asks_for(const struct spool *spool, const char *site, struct span from, struct span held)
{
	struct summary s = {0};
	struct str id = {0}, body = {0};
	struct entry entry = {0};
	struct err err;
	off_t at = 0;

	derived_id(held, site, &id);
	int fd = fs_open(spool->hold, str_c(&id), O_RDONLY, &err);
	if (fd >= 0 && entry_read(fd, &at, false, &entry, &err) > 0 && may_ask(&entry, site, from)) {
		size_t len = entry.body_len < FIRST_MOST ? (size_t)entry.body_len : FIRST_MOST;
		ssize_t got = fs_pread(fd, str_room(&body, len), len, entry.body_at, &err);
		body.len = got > 0 ? (size_t)got : 0;
		if (read_fields(str_span(&body), &s) == 0 && is_fit(&s) && span_same(s.id, held)) {
			note_asked(spool, site, s.name);
			if (fs_remove(spool->hold, str_c(&id), &err) == 0)
				spool_event(spool, str_c(&id), "event=asked-for by=mail");
		}
	}
	entry_free(&entry);
	if (fd >= 0)
		close(fd);
	str_free(&id);
	str_free(&body);
}

void
hold_asked_by(const struct message *m, const struct site_settings *site)
{
	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		struct span to = str_span(&m->entry.env.rcpt[i].to), domain = envelope_domain(to), before;
		struct span local = domain.len > 0 ? span_to(to, to.len - domain.len - 1) : to;
		if (!span_cut(&local, '+', &before))
			continue;
		char *id = mem_text_n(local.p, local.len);
		if (strlen(id) == local.len && spool_id_ok(id))
			asks_for(m->spool, site->name, str_span(&m->entry.env.from), local);
		free(id);
	}
}

/* --- who is welcome --- */

/* "ann@x.example *@friends.example", or a file of such patterns, one a line. */
static bool
is_among(struct span list, struct span sender)
{
	struct span line, word;

	while (list.len > 0 && (span_cut(&list, '\n', &line) || line.len > 0)) {
		if (span_begins(span_trim(line), "#"))
			continue;
		while ((word = span_word(&line)).len > 0) {
			char *pattern = mem_text_n(word.p, word.len);
			bool meets = span_glob(sender, pattern);
			free(pattern);
			if (meets)
				return true;
		}
	}
	return false;
}

static bool
is_welcome(const struct site_settings *site, const struct settings *settings, struct span sender)
{
	struct str path = {0}, list = {0};
	struct err why = {0};
	bool file = strchr(site->welcome, '@') == NULL && strpbrk(site->welcome, "*? ") == NULL;

	if (!file)
		return is_among(span_of(site->welcome), sender);
	settings_path(settings, site->welcome, &path);
	bool welcome = true;
	if (fs_load(AT_FDCWD, str_c(&path), WELCOME_MOST, &list, &why) < 0)
		log_warn("[site %s] welcome: %s; everybody is", site->name, why.text);
	else
		welcome = is_among(str_span(&list), sender);
	str_free(&path);
	str_free(&list);
	return welcome;
}

int
hold_unwelcome(const struct site_settings *site, const struct settings *settings, struct span first)
{
	static const char word[] = "MAIL FROM:<";

	if (site->welcome[0] == '\0')
		return 0;
	first = span_to(first, FIRST_MOST);
	const char *at = memmem(first.p, first.len, word, strlen(word));
	struct span rest = at == NULL ? (struct span){0} :
	    (struct span){ at + strlen(word), first.len - (size_t)(at + strlen(word) - first.p) };
	const char *end = rest.len > 0 ? memchr(rest.p, '>', rest.len) : NULL;
	if (end == NULL)
		return first.len < FIRST_MOST ? -1 : 0;
	/* Reports have no sender, and are always. */
	struct span sender = { rest.p, (size_t)(end - rest.p) };
	return sender.len > 0 && !is_welcome(site, settings, sender);
}

/* --- what was asked for --- */

static void
asked_name(struct span name, struct str *out)
{
	str_add_span(out, name);
	str_add_text(out, ".asked");
}

bool
hold_asked(int dir, const char *file)
{
	struct str name = {0};

	asked_name(span_of(file), &name);
	bool asked = faccessat(dir, str_c(&name), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	str_free(&name);
	return asked;
}

void
hold_came(int dir, const char *file)
{
	struct str name = {0};

	asked_name(span_of(file), &name);
	unlinkat(dir, str_c(&name), 0);
	str_free(&name);
}
