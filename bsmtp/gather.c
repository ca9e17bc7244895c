/*
 * gather: a batch of mail that lies elsewhere: a mailbox, a Maildir, files with one message
 * each.  So a backlog is taken over from another MTA.
 */
#include "bsmtp/gather.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bsmtp/carry.h"
#include "bsmtp/writer.h"
#include "lib/base/clock.h"
#include "lib/mail/crlf.h"
#include "lib/mail/fromline.h"
#include "lib/mail/header.h"
#include "lib/mail/mbox.h"

enum { PIECE = 65536 };

struct making {
	const struct bsmtp *b;
	const struct format *format;
	struct writer writer;
	struct str sender, text;	/* of the message being read; text has CRLF lines */
	struct crlf crlf;
};

static int
add_text(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct making *m = ctx;
	uint64_t max = m->b->settings.spool.max_size;

	crlf_add(&m->crlf, (struct span){ bytes, len }, &m->text);
	return max == 0 || m->text.len <= max ? 0 :
	    err_set(err, ERR_PERM, "message %llu is larger than the %llu bytes of max-size",
		(unsigned long long)m->writer.count + 1, (unsigned long long)max);
}

/* The address in a field that a delivery has put on top; false: there is none.  The field is
 * one line: a message whose own first line begins with a blank seems to go on with it. */
static bool
address_in(const struct making *m, const char *name, struct span *address)
{
	struct header_field field;

	if (!header_find(str_span(&m->text), name, &field) || !span_cut(&field.value, '\r', address))
		return false;
	if (address->len >= 2 && address->p[0] == '<' && address->p[address->len - 1] == '>')
		*address = (struct span){ address->p + 1, address->len - 2 };
	return true;
}

/* Those of --to; else whom the message was delivered to, as Exim, Postfix and qmail say it. */
static int
add_recipients(const struct making *m, struct envelope *env, struct err *err)
{
	static const char *const names[] = { "Envelope-To", "X-Original-To", "Delivered-To" };
	struct span address;

	for (size_t i = 0; i < m->b->to.count; i++)
		envelope_add(env, span_of(m->b->to.text[i]), (struct span){ "", 0 });
	for (size_t i = 0; i < sizeof names / sizeof names[0] && env->rcpts == 0; i++)
		if (address_in(m, names[i], &address))
			envelope_add(env, address, (struct span){ "", 0 });
	return env->rcpts > 0 ? 0 : usage(err, "no Envelope-To, X-Original-To or Delivered-To in it: "
	    "for whom is it? say --to=ADDRESS");
}

static int
check_fits(const struct making *m, const struct envelope *env, const struct texture *texture, struct err *err)
{
	const struct format *format = m->format;

	if (format->most > 0 && m->writer.count >= format->most)
		return err_set(err, ERR_PERM, "a batch of format %s holds one message", format->name);
	if (!format->binary && texture->binary)
		return err_set(err, ERR_PERM, "it holds bytes that are no text, which format %s cannot carry",
		    format->name);
	if (format->takes == NULL)
		return 0;
	for (size_t i = 0; i < env->rcpts; i++)
		if (!format->takes(str_span(&env->rcpt[i].to)))
			return err_set(err, ERR_PERM, "a recipient that would not be safe on a command line");
	return 0;
}

static int
write_whole(struct making *m, const struct entry_info *info, const struct envelope *env, struct err *err)
{
	return writer_entry(&m->writer, info, env, m->text.len, err) < 0 ||
	    writer_body(&m->writer, m->text.p, m->text.len, err) < 0 ||
	    writer_entry_end(&m->writer, err) < 0 ? -1 : 0;
}

static int
end_message(void *ctx, struct err *err)
{
	struct making *m = ctx;
	struct entry_info info = { .time = clock_now() };
	struct envelope env = {0};
	struct texture texture;
	const char *from = m->b->from != NULL ? m->b->from : str_c(&m->sender);

	crlf_end(&m->crlf, &m->text);
	texture_of(str_span(&m->text), &texture);
	spool_new_id(&info.id);
	envelope_from(&env, span_of(from), texture.eight_header || texture.eight_body ? SPAN("BODY=8BITMIME") :
	    (struct span){ "", 0 });
	int result = add_recipients(m, &env, err);
	if (result == 0)
		result = check_fits(m, &env, &texture, err);
	if (result == 0)
		result = write_whole(m, &info, &env, err);
	envelope_free(&env);
	entry_info_free(&info);
	str_clear(&m->text);
	str_clear(&m->sender);
	return result;
}

static int
begin_of_mbox(void *ctx, struct span from_line, struct err *err)
{
	struct making *m = ctx;
	struct from_path path = {0};

	int result = fromline_take(&path, from_line, err);
	if (result > 0)
		fromline_sender(&path, &m->sender);
	from_path_free(&path);
	return result < 0 ? -1 : 0;
}

static int
read_mbox(struct making *m, int fd, struct err *err)
{
	static const struct mbox_hooks hooks = { begin_of_mbox, add_text, end_message };
	struct mbox mbox;
	char *piece = mem_get(PIECE);
	ssize_t got;
	int result = 0;

	mbox_start(&mbox, &hooks, m);
	while (result == 0 && (got = read(fd, piece, PIECE)) != 0)
		result = got < 0 ? err_sys(err, "reading") : mbox_feed(&mbox, piece, (size_t)got, err);
	if (result == 0)
		result = mbox_end(&mbox, err);
	mbox_free(&mbox);
	free(piece);
	return result;
}

/* A delivered message names its envelope's sender on top. */
static int
sender_of_file(struct making *m, struct err *err)
{
	struct span address;

	if (m->b->from != NULL)
		return 0;
	if (!address_in(m, "Return-Path", &address))
		return usage(err, "no Return-Path in it: who sends it? say --from=ADDRESS");
	str_set_span(&m->sender, address);
	return 0;
}

static int
read_message(struct making *m, int fd, struct err *err)
{
	char *piece = mem_get(PIECE);
	ssize_t got;
	int result = 0;

	while (result == 0 && (got = read(fd, piece, PIECE)) != 0)
		result = got < 0 ? err_sys(err, "reading") : add_text(m, piece, (size_t)got, err);
	free(piece);
	return result < 0 || sender_of_file(m, err) < 0 ? -1 : end_message(m, err);
}

static int
read_input(struct making *m, const char *name, int (*reader)(struct making *, int, struct err *),
    struct err *err)
{
	int fd = strcmp(name, "-") == 0 ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		err_sys(err, "%s", name);
		return err_as(err, EX_NOINPUT, NULL);
	}
	int result = reader(m, fd, err);
	close_batch(fd);
	return result < 0 ? err_prefix(err, "%s", name) : 0;
}

/* A Maildir's new/ and cur/, by name: mostly that is by time. */
static int
read_folder(struct making *m, const char *folder, struct err *err)
{
	struct fs_names names;
	struct str path = {0};
	int result;

	str_printf(&path, "%s/%s", m->b->maildir, folder);
	if (fs_names(AT_FDCWD, str_c(&path), &names, err) < 0) {
		str_free(&path);
		return err_as(err, EX_NOINPUT, NULL);
	}
	result = 0;
	for (size_t i = 0; result == 0 && i < names.count; i++) {
		if (names.name[i][0] == '.')
			continue;
		str_clear(&path);
		str_printf(&path, "%s/%s/%s", m->b->maildir, folder, names.name[i]);
		result = read_input(m, str_c(&path), read_message, err);
	}
	fs_names_free(&names);
	str_free(&path);
	return result;
}

static int
read_inputs(struct making *m, int count, char **args, struct err *err)
{
	int result = m->b->mbox != NULL ? read_input(m, m->b->mbox, read_mbox, err) : 0;

	if (m->b->maildir != NULL && result == 0 && (result = read_folder(m, "cur", err)) == 0)
		result = read_folder(m, "new", err);
	for (int i = 0; i < count && result == 0; i++)
		result = read_input(m, args[i], read_message, err);
	return result < 0 ? -1 : writer_end(&m->writer, err);
}

/* What has no name yet lies where the batch will. */
static int
folder_of_output(const struct bsmtp *b, struct err *err)
{
	const char *temporary = getenv("TMPDIR"), *slash = b->output != NULL ? strrchr(b->output, '/') : NULL;
	struct str path = {0};

	if (slash != NULL)
		str_set_span(&path, (struct span){ b->output, slash > b->output ? (size_t)(slash - b->output) : 1 });
	else if (b->output != NULL && strcmp(b->output, "-") != 0)
		str_set(&path, ".");
	else
		str_set(&path, temporary != NULL && temporary[0] == '/' ? temporary : "/tmp");
	int dir = fs_dir(AT_FDCWD, str_c(&path), err);
	str_free(&path);
	return dir;
}

static int
make_batch(const struct bsmtp *b, int fd, int count, char **args, struct err *err)
{
	struct making m = { .b = b, .format = format_named(b->format != NULL ? b->format : "full", err) };

	if (m.format == NULL)
		return -1;
	const struct codec *codec = m.format->plain ? codec_named("none", err) :
	    b->codec != NULL ? b->codec : codec_named("gz", err);
	struct writer_setup setup = { .format = m.format, .settings = &b->settings,
		.scratch = folder_of_output(b, err) };
	if (setup.scratch < 0)
		return -1;
	int result = b->level != NULL ? codec_level_named(b->level, &setup.pack.level, err) : 0;
	if (result == 0)
		result = writer_start(&m.writer, codec, &setup, fd, err);
	if (result == 0)
		result = read_inputs(&m, count, args, err);
	writer_free(&m.writer);
	close(setup.scratch);
	str_free(&m.sender);
	str_free(&m.text);
	return result;
}

/* The file appears whole or not at all. */
static int
make_file(const struct bsmtp *b, int count, char **args, struct err *err)
{
	struct str fresh = {0};

	str_printf(&fresh, "%s.new", b->output);
	int fd = open(str_c(&fresh), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (fd < 0) {
		err_sys(err, "%s", str_c(&fresh));
		err_as(err, EX_CANTCREAT, NULL);
		str_free(&fresh);
		return -1;
	}
	int result = make_batch(b, fd, count, args, err);
	if (result == 0)
		result = fs_sync(fd, err);
	close(fd);
	if (result == 0)
		result = fs_rename(AT_FDCWD, str_c(&fresh), AT_FDCWD, b->output, err);
	if (result < 0)
		unlink(str_c(&fresh));
	str_free(&fresh);
	return result;
}

int
gather(const struct bsmtp *b, int count, char **args, struct err *err)
{
	if (b->files != (count > 0))
		return usage(err, "pack: files are named behind --files");
	if (b->output == NULL && isatty(STDOUT_FILENO))
		return usage(err, "pack: a batch is no text for a terminal; say -o FILE");
	if (b->output == NULL || strcmp(b->output, "-") == 0)
		return make_batch(b, STDOUT_FILENO, count, args, err);
	return make_file(b, count, args, err);
}
