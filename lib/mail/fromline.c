#include "lib/mail/fromline.h"

#include <string.h>
#include <sysexits.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The user ends at the first blank outside quotes: "a b"@example.org is one. */
static size_t
user_len(struct span text)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < text.len; i++) {
		if (quoted && text.p[i] == '\\' && i + 1 < text.len)
			i++;
		else if (text.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text.p[i] == ' ' || text.p[i] == '\t'))
			break;
	}
	return i;
}

/* "remote from h" and "forwarded by h" stand at the end of the line. */
static struct span
last_host(struct span text)
{
	static const char *const words[] = { " remote from ", " forwarded by " };
	struct span host = { "", 0 };

	for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
		for (size_t i = 0; i < text.len; i++)
			if (span_begins(span_from(text, i), words[w]))
				host = span_trim(span_from(text, i + strlen(words[w])));
	return span_to(host, user_len(host));
}

static int
refuse(struct err *err, const char *why)
{
	err_set(err, ERR_PERM, "From_ line: %s", why);
	return err_as(err, EX_DATAERR, "5.1.7");
}

static int
check_word(struct span word, const char *why, struct err *err)
{
	for (size_t i = 0; i < word.len; i++)
		if ((unsigned char)word.p[i] < ' ' || word.p[i] == 0x7f)
			return refuse(err, why);
	return 0;
}

int
fromline_parse(struct span line, struct fromline *from, struct err *err)
{
	if (span_begins(line, ">"))
		line = span_from(line, 1);
	if (!span_begins(line, "From "))
		return 0;
	if (line.len > FROMLINE_MAX)
		return refuse(err, "too long");
	line = span_trim(span_from(line, strlen("From ")));
	from->user = span_to(line, user_len(line));
	from->host = last_host(span_from(line, from->user.len));
	if (from->user.len == 0)
		return refuse(err, "it names no sender");
	if (check_word(from->user, "control characters in the sender", err) < 0 ||
	    check_word(from->host, "control characters in the host", err) < 0)
		return -1;
	return 1;
}

static bool
has_time(struct span text)
{
	for (size_t i = 0; i + 5 <= text.len; i++)
		if (is_digit(text.p[i]) && is_digit(text.p[i + 1]) && text.p[i + 2] == ':' &&
		    is_digit(text.p[i + 3]) && is_digit(text.p[i + 4]))
			return true;
	return false;
}

static bool
has_year(struct span text)
{
	struct span word;
	uint64_t year;

	while ((word = span_word(&text)).len > 0)
		if (word.len == 4 && span_number(word, 9999, &year) == 0 && year >= 1970)
			return true;
	return false;
}

bool
fromline_begins_mbox(struct span line)
{
	struct fromline from;
	struct err ignored;

	if (!span_begins(line, "From ") || fromline_parse(line, &from, &ignored) <= 0)
		return false;
	struct span date = span_from(line, (size_t)(from.user.p - line.p) + from.user.len);
	return has_time(date) && has_year(date);
}

/* paths */

/* "a!b!u" before anything else: a and b are hosts like those of other lines. */
static void
add_user(struct from_path *path, struct span user)
{
	struct span host;
	bool domain = user.len > 0 && memchr(user.p, '@', user.len) != NULL;

	while (!domain && memchr(user.p, '!', user.len) != NULL && span_cut(&user, '!', &host)) {
		str_set_span(&path->last_host, host);
		str_add_span(&path->hosts, host);
		str_add_char(&path->hosts, '!');
	}
	str_set_span(&path->user, user);
}

int
fromline_take(struct from_path *path, struct span line, struct err *err)
{
	struct fromline from;
	int got = fromline_parse(line, &from, err);

	if (got <= 0)
		return got;
	if (++path->lines > FROMLINE_HOPS)
		return refuse(err, "more hosts than any mail has passed");
	if (from.host.len > 0) {
		str_set_span(&path->last_host, from.host);
		str_add_span(&path->hosts, from.host);
		str_add_char(&path->hosts, '!');
	}
	add_user(path, from.user);
	return 1;
}

static bool
is_nobody(struct span user)
{
	struct span local = user;

	if (span_is(user, "<>"))
		return true;
	span_cut(&user, '@', &local);
	return span_is_case(local, "MAILER-DAEMON");
}

void
fromline_sender(const struct from_path *path, struct str *sender)
{
	struct span user = str_span(&path->user), host = str_span(&path->last_host);

	if (is_nobody(user))
		return;
	if (user.len > 2 && user.p[0] == '<' && user.p[user.len - 1] == '>')
		user = (struct span){ user.p + 1, user.len - 2 };
	bool domain = memchr(user.p, '@', user.len) != NULL;
	bool dotted = host.len > 0 && memchr(host.p, '.', host.len) != NULL;
	if (!domain && !dotted)
		str_add_span(sender, str_span(&path->hosts));
	str_add_span(sender, user);
	if (!domain && dotted) {
		str_add_char(sender, '@');
		str_add_span(sender, host);
	}
}

void
from_path_free(struct from_path *path)
{
	str_free(&path->hosts);
	str_free(&path->user);
	str_free(&path->last_host);
}
