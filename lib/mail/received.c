#include "lib/mail/received.h"

#include <string.h>

#include "lib/mail/date.h"

enum { WORD_MAX = 255 };

static bool
is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c != '\0' && strchr("-._:[]+=@", c) != NULL);
}

static void
add_word(struct span word, struct str *out)
{
	size_t len = word.len < WORD_MAX ? word.len : WORD_MAX;
	char *to = str_room(out, len);

	for (size_t i = 0; i < len; i++)
		to[i] = is_plain(word.p[i]) ? word.p[i] : '?';
	out->len += len;
}

static void
add_clause(const char *name, struct span word, struct str *out)
{
	if (word.len == 0)
		return;
	str_add_text(out, name);
	str_add_char(out, ' ');
	add_word(word, out);
}

static bool
is_address(struct span client)
{
	return client.len > 0 && (memchr(client.p, ':', client.len) != NULL ||
	    (client.p[0] >= '0' && client.p[0] <= '9'));
}

/* RFC 5321 4.4: an address stands in brackets, inside the comment. */
static void
add_client(struct span client, struct str *out)
{
	if (client.len == 0)
		return;
	str_add_text(out, is_address(client) ? " ([" : " (");
	add_word(client, out);
	str_add_text(out, is_address(client) ? "])" : ")");
}

void
received_field(const struct received *received, struct str *out)
{
	struct span helo = received->helo;

	if (helo.len == 0 && received->client.len > 0)
		helo = SPAN("unknown");
	str_add_text(out, "Received: ");
	if (helo.len > 0) {
		add_clause("from", helo, out);
		add_client(received->client, out);
		str_add_text(out, "\r\n\t");
	}
	if (received->user.len > 0) {
		str_add_text(out, "(Authenticated sender: ");
		add_word(received->user, out);
		str_add_text(out, ")\r\n\t");
	}
	add_clause("by", received->by, out);
	add_clause(" with", received->with, out);
	add_clause(" id", received->id, out);
	str_add_text(out, ";\r\n\t");
	date_mail(received->when, out);
	str_add_text(out, "\r\n");
}
