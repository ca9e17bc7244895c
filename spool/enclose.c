#include "spool/enclose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/sandbox.h"
#include "lib/base/words.h"

/* what the settings name */

/* A word with a whole path in it: "/PATH", "file:/PATH", "|/PATH"; what stands before it. */
static bool
names_path(struct span word, struct span *scheme, struct span *path)
{
	const char *slash = memchr(word.p, '/', word.len);

	if (slash == NULL)
		return false;
	*scheme = span_to(word, (size_t)(slash - word.p));
	*path = span_from(word, scheme->len);
	return scheme->len == 0 || strchr(":|=", slash[-1]) != NULL;
}

static bool
is_apart(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '"';
}

static struct span
next_word(struct span *rest)
{
	size_t at = 0, end;

	while (at < rest->len && is_apart(rest->p[at]))
		at++;
	for (end = at; end < rest->len && !is_apart(rest->p[end]);)
		end++;
	struct span word = span_to(span_from(*rest, at), end - at);
	*rest = span_from(*rest, end);
	return word;
}

struct naming {
	void (*path)(void *ctx, struct span key, struct span scheme, struct span path);
	void *ctx;
};

static void
each_path(const struct settings *settings, const struct naming *naming)
{
	struct str text = {0};
	struct span rest, line, word, scheme, path;

	settings_show(settings, &text);
	rest = str_span(&text);
	while (span_cut(&rest, '\n', &line)) {
		if (line.len == 0 || line.p[0] == '#' || line.p[0] == '[')
			continue;
		struct span key = span_word(&line);
		while ((word = next_word(&line)).len > 0)
			if (names_path(word, &scheme, &path))
				naming->path(naming->ctx, key, scheme, path);
	}
	str_free(&text);
}

/* in the helper */

struct rules {
	const struct settings_args *args;
	const char *program;	/* of no settings; or NULL */
	struct settings settings;
};

static const char exec_scheme[] = "exec:";

/* These are started with the words that stand there. */
static bool
is_whole_line(struct span key, struct span scheme)
{
	return (span_is(key, "link") || span_is(key, "passphrase")) && span_is(scheme, exec_scheme);
}

struct looking {
	struct span path;
	bool found;
};

static void
look(void *ctx, struct span key, struct span scheme, struct span path)
{
	struct looking *looking = ctx;

	looking->found = looking->found || (!is_whole_line(key, scheme) && span_same(path, looking->path));
}

static bool
has_words(const char *line, const char *path, const char *const *words)
{
	struct str program = {0};
	struct err ignored;
	char **said = words_of(line, &ignored);
	size_t i = 0;
	bool same = said != NULL && words_program(said[0], &program, &ignored) == 0 && strcmp(str_c(&program), path) == 0;

	while (same && said[i] != NULL && words[i] != NULL && strcmp(said[i], words[i]) == 0)
		i++;
	same = same && said[i] == NULL && words[i] == NULL;
	free(said);
	str_free(&program);
	return same;
}

/* "link = exec:ssh -T host uucico" */
static bool
is_said_line(const struct settings *settings, const char *path, const char *const *words)
{
	struct str text = {0};
	struct span rest, line;
	bool found = false;

	settings_show(settings, &text);
	for (rest = str_span(&text); !found && span_cut(&rest, '\n', &line);) {
		struct span key = span_word(&line), value;
		span_word(&line);	/* "=" */
		value = span_trim(line);
		if (!span_begins(value, exec_scheme) || !is_whole_line(key, span_of(exec_scheme)))
			continue;
		char *said = mem_text_n(value.p + strlen(exec_scheme), value.len - strlen(exec_scheme));
		found = has_words(said, path, words);
		free(said);
	}
	str_free(&text);
	return found;
}

/* The relative one: "command:bin/sort", below root. */
static bool
is_said_below(const struct settings *settings, struct span path)
{
	struct str text = {0};
	size_t root = strlen(settings->root);
	bool found = false;

	if (!span_begins(path, settings->root) || path.len <= root + 1 || path.p[root] != '/')
		return false;
	struct span rest, line, word, below = span_from(path, root + 1);
	settings_show(settings, &text);
	for (rest = str_span(&text); !found && span_cut(&rest, '\n', &line);)
		while (!found && line.len > 0 && line.p[0] != '#' && (word = next_word(&line)).len >= below.len)
			found = span_same(span_from(word, word.len - below.len), below) &&
			    (word.len == below.len || strchr(":|", word.p[word.len - below.len - 1]) != NULL);
	str_free(&text);
	return found;
}

static bool
is_ours(struct span path)
{
	struct str folder = {0};

	settings_program("", &folder);
	bool ours = span_begins(path, str_c(&folder)) && memchr(path.p + folder.len, '/', path.len - folder.len) == NULL;
	str_clear(&folder);
	settings_door(&folder);
	ours = ours || span_same(path, str_span(&folder));
	str_free(&folder);
	return ours;
}

static bool
may_run(void *ctx, const char *path, const char *const *words)
{
	struct rules *rules = ctx;
	struct looking looking = { .path = span_of(path) };
	const struct naming naming = { look, &looking };

	if (is_ours(looking.path) || (rules->program != NULL && strcmp(path, rules->program) == 0))
		return true;
	each_path(&rules->settings, &naming);
	return looking.found || is_said_below(&rules->settings, looking.path) ||
	    is_said_line(&rules->settings, path, words);
}

/* The settings as they are now; those that cannot be read change nothing. */
static void
read_again(void *ctx)
{
	struct rules *rules = ctx;
	struct settings fresh;
	struct err ignored;

	if (settings_load(&fresh, rules->args, &ignored) < 0) {
		settings_free(&fresh);
		return;
	}
	settings_free(&rules->settings);
	rules->settings = fresh;
}

static int
prepare(const struct settings *settings, const struct settings_args *args, const char *program, struct err *err)
{
	static struct rules rules;
	const struct helper_rules helper = { .may = may_run, .again = read_again, .ctx = &rules };

	if (!settings->spool.sandbox) {
		setenv("MOCHILA_SANDBOX", "no", 1);	/* for those of our programs that we start */
		return 0;
	}
	rules.args = args;
	rules.program = program;
	if (settings_load(&rules.settings, args, err) < 0 || helper_start(&helper, err) < 0) {
		settings_free(&rules.settings);
		return -1;
	}
	settings_free(&rules.settings);	/* the helper has its own */
	return 0;
}

int
enclose_prepare(const struct settings *settings, const struct settings_args *args, struct err *err)
{
	return prepare(settings, args, NULL, err);
}

/* the walls */

/* The folder that has the files of a path: itself, or what is before its last slash or first
 * "%"; one that is to be written and is not there yet, the nearest that is. */
static void
folder_of(struct span path, bool write, struct str *folder)
{
	const char *percent = memchr(path.p, '%', path.len);
	struct stat st;

	str_set_span(folder, percent != NULL ? span_to(path, (size_t)(percent - path.p)) : path);
	bool itself = percent == NULL && stat(str_c(folder), &st) == 0 && S_ISDIR(st.st_mode);
	while (!itself && folder->len > 1) {
		const char *slash = strrchr(str_c(folder), '/');
		folder->len = slash > folder->p ? (size_t)(slash - folder->p) : 1;
		itself = !write || stat(str_c(folder), &st) == 0;
	}
}

static bool
is_written(struct span key, struct span scheme)
{
	static const char *const keys[] = { "path", "log", "keys", "pop3-mailbox", "receive", NULL };
	static const char *const schemes[] = { "maildir:", "mbox:", "unix:", NULL };
	bool written = false;

	for (size_t i = 0; keys[i] != NULL; i++)
		written = written || span_is(key, keys[i]);
	for (size_t i = 0; schemes[i] != NULL; i++)
		written = written || span_ends_case(scheme, schemes[i]);
	return written;
}

static void
add_folder(void *ctx, struct span key, struct span scheme, struct span path)
{
	struct sandbox *sandbox = ctx;
	bool write = is_written(key, scheme);
	struct str folder = {0}, whole = {0};

	folder_of(path, write, &folder);
	str_set_span(&whole, path);
	if (folder.len > 1)
		sandbox_may(sandbox, str_c(&folder), write ? SANDBOX_WRITE : SANDBOX_READ);
	else if (!write)
		sandbox_may(sandbox, str_c(&whole), SANDBOX_READ);	/* "/users": not all there is */
	else
		log_warn("-: event=sandbox why=\"no folder for %.*s is there yet: it will not be made\"", (int)path.len, path.p);
	str_free(&folder);
	str_free(&whole);
}

/* What is read of ours, wherever it was installed. */
static void
add_ours(struct sandbox *sandbox)
{
	struct str path = {0};

	settings_program("", &path);
	sandbox_may(sandbox, str_c(&path), SANDBOX_READ);
	str_clear(&path);
	settings_shipped("", &path);
	sandbox_may(sandbox, str_c(&path), SANDBOX_READ);
	str_free(&path);
}

static void
add_written(struct sandbox *sandbox, const char *said)
{
	struct str path = {0};
	char here[4096];

	if (said[0] != '/' && getcwd(here, sizeof here) != NULL)
		str_printf(&path, "%s/", here);
	str_add_text(&path, said);
	add_folder(sandbox, SPAN("path"), (struct span){ "", 0 }, str_span(&path));
	str_free(&path);
}

void
enclose_enter(const struct settings *settings, const char *written, struct str *said)
{
	struct sandbox sandbox = {0};
	const struct naming naming = { add_folder, &sandbox };
	struct str file = {0};

	if (!settings->spool.sandbox) {
		str_add_text(said, "off");
		return;
	}
	sandbox_may_libraries(&sandbox);
	/* It may be yet to be made. */
	add_folder(&sandbox, SPAN("path"), (struct span){ "", 0 }, span_of(settings->root));
	add_ours(&sandbox);
	each_path(settings, &naming);
	folder_of(span_of(settings->file), false, &file);
	sandbox_may(&sandbox, str_c(&file), SANDBOX_READ);
	if (written != NULL)
		add_written(&sandbox, written);
	sandbox_enter(&sandbox, said);
	sandbox_free(&sandbox);
	str_free(&file);
}

int
enclose(const struct settings *settings, const struct settings_args *args, const char *written, const char *program,
    struct err *err)
{
	struct str said = {0};

	if (prepare(settings, args, program, err) < 0)
		return -1;
	enclose_enter(settings, written, &said);
	log_debug("event=sandbox %s", str_c(&said));
	str_free(&said);
	return 0;
}

/* The permissions of the file say yes, and Landlock no. */
static void
miss(void *ctx, struct span key, struct span scheme, struct span path)
{
	struct str *missed = ctx, folder = {0};
	bool write = is_written(key, scheme);

	folder_of(path, write, &folder);
	int fd = open(str_c(&folder), (write ? O_TMPFILE | O_WRONLY : O_RDONLY | O_DIRECTORY) | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	else if (missed->len == 0 && errno == EACCES && access(str_c(&folder), X_OK | (write ? W_OK : R_OK)) == 0)
		str_add_span(missed, path);
	str_free(&folder);
}

bool
enclose_misses(const struct settings *settings, struct str *path)
{
	const struct naming naming = { miss, path };

	str_clear(path);
	if (settings->spool.sandbox)
		each_path(settings, &naming);
	return path->len > 0;
}
