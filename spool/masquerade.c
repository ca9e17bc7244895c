#include "spool/masquerade.h"

#include <strings.h>

#include "lib/mail/address.h"
#include "lib/mail/rewrite.h"
#include "lib/mail/xtext.h"
#include "spool/alias.h"
#include "spool/route.h"
#include "spool/table.h"

static const char *
tables_of(const struct settings *settings, enum masquerade_way way)
{
	const char *said = way == MASQUERADE_OUT ? settings->addresses.masquerade : settings->addresses.unmask;

	return said != NULL ? said : "";
}

bool
masquerade_set(const struct settings *settings, enum masquerade_way way)
{
	return settings->tables != NULL && tables_of(settings, way)[0] != '\0';
}

/* who leaves */

static bool
leads_away(const struct settings *settings, struct span address)
{
	enum route_kind kind = route_find(settings, address).kind;

	return kind == ROUTE_SITE || route_leads_out(kind);
}

static bool
recipient_leaves(const struct settings *settings, struct span address)
{
	struct aliases list = {0};
	struct err ignored;
	bool leaves = false;

	/* Whose alias cannot be told now waits in the spool; what leads nowhere leaves nothing. */
	if (alias_expand(settings, address, &list, &ignored) == 0)
		leaves = leads_away(settings, address);
	for (size_t i = 0; i < list.count && !leaves; i++)
		leaves = leads_away(settings, span_of(list.address[i]));
	aliases_free(&list);
	return leaves;
}

bool
masquerade_leaves(const struct settings *settings, const struct envelope *env)
{
	for (size_t i = 0; i < env->rcpts; i++)
		if (recipient_leaves(settings, str_span(&env->rcpt[i].to)))
			return true;
	return false;
}

/* what it is called */

static int
look_up(const struct settings *settings, enum masquerade_way way, const char *before, struct span key,
    struct str *value, struct err *err)
{
	struct str whole = {0};

	str_add_text(&whole, before);
	str_add_span(&whole, key);
	int found = table_find(settings->tables, tables_of(settings, way), str_span(&whole), value, err);
	str_free(&whole);
	return found;
}

static int
look_up_parents(const struct settings *settings, enum masquerade_way way, struct span domain, struct str *value,
    struct err *err)
{
	struct span label;
	int found = 0;

	while (found == 0 && span_cut(&domain, '.', &label) && domain.len > 0)
		found = look_up(settings, way, "@.", domain, value, err);
	return found;
}

/* The row that counts; most exact first. */
static int
find_row(const struct settings *settings, enum masquerade_way way, struct span address, struct str *value,
    struct err *err)
{
	struct span domain = envelope_domain(address);
	struct str base = {0};
	int found = look_up(settings, way, "", address, value, err);

	if (found == 0 && alias_base(settings, address, &base))
		found = look_up(settings, way, "", str_span(&base), value, err);
	if (found == 0 && domain.len > 0)
		found = look_up(settings, way, "@", domain, value, err);
	if (found == 0 && domain.len > 0)
		found = look_up_parents(settings, way, domain, value, err);
	str_free(&base);
	return found;
}

static int
complete(struct span address, struct span value, struct str *to, struct err *err)
{
	struct span domain = envelope_domain(address);
	struct err why;

	value = span_trim(value);
	if (value.len > 0 && value.p[0] == '@')
		str_add_span(to, span_to(address, address.len - domain.len - 1));
	str_add_span(to, value);
	if (address_check(str_span(to), 0, &why) == 0)
		return to->len != address.len || strncasecmp(to->p, address.p, to->len) != 0;
	return err_set(err, ERR_CONFIG, "masquerade: <%.*s> is to be \"%.*s\", which is no address",
	    (int)(address.len < 200 ? address.len : 200), address.p, (int)(value.len < 200 ? value.len : 200), value.p);
}

int
masquerade_address(const struct settings *settings, enum masquerade_way way, struct span address,
    struct str *to, struct err *err)
{
	struct str value = {0};
	struct err ignored;
	int found = 0;

	/* What is no address is nobody's. */
	if (masquerade_set(settings, way) && address_check(address, ADDRESS_UTF8, &ignored) == 0)
		found = find_row(settings, way, address, &value, err);
	if (found > 0)
		found = complete(address, str_span(&value), to, err);
	str_free(&value);
	return found;
}

/* the message */

static int
change(const struct settings *settings, enum masquerade_way way, struct str *address, struct err *err)
{
	struct str to = {0};
	int changed = masquerade_address(settings, way, str_span(address), &to, err);

	if (changed > 0)
		str_set_span(address, str_span(&to));
	str_free(&to);
	return changed;
}

/* RFC 3461 4.2: an address that is changed on the way is still told as it was. */
static void
keep_original(struct rcpt *rcpt, struct span was)
{
	struct span ignored;

	if (envelope_arg(str_span(&rcpt->args), "ORCPT", &ignored))
		return;
	str_printf(&rcpt->args, "%sORCPT=rfc822;", rcpt->args.len > 0 ? " " : "");
	xtext_encode(was, &rcpt->args);
}

static int
change_rcpt(const struct settings *settings, struct rcpt *rcpt, struct err *err)
{
	struct str was = {0};

	str_set_span(&was, str_span(&rcpt->to));
	int changed = change(settings, MASQUERADE_IN, &rcpt->to, err);
	if (changed > 0)
		keep_original(rcpt, str_span(&was));
	str_free(&was);
	return changed;
}

int
masquerade_envelope(const struct settings *settings, enum masquerade_way way, struct envelope *env,
    struct err *err)
{
	int result = 0;

	if (way == MASQUERADE_OUT)
		return env->from.len > 0 && change(settings, way, &env->from, err) < 0 ? -1 : 0;
	for (size_t i = 0; i < env->rcpts && result >= 0; i++)
		result = change_rcpt(settings, &env->rcpt[i], err);
	return result < 0 ? -1 : 0;
}

struct asking {
	const struct settings *settings;
	enum masquerade_way way;
};

static int
ask(void *ctx, struct span address, struct str *to, struct err *err)
{
	const struct asking *asking = ctx;

	return masquerade_address(asking->settings, asking->way, address, to, err);
}

int
masquerade_header(const struct settings *settings, enum masquerade_way way, struct span header,
    struct str *out, struct err *err)
{
	struct asking asking = { settings, way };

	return rewrite_header(header, ask, &asking, out, err);
}

int
mask_envelope(const struct settings *settings, enum masquerade_way way, struct envelope *env, struct mask *mask,
    struct err *err)
{
	*mask = (struct mask){ .way = way };
	mask->on = masquerade_set(settings, way) && (way == MASQUERADE_IN || masquerade_leaves(settings, env));
	return mask->on ? masquerade_envelope(settings, way, env, err) : 0;
}
