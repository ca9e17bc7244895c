/*
 * The spool of E-MailRelay, taken over: emailrelay.PID.TIME.SEQ.envelope and .content.
 *
 * Each message is claimed by renaming its envelope, as E-MailRelay itself does, so that one that
 * runs never sends what we have taken; then it enters our spool, as from the peer "emailrelay"
 * under its name there; then its two files go.  Whatever is cut off in between is found by its
 * claim and entered again, and a second time is known by its name (seen/): each comes once.  It is
 * routed by who starts next: we were started before our routes were written.
 */
#include "spool/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/mail/address.h"
#include "lib/mail/crlf.h"
#include "lib/mail/utf8.h"

static const char ending[] = ".envelope", claimed[] = ".envelope.mochila", field[] = "X-MailRelay-";

enum { ENVELOPE_MAX = 4 << 20, PIECE = 65536, NAME_MAX_HERE = 120 };

struct mail {
	struct import *im;
	int dir;
	struct str base;		/* emailrelay.PID.TIME.SEQ */
	struct str text;		/* of the envelope */
	struct envelope env;
	bool whole;			/* it said End */
	uint64_t size;
};

static bool
is_base(struct span name)
{
	if (!span_begins(name, "emailrelay.") || name.len > NAME_MAX_HERE)
		return false;
	for (size_t i = strlen("emailrelay."); i < name.len; i++)
		if (strchr("0123456789.", name.p[i]) == NULL)
			return false;
	return true;
}

/* The part before the ending, if the name has it. */
static bool
base_of(const char *name, const char *with, struct span *base)
{
	*base = span_of(name);
	if (!span_ends_case(*base, with))
		return false;
	*base = span_to(*base, base->len - strlen(with));
	return is_base(*base);
}

static void
path_of(const struct mail *mail, const char *with, struct str *path)
{
	str_set_span(path, str_span(&mail->base));
	str_add_text(path, with);
}

/* ---- The envelope ---- */

static int
take_rcpt(struct mail *mail, struct span to, struct err *err)
{
	if (address_check(to, ADDRESS_BARE | ADDRESS_UTF8, err) < 0)
		return -1;
	envelope_add(&mail->env, to, span_of(NULL));
	return 0;
}

static int
take_field(struct mail *mail, struct span key, struct span value, struct err *err)
{
	if (span_is(key, "From")) {
		if (address_check(value, ADDRESS_NULL | ADDRESS_BARE | ADDRESS_UTF8, err) < 0)
			return -1;
		envelope_from(&mail->env, value, span_of(NULL));
	} else if (span_is(key, "To-Local") || span_is(key, "To-Remote")) {
		return take_rcpt(mail, value, err);
	} else if (span_is(key, "Content") && span_is_case(value, "binarymime")) {
		return err_set(err, ERR_PERM, "it is binary (BINARYMIME), which batches cannot carry");
	} else if (span_is(key, "Content") && span_is_case(value, "8bit")) {
		str_set(&mail->env.args, "BODY=8BITMIME");
	} else if (span_is(key, "End")) {
		mail->whole = true;
	}
	return 0;
}

static int
read_envelope(struct mail *mail, struct err *err)
{
	struct span rest = str_span(&mail->text), line, key;
	struct str eight_bit = {0};
	int result = 0;

	envelope_clear(&mail->env);
	mail->whole = false;
	while (result == 0 && !mail->whole && span_cut(&rest, '\n', &line)) {
		line = span_trim(line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (!span_begins(line, field))
			continue;
		line = span_from(line, strlen(field));
		span_cut(&line, ':', &key);
		/* From forgets what was said of the whole: Content comes before it. */
		str_set_span(&eight_bit, str_span(&mail->env.args));
		result = take_field(mail, key, span_trim(line), err);
		if (mail->env.args.len == 0)
			str_set_span(&mail->env.args, str_span(&eight_bit));
	}
	str_free(&eight_bit);
	if (result == 0 && (!mail->whole || !mail->env.begun || mail->env.rcpts == 0))
		result = err_set(err, ERR_PERM, "its envelope is not whole");
	return result;
}

/* ---- Into our spool ---- */

static int
add_body(struct arrival *a, int fd, struct err *err)
{
	struct str piece = {0}, lines = {0};
	struct crlf crlf = {0};
	ssize_t got = 1;
	off_t at = 0;
	int result = 0;

	while (result == 0 && got > 0) {
		got = fs_pread(fd, str_room(&piece, PIECE), PIECE, at, err);
		if (got < 0)
			result = -1;
		else if (got > 0)
			crlf_add(&crlf, (struct span){ piece.p, (size_t)got }, &lines);
		else
			crlf_end(&crlf, &lines);
		at += got > 0 ? got : 0;
		if (result == 0 && lines.len > 0)
			result = arrival_body(a, lines.p, lines.len, err);
		str_clear(&lines);
	}
	str_free(&piece);
	str_free(&lines);
	return result;
}

static bool
needs_utf8(const struct envelope *env)
{
	bool ascii = utf8_is_ascii(str_span(&env->from));

	for (size_t i = 0; i < env->rcpts && ascii; i++)
		ascii = utf8_is_ascii(str_span(&env->rcpt[i].to));
	return !ascii;
}

static int
enter(struct mail *mail, int fd, struct err *err)
{
	const struct spool *spool = &mail->im->door->spool;
	struct entry_info info = {0};
	struct arrival a;

	str_set(&info.from, "import");
	str_set(&info.peer, "emailrelay");
	str_set_span(&info.peer_id, str_span(&mail->base));
	if (needs_utf8(&mail->env))
		str_add_text(&mail->env.args, mail->env.args.len > 0 ? " SMTPUTF8" : "SMTPUTF8");
	int result = spool_room(spool, 2 * mail->size, err);
	if (result == 0 && (result = arrival_open(&a, spool, NULL, err)) == 0) {
		if (arrival_begin(&a, &info, &mail->env, err) < 0 || add_body(&a, fd, err) < 0 ||
		    arrival_end(&a, err) < 0 || arrival_commit(&a, err) < 0)
			result = -1;
		else
			spool_event(spool, str_c(&a.info.id), "event=accepted from=import peer=emailrelay was=%s rcpts=%zu",
			    str_c(&mail->base), mail->env.rcpts);
		arrival_close(&a);
	}
	entry_info_free(&info);
	return result;
}

/* ---- One message ---- */

static int
open_content(struct mail *mail, struct err *err)
{
	struct str path = {0};
	struct stat st;

	path_of(mail, ".content", &path);
	int fd = fs_open(mail->dir, str_c(&path), O_RDONLY, err);
	if (fd >= 0 && fstat(fd, &st) == 0)
		mail->size = (uint64_t)st.st_size;
	str_free(&path);
	return fd;
}

static int
forget(struct mail *mail, struct err *err)
{
	struct str path = {0};

	path_of(mail, claimed, &path);
	int result = fs_remove(mail->dir, str_c(&path), err);
	path_of(mail, ".content", &path);
	if (result == 0)
		result = fs_remove(mail->dir, str_c(&path), err);
	if (result == 0)
		result = fs_sync_dir(mail->dir, ".", err);
	str_free(&path);
	return result;
}

static int
claim(struct mail *mail, struct err *err)
{
	struct str from = {0}, to = {0};

	path_of(mail, ending, &from);
	path_of(mail, claimed, &to);
	int result = fs_rename(mail->dir, str_c(&from), mail->dir, str_c(&to), err);
	if (result == 0)
		result = fs_sync_dir(mail->dir, ".", err);
	str_free(&from);
	str_free(&to);
	return result;
}

/* A message that cannot be taken stays as it is, and is named. */
static int
take(struct mail *mail, const char *with, struct err *err)
{
	struct str path = {0};
	struct err why = {0};
	bool ours = strcmp(with, claimed) == 0;
	int fd = -1, result = 0;

	path_of(mail, with, &path);
	str_clear(&mail->text);
	if (fs_load(mail->dir, str_c(&path), ENVELOPE_MAX, &mail->text, &why) < 0 || read_envelope(mail, &why) < 0 ||
	    (fd = open_content(mail, &why)) < 0) {
		import_no(mail->im, str_c(&path), why.text);
	} else {
		if (!mail->im->dry) {
			result = ours ? 0 : claim(mail, err);
			if (result == 0)
				result = enter(mail, fd, err);
			if (result == 0)
				result = forget(mail, err);
		}
		if (result == 0)
			import_note(mail->im, str_c(&path), "into our spool");
	}
	if (fd >= 0)
		close(fd);
	str_free(&path);
	return result;
}

static int
take_all(struct mail *mail, struct fs_names *names, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < names->count && result == 0; i++) {
		const char *name = names->name[i], *with = ending;
		struct span base;
		if (!base_of(name, ending, &base)) {
			with = claimed;
			if (!base_of(name, claimed, &base)) {
				if (base_of(name, ".envelope.bad", &base))
					import_no(mail->im, name, "it had failed; without .bad at its end it is taken");
				else if (base_of(name, ".envelope.busy", &base))
					import_no(mail->im, name, "emailrelay is sending it, or was cut off; end it, and rename it");
				continue;
			}
		}
		str_set_span(&mail->base, base);
		result = take(mail, with, err);
	}
	return result;
}

int
import_mail(struct import *im, const char *folder, struct err *err)
{
	struct mail mail = { .im = im };
	struct fs_names names = {0};

	mail.dir = fs_dir(AT_FDCWD, folder, err);
	if (mail.dir < 0)
		return -1;
	int result = fs_names(mail.dir, ".", &names, err);
	if (result == 0 && !im->dry && !im->door->spool_is_open) {
		result = spool_open(&im->door->spool, &im->door->settings, false, err);
		im->door->spool_is_open = result == 0;
	}
	if (result == 0)
		result = take_all(&mail, &names, err);
	fs_names_free(&names);
	close(mail.dir);
	str_free(&mail.base);
	str_free(&mail.text);
	envelope_free(&mail.env);
	return result;
}
