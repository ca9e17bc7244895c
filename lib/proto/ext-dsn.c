/* DSN (RFC 3461): which reports the sender wants.  Checked here as strictly as the
 * standard says (5.1: a wrong one MUST be 501), carried verbatim from here on. */
#include "lib/mail/envelope.h"
#include "lib/mail/utf8.h"
#include "lib/mail/xtext.h"
#include "lib/proto/smtp-ext.h"
#include "lib/proto/smtp-server.h"

enum { ENVID_MAX = 100, ORCPT_MAX = 500 };

static int
check_ret(const struct smtp_server *server, struct span value, struct err *err)
{
	(void)server;
	if (span_is_case(value, "FULL") || span_is_case(value, "HDRS"))
		return 0;
	return err_set(err, ERR_PERM, "RET is FULL or HDRS");
}

static int
check_envid(const struct smtp_server *server, struct span value, struct err *err)
{
	(void)server;
	if (value.len == 0 || value.len > ENVID_MAX)
		return err_set(err, ERR_PERM, "ENVID has 1 to %d characters", ENVID_MAX);
	return xtext_ok(value) ? 0 : err_set(err, ERR_PERM, "ENVID is not xtext");
}

/* The bit of a word of NOTIFY, 0 for one that is none. */
static unsigned
notify_bit(struct span word)
{
	static const char *const words[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (span_is_case(word, words[i]))
			return 1u << i;
	}
	return 0;
}

static int
check_notify(const struct smtp_server *server, struct span value, struct err *err)
{
	const unsigned never = 1;
	unsigned seen = 0;
	struct span word;

	(void)server;
	while (span_cut(&value, ',', &word)) {
		unsigned bit = notify_bit(word);
		if (bit == 0 || (seen & bit) != 0)
			return err_set(err, ERR_PERM, "NOTIFY has SUCCESS, FAILURE, DELAY, once each, or NEVER");
		seen |= bit;
	}
	if (seen == 0)
		return err_set(err, ERR_PERM, "NOTIFY needs a value");
	if ((seen & never) != 0 && seen != never)
		return err_set(err, ERR_PERM, "NOTIFY=NEVER stands alone");
	return 0;
}

static bool
is_atom(struct span word)
{
	for (size_t i = 0; i < word.len; i++) {
		char c = word.p[i];
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    c == '-' || c == '_'))
			return false;
	}
	return word.len > 0;
}

/* RFC 6533 3: with SMTPUTF8 a utf-8 address may stand there as it is, or encoded,
 * where "\x{...}" is plain xtext. */
static bool
is_utf8_form(const struct smtp_server *server, struct span type, struct span address)
{
	struct span value;

	if (!span_is_case(type, "utf-8") || !envelope_arg(str_span(&server->env.args), "SMTPUTF8", &value))
		return false;
	for (size_t i = 0; i < address.len; i++) {
		if (address.p[i] == '+' || address.p[i] == '=')
			return false;
	}
	return utf8_ok(address);
}

static int
check_orcpt(const struct smtp_server *server, struct span value, struct err *err)
{
	struct span type;

	if (value.len > ORCPT_MAX)
		return err_set(err, ERR_PERM, "ORCPT has at most %d characters", ORCPT_MAX);
	if (!span_cut(&value, ';', &type) || !is_atom(type) || value.len == 0)
		return err_set(err, ERR_PERM, "ORCPT is TYPE;ADDRESS");
	if (xtext_ok(value) || is_utf8_form(server, type, value))
		return 0;
	return err_set(err, ERR_PERM, "ORCPT's address is not xtext");
}

extern const struct smtp_ext ext_dsn;
const struct smtp_ext ext_dsn = {
	.keyword = "DSN",
	.offer = OFFER_DSN,
	.mail = (const struct smtp_param[]){
		{ "RET", check_ret, smtp_if_offered },
		{ "ENVID", check_envid, smtp_if_offered },
		{0},
	},
	.rcpt = (const struct smtp_param[]){
		{ "NOTIFY", check_notify, smtp_if_offered },
		{ "ORCPT", check_orcpt, smtp_if_offered },
		{0},
	},
};
