#include "spool/recipients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/child.h"
#include "lib/base/fs.h"
#include "lib/mail/address.h"
#include "lib/mail/envelope.h"
#include "spool/alias.h"
#include "spool/route.h"
#include "spool/table.h"

enum { PROGRAM_SECONDS = 60, WORDS_MAX = 100 };

void
recipients_path(const struct settings *settings, const char *name, struct str *path)
{
	settings_path(settings, "recipients", path);
	if (name[0] != '\0')
		str_printf(path, "/%s", name);
}

/* "ann@home.example", or "@home.example": all of it. */
static bool
is_address(struct span text)
{
	struct err ignored;
	struct span domain = envelope_domain(text);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f || text.p[i] == '#')
			return false;
	if (text.len > 1 && text.p[0] == '@')
		return address_domain_ok(span_from(text, 1), true);
	return domain.len > 0 && address_check(text, ADDRESS_UTF8, &ignored) == 0;
}

static bool
is_one_of(struct span word, struct span words)
{
	char *text = mem_text_n(word.p, word.len);
	struct span one;
	bool found = false;

	while (!found && (one = span_word(&words)).len > 0)
		found = span_is_case(one, text);
	free(text);
	return found;
}

/* gathering */

struct gathering {
	const struct settings *settings;
	struct span domains;
	struct fs_names all;	/* addresses */
	size_t room;
};

static int
add(struct gathering *g, struct span address, struct err *err)
{
	struct str lower = {0};

	if (g->all.count == RECIPIENTS_MAX / 4)
		return err_set(err, ERR_CONFIG, "too many recipients");
	if (g->all.count == g->room) {
		g->room = g->room > 0 ? 2 * g->room : 64;
		g->all.name = mem_resize(g->all.name, g->room, sizeof *g->all.name);
	}
	str_add_lower(&lower, address);
	g->all.name[g->all.count++] = mem_text(str_c(&lower));
	str_free(&lower);
	return 0;
}

/* What a source names: an address of our domains, or a name, which is one in each. */
static int
take_word(void *ctx, struct span word, struct err *err)
{
	struct gathering *g = ctx;
	struct span rest = g->domains, domain;
	struct str address = {0};
	int result = 0;

	if (word.len == 0)
		return 0;
	if (memchr(word.p, '@', word.len) != NULL)
		return is_address(word) && is_one_of(envelope_domain(word), g->domains) ? add(g, word, err) : 0;
	while (result == 0 && (domain = span_word(&rest)).len > 0) {
		str_clear(&address);
		str_add_span(&address, word);
		str_add_char(&address, '@');
		str_add_span(&address, domain);
		if (is_address(str_span(&address)))
			result = add(g, str_span(&address), err);
	}
	str_free(&address);
	return result;
}

static int
from_file(struct gathering *g, const char *path, struct err *err)
{
	return table_keys(path, take_word, g, err);
}

/* Each folder of DIR that is a Maildir; DIR may end in /%u, as a route has it. */
static int
from_maildirs(struct gathering *g, const char *path, struct err *err)
{
	struct span dir = span_of(path);
	struct fs_names names = {0};
	struct str inside = {0};
	struct stat st;

	if (span_ends_case(dir, "/%u"))
		dir.len -= strlen("/%u");
	char *folder = mem_text_n(dir.p, dir.len);
	int result = fs_names(AT_FDCWD, folder, &names, err);
	for (size_t i = 0; i < names.count && result == 0; i++) {
		str_clear(&inside);
		str_printf(&inside, "%s/%s/new", folder, names.name[i]);
		if (names.name[i][0] != '.' && stat(str_c(&inside), &st) == 0 && S_ISDIR(st.st_mode))
			result = take_word(g, span_of(names.name[i]), err);
	}
	fs_names_free(&names);
	str_free(&inside);
	free(folder);
	return result;
}

/* All that it prints, until it closes its output or is late. */
static int
read_program(int fd, struct str *text, struct err *err)
{
	struct pollfd wait_for = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (poll(&wait_for, 1, PROGRAM_SECONDS * 1000) == 0)
			return err_set(err, ERR_TEMP, "it says nothing for %d s", PROGRAM_SECONDS);
		ssize_t got = read(fd, str_room(text, 65536), 65536);
		if (got < 0 && errno != EINTR)
			return err_sys(err, "read");
		if (got == 0)
			return 0;
		text->len += got > 0 ? (size_t)got : 0;
		if (text->len > RECIPIENTS_MAX)
			return err_set(err, ERR_CONFIG, "it prints more than %d bytes", RECIPIENTS_MAX);
	}
}

static int
run_program(const char *words, struct str *text, struct err *err)
{
	struct span rest = span_of(words), word;
	const char *argv[WORDS_MAX + 1] = { NULL };
	size_t count = 0;
	int end[2], status = 0;

	if (pipe2(end, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	while (count < WORDS_MAX && (word = span_word(&rest)).len > 0)
		argv[count++] = mem_text_n(word.p, word.len);
	const struct child child = { .argv = argv, .in = -1, .out = end[1], .errors = 2 };
	pid_t pid = child_start(&child, err);
	close(end[1]);
	int result = pid < 0 ? -1 : read_program(end[0], text, err);
	close(end[0]);
	struct err ended = {0};
	if (pid > 0 && child_wait(pid, PROGRAM_SECONDS, &status, &ended) == 0)
		child_status(status, argv[0], &ended);
	if (result == 0 && ended.kind != ERR_NONE) {
		*err = ended;
		result = -1;
	}
	for (size_t i = 0; i < count; i++)
		free((char *)(uintptr_t)argv[i]);
	return result;
}

static int
from_program(struct gathering *g, const char *words, struct err *err)
{
	struct str text = {0};
	struct span rest, line;
	int result = run_program(words, &text, err);

	rest = str_span(&text);
	while (result == 0 && span_cut(&rest, '\n', &line))
		result = take_word(g, span_word(&line), err);
	str_free(&text);
	return result;
}

static const struct source {
	const char *name;
	int (*gather)(struct gathering *g, const char *rest, struct err *err);
	bool path;
} sources[] = {
	{ "file:", from_file, true },
	{ "maildir:", from_maildirs, true },
	{ "|", from_program, false },
};

static const struct source *
source_of(struct span said)
{
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++)
		if (span_begins(said, sources[i].name) && said.len > strlen(sources[i].name) &&
		    (sources[i].path || said.p[1] == '/'))
			return &sources[i];
	return NULL;
}

int
recipients_check(const char *said, struct err *err)
{
	struct span rest = span_of(said), one;

	while (span_cut(&rest, ',', &one))
		if ((one = span_trim(one)).len > 0 && source_of(one) == NULL)
			return err_set(err, ERR_CONFIG, "%.*s: want file:PATH, maildir:DIR or |/PROGRAM",
			    (int)(one.len < 200 ? one.len : 200), one.p);
	return 0;
}

static int
gather_one(struct gathering *g, struct span said, struct err *err)
{
	const struct source *source = source_of(said);
	struct str rest = {0};

	if (source == NULL)
		return err_set(err, ERR_CONFIG, "no source of recipients");
	char *text = mem_text_n(said.p, said.len);
	if (source->path)
		settings_path(g->settings, text + strlen(source->name), &rest);
	else
		str_add_text(&rest, text + strlen(source->name));
	int result = source->gather(g, str_c(&rest), err);
	if (result < 0)
		err_prefix(err, "recipients %.200s", text);
	str_free(&rest);
	free(text);
	return result;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
write_list(struct gathering *g, struct str *list)
{
	struct str lines = {0};
	struct span rest = g->domains, domain;
	size_t count = 0;

	if (g->all.count > 0)
		qsort(g->all.name, g->all.count, sizeof *g->all.name, by_name);
	for (size_t i = 0; i < g->all.count; i++) {
		if (i > 0 && strcmp(g->all.name[i], g->all.name[i - 1]) == 0)
			continue;
		str_printf(&lines, "%s\n", g->all.name[i]);
		count++;
	}
	str_printf(list, "recipients=1 count=%zu\n", count);
	while ((domain = span_word(&rest)).len > 0) {
		str_add_text(list, "domain ");
		str_add_lower(list, domain);
		str_add_char(list, '\n');
	}
	str_add_span(list, str_span(&lines));
	str_add_text(list, "end\n");
	str_free(&lines);
}

int
recipients_gather(const struct settings *settings, const struct site_settings *site, struct str *list,
    struct err *err)
{
	struct gathering g = { .settings = settings, .domains = span_of(site->recipients_domains) };
	struct span rest = span_of(site->recipients), one;
	int result = 0;

	while (result == 0 && span_cut(&rest, ',', &one))
		if ((one = span_trim(one)).len > 0)
			result = gather_one(&g, one, err);
	/* A source that lost its disk must not make all of our mail bounce. */
	if (result == 0 && g.all.count == 0)
		result = err_set(err, ERR_CONFIG, "the sources of [site %s] recipients name nobody at all", site->name);
	if (result == 0)
		write_list(&g, list);
	fs_names_free(&g.all);
	if (result == 0 && list->len > RECIPIENTS_MAX)
		result = err_set(err, ERR_CONFIG, "a list of more than %d bytes", RECIPIENTS_MAX);
	return result;
}

/* taking */

static int
bad(struct err *err, const char *why, struct span line)
{
	return err_set(err, ERR_PERM, "a list of recipients that is not taken: %s: %.*s", why,
	    (int)(line.len < 200 ? line.len : 200), line.p != NULL ? line.p : "");
}

static bool
may_speak_for(const struct settings *settings, const struct site_settings *site, struct span domain)
{
	struct span rest = span_of(site->speaks_for), word;
	struct str address = {0};
	bool may = false;

	str_add_text(&address, "postmaster@");
	str_add_span(&address, domain);
	while (!may && (word = span_word(&rest)).len > 0) {
		char *pattern = mem_text_n(word.p, word.len);
		may = strcmp(pattern, "*") != 0 && route_meets(pattern, str_span(&address));
		free(pattern);
	}
	struct route_match match = route_find(settings, str_span(&address));
	str_free(&address);
	return may && match.kind == ROUTE_SITE && !match.wildcard && strcmp(match.rest, site->name) == 0;
}

static int
take_line(const struct settings *settings, const struct site_settings *site, struct span line,
    struct str *domains, struct str *out, struct err *err)
{
	if (span_begins(line, "domain ")) {
		struct span domain = span_from(line, strlen("domain "));
		if (!address_domain_ok(domain, true) || !may_speak_for(settings, site, domain))
			return bad(err, "no domain of that site", domain);
		str_add_char(domains, ' ');
		str_add_span(domains, domain);
		str_add_lower(out, domain);
		str_add_text(out, "\tDOMAIN\n");
		return 0;
	}
	struct span domain = line.len > 0 && line.p[0] == '@' ? span_from(line, 1) : envelope_domain(line);
	if (!is_address(line) || !is_one_of(domain, str_span(domains)))
		return bad(err, "no address of those domains", line);
	str_add_lower(out, line);
	str_add_text(out, "\tOK\n");
	return 1;
}

static int
take_lines(const struct settings *settings, const struct site_settings *site, struct span list,
    struct str *out, struct err *err)
{
	struct span rest = list, line, head, word;
	struct str domains = {0};
	uint64_t count = 0, want;
	int got = 0;

	span_cut(&rest, '\n', &head);
	struct span words = head;
	word = span_word(&words);
	bool known = span_is(word, "recipients=1");
	word = span_word(&words);
	if (!known || !span_begins(word, "count=") || span_number(span_from(word, 6), UINT64_MAX, &want) < 0)
		return bad(err, "it does not begin as one", head);
	while (got >= 0 && span_cut(&rest, '\n', &line) && !span_is(line, "end")) {
		got = take_line(settings, site, line, &domains, out, err);
		count += got > 0;
	}
	str_free(&domains);
	if (got >= 0 && (!span_is(line, "end") || rest.len > 0 || count != want))
		return bad(err, "it is not whole", line);
	return got < 0 ? -1 : 0;
}

int
recipients_take(const struct settings *settings, const struct site_settings *site, struct span list,
    struct err *err)
{
	struct str out = {0}, path = {0};

	str_add_text(&out, "# whom there is at this site, as it says itself; mochila writes this\n");
	int result = take_lines(settings, site, list, &out, err);
	recipients_path(settings, "", &path);
	int dir = -1;
	if (result == 0 && fs_make_dir(AT_FDCWD, str_c(&path), 0755, err) == 0)
		dir = fs_dir(AT_FDCWD, str_c(&path), err);
	/* Others read it, too: Postfix's and Exim's users. */
	if (result == 0)
		result = dir < 0 ? -1 : fs_replace(dir, site->name, str_span(&out), 0644, err);
	if (dir >= 0)
		close(dir);
	str_free(&out);
	str_free(&path);
	return result;
}

/* asking */

static int
find(const struct settings *settings, const char *path, struct span address, struct err *err)
{
	struct span domain = envelope_domain(address);
	struct str key = {0}, ignored = {0};

	if (domain.len > 0 && domain.p[domain.len - 1] == '.') {
		domain.len--;
		address.len--;
	}
	int found = table_find_in(settings->tables, path, domain, &ignored, err);
	if (found == 0) {
		str_free(&ignored);
		return 1;	/* it tells nothing of this domain */
	}
	if (found > 0)
		found = table_find_in(settings->tables, path, address, &ignored, err);
	if (found == 0 && alias_base(settings, address, &key))
		found = table_find_in(settings->tables, path, str_span(&key), &ignored, err);
	str_set(&key, "@");
	str_add_span(&key, domain);
	if (found == 0)
		found = table_find_in(settings->tables, path, str_span(&key), &ignored, err);
	str_free(&key);
	str_free(&ignored);
	return found;
}

int
recipients_know(const struct settings *settings, const char *site, struct span address, struct err *err)
{
	struct str path = {0};
	int known = 1;

	if (settings->tables == NULL)
		return 1;
	recipients_path(settings, site, &path);
	if (access(str_c(&path), F_OK) == 0)
		known = find(settings, str_c(&path), address, err);
	str_free(&path);
	return known;
}
