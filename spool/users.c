#include "spool/users.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/mail/base64.h"

/* ---- reading ---- */

static bool
is_user(struct span line, struct user *user)
{
	*user = (struct user){0};
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (line.len == 0 || line.p[0] == '#' || memchr(line.p, ':', line.len) == NULL)
		return false;
	span_cut(&line, ':', &user->name);
	user->secret = line;
	span_cut(&line, ':', &user->secret);
	user->mailbox = line;
	return user->name.len > 0;
}

bool
users_next(struct span *text, struct user *user)
{
	struct span line;

	while (text->len > 0 && span_cut(text, '\n', &line))
		if (is_user(line, user))
			return true;
	return false;
}

static bool
same_name(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

bool
users_find(struct span text, struct span name, struct user *user)
{
	while (users_next(&text, user))
		if (same_name(user->name, name))
			return true;
	return false;
}

bool
users_name_ok(struct span name)
{
	if (name.len == 0 || name.len > USERS_NAME_MAX || name.p[0] == '#')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == ':' || name.p[i] == 0x7F)
			return false;
	return true;
}

int
users_load(const char *file, struct str *text, struct err *err)
{
	if (fs_load(AT_FDCWD, file, USERS_MAX, text, err) == 0)
		return 0;
	return errno == ENOENT ? 0 : -1;
}

/* ---- writing ---- */

static void
put_line(struct str *out, struct span name, struct span secret, struct span mailbox)
{
	str_add_span(out, name);
	str_add_char(out, ':');
	str_add_span(out, secret);
	if (mailbox.len > 0) {
		str_add_char(out, ':');
		str_add_span(out, mailbox);
	}
	str_add_char(out, '\n');
}

/* The text with that user's line changed; true: he was there. */
static bool
change(struct span text, struct span name, const char *secret, const char *mailbox, struct str *out)
{
	struct span line;
	struct user user;
	bool found = false;

	while (text.len > 0 && span_cut(&text, '\n', &line)) {
		if (!is_user(line, &user) || !same_name(user.name, name)) {
			str_add_span(out, line);
			str_add_char(out, '\n');
			continue;
		}
		if (secret != NULL && !found)
			put_line(out, name, span_of(secret), mailbox != NULL ? span_of(mailbox) : user.mailbox);
		found = true;
	}
	if (!found && secret != NULL)
		put_line(out, name, span_of(secret), span_of(mailbox));
	return found;
}

static int
put_locked(int dir, const char *base, const char *name, const char *secret, const char *mailbox,
    enum users_must must, struct err *err)
{
	struct str text = {0}, changed = {0};
	int result = fs_load(dir, base, USERS_MAX, &text, err);

	if (result < 0 && errno == ENOENT)
		result = 0;
	if (result == 0) {
		bool found = change(str_span(&text), span_of(name), secret, mailbox, &changed);
		if (found && must == USERS_NEW)
			result = err_set(err, ERR_PERM, "%s is there already; passwd changes his password", name);
		else if (!found && must == USERS_THERE)
			result = err_set(err, ERR_PERM, "there is no user %s in %s", name, base);
	}
	if (result == 0)
		result = fs_replace(dir, base, str_span(&changed), 0600, err);
	if (text.p != NULL)
		explicit_bzero(text.p, text.len);
	if (changed.p != NULL)
		explicit_bzero(changed.p, changed.len);
	str_free(&text);
	str_free(&changed);
	return result;
}

int
users_put(const char *file, const char *name, const char *secret, const char *mailbox,
    enum users_must must, struct err *err)
{
	const char *slash = strrchr(file, '/');
	char *folder = slash != NULL ? mem_text_n(file, (size_t)(slash - file) + 1) : mem_text(".");
	const char *base = slash != NULL ? slash + 1 : file;
	struct str lock_name = {0};

	if (!users_name_ok(span_of(name)) || (mailbox != NULL && strpbrk(mailbox, ":\r\n") != NULL)) {
		free(folder);
		return err_set(err, ERR_PERM, "a name is printable, without blanks and colons; so is a mailbox");
	}
	int dir = fs_dir(AT_FDCWD, folder, err), lock = -1;
	str_printf(&lock_name, ".%s.lock", base);
	if (dir >= 0)
		lock = fs_lock(dir, str_c(&lock_name), true, err);
	int result = lock < 0 ? -1 : put_locked(dir, base, name, secret, mailbox, must, err);
	if (lock >= 0)
		close(lock);
	if (dir >= 0)
		close(dir);
	str_free(&lock_name);
	free(folder);
	return result;
}

/* ---- passwords ---- */

static int
crypt_it(const char *pass, const char *setting, struct str *out)
{
	struct crypt_data *data = mem_get(sizeof *data);
	const char *hash = crypt_r(pass, setting, data);
	bool good = hash != NULL && hash[0] != '*';

	if (good)
		str_add_text(out, hash);
	explicit_bzero(data, sizeof *data);
	free(data);
	return good ? 0 : -1;
}

int
users_hash(struct span pass, struct str *secret, struct err *err)
{
	static const char *const prefixes[] = { "$y$", "$2b$", "$6$" };
	char *text, setting[CRYPT_GENSALT_OUTPUT_SIZE], random[32];
	int result = -1;

	if (pass.len == 0 || pass.len > USERS_PASS_MAX || memchr(pass.p, '\0', pass.len) != NULL ||
	    memchr(pass.p, '\n', pass.len) != NULL)
		return err_set(err, ERR_PERM, "a password has 1 to %d bytes, and no line end", USERS_PASS_MAX);
	text = mem_text_n(pass.p, pass.len);
	random_bytes(random, sizeof random);
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0] && result < 0; i++)
		if (crypt_gensalt_rn(prefixes[i], 0, random, sizeof random, setting, sizeof setting) != NULL)
			result = crypt_it(text, setting, secret);
	explicit_bzero(text, pass.len);
	free(text);
	return result == 0 ? 0 : err_set(err, ERR_TEMP, "crypt(3) makes no hash here");
}

/* RFC 5802 section 3.  The client prepares a password (SASLprep); in ASCII that changes nothing. */
static int
scram(struct span pass, const EVP_MD *hash, struct str *secret)
{
	enum { ITERATIONS = 4096 };
	unsigned char salt[16], salted[EVP_MAX_MD_SIZE], client[EVP_MAX_MD_SIZE], stored[EVP_MAX_MD_SIZE],
	    server[EVP_MAX_MD_SIZE];
	int size = EVP_MD_get_size(hash);

	random_bytes(salt, sizeof salt);
	if (PKCS5_PBKDF2_HMAC(pass.p, (int)pass.len, salt, sizeof salt, ITERATIONS, hash, size, salted) != 1 ||
	    HMAC(hash, salted, size, (const unsigned char *)"Client Key", 10, client, NULL) == NULL ||
	    HMAC(hash, salted, size, (const unsigned char *)"Server Key", 10, server, NULL) == NULL ||
	    EVP_Digest(client, (size_t)size, stored, NULL, hash, NULL) != 1)
		return -1;
	str_printf(secret, "%d,", ITERATIONS);
	base64_add(secret, salt, sizeof salt);
	str_add_char(secret, ',');
	base64_add(secret, stored, (size_t)size);
	str_add_char(secret, ',');
	base64_add(secret, server, (size_t)size);
	explicit_bzero(salted, sizeof salted);
	explicit_bzero(client, sizeof client);
	return 0;
}

static bool
is_printable(struct span text, const char *but)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || (unsigned char)text.p[i] > '~' || strchr(but, text.p[i]) != NULL)
			return false;
	return text.len > 0 && text.len <= USERS_PASS_MAX;
}

int
users_scheme(struct span pass, const char *scheme, struct str *secret, struct err *err)
{
	int result = 0;
	bool plain = strcmp(scheme, "{PLAIN}") == 0;

	if (!is_printable(pass, plain ? " :" : ""))
		return err_set(err, ERR_PERM, "for %s a password is ASCII%s", scheme,
		    plain ? ", without blanks and colons" : "");
	str_add_text(secret, scheme);
	if (plain)
		str_add_span(secret, pass);
	else
		result = scram(pass, strcmp(scheme, "{SCRAM-SHA-1}") == 0 ? EVP_sha1() : EVP_sha256(), secret);
	return result == 0 ? 0 : err_set(err, ERR_TEMP, "OpenSSL makes no %s here", scheme);
}

static bool
is_locked(const struct user *user)
{
	return user->secret.len == 0 || user->secret.p[0] == '!';
}

bool
users_secret(const struct user *user, const char *scheme, struct str *secret)
{
	struct span rest = user->secret, word;

	while (!is_locked(user) && (word = span_word(&rest)).len > 0) {
		if (!span_begins(word, scheme))
			continue;
		str_add_span(secret, span_from(word, strlen(scheme)));
		return true;
	}
	return false;
}

/* The word that crypt(3) knows. */
static struct span
hash_of(const struct user *user)
{
	struct span rest = user->secret, word;

	while ((word = span_word(&rest)).len > 0)
		if (word.p[0] != '{')
			return word;
	return (struct span){ "", 0 };
}

/* Every byte is looked at, whatever the first ones were. */
static bool
same_bytes(struct span a, struct span b)
{
	unsigned char differ = a.len != b.len;

	for (size_t i = 0; i < a.len; i++)
		differ |= (unsigned char)(a.p[i] ^ b.p[i < b.len ? i : 0]);
	return differ == 0;
}

/* Of nobody, a hash that nobody's password has, made as others of that file are: how long it took
 * would tell who is in it. */
static void
hash_of_nobody(struct span text, struct str *hash)
{
	static const char preset[] = "$y$j9T$3nM3xKVqjT3fY7WmZ0pC0/$IVQKQXcbZ2u0qRFmBp8cHTpKmDdJ4Xwqj4lHyLjqGo9";
	struct user user;

	while (hash->len == 0 && users_next(&text, &user))
		if (!is_locked(&user) && hash_of(&user).len > 0 && hash_of(&user).p[0] == '$')
			str_set_span(hash, hash_of(&user));
	if (hash->len == 0)
		str_add_text(hash, preset);
}

bool
users_check(struct span text, const struct user *user, struct span pass)
{
	struct str stored = {0}, hash = {0};
	char *said = mem_text_n(pass.p, pass.len);

	if (user != NULL && !is_locked(user))
		str_set_span(&stored, hash_of(user));
	bool known = stored.len > 0;
	if (!known)
		hash_of_nobody(text, &stored);
	bool same = crypt_it(said, str_c(&stored), &hash) == 0 && same_bytes(str_span(&hash), str_span(&stored)) &&
	    known && memchr(pass.p, '\0', pass.len) == NULL;
	explicit_bzero(said, pass.len);
	free(said);
	str_free(&stored);
	str_free(&hash);
	return same;
}
