#include "lib/mail/envelope-file.h"

#include <stdlib.h>

#include "lib/mail/utf8.h"
#include "lib/mail/xtext.h"

static const char PREFIX[] = "X-MailRelay-";
enum { RECIPIENTS_MAX = 100000 };

static void
add_line(struct str *out, const char *name, struct span value)
{
	str_printf(out, "%s%s: ", PREFIX, name);
	str_add_span(out, value);
	str_add_text(out, "\r\n");
}

static struct span
content_of(const struct envelope *env)
{
	struct span body;

	if (!envelope_arg(str_span(&env->args), "BODY", &body))
		return SPAN("unknown");
	return span_is_case(body, "7BIT") ? SPAN("7bit") : SPAN("8bit");
}

static bool
is_utf8(const struct envelope *env)
{
	struct span ignored;

	return envelope_arg(str_span(&env->args), "SMTPUTF8", &ignored);
}

/* Local ones first, as it does. */
static void
add_recipients(const struct envelope_file *file, bool local, struct str *out)
{
	for (size_t i = 0; i < file->env.rcpts; i++)
		if ((file->local != NULL && file->local[i]) == local)
			add_line(out, local ? "To-Local" : "To-Remote", str_span(&file->env.rcpt[i].to));
}

void
envelope_file_write(const struct envelope_file *file, struct str *out)
{
	struct str text = {0};

	add_line(out, "Format", SPAN("#2821.8"));
	add_line(out, "Content", content_of(&file->env));
	add_line(out, "From", str_span(&file->env.from));
	str_printf(&text, "%zu", file->env.rcpts);
	add_line(out, "ToCount", str_span(&text));
	add_recipients(file, true, out);
	add_recipients(file, false, out);
	str_clear(&text);
	xtext_encode(str_span(&file->user), &text);
	add_line(out, "Authentication", str_span(&text));
	add_line(out, "Client", str_span(&file->client));
	add_line(out, "ClientCertificate", SPAN(""));
	add_line(out, "MailFromAuthIn", SPAN(""));
	add_line(out, "MailFromAuthOut", SPAN(""));
	add_line(out, "ForwardTo", str_span(&file->forward_to));
	add_line(out, "ForwardToAddress", str_span(&file->forward_to_address));
	add_line(out, "ClientAccountSelector", str_span(&file->selector));
	add_line(out, "Utf8MailboxNames", is_utf8(&file->env) ? SPAN("1") : SPAN("0"));
	add_line(out, "End", SPAN("1"));
	str_free(&text);
}

/* reading */

static int
take_address(struct span value, struct span *address, struct err *err)
{
	*address = span_trim(value);
	if (address->len >= 2 && address->p[0] == '<' && address->p[address->len - 1] == '>')
		*address = span_to(span_from(*address, 1), address->len - 2);
	for (size_t i = 0; i < address->len; i++)
		if ((unsigned char)address->p[i] < ' ' || address->p[i] == 0x7f)
			return err_set(err, ERR_TEMP, "an address with a control character");
	return 0;
}

static int
add_recipient(struct envelope_file *file, struct span value, bool local, struct err *err)
{
	struct span to;

	if (take_address(value, &to, err) < 0)
		return -1;
	if (to.len == 0)
		return 0;
	if (file->env.rcpts >= RECIPIENTS_MAX)
		return err_set(err, ERR_TEMP, "more than %d recipients", RECIPIENTS_MAX);
	envelope_add(&file->env, to, (struct span){ "", 0 });
	file->local = mem_resize(file->local, file->env.rcpts, sizeof *file->local);
	file->local[file->env.rcpts - 1] = local;
	return 0;
}

/* 1: that was the last that counts. */
static int
take_line(struct envelope_file *file, struct span name, struct span value, struct err *err)
{
	struct { const char *name; struct str *to; } texts[] = {
		{ "Client", &file->client }, { "ForwardTo", &file->forward_to },
		{ "ForwardToAddress", &file->forward_to_address }, { "ClientAccountSelector", &file->selector },
	};
	struct span from;

	if (span_is(name, "End"))
		return 1;
	if (span_is(name, "From")) {
		if (take_address(value, &from, err) < 0)
			return -1;
		str_set_span(&file->env.from, from);
		file->env.begun = true;
		return 0;
	}
	if (span_is(name, "To-Local") || span_is(name, "To-Remote"))
		return add_recipient(file, value, span_is(name, "To-Local"), err);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (span_is(name, texts[i].name))
			str_set_span(texts[i].to, span_trim(value));
	return 0;
}

int
envelope_file_read(struct span text, struct envelope_file *file, struct err *err)
{
	struct span line, name;
	int result = 0;

	*file = (struct envelope_file){0};
	while (result == 0 && span_cut(&text, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (!span_begins(line, PREFIX))
			continue;	/* a folded line, or none of ours */
		line = span_from(line, sizeof PREFIX - 1);
		span_cut(&line, ':', &name);
		result = take_line(file, name, line, err);
	}
	if (result == 0 || (result > 0 && !file->env.begun))
		result = err_set(err, ERR_TEMP, "no whole envelope: it has no %s line", result == 0 ? "End" : "From");
	return result < 0 ? -1 : 0;
}

void
envelope_file_free(struct envelope_file *file)
{
	envelope_free(&file->env);
	free(file->local);
	str_free(&file->client);
	str_free(&file->user);
	str_free(&file->forward_to);
	str_free(&file->forward_to_address);
	str_free(&file->selector);
	*file = (struct envelope_file){0};
}
