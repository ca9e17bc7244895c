/*
 * format rmail: one message a job, as UUCP has carried mail since 1979.  A From_ line names
 * the sender, the recipients are words of the command line "rmail A B" (uucico-ssh makes it
 * of the message's envelope), and lines end in LF.
 *
 * "remote from" is said only of a sender without a domain: sendmail's rmail would else put
 * our name before a whole address, "hub!ann@example.org".
 */
#include "bsmtp/format.h"
#include "lib/mail/date.h"

static void
rmail_head(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
    const struct settings *settings, struct str *out)
{
	(void)body_len;
	str_add_text(out, "From ");
	if (env->from.len > 0)
		str_add_span(out, str_span(&env->from));
	else
		str_add_text(out, "<>");
	str_add_char(out, ' ');
	date_asctime(info->time, out);
	if (env->from.len > 0 && envelope_domain(str_span(&env->from)).len == 0)
		str_printf(out, " remote from %s", settings->spool.site);
	str_add_char(out, '\n');
}

static void
rmail_body(struct format_body *body, struct span bytes, struct str *out)
{
	(void)body;
	for (size_t i = 0; i < bytes.len; i++)
		if (bytes.p[i] != '\r')		/* there is none alone */
			str_add_char(out, bytes.p[i]);
}

/* What survives a uux that joins words, an X. file that parts them again, and an old uuxqt
 * that asks a shell. */
static bool
rmail_takes(struct span recipient)
{
	for (size_t i = 0; i < recipient.len; i++) {
		char c = recipient.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (i > 0 && c == '-') || c == '.' || c == '_' || c == '+' || c == '=' || c == '@' || c == '%' ||
		    c == '/' || c == ':' || c == '!' || c == ','))
			return false;
	}
	return recipient.len > 0 && recipient.p[0] != '/';
}

extern const struct format format_rmail;
const struct format format_rmail = {
	.name = "rmail",
	.says = "one message a job, for any UUCP",
	.plain = true,
	.most = 1,
	.head = rmail_head,
	.body = rmail_body,
	.takes = rmail_takes,
};
