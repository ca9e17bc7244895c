#include "bsmtp/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/mail/utf8.h"
#include "spool/dictionary.h"

enum { PIECE = 65536 };

/* hooks of the dialogue */

static int
keep(struct reader *r, int result, const struct err *err)
{
	if (result < 0)
		r->err = *err;
	return result < 0 ? -1 : 0;
}

/* Old sites know of no parameter: an address beyond ASCII is enough said. */
static void
complete(struct reader *r, const struct envelope *env)
{
	struct span ignored;
	bool plain = utf8_is_ascii(str_span(&env->from));

	envelope_copy(&r->env, env);
	for (size_t i = 0; i < env->rcpts; i++)
		plain = plain && utf8_is_ascii(str_span(&env->rcpt[i].to));
	if (!plain && !envelope_arg(str_span(&env->args), "SMTPUTF8", &ignored))
		str_add_text(&r->env.args, env->args.len > 0 ? " SMTPUTF8" : "SMTPUTF8");
}

static int
on_begin(void *ctx, const struct envelope *env, struct err *err)
{
	struct reader *r = ctx;

	r->at_proof = r->quit = false;
	r->begun = true;
	r->messages++;
	r->entries += r->said;
	if (r->hooks->begin == NULL)
		return 0;
	complete(r, env);
	r->refused.all = r->mail_reply.len > 0 ? str_c(&r->mail_reply) : NULL;
	return keep(r, r->hooks->begin(r->ctx, r->said ? &r->info : NULL, &r->env, &r->refused, err), err);
}

static int
on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct reader *r = ctx;

	return r->hooks->body == NULL ? 0 : keep(r, r->hooks->body(r->ctx, bytes, len, err), err);
}

static int
on_end(void *ctx, struct err *err)
{
	struct reader *r = ctx;

	r->said = r->begun = false;
	return r->hooks->end == NULL ? 0 : keep(r, r->hooks->end(r->ctx, err), err);
}

static void
on_noop(void *ctx, struct span text)
{
	struct reader *r = ctx;
	struct str line = {0};
	struct err err = {0};

	r->at_proof = trailer_noop(text);
	str_add_text(&line, "NOOP ");
	str_add_span(&line, text);
	int said = entry_parse_info(str_span(&line), &r->info, &err);
	str_free(&line);
	keep(r, said, &err);
	r->said = said > 0 || (r->said && said == 0);
}

static void
on_quit(void *ctx)
{
	struct reader *r = ctx;

	r->quit = true;
}

static void
refused_free(struct reader_refused *refused)
{
	for (size_t i = 0; i < refused->rcpts; i++) {
		str_free(&refused->rcpt[i].to);
		str_free(&refused->rcpt[i].reply);
	}
	free(refused->rcpt);
	*refused = (struct reader_refused){0};
}

/* Bounded memory, whatever an envelope holds: it must fit an entry. */
static int
grow(struct reader *r, size_t bytes, struct err *err)
{
	enum { AROUND = 32 };	/* "RCPT TO:<>" and its kind */

	r->head += bytes + AROUND;
	if (r->head <= ENTRY_HEAD_MAX)
		return 0;
	err_set(err, ERR_PERM, "line %llu: an envelope of more than %d bytes", (unsigned long long)r->line,
	    ENTRY_HEAD_MAX);
	return keep(r, -1, err);
}

/* Whom a batch is from and to is its reader's question, not the dialogue's. */
static int
on_mail(void *ctx, const struct envelope *env, uint64_t size, struct err *err)
{
	struct reader *r = ctx;

	(void)size;
	refused_free(&r->refused);
	str_clear(&r->mail_reply);
	r->head = 0;
	return grow(r, env->from.len + env->args.len, err);
}

static int
on_rcpt(void *ctx, const struct envelope *env, const struct rcpt *rcpt, struct err *err)
{
	(void)env;
	return grow(ctx, rcpt->to.len + rcpt->args.len, err);
}

/* What stands behind RCPT, as far as an envelope can hold it. */
static void
plain_address(struct span text, struct str *out)
{
	enum { SHOWN = 500 };

	if (span_begins_case(text, "TO:"))
		text = span_trim(span_from(text, 3));
	if (text.len > 0 && text.p[0] == '<')
		text = span_from(text, 1);
	const char *end = text.len > 0 ? memchr(text.p, '>', text.len) : NULL;
	text = span_to(text, end != NULL ? (size_t)(end - text.p) : text.len);
	for (size_t i = 0; i < text.len && i < SHOWN; i++) {
		char c = text.p[i];
		bool fits = c >= ' ' && c < 0x7f && strchr("\"\\<>", c) == NULL;
		str_add_char(out, fits ? c : '?');
	}
}

static void
add_refused(struct reader *r, struct span args, struct span reply)
{
	struct reader_refused *refused = &r->refused;

	refused->rcpt = mem_resize(refused->rcpt, refused->rcpts + 1, sizeof *refused->rcpt);
	struct refused_rcpt *one = &refused->rcpt[refused->rcpts++];
	*one = (struct refused_rcpt){0};
	plain_address(args, &one->to);
	str_set_span(&one->reply, reply);
}

static void
on_bad(void *ctx, bool rcpt, struct span args, const struct err *why)
{
	struct reader *r = ctx;
	struct str reply = {0};
	struct err err = {0};

	err_reply(why, &reply);
	str_printf(&reply, " (line %llu of the batch)", (unsigned long long)r->line);
	if (!rcpt) {
		refused_free(&r->refused);
		r->head = 0;
		str_set_span(&r->mail_reply, str_span(&reply));
	} else if (grow(r, args.len + reply.len, &err) == 0) {
		add_refused(r, args, str_span(&reply));
	}
	str_free(&reply);
}

/* EHLO or RSET between two chunks: what was begun does not end. */
static void
on_abort(void *ctx)
{
	struct reader *r = ctx;

	if (r->begun && r->err.kind == ERR_NONE)
		err_set(&r->err, ERR_PERM, "cut: message %llu is broken off at line %llu",
		    (unsigned long long)r->messages, (unsigned long long)r->line);
}

static const struct smtp_server_hooks dialogue = {
	.mail = on_mail, .rcpt = on_rcpt, .abort = on_abort,
	.begin = on_begin, .body = on_body, .end = on_end, .noop = on_noop, .quit = on_quit,
	.bad = on_bad,
};

/* what the dialogue answered */

/* Words that belong to a live session.  A batch that holds one loses nothing when
 * it is passed over. */
static bool
passed_over(const struct reader *r)
{
	static const char *const words[] = {
		"ATRN", "AUTH", "ETRN", "EXPN", "HELP", "STARTTLS", "TICK", "TURN", "VERB", "VRFY",
	};
	struct span line = { r->word, r->word_len }, word = span_word(&line);

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (span_is_case(word, words[i]))
			return true;
	return false;
}

static int
check_replies(struct reader *r, struct err *err)
{
	struct span replies = str_span(&r->server.out), reply;

	if (r->err.kind != ERR_NONE) {
		*err = r->err;
		return -1;
	}
	while (span_cut(&replies, '\n', &reply)) {
		if (reply.len == 0 || (reply.p[0] != '4' && reply.p[0] != '5') || passed_over(r))
			continue;
		struct str shown = {0};
		log_escape(&shown, span_trim(reply), 200);
		err_set(err, ERR_PERM, "line %llu: %s", (unsigned long long)r->line, str_c(&shown));
		str_free(&shown);
		return -1;
	}
	str_clear(&r->server.out);
	return 0;
}

/* lines */

static bool
between_commands(const struct reader *r)
{
	return r->server.mode == SMTP_COMMANDS && !r->in_line;
}

/* A line's bytes up to its LF, or a part of it; of a chunk many lines, which are nobody's matter
 * here but for their number. */
static int
feed_piece(struct reader *r, const char *bytes, size_t len, struct err *err)
{
	bool ended = bytes[len - 1] == '\n', commands = r->server.mode == SMTP_COMMANDS;

	if (!r->in_line || !commands)
		r->word_len = 0;
	for (size_t i = 0; i < len && commands && r->word_len < sizeof r->word; i++)
		r->word[r->word_len++] = bytes[i] > ' ' ? bytes[i] : ' ';
	smtp_server_feed(&r->server, bytes, len);
	/* A chunk need not end in a line end: what is unread tells where we are. */
	r->in_line = r->server.mode == SMTP_COMMANDS ? r->server.in.len > 0 : !ended;
	if (check_replies(r, err) < 0)
		return -1;
	r->line += commands ? ended : span_count((struct span){ bytes, len }, '\n');
	return 0;
}

/* Takes off what may stand between commands and is none: blank lines, and a first line
 * "#! rsmtp". */
static size_t
skip(struct reader *r, const char *bytes, size_t len)
{
	size_t n = 0;

	if (r->line == 1 && !r->in_line && r->word_len == 0 && bytes[0] == '#')
		r->comment = true;
	if (r->comment) {
		while (n < len && bytes[n] != '\n')
			n++;
		r->comment = n == len;
	}
	while (n < len && between_commands(r) && (bytes[n] == '\r' || bytes[n] == '\n'))
		r->line += bytes[n++] == '\n';
	return n;
}

/* A line, or what there is of a chunk: what is behind that is a line of its own. */
static size_t
next_piece(const struct reader *r, struct span rest)
{
	uint64_t chunk = smtp_server_chunk(&r->server);

	if (chunk > 0)
		return chunk < rest.len ? (size_t)chunk : rest.len;
	const char *end = memchr(rest.p, '\n', rest.len);
	return end != NULL ? (size_t)(end - rest.p) + 1 : rest.len;
}

static int
take_text(struct reader *r, const char *bytes, size_t len, struct err *err)
{
	struct span rest = { bytes, len };

	if (r->hooks->text != NULL && r->hooks->text(r->ctx, bytes, len, err) < 0)
		return -1;
	for (;;) {
		rest = span_from(rest, skip(r, rest.p, rest.len));
		if (rest.len == 0)
			return 0;
		if (r->quit && r->at_proof)
			return err_set(err, ERR_PERM, "line %llu: more after QUIT", (unsigned long long)r->line);
		size_t piece = next_piece(r, rest);
		if (feed_piece(r, rest.p, piece, err) < 0)
			return -1;
		rest = span_from(rest, piece);
	}
}

static void *
past_of(struct reader *r)
{
	return r->past != NULL ? r->past : r->ctx;
}

/* Two ways to it: vouched for by a trailer behind it, or by a label in front. */

static int
take_unlabelled(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct reader *r = ctx;

	trailer_add(&r->trailer, bytes, len);
	return take_text(r, bytes, len, err);
}

static int
take_labelled(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct reader *r = ctx;

	r->raw += len;
	if (r->raw > r->label.len)
		return err_set(err, ERR_PERM, "altered: it holds more than the %llu bytes its label says",
		    (unsigned long long)r->label.len);
	digest_add(&r->digest, bytes, len);
	return take_text(r, bytes, len, err);
}

static int
take_travelled(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct reader *r = ctx;

	if (r->hooks->travelled != NULL && r->hooks->travelled(past_of(r), bytes, len, err) < 0)
		return -1;
	return plain_feed(&r->plain, bytes, len, err);
}

/* the label */

/* Each byte that travels is worth one delivered, or half of one (plain.h). */
static uint64_t
most_travelled(uint64_t len)
{
	return len < UINT64_MAX / 2 - 1024 ? 2 * len + 1024 : UINT64_MAX;
}

static int
find_dictionary(struct reader *r, struct codec_setup *setup, struct err *err)
{
	if (r->label.dictionary > 0 && dictionary_load(r->label.dictionary, &r->dictionary, err) < 0)
		return err_prefix(err, "its sender must pack it again with codec zstd-plain");
	setup->dictionary = str_span(&r->dictionary);
	return 0;
}

static int
find_history(struct reader *r, struct codec_setup *setup, struct err *err)
{
	if (!r->label.has_ref)
		return 0;
	if (r->hooks->history != NULL)
		return r->hooks->history(past_of(r), &r->label, setup, err);
	return label_without(&r->label, " that is not here: its sender must pack it again with codec zstd-plain", err);
}

/* Takes the label off r->first. */
static int
take_label(struct reader *r, struct codec_setup *setup, struct err *err)
{
	struct span rest = str_span(&r->first);
	int got = label_take(&rest, &r->label, err);

	if (got == 0)
		return err_set(err, ERR_PERM, rest.len < LABEL_MAX ? "cut: the batch ends inside its label" :
		    "altered: its label has no end");
	if (got < 0)
		return -1;
	if (r->max > 0 && r->label.len > r->max)
		return err_set(err, ERR_PERM, "it holds %llu bytes, and %llu are taken here (max-batch-unpacked)",
		    (unsigned long long)r->label.len, (unsigned long long)r->max);
	r->labelled = true;
	r->codec = r->label.codec;
	setup->max = most_travelled(r->label.len);
	setup->bare = r->label.version > 1;
	setup->brief = r->label.brief;
	setup->tables = r->label.tables;
	setup->first = r->label.first;
	str_cut(&r->first, r->first.len - rest.len);
	return find_dictionary(r, setup, err) < 0 ? -1 : find_history(r, setup, err);
}

/* the whole */

void
reader_start(struct reader *r, const struct codec *codec, uint64_t max,
    const struct reader_hooks *hooks, void *ctx)
{
	static const struct smtp_server_options options = { .host = "batch", .batch = true,
		.max_recipients = 1 << 20 };

	*r = (struct reader){ .hooks = hooks, .ctx = ctx, .codec = codec, .max = max, .line = 1 };
	smtp_server_start(&r->server, &options, &dialogue, r);
	/* A batch may come without HELO, and has ESMTP parameters all the same. */
	smtp_server_feed(&r->server, "EHLO batch\r\n", 12);
	str_clear(&r->server.out);
	trailer_start(&r->trailer);
	plain_start(&r->plain, PLAIN_UNPACK, take_labelled, r);
	digest_start(&r->digest);
}

/* A codec that was said, and has no label, is believed. */
static bool
at_label(const struct reader *r)
{
	return (r->codec == NULL || r->codec->label != NULL) && label_begins(str_span(&r->first));
}

static bool
can_start(const struct reader *r)
{
	struct span bytes = str_span(&r->first);
	struct label label;
	struct err ignored;

	if (!at_label(r))
		return r->first.len >= CODEC_MAGIC_MAX;
	return r->first.len >= LABEL_MAX || label_take(&bytes, &label, &ignored) != 0;
}

static int
start_decoding(struct reader *r, struct err *err)
{
	struct codec_setup setup = { .max = r->max };

	r->decoding = true;
	if (at_label(r) && take_label(r, &setup, err) < 0)
		return -1;
	if (r->codec == NULL)
		r->codec = codec_of_magic(str_span(&r->first));
	if (codec_start(&r->decode, r->codec, CODEC_UNPACK, &setup,
	    r->labelled ? take_travelled : take_unlabelled, r, err) < 0)
		return -1;
	return codec_feed(&r->decode, r->first.p, r->first.len, err);
}

int
reader_feed(struct reader *r, const void *bytes, size_t len, struct err *err)
{
	if (r->decoding)
		return codec_feed(&r->decode, bytes, len, err);
	str_add(&r->first, bytes, len);
	return can_start(r) ? start_decoding(r, err) : 0;
}

static int
check_whole(const struct reader *r, struct err *err)
{
	unsigned long long line = (unsigned long long)r->line;

	if (r->server.mode != SMTP_COMMANDS)
		return err_set(err, ERR_PERM, "cut: the batch ends inside message %llu (line %llu)",
		    (unsigned long long)r->messages, line);
	if (r->in_line || r->comment)
		return err_set(err, ERR_PERM, "cut: the batch ends inside line %llu", line);
	if (r->server.env.begun || r->said)
		return err_set(err, ERR_PERM, "cut: the batch ends inside an envelope (line %llu)", line);
	return 0;
}

/* The text by itself would be no batch, so a reader of it gets a trailer. */
static int
check_label(struct reader *r, struct err *err)
{
	struct str lines = {0};
	int result = 0;

	digest_peek(&r->digest, r->sum);
	if (r->label.count != r->messages || r->label.len != r->raw ||
	    !label_vouches(&r->label, r->sum))
		return err_set(err, ERR_PERM, "altered: its bytes are not those its label vouches for");
	trailer_lines(r->messages, &r->digest, &lines);
	if (r->hooks->text != NULL)
		result = r->hooks->text(r->ctx, lines.p, lines.len, err);
	str_free(&lines);
	return result;
}

static int
check_trailer(struct reader *r, struct err *err)
{
	uint64_t count = 0;
	int proved = r->at_proof && r->quit ? trailer_end(&r->trailer, &count, err) : 0;

	if (proved < 0)
		return -1;
	if (proved > 0 && count != r->messages)
		return err_set(err, ERR_PERM, "altered: it holds %llu messages, its trailer says %llu",
		    (unsigned long long)r->messages, (unsigned long long)count);
	if (proved == 0 && (r->entries > 0 || r->at_proof))
		return err_set(err, ERR_PERM, "cut: its trailer is missing");
	if (proved == 0 && r->messages == 0)
		return err_set(err, ERR_PERM, "no batch: there is no message in it");
	return 0;
}

int
reader_end(struct reader *r, struct err *err)
{
	if (!r->decoding && start_decoding(r, err) < 0)
		return -1;
	if (codec_end(&r->decode, err) < 0 || plain_end(&r->plain, err) < 0 || check_whole(r, err) < 0)
		return -1;
	return r->labelled ? check_label(r, err) : check_trailer(r, err);
}

void
reader_free(struct reader *r)
{
	smtp_server_free(&r->server);
	codec_free(&r->decode);
	plain_free(&r->plain);
	trailer_free(&r->trailer);
	digest_free(&r->digest);
	entry_info_free(&r->info);
	envelope_free(&r->env);
	refused_free(&r->refused);
	str_free(&r->mail_reply);
	str_free(&r->first);
	str_free(&r->dictionary);
}

int
reader_run(struct reader *r, int fd, struct err *err)
{
	char piece[PIECE];

	for (;;) {
		ssize_t got = read(fd, piece, sizeof piece);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(err, "reading the batch");
		if (got == 0)
			return reader_end(r, err);
		if (reader_feed(r, piece, (size_t)got, err) < 0)
			return -1;
	}
}
