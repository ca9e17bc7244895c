/*
 * Files with secrets in them, whatever stands there: E-MailRelay's, and our own users.  The first
 * byte chooses which.
 *
 * Held: what a client is to say is whole, and a word lets in by the file of E-MailRelay exactly when it is what the file says of that user; a
 * networks' line becomes words of a network and nothing else; a user is found by the name that his
 * line has, and a locked one has no secret.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/secretsfile.h"
#include "spool/users.h"
#include "tests/fuzz/fuzz.h"

static void
try_user(struct span text, struct span user)
{
	unsigned char states[SECRETSFILE_STATES];
	struct str password = {0};
	int known = secretsfile_password(text, user, &password);
	int hashed = secretsfile_states(text, user, states);

	if (known > 0 && !secretsfile_check(text, user, str_span(&password)))
		abort();
	str_add_text(&password, "x");
	if (!hashed && secretsfile_check(text, user, str_span(&password)))
		abort();
	str_free(&password);
}

static void
emailrelay(struct span text)
{
	struct str user = {0}, secret = {0}, networks = {0};
	struct secrets_line line;
	struct span rest = text;
	bool token = false;

	for (int i = 0; i < 8 && secretsfile_next(&rest, &line); i++) {
		if (line.secret.len == 0 || memchr(line.user.p, ' ', line.user.len) != NULL)
			abort();
		try_user(text, line.user);
	}
	try_user(text, SPAN("bob"));
	if (secretsfile_client(text, SPAN(""), &user, &secret, &token) > 0 && ((user.len == 0) != (secret.len == 0) ||
	    (user.len > 0 && (memchr(user.p, '\0', user.len) != NULL || memchr(secret.p, '\0', secret.len) != NULL))))
		abort();
	secretsfile_networks(text, &networks);
	if (networks.len > 0 && memchr(networks.p, '\n', networks.len) != NULL)
		abort();
	str_free(&user);
	str_free(&secret);
	str_free(&networks);
}

static void
users(struct span text)
{
	struct span rest = text;
	struct user user, found;

	for (int i = 0; i < 64 && users_next(&rest, &user); i++) {
		struct str secret = {0};
		if (user.name.len == 0 || memchr(user.name.p, '\n', user.name.len) != NULL ||
		    memchr(user.secret.p, '\n', user.secret.len) != NULL)
			abort();
		if (!users_find(text, user.name, &found))
			abort();
		bool is = users_secret(&user, "{PLAIN}", &secret);
		if (is && user.secret.p[0] == '!')
			abort();
		str_free(&secret);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct span text = { (const char *)data + 1, size - 1 };
	if (data[0] & 1)
		emailrelay(text);
	else
		users(text);
	return 0;
}
