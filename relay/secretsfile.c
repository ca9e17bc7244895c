#include "relay/secretsfile.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/closed.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/mail/base64.h"
#include "lib/mail/xtext.h"

int
secretsfile_load(const char *path, struct str *text, struct err *err)
{
	struct stat st;
	int fd = fs_open(AT_FDCWD, path, O_RDONLY, err);

	if (fd < 0)
		return -1;
	int result = fstat(fd, &st) < 0 ? err_sys(err, "%s", path) : 0;
	if (result == 0 && (st.st_mode & 07) != 0)
		result = err_set(err, ERR_CONFIG, "%s: it holds passwords and must be closed to others (chmod o=)", path);
	if (result == 0)
		result = fs_read_all(fd, SECRETSFILE_MAX, text, err);
	close(fd);
	return result;
}

bool
secretsfile_next(struct span *text, struct secrets_line *line)
{
	struct span one;

	while (text->len > 0 && span_cut(text, '\n', &one)) {
		if (one.len > 0 && one.p[one.len - 1] == '\r')
			one.len--;
		struct span side = span_word(&one);
		*line = (struct secrets_line){ .server = span_is_case(side, "server"), .type = span_word(&one) };
		line->user = span_word(&one);
		line->secret = span_word(&one);
		line->selector = span_word(&one);
		if (line->secret.len > 0 && (line->server || span_is_case(side, "client")))
			return true;
	}
	return false;
}

static bool
decode(struct span type, struct span text, struct str *out)
{
	if (span_is_case(type, "plain:b")) {
		int len = base64_read(text, (unsigned char *)str_room(out, BASE64_BYTES(text.len) + 1));
		out->len += len > 0 ? (size_t)len : 0;
		return len > 0 && memchr(out->p, '\0', out->len) == NULL;
	}
	size_t before = out->len;
	return xtext_decode(text, out) == 0 && memchr(str_c(out) + before, '\0', out->len - before) == NULL;
}

static bool
is_plain(struct span type)
{
	return span_is_case(type, "plain") || span_is_case(type, "plain:b");
}

static bool
is_user(const struct secrets_line *line, struct span user)
{
	struct str name = {0};
	bool same = decode(line->type, line->user, &name) && span_same(str_span(&name), user);

	str_free(&name);
	return same;
}

int
secretsfile_password(struct span text, struct span user, struct str *password)
{
	struct secrets_line line;

	while (secretsfile_next(&text, &line))
		if (line.server && is_plain(line.type) && is_user(&line, user))
			return decode(line.type, line.secret, password);
	return 0;
}

int
secretsfile_states(struct span text, struct span user, unsigned char states[SECRETSFILE_STATES])
{
	struct secrets_line line;
	unsigned char decoded[SECRETSFILE_STATES + 2];

	while (secretsfile_next(&text, &line)) {
		if (!line.server || !span_is_case(line.type, "md5") || !is_user(&line, user))
			continue;
		if (line.secret.len != BASE64_LETTERS(SECRETSFILE_STATES) ||
		    base64_read(line.secret, decoded) != SECRETSFILE_STATES)
			return 0;
		memcpy(states, decoded, SECRETSFILE_STATES);
		return 1;
	}
	return 0;
}

/* Both ways are gone whoever it is, so that it takes as long. */
bool
secretsfile_check(struct span text, struct span user, struct span password)
{
	unsigned char states[SECRETSFILE_STATES], said[SECRETSFILE_STATES], sum[DIGEST_SIZE], right[DIGEST_SIZE];
	struct str secret = {0};
	bool plain = secretsfile_password(text, user, &secret) > 0;
	bool hashed = secretsfile_states(text, user, states) > 0;

	digest_of(secret.p, secret.len, right);
	digest_of(password.p, password.len, sum);
	digest_hmac_md5_states(password, said);
	bool same = plain ? digest_same(sum, right, sizeof sum) : hashed && digest_same(states, said, sizeof said);
	closed_forget(&secret);
	return same;
}

int
secretsfile_client(struct span text, struct span selector, struct str *user, struct str *secret, bool *token)
{
	struct secrets_line line;

	while (secretsfile_next(&text, &line)) {
		bool oauth = span_is_case(line.type, "oauth");
		if (line.server || !span_same(line.selector, selector) || (!oauth && !is_plain(line.type)))
			continue;
		*token = oauth;
		if (span_is(line.user, "=") && span_is(line.secret, "="))
			return 1;
		return decode(line.type, line.user, user) && decode(line.type, line.secret, secret);
	}
	return 0;
}

/* "192.168.0.*" is its way to say 192.168.0.0/24. */
static void
add_network(struct span text, struct str *networks)
{
	struct span rest = text, part;
	unsigned given = 0;

	str_add_text(networks, networks->len > 0 ? " " : "");
	if (memchr(text.p, '*', text.len) == NULL) {
		str_add_span(networks, text);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		bool any = !span_cut(&rest, '.', &part) || span_is(part, "*");
		given += !any && given == i;
		str_add_text(networks, i > 0 ? "." : "");
		str_add_span(networks, any ? SPAN("0") : part);
	}
	str_printf(networks, "/%u", 8 * given);
}

void
secretsfile_networks(struct span text, struct str *networks)
{
	struct secrets_line line;

	while (secretsfile_next(&text, &line))
		if (line.server && span_is_case(line.type, "none"))
			add_network(line.user, networks);
}
