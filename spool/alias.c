#include "spool/alias.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/fs.h"
#include "lib/mail/address.h"
#include "lib/mail/envelope.h"
#include "spool/maildir.h"
#include "spool/route.h"
#include "spool/table.h"

enum { FORWARD_MAX = 64 << 10 };

/* An expansion under way: whom we came by, from the first to the last. */
struct way {
	const struct way *before;
	struct span address;
	unsigned depth;
};

static bool
same_address(struct span a, struct span b)
{
	return a.len == b.len && strncasecmp(a.p, b.p, a.len) == 0;
}

static struct span
local_of(struct span address)
{
	struct span domain = envelope_domain(address);

	return domain.len > 0 ? span_to(address, address.len - domain.len - 1) : address;
}

static bool
is_our_host(const struct settings *settings, struct span domain)
{
	return domain.len == 0 || span_is_case(domain, settings->spool.host);
}

/* A quoted local part has no extension, and neither has "+word". */
static size_t
extension_at(const struct settings *settings, struct span local)
{
	const char *marks = settings->addresses.extension;

	if (marks == NULL || marks[0] == '\0' || local.len == 0 || local.p[0] == '"')
		return local.len;
	for (size_t i = 1; i < local.len; i++)
		if (strchr(marks, local.p[i]) != NULL)
			return i;
	return local.len;
}

bool
alias_base(const struct settings *settings, struct span address, struct str *base)
{
	struct span local = local_of(address);
	size_t at = extension_at(settings, local);

	if (at == local.len)
		return false;
	str_add_span(base, span_to(local, at));
	str_add_span(base, span_from(address, local.len));
	return true;
}

static int
look_up(const struct settings *settings, struct span key, struct str *value, struct err *err)
{
	return table_find(settings->tables, settings->addresses.aliases, key, value, err);
}

static int
look_up_domain(const struct settings *settings, struct span domain, struct str *value, struct err *err)
{
	struct str key = {0};

	str_add_char(&key, '@');
	str_add_span(&key, domain);
	int found = look_up(settings, str_span(&key), value, err);
	str_free(&key);
	return found;
}

/* A line each, or apart by commas; "#" begins a comment. */
static void
join_lines(struct span text, struct str *value)
{
	struct span line;

	while (text.len > 0 && span_cut(&text, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		line = span_trim(line);
		if (line.len == 0 || line.p[0] == '#')
			continue;
		str_add_text(value, value->len > 0 ? "," : "");
		str_add_span(value, line);
	}
}

/* The file of a user whose mail is delivered here, in which he says where it is to go.  One that is
 * empty, or not there, says nothing. */
static int
look_up_forward(const struct settings *settings, struct span base, struct str *value, struct err *err)
{
	struct route_match match = route_find(settings, base);
	struct str path = {0}, text = {0};
	int result = 0;

	if (settings->addresses.forward[0] == '\0' || match.wildcard ||
	    (match.kind != ROUTE_MAILDIR && match.kind != ROUTE_MBOX))
		return 0;
	if (maildir_folder(settings, settings->addresses.forward, base, &path, err) < 0) {
		str_free(&path);
		return 0;	/* no mailbox either */
	}
	if (fs_load(AT_FDCWD, str_c(&path), FORWARD_MAX, &text, err) < 0)
		result = errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	join_lines(str_span(&text), value);
	str_free(&path);
	str_free(&text);
	return result < 0 ? -1 : value->len > 0;
}

/* The line of a table that is about this address and no other. */
static int
look_up_own(const struct settings *settings, struct span address, struct span base, bool extended, struct str *value,
    struct err *err)
{
	struct span domain = envelope_domain(address), local = local_of(address);
	int found = look_up(settings, address, value, err);

	if (found == 0 && extended)
		found = look_up(settings, base, value, err);
	if (found == 0 && domain.len > 0 && is_our_host(settings, domain))
		found = look_up(settings, local, value, err);
	if (found == 0 && extended && is_our_host(settings, domain))
		found = look_up(settings, span_to(local, extension_at(settings, local)), value, err);
	return found;
}

/* The line that counts for an address; 1, 0, -1. */
static int
find_line(const struct settings *settings, struct span address, struct str *value, struct err *err)
{
	struct span domain = envelope_domain(address);
	const bool tables = settings->tables != NULL && settings->addresses.aliases[0] != '\0';
	struct str base = {0};
	bool extended = alias_base(settings, address, &base);
	struct span own = extended ? str_span(&base) : address;
	int found = tables ? look_up_own(settings, address, own, extended, value, err) : 0;

	if (found == 0 && settings->addresses.forward != NULL)
		found = look_up_forward(settings, own, value, err);
	if (found == 0 && tables && domain.len > 0)
		found = look_up_domain(settings, domain, value, err);
	str_free(&base);
	return found;
}

int
alias_has(const struct settings *settings, struct span address, struct err *err)
{
	struct str value = {0};
	int found = find_line(settings, address, &value, err);

	str_free(&value);
	return found;
}

static int
add(struct aliases *list, struct span address, struct err *err)
{
	for (size_t i = 0; i < list->count; i++)
		if (same_address(span_of(list->address[i]), address))
			return 0;
	if (list->count == ALIAS_MAX) {
		err_set(err, ERR_PERM, "an alias for more than %d addresses", ALIAS_MAX);
		return err_as(err, 0, "5.4.6");
	}
	list->address = mem_resize(list->address, list->count + 1, sizeof *list->address);
	list->address[list->count++] = mem_text_n(address.p, address.len);
	return 0;
}

static int expand(const struct settings *settings, const struct way *way, struct aliases *list, struct err *err);

/* "ann", "@new.example": as a whole address. */
static int
complete(const struct settings *settings, struct span word, struct span from, struct str *out, struct err *err)
{
	struct err why;

	if (word.p[0] == '@')
		str_add_span(out, local_of(from));
	str_add_span(out, word);
	if (envelope_domain(word).len == 0)
		str_printf(out, "@%s", settings->spool.host);
	if (word.p[0] != '|' && word.p[0] != '/' && word.p[0] != ':' && word.p[0] != '\\' &&
	    address_check(str_span(out), ADDRESS_UTF8, &why) == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "the alias <%.*s> leads to \"%.*s\", which is no address",
	    (int)(from.len < 200 ? from.len : 200), from.p, (int)(word.len < 200 ? word.len : 200), word.p);
}

static int
take_word(const struct settings *settings, const struct way *way, struct span word, struct aliases *list,
    struct err *err)
{
	struct str address = {0};
	int result = complete(settings, word, way->address, &address, err);
	const struct way next = { .before = way, .address = str_span(&address), .depth = way->depth + 1 };

	if (result == 0)
		result = same_address(next.address, way->address) ? add(list, next.address, err) :
		    expand(settings, &next, list, err);
	str_free(&address);
	return result;
}

static int
go_in_circles(const struct way *way, struct err *err)
{
	err_set(err, ERR_PERM, "its aliases go in circles, or through more than %d: at <%.*s>", ALIAS_DEPTH_MAX,
	    (int)(way->address.len < 200 ? way->address.len : 200), way->address.p);
	return err_as(err, 0, "5.4.6");
}

static bool
was_here(const struct way *way)
{
	for (const struct way *at = way->before; at != NULL; at = at->before)
		if (same_address(at->address, way->address))
			return true;
	return false;
}

/* A comma or blank inside quotes is of the address. */
static struct span
next_word(struct span *rest)
{
	bool quoted = false;
	size_t len = 0;

	while (rest->len > 0 && (rest->p[0] == ',' || rest->p[0] == ' ' || rest->p[0] == '\t'))
		*rest = span_from(*rest, 1);
	for (; len < rest->len; len++) {
		char c = rest->p[len];
		if (c == '\\' && quoted && len + 1 < rest->len)
			len++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ',' || c == ' ' || c == '\t'))
			break;
	}
	struct span word = span_to(*rest, len);
	*rest = span_from(*rest, len);
	return word;
}

/* Adds to the list what the last of the way stands for: itself, when it has no line. */
static int
expand(const struct settings *settings, const struct way *way, struct aliases *list, struct err *err)
{
	struct str value = {0};

	if (was_here(way) || way->depth > ALIAS_DEPTH_MAX)
		return go_in_circles(way, err);
	int found = find_line(settings, way->address, &value, err);
	int result = found < 0 ? -1 : 0;
	struct span rest = str_span(&value), word;
	if (found == 0 && way->depth > 0)
		result = add(list, way->address, err);
	if (found > 0 && next_word(&rest).len == 0)
		result = err_set(err, ERR_CONFIG, "the alias <%.*s> leads nowhere",
		    (int)(way->address.len < 200 ? way->address.len : 200), way->address.p);
	rest = str_span(&value);
	while (found > 0 && result == 0 && (word = next_word(&rest)).len > 0)
		result = take_word(settings, way, word, list, err);
	str_free(&value);
	return result;
}

int
alias_expand(const struct settings *settings, struct span address, struct aliases *list, struct err *err)
{
	const struct way way = { .address = address };

	*list = (struct aliases){0};
	if (expand(settings, &way, list, err) == 0)
		return list->count > 0;
	aliases_free(list);
	return -1;
}

void
aliases_free(struct aliases *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->address[i]);
	free(list->address);
	*list = (struct aliases){0};
}
