/*
 * Fuzz target: the spool's file format, and the reports made of what it says.
 *
 * Held: an entry that is taken can be written and is read back the same; reading never
 * goes beyond the file or back; a report of anything has CRLF lines of a lawful length
 * and cannot be ended from within.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "lib/mail/dsn.h"
#include "spool/entry.h"
#include "tests/fuzz/fuzz.h"

static int
file_of(struct span bytes)
{
	struct err err;
	int fd = memfd_create("entry", MFD_CLOEXEC);

	HOLD(fd >= 0 && fs_write(fd, bytes.p, bytes.len, &err) == 0);
	return fd;
}

/* The same head once more, around an empty body. */
static void
write_again(const struct entry *entry)
{
	struct str text = {0}, head = {0};
	unsigned char sum[DIGEST_SIZE];
	struct entry again;
	struct err err;
	off_t at = 0;

	if (entry_check_envelope(&entry->env, &err) < 0)
		return;		/* what nobody may write */
	entry_head(&entry->info, &entry->env, 0, &head);
	digest_of("", 0, sum);
	str_add_span(&text, str_span(&head));
	entry_end_line(str_span(&head), sum, &text);
	int fd = file_of(str_span(&text));
	HOLD(entry_read(fd, &at, true, &again, &err) == 1);
	HOLD(at == (off_t)text.len);
	HOLD(span_same(str_span(&again.env.from), str_span(&entry->env.from)));
	HOLD(again.env.rcpts == entry->env.rcpts);
	for (size_t i = 0; i < again.env.rcpts; i++)
		HOLD(span_same(str_span(&again.env.rcpt[i].to), str_span(&entry->env.rcpt[i].to)));
	entry_free(&again);
	close(fd);
	str_free(&text);
	str_free(&head);
}

static void
report_of(const struct entry *entry, struct span original)
{
	struct dsn_rcpt *list = mem_get(entry->env.rcpts * sizeof *list);
	struct str out = {0};

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		list[i] = (struct dsn_rcpt){ .final = str_span(&entry->env.rcpt[i].to),
			.reply = str_span(&entry->status[i].reply), .remote = str_span(&entry->status[i].via) };
		if (!envelope_arg(str_span(&entry->env.rcpt[i].args), "ORCPT", &list[i].orcpt))
			list[i].orcpt.p = NULL;
	}
	struct dsn dsn = { .kind = DSN_FAILURE, .host = SPAN("hub.example"), .from = SPAN("a@b"),
		.to = str_span(&entry->env.from), .id = SPAN("1"), .original_id = str_span(&entry->info.id),
		.now = 1, .arrived = entry->info.time, .rcpt = list, .rcpts = entry->env.rcpts,
		.original = original, .full = original.len % 2 == 0 };
	dsn_write(&dsn, &out);
	size_t line = 0;
	for (size_t i = 0; i < out.len; i++) {
		HOLD(out.p[i] != '\0' && (out.p[i] != '\n' || out.p[i - 1] == '\r'));
		line = out.p[i] == '\n' ? 0 : line + 1;
		HOLD(line <= 5 * 1000);	/* an address may be longer than a line ought to be */
	}
	str_free(&out);
	free(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span bytes = { (const char *)data, size };
	int fd = file_of(bytes);
	off_t at = 0, before = -1;
	struct entry entry;
	struct err err;

	while (before < at) {
		before = at;
		if (entry_read(fd, &at, false, &entry, &err) <= 0)
			break;
		HOLD(at <= (off_t)size && entry.body_at + (off_t)entry.body_len <= at);
		write_again(&entry);
		report_of(&entry, span_to(span_from(bytes, (size_t)entry.body_at), (size_t)entry.body_len));
		entry_free(&entry);
	}
	close(fd);
	return 0;
}
