#include "uucico-ssh/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/words.h"
#include "uucico-ssh/keyed.h"
#include "uucico-ssh/link.h"

enum { SECRET_MAX = 1000, COMMAND_SECONDS = 60 };

static int
load(const struct settings *settings, const char *said, const char *what, struct str *text, struct err *err)
{
	struct str path = {0};

	settings_path(settings, said, &path);
	int result = closed_load(str_c(&path), what, SECRET_MAX, text, err);
	str_free(&path);
	return result;
}

int
secret_login(const struct settings *settings, const char *path, const char *what,
    struct str *name, struct str *password, struct err *err)
{
	struct str whole = {0};

	settings_path(settings, path, &whole);
	int result = closed_login(str_c(&whole), what, name, password, err);
	str_free(&whole);
	return result;
}

int
secret_proxy(const struct settings *settings, const struct site_settings *site,
    struct socks_proxy *proxy, struct err *err)
{
	*proxy = (struct socks_proxy){0};
	if (site == NULL || site->proxy[0] == '\0')
		return 0;
	if (socks_proxy_parse(site->proxy, proxy, err) < 0 || (site->proxy_login[0] != '\0' &&
	    secret_login(settings, site->proxy_login, "proxy-login", &proxy->name, &proxy->password, err) < 0)) {
		socks_proxy_free(proxy);
		return -1;
	}
	return 1;
}

/* --- passphrases --- */

/* What it prints, until it ends; a command that says nothing is not waited for longer than
 * a person needs. */
static int
hear(int fd, struct str *text, struct err *err)
{
	int64_t deadline = clock_mono() + COMMAND_SECONDS * CLOCK_SECOND;
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t got = 1;

	while (got != 0 && text->len < SECRET_MAX) {
		int result = link_wait(&ready, 1, deadline, err);
		if (result <= 0)
			return result < 0 ? -1 : err_set(err, ERR_TEMP, "it printed nothing in %d s", COMMAND_SECONDS);
		got = read(fd, str_room(text, SECRET_MAX), SECRET_MAX);
		if (got < 0 && errno != EINTR)
			return err_sys(err, "read");
		text->len += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

static int
run(char **words, struct str *text, struct err *err)
{
	int ends[2], status = 0;

	if (words[0][0] != '/')
		return err_set(err, ERR_CONFIG, "a program is named by its whole path");
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	struct child child = { .argv = (const char *const *)words, .in = -1, .out = ends[1], .errors = 2 };
	pid_t pid = child_start(&child, err);
	close(ends[1]);
	int result = pid < 0 ? -1 : hear(ends[0], text, err);
	close(ends[0]);
	if (pid > 0 && child_wait(pid, 1, &status, result < 0 ? &(struct err){0} : err) < 0)
		result = -1;
	if (result == 0 && status != 0) {
		child_status(status, words[0], err);
		return -1;
	}
	return result;
}

static int
ask_command(const char *line, struct str *text, struct err *err)
{
	char **words = words_of(line, err);
	int result = words != NULL ? run(words, text, err) : -1;

	free(words);
	return result < 0 ? err_prefix(err, "passphrase = exec:%s", line) : 0;
}

int
secret_passphrase(const struct settings *settings, const struct site_settings *site,
    struct str *passphrase, struct err *err)
{
	struct str text = {0};
	struct span rest, line = {0};

	if (site == NULL || site->passphrase[0] == '\0')
		return 0;
	bool command = strncmp(site->passphrase, "exec:", 5) == 0;
	int result = command ? ask_command(site->passphrase + 5, &text, err) :
	    load(settings, site->passphrase, "passphrase", &text, err);
	rest = str_span(&text);
	span_cut(&rest, '\n', &line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	if (result == 0 && line.len == 0)
		result = err_set(err, ERR_CONFIG, "passphrase = %s: it gives none", site->passphrase);
	if (result == 0)
		str_set_span(passphrase, line);
	closed_forget(&text);
	return result;
}

int
secret_shared(const struct settings *settings, const struct site_settings *site, struct str *secret,
    struct err *err)
{
	struct str text = {0};
	struct span rest, line = {0};
	int result = load(settings, site->key_auth, "key-auth", &text, err);

	rest = str_span(&text);
	span_cut(&rest, '\n', &line);
	line = span_trim(line);
	if (result == 0 && line.len < KEYED_SECRET)
		result = err_set(err, ERR_CONFIG, "key-auth = %s: its first line is the secret, %d bytes at least; "
		    "\"openssl rand -hex 32\" makes one", site->key_auth, KEYED_SECRET);
	if (result == 0)
		str_set_span(secret, line);
	closed_forget(&text);
	return result;
}
