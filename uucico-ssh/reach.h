/*
 * reach - an ssh server as a site's settings say: by its proxy, through its jump host, with
 * its keys; for ssh: links and for --host-key.
 *
 * A jump host is logged in to like any other, with its own pinned host key, and carries the
 * second session in a channel of the first (direct-tcpip): it sees neither our key for
 * the far end nor what is said.
 */
#ifndef UUCICO_SSH_REACH_H
#define UUCICO_SSH_REACH_H

#include "spool/settings.h"
#include "uucico-ssh/ssh.h"

/* Where it is, and all that leads there: ssh_connect() is next.  site may be NULL. */
int reach_place(struct ssh *ssh, const struct settings *settings, const struct site_settings *site,
    const char *rest, struct err *err);
void reach_known_hosts(const struct settings *settings, const struct site_settings *site, struct str *path);
/* Connected, found to be the host we mean, and logged in to. */
int reach_session(struct ssh *ssh, const struct settings *settings, const struct site_settings *site,
    const char *key, struct err *err);

#endif
