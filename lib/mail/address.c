#include "lib/mail/address.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/types.h>

#include "lib/mail/utf8.h"

enum { LABEL_MAX = 63 };

static bool
is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Bytes above ASCII are let through one by one: address_check has already seen
 * that they are UTF-8 and allowed. */
static bool
is_high(char c)
{
	return (unsigned char)c > 0x7F;
}

static bool
is_atext(char c)
{
	return is_alnum(c) || is_high(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_label_char(char c)
{
	/* '_' is in no host name, but in domains that send mail every day. */
	return is_alnum(c) || is_high(c) || c == '-' || c == '_';
}

/* The length of the quoted string at the start of text, with its quotes; 0: none. */
static size_t
quoted(struct span text)
{
	for (size_t i = 1; i < text.len; i++) {
		if (text.p[i] == '"')
			return i + 1;
		if (text.p[i] == '\\')
			i++;
		if (i == text.len || (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7F)
			return 0;
	}
	return 0;
}

/* The length of words joined by single dots at the start of text; 0: none. */
static size_t
dotted(struct span text)
{
	size_t i = 0;

	while (i < text.len && (is_atext(text.p[i]) || (text.p[i] == '.' && i > 0 &&
	    text.p[i - 1] != '.')))
		i++;
	return i > 0 && text.p[i - 1] == '.' ? 0 : i;
}

static bool
label_ok(struct span label)
{
	if (label.len == 0 || label.len > LABEL_MAX)
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!is_label_char(label.p[i]))
			return false;
	}
	return label.p[0] != '-' && label.p[label.len - 1] != '-';
}

static bool
name_ok(struct span name)
{
	struct span label;

	while (span_cut(&name, '.', &label)) {
		if (!label_ok(label))
			return false;
	}
	return true;
}

static bool
literal_ok(struct span text)
{
	char ip[INET6_ADDRSTRLEN];
	unsigned char binary[16];
	int family = span_begins_case(text, "IPv6:") ? AF_INET6 : AF_INET;

	if (family == AF_INET6)
		text = span_from(text, 5);
	if (text.len >= sizeof ip || (text.len > 0 && memchr(text.p, '\0', text.len) != NULL))
		return false;
	memcpy(ip, text.p, text.len);
	ip[text.len] = '\0';
	return inet_pton(family, ip, binary) == 1;
}

bool
address_domain_ok(struct span domain, bool utf8)
{
	if (domain.len == 0 || domain.len > ADDRESS_PART_MAX)
		return false;
	if (!utf8_is_ascii(domain) && (!utf8 || !utf8_ok(domain)))
		return false;
	if (domain.p[0] == '[' && domain.p[domain.len - 1] == ']' && domain.len > 2)
		return literal_ok(span_to(span_from(domain, 1), domain.len - 2));
	return name_ok(domain);
}

static int
wrong(struct err *err, const char *why)
{
	return err_set(err, ERR_PERM, "address: %s", why);
}

static int
check_bytes(struct span address, unsigned allow, struct err *err)
{
	if (utf8_is_ascii(address))
		return 0;
	if ((allow & ADDRESS_UTF8) == 0) {
		wrong(err, "letters beyond ASCII need SMTPUTF8");
		return err_as_reply(err, 553, "5.6.7");	/* RFC 6531 3.5 */
	}
	if (!utf8_ok(address))
		return wrong(err, "not UTF-8");
	return 0;
}

static bool
may_be_bare(struct span local, unsigned allow)
{
	if (allow & ADDRESS_BARE)
		return true;
	return (allow & ADDRESS_POSTMASTER) && span_is_case(local, "postmaster");
}

int
address_check(struct span address, unsigned allow, struct err *err)
{
	if (address.len == 0)
		return allow & ADDRESS_NULL ? 0 : wrong(err, "empty");
	if (check_bytes(address, allow, err) < 0)
		return -1;
	size_t len = address.p[0] == '"' ? quoted(address) : dotted(address);
	if (len == 0)
		return wrong(err, "not a mailbox");
	if (len > ADDRESS_PART_MAX)
		return wrong(err, "the part before the @ is too long");
	struct span local = span_to(address, len), rest = span_from(address, len);
	if (rest.len == 0)
		return may_be_bare(local, allow) ? 0 : wrong(err, "a domain is missing");
	if (rest.p[0] != '@')
		return wrong(err, "not a mailbox");
	if (!address_domain_ok(span_from(rest, 1), allow & ADDRESS_UTF8))
		return wrong(err, "not a domain");
	return 0;
}

/* The length of a hop's domain, which a comma or a colon ends: not the colons
 * inside "[IPv6:...]". */
static size_t
hop_len(struct span hop)
{
	bool literal = false;
	size_t len = 0;

	for (; len < hop.len; len++) {
		char c = hop.p[len];
		if (c == '[' || c == ']')
			literal = c == '[';
		else if (!literal && (c == ',' || c == ':'))
			break;
	}
	return len;
}

/* "@one,@two:user@three": where user begins, 0 without a route, -1 when it is
 * wrong.  RFC 5321 appendix C: it is to be understood, and ignored. */
static ssize_t
route(struct span path)
{
	size_t at = 0;

	while (at < path.len && path.p[at] == '@') {
		struct span hop = span_from(path, at + 1);
		size_t len = hop_len(hop);
		if (!address_domain_ok(span_to(hop, len), false))
			return -1;
		at += 1 + len;
		if (at < path.len && path.p[at++] == ':')
			return (ssize_t)at;
	}
	return at == 0 ? 0 : -1;
}

/* Where the closing bracket of "<path>" is, 0 when there is none: a '>' inside
 * quotes is part of the local part. */
static size_t
closing(struct span text)
{
	bool in_quotes = false;

	for (size_t i = 1; i < text.len; i++) {
		if (in_quotes && text.p[i] == '\\')
			i++;
		else if (text.p[i] == '"')
			in_quotes = !in_quotes;
		else if (text.p[i] == '>' && !in_quotes)
			return i;
	}
	return 0;
}

int
address_path(struct span *rest, unsigned allow, struct span *address, struct err *err)
{
	if (rest->len == 0 || rest->p[0] != '<')
		return wrong(err, "angle brackets are missing");
	size_t end = closing(*rest);
	if (end == 0)
		return wrong(err, "no closing angle bracket");
	struct span path = span_to(span_from(*rest, 1), end - 1);
	ssize_t mailbox = route(path);
	if (mailbox < 0)
		return wrong(err, "not a source route");
	if (mailbox > 0)
		allow &= ~(unsigned)(ADDRESS_NULL | ADDRESS_POSTMASTER | ADDRESS_BARE);
	path = span_from(path, (size_t)mailbox);
	if (address_check(path, allow, err) < 0)
		return -1;
	*address = path;
	*rest = span_from(*rest, end + 1);
	return 0;
}
