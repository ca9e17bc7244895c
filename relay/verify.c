#include "relay/verify.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "relay/relay.h"

enum {
	SLOW_MAX = 15,		/* seconds that a "no" is held back at most */
	FORGIVEN = 600,		/* seconds after which a client's wrong words are forgotten */
};

/* ---- who guesses ---- */

static struct guesser *
guesser_of(struct verify *verify, const struct ip *ip)
{
	const struct ip as = ip_host(ip);
	struct guesser *oldest = &verify->guesser[0];

	for (size_t i = 0; i < VERIFY_GUESSERS; i++) {
		struct guesser *g = &verify->guesser[i];
		if (g->wrong > 0 && ip_same(&g->ip, &as))
			return g;
		if (g->last < oldest->last)
			oldest = g;
	}
	*oldest = (struct guesser){ .ip = as };
	return oldest;
}

/* Seconds that this "no" waits: 1, 2, 4 ... */
static unsigned
pause_of(struct verify *verify, const struct ip *ip)
{
	struct guesser *g = guesser_of(verify, ip);
	int64_t now = clock_mono();

	if (now - g->last > FORGIVEN * CLOCK_SECOND)
		g->wrong = 0;
	g->last = now;
	g->wrong++;
	return g->wrong > 4 ? SLOW_MAX : 1u << (g->wrong - 1);
}

/* ---- answers ---- */

static void
tell(struct verify_question *question, int result, struct span mailbox, const struct err *err)
{
	timer_free(&question->slow);
	question->verify = NULL;
	question->answer(question, result, mailbox, err);
}

static void
slow_enough(void *ctx)
{
	tell(ctx, 0, (struct span){0}, NULL);
}

static void
answered(struct verify_question *question, int result, struct span mailbox, const struct err *err)
{
	struct verify *verify = question->verify;

	if (result != 0) {
		tell(question, result, mailbox, err);
		return;
	}
	timer_start(&question->slow, &verify->relay->loop, slow_enough, question);
	timer_set(&question->slow, pause_of(verify, &question->ip) * CLOCK_SECOND);
}

/* "yes MAILBOX", "no", "later WHY" */
static void
on_answer(struct pool_question *asked, int result, struct span words)
{
	struct verify_question *question = (struct verify_question *)((char *)asked -
	    offsetof(struct verify_question, asked));
	struct span word = span_word(&words);
	struct err err = {0};

	words = span_trim(words);
	if (result == 0)
		result = span_is(word, "yes") ? 1 : span_is(word, "no") ? 0 : -1;
	if (result < 0) {
		if (words.len > 0)
			log_warn("-: event=login-trouble why=\"%.*s\"", (int)words.len, words.p);
		err_set(&err, ERR_TEMP, "the password could not be checked");
	}
	answered(question, result, words, &err);
}

/* ---- sources ---- */

/* The paths of files are below the root, as everywhere. */
static void
source_of(const struct settings *settings, struct span word, struct str *out)
{
	struct span file = span_begins(word, "emailrelay:") ? SPAN("emailrelay:") : SPAN("file:");

	if (!span_begins(word, file.p)) {
		str_add_span(out, word);
		return;
	}
	char *path = mem_text_n(word.p + file.len, word.len - file.len);
	str_add_span(out, file);
	settings_path(settings, path, out);
	free(path);
}

/* A program's words are its own: it takes all that is behind it. */
static bool
takes_all(struct span rest)
{
	return span_begins(rest, "command:") || span_begins(rest, "checkpassword:");
}

/* Sources are parted by blanks. */
static size_t
split_sources(const struct settings *settings, const char *sources, struct str words[POOL_ARGS_MAX])
{
	struct span rest = span_trim(span_of(sources));
	size_t count = 0;

	while (rest.len > 0 && count < POOL_ARGS_MAX) {
		struct span word = takes_all(rest) ? rest : span_word(&rest);
		if (word.p == rest.p)
			rest.len = 0;
		source_of(settings, word, &words[count++]);
		rest = span_trim(rest);
	}
	return count;
}

/* ---- for the services ---- */

void
verify_start(struct verify *verify, struct relay *relay)
{
	*verify = (struct verify){ .relay = relay };
	pool_start(&verify->pool, relay, "mochila-login", "login", VERIFY_WORKERS, LOGIN_SECONDS);
}

/* Other sources than before: processes that know the old ones end. */
static void
use_sources(struct verify *verify, const char *sources)
{
	if (verify->sources != NULL && strcmp(verify->sources, sources) == 0)
		return;
	pool_restart(&verify->pool);
	for (size_t i = 0; i < POOL_ARGS_MAX; i++)
		str_clear(&verify->pool.arg[i]);
	verify->pool.args = split_sources(&verify->relay->setup->settings, sources, verify->pool.arg);
	free(verify->sources);
	verify->sources = mem_text(sources);
}

int
verify_ask(struct verify *verify, const char *sources, const struct login *who, const struct ip *ip,
    struct verify_question *question, struct err *err)
{
	const struct span fields[] = { who->user, who->pass, who->service, who->client,
		who->token ? SPAN("token") : SPAN("password") };

	use_sources(verify, sources);
	question->ip = *ip;
	question->verify = verify;
	question->asked.answer = on_answer;
	if (pool_ask(&verify->pool, &question->asked, fields, sizeof fields / sizeof fields[0], err) == 0)
		return 0;
	question->verify = NULL;
	return -1;
}

void
verify_refuse(struct verify *verify, const struct ip *ip, struct verify_question *question)
{
	question->ip = *ip;
	question->verify = verify;
	answered(question, 0, (struct span){0}, NULL);
}

void
verify_leave(struct verify_question *question)
{
	if (question->verify == NULL)
		return;
	pool_leave(&question->asked);
	timer_free(&question->slow);
	question->verify = NULL;
}

int
verify_check(const char *sources, struct err *err)
{
	struct span rest = span_trim(span_of(sources));
	const char *behind;

	while (rest.len > 0) {
		struct span word = takes_all(rest) ? rest : span_word(&rest);
		if (word.p == rest.p)
			rest.len = 0;
		char *text = mem_text_n(word.p, word.len);
		const struct login_row *row = login_row_of(text, &behind);
		free(text);
		if (row == NULL)
			return err_set(err, ERR_CONFIG, "login: %.*s is no file:, pam:, dovecot:, emailrelay:, "
			    "checkpassword: or command:", (int)word.len, word.p);
		rest = span_trim(rest);
	}
	return 0;
}

void
verify_close(struct verify *verify)
{
	pool_close(&verify->pool);
	free(verify->sources);
	verify->sources = NULL;
}
