#include "uucico-ssh/notice.h"

#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "uucico-ssh/queued.h"

enum { WHAT_MOST = 300, USER_MOST = 64 };

static void
trouble(const struct notice *notice, const struct err *err)
{
	log_warn("peer=%s event=not-told user=%.*s why=\"%s\"", notice->site, (int)(notice->user.len < USER_MOST ?
	    notice->user.len : USER_MOST), notice->user.p, err->text);
}

static void
print_text(const struct spool *spool, const struct notice *notice, const char *who, const char *eol, struct str *out)
{
	struct str what = {0}, why = {0};

	log_escape(&what, notice->what, WHAT_MOST);
	log_escape(&why, span_of(notice->why), WHAT_MOST);
	str_printf(out, "From: Mail system <postmaster@%s>%sSubject: refused at %s: %s%sAuto-Submitted: auto-generated%s%s",
	    spool->settings->spool.host, eol, who, str_c(&what), eol, eol, eol);
	str_printf(out, "What you asked for by uux or uucp was refused at %s:%s%s  %s%s%s  %s%s", who, eol, eol,
	    str_c(&what), eol, eol, str_c(&why), eol);
	if (notice->held != NULL)
		str_printf(out, "%sIt is kept here as hold/%s.%s", eol, notice->held, eol);
	str_free(&what);
	str_free(&why);
}

/* --- here --- */

static int
put_in(const struct spool *spool, struct span address, struct span text, struct err *err)
{
	struct entry_info info = {0};
	struct envelope env = {0};

	str_set(&info.from, "uucp");
	envelope_from(&env, SPAN(""), SPAN(""));
	envelope_add(&env, address, SPAN(""));
	int result = arrival_at_once(spool, &info, &env, text, err);
	envelope_free(&env);
	entry_info_free(&info);
	return result;
}

void
notice_here(const struct spool *spool, const struct notice *notice)
{
	struct str address = {0}, text = {0};
	struct err err = {0};

	str_add_span(&address, notice->user);
	if (memchr(notice->user.p, '@', notice->user.len) == NULL)
		str_printf(&address, "@%s", spool->settings->spool.host);
	print_text(spool, notice, notice->site, "\r\n", &text);
	if (address_check(str_span(&address), 0, &err) < 0 ||
	    put_in(spool, str_span(&address), str_span(&text), &err) < 0)
		trouble(notice, &err);
	else
		spool_ring(spool);
	str_free(&address);
	str_free(&text);
}

/* --- there --- */

/* What cannot be taken for an option, a path, or two words, whoever reads it there. */
static bool
is_login(struct span user)
{
	return user.len > 0 && user.len <= USER_MOST && span_has_only(user, "._-") && span_has_only(span_to(user, 1), "");
}

static int
queue_rmail(const struct spool *spool, const struct notice *notice, struct span text, struct err *err)
{
	struct queued head = { .fd = -1 };
	struct filed filed = {0};
	struct str name = {0};
	int fd = fs_scratch(spool->tmp, ".", err);

	if (fd < 0)
		return -1;
	str_set(&head.user, "uucp");
	str_set(&head.options, "CN");
	str_printf(&head.command, "rmail %.*s", (int)notice->user.len, notice->user.p);
	filed.command = str_span(&head.command);
	int result = fs_write(fd, text.p, text.len, err);
	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = err_sys(err, "a notice");
	if (result == 0)
		result = queued_add(spool, notice->site, 'N', &head, &filed, NULL, fd, &name, err);
	close(fd);
	queued_close(&head);
	str_free(&name);
	return result;
}

void
notice_there(const struct spool *spool, const struct notice *notice)
{
	struct str text = {0};
	struct err err = {0};

	if (!is_login(notice->user))
		return;
	str_add_text(&text, "From <> ");
	date_asctime(clock_now(), &text);
	str_printf(&text, " remote from %s\n", spool->settings->spool.site);
	print_text(spool, notice, spool->settings->spool.site, "\n", &text);
	if (queue_rmail(spool, notice, str_span(&text), &err) < 0)
		trouble(notice, &err);
	str_free(&text);
}
