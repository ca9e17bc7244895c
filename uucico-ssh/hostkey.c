#include "uucico-ssh/hostkey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "uucico-ssh/key.h"

enum { KNOWN_MAX = 4 << 20, REVOKED = -1 };

/* As known_hosts names it: a port that is not 22 shows. */
static void
known_name(struct ssh *ssh, struct str *out)
{
	if (strcmp(str_c(&ssh->port), "22") == 0)
		str_set_span(out, str_span(&ssh->host));
	else
		str_printf(out, "[%s]:%s", str_c(&ssh->host), str_c(&ssh->port));
}

static int
load(const char *path, struct str *text, struct err *err)
{
	int result = fs_load(AT_FDCWD, path, KNOWN_MAX, text, err);

	if (result < 0 && errno == ENOENT) {	/* nothing is pinned yet */
		*err = (struct err){0};
		return 0;
	}
	return result;
}

static bool
names_host(struct span names, struct span host, struct span bare)
{
	struct span one;

	while (span_cut(&names, ',', &one))
		if (span_same(one, host) || span_same(one, bare))
			return true;
	return false;
}

int
hostkey_types(struct ssh *ssh, const char *path, struct str *types, struct err *err)
{
	struct str text = {0}, name = {0};
	struct span rest, line;

	if (load(path, &text, err) < 0)
		return -1;
	known_name(ssh, &name);
	rest = str_span(&text);
	while (span_cut(&rest, '\n', &line)) {
		struct span names = span_word(&line), type = span_word(&line);
		if (!names_host(names, str_span(&name), str_span(&ssh->host)) || type.len == 0)
			continue;
		str_add_text(types, types->len > 0 ? "," : "");
		str_add_span(types, type);
	}
	str_free(&text);
	str_free(&name);
	return 0;
}

static struct span
shown_key(const struct ssh *ssh)
{
	int type;
	size_t len = 0;
	const char *blob = libssh2_session_hostkey(ssh->session, &len, &type);

	return (struct span){ blob, blob != NULL ? len : 0 };
}

static LIBSSH2_KNOWNHOSTS *
known_hosts(LIBSSH2_SESSION *session, struct span rest, struct err *err)
{
	LIBSSH2_KNOWNHOSTS *hosts = libssh2_knownhost_init(session);
	struct span line;

	if (hosts == NULL)
		err_set(err, ERR_TEMP, "libssh2 has no memory for known hosts");
	/* It looks at the byte behind the line, so the line end goes with it.  A line that
	 * it cannot read pins nothing. */
	while (hosts != NULL && rest.len > 0 && span_cut(&rest, '\n', &line))
		libssh2_knownhost_readline(hosts, line.p, line.len + 1, LIBSSH2_KNOWNHOST_FILE_OPENSSH);
	return hosts;
}

/* "@revoked NAMES TYPE KEY" (sshd(8)), which libssh2 takes for a host of that name: a key that was lost
 * proves nobody any more, whatever names stand there. */
static bool
is_revoked(struct span rest, struct span blob)
{
	struct str key = {0};
	struct span line;
	bool revoked = false;

	key_base64(blob, &key);
	while (span_cut(&rest, '\n', &line)) {
		if (!span_is(span_word(&line), "@revoked"))
			continue;
		span_word(&line);
		span_word(&line);
		revoked = revoked || span_same(span_word(&line), str_span(&key));
	}
	str_free(&key);
	return revoked;
}

static int
look_up(struct ssh *ssh, struct span blob, LIBSSH2_KNOWNHOSTS *hosts)
{
	return libssh2_knownhost_checkp(hosts, str_c(&ssh->host), (int)strtol(str_c(&ssh->port), NULL, 10),
	    blob.p, blob.len, LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW, NULL);
}

static int
refuse(struct ssh *ssh, struct span blob, const char *path, int verdict, struct err *err)
{
	struct str print = {0};

	key_fingerprint(blob, &print);
	if (verdict == REVOKED)
		err_set(err, ERR_CONFIG, "the host key of %s, %s, is revoked by %s: whoever has it may be anybody",
		    str_c(&ssh->where), str_c(&print), path);
	else if (verdict == LIBSSH2_KNOWNHOST_CHECK_MISMATCH)
		err_set(err, ERR_CONFIG, "THE HOST KEY OF %s HAS CHANGED to %s: somebody may be in between, or it "
		    "was set up anew; ask its administrator, and only then correct %s",
		    str_c(&ssh->where), str_c(&print), path);
	else
		err_set(err, ERR_CONFIG, "the host key of %s is not known here: %s; compare it with "
		    "\"ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\" there, then type: "
		    "uucico-ssh --host-key ssh://%s:%s >>%s", str_c(&ssh->where), str_c(&print),
		    str_c(&ssh->host), str_c(&ssh->port), path);
	str_free(&print);
	return err_as(err, EX_PROTOCOL, NULL);
}

int
hostkey_is_known(struct ssh *ssh, LIBSSH2_SESSION *session, struct span blob, const char *path, struct err *err)
{
	struct str text = {0};
	LIBSSH2_KNOWNHOSTS *hosts = NULL;

	if (load(path, &text, err) == 0) {
		str_add_char(&text, '\n');
		hosts = known_hosts(session, str_span(&text), err);
	}
	if (hosts == NULL) {
		str_free(&text);
		return -1;
	}
	int verdict = is_revoked(str_span(&text), blob) ? REVOKED : look_up(ssh, blob, hosts);
	libssh2_knownhost_free(hosts);
	str_free(&text);
	return verdict == LIBSSH2_KNOWNHOST_CHECK_MATCH ? 0 : refuse(ssh, blob, path, verdict, err);
}

int
hostkey_check(struct ssh *ssh, const char *path, struct err *err)
{
	return hostkey_is_known(ssh, ssh->session, shown_key(ssh), path, err);
}

int
hostkey_print(struct ssh *ssh, struct str *out, struct err *err)
{
	struct span blob = shown_key(ssh), type = {0};
	struct str name = {0};

	if (blob.len == 0 || key_type(blob, &type) < 0)
		return err_set(err, ERR_TEMP, "%s showed no host key", str_c(&ssh->where));
	known_name(ssh, &name);
	str_add_span(out, str_span(&name));
	str_add_char(out, ' ');
	str_add_span(out, type);
	str_add_char(out, ' ');
	key_base64(blob, out);
	str_add_text(out, "\n# ");
	str_add_span(out, str_span(&name));
	str_add_char(out, ' ');
	key_fingerprint(blob, out);
	str_add_char(out, '\n');
	str_free(&name);
	return 0;
}
