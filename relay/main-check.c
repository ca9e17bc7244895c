/* mochila-check - answers the relay's questions about senders and recipients; see relay/check.h. */
#include <stdlib.h>
#include <sysexits.h>

#include "lib/base/log.h"
#include "relay/answering.h"
#include "relay/check.h"

static char *
text_field(struct span *rest)
{
	struct span field = answering_field(rest);

	return mem_text_n(field.p != NULL ? field.p : "", field.len);
}

static void
answer_spf(struct span rest, struct str *words)
{
	char *field[5];

	for (size_t i = 0; i < 5; i++)
		field[i] = text_field(&rest);
	check_spf(field[0], field[1], field[2], field[3], field[4], words);
	for (size_t i = 0; i < 5; i++)
		free(field[i]);
}

static void
answer_address(bool sender, struct span rest, struct str *words)
{
	static const char *const results[] = { "no ", "yes", "none", "later ", "abort " };
	struct span sources = answering_field(&rest);
	struct checking c = { .sender = sender };
	struct span *const fields[] = { &c.address, &c.base, &c.from, &c.client, &c.host, &c.mechanism, &c.user, &c.route };
	struct str said = {0};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		*fields[i] = answering_field(&rest);
	char *root = text_field(&rest);
	c.root = root;
	enum check_result result = check_ask(sources, &c, &said);
	str_add_text(words, results[result]);
	if (result != CHECK_YES && result != CHECK_NONE)
		str_add_span(words, str_span(&said));
	str_free(&said);
	free(root);
}

static void
answer(void *ctx, struct span rest, struct str *words)
{
	struct span kind = answering_field(&rest);

	(void)ctx;
	if (span_is(kind, "spf"))
		answer_spf(rest, words);
	else
		answer_address(span_is(kind, "sender"), rest, words);
}

int
main(int argc, char **argv)
{
	struct err err = {0};

	(void)argv;
	if (argc > 1) {
		err_set(&err, ERR_CONFIG, "usage: mochila-check; mochila-relay starts it");
		err_as(&err, EX_USAGE, NULL);
		return log_failure(&err);
	}
	return answering(answer, NULL, &err) == 0 ? 0 : log_failure(&err);
}
