/* pack: what waits for a site becomes batches; gather.c makes them of mailboxes and files. */
#include "bsmtp/bsmtp.h"

#include <stdlib.h>
#include <string.h>

#include "bsmtp/carry.h"
#include "bsmtp/gather.h"
#include "bsmtp/history.h"
#include "bsmtp/writer.h"
#include "lib/base/clock.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "spool/allowance.h"
#include "spool/class.h"
#include "spool/enclose.h"
#include "spool/queue.h"
#include "spool/recoded.h"

struct packing {
	const struct pack_choice *choice;
	const struct site_settings *site;
	const struct spool *spool;
	const struct format *format;
	const struct codec *codec;
	enum codec_level level;
	struct queue queue;
	struct batch batch;
	struct writer writer;
	struct history history;
	struct allowance allowance;	/* of the site's users */
	bool open;
	const char **class;	/* those met; one is packed in each walk through the queue */
	size_t classes, turn;
	size_t returned;	/* messages that went back to settle: not all of them can be carried */
	uint64_t count, bytes;	/* what waits, as far as it was weighed */
};

/* one batch */

static int
begin_batch(struct packing *p, struct err *err)
{
	if (spool_room(p->spool, p->site->batch_size, err) < 0 ||
	    batch_new(&p->batch, p->spool, p->site->name, err) < 0)
		return -1;
	p->open = true;
	struct writer_setup setup = { .format = p->format, .settings = p->spool->settings,
		.pack.level = p->level, .scratch = p->spool->tmp };
	if (p->codec->label != NULL)
		history_begin(&p->history, p->spool, p->site, p->codec->alone ? CLASS_NONE : p->class[p->turn], &setup);
	return writer_start(&p->writer, p->codec, &setup, p->batch.fd, err);
}

static int
offer_batch(struct packing *p, struct err *err)
{
	history_label(&p->history, &p->writer.label);
	if (writer_end(&p->writer, err) < 0 ||
	    history_offer(&p->history, &p->batch, &p->writer.label, err) < 0 ||
	    batch_offer(&p->batch, err) < 0)
		return -1;
	log_info("event=batch site=%s batch=%s format=%s messages=%llu bytes=%llu packed=%llu", p->site->name,
	    str_c(&p->batch.name), p->format->name, (unsigned long long)p->writer.count,
	    (unsigned long long)p->writer.raw, (unsigned long long)p->writer.packed);
	writer_free(&p->writer);
	history_end(&p->history);
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
	history_end(&p->history);
	batch_undo(&p->batch, &ignored);
	batch_close(&p->batch);
	p->open = false;
}

static bool
is_full(const struct packing *p)
{
	return p->writer.raw >= p->site->batch_size || p->writer.count >= p->site->batch_count ||
	    (p->format->most > 0 && p->writer.count >= p->format->most);
}

/* one message */

static void
refuse_rcpt(struct message *m, size_t rcpt, const struct err *why)
{
	struct str reply = {0};

	err_reply(why, &reply);
	message_rcpt(m, rcpt, RCPT_FAILED, str_c(&reply));
	spool_event(m->spool, str_c(&m->id), "event=not-carried to=<%.*s> reply=\"%s\"",
	    (int)m->entry.env.rcpt[rcpt].to.len, m->entry.env.rcpt[rcpt].to.p, str_c(&reply));
	str_free(&reply);
}

/* Whom the format cannot carry it to.  1: somebody, and settle does the rest: reports to the
 * sender, the others back into the queue.  0: it goes as it is. */
static int
check_message(struct packing *p, struct message *m, struct carry *carry, struct err *err)
{
	struct err why = {0};
	size_t refused = 0;

	bool fits = carry_look(carry, p->format, p->site, m->fd, &m->entry, &why) == 0;
	if (!fits && why.kind != ERR_PERM) {
		*err = why;
		return -1;
	}
	for (size_t i = 0; i < m->entry.env.rcpts; i++) {
		if (m->entry.status[i].state >= RCPT_DONE || (fits && carry_rcpt(carry, i, &why) == 0))
			continue;
		refuse_rcpt(m, i, &why);
		refused++;
	}
	if (refused == 0)
		return 0;
	p->returned++;
	return message_settle(m, err) < 0 ? -1 : 1;
}

static int
to_writer(void *ctx, const void *bytes, size_t len, struct err *err)
{
	struct packing *p = ctx;

	return writer_body(&p->writer, bytes, len, err);
}

/* A body whose parts are encoded anew: carry has seen that it can be done. */
static int
write_recoded(struct packing *p, struct message *m, struct recode *recode, struct err *err)
{
	recode_again(recode);
	return recoded_pass(recode, m->fd, m->entry.body_at, m->entry.body_len, to_writer, p, err);
}

static int
write_message(struct packing *p, struct message *m, const struct envelope *env, struct carry *carry,
    struct err *err)
{
	const struct entry *entry = &m->entry;

	if (writer_entry(&p->writer, &entry->info, env, entry->body_len, err) < 0)
		return -1;
	int result = carry->recodes ? write_recoded(p, m, &carry->recode, err) :
	    body_pieces(m->fd, entry->body_at, entry->body_len, to_writer, p, err);
	return result < 0 ? -1 : writer_entry_end(&p->writer, err);
}

/* Somebody asked to be told of success, and the peer will not know. */
static bool
wants_report(const struct packing *p, const struct message *m)
{
	bool wants = false;

	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		wants |= m->entry.status[i].state < RCPT_DONE &&
		    dsn_wanted(str_span(&m->entry.env.rcpt[i].args), DSN_RELAYED);
	return wants && (p->format->carries & OFFER_DSN) == 0;
}

static int
put_message(struct packing *p, struct message *m, struct carry *carry, struct err *err)
{
	struct envelope env = {0};
	int result = p->open ? 0 : begin_batch(p, err);

	entry_still_waiting(&m->entry, &env);	/* those who have it already are not told to the peer */
	if (result == 0)
		result = batch_pick(&p->batch, m, err);
	if (result == 0 && wants_report(p, m) && !p->batch.relayed)
		result = batch_relayed(&p->batch, err);
	if (result == 0)
		result = write_message(p, m, &env, carry, err);
	envelope_free(&env);
	if (result < 0)
		return err_prefix(err, "%s", str_c(&m->id));
	spool_event(p->spool, str_c(&m->id), "event=packed site=%s batch=%s format=%s bytes=%llu%s%s%s%s",
	    p->site->name, str_c(&p->batch.name), p->format->name, (unsigned long long)m->entry.body_len,
	    carry->recodes ? " recoded=yes" : "",
	    carry->lost.len > 0 ? " without=\"" : "", str_c(&carry->lost), carry->lost.len > 0 ? "\"" : "");
	return 0;
}

/* One class a batch, one class a walk.  Without a label the class is nobody's matter. */
static bool
has_turn(struct packing *p, const struct entry *entry)
{
	const char *class = p->codec->label == NULL ? CLASS_NONE : class_of(p->spool->settings, &entry->env);
	size_t i = 0;

	while (i < p->classes && strcmp(p->class[i], class) != 0)
		i++;
	if (i == p->classes) {
		p->class = mem_resize(p->class, i + 1, sizeof *p->class);
		p->class[p->classes++] = class;
	}
	return i == p->turn;
}

static int
pack_message(struct packing *p, struct message *m, struct err *err)
{
	struct carry carry;

	if (!has_turn(p, &m->entry))
		return 0;
	int got = check_message(p, m, &carry, err);
	int result = got < 0 ? -1 : got > 0 ? 0 : put_message(p, m, &carry, err);
	carry_free(&carry);
	if (result == 0 && p->open && is_full(p))
		result = offer_batch(p, err);
	return result;
}

/* the queue */

static bool
is_for(const struct message *m, const char *domain)
{
	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		if (m->entry.status[i].state < RCPT_DONE &&
		    span_glob(envelope_domain(str_span(&m->entry.env.rcpt[i].to)), domain))
			return true;
	return false;
}

static bool
is_chosen(struct packing *p, const struct message *m)
{
	const struct pack_choice *choice = p->choice;

	return !span_is(str_span(&m->entry.info.from), "summary") &&	/* that goes by protocol m only */
	    (choice->grade == 0 || m->entry.info.grade <= choice->grade) &&
	    (p->site->call_largest == 0 || m->entry.body_len <= p->site->call_largest) &&
	    !allowance_spent(&p->allowance, &m->entry) &&
	    (choice->domain == NULL || is_for(m, choice->domain)) &&
	    (choice->older == 0 || clock_now() - m->entry.info.time >= choice->older);
}

/* Calls each() for every chosen message until it says otherwise: 0 go on, 1 enough, -1. */
static int
walk(struct packing *p, int (*each)(struct packing *, struct message *, struct err *), struct err *err)
{
	struct message m;
	int got, result = 0;

	if (queue_open(&p->queue, p->spool, p->site->name, false, err) < 0)
		return -1;
	while (result == 0 && (got = queue_next(&p->queue, &m, err)) != 0) {
		if (got < 0)
			result = -1;
		else if (is_chosen(p, &m))
			result = each(p, &m, err);
		if (got > 0)
			message_close(&m);
	}
	if (result == 0 && p->open)
		result = offer_batch(p, err);
	give_up_batch(p);
	queue_close(&p->queue);
	return result;
}

/* Is there a batch in what waits, or something that has waited long enough? */
static int
weigh_message(struct packing *p, struct message *m, struct err *err)
{
	(void)err;
	p->count++;
	p->bytes += m->entry.body_len;
	return p->count >= p->site->batch_count || p->bytes >= p->site->batch_size ||
	    clock_now() - m->entry.info.time >= p->site->batch_age * CLOCK_SECOND;
}

static int
is_due(struct packing *p, struct err *err)
{
	if (!p->choice->due || p->site->batch_age == 0)
		return 1;
	int enough = walk(p, weigh_message, err);
	if (enough == 0 && p->count > 0)
		log_info("event=waits site=%s messages=%llu bytes=%llu why=\"less than a batch, and none is "
		    "as old as batch-age\"", p->site->name, (unsigned long long)p->count,
		    (unsigned long long)p->bytes);
	return enough;
}

/* Reports are made, and what else was in the messages that went back comes into the queue. */
static void
settle_now(const struct packing *p)
{
	struct settled settled;
	struct err why = {0};

	if (spool_settle(p->spool, &settled, &why) < 0)
		log_warn("event=unsettled why=\"%s\"", why.text);
}

static int
walk_classes(struct packing *p, struct err *err)
{
	int result;

	p->turn = 0;
	do
		result = walk(p, pack_message, err);
	while (result == 0 && ++p->turn < p->classes);
	return result;
}

/* Runs with the site's lock. */
static int
locked(struct packing *p, int (*run)(struct packing *, struct err *), struct err *err)
{
	if (queue_open(&p->queue, p->spool, p->site->name, false, err) < 0)
		return -1;
	int result = run(p, err);
	queue_close(&p->queue);
	return result;
}

static int
take_overdue(struct packing *p, struct err *err)
{
	return batch_overdue(&p->queue, p->site->confirm_after, err);
}

/* What the site was not told of in a batch with mail. */
static int
tell(struct packing *p, struct err *err)
{
	return history_tell_all(p->spool, p->site, err);
}

static int
pack_queue(struct packing *p, struct err *err)
{
	int result = walk_classes(p, err);

	if (p->returned > 0) {
		p->returned = 0;
		settle_now(p);
		if (result == 0)
			result = walk_classes(p, err);
	}
	if (p->returned > 0)	/* the next run sees to the rest */
		settle_now(p);
	return result;
}

static int
choose(struct packing *p, const struct bsmtp *b, struct err *err)
{
	const char *level = b->level != NULL ? b->level : p->site->level;

	p->format = format_named(b->format != NULL ? b->format : p->site->format, err);
	if (p->format == NULL)
		return -1;
	p->codec = p->format->plain ? codec_named("none", err) :
	    b->codec != NULL ? b->codec : codec_named(p->site->codec, err);
	return p->codec == NULL ? -1 : codec_level_named(level, &p->level, err);
}

static int
pack_site(const struct bsmtp *b, const struct spool *spool, const char *site, struct err *err)
{
	struct packing p = { .choice = &b->choice, .site = settings_site(&b->settings, site), .spool = spool };

	if (p.site == NULL)
		return settings_no_site(&b->settings, site, ERR_CONFIG, err);
	if (choose(&p, b, err) < 0)
		return err_prefix(err, "[site %s]", site);
	allowance_open(&p.allowance, spool, p.site);
	int due = locked(&p, take_overdue, err) < 0 ? -1 : is_due(&p, err);
	int result = due > 0 ? pack_queue(&p, err) : due;
	if (result == 0)
		result = locked(&p, tell, err);
	free(p.class);
	allowance_free(&p.allowance);
	return result < 0 ? err_prefix(err, "packing for %s", site) : 0;
}

/* One site's trouble does not stop the others; the first is told. */
static int
pack_sites(const struct bsmtp *b, const struct spool *spool, size_t count, char **sites, struct err *err)
{
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		struct err why = {0};
		if (pack_site(b, spool, sites[i], &why) == 0)
			continue;
		if (result < 0)
			log_error("%s", why.text);
		else
			*err = why;
		result = -1;
	}
	return result;
}

static int
pack_all(const struct bsmtp *b, const struct spool *spool, struct err *err)
{
	char **sites = mem_get((b->settings.sites + 1) * sizeof *sites);

	for (size_t i = 0; i < b->settings.sites; i++)
		sites[i] = b->settings.site[i].name;
	int result = pack_sites(b, spool, b->settings.sites, sites, err);
	free(sites);
	return result;
}

static int
pack_spool(const struct bsmtp *b, size_t count, char **sites, struct err *err)
{
	struct settled settled;
	struct spool spool;

	if (spool_open(&spool, &b->settings, false, err) < 0)
		return -1;
	if (spool_settle(&spool, &settled, err) < 0)
		log_warn("event=unsettled why=\"%s\"", err->text);
	int result = b->choice.all ? pack_all(b, &spool, err) : pack_sites(b, &spool, count, sites, err);
	spool_close(&spool);
	return result;
}

int
pack(const struct bsmtp *b, int count, char **args, struct err *err)
{
	if (b->mbox != NULL || b->maildir != NULL || b->files)
		return gather(b, count, args, err);
	if (b->choice.all != (count == 0))
		return usage(err, "pack: which site? (or --all, --mbox=FILE, --maildir=DIR, --files FILE...)");
	const struct enclosing mine = { .needs = ENCLOSE_SPOOL };
	int result = enclose(&b->settings, b->args, &mine, err);
	if (result == 0)
		result = pack_spool(b, (size_t)count, args, err);
	helper_stop();
	return result;
}
