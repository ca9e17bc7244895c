#include "lib/mail/envelope.h"

#include <stdlib.h>

void
envelope_from(struct envelope *env, struct span from, struct span args)
{
	envelope_clear(env);
	env->begun = true;
	str_set_span(&env->from, from);
	str_set_span(&env->args, args);
}

struct rcpt *
envelope_add(struct envelope *env, struct span to, struct span args)
{
	/* Grown by doubling: 50,000 recipients must not cost 50,000 copies. */
	if ((env->rcpts & (env->rcpts - 1)) == 0)
		env->rcpt = mem_resize(env->rcpt, env->rcpts > 0 ? 2 * env->rcpts : 1, sizeof *env->rcpt);
	struct rcpt *rcpt = &env->rcpt[env->rcpts++];
	*rcpt = (struct rcpt){0};
	str_add_span(&rcpt->to, to);
	str_add_span(&rcpt->args, args);
	return rcpt;
}

void
envelope_copy(struct envelope *to, const struct envelope *from)
{
	envelope_clear(to);
	to->begun = from->begun;
	str_set_span(&to->from, str_span(&from->from));
	str_set_span(&to->args, str_span(&from->args));
	for (size_t i = 0; i < from->rcpts; i++)
		envelope_add(to, str_span(&from->rcpt[i].to), str_span(&from->rcpt[i].args));
}

void
envelope_clear(struct envelope *env)
{
	env->begun = false;
	str_clear(&env->from);
	str_clear(&env->args);
	for (size_t i = 0; i < env->rcpts; i++) {
		str_free(&env->rcpt[i].to);
		str_free(&env->rcpt[i].args);
	}
	free(env->rcpt);
	env->rcpt = NULL;
	env->rcpts = 0;
}

void
envelope_free(struct envelope *env)
{
	envelope_clear(env);
	str_free(&env->from);
	str_free(&env->args);
}

bool
envelope_arg(struct span args, const char *keyword, struct span *value)
{
	struct span word, name;

	while ((word = span_word(&args)).len > 0) {
		struct span rest = word;
		span_cut(&rest, '=', &name);
		if (span_is_case(name, keyword)) {
			*value = rest;
			return true;
		}
	}
	return false;
}

struct span
envelope_domain(struct span address)
{
	size_t at = address.len;
	bool quoted = false;

	for (size_t i = 0; i < address.len; i++) {
		if (address.p[i] == '\\' && quoted)
			i++;
		else if (address.p[i] == '"')
			quoted = !quoted;
		else if (address.p[i] == '@' && !quoted)
			at = i;
	}
	return at < address.len ? span_from(address, at + 1) : (struct span){ "", 0 };
}

static void
add_args(const struct str *args, struct str *out)
{
	if (args->len > 0)
		str_add_char(out, ' ');
	str_add_span(out, str_span(args));
}

void
envelope_mail_line(const struct envelope *env, struct str *out)
{
	str_add_text(out, "MAIL FROM:<");
	str_add_span(out, str_span(&env->from));
	str_add_char(out, '>');
	add_args(&env->args, out);
}

void
envelope_rcpt_line(const struct rcpt *rcpt, struct str *out)
{
	str_add_text(out, "RCPT TO:<");
	str_add_span(out, str_span(&rcpt->to));
	str_add_char(out, '>');
	add_args(&rcpt->args, out);
}
