#include "lib/base/shown.h"

#include "lib/base/log.h"

void
shown_line(const struct shown *to, bool ours, struct span line)
{
	if (to->line != NULL)
		to->line(to->ctx, ours, line);
}

void
shown_lines(const struct shown *to, bool ours, struct span lines)
{
	struct span line;

	while (to->line != NULL && lines.len > 0) {
		span_cut(&lines, '\n', &line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		to->line(to->ctx, ours, line);
	}
}

void
shown_masked(const struct shown *to, bool ours, struct span line, size_t words)
{
	struct str text = {0};
	struct span rest = line, word;

	if (to->line == NULL)
		return;
	for (; words > 0 && (word = span_word(&rest)).len > 0; words--) {
		str_add_span(&text, word);
		str_add_char(&text, ' ');
	}
	if (rest.len > 0)
		str_add_text(&text, "****");
	else if (text.len > 0)
		text.len--;
	to->line(to->ctx, ours, str_span(&text));
	str_free(&text);
}

void
shown_text(const struct shown *to, bool ours, const char *format, ...)
{
	struct str text = {0};
	va_list args;

	if (to->line == NULL)
		return;
	va_start(args, format);
	str_vprintf(&text, format, args);
	va_end(args);
	to->line(to->ctx, ours, str_span(&text));
	str_free(&text);
}

bool
shown_is_wanted(void)
{
	return log_wants(LOG_LEVEL_TRACE);
}

void
shown_in_log(void *ctx, bool ours, struct span line)
{
	log_trace("-: event=line %s %s=\"%.*s\"", (const char *)ctx, ours ? "said" : "heard",
	    (int)(line.len < 4096 ? line.len : 4096), line.len > 0 ? line.p : "");
}
