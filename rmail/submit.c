#include "rmail/submit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/clock.h"
#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"
#include "lib/mail/crlf.h"
#include "lib/mail/received.h"
#include "lib/mail/utf8.h"
#include "spool/masquerade.h"
#include "spool/quota.h"
#include "spool/spool.h"

enum { SILENCE_SECONDS = 300, CHILD_SECONDS = 1800 };

/* reading */

static int
wait_readable(int fd, struct err *err)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int got;

	if (isatty(fd))		/* a person may think for as long as they like */
		return 0;
	while ((got = poll(&poll_fd, 1, SILENCE_SECONDS * 1000)) < 0 && errno == EINTR)
		;
	if (got < 0)
		return err_sys(err, "standard input");
	return got > 0 ? 0 :
	    err_set(err, ERR_TEMP, "no more of the message within %d s", SILENCE_SECONDS);
}

static int
read_failed(struct err *err)
{
	err_sys(err, "reading the message");
	return errno == EISDIR ? err_as(err, EX_NOINPUT, NULL) : err_as(err, EX_IOERR, NULL);
}

/* Looks for a line "." in what was added from *at on; cuts it off when there. */
static bool
dot_found(struct str *body, size_t *at)
{
	while (*at < body->len) {
		struct span rest = span_from(str_span(body), *at);
		const char *end = memchr(rest.p, '\n', rest.len);
		if (end == NULL)
			return false;
		if (span_begins(rest, ".\r\n")) {
			body->len = *at;
			return true;
		}
		*at += (size_t)(end - rest.p) + 1;
	}
	return false;
}

int
submit_read(int fd, uint64_t max, bool dot_ends, struct str *body, struct err *err)
{
	struct crlf crlf = {0};
	char piece[16384];
	size_t line = body->len, start = body->len;

	for (;;) {
		if (wait_readable(fd, err) < 0)
			return -1;
		ssize_t got = read(fd, piece, sizeof piece);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return read_failed(err);
		crlf_add(&crlf, (struct span){ piece, (size_t)got }, body);
		if (dot_ends && dot_found(body, &line))
			return 0;
		if (max > 0 && body->len - start > max) {
			err_set(err, ERR_PERM, "larger than the %llu bytes taken here (max-size)",
			    (unsigned long long)max);
			return err_as(err, EX_DATAERR, "5.3.4");
		}
		if (got == 0) {
			crlf_end(&crlf, body);
			return 0;
		}
	}
}

/* addresses */

static int
refuse(struct err *err, int exit, struct span address, const char *why)
{
	struct str shown = {0};

	log_escape(&shown, address, 100);
	err_set(err, ERR_PERM, "%s: %s", str_c(&shown), why);
	str_free(&shown);
	return err_as(err, exit, "5.1.3");
}

static bool
has_controls(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return true;
	return false;
}

static int
check_grammar(struct span address, unsigned allow, struct err *err)
{
	if (has_controls(address))
		return refuse(err, EX_USAGE, address, "an address has no control characters");
	if (address_check(address, allow | ADDRESS_BARE | ADDRESS_UTF8, err) < 0)
		return refuse(err, EX_DATAERR, address, "no address");
	return 0;
}

int
submit_address_ok(struct span address, struct err *err)
{
	static const char *const never[] = { "-", "|", "/", ":include:", "\"|", "\"/", "\\" };

	for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
		if (span_begins(address, never[i]))
			return refuse(err, EX_USAGE, address, "options, programs and files get no mail");
	return check_grammar(address, 0, err);
}

int
submit_sender_ok(struct span address, struct err *err)
{
	return check_grammar(address, ADDRESS_NULL, err);
}

/* the envelope's own words */

static bool
needs_utf8(const struct envelope *env)
{
	bool plain = utf8_is_ascii(str_span(&env->from));

	for (size_t i = 0; i < env->rcpts; i++)
		plain = plain && utf8_is_ascii(str_span(&env->rcpt[i].to));
	return !plain;
}

static void
add_arg(struct str *args, const char *word)
{
	if (args->len > 0)
		str_add_char(args, ' ');
	str_add_text(args, word);
}

/* What a later hop must know is said now, where it can still be seen. */
static void
label(const struct submission *s, struct envelope *env)
{
	struct span ignored;

	envelope_copy(env, &s->env);
	if (!envelope_arg(str_span(&env->args), "BODY", &ignored) && !utf8_is_ascii(str_span(&s->body)))
		add_arg(&env->args, "BODY=8BITMIME");
	if (needs_utf8(env))
		add_arg(&env->args, "SMTPUTF8");
}

static void
fill_info(const struct submission *s, struct entry_info *info)
{
	str_set(&info->from, s->as);
	str_set(&info->client, s->client);
	if (s->peer != NULL)
		str_set(&info->peer, s->peer);
	if (s->peer != NULL && s->job != NULL)
		str_set(&info->peer_id, s->job);
}

static void
add_trace(const struct submission *s, struct span id, struct str *out)
{
	struct received received = {
		.helo = s->peer != NULL ? span_of(s->peer) : SPAN("localhost"),
		.client = span_of(s->client), .by = span_of(s->settings->spool.host),
		.with = s->peer != NULL ? SPAN("UUCP") : (struct span){0},
		.id = id, .when = clock_now(),
	};

	received_field(&received, out);
}

/* into the spool */

static int
write_arrival(const struct submission *s, const struct spool *spool, struct arrival *a,
    struct err *err)
{
	struct entry_info info = {0};
	struct envelope env = {0};
	struct str trace = {0};

	fill_info(s, &info);
	label(s, &env);
	int result = arrival_begin(a, &info, &env, err);
	add_trace(s, str_span(&a->info.id), &trace);
	if (result == 0 && (arrival_body(a, trace.p, trace.len, err) < 0 ||
	    arrival_body(a, s->body.p, s->body.len, err) < 0 ||
	    arrival_end(a, err) < 0 || arrival_commit(a, err) < 0))
		result = -1;
	if (result == 0)
		spool_event(spool, str_c(&a->info.id), "event=accepted from=%s client=%s bytes=%zu rcpts=%zu",
		    s->as, s->client, s->body.len, env.rcpts);
	entry_info_free(&info);
	envelope_free(&env);
	str_free(&trace);
	return result;
}

static int
check_room(const struct submission *s, const struct spool *spool, struct err *err)
{
	if (spool_room(spool, 2 * (uint64_t)s->body.len, err) < 0 || quota_spool(spool, err) < 0)
		return -1;
	for (size_t i = 0; i < s->env.rcpts; i++)
		if (quota_rcpt(spool, str_span(&s->env.rcpt[i].to), err) < 0)
			return -1;
	return 0;
}

static int
submit_to(const struct submission *s, const struct spool *spool, struct err *err)
{
	struct arrival a;
	struct settled settled;
	struct err why = {0};

	if (check_room(s, spool, err) < 0 || arrival_open(&a, spool, NULL, err) < 0)
		return -1;
	int result = write_arrival(s, spool, &a, err);
	arrival_close(&a);
	if (result < 0)
		return -1;
	/* It is taken; that it may not be routed yet is for the next who settles. */
	spool_settle(spool, &settled, &why);
	spool_ring(spool);
	return 0;
}

/* into drop/, by the helper that may write there */

static void
make_entry(const struct submission *s, struct str *out)
{
	struct entry_info info = { .time = clock_now(), .grade = 'N' };
	struct envelope env = {0};
	struct str body = {0};
	unsigned char sum[DIGEST_SIZE];

	spool_new_id(&info.id);
	fill_info(s, &info);
	label(s, &env);
	add_trace(s, str_span(&info.id), &body);
	str_add_span(&body, str_span(&s->body));
	entry_head(&info, &env, body.len, out);
	digest_of(body.p, body.len, sum);
	size_t head = out->len;
	str_add_span(out, str_span(&body));
	entry_end_line(span_to(str_span(out), head), sum, out);
	entry_info_free(&info);
	envelope_free(&env);
	str_free(&body);
}

/* A file in memory.  A child that does not read it keeps nobody waiting. */
static int
input_of(struct span bytes, struct err *err)
{
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "a file in memory");
	int result = fs_write(fd, bytes.p, bytes.len, err);
	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = err_sys(err, "a file in memory");
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

/* Starts the child with the bytes on its standard input, and makes its exit status our error. */
static int
feed_child(struct child *child, const char *name, struct span bytes, struct err *err)
{
	int status;

	if ((child->in = input_of(bytes, err)) < 0)
		return -1;
	child->out = -1;
	child->errors = STDERR_FILENO;
	return child_feed(child, name, CHILD_SECONDS, &status, err);
}

static int
submit_by_drop(const struct submission *s, struct err *err)
{
	struct str path = {0}, entry = {0};
	const char *argv[] = { "mochila-drop", NULL, NULL, NULL };
	struct child child = { .argv = argv };

	settings_program("mochila-drop", &path);
	child.path = str_c(&path);
	if (strcmp(s->settings->root, LOCALSTATEDIR "/lib/mochila") != 0) {
		argv[1] = "--root";
		argv[2] = s->settings->root;
	}
	make_entry(s, &entry);
	int result = feed_child(&child, "mochila-drop", str_span(&entry), err);
	str_free(&path);
	str_free(&entry);
	return result;
}

static int
submit_to_spool(const struct submission *s, struct err *err)
{
	struct spool spool;

	int result = spool_open(&spool, s->settings, true, err);
	if (result == 0) {
		result = submit_to(s, &spool, err);
		spool_close(&spool);
	}
	bool not_ours = result < 0 && err->kind == ERR_CONFIG && geteuid() != 0;
	return not_ours ? submit_by_drop(s, err) : result;
}

/* to another's sendmail */

static void
to_lf(const struct str *body, struct str *out)
{
	for (size_t i = 0; i < body->len; i++)
		if (body->p[i] != '\r')		/* submit_read left none alone */
			str_add_char(out, body->p[i]);
}

static int
submit_by_program(struct submission *s, struct err *err)
{
	struct opt_list argv = {0};
	struct str text = {0};

	opt_list_add(&argv, s->program);
	opt_list_add(&argv, "-i");
	opt_list_add(&argv, "-f");
	opt_list_add(&argv, s->env.from.len > 0 ? str_c(&s->env.from) : "<>");
	opt_list_add(&argv, "--");
	for (size_t i = 0; i < s->env.rcpts; i++)
		opt_list_add(&argv, str_c(&s->env.rcpt[i].to));
	opt_list_add(&argv, NULL);
	struct child child = { .argv = argv.text };
	to_lf(&s->body, &text);
	int result = feed_child(&child, s->program, str_span(&text), err);
	str_free(&text);
	opt_list_free(&argv);
	return result;
}

/* Ours that leaves, and what a site brings, may be called otherwise. */
static int
mask(struct submission *s, struct err *err)
{
	struct str other = {0};
	struct mask mask = {0};
	int result = s->as_it_is ? 0 :
	    mask_envelope(s->settings, s->peer == NULL ? MASQUERADE_OUT : MASQUERADE_IN, &s->env, &mask, err);

	/* All of it is here already, and may go by mochila-drop. */
	if (result == 0 && mask.on && (result = masquerade_header(s->settings, mask.way, str_span(&s->body), &other, err)) == 0) {
		str_free(&s->body);
		s->body = other;
		other = (struct str){0};
	}
	str_free(&other);
	return result;
}

int
submit(struct submission *s, struct err *err)
{
	if (s->program != NULL)
		return submit_by_program(s, err);
	return mask(s, err) < 0 ? -1 : submit_to_spool(s, err);
}

void
submission_free(struct submission *s)
{
	envelope_free(&s->env);
	str_free(&s->body);
}
