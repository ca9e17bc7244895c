#include "lib/proto/smtp-auth.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/mail/base64.h"

enum { CHALLENGE_MAX = 1024 };

struct smtp_mech {
	const char *name;
	bool shows;		/* the password to whoever listens */
	unsigned steps;		/* challenges that it answers */
	void (*first)(const struct smtp_login *login, struct str *out);	/* in the command; may be NULL */
	void (*answer)(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out);
};

static void
plain_first(const struct smtp_login *login, struct str *out)
{
	struct str text = {0};

	str_add_char(&text, '\0');
	str_add_text(&text, login->name);
	str_add_char(&text, '\0');
	str_add_text(&text, login->password);
	base64_add(out, text.p, text.len);
	explicit_bzero(text.p, text.len);
	str_free(&text);
}

static void
login_answer(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
{
	const char *text = step == 0 ? login->name : login->password;

	(void)challenge;	/* "Username:" in words of its own */
	base64_add(out, text, strlen(text));
}

static void
cram_answer(const struct smtp_login *login, unsigned step, struct span challenge, struct str *out)
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

static const struct smtp_mech mechs[] = {	/* best first */
	{ "CRAM-MD5", false, 1, NULL, cram_answer },
	{ "PLAIN", true, 0, plain_first, NULL },
	{ "LOGIN", true, 2, NULL, login_answer },
};
enum { MECHS = sizeof mechs / sizeof mechs[0] };

const struct smtp_mech *
smtp_auth_choose(const struct smtp_login *login, struct span offered, bool secured, struct err *err)
{
	if (!secured && !login->clear) {
		err_set(err, ERR_TEMP, "the password is not told without TLS, which the server does not offer");
		return NULL;
	}
	for (size_t i = 0; i < MECHS; i++) {
		/* Behind TLS the simplest does; a server need not keep passwords for it. */
		const struct smtp_mech *mech = &mechs[secured ? (i + 1) % MECHS : i];
		if (span_lists(offered, span_of(mech->name)))
			return mech;
	}
	err_set(err, ERR_TEMP, "the server takes no login that we know (it offers \"%.*s\")",
	    (int)(offered.len < 100 ? offered.len : 100), offered.p != NULL ? offered.p : "");
	return NULL;
}

void
smtp_auth_begin(const struct smtp_mech *mech, const struct smtp_login *login, struct str *out)
{
	str_printf(out, "AUTH %s", mech->name);
	if (mech->first != NULL) {
		str_add_char(out, ' ');
		mech->first(login, out);
	}
	str_add_text(out, "\r\n");
}

int
smtp_auth_answer(const struct smtp_mech *mech, const struct smtp_login *login, unsigned step,
    struct span challenge, struct str *out, struct err *err)
{
	unsigned char text[BASE64_BYTES(CHALLENGE_MAX)];
	int len = challenge.len <= CHALLENGE_MAX ? base64_read(challenge, text) : -1;

	if (step >= mech->steps || len < 0)
		return err_set(err, ERR_TEMP, "the server asks for more than %s has", mech->name);
	mech->answer(login, step, (struct span){ (const char *)text, (size_t)len }, out);
	str_add_text(out, "\r\n");
	return 0;
}

static bool
stands_in(struct span words, struct str *what)
{
	bool found = what->len > 0 && memmem(words.p, words.len, what->p, what->len) != NULL;

	explicit_bzero(what->p, what->size);
	str_free(what);
	return found;
}

bool
smtp_auth_tells(const struct smtp_login *login, struct span words)
{
	struct str password = {0}, alone = {0}, plain = {0};

	str_add_text(&password, login->password);
	login_answer(login, 1, (struct span){0}, &alone);
	plain_first(login, &plain);
	bool tells[] = { stands_in(words, &password), stands_in(words, &alone), stands_in(words, &plain) };
	return words.len > 0 && (tells[0] || tells[1] || tells[2]);
}
