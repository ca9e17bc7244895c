#include "uucico-ssh/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "uucico-ssh/hostkey.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/link.h"
#include "uucico-ssh/reach.h"
#include "uucico-ssh/ssh.h"

enum { HOST_KEY_SECONDS = 30 };

static int
print(struct str *text, struct err *err)
{
	int result = fs_write(1, text->p, text->len, err);

	str_free(text);
	return result;
}

static int
preset_path(const struct settings *settings, enum key_kind kind, struct str *path, struct err *err)
{
	settings_path(settings, settings->spool.keys, path);
	if ((mkdir(settings->root, 0750) < 0 && errno != EEXIST) ||
	    (mkdir(str_c(path), 0700) < 0 && errno != EEXIST))
		return err_sys(err, "folder %s", str_c(path));
	str_add_text(path, kind == KEY_ED25519 ? "/id_ed25519" : "/id_ecdsa");
	return 0;
}

static int
kind_of(const char *type, enum key_kind *kind, struct err *err)
{
	*kind = type == NULL ? (ssh_knows_ed25519() ? KEY_ED25519 : KEY_ECDSA) :
	    strcmp(type, "ecdsa") == 0 ? KEY_ECDSA : KEY_ED25519;
	if (type == NULL || strcmp(type, "ecdsa") == 0 || strcmp(type, "ed25519") == 0)
		return 0;
	err_set(err, ERR_CONFIG, "--key-type %.40s: it is ed25519 or ecdsa", type);
	return err_as(err, EX_USAGE, NULL);
}

int
tool_new_key(const struct settings *settings, const char *path, const char *type, struct err *err)
{
	struct str file = {0}, comment = {0}, public = {0}, text = {0};
	enum key_kind kind;
	int result = kind_of(type, &kind, err);

	if (path != NULL)
		str_set(&file, path);
	else if (result == 0)
		result = preset_path(settings, kind, &file, err);
	str_printf(&comment, "mochila-%s", settings->spool.site);
	str_printf(&public, "%s.pub", str_c(&file));
	if (result == 0 && access(str_c(&file), F_OK) == 0) {
		err_set(err, ERR_CONFIG, "%s is there already and is kept; move it away for a new one", str_c(&file));
		result = err_as(err, EX_CANTCREAT, NULL);
	}
	if (result == 0)
		result = key_make(str_c(&file), kind, str_c(&comment), err);
	if (result == 0)
		result = fs_load(AT_FDCWD, str_c(&public), 4096, &text, err);
	if (result == 0)
		result = print(&text, err);
	str_free(&file);
	str_free(&comment);
	str_free(&public);
	return result;
}

int
tool_host_key(const struct settings *settings, const struct site_settings *site, const char *link, struct err *err)
{
	struct ssh ssh = { .fd = -1, .timeout = HOST_KEY_SECONDS };
	struct str text = {0};

	link_signals();
	if (strncmp(link, "ssh:", 4) != 0) {
		err_set(err, ERR_CONFIG, "--host-key %s: it is ssh://HOST[:PORT]", link);
		return err_as(err, EX_USAGE, NULL);
	}
	int result = reach_place(&ssh, settings, site, link + 4, err);
	if (result == 0)
		result = ssh_connect(&ssh, NULL, err);
	if (result == 0)
		result = hostkey_print(&ssh, &text, err);
	ssh_close(&ssh);
	return result == 0 ? print(&text, err) : -1;
}

int
tool_fingerprint(const struct settings *settings, const char *path, struct err *err)
{
	struct str blob = {0}, text = {0};

	(void)settings;
	if (key_read_public(path, &blob, err) < 0) {
		str_free(&blob);
		return -1;
	}
	key_fingerprint(str_span(&blob), &text);
	str_add_char(&text, '\n');
	str_free(&blob);
	return print(&text, err);
}
