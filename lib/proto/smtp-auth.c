#include "lib/proto/smtp-auth.h"

#include <string.h>

#include "lib/base/closed.h"
#include "lib/base/digest.h"
#include "lib/mail/base64.h"

enum { CHALLENGE_MAX = 1024, COMMAND_MAX = 512 };	/* RFC 5321 4.5.3.1.4 */

struct smtp_mech {
	const char *name;
	bool token;		/* and no password */
	bool begins;		/* the first thing said may stand in the command */
	unsigned steps;		/* things said */
	void (*say)(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out);
};

static void
add_and_forget(struct str *out, struct str *text)
{
	base64_add(out, text->p, text->len);
	closed_forget(text);
}

static void
plain_say(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	struct str text = {0};

	(void)step, (void)challenge;
	str_add_char(&text, '\0');
	str_add_text(&text, login->name);
	str_add_char(&text, '\0');
	str_add_text(&text, login->password);
	add_and_forget(out, &text);
}

static void
login_say(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	const char *text = step == 0 ? login->name : login->password;

	(void)challenge;	/* "Username:" in words of its own */
	base64_add(out, text, strlen(text));
}

static void
cram_say(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	unsigned char sum[DIGEST_MD5_SIZE];
	struct str text = {0};

	(void)step;
	digest_hmac_md5(span_of(login->password), challenge, sum);
	str_printf(&text, "%s ", login->name);
	digest_hex(sum, sizeof sum, &text);
	base64_add(out, text.p, text.len);
	str_free(&text);
}

/* RFC 7628 3.1, where "," and "=" of a name are written =2C and =3D.  The challenge to a token that
 * is not taken tells why; 3.2.3: it is answered by a ^A, and then comes the refusal. */
static void
oauthbearer_say(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	struct str text = {0};

	(void)challenge;
	str_add_text(&text, step == 0 ? "n,a=" : "\1");
	for (const char *c = login->name; step == 0 && *c != '\0'; c++)
		if (*c == ',' || *c == '=')
			str_add_text(&text, *c == ',' ? "=2C" : "=3D");
		else
			str_add_char(&text, *c);
	if (step == 0)
		str_printf(&text, ",\1auth=Bearer %s\1\1", login->password);
	add_and_forget(out, &text);
}

/* Google's and Microsoft's; there the last answer is an empty one. */
static void
xoauth2_say(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	struct str text = {0};

	(void)challenge;
	if (step == 0)
		str_printf(&text, "user=%s\1auth=Bearer %s\1\1", login->name, login->password);
	add_and_forget(out, &text);
}

static const struct smtp_mech mechs[] = {	/* best first */
	{ "CRAM-MD5", false, false, 1, cram_say },
	{ "PLAIN", false, true, 1, plain_say },
	{ "LOGIN", false, false, 2, login_say },
	{ "OAUTHBEARER", true, true, 2, oauthbearer_say },
	{ "XOAUTH2", true, true, 2, xoauth2_say },
};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

const struct smtp_mech *
smtp_auth_choose(const struct smtp_login *login, struct span offered, bool secured, struct err *err)
{
	const char *what = login->token ? "token" : "password";

	if (!secured && !login->clear) {
		err_set(err, ERR_TEMP, "the %s is not told without TLS, which the server does not offer", what);
		return NULL;
	}
	for (size_t i = 0; i < MECHS; i++) {
		/* Behind TLS the simplest does; a server need not keep passwords for it. */
		const struct smtp_mech *mech = &mechs[secured ? (i + 1) % MECHS : i];
		if (mech->token == login->token && span_lists(offered, span_of(mech->name)))
			return mech;
	}
	err_set(err, ERR_TEMP, "the server takes no login by a %s that we know (it offers \"%.*s\")", what,
	    (int)(offered.len < 100 ? offered.len : 100), offered.p != NULL ? offered.p : "");
	return NULL;
}

unsigned
smtp_auth_begin(const struct smtp_mech *mech, const struct smtp_login *login, struct str *out)
{
	struct str first = {0};

	if (mech->begins)
		mech->say(login, 0, (struct span){0}, &first);
	str_printf(out, "AUTH %s", mech->name);
	/* RFC 4954 4: a command is no longer than any other; a long token waits for the 334. */
	bool said = first.len > 0 && strlen("AUTH  \r\n") + strlen(mech->name) + first.len <= COMMAND_MAX;
	if (said) {
		str_add_char(out, ' ');
		str_add_span(out, str_span(&first));
	}
	str_add_text(out, "\r\n");
	closed_forget(&first);
	return said;
}

int
smtp_auth_answer(const struct smtp_mech *mech, const struct smtp_login *login, unsigned step,
    struct span challenge, struct str *out, struct err *err)
{
	unsigned char text[BASE64_BYTES(CHALLENGE_MAX)];
	int len = challenge.len <= CHALLENGE_MAX ? base64_read(challenge, text) : -1;

	if (step >= mech->steps || len < 0)
		return err_set(err, ERR_TEMP, "the server asks for more than %s has", mech->name);
	mech->say(login, step, (struct span){ (const char *)text, (size_t)len }, out);
	str_add_text(out, "\r\n");
	return 0;
}

static bool
stands_in(struct span words, struct str *what)
{
	bool found = what->len > 0 && memmem(words.p, words.len, what->p, what->len) != NULL;

	closed_forget(what);
	return found;
}

/* As it is, or in one of the forms in which it may have been said. */
bool
smtp_auth_tells(const struct smtp_login *login, struct span words)
{
	struct str password = {0};

	str_add_text(&password, login->password);
	bool tells = stands_in(words, &password);
	for (size_t i = 0; i < MECHS; i++) {
		struct str said = {0};
		if (mechs[i].token != login->token)
			continue;
		mechs[i].say(login, login->token ? 0 : mechs[i].steps - 1, (struct span){ "", 0 }, &said);
		tells = stands_in(words, &said) || tells;
	}
	return words.len > 0 && tells;
}
