#include "uucico-ssh/reach.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uucico-ssh/hostkey.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/secret.h"

void
reach_known_hosts(const struct settings *settings, const struct site_settings *site, struct str *path)
{
	if (site->known_hosts[0] != '\0') {
		settings_path(settings, site->known_hosts, path);
		return;
	}
	settings_path(settings, settings->spool.keys, path);
	str_add_text(path, "/known_hosts");
}

/* The key of the settings, else the one that --new-key makes, else the agent. */
static int
login(struct ssh *ssh, const struct settings *settings, const struct site_settings *site, const char *key,
    struct err *err)
{
	struct str path = {0}, passphrase = {0};

	settings_key(settings, key, &path);
	bool agent = key[0] == '\0' && access(str_c(&path), F_OK) < 0;
	int result = agent ? 0 : secret_passphrase(settings, site, &passphrase, err);
	if (result == 0)
		result = ssh_login(ssh, agent ? NULL : str_c(&path), &passphrase, err);
	str_free(&path);
	closed_forget(&passphrase);
	return result;
}

int
reach_session(struct ssh *ssh, const struct settings *settings, const struct site_settings *site,
    const char *key, struct err *err)
{
	struct str known = {0}, types = {0};

	reach_known_hosts(settings, site, &known);
	int result = hostkey_types(ssh, str_c(&known), &types, err);
	if (result == 0)
		result = ssh_connect(ssh, types.len > 0 ? str_c(&types) : NULL, err);
	if (result == 0)
		result = hostkey_check(ssh, str_c(&known), err);
	if (result == 0)
		result = login(ssh, settings, site, key, err);
	str_free(&known);
	str_free(&types);
	return result;
}

/* The proxy leads to the jump host, and that one to the far end. */
static int
jump(struct ssh *ssh, const struct settings *settings, const struct site_settings *site, struct err *err)
{
	struct ssh *via = mem_get(sizeof *via);
	struct str place = {0};

	*via = (struct ssh){ .fd = -1, .timeout = ssh->timeout, .proxy = ssh->proxy, .by_proxy = ssh->by_proxy };
	ssh->via = via;
	ssh->by_proxy = false;
	ssh->proxy = (struct socks_proxy){0};
	str_printf(&place, "//%s", site->jump);
	const char *key = site->jump_key[0] != '\0' ? site->jump_key : site->key;
	int result = ssh_place(via, str_c(&place), err);
	if (result == 0 && via->command.len > 0)
		result = err_set(err, ERR_CONFIG, "it is USER@HOST[:PORT]");
	str_add(&via->forward, str_c(&ssh->host), ssh->host.len + 1);
	str_add_span(&via->forward, str_span(&ssh->port));
	if (result == 0)
		result = reach_session(via, settings, site, key, err);
	if (result == 0)
		result = ssh_forward(via, err);
	str_free(&place);
	return result < 0 ? err_prefix(err, "jump = %s", site->jump) : 0;
}

int
reach_place(struct ssh *ssh, const struct settings *settings, const struct site_settings *site,
    const char *rest, struct err *err)
{
	int by_proxy = secret_proxy(settings, site, &ssh->proxy, err);

	ssh->by_proxy = by_proxy > 0;
	if (by_proxy < 0 || ssh_place(ssh, rest, err) < 0)
		return -1;
	return site != NULL && site->jump[0] != '\0' ? jump(ssh, settings, site, err) : 0;
}
