#include "lib/proto/rspamd.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, FIELDS_MAX = 100, SYMBOLS_MAX = 100, VALUE_MAX = 4096 };

/* asking */

static void
add_field(struct str *out, const char *name, struct span value)
{
	if (value.len == 0)
		return;
	str_printf(out, "%s: ", name);
	for (size_t i = 0; i < value.len; i++)
		str_add_char(out, (unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f ? '?' : value.p[i]);
	str_add_text(out, "\r\n");
}

static void
ask(struct rspamd *r)
{
	const struct rspamd_mail *mail = r->mail;
	struct str *out = &r->d.out;

	/* 1.0, so that the answer comes in one piece and ends with the connection. */
	str_printf(out, "POST /checkv2 HTTP/1.0\r\nContent-Length: %zu\r\n", mail->message.len);
	add_field(out, "Queue-Id", mail->id);
	add_field(out, "From", str_span(&mail->env->from));
	for (size_t i = 0; i < mail->env->rcpts; i++)
		add_field(out, "Rcpt", str_span(&mail->env->rcpt[i].to));
	add_field(out, "IP", mail->client);
	add_field(out, "Helo", mail->helo);
	add_field(out, "User", mail->user);
	add_field(out, "MTA-Name", mail->host);
	str_add_text(out, "\r\n");
}

static void
rspamd_more(struct dialogue *d)
{
	struct rspamd *r = (struct rspamd *)d;
	size_t left = r->mail->message.len - r->sent, piece = left < DIALOGUE_PIECE ? left : DIALOGUE_PIECE;

	str_add(&d->out, r->mail->message.p + r->sent, piece);
	r->sent += piece;
}

/* the JSON */

static struct span
text_at(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return (struct span){0};
	size_t len = json_string_length(value);
	return (struct span){ json_string_value(value), len < VALUE_MAX ? len : VALUE_MAX };
}

static void
number_at(const json_t *object, const char *key, struct str *out)
{
	const json_t *value = json_object_get(object, key);
	double number = json_is_number(value) ? json_number_value(value) : 0;

	str_printf(out, "%.2f", isfinite(number) && fabs(number) < 1e6 ? number : 0);
}

static int
take_action(struct rspamd *r, struct span word, struct err *err)
{
	static const struct { const char *word; enum rspamd_action action; } rows[] = {
		{ "no action", RSPAMD_NONE }, { "greylist", RSPAMD_LATER }, { "soft reject", RSPAMD_LATER },
		{ "add header", RSPAMD_MARK }, { "rewrite subject", RSPAMD_SUBJECT }, { "reject", RSPAMD_REJECT },
		{ "discard", RSPAMD_DISCARD }, { "quarantine", RSPAMD_QUARANTINE },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (!span_is_case(word, rows[i].word))
			continue;
		r->action = rows[i].action;
		return 0;
	}
	return err_set(err, ERR_TEMP, "rspamd wants what nobody understands here");
}

static void
new_field(struct rspamd *r, const char *name, struct span value, bool remove)
{
	if (r->fields >= FIELDS_MAX)
		return;
	r->field = mem_resize(r->field, r->fields + 1, sizeof *r->field);
	r->field[r->fields] = (struct rspamd_field){ .remove = remove };
	str_set(&r->field[r->fields].name, name);
	str_set_span(&r->field[r->fields].value, value);
	r->fields++;
}

/* A value is a text, an object with one, or a list of such. */
static void
add_values(struct rspamd *r, const char *name, const json_t *value)
{
	if (json_is_string(value))
		new_field(r, name, (struct span){ json_string_value(value), json_string_length(value) }, false);
	else if (json_is_object(value) && text_at(value, "value").p != NULL)
		new_field(r, name, text_at(value, "value"), false);
	for (size_t i = 0; json_is_array(value) && i < json_array_size(value) && i < FIELDS_MAX; i++) {
		const json_t *one = json_array_get(value, i);
		if (!json_is_array(one))
			add_values(r, name, one);
	}
}

static void
take_fields(struct rspamd *r, json_t *milter)
{
	json_t *remove = json_object_get(milter, "remove_headers"), *add = json_object_get(milter, "add_headers"), *value;
	const char *name;

	json_object_foreach(remove, name, value)
		new_field(r, name, (struct span){0}, true);
	json_object_foreach(add, name, value)
		add_values(r, name, value);
}

static void
take_symbols(struct rspamd *r, json_t *symbols)
{
	const char *name;
	json_t *value;
	int count = 0;

	json_object_foreach(symbols, name, value)
		if (count++ < SYMBOLS_MAX && strlen(name) < 100)
			str_printf(&r->symbols, "%s%s", r->symbols.len > 0 ? "," : "", name);
}

static int
take_json(struct rspamd *r, struct span text, struct err *err)
{
	json_error_t wrong;
	json_t *root = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &wrong);

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_TEMP, "rspamd's answer is no JSON");
	}
	int result = take_action(r, text_at(root, "action"), err);
	number_at(root, "score", &r->score);
	number_at(root, "required_score", &r->required);
	take_symbols(r, json_object_get(root, "symbols"));
	str_set_span(&r->subject, text_at(root, "subject"));
	str_set_span(&r->message, text_at(json_object_get(root, "messages"), "smtp_message"));
	take_fields(r, json_object_get(root, "milter"));
	json_decref(root);
	r->d.done = result == 0;
	return result;
}

/* HTTP, as much of it as there is in this */

static const char *
body_of(struct str *in)
{
	const char *end = strstr(str_c(in), "\r\n\r\n");

	return end != NULL ? end + 4 : NULL;
}

/* -1: not said */
static int64_t
length_of(struct span head)
{
	struct span line, name;
	uint64_t len;

	while (span_cut(&head, '\n', &line)) {
		if (!span_cut(&line, ':', &name) || !span_is_case(name, "Content-Length"))
			continue;
		line = span_trim(line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (span_number(line, ANSWER_MAX, &len) == 0)
			return (int64_t)len;
	}
	return -1;
}

static int
take(struct rspamd *r, const char *body, size_t len, struct err *err)
{
	struct span rest = str_span(&r->in), line;

	span_cut(&rest, '\n', &line);
	struct span version = span_word(&line), code = span_word(&line);
	if (!span_begins(version, "HTTP/1."))
		return err_set(err, ERR_TEMP, "what answers is no rspamd");
	if (!span_is(code, "200"))
		return err_set(err, ERR_TEMP, "rspamd says %.*s", code.len > 10 ? 10 : (int)code.len, code.p);
	return take_json(r, (struct span){ body, len }, err);
}

static int
rspamd_feed(struct dialogue *d, struct span bytes, struct err *err)
{
	struct rspamd *r = (struct rspamd *)d;

	str_add_span(&r->in, bytes);
	if (r->in.len > ANSWER_MAX)
		return err_set(err, ERR_TEMP, "rspamd talks too much");
	const char *body = body_of(&r->in);
	if (body == NULL)
		return 0;
	size_t have = r->in.len - (size_t)(body - r->in.p);
	int64_t want = length_of(span_to(str_span(&r->in), (size_t)(body - r->in.p)));
	return want >= 0 && have >= (size_t)want ? take(r, body, (size_t)want, err) : 0;
}

static int
rspamd_eof(struct dialogue *d, struct err *err)
{
	struct rspamd *r = (struct rspamd *)d;
	const char *body = body_of(&r->in);

	if (body == NULL || length_of(span_to(str_span(&r->in), (size_t)(body - r->in.p))) >= 0)
		return err_set(err, ERR_TEMP, "rspamd closed in the middle of its answer");
	return take(r, body, r->in.len - (size_t)(body - r->in.p), err);
}

static const struct dialogue_row row = { .more = rspamd_more, .feed = rspamd_feed, .eof = rspamd_eof };

void
rspamd_start(struct rspamd *rspamd, const struct rspamd_mail *mail)
{
	*rspamd = (struct rspamd){ .d.row = &row, .mail = mail };
	ask(rspamd);
}

void
rspamd_free(struct rspamd *rspamd)
{
	for (size_t i = 0; i < rspamd->fields; i++) {
		str_free(&rspamd->field[i].name);
		str_free(&rspamd->field[i].value);
	}
	free(rspamd->field);
	struct str *const texts[] = { &rspamd->d.out, &rspamd->score, &rspamd->required, &rspamd->symbols,
		&rspamd->subject, &rspamd->message, &rspamd->in };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		str_free(texts[i]);
}
