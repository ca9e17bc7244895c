#include "relay/auth.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/log.h"
#include "lib/mail/base64.h"
#include "relay/session.h"
#include "spool/users.h"

static const struct relay_settings *
limits_of(const struct auth *auth)
{
	return auth->session->instance->settings;
}

/* ---- which mechanisms ---- */

static const struct sasl_row *
row_of(struct span name)
{
	for (const struct sasl_row *row = sasl_rows; row->name != NULL; row++)
		if (span_is_case(name, row->name))
			return row;
	return NULL;
}

int
auth_check(const char *mechanisms, struct err *err)
{
	struct span rest = span_of(mechanisms), word;

	while ((word = span_word(&rest)).len > 0)
		if (row_of(word) == NULL)
			return err_set(err, ERR_CONFIG, "login-mechanisms: %.*s is none that is known here",
			    (int)word.len, word.p);
	return 0;
}

static void
path_of(const struct auth *auth, struct span source, struct str *path)
{
	char *file = mem_text_n(source.p + strlen("file:"), source.len - strlen("file:"));

	settings_path(&auth->session->setup->settings, file, path);
	free(file);
}

/* Where there is no file of users, nobody needs to be asked for his name. */
static bool
anybody_may(const struct auth *auth)
{
	struct span rest = span_of(limits_of(auth)->login), word;
	bool any = false;

	while (!any && (word = span_word(&rest)).len > 0) {
		struct str path = {0};
		struct stat st;
		if (span_begins(word, "file:"))
			path_of(auth, word, &path);
		any = path.len == 0 || stat(str_c(&path), &st) == 0;
		str_free(&path);
	}
	return any;
}

static void
add_mechanisms(const struct auth *auth, bool tls, struct str *out)
{
	struct span rest = span_of(limits_of(auth)->login_mechanisms), word;
	bool clear = tls || limits_of(auth)->login_in_clear || ip_is_loopback(&auth->session->ip);

	while (auth->anybody && (word = span_word(&rest)).len > 0) {
		const struct sasl_row *row = row_of(word);
		if (row == NULL || (row->clear && !clear) || (row->bound && !tls) ||
		    (strcmp(row->name, "EXTERNAL") == 0 && (!tls || auth->certificate.len == 0)))
			continue;
		str_printf(out, "%s%s", out->len > 0 ? " " : "", row->name);
	}
}

/* ---- what sasl asks ---- */

/* Of the first file that has something for him. */
static int
hook_secret(void *ctx, struct span user, const char *scheme, struct str *secret, struct err *err)
{
	struct auth *auth = ctx;
	struct span rest = span_of(limits_of(auth)->login), word;
	int found = 0;

	str_clear(&auth->mailbox);

	while (found == 0 && (word = span_word(&rest)).len > 0) {
		struct str path = {0}, text = {0};
		struct user who;
		if (!span_begins(word, "file:"))
			continue;
		path_of(auth, word, &path);
		if (users_load(str_c(&path), &text, err) < 0)
			found = -1;
		else if (users_find(str_span(&text), user, &who))
			found = users_secret(&who, scheme, secret);
		if (found > 0)
			str_set_span(&auth->mailbox, who.mailbox);
		if (text.p != NULL)
			explicit_bzero(text.p, text.size);
		str_free(&text);
		str_free(&path);
	}
	return found;
}

static const char *
hook_external(void *ctx)
{
	struct auth *auth = ctx;
	return str_c(&auth->certificate);
}

static void
hook_binding(void *ctx, struct str *base64)
{
	const struct auth *auth = ctx;
	struct str bytes = {0};

	stream_tls_binding(&auth->session->stream, &bytes);
	if (bytes.len > 0)
		base64_add(base64, bytes.p, bytes.len);
	str_free(&bytes);
}

static const struct sasl_hooks hooks = { hook_secret, hook_external, hook_binding };

/* ---- the end of it ---- */

static void
set_user(struct auth *auth, struct span user)
{
	enum { SHOWN_MAX = 100 };

	str_set_span(&auth->user, user);
	str_clear(&auth->shown);
	for (size_t i = 0; i < user.len && i < SHOWN_MAX; i++)
		str_add_char(&auth->shown, (unsigned char)user.p[i] <= ' ' || strchr("\"=<>", user.p[i]) != NULL ?
		    '?' : user.p[i]);
}

/* One line that a person, or fail2ban, can read. */
static void
log_failed(struct auth *auth)
{
	log_warn("-: event=login-failed service=%s relay=%s client=%s user=%s", auth->service,
	    limits_of(auth)->name, str_c(&auth->session->client), str_c(&auth->shown));
}

static void
on_verified(struct verify_question *question, int result, struct span mailbox, const struct err *err)
{
	struct auth *auth = (struct auth *)((char *)question - offsetof(struct auth, question));
	static const struct err no = { .kind = ERR_PERM, .text = "no" };

	str_set_span(&auth->mailbox, mailbox);
	if (result <= 0) {
		log_failed(auth);
		str_clear(&auth->user);
	}
	auth->done(auth, result > 0 ? 0 : -1, result < 0 ? err : result == 0 ? &no : NULL);
}

static int
check(struct auth *auth, struct span user, struct span pass, bool token, struct err *err)
{
	struct login who = { .user = user, .pass = pass, .token = token, .service = span_of(auth->service),
		.client = str_span(&auth->session->client) };

	set_user(auth, user);
	return verify_ask(&auth->session->relay->verify, limits_of(auth)->login, &who, &auth->session->ip,
	    &auth->question, err) < 0 ? -1 : AUTH_LATER;
}

int
auth_password(struct auth *auth, struct span user, struct span pass, struct err *err)
{
	return check(auth, user, pass, false, err);
}

int
auth_step(struct auth *auth, const char *mechanism, struct span response, struct str *challenge,
    struct err *err)
{
	const struct sasl_row *row = mechanism != NULL ? row_of(span_of(mechanism)) : NULL;

	if (row != NULL)
		auth->how = row->name;
	int result = sasl_step(&auth->sasl, mechanism, response, challenge, err);

	if (result == SASL_MORE)
		return AUTH_MORE;
	if (result == SASL_CHECK) {
		result = check(auth, str_span(&auth->sasl.user), str_span(&auth->sasl.pass), auth->sasl.token, err);
		sasl_free(&auth->sasl);
		return result;
	}
	set_user(auth, str_span(&auth->sasl.user));
	sasl_free(&auth->sasl);
	if (result == SASL_YES)
		return 0;
	if (err->kind == ERR_TEMP || err->kind == ERR_CONFIG) {
		str_clear(&auth->user);
		return -1;
	}
	verify_refuse(&auth->session->relay->verify, &auth->session->ip, &auth->question);
	return AUTH_LATER;
}

void
auth_open(struct auth *auth, struct session *session, const char *service,
    void (*done)(struct auth *auth, int result, const struct err *err))
{
	*auth = (struct auth){ .session = session, .service = service, .done = done, .how = "",
		.sasl = { .hooks = &hooks }, .question.answer = on_verified };
	auth->sasl.ctx = auth;
	auth->anybody = anybody_may(auth);
	auth_secured(auth);
	add_mechanisms(auth, false, &auth->clear_mechanisms);
}

void
auth_secured(struct auth *auth)
{
	str_clear(&auth->certificate);
	str_clear(&auth->mechanisms);
	stream_tls_who(&auth->session->stream, &auth->certificate);
	add_mechanisms(auth, true, &auth->mechanisms);
}

void
auth_cancel(struct auth *auth)
{
	sasl_free(&auth->sasl);
}

void
auth_close(struct auth *auth)
{
	verify_leave(&auth->question);
	sasl_free(&auth->sasl);
	str_free(&auth->user);
	str_free(&auth->shown);
	str_free(&auth->mailbox);
	str_free(&auth->certificate);
	str_free(&auth->mechanisms);
	str_free(&auth->clear_mechanisms);
}
