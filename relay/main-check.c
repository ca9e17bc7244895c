/* mochila-check - answers the relay's questions about senders and recipients; see relay/check.h. */
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "relay/answering.h"
#include "relay/check.h"
#include "spool/enclose.h"
#include "spool/table.h"

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

/* Its programs live as long as we do: they are asked one after the other. */
static void
answer_table(struct tables *tables, struct span rest, struct str *words)
{
	static const char *const results[] = { "no", "yes " };
	char *table = text_field(&rest);
	struct str value = {0};
	struct err err = {0};
	int found = table_find(tables, table, answering_field(&rest), &value, &err);

	str_add_text(words, found < 0 ? "later " : results[found]);
	if (found < 0)
		str_add_text(words, err.text);
	else
		str_add_span(words, str_span(&value));
	str_free(&value);
	free(table);
}

static void
answer(void *ctx, struct span rest, struct str *words)
{
	struct span kind = answering_field(&rest);

	if (span_is(kind, "table"))
		answer_table(ctx, rest, words);
	else if (span_is(kind, "spf"))
		answer_spf(rest, words);
	else
		answer_address(span_is(kind, "sender"), rest, words);
}

/* Addresses are from strangers; what is asked, a program of the settings too, the helper starts. */
static int
serve(const struct settings *settings, const struct settings_args *args, struct err *err)
{
	static const struct enclosing mine = {0};
	struct tables tables = { .root = settings->root };
	int result = enclose(settings, args, &mine, err);

	if (result == 0)
		result = answering(answer, &tables, err);
	tables_close(&tables);
	helper_stop();
	return result;
}

int
main(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = {0};
	struct err err = {0};
	const struct opt_row rows[] = { SETTINGS_OPTS(&args), {0} };

	umask(077);
	int result = settings_start(&settings, &args, rows, "mochila-check", "mochila-check [OPTION ...]",
	    "Answers questions about addresses for mochila-relay, which starts it.", false, &argc, &argv, &err);
	if (result == 0 && argc > 0) {
		err_set(&err, ERR_CONFIG, "no operands; mochila-relay starts it");
		err_as(&err, EX_USAGE, NULL);
	} else if (result == 0) {
		serve(&settings, &args, &err);
	}
	settings_free(&settings);
	opt_list_free(&args.set);
	int status = err.kind == ERR_NONE ? 0 : log_failure(&err);
	log_close();
	return status;
}
