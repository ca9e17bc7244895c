#include "relay/service-smtp.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/complete.h"
#include "lib/mail/received.h"
#include "lib/mail/wish.h"
#include "spool/masquerade.h"

/* RFC 3848 */
static struct span
protocol(const struct smtp *smtp)
{
	if (smtp->session->lmtp)
		return smtp->server.secured ? SPAN("LMTPS") : SPAN("LMTP");
	if (smtp->server.authenticated)
		return smtp->server.secured ? SPAN("ESMTPSA") : SPAN("ESMTPA");
	if (smtp->server.secured)
		return SPAN("ESMTPS");
	return smtp->server.esmtp ? SPAN("ESMTP") : SPAN("SMTP");
}

static int
add_received(struct smtp *smtp, struct err *err)
{
	struct str field = {0};
	const struct received received = {
		.helo = str_span(&smtp->server.helo),
		.client = str_span(&smtp->session->client),
		.user = smtp_limits(smtp)->trace_user && smtp->server.authenticated ? str_span(&smtp->auth.shown) :
		    (struct span){0},
		.by = span_of(smtp->host),
		.with = protocol(smtp),
		.id = str_span(&smtp->id),
		.when = clock_now(),
	};

	received_field(&received, &field);
	int result = arrival_body(&smtp->arrival, field.p, field.len, err);
	str_free(&field);
	return result;
}

void
smtp_forget_message(struct smtp *smtp)
{
	filters_leave(&smtp->asking);	/* it has the arrival's file */
	if (smtp->paused == PAUSED_HEADER)
		asked_leave(&smtp->question);
	smtp->paused = PAUSED_NOT;
	str_free(&smtp->composed);
	str_free(&smtp->held);
	smtp->end_held = false;
	smtp->failure = (struct err){0};
	arrival_close(&smtp->arrival);
	smtp->arrival = (struct arrival){ .fd = -1 };
	binary_close(&smtp->binary);
	str_clear(&smtp->header.text);
	smtp->header = (struct header_gather){ .text = smtp->header.text, .max = SMTP_HEADER_MAX };
	smtp->counted = smtp->passing = false;
	smtp->body = smtp->body_before = 0;
}

/* A file of its own is quickest for one; many share a sync, and what comes one after the
 * other shares the settling. */
static int
open_arrival(struct smtp *smtp, struct err *err)
{
	struct relay *relay = smtp->session->relay;

	if (smtp->passing)
		return arrival_open(&smtp->arrival, &relay->spool, str_c(&smtp->id), err);
	if (!smtp_others_busy(smtp) && smtp->messages == 0)
		return arrival_open(&smtp->arrival, &relay->spool, NULL, err);
	arrival_join(&smtp->arrival, &relay->acceptor.journal);
	return 0;
}

/* As the spool keeps it: times instead of seconds from now, lines instead of bytes. */
static void
envelope_to_keep(const struct smtp *smtp, const struct envelope *env, struct envelope *kept, bool *binary)
{
	struct str args = {0};
	struct span rest, word;

	*binary = false;
	envelope_copy(kept, env);
	wish_keep(str_span(&env->args), smtp_is_ours(smtp), clock_now(), &args);
	str_clear(&kept->args);
	for (rest = str_span(&args); (word = span_word(&rest)).len > 0;) {
		bool this = span_is_case(word, "BODY=BINARYMIME");
		*binary = *binary || this;
		if (kept->args.len > 0)
			str_add_char(&kept->args, ' ');
		str_add_span(&kept->args, this ? SPAN("BODY=8BITMIME") : word);
	}
	str_free(&args);
}

static int
begin_arrival(struct smtp *smtp, const struct envelope *env, struct err *err)
{
	struct entry_info info = {0};
	struct envelope kept = {0};
	struct mask mask;
	bool binary;

	envelope_to_keep(smtp, env, &kept, &binary);
	info.grade = wish_grade(str_span(&kept.args));
	str_set_span(&info.id, str_span(&smtp->id));
	str_set(&info.from, "smtp");
	str_set_span(&info.client, str_span(&smtp->session->client));
	/* Ours that leaves, and what comes from elsewhere, may be called otherwise. */
	int result = mask_envelope(smtp_settings(smtp), smtp_is_ours(smtp) ? MASQUERADE_OUT : MASQUERADE_IN, &kept,
	    &mask, err);
	smtp->passing = result == 0 && smtp_may_pass(smtp, &kept);
	if (result == 0)
		result = open_arrival(smtp, err);
	if (result == 0 && binary)
		result = binary_open(&smtp->binary, &smtp->session->relay->spool, err);
	if (result == 0)
		result = arrival_begin(&smtp->arrival, &info, &kept, err);
	if (result == 0) {
		arrival_mask(&smtp->arrival, mask);
		result = add_received(smtp, err);
	}
	entry_info_free(&info);
	envelope_free(&kept);
	return result;
}

int
smtp_on_begin(void *ctx, const struct envelope *env, struct err *err)
{
	struct smtp *smtp = ctx;

	smtp_forget_message(smtp);
	str_clear(&smtp->id);
	spool_new_id(&smtp->id);
	int result = begin_arrival(smtp, env, err);
	if (result < 0) {
		smtp_log_refusal(smtp, env, (struct span){ "", 0 }, err);
		smtp_forget_message(smtp);
	}
	return result;
}

/* Once, when the header is whole: a message that has been through too many hands is
 * going in circles. */
static int
check_header(struct smtp *smtp, struct err *err)
{
	uint64_t most = smtp_settings(smtp)->spool.max_hops;

	if (smtp->counted)
		return 0;
	smtp->counted = true;
	if (smtp->header.over) {
		err_set(err, ERR_PERM, "the header is longer than the %d bytes taken here", SMTP_HEADER_MAX);
		return err_as(err, 0, "5.3.4");
	}
	if (header_count(str_span(&smtp->header.text), "Received") <= most)
		return 0;
	err_set(err, ERR_PERM, "a mail loop: more than %llu hops", (unsigned long long)most);
	return err_as(err, 0, "5.4.6");
}

static int
put(struct smtp *smtp, const char *bytes, size_t len, struct err *err)
{
	return smtp->binary.fd >= 0 ? binary_body(&smtp->binary, bytes, len, err) :
	    arrival_body(&smtp->arrival, bytes, len, err);
}

/* Whose mail has no From gets the address he sent it by. */
static void
sender_of(const struct smtp *smtp, struct str *from)
{
	const struct envelope *env = &smtp->server.env;

	str_add_span(from, env->from.len > 0 ? str_span(&env->from) : str_span(&smtp->auth.user));
	if (from->len > 0 && envelope_domain(str_span(from)).len == 0)
		str_printf(from, "@%s", smtp->host);
}

/* The header waited until it was whole; what of the body came with it goes along. */
static void
compose_header(struct smtp *smtp, struct str *header)
{
	const struct relay_settings *limits = smtp_limits(smtp);
	const bool submitted = smtp->server.authenticated;
	struct span text = str_span(&smtp->header.text);
	struct str from = {0};

	sender_of(smtp, &from);
	const struct completing completing = { .host = smtp->host, .from = str_c(&from), .results = smtp->host,
		.add_missing = submitted && limits->add_missing, .strip_bcc = submitted && limits->remove_bcc,
		.now = clock_now() };
	gate_results(&smtp->gate, header);
	complete_header(&completing, &text, header);
	if (header->len > 0 && !span_begins(text, "\r\n") && completing.add_missing)
		str_add_text(header, "\r\n");	/* a text without a header has one now */
	str_add_span(header, text);
	str_free(&from);
}

/* 0 it is written, SMTP_LATER what its addresses are called is asked first, -1. */
static int
put_composed(struct smtp *smtp, struct err *err)
{
	const struct mask *mask = &smtp->arrival.mask;
	struct str ignored_text = {0};
	struct err ignored;
	int result = 0;

	if (mask->on && asked_needed(smtp_settings(smtp))) {
		asked_look(&smtp->session->relay->asked);
		masquerade_header(smtp_settings(smtp), mask->way, str_span(&smtp->composed), &ignored_text, &ignored);
		result = smtp_await(smtp, PAUSED_HEADER, err);
		str_free(&ignored_text);
	}
	if (result == 0)
		result = put(smtp, smtp->composed.p, smtp->composed.len, err);
	if (result <= 0)
		str_free(&smtp->composed);
	return result;
}

static int
put_header(struct smtp *smtp, struct err *err)
{
	smtp->looks = 0;
	str_clear(&smtp->composed);
	compose_header(smtp, &smtp->composed);
	return put_composed(smtp, err);
}

int
smtp_on_body(void *ctx, const char *bytes, size_t len, struct err *err)
{
	struct smtp *smtp = ctx;

	size_t before = smtp->header.text.len;

	if (smtp->failure.kind != ERR_NONE) {
		*err = smtp->failure;
		return -1;
	}
	if (smtp->paused == PAUSED_HEADER) {	/* no more than came with it: we read nothing meanwhile */
		str_add(&smtp->held, bytes, len);
		return 0;
	}
	if (smtp->header.done)
		return put(smtp, bytes, len, err);
	header_gather(&smtp->header, (struct span){ bytes, len });
	if (!smtp->header.done)
		return 0;
	int result = check_header(smtp, err) < 0 ? -1 : put_header(smtp, err);
	if (result < 0)
		return -1;
	/* Behind a header that is nearly too long not all of these bytes were gathered. */
	size_t gathered = smtp->header.text.len - before;
	if (gathered < len && result == SMTP_LATER)
		str_add(&smtp->held, bytes + gathered, len - gathered);
	return gathered < len && result == 0 ? put(smtp, bytes + gathered, len - gathered, err) : 0;
}

int
smtp_on_end(void *ctx, struct err *err)
{
	struct smtp *smtp = ctx;
	int result = check_header(smtp, err);

	if (smtp->failure.kind != ERR_NONE) {
		*err = smtp->failure;
		result = -1;
	}
	if (result == 0 && !smtp->header.done) {	/* all of it was header */
		smtp->header.done = true;
		result = put_header(smtp, err);
	}
	if (result < 0)
		return smtp_ended(smtp, result, err);
	smtp->end_held = smtp->paused == PAUSED_HEADER;
	return smtp->end_held ? SMTP_LATER : smtp_take_whole(smtp, err);
}

void
smtp_go_on(struct smtp *smtp)
{
	struct err err = {0};
	int result = put_composed(smtp, &err);

	if (result == SMTP_LATER)
		return;
	if (result == 0)
		result = put(smtp, smtp->held.p, smtp->held.len, &err);
	str_free(&smtp->held);
	if (result < 0 && !smtp->end_held)
		smtp->failure = err;
	if (smtp->end_held) {
		smtp->end_held = false;
		result = result < 0 ? smtp_ended(smtp, result, &err) : smtp_take_whole(smtp, &err);
		if (result != SMTP_LATER)
			smtp_server_answer(&smtp->server, result, &err);
	}
	smtp_follow(smtp);
}

void
smtp_on_abort(void *ctx)
{
	struct smtp *smtp = ctx;

	log_info("%s: event=not-accepted relay=%s client=%s bytes=%llu", str_c(&smtp->id),
	    smtp_limits(smtp)->name, str_c(&smtp->session->where), (unsigned long long)smtp->body);
	smtp_forget_message(smtp);
}
