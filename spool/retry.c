#include "spool/retry.h"

#include <ctype.h>
#include <errno.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"

/* Several hosts share the spool: each learns for itself what it reaches.  A person speaks
 * to all of them. */
enum whose { OURS, EVERYBODYS };

static void
retry_name(const struct spool *spool, enum whose whose, struct str *out)
{
	str_add_text(out, ".retry");
	if (whose == OURS && spool->lease != NULL)
		str_printf(out, "-%s", spool->settings->spool.node);
}

/* "next=TIME failures=3 [asked=TIME] why=...": whatever cannot be read counts as "now". */
static void
parse(struct span line, struct retry *retry)
{
	uint64_t number;

	for (line = span_trim(line); line.len > 0 && !span_begins(line, "why=");) {
		struct span word = span_word(&line);
		if (span_begins(word, "next=") && clock_parse_utc(span_from(word, 5), &retry->next) < 0)
			retry->next = 0;
		if (span_begins(word, "asked=") && clock_parse_utc(span_from(word, 6), &retry->asked) < 0)
			retry->asked = 0;
		if (span_begins(word, "failures=") && span_number(span_from(word, 9), 1000000, &number) == 0)
			retry->failures = (unsigned)number;
		line = span_trim(line);
	}
	if (line.len > 0)
		str_set_span(&retry->why, span_from(line, 4));
}

static int
load(const struct spool *spool, const char *site, enum whose whose, struct retry *retry, struct err *err)
{
	struct str path = {0}, text = {0};
	struct span rest, line;

	*retry = (struct retry){0};
	str_printf(&path, "%s/", site);
	retry_name(spool, whose, &path);
	int result = fs_load(spool->out, str_c(&path), 4096, &text, err);
	str_free(&path);
	if (result < 0 && errno == ENOENT)
		result = 0;
	rest = str_span(&text);
	if (result == 0 && span_cut(&rest, '\n', &line))
		parse(line, retry);
	str_free(&text);
	return result;
}

int
retry_load(const struct spool *spool, const char *site, struct retry *retry, struct err *err)
{
	struct retry all;
	int result = load(spool, site, OURS, retry, err);

	if (result < 0 || spool->lease == NULL)
		return result;
	if (load(spool, site, EVERYBODYS, &all, err) < 0)
		return -1;
	if (all.asked > retry->asked) {
		struct retry ours = *retry;
		*retry = all;
		all = ours;
	}
	str_free(&all.why);
	return 0;
}

static int
retry_store(const struct spool *spool, const char *site, enum whose whose, const struct retry *retry,
    const char *why, struct err *err)
{
	struct str text = {0}, name = {0};

	str_add_text(&text, "next=");
	clock_utc(retry->next, &text);
	str_printf(&text, " failures=%u", retry->failures);
	if (retry->asked != 0) {
		str_add_text(&text, " asked=");
		clock_utc(retry->asked, &text);
	}
	str_add_text(&text, " why=");
	log_escape(&text, span_of(why), 600);
	str_add_char(&text, '\n');
	int dir = fs_make_dir(spool->out, site, 0750, err) < 0 ? -1 : fs_dir(spool->out, site, err);
	retry_name(spool, whose, &name);
	int result = dir < 0 ? -1 : fs_replace(dir, str_c(&name), str_span(&text), 0640, err);
	if (dir >= 0)
		close(dir);
	str_free(&name);
	str_free(&text);
	return result;
}

int64_t
retry_pause(const struct patience *patience, unsigned failures, uint32_t chance)
{
	int64_t pause = patience->retry_after;

	for (unsigned i = 1; i < failures && pause < patience->retry_max; i++)
		pause *= 2;
	if (pause > patience->retry_max)
		pause = patience->retry_max;
	return pause + pause / 5000 * (int64_t)(chance % 1000);
}

/* Of the best that waits: a bucket is called GRADE-TIME-HOST. */
static char
best_grade(const struct spool *spool, const char *site)
{
	struct fs_names names = {0};
	struct err ignored;
	char grade = 0;

	if (fs_names(spool->out, site, &names, &ignored) < 0)
		return 0;
	for (size_t i = 0; i < names.count && grade == 0; i++)
		if (isalnum((unsigned char)names.name[i][0]) && names.name[i][1] == '-')
			grade = names.name[i][0];
	fs_names_free(&names);
	return grade;
}

int
retry_failed(const struct spool *spool, const char *site, const char *why, struct err *err)
{
	const struct patience patience = settings_patience(spool->settings, site, best_grade(spool, site));
	struct retry retry;
	uint32_t chance;

	if (retry_load(spool, site, &retry, err) < 0)
		retry = (struct retry){0};
	random_bytes(&chance, sizeof chance);
	retry.failures++;
	retry.next = clock_now() + retry_pause(&patience, retry.failures, chance);
	str_free(&retry.why);
	return retry_store(spool, site, OURS, &retry, why, err);
}

void
retry_clear(const struct spool *spool, const char *site)
{
	for (enum whose whose = OURS; whose <= EVERYBODYS; whose++) {
		struct str path = {0};
		str_printf(&path, "%s/", site);
		retry_name(spool, whose, &path);
		unlinkat(spool->out, str_c(&path), 0);
		str_free(&path);
	}
}

int
retry_came_back(const struct spool *spool, const char *site, int64_t asked, struct err *err)
{
	struct retry retry;
	int result = retry_load(spool, site, &retry, err);

	if (result == 0 && retry.asked > asked) {
		retry.failures = 0;
		retry.next = retry.asked;
		result = retry_store(spool, site, OURS, &retry, "by hand", err);
	} else if (result == 0) {
		retry_clear(spool, site);
	}
	str_free(&retry.why);
	return result;
}

int
retry_now(const struct spool *spool, const char *site, struct err *err)
{
	const struct retry retry = { .next = clock_now(), .asked = clock_now() };

	return retry_store(spool, site, EVERYBODYS, &retry, "by hand", err);
}

int
retry_link_up(const struct spool *spool, const char *site, struct err *err)
{
	const int64_t now = clock_now(), apart = RETRY_LINK_SECONDS * CLOCK_SECOND;
	struct retry retry;

	if (retry_load(spool, site, &retry, err) < 0)
		return -1;
	/* Asked for just now, or with a clock that has been set back since. */
	int result = now - retry.asked < apart && retry.asked - now < apart ? 0 : 1;
	if (result > 0) {
		retry.next = retry.asked = now;
		result = retry_store(spool, site, OURS, &retry, retry.failures > 0 ? str_c(&retry.why) : "the link is up",
		    err) < 0 ? -1 : 1;
	}
	str_free(&retry.why);
	return result;
}
