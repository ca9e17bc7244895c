#include "relay/asked.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum {
	FRESH_SECONDS = 60,	/* an answer is believed so long, */
	STALE_SECONDS = 900,	/* and so long by who cannot wait: between a RCPT and its DATA */
	KEY_BYTES = 16,
};

enum said { SAID_NOTHING, SAID_YES, SAID_NO, SAID_LATER };

struct asked_known {
	unsigned char key[KEY_BYTES];
	enum said said;
	int64_t when;
	char *value;		/* of yes; of later: why */
};

static struct asked_known *
place_of(struct asked *asked, struct span table, struct span key, unsigned char sum[DIGEST_SIZE])
{
	struct digest digest = {0};

	digest_start(&digest);
	digest_add(&digest, table.p, table.len);
	digest_add(&digest, "", 1);
	digest_add(&digest, key.p, key.len);
	digest_end(&digest, sum);
	if (asked->known == NULL)
		asked->known = mem_get(ASKED_MAX * sizeof *asked->known);
	return &asked->known[((size_t)sum[16] << 8 | sum[17]) % ASKED_MAX];
}

static void
forget_one(struct asked *asked, struct asked_known *known)
{
	if (known->value != NULL)
		asked->bytes -= strlen(known->value) + 1;
	free(known->value);
	*known = (struct asked_known){0};
}

static void
remember(struct asked *asked, const struct asked_question *question, enum said said, struct span value)
{
	unsigned char sum[DIGEST_SIZE];
	struct asked_known *known = place_of(asked, str_span(&question->table), str_span(&question->key), sum);

	if (asked->bytes + value.len >= ASKED_BYTES_MAX)
		asked_forget(asked);
	forget_one(asked, known);
	memcpy(known->key, sum, sizeof known->key);
	known->said = said;
	known->when = clock_mono();
	known->value = mem_text_n(value.p != NULL ? value.p : "", value.len);
	asked->bytes += strlen(known->value) + 1;
}

/* Whoever can wait has it asked again when it is old. */
static bool
is_believed(const struct asked *asked, const struct asked_known *known)
{
	int64_t age = clock_mono() - known->when;

	if (known->said == SAID_NOTHING)
		return false;
	if (known->said == SAID_LATER)
		return age < TABLE_REST_SECONDS * CLOCK_SECOND;
	return age < (asked->looks ? FRESH_SECONDS : STALE_SECONDS) * CLOCK_SECOND;
}

static void ask_aside(struct asked *asked);

/* For the tables: 1, 0, -1 as table_find(), or TABLE_ASK. */
static int
find(void *ctx, struct span table, struct span key, struct str *value, struct err *err)
{
	struct asked *asked = ctx;
	unsigned char sum[DIGEST_SIZE];

	const struct asked_known *known = place_of(asked, table, key, sum);
	if (memcmp(known->key, sum, sizeof known->key) == 0 && is_believed(asked, known)) {
		if (known->said == SAID_YES)
			str_set(value, known->value);
		return known->said == SAID_YES ? 1 : known->said == SAID_NO ? 0 :
		    err_set(err, ERR_TEMP, "%.300s", known->value);
	}
	if (!asked->missing || asked->here) {
		asked->missing = true;
		str_set_span(&asked->table, table);
		str_set_span(&asked->key, key);
	}
	if (asked->here)
		return TABLE_ASK;
	if (!asked->looks)
		ask_aside(asked);
	return err_set(err, ERR_TEMP, "its program has not answered yet");
}

/* Whoever looks is told of which table it is, again. */
static struct span
without_table(struct span why, const struct str *table)
{
	struct str before = {0};

	str_add_text(&before, "table ");
	str_add_span(&before, span_to(str_span(table), 200));
	str_add_text(&before, ": ");
	if (span_begins(why, str_c(&before)))
		why = span_from(why, before.len);
	str_free(&before);
	return why;
}

/* "yes VALUE", "no", "later WHY" */
static void
on_answer(struct pool_question *answered, int result, struct span words)
{
	struct asked_question *question = (struct asked_question *)((char *)answered -
	    offsetof(struct asked_question, asked));
	struct asked *asked = question->from;
	struct span word = span_word(&words);

	words = span_trim(words);
	if (result == 0 && (span_is(word, "yes") || span_is(word, "no")))
		remember(asked, question, span_is(word, "yes") ? SAID_YES : SAID_NO, words);
	else
		remember(asked, question, SAID_LATER, result == 0 && words.len > 0 ?
		    without_table(words, &question->table) : SPAN("no answer in time"));
	question->from = NULL;
	question->answer(question);
}

static int
ask(struct asked *asked, struct asked_question *question, struct err *err)
{
	str_set_span(&question->table, str_span(&asked->table));
	str_set_span(&question->key, str_span(&asked->key));
	const struct span fields[] = { SPAN("table"), str_span(&question->table), str_span(&question->key) };
	question->asked.answer = on_answer;
	question->from = asked;
	if (pool_ask(&asked->pool, &question->asked, fields, sizeof fields / sizeof fields[0], err) == 0)
		return 0;
	question->from = NULL;
	return -1;
}

static void
nobody_waits(struct asked_question *question)
{
	(void)question;
}

static void
ask_aside(struct asked *asked)
{
	struct err ignored;

	asked->again.answer = nobody_waits;
	if (asked->again.from == NULL)
		ask(asked, &asked->again, &ignored);
}

/* For the tables, before the loop. */
static int
wait_for_program(void *ctx, struct span table, struct span key, struct str *value, struct err *err)
{
	struct asked_first *first = ctx;
	int64_t left = first->until - clock_mono();

	(void)key, (void)value;
	if (left <= 0)
		return err_set(err, ERR_TEMP, "no answer in the %d s that a start has for programs of tables",
		    ASKED_FIRST_SECONDS);
	if (!span_is(table, str_c(&first->said)))
		log_info("-: event=asking table=\"%.*s\" secs=%.0f", (int)(table.len < 200 ? table.len : 200), table.p,
		    (double)left / CLOCK_SECOND);
	str_set_span(&first->said, table);
	first->tables->patience = left < TABLE_SECONDS * CLOCK_SECOND ? left : 0;
	return TABLE_ASK;
}

void
asked_first(struct asked_first *first, struct tables *tables)
{
	*first = (struct asked_first){ .tables = tables, .until = clock_mono() + ASKED_FIRST_SECONDS * CLOCK_SECOND };
	tables->known = wait_for_program;
	tables->ctx = first;
}

void
asked_first_end(struct asked_first *first)
{
	tables_close(first->tables);
	*first->tables = (struct tables){ .root = first->tables->root };
	str_free(&first->said);
}

void
asked_start(struct asked *asked, struct relay *relay)
{
	*asked = (struct asked){ .relay = relay };
	pool_start(&asked->pool, relay, "mochila-check", "table", ASKED_WORKERS, ASKED_SECONDS);
	asked->pool.tells = true;
	asked->pool.args = pool_words(relay, asked->pool.arg);
	asked_use(asked, &relay->setup->settings);
}

void
asked_use(struct asked *asked, const struct settings *settings)
{
	if (settings->tables != NULL && asked->pool.args > 0)
		*settings->tables = (struct tables){ .root = settings->tables->root, .first = settings->tables->first,
			.known = find, .ctx = asked };
}

bool
asked_needed(const struct settings *settings)
{
	const char *const lists[] = { settings->addresses.routes, settings->addresses.aliases,
		settings->addresses.masquerade, settings->addresses.unmask };

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		if (lists[i] != NULL && strchr(lists[i], '|') != NULL)
			return true;
	return false;
}

void
asked_look(struct asked *asked)
{
	asked->looks = true;
	asked->missing = false;
}

void
asked_here(struct asked *asked, bool here)
{
	struct tables *tables = asked->relay->setup->settings.tables;

	asked->here = here;
	if (here)
		asked->missing = false;
	if (tables != NULL)
		tables->patience = here ? ASKED_HERE_MS * (CLOCK_SECOND / 1000) : 0;
}

int
asked_misses(struct asked *asked, struct asked_question *question, struct err *err)
{
	asked->looks = false;
	if (!asked->missing)
		return 0;
	asked->missing = false;
	return ask(asked, question, err) < 0 ? -1 : 1;
}

void
asked_leave(struct asked_question *question)
{
	pool_leave(&question->asked);
	str_free(&question->table);
	str_free(&question->key);
	question->from = NULL;
}

void
asked_forget(struct asked *asked)
{
	for (size_t i = 0; asked->known != NULL && i < ASKED_MAX; i++)
		forget_one(asked, &asked->known[i]);
}

void
asked_close(struct asked *asked)
{
	asked_leave(&asked->again);
	asked_forget(asked);
	free(asked->known);
	str_free(&asked->table);
	str_free(&asked->key);
	pool_close(&asked->pool);
	*asked = (struct asked){0};
}
