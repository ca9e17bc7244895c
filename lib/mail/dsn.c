#include "lib/mail/dsn.h"

#include <string.h>

#include "lib/base/digest.h"
#include "lib/mail/date.h"
#include "lib/mail/envelope.h"
#include "lib/mail/header.h"
#include "lib/mail/xtext.h"

enum { LINE_MOST = 998, REPLY_MOST = 900 };

/* What each kind is called, and what people are told. */
static const struct {
	const char *word, *action, *subject, *says;
} kinds[DSN_KINDS] = {
	[DSN_FAILURE] = { "failure", "failed", "Your message could not be delivered",
	    "could not be delivered to" },
	[DSN_DELAY] = { "delay", "delayed", "Your message is delayed",
	    "has not been delivered yet, and is still being tried, to" },
	[DSN_DELIVERED] = { "delivered", "delivered", "Your message was delivered",
	    "was delivered, as you asked to be told, to" },
	[DSN_RELAYED] = { "relayed", "relayed", "Your message was passed on",
	    "was passed on to a mail system that cannot report further, for" },
	[DSN_EXPANDED] = { "expanded", "expanded", "Your message was passed on to a list",
	    "was passed on to several addresses, for" },
};

const char *
dsn_word(enum dsn_kind kind)
{
	return kinds[kind].word;
}

enum dsn_kind
dsn_kind_of(struct span word)
{
	for (enum dsn_kind kind = DSN_FAILURE; kind < DSN_KINDS; kind++)
		if (span_is(word, kinds[kind].word))
			return kind;
	return DSN_NONE;
}

bool
dsn_wanted(struct span rcpt_args, enum dsn_kind kind)
{
	static const char *const words[DSN_KINDS] = {
		[DSN_FAILURE] = "FAILURE", [DSN_DELAY] = "DELAY", [DSN_DELIVERED] = "SUCCESS",
		[DSN_RELAYED] = "SUCCESS", [DSN_EXPANDED] = "SUCCESS",
	};
	struct span list, word;

	if (!envelope_arg(rcpt_args, "NOTIFY", &list))
		return kind == DSN_FAILURE || kind == DSN_DELAY;
	while (span_cut(&list, ',', &word))
		if (words[kind] != NULL && span_is_case(word, words[kind]))
			return true;
	return false;
}

enum dsn_kind
dsn_of_success(enum dsn_taker taker)
{
	static const enum dsn_kind told[] = {
		[DSN_BY_HOP] = DSN_NONE, [DSN_BY_PLAIN_HOP] = DSN_RELAYED,
		[DSN_BY_BATCH] = DSN_NONE, [DSN_BY_PLAIN_BATCH] = DSN_RELAYED,
		[DSN_BY_MAILBOX] = DSN_DELIVERED,
	};
	return told[taker];
}

/* "d.d{1,3}.d{1,3}" at the beginning: how long, or 0 */
static size_t
enhanced_code(struct span text)
{
	size_t at = 1;

	if (text.len < 5 || text.p[0] < '2' || text.p[0] > '5' || text.p[0] == '3')
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t digits = 0;
		if (at >= text.len || text.p[at++] != '.')
			return 0;
		while (at < text.len && digits < 3 && text.p[at] >= '0' && text.p[at] <= '9') {
			at++;
			digits++;
		}
		if (digits == 0)
			return 0;
	}
	return at == text.len || text.p[at] == ' ' ? at : 0;
}

static bool
reply_code(struct span reply)
{
	return reply.len >= 3 && reply.p[0] >= '2' && reply.p[0] <= '5' && reply.p[1] >= '0' &&
	    reply.p[1] <= '9' && reply.p[2] >= '0' && reply.p[2] <= '9' &&
	    (reply.len == 3 || reply.p[3] == ' ' || reply.p[3] == '-');
}

void
dsn_status(struct span reply, enum dsn_kind kind, struct str *out)
{
	struct span text = reply_code(reply) ? span_from(reply, 4) : reply;
	size_t len = enhanced_code(text);

	if (len > 0 && (kind < DSN_DELIVERED || text.p[0] == '2'))
		str_add_span(out, span_to(text, len));
	else if (kind >= DSN_DELIVERED)
		str_add_text(out, "2.0.0");
	else if (reply_code(reply) && reply.p[0] >= '4')
		str_printf(out, "%c.0.0", reply.p[0]);
	else
		str_add_text(out, kind == DSN_DELAY ? "4.0.0" : "5.0.0");
}

/* A peer's words, one line of printable ASCII. */
static void
add_plain(struct str *out, struct span text, bool utf8)
{
	for (size_t i = 0; i < text.len && i < REPLY_MOST; i++) {
		unsigned char c = (unsigned char)text.p[i];
		str_add_char(out, c >= ' ' && c != 0x7f && (c < 0x7f || utf8) ? (char)c : '?');
	}
}

/* In lines of at most 72 characters where there are blanks, each behind `before`. */
static void
add_folded(struct str *out, struct span text, const char *before)
{
	struct str plain = {0};

	add_plain(&plain, text, false);
	for (struct span rest = str_span(&plain); rest.len > 0;) {
		size_t len = rest.len;
		if (len > 72) {
			for (len = 72; len > 30 && rest.p[len] != ' '; len--)
				;
			if (rest.p[len] != ' ')
				len = 72;
		}
		str_add_text(out, before);
		str_add_span(out, span_to(rest, len));
		str_add_text(out, "\r\n");
		rest = span_from(rest, len);
		while (rest.len > 0 && rest.p[0] == ' ')
			rest = span_from(rest, 1);
	}
	str_free(&plain);
}

static void
add_date(struct str *out, const char *field, int64_t when)
{
	if (when == 0)
		return;
	str_printf(out, "%s: ", field);
	date_mail(when, out);
	str_add_text(out, "\r\n");
}

static void
add_header(const struct dsn *d, const char *boundary, struct str *out)
{
	add_date(out, "Date", d->now);
	str_add_text(out, "From: Mail delivery <");
	add_plain(out, d->from, d->utf8);
	str_add_text(out, ">\r\nTo: <");
	add_plain(out, d->to, d->utf8);
	str_printf(out, ">\r\nSubject: %s\r\nMessage-ID: <", kinds[d->kind].subject);
	add_plain(out, d->id, false);
	str_add_char(out, '@');
	add_plain(out, d->host, false);
	str_add_text(out, ">\r\n");
	struct header_field field;
	if (header_find(d->original, "Message-ID", &field) && field.value.len < 300) {
		struct str id = {0};
		header_unfold(field.value, &id);
		str_add_text(out, "In-Reply-To: ");
		add_plain(out, str_span(&id), false);
		str_add_text(out, "\r\n");
		str_free(&id);
	}
	/* RFC 3834 5: nobody's vacation program shall answer it. */
	str_printf(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s\"\r\n\r\n",
	    d->utf8 ? "global-delivery-status" : "delivery-status", boundary);
}

static void
add_rcpt_text(const struct dsn *d, const struct dsn_rcpt *rcpt, struct str *out)
{
	str_add_text(out, "    <");
	add_plain(out, rcpt->final, d->utf8);
	str_add_text(out, ">\r\n");
	if (rcpt->reply.len == 0 || d->kind >= DSN_DELIVERED)
		return;
	if (rcpt->remote.len > 0) {
		str_add_text(out, "      ");
		add_plain(out, rcpt->remote, false);
		str_add_text(out, " said:\r\n");
	}
	add_folded(out, rcpt->reply, "        ");
}

/* Was one of them given up though its trouble was for the time being? */
static bool
any_for_now(const struct dsn *d)
{
	bool any = false;

	for (size_t i = 0; i < d->rcpts; i++)
		any = any || span_begins(d->rcpt[i].reply, "4");
	return any;
}

static void
add_text_part(const struct dsn *d, struct str *out)
{
	str_printf(out, "Content-Type: text/plain; charset=%s\r\n%s\r\n", d->utf8 ? "utf-8" : "us-ascii",
	    d->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	str_add_text(out, "This is the mail system of ");
	add_plain(out, d->host, false);
	str_add_text(out, ".\r\n\r\nYour message of ");
	date_mail(d->arrived, out);
	str_printf(out, "\r\n%s:\r\n\r\n", kinds[d->kind].says);
	for (size_t i = 0; i < d->rcpts; i++)
		add_rcpt_text(d, &d->rcpt[i], out);
	str_add_text(out, "\r\n");
	if (d->kind == DSN_FAILURE && any_for_now(d))
		str_add_text(out, "Where an answer begins with 4, trying again might have helped; it has been tried\r\n"
		    "for as long as this system does.\r\n");
	if (d->kind == DSN_FAILURE)
		str_printf(out, "Nothing more will be tried. Check the address, or ask its owner in another\r\n"
		    "way. %s message is attached.\r\n", d->full ? "Your" : "The beginning of your");
	if (d->kind == DSN_DELAY) {
		str_add_text(out, "You need not send it again. It will be tried");
		if (d->until != 0) {
			str_add_text(out, " until\r\n");
			date_mail(d->until, out);
		}
		str_add_text(out, ".\r\n");
	}
	str_add_text(out, "\r\n");
}

static void
add_address_field(const struct dsn *d, const char *field, struct span address, struct str *out)
{
	str_printf(out, "%s: %s; ", field, d->utf8 ? "utf-8" : "rfc822");
	add_plain(out, address, d->utf8);
	str_add_text(out, "\r\n");
}

static void
add_orcpt(const struct dsn *d, struct span orcpt, struct str *out)
{
	struct span address = orcpt, type;
	struct str plain = {0};

	if (orcpt.p == NULL || !span_cut(&address, ';', &type) || address.p == NULL)
		return;
	str_add_text(out, "Original-Recipient: ");
	add_plain(out, type, false);
	str_add_text(out, "; ");
	/* utf-8 addresses have an encoding of their own and stay as they came */
	if (xtext_decode(address, &plain) == 0)
		add_plain(out, str_span(&plain), d->utf8);
	else
		add_plain(out, address, d->utf8);
	str_add_text(out, "\r\n");
	str_free(&plain);
}

static void
add_rcpt_fields(const struct dsn *d, const struct dsn_rcpt *rcpt, struct str *out)
{
	struct str status = {0};

	str_add_text(out, "\r\n");
	add_orcpt(d, rcpt->orcpt, out);
	add_address_field(d, "Final-Recipient", rcpt->final, out);
	dsn_status(rcpt->reply, d->kind, &status);
	str_printf(out, "Action: %s\r\nStatus: %s\r\n", kinds[d->kind].action, str_c(&status));
	str_free(&status);
	if (rcpt->remote.len > 0) {
		str_add_text(out, "Remote-MTA: dns; ");
		add_plain(out, rcpt->remote, false);
		str_add_text(out, "\r\n");
	}
	if (rcpt->reply.len > 0 && d->kind < DSN_DELIVERED) {
		struct str lines = {0};
		add_folded(&lines, rcpt->reply, "    ");
		str_printf(out, "Diagnostic-Code: %s;\r\n", reply_code(rcpt->reply) ? "smtp" : "x-mochila");
		str_add_span(out, str_span(&lines));
		str_free(&lines);
	}
	add_date(out, "Last-Attempt-Date", rcpt->last_attempt);
	if (d->kind == DSN_DELAY)
		add_date(out, "Will-Retry-Until", d->until);
	str_add_text(out, "Final-Log-ID: ");
	add_plain(out, d->original_id, false);
	str_add_text(out, "\r\n");
}

static void
add_status_part(const struct dsn *d, struct str *out)
{
	struct str envid = {0};

	str_printf(out, "Content-Type: message/%sdelivery-status\r\n%s\r\n", d->utf8 ? "global-" : "",
	    d->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	if (d->envid.p != NULL && xtext_decode(d->envid, &envid) == 0) {
		str_add_text(out, "Original-Envelope-Id: ");
		add_plain(out, str_span(&envid), false);
		str_add_text(out, "\r\n");
	}
	str_free(&envid);
	/* RFC 3464 2.1.1: a name that the DNS cannot know is none of its. */
	str_printf(out, "Reporting-MTA: %s; ", d->host.len > 0 && memchr(d->host.p, '.', d->host.len) != NULL ?
	    "dns" : "x-local-hostname");
	add_plain(out, d->host, false);
	str_add_text(out, "\r\n");
	add_date(out, "Arrival-Date", d->arrived);
	for (size_t i = 0; i < d->rcpts; i++)
		add_rcpt_fields(d, &d->rcpt[i], out);
	str_add_text(out, "\r\n");
}

/* The header, one line at a time: no line too long, no control, no bare line end. */
static void
add_original_header(const struct dsn *d, struct str *out)
{
	struct span rest = d->original, whole;
	struct header_field field;
	size_t taken = 0;

	while (header_next(&rest, &field))
		taken += field.whole.len;
	whole = span_to(d->original, taken);
	for (struct span line; span_cut(&whole, '\n', &line);) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			continue;
		line = span_to(line, LINE_MOST);
		for (size_t i = 0; i < line.len; i++) {
			unsigned char c = (unsigned char)line.p[i];
			str_add_char(out, c >= ' ' || c == '\t' ? (char)c : '?');
		}
		str_add_text(out, "\r\n");
	}
}

/* Can it stand in a message as it is: CRLF lines of a lawful length, no NUL? */
static bool
stands_as_it_is(struct span text)
{
	size_t line = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		bool end = c == '\r' && i + 1 < text.len && text.p[i + 1] == '\n';
		if (end) {
			line = 0;
			i++;
		} else if (c == '\0' || c == '\r' || c == '\n' || ++line > LINE_MOST) {
			return false;
		}
	}
	return true;
}

static bool
has_8bit(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return true;
	return false;
}

static void
add_original_part(const struct dsn *d, bool full, struct span original, struct str *out)
{
	const char *type = full ? d->utf8 ? "message/global" : "message/rfc822" :
	    d->utf8 ? "message/global-headers" : "text/rfc822-headers";

	str_printf(out, "Content-Type: %s\r\n%s\r\n", type,
	    has_8bit(original) ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	str_add_span(out, original);
	if (original.len < 2 || original.p[original.len - 1] != '\n')
		str_add_text(out, "\r\n");
}

static void
choose_boundary(struct span original, struct str *out)
{
	unsigned char random[12];

	do {
		str_clear(out);
		random_bytes(random, sizeof random);
		str_add_text(out, "=_");
		digest_hex(random, sizeof random, out);
	} while (original.len >= out->len && memmem(original.p, original.len, out->p, out->len) != NULL);
}

bool
dsn_write(const struct dsn *d, struct str *out)
{
	struct str boundary = {0}, header = {0};
	size_t start = out->len;
	bool full = d->full && d->kind == DSN_FAILURE && stands_as_it_is(d->original);
	struct dsn copy = *d;

	copy.full = full;
	add_original_header(d, &header);
	struct span original = full ? d->original : str_span(&header);
	choose_boundary(original, &boundary);
	add_header(&copy, str_c(&boundary), out);
	str_printf(out, "--%s\r\n", str_c(&boundary));
	add_text_part(&copy, out);
	str_printf(out, "--%s\r\n", str_c(&boundary));
	add_status_part(&copy, out);
	str_printf(out, "--%s\r\n", str_c(&boundary));
	add_original_part(&copy, full, original, out);
	str_printf(out, "\r\n--%s--\r\n", str_c(&boundary));
	str_free(&boundary);
	str_free(&header);
	return has_8bit((struct span){ out->p + start, out->len - start });
}
