#include "relay/access.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/mail/envelope.h"
#include "spool/alias.h"
#include "spool/maildir.h"
#include "spool/recipients.h"
#include "spool/route.h"

int
access_parse(struct access *access, const char *relay_from, struct err *err)
{
	return access_parse_as(access, relay_from, "relay-from", err);
}

int
access_parse_as(struct access *access, const char *networks, const char *setting, struct err *err)
{
	struct span rest = span_of(networks), word;

	*access = (struct access){0};
	while ((word = span_word(&rest)).len > 0) {
		access->network = mem_resize(access->network, access->networks + 1,
		    sizeof *access->network);
		if (network_parse(word, &access->network[access->networks], err) < 0) {
			access_free(access);
			return err_prefix(err, "%s", setting);
		}
		access->networks++;
	}
	return 0;
}

void
access_free(struct access *access)
{
	free(access->network);
	*access = (struct access){0};
}

int
access_nearest(const struct access *access, const struct ip *client)
{
	int bits = -1;

	for (size_t i = 0; i < access->networks; i++)
		if (network_has(&access->network[i], client) && (int)access->network[i].bits > bits)
			bits = (int)access->network[i].bits;
	return bits;
}

bool
access_trusts(const struct access *access, const struct ip *client)
{
	return access_nearest(access, client) >= 0;
}

bool
access_is_local(const struct ip *client)
{
	static const char *const networks[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
		"fc00::/7", "fe80::/10" };
	struct network network;
	struct err ignored;

	for (size_t i = 0; i < sizeof networks / sizeof networks[0]; i++)
		if (network_parse(span_of(networks[i]), &network, &ignored) == 0 && network_has(&network, client))
			return true;
	return ip_is_loopback(client);
}

static int
refuse(struct err *err, const char *code, const char *text)
{
	err_set(err, ERR_PERM, "%s", text);
	return err_as_reply(err, 550, code);
}

/* What cannot be found out now; why NULL: err says it.  A wrong line of a table is told to the
 * log and not to the client. */
static int
later(struct err *err, const char *why)
{
	log_error("-: event=not-decided why=\"%s\"", why != NULL ? why : err->text);
	err_set(err, ERR_TEMP, "whose address this is cannot be found out now");
	return err_as_reply(err, 451, "4.3.0");
}

/* The local part as it reads when its quotes are taken for what they are: a next
 * host may take them off. */
static bool
names_a_hop(struct span rcpt)
{
	struct span domain = envelope_domain(rcpt), local = rcpt;

	if (domain.len > 0)
		local.len -= domain.len + 1;
	for (size_t i = 0; i < local.len; i++)
		if (strchr("%!@:", local.p[i]) != NULL)
			return true;
	return false;
}

static int
maildir_takes(const struct settings *settings, const char *dir, struct span rcpt, struct err *err)
{
	struct str folder = {0};
	int result = maildir_folder(settings, dir, rcpt, &folder, err);

	str_free(&folder);
	return result < 0 ? err_as_reply(err, 550, "5.1.1") : 0;
}

/* What the site has told of its recipients counts, also while it cannot be asked. */
static int
site_takes(const struct settings *settings, const char *site, struct span rcpt, struct err *err)
{
	int known = recipients_know(settings, site, rcpt, err);

	if (known < 0)
		return later(err, NULL);
	return known > 0 ? 0 : refuse(err, "5.1.1", "there is no such mailbox");
}

int
access_rcpt(const struct settings *settings, bool trusted, struct span rcpt, struct err *err)
{
	/* RFC 5321 4.5.1: he is always there, and goes where other mail does; where no route leads
	 * anywhere a person finds him in hold/. */
	const bool postmaster = span_is_case(rcpt, "postmaster");
	struct route_match match = route_find(settings, rcpt);
	int alias = alias_has(settings, rcpt, err);	/* then it is an address of ours */

	if (alias < 0)
		return later(err, NULL);
	if (match.kind == ROUTE_NONE && strcmp(match.rest, route_probe) == 0)
		return trusted ? 0 : refuse(err, "5.7.1", "relaying denied");
	if (match.kind == ROUTE_LATER || (match.kind == ROUTE_NONE && match.rest[0] != '\0'))
		return later(err, match.rest);
	if ((alias > 0 || (match.kind != ROUTE_NONE && !match.wildcard)) && names_a_hop(rcpt))
		return refuse(err, "5.7.1", "relaying denied: the local part names another hop");
	if (alias > 0)
		return 0;
	if (postmaster && (match.kind == ROUTE_NONE || match.wildcard))
		return 0;
	if (match.kind == ROUTE_NONE)
		return refuse(err, trusted ? "5.1.2" : "5.7.1",
		    trusted ? "no route leads to this domain" : "relaying denied");
	if (match.wildcard && !trusted)
		return refuse(err, "5.7.1", "relaying denied");
	if (match.kind == ROUTE_REJECT)
		return refuse(err, "5.7.1", match.rest);
	if (match.kind == ROUTE_RELEASE)
		return refuse(err, "5.7.1", "that address is for mail that a site's call brings");
	if (match.kind == ROUTE_SITE)
		return site_takes(settings, match.rest, rcpt, err);
	if (match.kind == ROUTE_MAILDIR)
		return maildir_takes(settings, match.rest, rcpt, err);
	return 0;
}
