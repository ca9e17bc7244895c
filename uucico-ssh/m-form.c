#include "uucico-ssh/m-form.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "lib/mail/plain.h"
#include "uucico-ssh/outgoing.h"

enum { PIECE = 65536, SMALL = M_HISTORY_MAX };
enum { DENSE_FROM = 4 << 20, SAMPLES = 16, SAMPLE = 16384 };

/* Of what is behind the text. */
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
	return (size_t)got == len ? 0 : err_set(err, ERR_TEMP, "a body that is shorter than its length says");
}

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

/* --- what is large, step by step --- */

struct forming {
	struct digest digest;
	uint64_t at, len;	/* of what is behind text */
	struct packing packing;
	struct plain plain;
};

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

/* It is packed as long as that goes well. */
static void
take_in(struct form *form, const void *bytes, size_t len)
{
	struct forming *f = form->forming;
	struct err ignored;

	digest_add(&f->digest, bytes, len);
	if (form->scratch >= 0 && plain_feed(&f->plain, bytes, len, &ignored) < 0)
		close_scratch(form);
}

static void
begin_steps(struct form *form, uint64_t len)
{
	struct forming *f = form->forming = mem_get(sizeof *f);

	f->len = len;
	f->packing.form = form;
	digest_start(&f->digest);
	plain_start(&f->plain, PLAIN_PACK, on_packed, &f->packing);
	take_in(form, form->text.p, form->text.len);
}

static void
drop_steps(struct form *form)
{
	struct forming *f = form->forming;

	form->forming = NULL;
	if (f == NULL)
		return;
	digest_free(&f->digest);
	plain_free(&f->plain);
	free(f);
}

static void
end_steps(struct form *form)
{
	struct forming *f = form->forming;
	struct err ignored;

	end_name(form, &f->digest);
	form->packed = form->scratch >= 0 && plain_end(&f->plain, &ignored) == 0 && f->packing.len < form->length;
	if (form->packed) {
		form->length = f->packing.len;
		str_free(&form->text);
	} else {
		close_scratch(form);
	}
	drop_steps(form);
}

bool
form_whole(const struct form *form)
{
	return form->forming == NULL;
}

int
form_step(struct form *form, struct err *err)
{
	struct forming *f = form->forming;
	size_t len = f->len - f->at < PIECE ? (size_t)(f->len - f->at) : PIECE;
	char *piece = mem_get(PIECE);
	int result = len > 0 ? read_behind(form, f->at, piece, len, err) : 0;

	if (result == 0)
		take_in(form, piece, len);
	free(piece);
	f->at += len;
	if (result == 0 && f->at == f->len)
		end_steps(form);
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

	if (read_behind(form, 0, str_room(&form->text, len), len, err) < 0)
		return -1;
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
	*form = (struct form){ .scratch = -1, .fd = m->fd, .body_at = m->entry.body_at };
	head_of(&m->entry, &form->text);
	form->length = form->text.len + m->entry.body_len;
	if (form->length > SMALL) {
		open_scratch(form, spool, form->length);
		begin_steps(form, m->entry.body_len);
		return 0;
	}
	int result = form_small_message(form, m, err);
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
	*form = (struct form){ .scratch = -1, .fd = -1, .job = job };
	job_head(job, &form->text);
	form->length = form->text.len + job->size;
	begin_steps(form, job->size);
	while (!form_whole(form) && form->length <= SMALL)
		if (form_step(form, err) < 0) {
			form_free(form);
			return -1;
		}
	return 0;
}

/* --- reading --- */

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
	drop_steps(form);
	close_scratch(form);
	str_free(&form->text);
	form->fd = -1;
	form->job = NULL;
}
