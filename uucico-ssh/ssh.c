#include "uucico-ssh/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "uucico-ssh/key.h"
#include "uucico-ssh/link.h"
#include "uucico-ssh/tcp.h"

enum { GOODBYE_SECONDS = 2 };

/* What every server of the last ten years has, and nothing more: each name is bytes of
 * every call.  Then, for one that was set up otherwise, or where libssh2 has not what is first (on
 * mbedTLS it has no curve25519), all that is good enough. */
static const struct {
	int method;
	const char *names[2];
} lists[] = {
	{ LIBSSH2_METHOD_KEX, { "curve25519-sha256", "curve25519-sha256,curve25519-sha256@libssh.org,"
	    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521" } },
	{ LIBSSH2_METHOD_CRYPT_CS, { "aes128-ctr", "aes128-ctr,aes256-ctr" } },
	{ LIBSSH2_METHOD_CRYPT_SC, { "aes128-ctr", "aes128-ctr,aes256-ctr" } },
	{ LIBSSH2_METHOD_MAC_CS, { "hmac-sha2-256", "hmac-sha2-256,hmac-sha2-512" } },
	{ LIBSSH2_METHOD_MAC_SC, { "hmac-sha2-256", "hmac-sha2-256,hmac-sha2-512" } },
	{ LIBSSH2_METHOD_COMP_CS, { "none", "none" } },
	{ LIBSSH2_METHOD_COMP_SC, { "none", "none" } },
};
enum lists_wide { SHORT, LONG };

static const char host_key_types[] =
    "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521";

/* --- where --- */

static int
bad_place(const char *rest, struct err *err)
{
	return err_set(err, ERR_CONFIG, "link ssh:%s: it is ssh://USER@HOST[:PORT][/COMMAND]", rest);
}

static bool
plain_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 0x7f)
			return false;
	return name.len > 0 && name.p[0] != '-';
}

static int
split_host(struct ssh *ssh, struct span place)
{
	struct span host = place, rest = place;

	if (span_begins(place, "[")) {		/* [::1]:22 */
		rest = span_from(place, 1);
		if (!span_cut(&rest, ']', &host) || (rest.len > 0 && rest.p[0] != ':'))
			return -1;
		rest = rest.len > 0 ? span_from(rest, 1) : rest;
	} else {
		span_cut(&rest, ':', &host);
	}
	uint64_t port = 22;
	if (!plain_name(host) || (rest.len > 0 && span_number(rest, 65535, &port) < 0) || port == 0)
		return -1;
	str_set_span(&ssh->host, host);
	str_printf(&ssh->port, "%u", (unsigned)port);
	return 0;
}

static void
own_user(struct str *user)
{
	const struct passwd *me = getpwuid(geteuid());

	str_set(user, me != NULL ? me->pw_name : "mochila");
}

int
ssh_place(struct ssh *ssh, const char *rest, struct err *err)
{
	struct span all = span_of(rest), place, user;

	if (!span_begins(all, "//"))
		return bad_place(rest, err);
	all = span_from(all, 2);
	span_cut(&all, '/', &place);
	str_set_span(&ssh->command, all);
	const char *at = memchr(place.p, '@', place.len);
	if (at != NULL) {
		span_cut(&place, '@', &user);
		if (!plain_name(user))
			return bad_place(rest, err);
		str_set_span(&ssh->user, user);
	} else {
		own_user(&ssh->user);
	}
	if (split_host(ssh, place) < 0)
		return bad_place(rest, err);
	str_printf(&ssh->where, "%s port %s", str_c(&ssh->host), str_c(&ssh->port));
	return 0;
}

/* --- TCP --- */

int
ssh_connect_tcp(struct ssh *ssh, struct err *err)
{
	ssh->fd = tcp_connect(str_c(&ssh->host), str_c(&ssh->port), ssh->by_proxy ? &ssh->proxy : NULL,
	    true, ssh->timeout, "sshd", err);
	ssh->rtt = ssh->fd < 0 ? 0 : tcp_rtt(ssh->fd);	/* that of its first two packets */
	return ssh->fd < 0 ? -1 : 0;
}

/* --- libssh2 --- */

void
ssh_flush(struct ssh *ssh)
{
	while (ssh->flight.len > 0 && ssh->broken == 0) {
		ssize_t done = send(ssh->fd, ssh->flight.p, ssh->flight.len, MSG_NOSIGNAL);
		if (done < 0 && errno != EINTR) {
			ssh->broken = errno == EAGAIN ? 0 : errno;
			return;
		}
		ssh->unanswered = false;
		str_cut(&ssh->flight, done > 0 ? (size_t)done : 0);
	}
}

/* What libssh2 sent tells how far it is.  Type 21 is NEWKEYS (RFC 4253 7.3), the last one in
 * the clear. */
static void
note_packet(struct ssh *ssh, const unsigned char *bytes, size_t len)
{
	if (ssh->has_keys)
		ssh->secrets++;
	else
		ssh->has_keys = len > 5 && bytes[5] == 21;
}

/* The session's calls are those by which libssh2 speaks with an agent, too: that is another
 * descriptor. */
static ssize_t
agent_send(int fd, const void *bytes, size_t len, int flags)
{
	ssize_t done = send(fd, bytes, len, flags | MSG_NOSIGNAL);

	return done < 0 ? -errno : done;
}

static ssize_t
agent_receive(int fd, void *bytes, size_t len, int flags)
{
	ssize_t got = recv(fd, bytes, len, flags);

	return got < 0 ? -errno : got;
}

/* Our own, to send what goes together at once, to count what really crosses the line, and to
 * see the server's KEXINIT.  Called for a packet each. */
static ssize_t
count_send(libssh2_socket_t fd, const void *bytes, size_t len, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;

	if (fd != ssh->fd)
		return agent_send(fd, bytes, len, flags);
	if (ssh->flight.len >= SSH_FLIGHT_MAX / 4)
		ssh_flush(ssh);
	if (ssh->over || ssh->broken != 0)
		return ssh->over ? -EPIPE : -ssh->broken;
	if (ssh->flight.len >= SSH_FLIGHT_MAX)
		return -EAGAIN;
	str_add(&ssh->flight, bytes, len);
	note_packet(ssh, bytes, len);
	ssh->up += (uint64_t)len;
	return (ssize_t)len;
}

static ssize_t
count_receive(libssh2_socket_t fd, void *bytes, size_t len, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;

	if (fd != ssh->fd)
		return agent_receive(fd, bytes, len, flags);
	ssize_t got = ssh->over ? -1 : recv(fd, bytes, len, flags);
	if (got < 0)
		return ssh->over ? -ECONNRESET : -errno;
	ssh->down += (uint64_t)got;
	ssh->unanswered = true;
	ssh_spare(fd);
	if (ssh->early.len + (size_t)got <= SSH_EARLY_MAX)
		str_add(&ssh->early, bytes, (size_t)got);
	return got;
}

/* One ACK for two packets, and none of its own where we say something: the kernel would acknowledge each of the
 * first sixteen of a connection, and so it does again after each that it sent late. */
void
ssh_spare(int fd)
{
#ifdef TCP_QUICKACK
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){0}, sizeof(int));
#else
	(void)fd;
#endif
}

/* Before a command runs sshd has Nagle's algorithm on: the second word of an answer waits until
 * its first is acknowledged, which our side delays by 40 ms where there is nothing to say.  2
 * lets this one ACK go now. */
void
ssh_acknowledge(int fd)
{
#ifdef TCP_QUICKACK
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &(int){2}, sizeof(int));
#endif
	ssh_spare(fd);
}

/* BAD_USE: libssh2 wants to widen the window and a packet of ours is half written; it can
 * when that one is out. */
bool
ssh_later(ssize_t result)
{
	return result == LIBSSH2_ERROR_EAGAIN || result == LIBSSH2_ERROR_BAD_USE;
}

/* The same two for a session in a channel of another. */
static ssize_t
channel_send(libssh2_socket_t fd, const void *bytes, size_t len, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;

	if (fd != ssh_outer(ssh)->fd)
		return agent_send(fd, bytes, len, flags);
	ssize_t done = ssh->over ? LIBSSH2_ERROR_SOCKET_SEND : libssh2_channel_write(ssh->via->channel, bytes, len);
	if (done > 0)
		ssh->up += (uint64_t)done;
	if (done == (ssize_t)len)	/* the rest of a packet counts for all of it */
		note_packet(ssh, bytes, len);
	return done >= 0 ? done : ssh_later(done) ? -EAGAIN : -EPIPE;
}

static ssize_t
channel_receive(libssh2_socket_t fd, void *bytes, size_t len, int flags, void **abstract)
{
	struct ssh *ssh = *abstract;

	if (fd != ssh_outer(ssh)->fd)
		return agent_receive(fd, bytes, len, flags);
	ssize_t got = ssh->over ? LIBSSH2_ERROR_SOCKET_RECV : libssh2_channel_read(ssh->via->channel, bytes, len);
	if (got == 0)
		return libssh2_channel_eof(ssh->via->channel) != 0 ? 0 : -EAGAIN;
	if (got < 0)
		return ssh_later(got) ? -EAGAIN : -ECONNRESET;
	ssh->down += (uint64_t)got;
	if (ssh->early.len + (size_t)got <= SSH_EARLY_MAX)
		str_add(&ssh->early, bytes, (size_t)got);
	return got;
}

struct ssh *
ssh_outer(struct ssh *ssh)
{
	while (ssh->via != NULL)
		ssh = ssh->via;
	return ssh;
}

int
ssh_wait(struct ssh *ssh, int64_t deadline, struct err *err)
{
	struct ssh *outer = ssh_outer(ssh);

	ssh_flush(outer);
	int directions = libssh2_session_block_directions(outer->session);
	struct pollfd fd = { .fd = outer->fd, .events = outer != ssh ? POLLIN : 0 };

	if ((directions & LIBSSH2_SESSION_BLOCK_INBOUND) != 0 || directions == 0)
		fd.events |= POLLIN;
	if ((directions & LIBSSH2_SESSION_BLOCK_OUTBOUND) != 0 || outer->flight.len > 0)
		fd.events |= POLLOUT;
	if (outer->unanswered)
		ssh_acknowledge(outer->fd);
	outer->unanswered = false;
	int result = clock_mono() < deadline ? link_wait(&fd, 1, deadline, err) : 0;
	if (result == 0)
		return err_set(err, ERR_TEMP, "%s has not answered for %lld s", str_c(&ssh->where),
		    (long long)ssh->timeout);
	return result < 0 ? -1 : 0;
}

/* One thing that libssh2 does in as many tries as it takes; its code, or -1 with err
 * when we gave up waiting. */
static int
repeat(struct ssh *ssh, int (*step)(struct ssh *ssh), struct err *err)
{
	int64_t deadline = clock_mono() + ssh->timeout * CLOCK_SECOND;
	int result;

	while ((result = step(ssh)) == LIBSSH2_ERROR_EAGAIN)
		if (ssh_wait(ssh, deadline, err) < 0)
			return -1;
	return result;
}

static const char *
last_words(const struct ssh *ssh)
{
	char *text = NULL;

	libssh2_session_last_error(ssh->session, &text, NULL, 0);
	return text != NULL && text[0] != '\0' ? text : "no reason given";
}

static int
make_session(struct ssh *ssh, const char *types, enum lists_wide wide, struct err *err)
{
	if (libssh2_init(0) != 0 ||
	    (ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh)) == NULL)
		return err_set(err, ERR_TEMP, "libssh2 cannot start");
	libssh2_session_set_blocking(ssh->session, 0);
	libssh2_session_banner_set(ssh->session, "SSH-2.0-mochila");
	libssh2_session_callback_set(ssh->session, LIBSSH2_CALLBACK_SEND,
	    ssh->via != NULL ? (void *)channel_send : (void *)count_send);
	libssh2_session_callback_set(ssh->session, LIBSSH2_CALLBACK_RECV,
	    ssh->via != NULL ? (void *)channel_receive : (void *)count_receive);
	libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY,
	    types != NULL ? types : host_key_types);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		if (libssh2_session_method_pref(ssh->session, lists[i].method, lists[i].names[wide]) != 0 &&
		    libssh2_session_method_pref(ssh->session, lists[i].method, lists[i].names[LONG]) != 0)
			return err_set(err, ERR_CONFIG, "this libssh2 knows none of %s", lists[i].names[LONG]);
	return 0;
}

bool
ssh_knows_ed25519(void)
{
	struct ssh ssh = { .fd = -1 };
	const char **names = NULL;
	struct err ignored;
	bool knows = false;
	int count = make_session(&ssh, NULL, LONG, &ignored) < 0 ? 0 :
	    libssh2_session_supported_algs(ssh.session, LIBSSH2_METHOD_HOSTKEY, &names);

	for (int i = 0; i < count; i++)
		knows = knows || strcmp(names[i], "ssh-ed25519") == 0;
	if (names != NULL)
		libssh2_free(ssh.session, (void *)names);
	ssh_close(&ssh);
	return knows;
}

/* Done when the service of logins has been asked for: what we want of it may follow at once. */
static int
step_handshake(struct ssh *ssh)
{
	int result = libssh2_session_handshake(ssh->session, ssh_outer(ssh)->fd);

	return result == LIBSSH2_ERROR_EAGAIN && ssh->secrets > 0 ? 0 : result;
}

/* The server's host key algorithms, from its KEXINIT (RFC 4253 7.1), which comes in the
 * clear behind its banner: length 4, padding 1, type 20, cookie 16, two name-lists. */
static struct span
offered_types(const struct str *early)
{
	struct span rest = str_span(early), line, none = {0};

	while (span_cut(&rest, '\n', &line) && !span_begins(line, "SSH-"))
		;
	if (rest.len < 26 || rest.p[5] != 20)
		return none;
	rest = span_from(rest, 22);
	for (int list = 0; rest.len >= 4; list++) {
		size_t len = (size_t)bytes_number(rest.p, 4);
		rest = span_from(rest, 4);
		if (len > rest.len)
			return none;
		if (list == 1)
			return span_to(rest, len);
		rest = span_from(rest, len);
	}
	return none;
}

static bool
any_of(struct span offered, const char *wanted)
{
	struct span word;

	while (span_cut(&offered, ',', &word)) {
		struct span ours = span_of(wanted), one;
		while (span_cut(&ours, ',', &one))
			if (span_same(word, one))
				return true;
	}
	return false;
}

static int
explain_handshake(struct ssh *ssh, const char *types, struct err *err)
{
	struct span offered = offered_types(&ssh->early);

	if (ssh->early.len == 0)
		return err_set(err, ERR_TEMP, "%s closed the connection at once; is it an ssh server, and does "
		    "it let us in from here?", str_c(&ssh->where));
	if (offered.len > 0 && !any_of(offered, host_key_types))
		err_set(err, ERR_CONFIG, "%s has only host keys that cannot be used here (%.*s): RSA would need "
		    "SHA-1 with this libssh2; give it an ed25519 host key (ssh-keygen -A there, and "
		    "HostKey in sshd_config)", str_c(&ssh->where),
		    offered.len > 120 ? 120 : (int)offered.len, offered.p);
	else if (offered.len > 0 && types != NULL && !any_of(offered, types))
		err_set(err, ERR_CONFIG, "%s no longer has the host key that is pinned here (%s; it now has %.*s); "
		    "ask its administrator, and pin the new one when it is right", str_c(&ssh->where), types,
		    offered.len > 120 ? 120 : (int)offered.len, offered.p);
	else
		return err_set(err, ERR_TEMP, "no ssh session with %s: %s", str_c(&ssh->where), last_words(ssh));
	return err_as(err, EX_PROTOCOL, NULL);
}

/* 0, -1 with err, or what libssh2 says. */
static int
shake_hands(struct ssh *ssh, const char *types, enum lists_wide wide, struct err *err)
{
	if ((ssh->via == NULL && ssh_connect_tcp(ssh, err) < 0) || make_session(ssh, types, wide, err) < 0)
		return -1;
	return repeat(ssh, step_handshake, err);
}

static void
hang_up(struct ssh *ssh)
{
	ssh->over = true;
	if (ssh->session != NULL)
		libssh2_session_free(ssh->session);
	ssh->session = NULL;
	if (ssh->fd >= 0)
		close(ssh->fd);
	ssh->fd = -1;
	str_clear(&ssh->early);
	str_clear(&ssh->flight);
	ssh->has_keys = ssh->over = ssh->unanswered = false;
	ssh->secrets = 0;
	ssh->broken = 0;
}

static void
show_session(struct ssh *ssh)
{
	LIBSSH2_SESSION *session = ssh->session;
	const char *banner = libssh2_session_banner_get(session), *kex = libssh2_session_methods(session, LIBSSH2_METHOD_KEX),
	    *key = libssh2_session_methods(session, LIBSSH2_METHOD_HOSTKEY),
	    *cipher = libssh2_session_methods(session, LIBSSH2_METHOD_CRYPT_CS);

	log_trace("-: event=ssh host=%s banner=\"%s\" kex=%s host-key=%s cipher=%s", str_c(&ssh->where),
	    banner != NULL ? banner : "", kex != NULL ? kex : "", key != NULL ? key : "", cipher != NULL ? cipher : "");
}

/* Through a jump host there is one channel to there, and one try. */
int
ssh_connect(struct ssh *ssh, const char *types, struct err *err)
{
	*err = (struct err){0};
	int result = shake_hands(ssh, types, ssh->via != NULL ? LONG : SHORT, err);
	if (result == LIBSSH2_ERROR_KEX_FAILURE && ssh->via == NULL && err->kind == ERR_NONE) {
		hang_up(ssh);
		result = shake_hands(ssh, types, LONG, err);
	}
	if (result == 0)
		show_session(ssh);
	if (result == 0 || err->kind != ERR_NONE)
		return result == 0 ? 0 : -1;
	return explain_handshake(ssh, types, err);
}

/* --- the channel, which is opened while we log in --- */

static int
step_channel(struct ssh *ssh)
{
	const char *host = str_c(&ssh->forward);

	if (ssh->channel == NULL && ssh->forward.len > 0)
		ssh->channel = libssh2_channel_direct_tcpip(ssh->session, host,
		    (int)strtol(host + strlen(host) + 1, NULL, 10));
	else if (ssh->channel == NULL)
		ssh->channel = libssh2_channel_open_ex(ssh->session, "session", strlen("session"),
		    SSH_WINDOW, LIBSSH2_CHANNEL_PACKET_DEFAULT, NULL, 0);
	return ssh->channel != NULL ? 0 : libssh2_session_last_errno(ssh->session);
}

/* --- login --- */

/* The question whether the key would do was one packet, our signature the second. */
static bool
has_signed(const struct ssh *ssh)
{
	return ssh->secrets >= ssh->attempt + 2;
}

/* The server's word that there is such a service stays in the queue. */
static int
step_login(struct ssh *ssh, int (*step)(struct ssh *ssh))
{
	int result = step(ssh);

	if (result == LIBSSH2_ERROR_EAGAIN && has_signed(ssh))
		step_channel(ssh);	/* what it says is asked again */
	return result;
}

static const struct str *current_key, *current_public;	/* of the step below: libssh2's calls take no closure */
static const char *current_passphrase;

static int
try_key_file(struct ssh *ssh)
{
	return libssh2_userauth_publickey_frommemory(ssh->session, str_c(&ssh->user), ssh->user.len,
	    current_public->p, current_public->len, current_key->p, current_key->len, current_passphrase);
}

static int
step_key_file(struct ssh *ssh)
{
	return step_login(ssh, try_key_file);
}

int
ssh_refused(struct ssh *ssh, const char *what, const char *why, struct err *err)
{
	err_set(err, ERR_CONFIG, "%s refuses %s for the user %s (%s); put our public key into "
	    "authorized_keys there (\"mochila pair\" prints the line)", str_c(&ssh->where), what,
	    str_c(&ssh->user), why);
	return err_as(err, EX_NOPERM, NULL);
}

static int
refused(struct ssh *ssh, const char *what, struct err *err)
{
	return ssh_refused(ssh, what, last_words(ssh), err);
}

static bool
lost(int result)
{
	return result == LIBSSH2_ERROR_SOCKET_DISCONNECT || result == LIBSSH2_ERROR_SOCKET_SEND ||
	    result == LIBSSH2_ERROR_SOCKET_RECV || result == LIBSSH2_ERROR_SOCKET_TIMEOUT;
}

/* Not every libssh2 knows how to get it out of a private key of ecdsa. */
static void
load_public(const char *path, struct str *public)
{
	struct str name = {0};
	struct err ignored;

	str_printf(&name, "%s.pub", path);
	if (fs_load(AT_FDCWD, str_c(&name), 4096, public, &ignored) < 0 || !span_begins(str_span(public), "ecdsa-"))
		str_free(public);
	str_c(public);
	str_free(&name);
}

static int
login_with_file(struct ssh *ssh, const char *path, struct str *passphrase, struct err *err)
{
	struct str key = {0}, public = {0};
	int result = key_load(path, passphrase->len > 0, &key, err);

	if (result < 0)
		return -1;
	load_public(path, &public);
	current_public = &public;
	ssh->attempt = ssh->secrets;
	str_c(&key);	/* libssh2 is told how long it is, and looks for a NUL all the same */
	current_key = &key;
	current_passphrase = passphrase->len > 0 ? str_c(passphrase) : NULL;
	result = repeat(ssh, step_key_file, err);
	current_key = current_public = NULL;
	current_passphrase = NULL;
	str_free(&public);
	closed_forget(&key);
	if (result == 0)
		return 0;
	if (err->kind != ERR_NONE)
		return -1;
	if (lost(result))
		return err_set(err, ERR_TEMP, "%s dropped the line while we logged in", str_c(&ssh->where));
	if (result == LIBSSH2_ERROR_AUTHENTICATION_FAILED || result == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
		return refused(ssh, path, err);
	return err_set(err, ERR_CONFIG, "the key %s cannot be used: %s%s", path, last_words(ssh),
	    passphrase->len > 0 ? " (is the passphrase right?)" : "");
}

static LIBSSH2_AGENT *current_agent;
static struct libssh2_agent_publickey *current_identity;

static int
try_agent(struct ssh *ssh)
{
	return libssh2_agent_userauth(current_agent, str_c(&ssh->user), current_identity);
}

static int
step_agent(struct ssh *ssh)
{
	return step_login(ssh, try_agent);
}

/* ssh-rsa signs with SHA-1 here, and no server of today takes that. */
static bool
usable(const struct libssh2_agent_publickey *identity)
{
	struct span blob = { (const char *)identity->blob, identity->blob_len };

	return blob.len > 4 && !span_begins(span_from(blob, 4), "ssh-rsa") &&
	    !span_begins(span_from(blob, 4), "ssh-dss");
}

/* 0: logged in; 1: none of its keys will do; -1. */
static int
try_identities(struct ssh *ssh, struct err *err)
{
	struct libssh2_agent_publickey *identity = NULL;

	while (libssh2_agent_get_identity(current_agent, &identity, identity) == 0) {
		current_identity = identity;
		ssh->attempt = ssh->secrets;
		int result = usable(identity) ? repeat(ssh, step_agent, err) : 1;
		if (result == 0)
			return 0;
		if (has_signed(ssh))	/* the channel was asked for, too */
			return err->kind == ERR_NONE ? 1 : -1;
		if (lost(result))
			err_set(err, ERR_TEMP, "%s dropped the line while we logged in", str_c(&ssh->where));
		if (err->kind != ERR_NONE)
			return -1;
	}
	return 1;
}

static int
login_with_agent(struct ssh *ssh, struct err *err)
{
	int result = 1;

	current_agent = libssh2_agent_init(ssh->session);
	if (current_agent == NULL || libssh2_agent_connect(current_agent) != 0 ||
	    libssh2_agent_list_identities(current_agent) != 0) {
		err_set(err, ERR_CONFIG, "there is no key: neither key = FILE, nor keys/id_ed25519 or keys/id_ecdsa, nor an "
		    "ssh-agent; \"uucico-ssh --new-key\" makes one");
		err_as(err, EX_NOPERM, NULL);
	} else {
		result = try_identities(ssh, err);
	}
	if (current_agent != NULL) {
		libssh2_agent_disconnect(current_agent);
		libssh2_agent_free(current_agent);
	}
	current_agent = NULL;
	if (result > 0 && err->kind == ERR_NONE)
		refused(ssh, "every ed25519 and ecdsa key of the agent", err);
	return result == 0 ? 0 : -1;
}

int
ssh_login(struct ssh *ssh, const char *key_path, struct str *passphrase, struct err *err)
{
	*err = (struct err){0};
	int result = key_path != NULL ? login_with_file(ssh, key_path, passphrase, err) : login_with_agent(ssh, err);
	log_trace("-: event=ssh-login host=%s user=%s by=\"%s\" result=%s", str_c(&ssh->where), str_c(&ssh->user),
	    key_path != NULL ? key_path : "agent", result == 0 ? "yes" : "no");
	return result;
}

/* --- what runs in the channel --- */

static const char *current_command;

static int
step_exec(struct ssh *ssh)
{
	return libssh2_channel_process_startup(ssh->channel, "exec", strlen("exec"), current_command,
	    (unsigned)strlen(current_command));
}

int
ssh_start(struct ssh *ssh, const char *command, struct err *err)
{
	*err = (struct err){0};
	current_command = command;
	if (repeat(ssh, step_channel, err) == 0 && repeat(ssh, step_exec, err) == 0)
		return 0;
	if (err->kind != ERR_NONE)
		return -1;
	return err_set(err, ERR_TEMP, "%s starts no command for us (%s); %s", str_c(&ssh->where),
	    last_words(ssh), link_ssh.advice);
}

int
ssh_forward(struct ssh *ssh, struct err *err)
{
	const char *host = str_c(&ssh->forward), *port = host + strlen(host) + 1;

	*err = (struct err){0};
	if (repeat(ssh, step_channel, err) == 0)
		return 0;
	if (err->kind != ERR_NONE)
		return -1;
	return err_set(err, ERR_TEMP, "%s does not connect us with %s port %s (%s); our key's line there needs "
	    "restrict,port-forwarding,permitopen=\"%s:%s\"", str_c(&ssh->where), host, port, last_words(ssh), host, port);
}

/* --- the end --- */

static int
step_close(struct ssh *ssh)
{
	return libssh2_channel_close(ssh->channel);
}

static int
step_disconnect(struct ssh *ssh)
{
	return libssh2_session_disconnect(ssh->session, "bye");
}

/* Who has said all in the channel need not be asked to close it. */
void
ssh_say_goodbye(struct ssh *ssh)
{
	int64_t patience = ssh->timeout;
	struct err err = {0};

	ssh->timeout = GOODBYE_SECONDS;
	if (ssh->channel != NULL && libssh2_channel_eof(ssh->channel) == 0)
		repeat(ssh, step_close, &err);
	if (ssh->session != NULL && err.kind == ERR_NONE)
		repeat(ssh, step_disconnect, &err);
	ssh_flush(ssh_outer(ssh));
	ssh->over = true;
	ssh->timeout = patience;
	if (ssh->via != NULL)
		ssh_say_goodbye(ssh->via);
}

/* Nothing is said any more, so nothing has to be waited for. */
void
ssh_close(struct ssh *ssh)
{
	ssh->over = true;
	if (ssh->session != NULL)	/* its channels, too */
		libssh2_session_free(ssh->session);
	if (ssh->via != NULL)	/* behind ours, which used it */
		ssh_close(ssh->via);
	free(ssh->via);
	if (ssh->fd >= 0)
		close(ssh->fd);
	struct str *all[] = { &ssh->user, &ssh->host, &ssh->port, &ssh->command, &ssh->where, &ssh->early,
		&ssh->forward, &ssh->flight };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	socks_proxy_free(&ssh->proxy);
	ssh->via = NULL;
	ssh->session = NULL;
	ssh->channel = NULL;
	ssh->fd = -1;
}
