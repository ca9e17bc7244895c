#include "spool/report.h"

#include <stdlib.h>

#include "lib/base/clock.h"
#include "lib/mail/dsn.h"
#include "spool/route.h"

/* Is this recipient in the report of that kind? */
static bool
in_report(const struct entry *entry, size_t i, enum dsn_kind kind)
{
	const struct rcpt_status *status = &entry->status[i];
	bool due = kind == DSN_DELAY ? entry->delay_due && status->state < RCPT_DONE : status->due == kind;

	return due && dsn_wanted(str_span(&entry->env.rcpt[i].args), kind);
}

/* The host in "smtp:HOST:PORT"; what is of this host is no remote one. */
static struct span
remote_of(struct span via)
{
	struct span rest = via, word;

	if (!span_begins(via, "smtp:") && !span_begins(via, "smtps:") && !span_begins(via, "lmtp:"))
		return (struct span){ "", 0 };
	span_cut(&rest, ':', &word);
	if (rest.len > 0 && rest.p[0] == '%')	/* a socket's path */
		return (struct span){ "", 0 };
	size_t len = rest.len;
	while (len > 0 && rest.p[len - 1] != ':')
		len--;
	return span_to(rest, len > 0 ? len - 1 : rest.len);
}

static size_t
report_rcpts(const struct entry *entry, enum dsn_kind kind, struct dsn_rcpt *list)
{
	size_t count = 0;

	for (size_t i = 0; i < entry->env.rcpts; i++) {
		const struct rcpt *rcpt = &entry->env.rcpt[i];
		if (!in_report(entry, i, kind))
			continue;
		struct dsn_rcpt *one = &list[count++];
		*one = (struct dsn_rcpt){ .final = str_span(&rcpt->to), .reply = str_span(&entry->status[i].reply),
			.remote = remote_of(str_span(&entry->status[i].via)),
			.last_attempt = entry->status[i].at };
		if (!envelope_arg(str_span(&rcpt->args), "ORCPT", &one->orcpt))
			one->orcpt.p = NULL;
	}
	return count;
}

/* As much of the original as the report will show. */
static int
read_original(const struct spool *spool, int fd, const struct entry *entry, bool *full, struct str *text,
    struct err *err)
{
	enum { HEADER_MOST = 256 << 10 };
	struct span ret, ignored;
	uint64_t most = spool->settings->spool.bounce_size;

	*full = envelope_arg(str_span(&entry->env.args), "RET", &ret) && span_is_case(ret, "FULL") &&
	    entry->body_len <= most &&
	    !envelope_arg(str_span(&entry->env.args), "REQUIRETLS", &ignored);	/* RFC 8689 5: it goes back in the open */
	size_t want = *full || entry->body_len < HEADER_MOST ? (size_t)entry->body_len : HEADER_MOST;
	ssize_t got = fs_pread(fd, str_room(text, want), want, entry->body_at, err);
	if (got < 0)
		return -1;
	text->len = (size_t)got;
	return 0;
}

static bool
is_utf8(const struct entry *entry)
{
	struct span value;
	return envelope_arg(str_span(&entry->env.args), "SMTPUTF8", &value);
}

/* Of the first who still waits, where he is waited for. */
static int64_t
given_up_after(const struct spool *spool, const struct entry *entry)
{
	struct str folder = {0};
	size_t first = 0;

	while (first < entry->env.rcpts && entry->status[first].state >= RCPT_DONE)
		first++;
	if (first == entry->env.rcpts)
		return 0;
	struct route_match match = route_find(spool->settings, str_span(&entry->env.rcpt[first].to));
	if (route_waits(match.kind))
		route_folder(&match, &folder);
	int64_t limit = settings_patience(spool->settings, str_c(&folder), entry->info.grade).expire_after;
	str_free(&folder);
	return limit;
}

static void
write_text(const struct spool *spool, const struct entry *entry, enum dsn_kind kind,
    const struct dsn_rcpt *list, size_t count, bool full, struct span original, struct report *report)
{
	const struct spool_settings *set = &spool->settings->spool;
	const int64_t limit = given_up_after(spool, entry);
	struct str from = {0}, args = {0};

	if (set->bounce_from[0] != '\0')
		str_add_text(&from, set->bounce_from);
	else
		str_printf(&from, "postmaster@%s", set->host);
	struct dsn dsn = {
		.kind = kind, .host = span_of(set->host), .from = str_span(&from),
		.to = str_span(&entry->env.from), .id = str_span(&report->info.id),
		.original_id = str_span(&entry->info.id), .now = report->info.time,
		.arrived = entry->info.time, .until = limit > 0 ? entry->info.time + limit : 0,
		.rcpt = list, .rcpts = count, .original = original, .full = full, .utf8 = is_utf8(entry),
	};
	if (!envelope_arg(str_span(&entry->env.args), "ENVID", &dsn.envid))
		dsn.envid.p = NULL;
	if (dsn_write(&dsn, &report->text))
		str_add_text(&args, "BODY=8BITMIME");
	if (dsn.utf8)
		str_add_text(&args, args.len > 0 ? " SMTPUTF8" : "SMTPUTF8");
	envelope_from(&report->env, (struct span){ "", 0 }, str_span(&args));
	envelope_add(&report->env, str_span(&entry->env.from), SPAN("NOTIFY=NEVER"));
	str_free(&from);
	str_free(&args);
}

int
report_make(const struct spool *spool, int fd, const struct entry *entry, enum dsn_kind kind,
    struct report *report, struct err *err)
{
	struct dsn_rcpt *list = mem_get(entry->env.rcpts * sizeof *list);
	size_t count = entry->env.from.len > 0 ? report_rcpts(entry, kind, list) : 0;
	struct str original = {0};
	bool full = false;
	int result = count > 0;

	*report = (struct report){0};
	if (count > 0 && read_original(spool, fd, entry, &full, &original, err) < 0)
		result = -1;
	if (result > 0) {
		report->info.time = clock_now();
		report->info.grade = entry->info.grade;
		spool_new_id(&report->info.id);
		str_set(&report->info.from, "dsn");
		write_text(spool, entry, kind, list, count, full, str_span(&original), report);
	}
	str_free(&original);
	free(list);
	return result;
}

void
report_free(struct report *report)
{
	entry_info_free(&report->info);
	envelope_free(&report->env);
	str_free(&report->text);
}
