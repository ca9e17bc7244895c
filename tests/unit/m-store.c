/*
 * The half of protocol m that knows files: two spools, and an engine that is played here, one
 * object at a time, and cut where the rows say.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/mail/mix-keep.h"
#include "spool/bucket.h"
#include "spool/class.h"
#include "spool/dictionary.h"
#include "spool/job.h"
#include "spool/taught.h"
#include "tests/unit/scratch.h"
#include "tests/unit/ship.h"
#include "tests/unit/unit.h"
#include "uucico-ssh/m-call.h"
#include "uucico-ssh/m-early.h"
#include "uucico-ssh/m-hold.h"
#include "uucico-ssh/m-in.h"
#include "uucico-ssh/m-out.h"
#include "uucico-ssh/m-mail.h"
#include "uucico-ssh/queued.h"

static struct err err;

#define OK(call) do {							\
	err = (struct err){0};						\
	ck_assert_msg((call) >= 0, #call ": %s", err.text);		\
} while (0)

static struct scratch hub, home;

static void
setup(void)
{
	static const char *const of_hub[] = {
		"spool.host=hub.example", "spool.site=hub", "spool.min-free=0", "routes.home.example=site:home",
		"site home.link=", "routes.x.example=site:x",
	};
	static const char *const of_home[] = {
		"spool.host=home.example", "spool.site=home", "spool.min-free=0", "spool.expire-after=0", "spool.delay-after=0","routes.home.example=site:inner",
		"site hub.link=exec:true", "spool.max-size=1M",
	};

	scratch_open(&hub, of_hub, ROWS(of_hub));
	scratch_open(&home, of_home, ROWS(of_home));
}

static void
teardown(void)
{
	scratch_close(&home);
	scratch_close(&hub);
}

/* --- mail --- */

static const char *
accept_mail(const char *to, struct span body)
{
	static char id[80];
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};
	struct settled settled;

	envelope_from(&env, SPAN("ann@x.example"), SPAN("RET=HDRS"));
	envelope_add(&env, span_of(to), SPAN("NOTIFY=FAILURE"));
	str_set(&info.from, "smtp");
	OK(arrival_open(&a, &hub.spool, NULL, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, body.p, body.len, &err));
	OK(arrival_end(&a, &err));
	OK(arrival_commit(&a, &err));
	snprintf(id, sizeof id, "%s", str_c(&a.info.id));
	arrival_close(&a);
	envelope_free(&env);
	entry_info_free(&info);
	OK(spool_settle(&hub.spool, &settled, &err));
	return id;
}

/* A text with a part of base64, of about so many bytes. */
static void
make_body(size_t len, unsigned seed, struct str *out)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	str_printf(out, "Subject: %u\r\n\r\nWords of a mail.\r\n\r\n", seed);
	while (out->len < len) {
		for (int i = 0; i < 76; i++) {
			seed = seed * 1103515245 + 12345;
			str_add_char(out, letters[seed >> 16 & 63]);
		}
		str_add_text(out, "\r\n");
	}
}

static size_t
waiting(const struct scratch *at, const char *site, struct str *last)
{
	struct queue q;
	struct message m;
	size_t found = 0;

	OK(queue_open(&q, &at->spool, site, false, &err));
	while (queue_next(&q, &m, &err) > 0) {
		found++;
		if (last != NULL) {
			str_clear(last);
			ck_assert_int_eq(fs_pread(m.fd, str_room(last, (size_t)m.entry.body_len),
			    (size_t)m.entry.body_len, m.entry.body_at, &err), (ssize_t)m.entry.body_len);
			last->len = (size_t)m.entry.body_len;
		}
		message_close(&m);
	}
	queue_close(&q);
	return found;
}

/* --- the engine, played --- */

enum cut { NO_CUT, IN_DATA, BEFORE_COMMIT, AFTER_COMMIT };

struct played {
	struct m_out out;
	struct m_in in;
	size_t moved;		/* transfer bytes */
	size_t objects, steps;
	enum m_status last;
	struct str text;
	void (*spoil)(struct m_object *object);
};

static void
start(struct played *p)
{
	*p = (struct played){0};
	m_out_start(&p->out, &hub.spool, settings_site(&hub.settings, "home"));
	OK(m_in_start(&p->in, &home.spool, settings_site(&home.settings, "hub"), &err));
}

static void
finish(struct played *p)
{
	m_out_close(&p->out);
	m_in_settle(&p->in);
	m_in_close(&p->in);
	str_free(&p->text);
}

static struct m_mark
last_of(const struct scratch *at, const char *site, enum ring_way way)
{
	struct ring ring;

	OK(ring_open(&ring, &at->spool, site, way, CLASS_MAIN, 4 << 20, &err));
	struct m_mark mark = { ring_last(&ring).k, ring_last(&ring).link };
	ring_close(&ring);
	return mark;
}

/* The acknowledgements that were lost. */
static void
tell(struct played *p)
{
	unsigned char names[64][M_NAME];
	struct m_mark known = last_of(&hub, "home", RING_TO), last = last_of(&home, "hub", RING_FROM);
	size_t count = m_in_untold(&p->in, CLASS_MAIN, known, names, 64);

	if (count > 0)
		OK(m_out_did(&p->out, CLASS_MAIN, (const unsigned char (*)[M_NAME])names, count, last, &err));
}

static uint64_t
have(const struct played *p, const unsigned char *name)
{
	for (size_t i = 0; i < p->in.partial_count; i++)
		if (memcmp(p->in.partials[i].name, name, M_NAME) == 0)
			return p->in.partials[i].at;
	return 0;
}

static void
move(struct played *p, struct m_object *ours, struct m_object *theirs, uint64_t end)
{
	char piece[1000];

	while (ours->at < end) {
		size_t len = end - ours->at < sizeof piece ? (size_t)(end - ours->at) : sizeof piece;
		OK(m_out_read(&p->out, ours, piece, len, &err));
		OK(m_in_write(&p->in, theirs, piece, len, &err));
		ours->at += len;
		theirs->at += len;
		p->moved += len;
	}
}

/* false: the call is cut here */
static bool
carry(struct played *p, struct m_object *ours, enum cut cut)
{
	struct m_object theirs = *ours, *one = &theirs;

	theirs.mine = NULL;
	theirs.at = ours->at = ours->tried ? have(p, ours->name) : 0;
	if (p->spoil != NULL)
		p->spoil(&theirs);
	str_clear(&p->text);
	p->last = m_in_offered(&p->in, &theirs, &p->text);
	if (p->last == M_TAKE) {
		move(p, ours, &theirs, cut == IN_DATA ? ours->length / 2 : ours->length);
		if (cut == IN_DATA) {
			m_in_dropped(&p->in, &theirs);
			return false;
		}
		p->last = m_in_complete(&p->in, &theirs, &p->text);
		if (p->last == M_STORED && cut == BEFORE_COMMIT) {
			m_in_dropped(&p->in, &theirs);
			return false;
		}
		if (p->last == M_STORED)
			OK(m_in_commit(&p->in, &one, &p->last, 1, &err));
		if (cut == AFTER_COMMIT)
			return false;
	}
	return true;
}

/* The next, when it is made. */
static int
next_made(struct played *p, bool tried, struct m_object *object)
{
	int got;

	while ((got = m_out_next(&p->out, tried, object, &err)) == 2 && (got = m_out_work(&p->out, &err)) > 0)
		p->steps++;
	return got;
}

static void
play(struct played *p, enum cut cut)
{
	struct m_object ours;
	int got;

	for (int round = 0; round < 2; round++) {
		while ((got = next_made(p, round == 1, &ours)) > 0) {
			if (p->objects++ == 0)	/* their word of what they had comes before any other */
				tell(p);
			bool went = carry(p, &ours, cut);
			OK(m_out_fate(&p->out, &ours, went ? p->last : M_LATER, went ? str_c(&p->text) : "", &err));
			if (!went)
				return;
			OK(m_out_settled(&p->out, &err));
		}
		ck_assert_int_eq(got, 0);
		if (p->objects == 0)
			tell(p);
	}
}

static struct played
call_once(enum cut cut)
{
	struct played p;

	start(&p);
	play(&p, cut);
	finish(&p);
	return p;
}

/* --- tests --- */

static const size_t sizes[] = { 100, 3000, 40000, 200000, 700000 };

START_TEST(a_mail_crosses_and_is_gone_here)
{
	struct str body = {0}, came = {0};

	make_body(sizes[_i], 1, &body);
	accept_mail("bob@home.example", str_span(&body));
	struct played p = call_once(NO_CUT);
	ck_assert_int_eq(p.last, M_STORED);
	ck_assert_uint_eq(p.objects, 1);
	ck_assert_uint_lt(p.moved, 300 + body.len);	/* base64 travels decoded, CR LF as LF */
	ck_assert_uint_eq(waiting(&hub, "home", NULL), 0);
	ck_assert_uint_eq(waiting(&home, "inner", &came), 1);
	ck_assert(memmem(came.p, came.len, body.p, body.len) != NULL);
	ck_assert_int_eq(strncmp(came.p, "Received: from hub", 18), 0);
	ck_assert_uint_eq(scratch_count(home.spool.part, "hub"), 0);
	ck_assert_int_lt(faccessat(hub.spool.out, "home/.offered", F_OK, 0), 0);
	str_free(&body);
	str_free(&came);
}
END_TEST

START_TEST(a_call_that_is_cut_goes_on_there_and_doubles_nothing)
{
	static const enum cut cuts[] = { IN_DATA, BEFORE_COMMIT, AFTER_COMMIT };
	size_t size = sizes[_i % ROWS(sizes)];
	enum cut cut = cuts[_i / ROWS(sizes)];
	struct str body = {0};

	make_body(size, 2, &body);
	accept_mail("bob@home.example", str_span(&body));
	struct played first = call_once(cut);
	ck_assert_uint_eq(waiting(&hub, "home", NULL), 1);
	struct played second = call_once(NO_CUT);
	ck_assert_uint_eq(waiting(&hub, "home", NULL), 0);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 1);
	ck_assert_uint_eq(scratch_count(home.spool.part, "hub"), 0);
	if (cut == AFTER_COMMIT)
		ck_assert_uint_eq(second.moved, 0);
	else if (cut == IN_DATA)
		ck_assert_uint_lt(first.moved + second.moved, 300 + body.len);
	struct played third = call_once(NO_CUT);
	ck_assert_uint_eq(third.objects, 0);
	str_free(&body);
}
END_TEST

START_TEST(both_ends_have_the_same_history)
{
	struct str body = {0};
	struct m_prefix prefix;
	struct span ours, theirs;
	struct played p;

	ship("bsmtp/dictionary");
	for (unsigned i = 0; i < 6; i++) {
		str_clear(&body);
		make_body(500 + 3000 * i, i, &body);
		accept_mail("bob@home.example", str_span(&body));
		call_once(i % 3 == 1 ? AFTER_COMMIT : NO_CUT);
	}
	call_once(NO_CUT);
	start(&p);
	OK(m_out_refer(&p.out, CLASS_MAIN, last_of(&home, "hub", RING_FROM), _i == 0 ? 1 << 20 : 120000, &prefix, &ours, &err));
	ck_assert_uint_eq(prefix.mark.k, last_of(&home, "hub", RING_FROM).k);
	ck_assert_uint_gt(prefix.length, 10000);
	/* While it is young the dictionary is before it, if the window is for both. */
	ck_assert_uint_eq(prefix.dictionary, _i == 0 ? DICTIONARY_VERSION : 0);
	ck_assert_uint_eq(ours.len, prefix.length + (_i == 0 ? DICTIONARY_MAX - DICTIONARY_MARK : 0));
	ck_assert_int_eq(m_in_history(&p.in, CLASS_MAIN, &prefix, &theirs, &err), 1);
	ck_assert(span_same(ours, theirs));
	struct m_prefix other = prefix;
	other.mark.link = 1;
	ck_assert_int_eq(m_in_history(&p.in, CLASS_MAIN, &other, &theirs, &err), 0);
	other = prefix;
	other.length++;
	ck_assert_int_eq(m_in_history(&p.in, CLASS_MAIN, &other, &theirs, &err), 0);
	other = prefix;
	other.dictionary = 7;
	ck_assert_int_eq(m_in_history(&p.in, CLASS_MAIN, &other, &theirs, &err), 0);
	finish(&p);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 6);
	str_free(&body);
}
END_TEST

START_TEST(a_peer_that_was_restored_is_followed)
{
	struct m_mark early;
	struct m_prefix prefix;
	struct span history;
	struct played p;

	accept_mail("bob@home.example", SPAN("one\r\n"));
	call_once(NO_CUT);
	early = last_of(&home, "hub", RING_FROM);
	accept_mail("bob@home.example", SPAN("two\r\n"));
	call_once(NO_CUT);
	start(&p);
	OK(m_out_refer(&p.out, CLASS_MAIN, early, 1 << 20, &prefix, &history, &err));
	ck_assert_uint_eq(prefix.mark.k, early.k);
	ck_assert_uint_eq(last_of(&hub, "home", RING_TO).k, early.k);
	OK(m_out_refer(&p.out, CLASS_MAIN, (struct m_mark){ 1, 17 }, 1 << 20, &prefix, &history, &err));
	ck_assert_uint_eq(prefix.mark.k, early.k);	/* once a call */
	finish(&p);
	start(&p);
	OK(m_out_refer(&p.out, CLASS_MAIN, (struct m_mark){ 1, 17 }, 1 << 20, &prefix, &history, &err));
	ck_assert_uint_eq(prefix.mark.k, 0);		/* another history: the dictionary */
	finish(&p);
}
END_TEST

START_TEST(what_is_too_large_there_comes_back_to_its_sender)
{
	struct str body = {0};

	make_body(1600000, 3, &body);
	accept_mail("bob@home.example", str_span(&body));
	struct played p = call_once(NO_CUT);
	ck_assert_int_eq(p.last, M_NEVER);
	struct settled settled;
	OK(spool_settle(&hub.spool, &settled, &err));
	ck_assert_uint_eq(waiting(&hub, "home", NULL), 0);
	ck_assert_uint_eq(waiting(&hub, "x", NULL), 1);		/* the report */
	str_free(&body);
}
END_TEST

START_TEST(mail_for_others_waits_and_a_locked_queue_is_asked_again)
{
	struct queue q;
	struct m_object object;
	struct played p;

	accept_mail("bob@x.example", SPAN("to another\r\n"));
	accept_mail("bob@home.example", SPAN("hello\r\n"));
	OK(queue_open(&q, &hub.spool, "home", false, &err));
	start(&p);
	ck_assert_int_eq(m_out_next(&p.out, true, &object, &err), 2);
	queue_close(&q);
	play(&p, NO_CUT);
	ck_assert_uint_eq(p.objects, 1);
	accept_mail("bob@home.example", SPAN("came meanwhile\r\n"));
	m_out_rest(&p.out);
	OK(queue_open(&q, &hub.spool, "home", false, &err));	/* others may have it now */
	queue_close(&q);
	m_out_more(&p.out);
	play(&p, NO_CUT);
	ck_assert_uint_eq(p.objects, 2);
	finish(&p);
	ck_assert_uint_eq(waiting(&hub, "x", NULL), 1);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 2);
}
END_TEST

static void
other_name(struct m_object *object)
{
	object->name[3] ^= 1;
}

START_TEST(what_is_not_its_name_is_never_taken_and_held_at_last)
{
	struct played p;

	accept_mail("bob@home.example", SPAN("hello\r\n"));
	start(&p);
	p.spoil = other_name;
	play(&p, NO_CUT);
	ck_assert_int_eq(p.last, M_WRONG);
	ck_assert_uint_eq(p.objects, 1);
	finish(&p);
	ck_assert_uint_eq(scratch_count(hub.spool.hold, "."), 1);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 0);
	ck_assert_uint_eq(scratch_count(home.spool.in, "."), 0);
}
END_TEST

/* --- what a hostile peer may send under its right name --- */

#define HEAD "NOOP mochila=1 id=20261121T184502.123456-7f3a9c02d41be066-1 time=2026-11-21T18:45:02Z\n"
#define MAIL "MAIL FROM:<ann@x.example>\n"
#define RCPT "RCPT TO:<bob@home.example>\n"

static const struct { const char *text; enum m_status status; } heads[] = {
	{ HEAD MAIL RCPT "BDAT 0000000005 LAST\nhello", M_STORED },
	{ HEAD "MAIL FROM:<>\n" RCPT "BDAT 0000000005 LAST\nhello", M_STORED },
	{ HEAD MAIL "RCPT TO:<not an address>\n" RCPT "BDAT 0000000005 LAST\nhello", M_STORED },	/* failed */
	{ HEAD MAIL RCPT "BDAT 0000000005 LAST\nhell", M_NEVER },
	{ HEAD MAIL RCPT "BDAT 0000000005 LAST\nhello!", M_NEVER },
	{ HEAD MAIL RCPT "BDAT 5 LAST\nhello", M_NEVER },
	{ HEAD MAIL RCPT "BDAT 0099999999 LAST\nhello", M_NEVER },
	{ HEAD MAIL "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD "MAIL FROM:<no address>\n" RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD MAIL RCPT "DATA\nhello", M_NEVER },
	{ HEAD MAIL RCPT "RSET\nBDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD MAIL MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD MAIL "RCPT TO:<bob@home.example\n" "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ "NOOP mochila=1 id=x to=../../etc time=2026-11-21T18:45:02Z\n" MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ "NOOP mochila=1 id=x peer=other peer-id=y time=2026-11-21T18:45:02Z\n" MAIL RCPT
	    "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ "NOOP mochila=1 id=../../x time=2026-11-21T18:45:02Z\n" MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ "NOOP mochila=2 id=x time=2026-11-21T18:45:02Z\n" MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ "NOOP mochila=1 id=x time=yesterday\n" MAIL RCPT "BDAT 0000000005 LAST\nhello", M_NEVER },
	{ HEAD, M_NEVER },
	{ "", M_NEVER },
};

START_TEST(an_envelope_is_taken_as_we_would_print_it_or_not_at_all)
{
	struct form form;
	struct played p;
	struct m_object theirs = { .kind = M_MAIL, .grade = 'N', .stream = true, .class = CLASS_MAIN }, *one = &theirs;

	start(&p);
	form_of_text(&form, span_of(heads[_i].text));
	memcpy(theirs.name, form.name, M_NAME);
	theirs.length = form.length;
	ck_assert_int_eq(m_in_offered(&p.in, &theirs, &p.text), M_TAKE);
	for (size_t i = 0; i < form.text.len; i++)	/* byte by byte */
		OK(m_in_write(&p.in, &theirs, form.text.p + i, 1, &err));
	enum m_status status = m_in_complete(&p.in, &theirs, &p.text);
	ck_assert_msg(status == heads[_i].status, "row %d: %d %s", _i, (int)status, str_c(&p.text));
	if (status == M_STORED)
		OK(m_in_commit(&p.in, &one, &status, 1, &err));
	ck_assert_int_eq(status, heads[_i].status);
	finish(&p);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), heads[_i].status == M_STORED);
	form_free(&form);
}
END_TEST

START_TEST(what_says_that_it_is_small_and_unpacks_without_end_is_refused)
{
	struct m_object theirs = { .kind = M_MAIL, .grade = 'N', .packed = true, .class = CLASS_MAIN };
	struct str bytes = {0};
	struct played p;

	str_add(&bytes, "\x10\x11", 2);		/* quoted-printable: each byte is three */
	for (int i = 0; i < 200000; i++)
		str_add_char(&bytes, (char)0xe4);
	theirs.length = bytes.len;
	start(&p);
	p.in.site = settings_site(&home.settings, "hub");
	ck_assert_int_eq(m_in_offered(&p.in, &theirs, &p.text), M_TAKE);
	OK(m_in_write(&p.in, &theirs, bytes.p, bytes.len, &err));
	ck_assert_int_ne(m_in_complete(&p.in, &theirs, &p.text), M_STORED);
	finish(&p);
	ck_assert_uint_eq(scratch_count(home.spool.in, "."), 0);
	str_free(&bytes);
}
END_TEST

/* --- what is asked for first --- */

static enum m_status
take_note(struct played *p, enum m_kind kind, const char *text)
{
	struct form form;
	struct m_object theirs = { .kind = kind, .grade = 'N', .stream = true, .class = CLASS_MAIN }, *one = &theirs;

	form_of_text(&form, span_of(text));
	memcpy(theirs.name, form.name, M_NAME);
	theirs.length = form.length;
	enum m_status status = m_in_offered(&p->in, &theirs, &p->text);
	if (status == M_TAKE) {
		OK(m_in_write(&p->in, &theirs, form.text.p, form.text.len, &err));
		status = m_in_complete(&p->in, &theirs, &p->text);
	}
	if (status == M_STORED)
		OK(m_in_commit(&p->in, &one, &status, 1, &err));
	form_free(&form);
	return status;
}

#define ID "20261121T184502.123456-7f3a9c02d41be066-1"
#define HEX "00112233445566778899aabbccddeeff"
#define NULL_MAIL "MAIL FROM:<>\n"
#define FIELDS(id, name, size) "Held-Id: " id "\r\nHeld-Name: " name "\r\nHeld-Size: " size \
	"\r\nHeld-From: ann@x.example\r\nHeld-Subject: photos\r\nHeld-Parts: 3 pictures\r\n"

static const struct { const char *head, *body; enum m_status status; } summaries[] = {
	{ HEAD NULL_MAIL RCPT, FIELDS(ID, HEX, "2100000"), M_STORED },
	{ HEAD MAIL RCPT, FIELDS(ID, HEX, "2100000"), M_NEVER },
	{ HEAD NULL_MAIL, FIELDS(ID, HEX, "2100000"), M_NEVER },
	{ HEAD NULL_MAIL RCPT, FIELDS("../../etc/passwd", HEX, "2100000"), M_NEVER },
	{ HEAD NULL_MAIL RCPT, FIELDS(ID, "../../../../../../../tmp/x/yzabcd", "2100000"), M_NEVER },
	{ HEAD NULL_MAIL RCPT, FIELDS(ID, HEX, "-1"), M_NEVER },
	{ HEAD NULL_MAIL RCPT, "Held-Id: " ID "\r\n", M_NEVER },
	{ HEAD NULL_MAIL RCPT, "hello", M_NEVER },
};

START_TEST(a_summary_is_what_summaries_are_or_nothing)
{
	struct str text = {0};
	struct played p;

	str_printf(&text, "%sBDAT %010zu LAST\n%s", summaries[_i].head, strlen(summaries[_i].body), summaries[_i].body);
	start(&p);
	ck_assert_int_eq(take_note(&p, M_SUMMARY, str_c(&text)), summaries[_i].status);
	ck_assert_uint_eq(scratch_count(home.spool.hold, "."), summaries[_i].status == M_STORED);
	finish(&p);
	start(&p);
	enum m_status again = take_note(&p, M_SUMMARY, str_c(&text));	/* known by its name */
	ck_assert_int_eq(again, summaries[_i].status == M_STORED ? M_HAD : M_NEVER);
	finish(&p);
	ck_assert_uint_eq(scratch_count(home.spool.hold, "."), summaries[_i].status == M_STORED);
	str_free(&text);
}
END_TEST

/* A message of home's in hold/, with this reason. */
static void
hold_at_home(const char *reason)
{
	struct arrival a;
	struct envelope env = {0};
	struct entry_info info = {0};

	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@hub.example"), SPAN(""));
	str_set(&info.from, "smtp");
	OK(arrival_open(&a, &home.spool, ID, &err));
	OK(arrival_begin(&a, &info, &env, &err));
	OK(arrival_body(&a, "hello\r\n", 7, &err));
	OK(arrival_end(&a, &err));
	OK(arrival_hold(&a, reason, &err));
	arrival_close(&a);
	envelope_free(&env);
	entry_info_free(&info);
}

static const struct { const char *reason, *text; enum m_status status; size_t held, waits; } requests[] = {
	{ "held back for hub: it is large", "x " ID " send\n", M_STORED, 0, 1 },
	{ "held back for hub: it is large", "x " ID " drop\n", M_STORED, 0, 0 },
	{ "held back for hubs: it is large", "x " ID " send\n", M_STORED, 1, 0 },	/* another's */
	{ "held back for hu: it is large", "x " ID " drop\n", M_STORED, 1, 0 },
	{ "by hand", "x " ID " send\n", M_STORED, 1, 0 },
	{ "held back for hub: it is large", "x 20261121T184502.123456-7f3a9c02d41be066-2 send\n", M_STORED, 1, 0 },
	{ "held back for hub: it is large", "x ../out/hub/x send\n", M_NEVER, 1, 0 },
	{ "held back for hub: it is large", "x " ID " keep\n", M_NEVER, 1, 0 },
	{ "held back for hub: it is large", "x " ID " send\nmore", M_NEVER, 1, 0 },
	{ "held back for hub: it is large", "", M_NEVER, 1, 0 },
};

START_TEST(a_request_releases_what_is_held_for_that_site_only)
{
	struct played p;

	hold_at_home(requests[_i].reason);
	start(&p);
	ck_assert_int_eq(take_note(&p, M_REQUEST, requests[_i].text), requests[_i].status);
	finish(&p);
	ck_assert_uint_eq(scratch_count(home.spool.hold, "."), requests[_i].held);
	ck_assert_uint_eq(waiting(&home, "hub", NULL), requests[_i].waits);
}
END_TEST

static const struct { const char *welcome, *first; int is; } senders[] = {
	{ "", HEAD "MAIL FROM:<spam@x.example>\n", 0 },
	{ "*@friends.example ann@x.example", HEAD "MAIL FROM:<ann@x.example> SIZE=5\n", 0 },
	{ "*@friends.example ann@x.example", HEAD "MAIL FROM:<eve@Friends.Example>\n", 0 },
	{ "*@friends.example ann@x.example", HEAD "MAIL FROM:<ann@x.example.evil.example>\n", 1 },
	{ "*@friends.example ann@x.example", HEAD "MAIL FROM:<>\n", 0 },
	{ "*@friends.example ann@x.example", HEAD "MAIL FROM:<ann@x.exam", -1 },
	{ "*@friends.example ann@x.example", HEAD, -1 },
	{ "no-such-file", HEAD "MAIL FROM:<spam@x.example>\n", 0 },	/* told in the log */
};

START_TEST(who_is_welcome_is_known_from_the_first_bytes)
{
	struct site_settings site = { .name = (char[]){ "hub" }, .welcome = mem_text(senders[_i].welcome) };

	ck_assert_int_eq(hold_unwelcome(&site, &home.settings, span_of(senders[_i].first)), senders[_i].is);
	free(site.welcome);
}
END_TEST

/* Announced was what it is packed. */
START_TEST(what_unpacks_to_too_much_comes_back_as_well)
{
	struct str body = {0};

	make_body((1 << 20) + (_i == 0 ? -100 : 100), 4, &body);
	accept_mail("bob@home.example", str_span(&body));
	ck_assert_int_eq(call_once(NO_CUT).last, _i == 0 ? M_STORED : M_NEVER);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), _i == 0);
	str_free(&body);
}
END_TEST

START_TEST(what_is_very_large_and_dense_is_not_compressed)
{
	static const struct { size_t len; bool text, stream; } rows[] = {
		{ 8 << 20, false, false }, { 8 << 20, true, true }, { 1 << 20, false, true },
	};
	struct str body = {0};
	struct m_object object;
	struct played p;

	home.settings.spool.max_size = 0;
	make_body(rows[_i].text ? 100 : rows[_i].len, 3, &body);
	while (body.len < rows[_i].len)
		str_add_text(&body, "and so on, and so on, as it is\r\n");
	accept_mail("bob@home.example", str_span(&body));
	start(&p);
	ck_assert_int_eq(next_made(&p, false, &object), 1);
	ck_assert_int_eq(object.stream, rows[_i].stream);
	OK(m_out_fate(&p.out, &object, M_LATER, "", &err));
	finish(&p);
	ck_assert_int_eq(call_once(NO_CUT).last, M_STORED);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 1);
	str_free(&body);
}
END_TEST

/* A large one is read before it goes, in steps, and does not stand in the way of others. */
START_TEST(what_is_read_to_be_named_is_so_in_steps)
{
	struct str body = {0};
	struct m_object object;
	struct played p;

	make_body(900000, 3, &body);
	accept_mail("bob@home.example", str_span(&body));
	accept_mail("bob@home.example", str_span(&body));
	accept_mail("bob@home.example", SPAN("hello\r\n"));
	start(&p);
	ck_assert_int_eq(m_out_next(&p.out, true, &object, &err), 1);
	ck_assert_uint_lt(object.length, 1000);
	OK(m_out_fate(&p.out, &object, M_LATER, "not now", &err));
	ck_assert_int_eq(m_out_next(&p.out, true, &object, &err), 2);
	ck_assert_int_eq(m_out_work(&p.out, &err), 1);
	ck_assert_int_eq(m_out_next(&p.out, true, &object, &err), 2);
	play(&p, NO_CUT);
	ck_assert_uint_ge(p.steps, 2 * (900000 / 65536));
	finish(&p);
	ck_assert_uint_eq(waiting(&hub, "home", NULL), 1);
	ck_assert_uint_eq(waiting(&home, "inner", NULL), 2);
	str_free(&body);
}
END_TEST

/* --- jobs --- */

static void
queue_job_of(const char *user, const char *command, const char *data)
{
	struct queued head = { .fd = -1 };
	const struct filed no_files = { .command = span_of(command) };
	struct str name = {0};
	char path[] = "/tmp/mochila-job-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	unlink(path);
	OK(fs_write(fd, data, strlen(data), &err));
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	str_set(&head.user, user);
	str_set(&head.options, "C");
	OK(queued_add(&hub.spool, "home", 'B', &head, &no_files, NULL, fd, &name, &err));
	close(fd);
	str_free(&name);
	queued_close(&head);
}

static void
queue_job(const char *command, const char *data)
{
	queue_job_of("alice", command, data);
}

START_TEST(a_job_of_uux_goes_once)
{
	static const enum cut cuts[] = { NO_CUT, IN_DATA, BEFORE_COMMIT, AFTER_COMMIT };
	struct fs_names names;

	queue_job("rmail bob@home.example", "From ann@x.example\nSubject: x\n\nhello\n");
	call_once(cuts[_i]);
	call_once(NO_CUT);
	OK(job_names(&home.spool, "hub", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	fs_names_free(&names);
	OK(queued_names(&hub.spool, "home", &names, &err));
	ck_assert_uint_eq(names.count, 0);
	fs_names_free(&names);
}
END_TEST

/* What is too large for memory there becomes the job by a rename; a name that would be read
 * otherwise than it is printed is copied. */
START_TEST(a_large_job_is_there_whole)
{
	static const enum cut cuts[] = { NO_CUT, IN_DATA, BEFORE_COMMIT, AFTER_COMMIT };
	static const char *const users[] = { "alice", "al%20ice" };
	struct fs_names names;
	struct str body = {0}, came = {0};
	struct job job;

	make_body(400000, 7, &body);
	queue_job_of(users[_i / 4], "rmail bob@home.example", str_c(&body));
	call_once(cuts[_i % 4]);
	call_once(NO_CUT);
	OK(job_names(&home.spool, "hub", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	OK(job_load(&job, &home.spool, "hub", names.name[0], &err));
	ck_assert_str_eq(str_c(&job.user), users[_i / 4]);
	ck_assert_str_eq(str_c(&job.command), "rmail bob@home.example");
	ck_assert_uint_eq(job.have, body.len);
	ck_assert_int_eq(fs_pread(job.fd, str_room(&came, body.len), body.len, job.data_at, &err), (ssize_t)body.len);
	ck_assert_int_eq(memcmp(came.p, body.p, body.len), 0);
	OK(job_done(&job, &err));
	job_close(&job);
	fs_names_free(&names);
	ck_assert_uint_eq(scratch_count(home.spool.part, "hub"), 0);
	str_free(&body);
	str_free(&came);
	/* It is known: the same once more is nothing. */
	ck_assert_uint_eq(call_once(NO_CUT).objects, 0);
}
END_TEST

START_TEST(a_job_that_may_not_run_there_is_held_here)
{
	struct fs_names names;

	queue_job("rm -rf /", "x");
	call_once(NO_CUT);
	OK(job_names(&home.spool, "hub", &names, &err));
	ck_assert_uint_eq(names.count, 0);
	fs_names_free(&names);
	ck_assert_uint_eq(scratch_count(hub.spool.hold, "."), 2);	/* and why */
}
END_TEST

START_TEST(a_batch_of_another_protocol_goes_as_a_job)
{
	struct batch batch;
	struct queue q;
	struct message m;
	struct fs_names names;

	accept_mail("bob@home.example", SPAN("hello\r\n"));
	OK(queue_open(&q, &hub.spool, "home", false, &err));
	OK(batch_new(&batch, &hub.spool, "home", &err));
	ck_assert_int_eq(queue_next(&q, &m, &err), 1);
	OK(batch_pick(&batch, &m, &err));
	message_close(&m);
	OK(fs_write(batch.fd, "\x1f\x8b and so on", 12, &err));
	OK(batch_offer(&batch, &err));
	batch_close(&batch);
	queue_close(&q);
	call_once(_i == 0 ? NO_CUT : AFTER_COMMIT);
	call_once(NO_CUT);
	OK(job_names(&home.spool, "hub", &names, &err));
	ck_assert_uint_eq(names.count, 1);
	fs_names_free(&names);
	OK(batch_names(&hub.spool, "home", &names, &err));
	ck_assert_uint_eq(names.count, 0);
	fs_names_free(&names);
	ck_assert_uint_eq(scratch_count(hub.spool.sent, "home"), 0);
}
END_TEST

/* --- parts --- */

START_TEST(parts_that_are_old_or_too_many_go)
{
	char file[2 * M_NAME + 1];
	unsigned char name[M_NAME] = {0};
	struct m_partial told[M_HAVE_MAX];
	uint64_t size;
	int dir = m_part_folder(&home.spool, "hub", &err);

	for (unsigned i = 0; i < 80; i++) {
		name[0] = (unsigned char)i;
		m_part_file(name, file);
		int fd = m_part_open(dir, file, true, &size, &err);
		ck_assert_int_ge(fd, 0);
		OK(fs_write(fd, "0123456789", 10, &err));
		struct timespec at[2] = { { .tv_sec = time(NULL) - i }, { .tv_sec = time(NULL) - i - (i == 3) * 15 * 86400 } };
		ck_assert_int_eq(futimens(fd, at), 0);
		close(fd);
	}
	m_part_clean(dir, "hub", 1 << 20);
	ck_assert_uint_eq(scratch_count(home.spool.part, "hub"), PARTS_MAX);
	m_part_clean(dir, "hub", 105);
	ck_assert_uint_eq(scratch_count(home.spool.part, "hub"), 10);
	ck_assert_uint_eq(m_part_list(dir, told, M_HAVE_MAX), M_HAVE_MAX);
	ck_assert_uint_eq(told[0].at, 10);
	ck_assert_int_eq(told[0].name[0], 0);		/* the newest first */
	ck_assert_uint_eq(told[0].check, 0x84d89877f0d4041eULL);	/* of "0123456789" */
	close(dir);
}
END_TEST

static const struct { const char *said; uint64_t rate; int level; } levels[] = {
	{ "default", 0, 9 }, { "default", 5000000, 9 }, { "default", 5000001, 3 },
	{ "fast", 0, 3 }, { "fast", 100, 3 }, { "metered", 0, 19 }, { "metered", 12000000, 19 },
};

START_TEST(a_fast_line_does_not_wait_for_packing)
{
	ck_assert_int_eq(m_call_level(levels[_i].said, levels[_i].rate), levels[_i].level);
}
END_TEST

static const struct { const char *level; bool caller, turns; uint64_t rate; int64_t rtt; enum m_mixes mix; } lines[] = {
	{ "default", true, false, 0, 0, M_MIX_NEVER }, { "default", true, false, 0, 19999, M_MIX_NEVER },
	{ "default", true, false, 0, 20000, M_MIX_MAY }, { "default", true, false, 125000, 120000, M_MIX_MAY },
	{ "default", true, false, 2500000, 30000, M_MIX_MAY }, { "default", true, false, 2500001, 120000, M_MIX_NEVER },
	{ "default", true, false, 20000, 1000, M_MIX_NEVER },
	{ "default", true, true, 100, 0, M_MIX_MAY }, { "default", false, false, 0, 0, M_MIX_MAY },
	{ "default", false, false, 2500001, 0, M_MIX_NEVER }, { "fast", true, true, 100, 900000, M_MIX_NEVER },
	{ "metered", true, false, 12000000, 10, M_MIX_ALWAYS }, { "metered", false, false, 0, 0, M_MIX_ALWAYS },
};

START_TEST(mix_is_for_lines_that_are_slow_or_dear)
{
	struct site_settings site = { .level = mem_text(lines[_i].level), .history = 4 << 20 };

	site.half_duplex = lines[_i].turns;
	ck_assert_int_eq(m_call_mix(&site, lines[_i].caller, lines[_i].rate, lines[_i].rtt), lines[_i].mix);
	site.history = 64 << 10;	/* a small box */
	ck_assert_int_eq(m_call_mix(&site, lines[_i].caller, lines[_i].rate, lines[_i].rtt), M_MIX_NEVER);
	free(site.level);
}
END_TEST

/* --- models that are kept --- */

enum { TAUGHT = 80 << 10 };

/* So many mails of some kilobytes that nobody saw before join the ring. */
static void
commit_texts(enum ring_way way, unsigned first, unsigned count)
{
	struct ring ring;

	OK(ring_open(&ring, &hub.spool, "home", way, CLASS_MAIN, 4 << 20, &err));
	for (unsigned i = first; i < first + count; i++) {
		struct str text = {0};
		make_body(9000, i, &text);
		OK(ring_commit(&ring, &(struct ring_item){ i + 1, str_span(&text) }, 1, &err));
		str_free(&text);
	}
	ring_close(&ring);
}

/* As "bsmtp teach" does. */
static void
teach(enum ring_way way, bool other)
{
	struct taught t = { .bytes = TAUGHT };
	struct str model = {0};
	struct span history;
	struct ring ring;

	OK(ring_open(&ring, &hub.spool, "home", way, CLASS_MAIN, 4 << 20, &err));
	t.mark = ring_last(&ring);
	OK(ring_at(&ring, t.mark, 4 << 20, &history, &err));
	t.length = history.len;
	digest_of(history.p, history.len, t.past);
	t.past[0] ^= other;
	struct mix *mix = mix_begin(&history, 1, TAUGHT, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL);
	while (mix_prepare(mix, MIX_STEP))
		;
	OK(mix_keep(mix, &model, &err));
	mix_free(mix);
	t.model = str_span(&model);
	OK(taught_write(&ring, &t, &err));
	ring_close(&ring);
	str_free(&model);
}

static void
damage(const char *path)
{
	int fd = openat(hub.spool.ring, path, O_RDWR);

	ck_assert_int_eq(pwrite(fd, "damaged", 7, 60000), 7);
	close(fd);
}

/* The same that there is for who has no thread. */
static void
says_the_same(struct mix *mix, struct span past, size_t taught, struct span model)
{
	struct mix *other = mix_take_up(past, taught, (size_t)1 << TAUGHT_MOST_LOG, MIX_SMALL, model);

	while (mix_prepare(other, MIX_STEP))
		;
	ck_assert(!mix_prepare(mix, MIX_STEP));
	for (int i = 0; i < 800; i++) {
		ck_assert_uint_eq(mix_next(mix), mix_next(other));
		mix_learn(mix, i % 3 == 0);
		mix_learn(other, i % 3 == 0);
	}
	mix_free(other);
}

static struct span
early_refer(struct m_early *early, enum ring_way way, struct m_prefix *prefix)
{
	struct ring ring;

	OK(ring_open(&ring, &hub.spool, "home", way, CLASS_MAIN, 4 << 20, &err));
	struct span given = m_early_refer(early, CLASS_MAIN, &ring, prefix);
	ring_close(&ring);
	return given;
}

static void
is_history(struct span bytes, enum ring_way way)
{
	struct span history;
	struct ring ring;

	OK(ring_open(&ring, &hub.spool, "home", way, CLASS_MAIN, 4 << 20, &err));
	OK(ring_at(&ring, ring_last(&ring), bytes.len, &history, &err));
	ck_assert(span_same(bytes, history));
	ring_close(&ring);
}

static const struct {
	enum ring_way way;
	unsigned waits, grown;		/* bytes of mail; mails that came since */
	bool later, damaged, other, at_once, has, refers, made;
} earlies[] = {
	{ .way = RING_TO, .waits = 9000, .has = true, .refers = true, .made = true },
	{ .way = RING_TO, .waits = 9000, .grown = 2, .has = true, .refers = true, .made = true },
	{ .way = RING_TO, .waits = 9000, .grown = 20 },	/* too much came since */
	{ .way = RING_TO, .waits = 9000, .later = true, .has = true },
	{ .way = RING_TO, .waits = 9000, .damaged = true, .has = true, .refers = true },
	{ .way = RING_TO, .waits = 9000, .other = true, .has = true, .refers = true },
	{ .way = RING_TO, .waits = 1000 },			/* too little to be worth it, */
	{ .way = RING_TO, .waits = 90000 },			/* or too large */
	{ .way = RING_TO },
	{ .way = RING_TO, .waits = 9000, .at_once = true },
	{ .way = RING_FROM, .has = true, .refers = true, .made = true },
};

START_TEST(a_model_is_taken_up_while_the_line_is_dialled)
{
	const struct site_settings *site = settings_site(&hub.settings, "home");
	enum ring_way way = earlies[_i].way;
	struct m_kept kept;
	struct m_prefix prefix = {0};
	struct str body = {0};

	make_body(earlies[_i].waits, 7, &body);
	if (earlies[_i].waits > 0)
		accept_mail("bob@home.example", str_span(&body));
	str_free(&body);
	commit_texts(way, 0, 12);
	teach(way, earlies[_i].other);
	commit_texts(way, 100, earlies[_i].grown);
	if (earlies[_i].damaged)
		damage(way == RING_TO ? "home/to-main~model" : "home/from-main~model");
	struct m_early *early = m_early_begin(&hub.spool, site, way, 8 << 10);
	ck_assert_ptr_nonnull(early);
	if (!earlies[_i].at_once) {
		ck_assert(!m_early_has(early, "other", &kept));
		/* Of an error in it it is not known yet; or it is, and there is none. */
		bool has = m_early_has(early, CLASS_MAIN, &kept), doubtful = earlies[_i].damaged || earlies[_i].other;
		ck_assert(has == earlies[_i].has || (doubtful && !has));
		if (earlies[_i].later)
			commit_texts(way, 200, 1);
		struct span past = early_refer(early, way, &prefix);
		ck_assert((past.len > 0) == earlies[_i].refers || doubtful);
		ck_assert_ptr_null(m_early_made(early, SPAN("another"), TAUGHT));
		size_t taught = has ? kept.taught + (size_t)kept.grown : 0;
		struct mix *mix = m_early_made(early, past, taught);
		ck_assert_int_eq(mix != NULL, earlies[_i].made);
		if (past.len > 0)
			is_history(past, way);
		if (mix != NULL) {
			ck_assert_uint_eq(prefix.length, past.len);
			says_the_same(mix, past, taught, kept.model);
			ck_assert(!m_early_has(early, CLASS_MAIN, &kept));	/* it is given away */
			mix_free(mix);
		}
	}
	m_early_end(early);
}
END_TEST

START_TEST(what_the_ring_learns_meanwhile_does_not_cost_the_model)
{
	struct m_call c = { .spool = &hub.spool, .site = settings_site(&hub.settings, "home") };
	struct m_prefix prefix = { .kept = true };
	struct span bytes;
	struct m_kept kept;

	commit_texts(RING_TO, 0, 12);
	teach(RING_TO, false);
	accept_mail("bob@home.example", SPAN("Subject: x\r\n\r\nx\r\n"));
	m_out_start(&c.out, c.spool, c.site);
	c.out.early = m_early_begin(c.spool, c.site, RING_TO, 1);
	ck_assert(m_call_models()->kept(&c, CLASS_MAIN, true, &kept));
	commit_texts(RING_TO, 200, 1);
	OK(m_out_refer(&c.out, CLASS_MAIN, last_of(&hub, "home", RING_TO), 1 << 20, &prefix, &bytes, &err));
	ck_assert(prefix.kept);
	ck_assert_uint_gt(bytes.len, kept.past);
	ck_assert_uint_eq(prefix.length, bytes.len);
	is_history(bytes, RING_TO);
	ck_assert_ptr_null(m_call_models()->made(&c, true, bytes, kept.taught + bytes.len - kept.past));
	m_out_close(&c.out);
}
END_TEST

START_TEST(a_model_is_there_for_the_history_that_they_name)
{
	const struct site_settings *site = settings_site(&hub.settings, "home");
	struct m_prefix prefix, other;
	struct m_kept kept;

	commit_texts(RING_FROM, 0, 12);
	teach(RING_FROM, false);
	struct m_early *early = m_early_begin(&hub.spool, site, RING_FROM, 0);
	ck_assert(m_early_has(early, CLASS_MAIN, &kept));
	struct span past = early_refer(early, RING_FROM, &prefix);
	ck_assert_uint_gt(past.len, 0);
	ck_assert_ptr_eq(m_early_history(early, CLASS_MAIN, &prefix).p, past.p);
	ck_assert_uint_eq(m_early_history(early, "other", &prefix).len, 0);
	for (int what = 0; what < 4; what++) {
		other = prefix;
		*(what == 0 ? &other.mark.k : what == 1 ? &other.mark.link : what == 2 ? &other.length : &other.dictionary) ^= 1;
		ck_assert_uint_eq(m_early_history(early, CLASS_MAIN, &other).len, 0);
	}
	ck_assert_uint_eq(m_early_history(NULL, CLASS_MAIN, &prefix).len, 0);
	m_early_end(early);
	m_early_end(NULL);
}
END_TEST

UNIT_WITH("m-store", setup, teardown,
	{ a_model_is_taken_up_while_the_line_is_dialled, ROWS(earlies) },
	{ what_the_ring_learns_meanwhile_does_not_cost_the_model, 1 },
	{ a_model_is_there_for_the_history_that_they_name, 1 },
	{ mix_is_for_lines_that_are_slow_or_dear, ROWS(lines) },
	{ a_fast_line_does_not_wait_for_packing, ROWS(levels) },
	{ a_mail_crosses_and_is_gone_here, ROWS(sizes) },
	{ a_call_that_is_cut_goes_on_there_and_doubles_nothing, 3 * ROWS(sizes) },
	{ both_ends_have_the_same_history, 2 },
	{ a_peer_that_was_restored_is_followed, 1 },
	{ what_is_too_large_there_comes_back_to_its_sender, 1 },
	{ mail_for_others_waits_and_a_locked_queue_is_asked_again, 1 },
	{ what_is_not_its_name_is_never_taken_and_held_at_last, 1 },
	{ an_envelope_is_taken_as_we_would_print_it_or_not_at_all, ROWS(heads) },
	{ what_says_that_it_is_small_and_unpacks_without_end_is_refused, 1 },
	{ a_summary_is_what_summaries_are_or_nothing, ROWS(summaries) },
	{ a_request_releases_what_is_held_for_that_site_only, ROWS(requests) },
	{ who_is_welcome_is_known_from_the_first_bytes, ROWS(senders) },
	{ what_unpacks_to_too_much_comes_back_as_well, 2 },
	{ what_is_very_large_and_dense_is_not_compressed, 3 },
	{ what_is_read_to_be_named_is_so_in_steps, 1 },
	{ a_job_of_uux_goes_once, 4 },
	{ a_large_job_is_there_whole, 8 },
	{ a_job_that_may_not_run_there_is_held_here, 1 },
	{ a_batch_of_another_protocol_goes_as_a_job, 2 },
	{ parts_that_are_old_or_too_many_go, 1 })
