/* check rows that need nobody but this host: its accounts, Maildirs, tables. */
#include "relay/check.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/mail/envelope.h"
#include "spool/maildir.h"
#include "spool/table.h"

enum { UID_FIRST = 1000, UID_LAST = 59999 };	/* of people, in Debian's policy 9.2.2 */

static struct span
local_part(struct span address)
{
	struct span domain = envelope_domain(address);

	return domain.len > 0 ? span_to(address, address.len - domain.len - 1) : address;
}

/* "LO-HI" of uids, or nothing. */
static void
uids_of(const char *rest, uint64_t *first, uint64_t *last)
{
	struct span high = span_of(rest), low;

	*first = UID_FIRST;
	*last = UID_LAST;
	if (high.len > 0 && span_cut(&high, '-', &low) && span_number(low, UINT32_MAX, first) == 0)
		span_number(high, UINT32_MAX, last);
}

static enum check_result
local_ask(const char *rest, const struct checking *c, struct str *said)
{
	struct str name = {0};
	uint64_t first, last;

	(void)said;
	if (c->route.len == 0)
		return CHECK_NONE;
	uids_of(rest, &first, &last);
	str_add_lower(&name, local_part(c->base));
	const struct passwd *who = strlen(str_c(&name)) == name.len ? getpwnam(str_c(&name)) : NULL;
	/* RFC 5321 4.5.1: there is always a postmaster. */
	bool there = span_is(str_span(&name), "postmaster") ||
	    (who != NULL && who->pw_uid >= first && who->pw_uid <= last);
	str_free(&name);
	return there ? CHECK_YES : CHECK_NO;
}

static enum check_result
maildir_ask(const char *rest, const struct checking *c, struct str *said)
{
	const struct settings settings = { .root = c->root };
	struct str folder = {0};
	struct err ignored;
	struct stat st;

	(void)said;
	if (c->route.len == 0)
		return CHECK_NONE;
	bool there = maildir_folder(&settings, rest, c->base, &folder, &ignored) == 0;
	if (there) {
		str_add_text(&folder, "/new");
		there = stat(str_c(&folder), &st) == 0 && S_ISDIR(st.st_mode);
	}
	str_free(&folder);
	return there ? CHECK_YES : CHECK_NO;
}

/* The address, without its extension, "@domain". */
static enum check_result
table_ask(const char *kind, const char *rest, const struct checking *c, struct str *said)
{
	struct tables tables = { .root = c->root };
	struct span domain = envelope_domain(c->address);
	struct str which = {0}, value = {0}, all = {0};
	struct err err = {0};

	if (!c->sender && c->route.len == 0)
		return CHECK_NONE;
	str_printf(&which, "%s%s", kind, rest);
	str_add_char(&all, '@');
	str_add_span(&all, domain);
	const struct span keys[] = { c->address, c->base, str_span(&all) };
	int found = 0;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0] && found == 0; i++)
		found = table_find(&tables, str_c(&which), keys[i], &value, &err);
	if (found < 0)
		str_printf(said, "\t%s", err.text);
	tables_close(&tables);
	str_free(&which);
	str_free(&value);
	str_free(&all);
	return found < 0 ? CHECK_LATER : found > 0 ? CHECK_YES : CHECK_NO;
}

static enum check_result
file_ask(const char *rest, const struct checking *c, struct str *said)
{
	return table_ask("file:", rest, c, said);
}

static enum check_result
cdb_ask(const char *rest, const struct checking *c, struct str *said)
{
	return table_ask("cdb:", rest, c, said);
}

const struct check_row check_local = { "local:", true, local_ask };
const struct check_row check_maildir = { "maildir:", false, maildir_ask };
const struct check_row check_file = { "file:", false, file_ask };
const struct check_row check_cdb = { "cdb:", false, cdb_ask };
