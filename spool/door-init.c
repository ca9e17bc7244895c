/* mochila init: a root that works, with a configuration that explains itself. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char conf_text_of_ours[] =
	"# mochila.conf - what this site does with mail; mochila.conf(5) knows every key,\n"
	"# \"mochila --show-config\" prints what is in force and where it was said.\n"
	"# Paths are below the folder of this file's root: %s\n"
	"\n"
	"[spool]\n"
	"# The name by which other sites know us, and our host name in mail.\n"
	"site = %s\n"
	"host = %s\n"
	"# max-size = 35M\n"
	"# min-free = 64M\n"
	"\n"
	"# Who gets what: an address, a domain, *.the domains below one, or * for all else.\n"
	"# Its mail goes to site:NAME (below), smtp:HOST:PORT, maildir:DIR (in which %%u is the\n"
	"# part before the @, %%d the domain), or reject:TEXT.\n"
	"[routes]\n"
	"%s = maildir:mail/%%u\n"
	"# home.example = site:home\n"
	"# *.home.example = site:home\n"
	"# * = smtp:smarthost.example:25\n"
	"\n"
	"# The daemon: where it takes mail, and from whom it takes mail for anybody.\n"
	"[relay main]\n"
	"listen = 127.0.0.1:2525\n"
	"# relay-from = 127.0.0.0/8 ::1/128\n"
	"\n"
	"# Each site with which mail is exchanged.  \"mochila pair home ssh://USER@HOST\" writes\n"
	"# such a section for a site that we call, \"mochila pair home --accept KEY\" for one\n"
	"# that calls us.\n"
	"# [site home]\n"
	"# link = ssh://mochila@home.example\n"
	"# codec = gz\n";

static int
check_names(const char *site, const char *host, struct err *err)
{
	if (!settings_site_name(site))
		return err_set(err, ERR_CONFIG, "--site %.60s: a site's name is 1-40 of A-Z a-z 0-9 . _ -", site);
	if (!span_is_host(span_of(host)))
		return err_set(err, ERR_CONFIG, "--host %.60s: not a host's name", host);
	return 0;
}

/* The root is made with what spool_open() makes; here is the rest of it. */
static int
make_folders(struct door *door, struct err *err)
{
	struct str keys = {0};

	settings_path(&door->settings, door->settings.spool.keys, &keys);
	int result = spool_open(&door->spool, &door->settings, true, err);
	if (result < 0 && errno == ENOENT)	/* time will not make the folder above it */
		err->kind = ERR_CONFIG;
	if (result == 0)
		spool_close(&door->spool);
	if (result == 0)
		result = fs_make_dir(AT_FDCWD, str_c(&keys), 0700, err);
	if (result == 0)
		result = settings_make_run(&door->settings, err);
	str_free(&keys);
	return result;
}

static int
make_conf(struct door *door, const char *site, const char *host, struct err *err)
{
	struct str text = {0};
	int root = fs_dir(AT_FDCWD, door->settings.root, err);

	if (root < 0)
		return -1;
	str_printf(&text, conf_text_of_ours, door->settings.root, site, host, host);
	int result = fs_replace(root, "mochila.conf", str_span(&text), 0640, err);
	close(root);
	str_free(&text);
	return result;
}

static int
refuse_second(const struct door *door, struct err *err)
{
	struct str path = {0};
	int result = 0;

	settings_path(&door->settings, "mochila.conf", &path);
	if (faccessat(AT_FDCWD, str_c(&path), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		err_set(err, ERR_CONFIG, "%s is there already: edit it, or move it away first", str_c(&path));
		result = err_as(err, EX_CANTCREAT, NULL);
	}
	str_free(&path);
	return result;
}

static int
tell(struct door *door, const char *site, struct err *err)
{
	struct str out = {0};

	str_printf(&out, "%s is ready; this is site %s.  Its configuration:\n  %s/mochila.conf\n"
	    "Next: \"mochila pair SITE ssh://USER@HOST\" for a site that we call.\n",
	    door->settings.root, site, door->settings.root);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

static int
init_run(struct door *door, int argc, char **argv, struct err *err)
{
	const char *site = door->settings.spool.site, *host = door->settings.spool.host;
	bool help = false;
	const struct opt_row rows[] = {
		{ "site", 0, "NAME", "by which other sites know us", OPT_TEXT, &site },
		{ "host", 0, "FQDN", "our host name in mail", OPT_TEXT, &host },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_init, rows, 0, 0, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	/* The configuration comes last: without it an init cut short can be run again. */
	if (check_names(site, host, err) < 0 || refuse_second(door, err) < 0 ||
	    make_folders(door, err) < 0 || door_key_make(door, site, err) < 0 ||
	    make_conf(door, site, host, err) < 0)
		return -1;
	return tell(door, site, err);
}

const struct door_command door_init = {
	"init", "[--site NAME] [--host FQDN]", "make the root: spool, key, mochila.conf", false, init_run
};
