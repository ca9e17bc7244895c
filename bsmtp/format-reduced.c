/*
 * format reduced: what readers of batch SMTP have taken since 1987: no parameters (exim -bS
 * gives up the whole batch at the first one), DATA, dots stuffed, CRLF as RFC 2442 wants it.
 * The trailer is a NOOP to them, and proves the batch whole to ours.
 */
#include "bsmtp/format.h"
#include "bsmtp/trailer.h"

static void
reduced_begin(const struct settings *settings, struct str *out)
{
	str_printf(out, "HELO %s\r\n", settings->spool.host);
}

static void
reduced_head(const struct entry_info *info, const struct envelope *env, uint64_t body_len,
    const struct settings *settings, struct str *out)
{
	(void)info;
	(void)body_len;
	(void)settings;
	str_add_text(out, "MAIL FROM:<");
	str_add_span(out, str_span(&env->from));
	str_add_text(out, ">\r\n");
	for (size_t i = 0; i < env->rcpts; i++) {
		str_add_text(out, "RCPT TO:<");
		str_add_span(out, str_span(&env->rcpt[i].to));
		str_add_text(out, ">\r\n");
	}
	str_add_text(out, "DATA\r\n");
}

static void
reduced_body(struct format_body *body, struct span bytes, struct str *out)
{
	dot_stuff(&body->dot, bytes, out);
}

static void
reduced_tail(struct format_body *body, struct str *out)
{
	dot_finish(&body->dot, out);
}

static void
reduced_end(uint64_t count, const struct digest *digest, struct str *out)
{
	struct str lines = {0};
	struct span rest, line;

	trailer_lines(count, digest, &lines);
	rest = str_span(&lines);
	while (span_cut(&rest, '\n', &line)) {
		str_add_span(out, line);
		if (line.len > 0)
			str_add_text(out, "\r\n");
	}
	str_free(&lines);
}

extern const struct format format_reduced;
const struct format format_reduced = {
	.name = "reduced",
	.says = "no parameters, bodies by dot, for exim -bS, sendmail and others",
	.begin = reduced_begin,
	.head = reduced_head,
	.body = reduced_body,
	.tail = reduced_tail,
	.end = reduced_end,
};
