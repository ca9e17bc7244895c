/*
 * Mail that does not come unasked: nothing is held back by us, nor asked for.  What a peer does not want
 * unasked goes back to its sender, as nobody there could ask for it.
 */
#include "lib/base/small.h"
#include "uucico-ssh/m-hold.h"

bool
hold_is_note(const struct entry *entry)
{
	return span_is(str_span(&entry->info.from), "summary");
}

bool
hold_is_request(const struct entry *entry, const char *site)
{
	(void)entry;
	(void)site;
	return false;
}

int
hold_back(struct message *m, const struct site_settings *site, const unsigned char name[M_NAME],
    uint64_t length, const char *why, struct err *err)
{
	struct str reply = {0};

	(void)name;
	(void)length;
	str_printf(&reply, "550 5.7.1 %s wants to be asked first: %s", site->name, why);
	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		if (m->entry.status[i].state < RCPT_DONE)
			message_rcpt(m, i, RCPT_FAILED, str_c(&reply));
	spool_event(m->spool, str_c(&m->id), "event=refused site=%s reply=\"%s\"", site->name, str_c(&reply));
	str_free(&reply);
	return message_settle(m, err);
}

void
hold_request(struct message *m, const struct site_settings *site, struct str *text)
{
	(void)m;
	(void)site;
	(void)text;
}

void
hold_asked_by(const struct message *m, const struct site_settings *site)
{
	(void)m;
	(void)site;
}

static int
no_notes(struct err *err)
{
	small_without(err, "554 5.3.3 summaries of held mail");
	err->kind = ERR_PERM;
	return -1;
}

int
hold_take_summary(const struct spool *spool, const struct site_settings *site, struct span text,
    struct journal *journal, struct err *err)
{
	(void)spool;
	(void)site;
	(void)text;
	(void)journal;
	return no_notes(err);
}

int
hold_take_request(const struct spool *spool, const struct site_settings *site, struct span text,
    struct err *err)
{
	(void)spool;
	(void)site;
	(void)text;
	return no_notes(err);
}

int
hold_unwelcome(const struct site_settings *site, const struct settings *settings, struct span first)
{
	(void)site;
	(void)settings;
	(void)first;
	return 0;
}

bool
hold_asked(int dir, const char *file)
{
	(void)dir;
	(void)file;
	return false;
}

void
hold_came(int dir, const char *file)
{
	(void)dir;
	(void)file;
}
