#include "lib/proto/smtp-ext.h"

#include "lib/mail/envelope.h"
#include "lib/proto/smtp-server.h"

int
smtp_if_offered(const struct smtp_ext *ext, const struct smtp_way *way, struct span value, struct err *err)
{
	(void)value;
	(void)err;
	return (way->offers & ext->offer) != 0;
}

int
smtp_must_be_offered(const struct smtp_ext *ext, const struct smtp_way *way, struct span value,
    struct err *err)
{
	(void)value;
	if ((way->offers & ext->offer) != 0)
		return 1;
	err_set(err, ERR_PERM, "the next host does not offer %s, which this message needs", ext->keyword);
	return err_as_reply(err, 554, "5.6.7");
}

int
smtp_never_on(const struct smtp_ext *ext, const struct smtp_way *way, struct span value, struct err *err)
{
	(void)ext;
	(void)way;
	(void)value;
	(void)err;
	return 0;
}

unsigned
smtp_offered(const struct smtp_server *server)
{
	unsigned offered = 0;

	for (const struct smtp_ext *const *ext = smtp_exts; *ext != NULL; ext++)
		if ((*ext)->here == NULL || (*ext)->here(server))
			offered |= (*ext)->offer;
	return offered & ~server->options.withhold;
}

const struct smtp_param *
smtp_param_find(bool rcpt, struct span key, unsigned withhold, const struct smtp_ext **ext)
{
	for (const struct smtp_ext *const *row = smtp_exts; *row != NULL; row++) {
		const struct smtp_param *param = rcpt ? (*row)->rcpt : (*row)->mail;
		if (((*row)->offer & withhold) != 0)
			continue;
		for (; param != NULL && param->key != NULL; param++) {
			if (!span_is_case(key, param->key))
				continue;
			*ext = *row;
			return param;
		}
	}
	return NULL;
}

static int
check_one(const struct smtp_server *server, bool rcpt, struct span word, struct span before,
    struct err *err)
{
	struct span key, value = word, twice;
	const struct smtp_ext *ext;

	span_cut(&value, '=', &key);
	const struct smtp_param *param = smtp_param_find(rcpt, key, ~smtp_offered(server), &ext);
	if (param == NULL) {
		err_set(err, ERR_PERM, "parameter not known here");
		return err_as_reply(err, 555, "5.5.4");
	}
	if (envelope_arg(before, param->key, &twice))
		return err_set(err, ERR_PERM, "%s is said twice", param->key);
	return param->check(server, value, err);
}

int
smtp_params_check(const struct smtp_server *server, bool rcpt, struct span words,
    struct str *out, struct err *err)
{
	struct span word;

	while ((word = span_word(&words)).len > 0) {
		if (check_one(server, rcpt, word, str_span(out), err) < 0) {
			if (err->reply == 0)
				err_as_reply(err, 501, "5.5.4");
			return -1;
		}
		if (out->len > 0)
			str_add_char(out, ' ');
		str_add_span(out, word);
	}
	return 0;
}
