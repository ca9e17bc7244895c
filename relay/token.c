#include "relay/token.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/closed.h"
#include "lib/base/log.h"
#include "relay/errand.h"
#include "relay/relay.h"

enum { TOKEN_SECONDS = 60, TOKEN_MAX = 8192, WORDS_MAX = 100, EARLY_SECONDS = 30 };

struct token {
	struct token *next;
	struct tokens *tokens;
	char *command;
	struct str text;	/* empty: there is none */
	int64_t until;		/* of clock_mono(); 0: for ever */
	struct token_wait *first, *told;
	struct errand errand;
	struct timer soon;	/* tells of a failure that came at once */
	struct err err;
};

static struct token *
find(struct tokens *tokens, const char *command)
{
	struct token *token = tokens->first;

	while (token != NULL && strcmp(token->command, command) != 0)
		token = token->next;
	return token;
}

static void
tell(struct token *token, const struct err *err)
{
	struct token_wait *wait;

	/* Who hears it may ask again, or bring another one to leave. */
	token->told = token->first;
	token->first = NULL;
	while ((wait = token->told) != NULL) {
		token->told = wait->next;
		wait->token = NULL;
		wait->done(wait->ctx, err == NULL ? str_c(&token->text) : NULL, true, err);
	}
}

static void
tell_failure(void *ctx)
{
	struct token *token = ctx;

	log_warn("-: event=no-token program=\"%.*s\" why=\"%s\"", (int)strcspn(token->command, " \t"),
	    token->command, token->err.text);
	tell(token, &token->err);
}

/* RFC 6750 2.1; nothing else may get into a line of AUTH. */
static bool
is_token(struct span text)
{
	static const char others[] = "-._~+/=";
	bool good = text.len > 0;

	for (size_t i = 0; i < text.len && good; i++) {
		char c = text.p[i];
		good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr(others, c) != NULL);
	}
	return good;
}

static int
read_token(struct token *token, struct err *err)
{
	struct span rest = str_span(&token->errand.words), line = {0};
	uint64_t seconds;

	bool whole = rest.len < TOKEN_MAX && span_cut(&rest, '\n', &line);
	if (!whole || !is_token(span_trim(line)))
		return err_set(err, ERR_CONFIG, "it printed no token");
	str_set_span(&token->text, span_trim(line));
	token->until = 0;
	if (!span_cut(&rest, '\n', &line) || span_trim(line).len == 0)
		return 0;
	if (span_number(span_trim(line), INT32_MAX, &seconds) < 0)
		return err_set(err, ERR_CONFIG, "behind the token stands no number of seconds");
	int64_t early = seconds > 2 * EARLY_SECONDS ? EARLY_SECONDS : (int64_t)seconds / 2;
	token->until = clock_mono() + ((int64_t)seconds - early) * CLOCK_SECOND;
	return 0;
}

static void
on_printed(void *ctx, int status, const struct err *err)
{
	struct token *token = ctx;

	token->err = *err;
	if (err->kind == ERR_NONE)
		child_status(status, "the program", &token->err);
	if (token->err.kind == ERR_NONE)
		read_token(token, &token->err);
	closed_forget(&token->errand.words);
	if (token->err.kind == ERR_PERM)
		token->err.kind = ERR_TEMP;	/* it says nothing of the mail */
	if (token->err.kind == ERR_NONE) {
		tell(token, NULL);
		return;
	}
	closed_forget(&token->text);
	err_prefix(&token->err, "login-token");
	tell_failure(token);
}

static int
run(struct token *token, struct err *err)
{
	const char *argv[WORDS_MAX];
	char *line = mem_text(token->command);
	int result = child_words(line, argv, WORDS_MAX, err);
	const struct child child = { .argv = argv, .folder = token->tokens->relay->setup->settings.root, .in = -1 };

	if (result == 0)
		result = errand_start(&token->errand, &token->tokens->relay->loop, &child, err);
	free(line);
	return result;
}

static struct token *
add(struct tokens *tokens, const char *command)
{
	struct token *token = mem_get(sizeof *token);

	*token = (struct token){ .next = tokens->first, .tokens = tokens, .command = mem_text(command),
		.errand = { .most = TOKEN_MAX, .seconds = TOKEN_SECONDS, .done = on_printed, .ctx = token } };
	timer_start(&token->soon, &tokens->relay->loop, tell_failure, token);
	tokens->first = token;
	return token;
}

void
token_ask(struct tokens *tokens, const char *command, struct token_wait *wait)
{
	struct token *token = find(tokens, command);

	if (token == NULL)
		token = add(tokens, command);
	if (token->text.len > 0 && (token->until == 0 || clock_mono() < token->until)) {
		wait->done(wait->ctx, str_c(&token->text), false, NULL);
		return;
	}
	bool begins = token->first == NULL && token->errand.pid == 0;
	wait->token = token;
	wait->next = token->first;
	token->first = wait;
	if (!begins || run(token, &token->err) == 0)
		return;
	err_prefix(&token->err, "login-token");
	timer_set(&token->soon, 0);
}

static void
take_out(struct token_wait **at, const struct token_wait *wait)
{
	while (*at != NULL && *at != wait)
		at = &(*at)->next;
	if (*at != NULL)
		*at = wait->next;
}

void
token_leave(struct token_wait *wait)
{
	if (wait->token == NULL)
		return;
	take_out(&wait->token->first, wait);
	take_out(&wait->token->told, wait);
	wait->token = NULL;
}

void
token_refused(struct tokens *tokens, const char *command, const char *text)
{
	struct token *token = find(tokens, command);

	if (token != NULL && token->text.len > 0 && strcmp(str_c(&token->text), text) == 0)
		closed_forget(&token->text);
}

static void
drop(struct token *token)
{
	errand_stop(&token->errand);
	timer_free(&token->soon);
	closed_forget(&token->text);
	free(token->command);
	free(token);
}

void
token_forget(struct tokens *tokens)
{
	for (struct token **at = &tokens->first; *at != NULL;) {
		struct token *token = *at;
		if (token->errand.pid != 0 || token->first != NULL) {
			at = &token->next;
			continue;
		}
		*at = token->next;
		drop(token);
	}
}

void
token_close(struct tokens *tokens)
{
	struct token *next;

	for (struct token *token = tokens->first; token != NULL; token = next) {
		next = token->next;
		drop(token);
	}
	tokens->first = NULL;
}
