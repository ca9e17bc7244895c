/* login file: the users of a file, mochila-users(5). */
#include "relay/login.h"

#include "spool/users.h"

static int
file_check(const char *rest, const struct login *who, struct str *mailbox, struct err *err)
{
	struct str text = {0};
	struct user user;
	int result = who->token ? 0 : users_load(rest, &text, err);

	if (result == 0 && !who->token) {
		bool known = users_find(str_span(&text), who->user, &user);
		result = users_check(str_span(&text), known ? &user : NULL, who->pass);
		if (result > 0)
			str_set_span(mailbox, user.mailbox);
	}
	str_free(&text);
	return result;
}

const struct login_row login_file = { .scheme = "file:", .alone = true, .check = file_check };
