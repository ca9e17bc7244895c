#include "relay/auth.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/closed.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/base64.h"
#include "relay/secretsfile.h"
#include "relay/session.h"
#include "spool/users.h"

static const struct relay_settings *
limits_of(const struct auth *auth)
{
	return auth->session->instance->settings;
}

/* ---- which mechanisms ---- */

static const char APOP[] = "APOP";	/* of POP3 only, and none of SASL's (RFC 1939 section 7) */

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
		if (row_of(word) == NULL && !span_is_case(word, APOP))
			return err_set(err, ERR_CONFIG, "login-mechanisms: %.*s is none that is known here",
			    (int)word.len, word.p);
	return 0;
}

static void
path_in(const struct settings *settings, struct span source, struct str *path)
{
	struct span scheme;

	span_cut(&source, ':', &scheme);
	char *file = mem_text_n(source.p, source.len);
	settings_path(settings, file, path);
	free(file);
}

static void
path_of(const struct auth *auth, struct span source, struct str *path)
{
	path_in(&auth->session->setup->settings, source, path);
}

int
auth_networks(const struct settings *settings, const char *login, struct str *networks, struct err *err)
{
	struct span rest = span_of(login), word;
	int result = 0;

	while (result == 0 && (word = span_word(&rest)).len > 0) {
		struct str path = {0}, text = {0};
		struct stat st;
		if (!span_begins(word, "emailrelay:"))
			continue;
		path_in(settings, word, &path);
		if (stat(str_c(&path), &st) == 0)
			result = secretsfile_load(str_c(&path), &text, err);
		secretsfile_networks(str_span(&text), networks);
		closed_forget(&text);
		str_free(&path);
	}
	return result;
}

int
auth_key(const struct settings *settings, struct err *err)
{
	unsigned char key[SASL_KEY_SIZE];
	struct str path = {0};

	settings_path(settings, "login-key", &path);
	int fd = open(str_c(&path), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Two that begin at once: one of them makes it. */
	int result = fd < 0 || flock(fd, LOCK_EX) < 0 ? err_sys(err, "%s", str_c(&path)) : 0;
	ssize_t got = result < 0 ? -1 : fs_pread(fd, key, sizeof key, 0, err);
	if (got >= 0 && got < (ssize_t)sizeof key) {
		random_bytes(key, sizeof key);
		got = fs_pwrite(fd, key, sizeof key, 0, err) < 0 || fs_sync(fd, err) < 0 ? -1 : (ssize_t)sizeof key;
	}
	if (got == (ssize_t)sizeof key)
		sasl_nobody(key);
	if (fd >= 0)
		close(fd);
	explicit_bzero(key, sizeof key);
	str_free(&path);
	return got < 0 ? -1 : 0;
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
		if (span_begins(word, "file:") || span_begins(word, "emailrelay:"))
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

/* What a file of users has for him. */
static int
secret_of_users(struct auth *auth, const char *path, struct span user, const char *scheme, struct str *text,
    struct str *secret, struct err *err)
{
	struct user who;

	if (users_load(path, text, err) < 0)
		return -1;
	int found = users_find(str_span(text), user, &who) && users_secret(&who, scheme, secret);
	if (found > 0)
		str_set_span(&auth->mailbox, who.mailbox);
	return found;
}

static int
secret_of_emailrelay(const char *path, struct span user, const char *scheme, struct str *text, struct str *secret,
    struct err *err)
{
	unsigned char states[SECRETSFILE_STATES];

	if (secretsfile_load(path, text, err) < 0)
		return -1;
	if (strcmp(scheme, "{PLAIN}") == 0)
		return secretsfile_password(str_span(text), user, secret);
	if (strcmp(scheme, "{HMAC-MD5}") != 0 || secretsfile_states(str_span(text), user, states) == 0)
		return 0;
	base64_add(secret, states, sizeof states);
	return 1;
}

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
		bool theirs = span_begins(word, "emailrelay:");
		if (!theirs && !span_begins(word, "file:"))
			continue;
		path_of(auth, word, &path);
		found = theirs ? secret_of_emailrelay(str_c(&path), user, scheme, &text, secret, err) :
		    secret_of_users(auth, str_c(&path), user, scheme, &text, secret, err);
		closed_forget(&text);
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
	if (result == 0)	/* who could not be asked after is no guesser: fail2ban reads this */
		log_failed(auth);
	if (result <= 0)
		str_clear(&auth->user);
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

bool
auth_stamp(const struct auth *auth, struct str *stamp)
{
	unsigned char random[12];

	/* Whoever listens can guess at the password from it: as one that is said (AUTH-05). */
	bool covered = auth->session->stream.tls != NULL || limits_of(auth)->login_in_clear ||
	    ip_is_loopback(&auth->session->ip);
	if (!auth->anybody || !covered || !span_lists(span_of(limits_of(auth)->login_mechanisms), span_of(APOP)))
		return false;
	random_bytes(random, sizeof random);
	str_add_char(stamp, '<');
	digest_hex(random, sizeof random, stamp);
	str_printf(stamp, ".%lld@%s>", (long long)clock_now(), auth->session->setup->settings.spool.host);
	return true;
}

/* Of nobody there is a secret too, that nobody knows. */
int
auth_apop(struct auth *auth, struct span user, struct span stamp, struct span digest, struct err *err)
{
	unsigned char sum[DIGEST_MD5_SIZE];
	struct str secret = {0}, text = {0}, right = {0};

	set_user(auth, user);
	auth->how = APOP;
	int found = hook_secret(auth, user, "{PLAIN}", &secret, err);
	str_add_span(&text, stamp);
	str_add_span(&text, str_span(&secret));
	digest_md5(str_span(&text), sum);
	digest_hex(sum, sizeof sum, &right);
	bool same = digest.len == right.len && digest_same(digest.p, right.p, right.len);
	closed_forget(&secret);
	closed_forget(&text);
	str_free(&right);
	if (found > 0 && same)
		return 0;
	if (found < 0) {
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
