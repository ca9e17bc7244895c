#include "relay/chain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/fs.h"
#include "spool/route.h"

enum { PROGRAM_FILES = 1024 };

/* the filters */

static enum filter_found
found_of(struct span word)
{
	return span_is(word, "hold") ? FOUND_HOLD : span_is(word, "mark") ? FOUND_MARK :
	    span_is(word, "drop") ? FOUND_DROP : FOUND_REJECT;
}

static const char *
found_word(enum filter_found found)
{
	static const char *const words[] = { "reject", "hold", "mark", "drop" };

	return words[found];
}

static int
add_spec(struct filter_job *job, struct span name, const char *run, struct filter_spec spec, struct err *err)
{
	const char *rest;

	spec.filter = filter_of(run, &rest);
	if (spec.filter == NULL || job->specs >= CHAIN_MAX)
		return err_set(err, ERR_CONFIG, "[filter %.*s] cannot be run", (int)name.len, name.p);
	str_set_span(&spec.name, name);
	str_set(&spec.rest, rest);
	job->spec = mem_resize(job->spec, job->specs + 1, sizeof *job->spec);
	job->spec[job->specs++] = spec;
	return 0;
}

static bool
means_all(const struct filter_settings *filter, const struct envelope *env)
{
	for (size_t i = 0; env != NULL && i < env->rcpts; i++)
		if (!settings_filter_means(filter, str_span(&env->rcpt[i].to)))
			return false;
	return true;
}

int
chain_take(struct filter_job *job, const struct settings *settings, const char *names,
    const struct envelope *env, struct err *err)
{
	struct span rest = span_of(names), name;
	int result = 0;

	while (result == 0 && (name = span_word(&rest)).len > 0) {
		const struct filter_settings *said = settings_filter(settings, name);
		if (said == NULL)
			return err_set(err, ERR_CONFIG, "there is no [filter %.*s]", (int)name.len, name.p);
		if (!means_all(said, env))
			continue;
		result = add_spec(job, name, said->run, (struct filter_spec){ .timeout = said->timeout,
		    .max_size = said->max_size, .limits = { said->max_cpu, said->max_memory, said->max_written, PROGRAM_FILES },
		    .passes_trouble = strcmp(said->on_trouble, "pass") == 0,
		    .found = found_of(span_of(said->found)) }, err);
	}
	str_set(&job->root, settings->root);
	str_set(&job->host, settings->spool.host);
	return result;
}

bool
chain_is_quick(const struct filter_job *job)
{
	for (size_t i = 0; i < job->specs; i++)
		if (!job->spec[i].filter->quick)
			return false;
	return true;
}

int64_t
chain_seconds(const struct filter_job *job)
{
	int64_t seconds = 0;

	for (size_t i = 0; i < job->specs; i++)
		seconds += job->spec[i].timeout;
	return seconds;
}

void
chain_free(struct filter_job *job)
{
	for (size_t i = 0; i < job->specs; i++) {
		str_free(&job->spec[i].name);
		str_free(&job->spec[i].rest);
	}
	free(job->spec);
	for (size_t i = 0; i < job->letters; i++)
		letter_free(job->letter[i]);
	free(job->letter);
	struct str *const texts[] = { &job->root, &job->host, &job->folder, &job->user, &job->helo, &job->port, &job->destination,
		&job->locals, &job->notes, &job->outcomes };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		str_free(texts[i]);
	*job = (struct filter_job){0};
}

/* running them */

static void
note(struct filter_job *job, const struct filter_spec *spec, const char *event, const char *text)
{
	str_printf(&job->notes, "event=%s filter=%.*s why=\"%s\"\n", event, (int)spec->name.len, spec->name.p, text);
}

static int
run_one(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	if (spec->max_size > 0 && letter_text(letter).len > spec->max_size)
		return 0;
	job->limits = spec->limits;
	job->deadline = clock_mono() + spec->timeout * CLOCK_SECOND;
	if (spec->filter->run(job, spec, letter, err) == 0) {
		if (letter->gone)
			note(job, spec, "filter-took-it", "");
		return 0;
	}
	if (err->kind != ERR_PERM && err->reply == 0 && spec->passes_trouble) {
		note(job, spec, "filter-passed-over", err->text);
		return 0;
	}
	note(job, spec, err->kind == ERR_PERM ? "filter-refused" : "filter-trouble", err->text);
	if (err->kind == ERR_CONFIG)
		err->kind = ERR_TEMP;
	return -1;
}

/* What one filter adds the next ones see too. */
static int
run_all(struct filter_job *job, struct err *err)
{
	for (size_t i = 0; i < job->specs; i++) {
		size_t count = job->letters;
		for (size_t n = 0; n < count; n++) {
			struct letter *letter = job->letter[n];
			if (!letter->gone && letter->hold.len == 0 && run_one(job, &job->spec[i], letter, err) < 0)
				return -1;
			if (job->letters > FILTER_PARTS_MAX)
				return err_set(err, ERR_TEMP, "more than %d messages of one", FILTER_PARTS_MAX);
		}
	}
	return 0;
}

/* Where a filter sends it rather than [routes]. */
static int
send_where_said(struct letter *letter, struct err *err)
{
	struct str destination = {0};

	if (letter->forward_to_address.len == 0)
		return 0;
	str_printf(&destination, "smtp:%s", str_c(&letter->forward_to_address));
	struct route_match match = route_destination(str_c(&destination));
	str_free(&destination);
	if (match.kind == ROUTE_NONE)
		return err_set(err, ERR_TEMP, "the filter sends it to %.100s, which is no HOST:PORT",
		    str_c(&letter->forward_to_address));
	str_clear(&letter->info.to);
	route_folder(&match, &letter->info.to);
	letter->changed = true;
	return 0;
}

/* The result */

static int
write_letter(const struct letter *letter, int fd, struct err *err)
{
	unsigned char sum[DIGEST_SIZE];
	struct span text = letter_text(letter);
	struct str head = {0}, end = {0};

	entry_head(&letter->info, &letter->env, text.len, &head);
	digest_of(text.p, text.len, sum);
	entry_end_line(str_span(&head), sum, &end);
	if (letter->hold.len > 0)
		entry_state_line(clock_now(), NULL, "held", "reason", str_span(&letter->hold), &end);
	int result = fs_write(fd, head.p, head.len, err);
	if (result == 0)
		result = fs_write(fd, text.p, text.len, err);
	if (result == 0)
		result = fs_write(fd, end.p, end.len, err);
	str_free(&head);
	str_free(&end);
	return result;
}

static int
write_letters(const struct filter_job *job, struct err *err)
{
	int fd = memfd_create("filtered", MFD_CLOEXEC);
	int result = fd < 0 ? err_sys(err, "memory for a message") : 0;

	for (size_t i = 0; i < job->letters && result == 0; i++) {
		const struct letter *letter = job->letter[i];
		if (letter->gone)
			continue;
		result = letter->env.rcpts == 0 ? err_set(err, ERR_TEMP, "a filter left no recipients") :
		    entry_check_envelope(&letter->env, err);
		err->kind = result < 0 ? ERR_TEMP : err->kind;	/* the filter's doing */
		if (result == 0)
			result = write_letter(letter, fd, err);
	}
	if (result == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int
sum_up(struct filter_job *job, struct filtered *filtered, struct err *err)
{
	bool changed = job->letters > 1;
	size_t left = 0;

	for (size_t i = 0; i < job->letters; i++) {
		struct letter *letter = job->letter[i];
		if (!letter->gone && send_where_said(letter, err) < 0)
			return -1;
		changed = changed || letter->changed;
		left += !letter->gone;
	}
	if (left == 0) {
		filtered->verdict = job->outcomes.len > 0 ? FILTERED_EACH : FILTERED_GONE;
	} else if (changed) {
		filtered->verdict = FILTERED_CHANGED;
		filtered->fd = write_letters(job, err);
		return filtered->fd < 0 ? -1 : 0;
	} else if (job->letter[0]->hold.len > 0) {
		filtered->verdict = FILTERED_HELD;
		err_set(&filtered->err, ERR_CONFIG, "%s", str_c(&job->letter[0]->hold));
	}
	return 0;
}

void
chain_run(struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    struct content *content, struct filtered *filtered)
{
	struct err err = {0};

	*filtered = (struct filtered){ .verdict = FILTERED_SAME, .fd = -1 };
	job->letter = mem_get(sizeof *job->letter);
	job->letter[0] = letter_new(info, env, content);
	job->letters = 1;
	if (run_all(job, &err) < 0 || sum_up(job, filtered, &err) < 0) {
		filtered->verdict = err.kind == ERR_PERM ? FILTERED_REFUSED : FILTERED_LATER;
		filtered->err = err;
	}
	filtered->rescan = job->rescan;
	filtered->rest_after = job->rest_after;
	filtered->notes = job->notes;
	filtered->outcomes = job->outcomes;
	job->notes = job->outcomes = (struct str){0};
}

void
filtered_free(struct filtered *filtered)
{
	if (filtered->fd >= 0)
		close(filtered->fd);
	str_free(&filtered->notes);
	str_free(&filtered->outcomes);
	*filtered = (struct filtered){ .fd = -1 };
}

/* there and back */

void
chain_write(const struct filter_job *job, const struct entry_info *info, const struct envelope *env,
    uint64_t len, struct str *out)
{
	const struct { const char *name; const struct str *value; } words[] = {
		{ "root", &job->root }, { "host", &job->host }, { "user", &job->user },
		{ "helo", &job->helo }, { "port", &job->port }, { "to", &job->destination },
	};
	struct span rest = str_span(&job->locals), line;

	for (size_t i = 0; i < job->specs; i++) {
		const struct filter_spec *spec = &job->spec[i];
		str_printf(out, "filter %.*s %lld %llu %llu %llu %llu %s %s %s%.*s\n", (int)spec->name.len, spec->name.p,
		    (long long)spec->timeout, (unsigned long long)spec->max_size,
		    (unsigned long long)spec->limits.cpu, (unsigned long long)spec->limits.memory,
		    (unsigned long long)spec->limits.written, spec->passes_trouble ? "pass" : "defer",
		    found_word(spec->found), spec->filter->scheme, (int)spec->rest.len,
		    spec->rest.p != NULL ? spec->rest.p : "");
	}
	str_printf(out, "at %s\n", job->arrival ? "arrival" : "departure");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (words[i].value->len > 0)
			str_printf(out, "%s %.*s\n", words[i].name, (int)words[i].value->len, words[i].value->p);
	while (span_cut(&rest, '\n', &line))
		if (line.len > 0)
			str_printf(out, "local %.*s\n", (int)line.len, line.p);
	str_add_char(out, '\n');
	entry_head(info, env, len, out);
}

static int
read_spec(struct filter_job *job, struct span rest, struct err *err)
{
	struct span name = span_word(&rest), timeout = span_word(&rest), max = span_word(&rest);
	struct span cpu = span_word(&rest), memory = span_word(&rest), written = span_word(&rest);
	struct span trouble = span_word(&rest), found = span_word(&rest);
	struct filter_spec spec = { .passes_trouble = span_is(trouble, "pass"), .found = found_of(found) };
	uint64_t seconds;

	spec.limits.files = PROGRAM_FILES;
	if (span_number(timeout, INT64_MAX / CLOCK_SECOND, &seconds) < 0 ||
	    span_number(cpu, UINT64_MAX, &spec.limits.cpu) < 0 || span_number(memory, UINT64_MAX, &spec.limits.memory) < 0 ||
	    span_number(written, UINT64_MAX, &spec.limits.written) < 0 ||
	    span_number(max, UINT64_MAX, &spec.max_size) < 0)
		return err_set(err, ERR_TEMP, "no filter");
	spec.timeout = (int64_t)seconds;
	rest = span_trim(rest);
	char *run = mem_text_n(rest.p, rest.len);
	int result = add_spec(job, name, run, spec, err);
	free(run);
	return result;
}

static int
read_line(struct filter_job *job, struct span line, struct err *err)
{
	struct { const char *name; struct str *value; } words[] = {
		{ "root", &job->root }, { "host", &job->host }, { "user", &job->user },
		{ "helo", &job->helo }, { "port", &job->port }, { "to", &job->destination },
	};
	struct span word, value = line;

	span_cut(&value, ' ', &word);
	if (span_is(word, "filter"))
		return read_spec(job, value, err);
	if (span_is(word, "at"))
		job->arrival = span_is(value, "arrival");
	if (span_is(word, "local")) {
		str_add_span(&job->locals, value);
		str_add_char(&job->locals, '\n');
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (span_is(word, words[i].name))
			str_set_span(words[i].value, value);
	return 0;
}

int
chain_read(struct span text, struct filter_job *job, struct entry *entry, size_t *used, struct err *err)
{
	struct span rest = text, line;
	size_t len = 0;

	while (span_cut(&rest, '\n', &line) && line.len > 0)
		if (read_line(job, line, err) < 0)
			return -1;
	int got = entry_parse_head(rest, entry, &len, err);
	if (got == 0)
		err_set(err, ERR_TEMP, "a question without a message");
	*used = text.len - rest.len + len;
	return got > 0 ? 0 : -1;
}

static const char *const verdict_words[] = {
	[FILTERED_SAME] = "same", [FILTERED_CHANGED] = "changed", [FILTERED_GONE] = "gone",
	[FILTERED_EACH] = "each", [FILTERED_HELD] = "held", [FILTERED_REFUSED] = "refused", [FILTERED_LATER] = "later",
};

static void
add_plain(struct str *out, struct span text, size_t most)
{
	for (size_t i = 0; i < text.len && i < most; i++)
		str_add_char(out, (unsigned char)text.p[i] < ' ' && text.p[i] != '\n' ? ' ' : text.p[i]);
}

void
filtered_write(const struct filtered *filtered, struct str *out)
{
	str_printf(out, "%s %s %s %d %s\n", verdict_words[filtered->verdict], filtered->rescan ? "rescan" : "-",
	    filtered->rest_after ? "rest" : "-", filtered->err.reply,
	    filtered->err.code[0] != '\0' ? filtered->err.code : "-");
	for (const char *c = filtered->err.text; *c != '\0'; c++)
		str_add_char(out, (unsigned char)*c < ' ' ? ' ' : *c);
	str_add_char(out, '\n');
	add_plain(out, str_span(&filtered->outcomes), FILTERED_TEXT_MAX * 3 / 4);
	str_add_char(out, '\n');
	add_plain(out, str_span(&filtered->notes), FILTERED_TEXT_MAX / 8);
}

int
filtered_read(struct span text, struct filtered *filtered, struct err *err)
{
	struct span line, why, word;
	uint64_t reply;
	size_t i = 0;

	*filtered = (struct filtered){ .fd = -1 };
	span_cut(&text, '\n', &line);
	word = span_word(&line);
	while (i <= FILTERED_LATER && !span_is(word, verdict_words[i]))
		i++;
	filtered->rescan = span_is(span_word(&line), "rescan");
	filtered->rest_after = span_is(span_word(&line), "rest");
	if (i > FILTERED_LATER || span_number(span_word(&line), 999, &reply) < 0 || !span_cut(&text, '\n', &why))
		return err_set(err, ERR_TEMP, "mochila-filter answers what nobody understands");
	filtered->verdict = (enum filter_verdict)i;
	if (i >= FILTERED_HELD) {
		char *code = mem_text_n(line.p, line.len);
		err_set(&filtered->err, i == FILTERED_REFUSED ? ERR_PERM : i == FILTERED_LATER ? ERR_TEMP : ERR_CONFIG,
		    "%.*s", (int)why.len, why.p);
		err_as_reply(&filtered->err, (int)reply, strlen(code) > 2 ? code + (code[0] == ' ') : NULL);
		free(code);
	}
	while (span_cut(&text, '\n', &line) && line.len > 0) {
		str_add_span(&filtered->outcomes, line);
		str_add_char(&filtered->outcomes, '\n');
	}
	str_add_span(&filtered->notes, text);
	return 0;
}
