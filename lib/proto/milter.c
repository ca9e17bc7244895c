#include "lib/proto/milter.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/mail/header.h"

/* What may be done to the message, and what is not told: bits of the negotiation. */
enum {
	ADD_FIELDS = 0x01, CHANGE_BODY = 0x02, ADD_RCPTS = 0x04, REMOVE_RCPTS = 0x08, CHANGE_FIELDS = 0x10,
	QUARANTINE = 0x20, CHANGE_FROM = 0x40, ADD_RCPTS_WITH = 0x80,
	OFFERED = 0xff,

	NO_CONNECT = 0x01, NO_HELO = 0x02, NO_MAIL = 0x04, NO_RCPT = 0x08, NO_BODY = 0x10, NO_FIELDS = 0x20,
	NO_END_OF_FIELDS = 0x40, QUIET_FIELDS = 0x80, NO_UNKNOWN = 0x100, NO_DATA = 0x200, MAY_SKIP = 0x400,
	REFUSED_RCPTS = 0x800, QUIET_CONNECT = 0x1000, QUIET_HELO = 0x2000, QUIET_MAIL = 0x4000, QUIET_RCPT = 0x8000,
	QUIET_DATA = 0x10000, QUIET_UNKNOWN = 0x20000, QUIET_END_OF_FIELDS = 0x40000, QUIET_BODY = 0x80000,
	LEADING_BLANKS = 0x100000,
	STEPS_OFFERED = 0x1fffff & ~REFUSED_RCPTS,
};

enum {
	NEWEST = 6, OLDEST = 2,
	PACKET_MAX = 1 << 20,		/* of one of its answers: it sends bodies in pieces of 64 KB */
	BODY_PIECE = 65535,
	EDITS_MAX = 10000, ADDED_MAX = 16 << 20,
};

enum step { NEGOTIATE, CONNECT, HELO, SENDER, RCPTS, DATA, FIELDS, END_OF_FIELDS, BODY, END, OVER };

/* writing */

static void
add_number(struct str *out, uint32_t number)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		str_add_char(out, (char)(number >> shift & 0xff));
}

static uint32_t
number_at(struct span bytes)
{
	return (uint32_t)bytes_number(bytes.p, 4);
}

static void
packet(struct milter *m, char command, struct span bytes)
{
	add_number(&m->d.out, (uint32_t)bytes.len + 1);
	str_add_char(&m->d.out, command);
	str_add_span(&m->d.out, bytes);
}

static void
add_text(struct str *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != '\0')
			str_add_char(out, text.p[i]);
	str_add_char(out, '\0');
}

static void
add_macro(struct str *out, const char *name, struct span value)
{
	if (value.len == 0)
		return;
	add_text(out, span_of(name));
	add_text(out, value);
}

/* What belongs to a step is told before it, as Sendmail names it. */
static void
macros(struct milter *m, char command)
{
	const struct milter_mail *mail = m->mail;
	struct str text = {0}, peer = {0};

	str_add_char(&text, command);
	switch (command) {
	case 'C':
		str_printf(&peer, "[%.*s]", (int)mail->client.len, mail->client.p != NULL ? mail->client.p : "");
		add_macro(&text, "j", mail->host);
		add_macro(&text, "{daemon_name}", SPAN("mochila"));
		add_macro(&text, "v", SPAN("mochila"));
		add_macro(&text, "_", str_span(&peer));
		break;
	case 'M':
		add_macro(&text, "i", mail->id);
		add_macro(&text, "{auth_authen}", mail->user);
		add_macro(&text, "{auth_type}", mail->user.len > 0 ? SPAN("LOGIN") : (struct span){0});
		add_macro(&text, "{mail_addr}", str_span(&mail->env->from));
		break;
	case 'R':
		add_macro(&text, "i", mail->id);
		add_macro(&text, "{rcpt_addr}", str_span(&mail->env->rcpt[m->at].to));
		break;
	default:
		add_macro(&text, "i", mail->id);
		break;
	}
	packet(m, 'D', str_span(&text));
	str_free(&text);
	str_free(&peer);
}

/* The steps.  Each returns true when an answer is to come. */

static bool
say_connect(struct milter *m)
{
	const struct milter_mail *mail = m->mail;
	struct str text = {0}, name = {0};
	uint64_t port = 0;
	bool v6 = mail->client.len > 0 && memchr(mail->client.p, ':', mail->client.len) != NULL;
	bool v4 = !v6 && mail->client.len > 0 && mail->client.p[0] >= '0' && mail->client.p[0] <= '9';

	str_printf(&name, v4 || v6 ? "[%.*s]" : "localhost", (int)mail->client.len, mail->client.p);
	add_text(&text, str_span(&name));
	str_add_char(&text, v6 ? '6' : v4 ? '4' : 'U');
	if (v4 || v6) {
		if (span_number(mail->port, 65535, &port) < 0)
			port = 0;
		str_add_char(&text, (char)(port >> 8));
		str_add_char(&text, (char)(port & 0xff));
		add_text(&text, mail->client);
	}
	macros(m, 'C');
	packet(m, 'C', str_span(&text));
	str_free(&text);
	str_free(&name);
	return (m->protocol & QUIET_CONNECT) == 0;
}

static bool
say_helo(struct milter *m)
{
	struct str text = {0};

	add_text(&text, m->mail->helo.len > 0 ? m->mail->helo : SPAN("localhost"));
	macros(m, 'H');
	packet(m, 'H', str_span(&text));
	str_free(&text);
	return (m->protocol & QUIET_HELO) == 0;
}

static void
say_address(struct milter *m, char command, const struct str *address, const struct str *args)
{
	struct str text = {0}, path = {0};
	struct span rest = str_span(args), word;

	str_printf(&path, "<%.*s>", (int)address->len, address->p != NULL ? address->p : "");
	add_text(&text, str_span(&path));
	while ((word = span_word(&rest)).len > 0)
		add_text(&text, word);
	macros(m, command);
	packet(m, command, str_span(&text));
	str_free(&text);
	str_free(&path);
}

/* Line ends inside a value are LF alone, as Sendmail has them. */
static void
add_value(struct milter *m, struct str *text, struct header_field *field)
{
	struct span value = field->value;

	if (m->keeps_blanks) {
		const char *colon = memchr(field->whole.p, ':', field->whole.len);
		value = span_from(field->whole, (size_t)(colon - field->whole.p) + 1);
		while (value.len > 0 && (value.p[value.len - 1] == '\n' || value.p[value.len - 1] == '\r'))
			value.len--;
	}
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] != '\r' && value.p[i] != '\0')
			str_add_char(text, value.p[i]);
	str_add_char(text, '\0');
}

static bool
say_field(struct milter *m)
{
	struct header_field field;
	struct str text = {0};

	if (!header_next(&m->fields, &field)) {
		m->step++;
		return false;
	}
	add_text(&text, field.name);
	add_value(m, &text, &field);
	macros(m, 'L');
	packet(m, 'L', str_span(&text));
	str_free(&text);
	return (m->protocol & QUIET_FIELDS) == 0;
}

static bool
say_rcpt(struct milter *m)
{
	const struct envelope *env = m->mail->env;

	if (m->at >= env->rcpts) {
		m->step++;
		return false;
	}
	say_address(m, 'R', &env->rcpt[m->at].to, &env->rcpt[m->at].args);
	m->at++;
	return (m->protocol & QUIET_RCPT) == 0;
}

static bool
say_body(struct milter *m)
{
	if (m->body.len == 0 || m->skips) {
		m->step++;
		return false;
	}
	struct span piece = span_to(m->body, m->body.len < BODY_PIECE ? m->body.len : BODY_PIECE);
	m->body = span_from(m->body, piece.len);
	packet(m, 'B', piece);
	return (m->protocol & QUIET_BODY) == 0;
}

static bool
say_simple(struct milter *m, char command, uint32_t quiet)
{
	macros(m, command);
	packet(m, command, (struct span){ "", 0 });
	return (m->protocol & quiet) == 0;
}

static bool
is_left_out(const struct milter *m)
{
	static const uint32_t bits[] = { 0, NO_CONNECT, NO_HELO, NO_MAIL, NO_RCPT, NO_DATA, NO_FIELDS, NO_END_OF_FIELDS,
		NO_BODY, 0, 0 };

	return (m->protocol & bits[m->step]) != 0;
}

static bool
say_step(struct milter *m)
{
	switch ((enum step)m->step) {
	case CONNECT:
		m->step++;
		return say_connect(m);
	case HELO:
		m->step++;
		return say_helo(m);
	case SENDER:
		m->step++;
		say_address(m, 'M', &m->mail->env->from, &m->mail->env->args);
		return (m->protocol & QUIET_MAIL) == 0;
	case RCPTS:
		return say_rcpt(m);
	case DATA:
		m->step++;
		return say_simple(m, 'T', QUIET_DATA);
	case FIELDS:
		return say_field(m);
	case END_OF_FIELDS:
		m->step++;
		return say_simple(m, 'N', QUIET_END_OF_FIELDS);
	case BODY:
		return say_body(m);
	case END:
		m->step++;
		return say_simple(m, 'E', 0);
	default:
		return true;
	}
}

/* Until an answer is due, or enough waits to be sent. */
static void
go_on(struct milter *m)
{
	while (!m->waits && !m->d.done && m->d.out.len < 2 * DIALOGUE_PIECE && m->step != NEGOTIATE) {
		if (is_left_out(m))
			m->step++;
		else
			m->waits = say_step(m);
	}
}

/* answers */

static void
over(struct milter *m, enum milter_verdict verdict)
{
	m->verdict = verdict;
	m->d.done = true;
	packet(m, 'Q', (struct span){ "", 0 });
}

static int
agree(struct milter *m, struct span bytes, struct err *err)
{
	if (bytes.len < 12)
		return err_set(err, ERR_TEMP, "the milter's offer is too short");
	uint32_t version = number_at(bytes), actions = number_at(span_from(bytes, 4)), protocol = number_at(span_from(bytes, 8));
	/* Bits above are of sizes that Sendmail knows, and mean nothing to others. */
	protocol &= 0x00ffffff;
	if (version < OLDEST || version > NEWEST)
		return err_set(err, ERR_TEMP, "the milter speaks version %u", version);
	if ((actions & ~(uint32_t)OFFERED) != 0 || (protocol & ~(uint32_t)STEPS_OFFERED) != 0)
		return err_set(err, ERR_TEMP, "the milter wants what was not offered (actions %x, steps %x)", actions, protocol);
	m->actions = actions;
	m->protocol = protocol;
	if (version < 3)
		m->protocol |= NO_UNKNOWN;
	if (version < 4)
		m->protocol |= NO_DATA;
	m->keeps_blanks = (protocol & LEADING_BLANKS) != 0;
	m->step = CONNECT;
	return 0;
}

static struct span
text_of(struct span *bytes)
{
	struct span text = {0};

	span_cut(bytes, '\0', &text);
	return text;
}

/* The action that allows a change. */
static uint32_t
needs(char what)
{
	switch (what) {
	case MILTER_ADD_FIELD:
	case MILTER_INSERT_FIELD:
		return ADD_FIELDS | CHANGE_FIELDS;
	case MILTER_CHANGE_FIELD:
		return CHANGE_FIELDS;
	case MILTER_BODY:
		return CHANGE_BODY;
	case MILTER_ADD_RCPT:
	case '2':
		return ADD_RCPTS | ADD_RCPTS_WITH;
	case MILTER_REMOVE_RCPT:
		return REMOVE_RCPTS;
	case MILTER_SENDER:
		return CHANGE_FROM;
	case 'q':
		return QUARANTINE;
	default:
		return 0;
	}
}

static struct milter_edit *
new_edit(struct milter *m, enum milter_what what)
{
	if ((m->edits & (m->edits - 1)) == 0)
		m->edit = mem_resize(m->edit, m->edits > 0 ? 2 * m->edits : 1, sizeof *m->edit);
	m->edit[m->edits] = (struct milter_edit){ .what = what };
	return &m->edit[m->edits++];
}

/* Pieces of a body belong together. */
static void
add_body(struct milter *m, struct span bytes)
{
	struct milter_edit *edit = NULL;

	for (size_t i = 0; i < m->edits; i++)
		if (m->edit[i].what == MILTER_BODY)
			edit = &m->edit[i];
	if (edit == NULL)
		edit = new_edit(m, MILTER_BODY);
	str_add_span(&edit->value, bytes);
}

static void
set_address(struct str *to, struct span path)
{
	path = span_trim(path);
	if (path.len >= 2 && path.p[0] == '<' && path.p[path.len - 1] == '>')
		path = span_to(span_from(path, 1), path.len - 2);
	str_set_span(to, path);
}

static int
take_edit(struct milter *m, char what, struct span bytes, struct err *err)
{
	size_t most = m->mail->header.len + m->mail->body.len + ADDED_MAX;

	m->taken += bytes.len;
	if (m->step != OVER || (m->actions & needs(what)) == 0)
		return err_set(err, ERR_TEMP, "the milter changes what it may not, or when it may not ('%c')", what);
	if (m->edits >= EDITS_MAX || m->taken > most)
		return err_set(err, ERR_TEMP, "the milter changes too much");
	if (what == 'q') {
		str_set_span(&m->quarantine, text_of(&bytes));
		if (m->quarantine.len == 0)
			str_set(&m->quarantine, "quarantined");
		return 0;
	}
	if (what == MILTER_BODY) {
		add_body(m, bytes);
		return 0;
	}
	struct milter_edit *edit = new_edit(m, what == '2' ? MILTER_ADD_RCPT : (enum milter_what)what);
	if (what == MILTER_CHANGE_FIELD || what == MILTER_INSERT_FIELD) {
		if (bytes.len < 4)
			return err_set(err, ERR_TEMP, "a change without its place");
		edit->index = number_at(bytes);
		bytes = span_from(bytes, 4);
	}
	if (what == MILTER_ADD_FIELD || what == MILTER_CHANGE_FIELD || what == MILTER_INSERT_FIELD) {
		str_set_span(&edit->name, text_of(&bytes));
		str_set_span(&edit->value, text_of(&bytes));
	} else {
		set_address(&edit->name, text_of(&bytes));
	}
	return 0;
}

static int
take_answer(struct milter *m, char what, struct span bytes, struct err *err)
{
	if (m->step == NEGOTIATE)
		return what == 'O' ? agree(m, bytes, err) : err_set(err, ERR_TEMP, "what answers is no milter");
	if (what == 'p')	/* it works on it */
		return 0;
	if (needs(what) != 0)
		return take_edit(m, what, bytes, err);
	if (!m->waits)
		return err_set(err, ERR_TEMP, "the milter answers without having been asked");
	switch (what) {
	case 'c':
		m->waits = false;
		if (m->step == OVER)
			over(m, MILTER_ACCEPT);
		return 0;
	case 's':
		if (m->step != BODY || (m->protocol & MAY_SKIP) == 0)
			break;
		m->waits = false;
		m->skips = true;
		return 0;
	case 'a':
		over(m, MILTER_ACCEPT);
		return 0;
	case 'd':
		over(m, MILTER_DISCARD);
		return 0;
	case 'r':
		over(m, MILTER_REJECT);
		return 0;
	case 't':
		over(m, MILTER_LATER);
		return 0;
	case 'y':
		str_set_span(&m->reply, text_of(&bytes));
		over(m, m->reply.len > 0 && m->reply.p[0] == '4' ? MILTER_LATER : MILTER_REJECT);
		return 0;
	case 'f':
	case '4':
		return err_set(err, ERR_TEMP, "the milter is not there now");
	default:
		break;
	}
	return err_set(err, ERR_TEMP, "the milter answers with '%c', which nobody understands here",
	    what > ' ' && what <= '~' ? what : '?');
}

static int
milter_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct milter *m = (struct milter *)d;
	size_t used = 0;
	int result = 0;

	str_add_span(&m->in, bytes);
	while (result == 0 && !d->done && m->in.len - used >= 4) {
		struct span rest = span_from(str_span(&m->in), used);
		uint32_t len = number_at(rest);
		if (len < 1 || len > PACKET_MAX)
			return err_set(err, ERR_TEMP, "what answers is no milter");
		if (rest.len - 4 < len)
			break;
		result = take_answer(m, rest.p[4], span_to(span_from(rest, 5), len - 1), err);
		used += 4 + (size_t)len;
		go_on(m);
	}
	str_cut(&m->in, used);
	return result;
}

static void
milter_more(struct dialogue *d)
{
	go_on((struct milter *)d);
}

static const struct dialogue_row row = { .more = milter_more, .feed = milter_feed };

void
milter_start(struct milter *milter, const struct milter_mail *mail)
{
	struct str text = {0};

	*milter = (struct milter){ .d.row = &row, .mail = mail, .fields = mail->header, .body = mail->body };
	add_number(&text, NEWEST);
	add_number(&text, OFFERED);
	add_number(&text, STEPS_OFFERED);
	packet(milter, 'O', str_span(&text));
	str_free(&text);
}

void
milter_free(struct milter *milter)
{
	for (size_t i = 0; i < milter->edits; i++) {
		str_free(&milter->edit[i].name);
		str_free(&milter->edit[i].value);
	}
	free(milter->edit);
	str_free(&milter->d.out);
	str_free(&milter->reply);
	str_free(&milter->quarantine);
	str_free(&milter->in);
}
