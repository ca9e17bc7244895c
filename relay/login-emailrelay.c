/* login emailrelay: the server lines of E-MailRelay's file of secrets (secretsfile.h). */
#include "relay/login.h"

#include "lib/base/closed.h"
#include "relay/secretsfile.h"

static int
emailrelay_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	struct str text = {0};
	int result = who->token ? 0 : secretsfile_load(rest, &text, err);

	(void)mailbox;
	if (result == 0 && !who->token)
		result = secretsfile_check(str_span(&text), who->user, who->pass);
	closed_forget(&text);
	return result;
}

const struct login_row login_emailrelay = { .scheme = "emailrelay:", .check = emailrelay_check };
