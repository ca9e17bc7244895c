#include "rmail/compose.h"

#include <string.h>

#include "lib/mail/addrlist.h"
#include "lib/mail/complete.h"
#include "lib/mail/header.h"
#include "rmail/submit.h"

void
compose_qualify(struct span address, const char *host, struct str *out)
{
	str_add_span(out, address);
	if (address.len > 0 && envelope_domain(address).len == 0)
		str_printf(out, "@%s", host);
}

static int
add_address(struct span address, const char *host, struct envelope *env, struct err *err)
{
	struct str whole = {0};

	compose_qualify(address, host, &whole);
	int result = submit_address_ok(address, err);
	if (result == 0)
		result = submit_address_ok(str_span(&whole), err);
	if (result == 0)
		envelope_add(env, str_span(&whole), (struct span){ "", 0 });
	str_free(&whole);
	return result;
}

static int
add_field(struct span value, const char *host, struct envelope *env, struct err *err)
{
	struct str address = {0};
	int result = 0;

	while (result == 0 && addrlist_next(&value, &address) > 0)
		result = add_address(str_span(&address), host, env, err);
	str_free(&address);
	return result;
}

static bool
is_one_of(struct span name, const char *const names[])
{
	for (size_t i = 0; names[i] != NULL; i++)
		if (span_is_case(name, names[i]))
			return true;
	return false;
}

static const char *const first[] = { "To", "Cc", "Bcc", NULL };
static const char *const again[] = { "Resent-To", "Resent-Cc", "Resent-Bcc", NULL };

static size_t
count_of(struct span body, const char *const names[])
{
	size_t count = 0;

	for (size_t i = 0; names[i] != NULL; i++)
		count += header_count(body, names[i]);
	return count;
}

/* mbox writers' habit; it is no part of the message. */
static void
skip_from_line(struct span *body)
{
	struct span line;

	if (span_begins(*body, "From ") || span_begins(*body, ">From "))
		span_cut(body, '\n', &line);
}

int
compose_recipients(struct span body, const char *host, struct envelope *env, struct err *err)
{
	struct header_field field;

	skip_from_line(&body);
	const char *const *names = count_of(body, again) > 0 ? again : first;
	while (header_next(&body, &field))
		if (is_one_of(field.name, names) && add_field(field.value, host, env, err) < 0)
			return -1;
	return 0;
}

void
compose_message(const struct composing *c, struct span body, struct str *out)
{
	const struct completing completing = { .host = c->host, .from = c->from, .full_name = c->full_name,
		.add_missing = true, .strip_bcc = c->strip_bcc, .now = c->now };

	skip_from_line(&body);
	complete_header(&completing, &body, out);
	/* Some have no header, some no empty line behind it; both mean text. */
	if (!span_begins(body, "\r\n"))
		str_add_text(out, "\r\n");
	str_add_span(out, body);
}
