/*
 * Logins on anything: each mechanism of SASL by itself, and the lines around it.  Whoever does not
 * know the secret is nobody, and what is to be checked is clean.
 *
 * The first byte chooses a mechanism, whose answers are the lines of the rest as they stand; or, when it
 * is none, the lines with their base64 (sasl-line.h).  What the client repeats of a challenge cannot be
 * guessed: "%c" in an answer is the challenge, "%r" its nonce.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/proto/sasl-line.h"
#include "lib/proto/sasl.h"
#include "tests/fuzz/fuzz.h"

enum { STEPS = 10, REPEATED_MAX = 4096 };

static int
hook_secret(void *ctx, struct span user, const char *scheme, struct str *secret, struct err *err)
{
	(void)ctx;
	if (span_is(user, "broken"))
		return err_set(err, ERR_TEMP, "no file");
	if (span_is(user, "wrong"))		/* a file that somebody wrote by hand */
		str_add_text(secret, "x,,=,");
	if (!span_is(user, "user"))
		return secret->len > 0;
	if (strcmp(scheme, "{SCRAM-SHA-256}") == 0)
		str_add_text(secret, "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
		    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
	else if (strcmp(scheme, "{PLAIN}") == 0)
		str_add_text(secret, "pencil with a secret that no fuzzer guesses 8c1f");
	return secret->len > 0;
}

static const char *
hook_external(void *ctx)
{
	(void)ctx;
	return "";
}

static void
hook_binding(void *ctx, struct str *base64)
{
	(void)ctx;
	str_add_text(base64, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

static const struct sasl_hooks hooks = { hook_secret, hook_external, hook_binding };

/* Nobody got in, and what came of it fits into a line and a command. */
static void
look_at(const struct sasl *sasl, int result, const struct str *challenge)
{
	struct span user = str_span(&sasl->user), pass = str_span(&sasl->pass);

	if (result == SASL_YES)
		abort();	/* it guessed */
	if (result == SASL_CHECK && (user.len == 0 || pass.len == 0 || memchr(user.p, '\0', user.len) != NULL ||
	    memchr(user.p, '\n', user.len) != NULL || memchr(pass.p, '\0', pass.len) != NULL ||
	    memchr(pass.p, '\n', pass.len) != NULL))
		abort();
	if (result != SASL_MORE && result != SASL_NO && result != SASL_CHECK)
		abort();
	if (challenge->len > 64 << 10)
		abort();
}

static struct span
nonce_of(struct span challenge)
{
	struct span word, none = { "", 0 };

	while (challenge.len > 0 && span_cut(&challenge, ',', &word))
		if (span_begins(word, "r="))
			return span_from(word, 2);
	return none;
}

static void
repeat(struct span line, const struct str *challenge, struct str *out)
{
	for (size_t i = 0; i < line.len; i++) {
		struct span rest = span_from(line, i);
		if (out->len < REPEATED_MAX && span_begins(rest, "%c"))
			str_add_span(out, str_span(challenge));
		else if (out->len < REPEATED_MAX && span_begins(rest, "%r"))
			str_add_span(out, nonce_of(str_span(challenge)));
		else {
			str_add_char(out, line.p[i]);
			continue;
		}
		i++;
	}
}

static void
exchange(const char *mechanism, struct span in)
{
	struct sasl sasl = { .hooks = &hooks };
	struct str challenge = {0};
	struct span line;
	int result = SASL_MORE;

	for (int i = 0; i < STEPS && result == SASL_MORE && in.len > 0 && span_cut(&in, '\n', &line); i++) {
		struct str said = {0};
		struct err err = {0};
		bool silent = i == 0 && span_is(line, "-");
		repeat(line, &challenge, &said);
		str_clear(&challenge);
		result = sasl_step(&sasl, i == 0 ? mechanism : NULL, silent ? (struct span){0} :
		    (struct span){ said.p != NULL ? said.p : "", said.len }, &challenge, &err);
		look_at(&sasl, result, &challenge);
		str_free(&said);
	}
	str_free(&challenge);
	sasl_free(&sasl);
}

static void
lines(struct span in)
{
	struct sasl sasl = { .hooks = &hooks };
	struct span line;
	int result = SASL_MORE;

	for (int i = 0; i < STEPS && result == SASL_MORE && in.len > 0 && span_cut(&in, '\n', &line); i++) {
		struct sasl_said said;
		struct str challenge = {0};
		struct err err = {0};
		enum sasl_line got = i == 0 ?
		    sasl_line_first("SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN EXTERNAL OAUTHBEARER XOAUTH2", line, &said) :
		    sasl_line_next(line, &said);
		result = got == SASL_LINE_SAID ?
		    sasl_step(&sasl, sasl_said_mechanism(&said), sasl_said(&said), &challenge, &err) : SASL_NO;
		look_at(&sasl, result, &challenge);
		sasl_line_free(&said);
		str_free(&challenge);
	}
	sasl_free(&sasl);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t rows = 0;

	if (size < 1)
		return 0;
	while (sasl_rows[rows].name != NULL)
		rows++;
	struct span text = { (const char *)data + 1, size - 1 };
	if (data[0] % 16 < rows)
		exchange(sasl_rows[data[0] % 16].name, text);
	else
		lines(text);
	return 0;
}
