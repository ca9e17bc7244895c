#include "bsmtp/carry.h"

#include <string.h>

#include "lib/mail/utf8.h"
#include "spool/recoded.h"

/* the message's bytes */

struct looking {
	struct texture *texture;
	size_t line;		/* bytes of the one being read */
	bool cr, in_body;
	bool ascii;		/* all that is looked at now */
};

static void
end_line(struct looking *l)
{
	if (l->line > l->texture->longest)
		l->texture->longest = l->line;
	l->in_body |= l->line == 0;
	l->line = 0;
}

/* A part of a line, without its LF. */
static void
look_at_part(struct looking *l, struct span part)
{
	struct texture *t = l->texture;

	if (part.len == 0)
		return;
	size_t crs = part.p[part.len - 1] == '\r';
	if (memchr(part.p, '\r', part.len - crs) != NULL)
		for (size_t i = 0; i < part.len - 1; i++)
			crs += part.p[i] == '\r';
	t->binary |= l->cr || crs > 1 || (crs == 1 && part.p[part.len - 1] != '\r');
	if (!l->ascii && !utf8_is_ascii(part))
		*(l->in_body ? &t->eight_body : &t->eight_header) = true;
	l->line += part.len - crs;
	l->cr = part.p[part.len - 1] == '\r';
}

static void
look_at(struct looking *l, struct span bytes)
{
	l->ascii = utf8_is_ascii(bytes);
	l->texture->binary |= bytes.len > 0 && memchr(bytes.p, '\0', bytes.len) != NULL;
	while (bytes.len > 0) {
		const char *lf = memchr(bytes.p, '\n', bytes.len);
		size_t len = lf != NULL ? (size_t)(lf - bytes.p) : bytes.len;
		look_at_part(l, span_to(bytes, len));
		bytes = span_from(bytes, len + (lf != NULL));
		if (lf == NULL)
			return;
		if (l->cr)
			end_line(l);
		else
			l->line++;
		l->texture->binary |= !l->cr;
		l->cr = false;
	}
}

void
texture_of(struct span message, struct texture *texture)
{
	struct looking l = { .texture = texture };

	*texture = (struct texture){0};
	look_at(&l, message);
	texture->binary |= l.cr;
	end_line(&l);
}

static int
look_at_piece(void *ctx, const void *bytes, size_t len, struct err *err)
{
	(void)err;
	look_at(ctx, (struct span){ bytes, len });
	return 0;
}

int
texture_read(int fd, off_t at, uint64_t len, struct texture *texture, struct err *err)
{
	struct looking l = { .texture = texture };

	*texture = (struct texture){0};
	int result = body_pieces(fd, at, len, look_at_piece, &l, err);
	texture->binary |= l.cr;
	end_line(&l);
	return result;
}

/* what is in the way */

static int
refuse(struct err *err, int reply, const char *code)
{
	return err_as_reply(err, reply, code);
}

static int
check_size(const struct carry *c, struct err *err)
{
	uint64_t most = c->site->max_size;

	if (most == 0 || c->entry->body_len <= most)
		return 0;
	err_set(err, ERR_PERM, "%llu bytes are more than the %llu that %s takes",
	    (unsigned long long)c->entry->body_len, (unsigned long long)most, c->site->name);
	return refuse(err, 552, "5.3.4");
}

/* An address beyond ASCII, or a header where SMTPUTF8 was said of it, is not text to who
 * cannot be told so. */
static int
check_utf8(const struct carry *c, struct err *err)
{
	struct span ignored;
	bool said = envelope_arg(str_span(&c->entry->env.args), "SMTPUTF8", &ignored);

	if ((c->format->carries & OFFER_SMTPUTF8) != 0 ||
	    (utf8_is_ascii(str_span(&c->entry->env.from)) && !(said && c->texture.eight_header)))
		return 0;
	err_set(err, ERR_PERM, "%s is sent mail in a form that knows no SMTPUTF8", c->site->name);
	return refuse(err, 553, "5.6.7");
}

static int
check_sender(const struct carry *c, struct err *err)
{
	const struct str *from = &c->entry->env.from;

	if (c->format->takes == NULL || from->len == 0 || c->format->takes(str_span(from)))
		return 0;
	err_set(err, ERR_PERM, "%s takes the sender in a From_ line, where this address would not be safe",
	    c->site->name);
	return refuse(err, 553, "5.1.7");
}

/* What of its bytes the site does not read; NULL: nothing. */
static const char *
in_the_way(const struct carry *c)
{
	const struct texture *t = &c->texture;

	if (c->format->binary)
		return NULL;
	if (t->binary)
		return "bytes that are no text";
	if (!c->site->eight_bit && (t->eight_body || t->eight_header))
		return "8-bit text";
	if (c->site->line_length > 0 && t->longest > c->site->line_length)
		return "a line that is too long";
	return NULL;
}

static int
check_bytes(struct carry *c, int fd, struct err *err)
{
	const char *what = in_the_way(c);

	if (what == NULL)
		return 0;
	c->recode = (struct recode){ .eight_bit = c->site->eight_bit, .line_max = c->site->line_length };
	c->recodes = recoded_pass(&c->recode, fd, c->entry->body_at, c->entry->body_len, NULL, NULL, err) == 0;
	if (c->recodes || err->kind != ERR_PERM)
		return c->recodes ? 0 : -1;
	err_prefix(err, "it holds %s, which %s does not read", what, c->site->name);
	return refuse(err, 554, "5.6.3");
}

/* Words of MAIL that must not be lost.  The way to a site is a call, between two who know each
 * other; SMTPUTF8 was looked at closer. */
static int
check_words(const struct carry *c, struct err *err)
{
	const struct smtp_way way = { .offers = c->format->carries, .verified = true };
	struct span words = str_span(&c->entry->env.args), word, key;

	while ((word = span_word(&words)).len > 0) {
		const struct smtp_ext *ext;
		struct span value = word;
		span_cut(&value, '=', &key);
		const struct smtp_param *param = smtp_param_find(false, key, OFFER_SMTPUTF8, &ext);
		if (param != NULL && param->hand_on(ext, &way, value, err) < 0)
			return err_prefix(err, "%s", c->site->name);
	}
	return 0;
}

/* what is lost without harm */

static void
add_lost(struct carry *c, bool rcpt, struct span words)
{
	const struct smtp_ext *ext;
	struct span word, key;

	while ((word = span_word(&words)).len > 0) {
		struct span value = word;
		span_cut(&value, '=', &key);
		if (smtp_param_find(rcpt, key, ~c->format->carries, &ext) != NULL)
			continue;
		str_printf(&c->lost, "%s%.*s", c->lost.len > 0 ? " " : "", (int)word.len, word.p);
	}
}

int
carry_look(struct carry *carry, const struct format *format, const struct site_settings *site,
    int fd, const struct entry *entry, struct err *err)
{
	*carry = (struct carry){ .format = format, .site = site, .entry = entry };
	if (check_size(carry, err) < 0)
		return -1;
	if (!format->binary &&
	    texture_read(fd, entry->body_at, entry->body_len, &carry->texture, err) < 0)
		return -1;
	if (check_utf8(carry, err) < 0 || check_sender(carry, err) < 0 || check_words(carry, err) < 0 ||
	    check_bytes(carry, fd, err) < 0)
		return -1;
	add_lost(carry, false, str_span(&entry->env.args));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			add_lost(carry, true, str_span(&entry->env.rcpt[i].args));
	return 0;
}

int
carry_rcpt(const struct carry *carry, size_t rcpt, struct err *err)
{
	struct span to = str_span(&carry->entry->env.rcpt[rcpt].to);

	if ((carry->format->carries & OFFER_SMTPUTF8) == 0 && !utf8_is_ascii(to)) {
		err_set(err, ERR_PERM, "%s cannot be told an address beyond ASCII", carry->site->name);
		return refuse(err, 553, "5.6.7");
	}
	if (carry->format->takes == NULL || carry->format->takes(to))
		return 0;
	err_set(err, ERR_PERM, "%s takes its recipients on a command line, where this address would not "
	    "be safe", carry->site->name);
	return refuse(err, 553, "5.1.3");
}

void
carry_free(struct carry *carry)
{
	recode_free(&carry->recode);
	str_free(&carry->lost);
}
