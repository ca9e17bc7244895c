/* pack: what waits for a site, a mailbox, or files become batches. */
#include "bsmtp/bsmtp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bsmtp/writer.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/crlf.h"
#include "lib/mail/fromline.h"
#include "lib/mail/header.h"
#include "lib/mail/mbox.h"
#include "lib/mail/utf8.h"
#include "spool/queue.h"

enum { PIECE = 65536 };

/* from the spool */

struct packing {
	const struct site_settings *site;
	const struct spool *spool;
	const struct codec *codec;
	enum codec_level level;
	struct queue queue;
	struct batch batch;
	struct writer writer;
	bool open;
};

static int
begin_batch(struct packing *p, struct err *err)
{
	if (spool_room(p->spool, p->site->batch_size, err) < 0 ||
	    batch_new(&p->batch, p->spool, p->site->name, err) < 0)
		return -1;
	p->open = true;
	struct writer_setup setup = { .pack.level = p->level, .scratch = p->spool->tmp };
	return writer_start(&p->writer, p->codec, &setup, p->batch.fd, err);
}

/* Those who have it already, or never will, are not told to the peer. */
static void
still_waiting(const struct entry *entry, struct envelope *env)
{
	envelope_from(env, str_span(&entry->env.from), str_span(&entry->env.args));
	for (size_t i = 0; i < entry->env.rcpts; i++)
		if (entry->status[i].state < RCPT_DONE)
			envelope_add(env, str_span(&entry->env.rcpt[i].to), str_span(&entry->env.rcpt[i].args));
}

static int
pack_message(struct packing *p, struct message *m, struct err *err)
{
	const struct entry *entry = &m->entry;
	struct envelope env = {0};
	int result = 0;

	still_waiting(entry, &env);
	if (env.rcpts > 0 && (batch_pick(&p->batch, m, err) < 0 ||
	    writer_entry(&p->writer, &entry->info, &env, entry->body_len, err) < 0 ||
	    writer_body_of(&p->writer, m->fd, entry->body_at, entry->body_len, err) < 0))
		result = err_prefix(err, "%s", str_c(&m->id));
	else if (env.rcpts > 0)
		spool_event(p->spool, str_c(&m->id), "event=packed site=%s batch=%s bytes=%llu",
		    p->site->name, str_c(&p->batch.name), (unsigned long long)entry->body_len);
	envelope_free(&env);
	return result;
}

static int
offer_batch(struct packing *p, struct err *err)
{
	if (writer_end(&p->writer, err) < 0 || batch_offer(&p->batch, err) < 0)
		return -1;
	log_info("event=batch site=%s batch=%s messages=%llu bytes=%llu packed=%llu", p->site->name,
	    str_c(&p->batch.name), (unsigned long long)p->writer.count,
	    (unsigned long long)p->writer.raw, (unsigned long long)p->writer.packed);
	writer_free(&p->writer);
	batch_close(&p->batch);
	p->open = false;
	return 0;
}

/* What was picked goes back to out/; the reason stays what it was. */
static void
give_up_batch(struct packing *p)
{
	struct err ignored;

	if (!p->open)
		return;
	writer_free(&p->writer);
	batch_undo(&p->batch, &ignored);
	batch_close(&p->batch);
	p->open = false;
}

static int
pack_queue(struct packing *p, struct err *err)
{
	struct message m;
	int got, result = 0;

	while (result == 0 && (got = queue_next(&p->queue, &m, err)) != 0) {
		if (got < 0)
			return -1;
		if (!p->open)
			result = begin_batch(p, err);
		if (result == 0)
			result = pack_message(p, &m, err);
		message_close(&m);
		if (result == 0 && (p->writer.raw >= p->site->batch_size ||
		    p->writer.count >= p->site->batch_count))
			result = offer_batch(p, err);
	}
	return result == 0 && p->open ? offer_batch(p, err) : result;
}

static int
pack_from_spool(const struct bsmtp *b, const struct spool *spool, const char *site, struct err *err)
{
	struct packing p = { .site = settings_site(&b->settings, site), .spool = spool };
	struct settled settled;

	if (p.site == NULL)
		return err_set(err, ERR_CONFIG, "there is no [site %.40s] in mochila.conf", site);
	p.codec = b->codec != NULL ? b->codec : codec_named(p.site->codec, err);
	if (p.codec == NULL || codec_level_named(b->level != NULL ? b->level : p.site->level, &p.level, err) < 0)
		return err_prefix(err, "[site %s]", site);
	if (spool_settle(spool, &settled, err) < 0)
		log_warn("event=unsettled why=\"%s\"", err->text);
	if (queue_open(&p.queue, spool, site, false, err) < 0)
		return -1;
	int result = pack_queue(&p, err);
	give_up_batch(&p);
	queue_close(&p.queue);
	return result < 0 ? err_prefix(err, "packing for %s", site) : 0;
}

static int
pack_site(const struct bsmtp *b, const char *site, struct err *err)
{
	struct spool spool;

	if (spool_open(&spool, &b->settings, false, err) < 0)
		return -1;
	int result = pack_from_spool(b, &spool, site, err);
	spool_close(&spool);
	return result;
}

/* from a mailbox or files, to a file */

struct making {
	const struct bsmtp *b;
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

static int
end_message(void *ctx, struct err *err)
{
	struct making *m = ctx;
	struct entry_info info = { .time = clock_now() };
	struct envelope env = {0};
	const char *from = m->b->from != NULL ? m->b->from : str_c(&m->sender);

	crlf_end(&m->crlf, &m->text);
	spool_new_id(&info.id);
	envelope_from(&env, span_of(from), utf8_is_ascii(str_span(&m->text)) ?
	    (struct span){ "", 0 } : SPAN("BODY=8BITMIME"));
	for (size_t i = 0; i < m->b->to.count; i++)
		envelope_add(&env, span_of(m->b->to.text[i]), (struct span){ "", 0 });
	int result = writer_entry(&m->writer, &info, &env, m->text.len, err);
	if (result == 0)
		result = writer_body(&m->writer, m->text.p, m->text.len, err);
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
	struct header_field field;

	if (m->b->from != NULL)
		return 0;
	if (!header_find(str_span(&m->text), "Return-Path", &field))
		return usage(err, "no Return-Path in it: who sends it? say --from=ADDRESS");
	struct span path = field.value;
	if (path.len >= 2 && path.p[0] == '<' && path.p[path.len - 1] == '>')
		path = (struct span){ path.p + 1, path.len - 2 };
	str_set_span(&m->sender, path);
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

static int
read_inputs(struct making *m, int count, char **args, struct err *err)
{
	int result = m->b->mbox != NULL ? read_input(m, m->b->mbox, read_mbox, err) : 0;

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
	struct making m = { .b = b };
	const struct codec *codec = b->codec != NULL ? b->codec : codec_named("gz", err);
	struct writer_setup setup = { .scratch = folder_of_output(b, err) };

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
pack(const struct bsmtp *b, int count, char **args, struct err *err)
{
	bool made = b->mbox != NULL || b->files;

	if (!made)
		return count == 1 ? pack_site(b, args[0], err) :
		    usage(err, "pack: which site? (or --mbox=FILE, --files FILE...)");
	if (b->to.count == 0)
		return usage(err, "pack: to whom? say --to=ADDRESS");
	if (b->files != (count > 0))
		return usage(err, "pack: files are named behind --files");
	if (b->output == NULL && isatty(STDOUT_FILENO))
		return usage(err, "pack: a batch is no text for a terminal; say -o FILE");
	if (b->output == NULL || strcmp(b->output, "-") == 0)
		return make_batch(b, STDOUT_FILENO, count, args, err);
	return make_file(b, count, args, err);
}
