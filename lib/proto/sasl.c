#include "lib/proto/sasl.h"

#if HAVE_GSASL
#include <gsasl.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/closed.h"
#include "lib/base/digest.h"
#include "lib/mail/base64.h"

enum { STEPS_MAX = 8, ITERATIONS_NOBODY = 4096, SALT_SIZE = 16 };	/* as spool/users.c makes them */

static bool
is_clean(struct span text)
{
	return memchr(text.p, '\0', text.len) == NULL && memchr(text.p, '\n', text.len) == NULL &&
	    memchr(text.p, '\r', text.len) == NULL;
}

/* The answer to the question which user, and may he act for that one. */
static int
check_password(struct sasl *sasl, struct span for_whom, struct span user, struct span pass)
{
	if (user.len == 0 || pass.len == 0 || !is_clean(user) || !is_clean(pass) ||
	    (for_whom.len > 0 && !span_same(for_whom, user)))
		return SASL_NO;
	str_set_span(&sasl->user, user);
	str_set_span(&sasl->pass, pass);
	return SASL_CHECK;
}

/* RFC 4616: [for whom] NUL user NUL password */
static int
step_plain(struct sasl *sasl, struct span response, struct str *challenge)
{
	struct span for_whom, user;

	(void)challenge;
	if (response.p == NULL)
		return SASL_MORE;
	if (memchr(response.p, '\0', response.len) == NULL || !span_cut(&response, '\0', &for_whom) ||
	    memchr(response.p, '\0', response.len) == NULL || !span_cut(&response, '\0', &user))
		return SASL_NO;
	return check_password(sasl, for_whom, user, response);
}

/* Never a standard (draft-murchison-sasl-login), and what many programs know. */
static int
step_login(struct sasl *sasl, struct span response, struct str *challenge)
{
	if (response.p == NULL && sasl->steps == 1) {
		str_add_text(challenge, "Username:");
		return SASL_MORE;
	}
	if (sasl->user.len == 0 && response.len > 0) {
		str_set_span(&sasl->user, response);
		str_add_text(challenge, "Password:");
		return SASL_MORE;
	}
	struct str user = sasl->user;
	sasl->user = (struct str){0};
	int result = check_password(sasl, (struct span){0}, str_span(&user), response);
	str_free(&user);
	return result;
}

/* RFC 4422 appendix A: the certificate says it. */
static int
step_external(struct sasl *sasl, struct span response, struct str *challenge)
{
	const char *name = sasl->hooks->external != NULL ? sasl->hooks->external(sasl->ctx) : NULL;

	(void)challenge;
	if (response.p == NULL && sasl->steps == 1)
		return SASL_MORE;
	if (name == NULL || name[0] == '\0' || (response.len > 0 && !span_is(response, name)))
		return SASL_NO;
	str_set(&sasl->user, name);
	return SASL_YES;
}

/* ---- tokens ---- */

/* The value behind "key" in fields that \1 parts. */
static struct span
field(struct span text, const char *key)
{
	struct span part;

	while (text.len > 0 && span_cut(&text, '\1', &part))
		if (span_begins_case(part, key))
			return span_from(part, strlen(key));
	return (struct span){ "", 0 };
}

static int
check_token(struct sasl *sasl, struct span user, struct span fields)
{
	int result = check_password(sasl, (struct span){0}, user, field(fields, "auth=Bearer "));

	sasl->token = result == SASL_CHECK;
	return result;
}

/* Google's and Microsoft's: user=NAME \1 auth=Bearer TOKEN \1 \1 */
static int
step_xoauth2(struct sasl *sasl, struct span response, struct str *challenge)
{
	(void)challenge;
	if (response.p == NULL && sasl->steps == 1)
		return SASL_MORE;
	return check_token(sasl, field(response, "user="), response);
}

/* RFC 5801 4: "," and "=" of a name are written =2C and =3D, and "=" stands for nothing else. */
static bool
read_name(struct span text, struct str *name)
{
	for (size_t i = 0; i < text.len; i++) {
		struct span rest = span_from(text, i);
		bool comma = span_begins(rest, "=2C"), equal = span_begins(rest, "=3D");
		if (text.p[i] == '=' && !comma && !equal)
			return false;
		str_add_char(name, comma ? ',' : text.p[i]);
		i += comma || equal ? 2 : 0;
	}
	return true;
}

/* RFC 7628: n,a=NAME, \1 ... auth=Bearer TOKEN \1 \1 */
static int
step_oauthbearer(struct sasl *sasl, struct span response, struct str *challenge)
{
	struct span head, word, user = {0};

	(void)challenge;
	if (response.p == NULL && sasl->steps == 1)
		return SASL_MORE;
	if (response.len == 0 || !span_cut(&response, '\1', &head))
		return SASL_NO;
	while (head.len > 0 && span_cut(&head, ',', &word))
		if (span_begins(word, "a="))
			user = span_from(word, 2);
	struct str name = {0};
	int result = user.p != NULL && read_name(user, &name) ? check_token(sasl, str_span(&name), response) : SASL_NO;
	str_free(&name);
	return result;
}

/* What is stored, or, of nobody, something that looks like it and always does so. */
static void
fetch(struct sasl *sasl, struct span user, const char *scheme, struct str *secret)
{
	int found = sasl->hooks->secret(sasl->ctx, user, scheme, secret, sasl->err);

	sasl->failed |= found < 0;
	if (found <= 0)
		str_clear(secret);
}

/* ---- CRAM-MD5 (RFC 2195): libgsasl's wants the password, and some keep less than that ---- */

static bool
read_states(struct span base64, unsigned char states[2 * DIGEST_MD5_SIZE])
{
	return base64.len == BASE64_LETTERS(2 * DIGEST_MD5_SIZE) && base64_read(base64, states) == 2 * DIGEST_MD5_SIZE;
}

/* Of nobody there are states too, so that it takes as long. */
static bool
find_states(struct sasl *sasl, struct span user, unsigned char states[2 * DIGEST_MD5_SIZE])
{
	struct str secret = {0};
	bool found = true;

	fetch(sasl, user, "{PLAIN}", &secret);
	if (secret.len > 0) {
		digest_hmac_md5_states(str_span(&secret), states);
	} else {
		unsigned char decoded[2 * DIGEST_MD5_SIZE + 2];
		fetch(sasl, user, "{HMAC-MD5}", &secret);
		found = read_states(str_span(&secret), decoded);
		if (found)
			memcpy(states, decoded, 2 * DIGEST_MD5_SIZE);
		else
			random_bytes(states, 2 * DIGEST_MD5_SIZE);
	}
	closed_forget(&secret);
	return found;
}

static void
ask_cram(struct sasl *sasl, struct str *challenge)
{
	unsigned char random[12];

	random_bytes(random, sizeof random);
	str_add_char(challenge, '<');
	digest_hex(random, 8, challenge);
	str_add_char(challenge, '.');
	digest_hex(random + 8, 4, challenge);
	str_add_text(challenge, "@localhost>");
	str_set_span(&sasl->challenge, str_span(challenge));
}

/* NAME DIGEST: the name may have blanks in it. */
static int
step_cram(struct sasl *sasl, struct span response, struct str *challenge)
{
	enum { HEX = 2 * DIGEST_MD5_SIZE };
	unsigned char states[2 * DIGEST_MD5_SIZE], sum[DIGEST_MD5_SIZE];
	struct str right = {0};

	if (sasl->steps == 1) {
		if (response.p != NULL && response.len > 0)
			return SASL_NO;		/* the server begins */
		ask_cram(sasl, challenge);
		return SASL_MORE;
	}
	if (response.len < HEX + 2 || response.p[response.len - HEX - 1] != ' ')
		return SASL_NO;
	struct span user = span_to(response, response.len - HEX - 1);
	if (!is_clean(user))
		return SASL_NO;
	bool found = find_states(sasl, user, states);
	digest_hmac_md5_from(states, str_span(&sasl->challenge), sum);
	digest_hex(sum, sizeof sum, &right);
	bool same = digest_same(right.p, response.p + response.len - HEX, HEX);
	explicit_bzero(states, sizeof states);
	closed_forget(&right);
	str_set_span(&sasl->user, user);
	return found && same && !sasl->failed ? SASL_YES : SASL_NO;
}

/* ---- secrets that are not told: libgsasl, or not at all ---- */

static unsigned char nobody_key[SASL_KEY_SIZE];
static bool nobody_made;

void
sasl_nobody(const unsigned char key[SASL_KEY_SIZE])
{
	memcpy(nobody_key, key, sizeof nobody_key);
	nobody_made = true;
}

#if HAVE_GSASL
struct library {
	Gsasl *gsasl;
	Gsasl_session *session;
};

/* As of a user who is there: always the same, and in either case of letters. */
static void
nobodys_salt(struct span user, struct str *salt)
{
	unsigned char sum[DIGEST_SIZE];
	struct digest digest = {0};
	struct str name = {0};

	if (!nobody_made)
		random_bytes(nobody_key, sizeof nobody_key);
	nobody_made = true;
	str_add_lower(&name, user);
	digest_start(&digest);
	digest_add(&digest, nobody_key, sizeof nobody_key);
	digest_add(&digest, name.p != NULL ? name.p : "", name.len);
	digest_end(&digest, sum);
	base64_add(salt, sum, SALT_SIZE);
	str_free(&name);
}

static void
set_word(Gsasl_session *session, Gsasl_property property, struct span *rest)
{
	struct span part;

	span_cut(rest, ',', &part);
	gsasl_property_set_raw(session, property, part.p, part.len);
}

/* ITERATIONS,SALT,STORED,SERVER */
static int
give_verifier(struct sasl *sasl, Gsasl_session *session, struct span user)
{
	struct str secret = {0};
	struct span rest;

	fetch(sasl, user, sasl->row->scheme, &secret);
	if (secret.len == 0) {
		size_t size = strcmp(sasl->row->scheme, "{SCRAM-SHA-1}") == 0 ? 20 : 32;
		unsigned char none[32];
		random_bytes(none, sizeof none);
		str_printf(&secret, "%d,", ITERATIONS_NOBODY);
		nobodys_salt(user, &secret);
		str_add_char(&secret, ',');
		base64_add(&secret, none, size);
		str_add_char(&secret, ',');
		base64_add(&secret, none, size);
	}
	rest = str_span(&secret);
	set_word(session, GSASL_SCRAM_ITER, &rest);
	set_word(session, GSASL_SCRAM_SALT, &rest);
	set_word(session, GSASL_SCRAM_STOREDKEY, &rest);
	set_word(session, GSASL_SCRAM_SERVERKEY, &rest);
	closed_forget(&secret);
	return GSASL_OK;
}

static int
give_binding(struct sasl *sasl, Gsasl_session *session)
{
	struct str base64 = {0};

	if (sasl->hooks->binding != NULL)
		sasl->hooks->binding(sasl->ctx, &base64);
	if (base64.len > 0)
		gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, str_c(&base64));
	bool given = base64.len > 0;
	str_free(&base64);
	return given ? GSASL_OK : GSASL_NO_CALLBACK;
}

static int
on_question(Gsasl *gsasl, Gsasl_session *session, Gsasl_property property)
{
	struct sasl *sasl = gsasl_session_hook_get(session);
	const char *user = gsasl_property_fast(session, GSASL_AUTHID);

	(void)gsasl;
	if (property == GSASL_CB_TLS_EXPORTER)
		return give_binding(sasl, session);
	if (user == NULL)
		return GSASL_NO_CALLBACK;
	str_set(&sasl->user, user);
	if (property == GSASL_SCRAM_ITER || property == GSASL_SCRAM_SALT ||
	    property == GSASL_SCRAM_STOREDKEY || property == GSASL_SCRAM_SERVERKEY)
		return give_verifier(sasl, session, span_of(user));
	return GSASL_NO_CALLBACK;
}

static struct library *
library_of(struct sasl *sasl)
{
	struct library *library = sasl->work;

	if (library != NULL)
		return library;
	library = mem_get(sizeof *library);
	sasl->work = library;
	if (gsasl_init(&library->gsasl) != GSASL_OK)
		return NULL;
	gsasl_callback_set(library->gsasl, on_question);
	if (gsasl_server_start(library->gsasl, sasl->row->name, &library->session) != GSASL_OK)
		return NULL;
	gsasl_session_hook_set(library->session, sasl);
	return library;
}

/* What the library says last may be for the client all the same (SCRAM's proof of ours). */
static int
step_library(struct sasl *sasl, struct span response, struct str *challenge)
{
	struct library *library = library_of(sasl);
	char *out = NULL;
	size_t len = 0;

	if (library == NULL)
		return err_set(sasl->err, ERR_TEMP, "%s: the library does not do it", sasl->row->name);
	if (sasl->proven)
		return SASL_YES;	/* it was told our proof, and said nothing against it */
	int result = gsasl_step(library->session, response.p, response.len, &out, &len);
	str_add(challenge, out, len);
	gsasl_free(out);
	if (result == GSASL_NEEDS_MORE)
		return sasl->failed ? SASL_NO : SASL_MORE;
	if (result != GSASL_OK)
		return SASL_NO;
	const char *for_whom = gsasl_property_fast(library->session, GSASL_AUTHZID);
	if (for_whom != NULL && for_whom[0] != '\0' && !span_is(str_span(&sasl->user), for_whom))
		return SASL_NO;
	if (challenge->len == 0)
		return SASL_YES;
	sasl->proven = true;
	return SASL_MORE;
}

static void
library_free(struct library *library)
{
	if (library == NULL)
		return;
	if (library->session != NULL)
		gsasl_finish(library->session);
	if (library->gsasl != NULL)
		gsasl_done(library->gsasl);
	free(library);
}
#else
static void
library_free(void *none)
{
	free(none);
}
#endif

/* ---- all of them ---- */

const struct sasl_row sasl_rows[] = {
#if HAVE_GSASL
	{ "SCRAM-SHA-256-PLUS", false, true, "{SCRAM-SHA-256}", step_library },
	{ "SCRAM-SHA-256", false, false, "{SCRAM-SHA-256}", step_library },
	{ "SCRAM-SHA-1-PLUS", false, true, "{SCRAM-SHA-1}", step_library },
	{ "SCRAM-SHA-1", false, false, "{SCRAM-SHA-1}", step_library },
#endif
	{ "CRAM-MD5", false, false, "{PLAIN}", step_cram },
	{ "PLAIN", true, false, NULL, step_plain },
	{ "LOGIN", true, false, NULL, step_login },
	{ "EXTERNAL", false, false, NULL, step_external },
	{ "OAUTHBEARER", true, false, NULL, step_oauthbearer },
	{ "XOAUTH2", true, false, NULL, step_xoauth2 },
	{0},
};

static const struct sasl_row *
row_of(const char *name)
{
	for (const struct sasl_row *row = sasl_rows; row->name != NULL; row++)
		if (strcasecmp(row->name, name) == 0)
			return row;
	return NULL;
}

int
sasl_step(struct sasl *sasl, const char *mechanism, struct span response, struct str *challenge,
    struct err *err)
{
	if (mechanism != NULL) {
		sasl_free(sasl);
		sasl->row = row_of(mechanism);
	}
	if (sasl->row == NULL || ++sasl->steps > STEPS_MAX)
		return err_set(err, ERR_PERM, "no such mechanism");
	sasl->err = err;
	int result = sasl->row->step(sasl, response, challenge);
	sasl->err = NULL;
	return result;
}

void
sasl_free(struct sasl *sasl)
{
	library_free(sasl->work);
	str_free(&sasl->user);
	str_free(&sasl->challenge);
	closed_forget(&sasl->pass);
	*sasl = (struct sasl){ .hooks = sasl->hooks, .ctx = sasl->ctx };
}
