#include "uucico-ssh/m-form.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/mail/plain.h"
#include "uucico-ssh/outgoing.h"

enum { PIECE = 65536, SMALL = M_HISTORY_MAX };
enum { DENSE_FROM = 4 << 20, SAMPLES = 16, SAMPLE = 16384 };

/* --- names --- */

static void
end_name(struct form *form, struct digest *digest)
{
	unsigned char sum[DIGEST_SIZE];

	digest_end(digest, sum);
	memcpy(form->name, sum, M_NAME);
}

void
form_of_text(struct form *form, struct span text)
{
	struct digest digest = {0};

	*form = (struct form){ .length = text.len, .scratch = -1, .fd = -1 };
	str_add_span(&form->text, text);
	digest_start(&digest);
	digest_add(&digest, text.p, text.len);
	end_name(form, &digest);
}

/* --- packing --- */

struct packing {
	struct form *form;
	uint64_t len;
	struct str small;	/* what comes out, without a scratch file */
};

static int
on_packed(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct packing *p = ctx;

	p->len += len;
	if (p->form->scratch >= 0)
		return fs_write(p->form->scratch, bytes, len, err);
	str_add(&p->small, bytes, len);
	return 0;
}

static void
pack_small(struct form *form)
{
	struct packing p = { .form = form };
	struct plain plain;
	struct err err;

	plain_start(&plain, PLAIN_PACK, on_packed, &p);
	bool fine = plain_feed(&plain, form->text.p, form->text.len, &err) == 0 && plain_end(&plain, &err) == 0;
	plain_free(&plain);
	if (fine && p.len < form->length) {
		str_free(&form->text);
		form->text = p.small;
		form->length = p.len;
		form->packed = true;
		return;
	}
	str_free(&p.small);
}

/* Without a scratch file, or room in it, the message goes as it is. */
static void
open_scratch(struct form *form, const struct spool *spool, uint64_t length)
{
	struct err err;

	if (spool_room(spool, length, &err) == 0)
		form->scratch = fs_scratch(spool->tmp, ".", &err);
}

static void
close_scratch(struct form *form)
{
	if (form->scratch >= 0)
		close(form->scratch);
	form->scratch = -1;
}

/* Names what is read from the message, and packs it as long as that goes well. */
static int
read_body(struct form *form, uint64_t len, struct digest *digest, struct plain *plain, struct err *err)
{
	char *piece = mem_get(PIECE);
	off_t at = form->body_at;
	struct err ignored;
	int result = 0;

	while (len > 0 && result == 0) {
		ssize_t got = fs_pread(form->fd, piece, len < PIECE ? (size_t)len : PIECE, at, err);
		if (got <= 0) {
			result = got < 0 ? -1 : err_set(err, ERR_PERM, "a body that is shorter than its length says");
			break;
		}
		digest_add(digest, piece, (size_t)got);
		if (form->scratch >= 0 && plain_feed(plain, piece, (size_t)got, &ignored) < 0)
			close_scratch(form);
		at += got;
		len -= (uint64_t)got;
	}
	free(piece);
	return result;
}

static int
form_large_message(struct form *form, const struct spool *spool, const struct message *m, struct err *err)
{
	struct packing p = { .form = form };
	struct digest digest = {0};
	struct plain plain;
	struct err ignored;

	form->fd = m->fd;
	form->body_at = m->entry.body_at;
	open_scratch(form, spool, form->length);
	digest_start(&digest);
	digest_add(&digest, form->text.p, form->text.len);
	plain_start(&plain, PLAIN_PACK, on_packed, &p);
	if (form->scratch >= 0 && plain_feed(&plain, form->text.p, form->text.len, &ignored) < 0)
		close_scratch(form);
	int result = read_body(form, m->entry.body_len, &digest, &plain, err);
	end_name(form, &digest);
	form->packed = result == 0 && form->scratch >= 0 && plain_end(&plain, &ignored) == 0 && p.len < form->length;
	plain_free(&plain);
	if (form->packed) {
		form->length = p.len;
		str_free(&form->text);
	} else {
		close_scratch(form);
	}
	str_free(&p.small);
	return result;
}

/* --- a mail --- */

static void
head_of(const struct entry *entry, struct str *out)
{
	struct entry_info told = { .id = entry->info.id, .time = entry->info.time, .grade = entry->info.grade };
	struct envelope env = {0};

	entry_still_waiting(entry, &env);
	entry_head(&told, &env, entry->body_len, out);
	envelope_free(&env);
}

static int
form_small_message(struct form *form, const struct message *m, struct err *err)
{
	size_t len = (size_t)m->entry.body_len;
	struct digest digest = {0};
	ssize_t got = fs_pread(m->fd, str_room(&form->text, len), len, m->entry.body_at, err);

	if (got < (ssize_t)len)
		return got < 0 ? -1 : err_set(err, ERR_PERM, "a body that is shorter than its length says");
	form->text.len += len;
	digest_start(&digest);
	digest_add(&digest, form->text.p, form->text.len);
	end_name(form, &digest);
	pack_small(form);
	return 0;
}

int
form_of_message(struct form *form, const struct spool *spool, const struct message *m, struct err *err)
{
	*form = (struct form){ .scratch = -1, .fd = -1 };
	head_of(&m->entry, &form->text);
	form->length = form->text.len + m->entry.body_len;
	int result = form->length <= SMALL ? form_small_message(form, m, err) :
	    form_large_message(form, spool, m, err);
	if (result < 0)
		form_free(form);
	return result;
}

/* --- a job --- */

static void
job_head(const struct uucp_job *job, struct str *out)
{
	str_printf(out, "job=1 user=%.*s temp=%.*s size=%llu\ncommand ", (int)job->user.len, job->user.p,
	    (int)job->temp.len, job->temp.p, (unsigned long long)job->size);
	str_add_span(out, str_span(&job->command));
	str_add_text(out, "\n\n");
}

int
form_of_job(struct form *form, struct uucp_job *job, struct err *err)
{
	struct digest digest = {0};
	char *piece = mem_get(PIECE);
	int result = 0;

	*form = (struct form){ .scratch = -1, .fd = -1, .job = job };
	job_head(job, &form->text);
	form->length = form->text.len + job->size;
	digest_start(&digest);
	digest_add(&digest, form->text.p, form->text.len);
	for (job->at = 0; job->at < job->size && result == 0;) {
		size_t len = job->size - job->at < PIECE ? (size_t)(job->size - job->at) : PIECE;
		result = outgoing_read(job, piece, len, err);
		digest_add(&digest, piece, len);
		job->at += len;
	}
	end_name(form, &digest);
	free(piece);
	if (result < 0)
		form_free(form);
	return result;
}

/* --- reading --- */

static int
read_behind(const struct form *form, uint64_t at, void *to, size_t len, struct err *err)
{
	if (form->job != NULL) {
		form->job->at = at;
		return outgoing_read(form->job, to, len, err);
	}
	ssize_t got = fs_pread(form->fd, to, len, form->body_at + (off_t)at, err);
	if (got < 0)
		return -1;
	return (size_t)got == len ? 0 : err_set(err, ERR_TEMP, "the message became shorter");
}

int
form_read(const struct form *form, uint64_t at, void *to, size_t len, struct err *err)
{
	if (at > form->length || len > form->length - at)
		return err_set(err, ERR_TEMP, "more is read of an object than there is");
	if (form->scratch >= 0) {
		ssize_t got = fs_pread(form->scratch, to, len, (off_t)at, err);
		return got == (ssize_t)len ? 0 : got < 0 ? -1 : err_set(err, ERR_TEMP, "a scratch file became shorter");
	}
	size_t first = at < form->text.len ? form->text.len - (size_t)at : 0;
	if (first > len)
		first = len;
	if (first > 0)
		memcpy(to, form->text.p + at, first);
	return first == len ? 0 :
	    read_behind(form, at + first - form->text.len, (char *)to + first, len - first, err);
}

bool
form_large(const struct form *form)
{
	return form->text.len < form->length;
}

/* Samples are compressed, from all over it: what one finds in all of them, the whole has. */
bool
form_dense(const struct form *form)
{
	char *piece, *packed;
	size_t room = ZSTD_compressBound(SAMPLE), all = 0, left = 0;
	struct err ignored;

	if (form->length < DENSE_FROM)
		return false;
	piece = mem_get(SAMPLE);
	packed = mem_get(room);
	for (uint64_t i = 0; i < SAMPLES; i++) {
		size_t got = (size_t)-1;
		if (form_read(form, i * (form->length / SAMPLES), piece, SAMPLE, &ignored) == 0)
			got = ZSTD_compress(packed, room, piece, SAMPLE, 1);
		all += SAMPLE;
		left += ZSTD_isError(got) ? 0 : got;
	}
	free(piece);
	free(packed);
	return left >= all - all / 100;
}

void
form_free(struct form *form)
{
	close_scratch(form);
	str_free(&form->text);
	form->fd = -1;
	form->job = NULL;
}
