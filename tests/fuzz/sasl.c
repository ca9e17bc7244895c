/*
 * Logins on anything: each step of SASL, the lines around it, and E-MailRelay's secrets.  Whoever
 * does not know the secret is nobody.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/proto/sasl-line.h"
#include "lib/proto/sasl.h"
#include "relay/secretsfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STEPS = 4 };

static int
hook_secret(void *ctx, struct span user, const char *scheme, struct str *secret, struct err *err)
{
	(void)ctx, (void)err;
	if (!span_is(user, "user"))
		return 0;
	if (strcmp(scheme, "{SCRAM-SHA-256}") == 0)
		str_add_text(secret, "4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
		    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
	else if (strcmp(scheme, "{PLAIN}") == 0)
		str_add_text(secret, "pencil with a secret that no fuzzer guesses 8c1f");
	return secret->len > 0;
}

static const struct sasl_hooks hooks = { hook_secret, NULL, NULL };

static void
exchange(struct span in)
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
		if (result == SASL_YES)
			abort();	/* it guessed */
		if (result == SASL_CHECK && (sasl.user.len == 0 || memchr(sasl.user.p, '\0', sasl.user.len) != NULL))
			abort();
		sasl_line_free(&said);
		str_free(&challenge);
	}
	sasl_free(&sasl);
}

static void
secrets(struct span text)
{
	struct str user = {0}, secret = {0}, networks = {0};
	bool token;

	secretsfile_check(text, SPAN("bob"), SPAN("x"));
	secretsfile_client(text, SPAN(""), &user, &secret, &token);
	secretsfile_networks(text, &networks);
	str_free(&user);
	str_free(&secret);
	str_free(&networks);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct span text = { (const char *)data + 1, size - 1 };
	if (data[0] & 1)
		secrets(text);
	else
		exchange(text);
	return 0;
}
