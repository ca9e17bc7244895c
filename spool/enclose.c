#include "spool/enclose.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/helper.h"
#include "lib/base/log.h"
#include "lib/base/sandbox.h"
#include "lib/base/words.h"
#include "spool/recipients.h"

/* what the settings name */

/* What stands before a path: "file:", "|", "tls:unix:". */
static struct span
scheme_of(struct span word)
{
	size_t len = 0;

	for (size_t at = 0; at < word.len && word.p[at] != '/'; at++)
		if (strchr(":|=", word.p[at]) != NULL)
			len = at + 1;
	return span_to(word, len);
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

struct named {		/* a word of the settings, as a path */
	struct span section, key, scheme;	/* section: "relay" of [relay main] */
	const char *path;	/* whole */
	bool below;		/* it was said relative to the root: it may be no path at all */
};

struct naming {
	void (*path)(void *ctx, const struct named *named);
	void *ctx;
};

static void
name_word(const struct settings *settings, struct span section, struct span key, struct span word,
    const struct naming *naming)
{
	struct span scheme = scheme_of(word);
	char *said = mem_text_n(word.p + scheme.len, word.len - scheme.len);
	struct str whole = {0};

	settings_path(settings, said, &whole);
	const struct named named = { section, key, scheme, str_c(&whole), said[0] != '/' };
	if (said[0] != '\0')
		naming->path(naming->ctx, &named);
	str_free(&whole);
	free(said);
}

static void
each_path(const struct settings *settings, const struct naming *naming)
{
	struct str text = {0};
	struct span rest, line, word, section = { "", 0 };

	settings_show(settings, &text);
	rest = str_span(&text);
	while (span_cut(&rest, '\n', &line)) {
		if (line.len > 0 && line.p[0] == '[')
			section = span_to(span_from(line, 1), strcspn(line.p + 1, " ]"));
		if (line.len == 0 || line.p[0] == '#' || line.p[0] == '[')
			continue;
		struct span key = span_word(&line);
		while ((word = next_word(&line)).len > 0)
			name_word(settings, section, key, word, naming);
	}
	str_free(&text);
}

/* in the helper */

struct rules {
	const struct settings_args *args;
	struct enclosing what;
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
	unsigned needs;
	bool found;
};

static void
look(void *ctx, const struct named *named)
{
	struct looking *looking = ctx;

	looking->found = looking->found || (!named->below && !is_whole_line(named->key, named->scheme) &&
	    span_is(looking->path, named->path));
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
is_named_program(const struct rules *rules, const char *path, const char *const *words)
{
	struct looking looking = { .path = span_of(path) };
	const struct naming naming = { look, &looking };

	if (is_ours(looking.path) || (rules->what.program != NULL && strcmp(path, rules->what.program) == 0))
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

/* Whoever is asked for by the relay may have been named since we began, and nobody tells us. */
static bool
may_run(void *ctx, const char *path, const char *const *words)
{
	if (is_named_program(ctx, path, words))
		return true;
	read_again(ctx);
	return is_named_program(ctx, path, words);
}

/* Secrets, and who is to know them. */
static bool
is_for(const struct named *named, unsigned needs)
{
	static const char *const secrets[] = { "key", "jump-key", "passphrase", "known-hosts", "key-auth", "proxy-login", "login",
		"tls-cert", "tls-key" };
	bool secret = false;

	for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
		secret = secret || span_is(named->key, secrets[i]);
	if (!secret)
		return true;
	if (!span_is(named->section, "site") && !span_is(named->section, "way"))
		return (needs & ENCLOSE_DOORS) != 0;
	return (needs & (span_is(named->key, "key-auth") ? ENCLOSE_CALLS | ENCLOSE_ANSWERS : ENCLOSE_CALLS)) != 0;
}

struct door_looking { const char *path; bool found; };

static void
look_door(void *ctx, const struct named *named)
{
	struct door_looking *looking = ctx;

	looking->found = looking->found || (span_ends_case(named->scheme, "unix:") && strcmp(named->path, looking->path) == 0);
}

/* A socket that somebody listens at. */
static bool
is_door(const struct settings *settings, const char *path)
{
	struct door_looking looking = { .path = path };
	const struct naming naming = { look_door, &looking };
	struct stat st;

	each_path(settings, &naming);
	return looking.found && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
look_file(void *ctx, const struct named *named)
{
	struct looking *looking = ctx;

	looking->found = looking->found || (is_for(named, looking->needs) && span_is(looking->path, named->path));
}

/* ROOT/recipients/SITE, which a site may yet tell. */
static bool
is_list(const struct settings *settings, const char *path)
{
	struct str folder = {0};

	recipients_path(settings, "", &folder);
	bool is = strncmp(path, str_c(&folder), folder.len) == 0 && path[folder.len] != '\0' && path[folder.len] != '.' &&
	    strchr(path + folder.len, '/') == NULL;
	str_free(&folder);
	return is;
}

static bool
is_named_log(const struct rules *rules, const char *path)
{
	struct str log = {0};

	settings_path(&rules->settings, rules->settings.spool.log, &log);
	bool is = strcmp(path, str_c(&log)) == 0 || (rules->what.written != NULL && strcmp(path, rules->what.written) == 0);
	str_free(&log);
	return is;
}

static bool
is_named_file(const struct rules *rules, const char *path)
{
	struct looking looking = { .path = span_of(path), .needs = rules->what.needs };
	const struct naming naming = { look_file, &looking };

	each_path(&rules->settings, &naming);
	return looking.found || strcmp(path, rules->settings.file) == 0 || is_list(&rules->settings, path);
}

static bool
may_open(void *ctx, const char *path, enum helper_way way)
{
	const struct rules *rules = ctx;

	if (way == HELPER_REMOVE)
		return (rules->what.removed != NULL && strcmp(path, rules->what.removed) == 0) ||
		    ((rules->what.needs & ENCLOSE_DOORS) != 0 && is_door(&rules->settings, path));
	if (way == HELPER_APPEND)
		return is_named_log(rules, path);
	if (is_named_file(rules, path))
		return true;
	read_again(ctx);
	return is_named_file(rules, path);
}

int
enclose_prepare(const struct settings *settings, const struct settings_args *args, const struct enclosing *what,
    struct err *err)
{
	static struct rules rules;
	const struct helper_rules helper = { .may = may_run, .may_open = may_open, .again = read_again, .ctx = &rules,
		.silent = (what->needs & ENCLOSE_ANSWERS) != 0 };

	if (!settings->spool.sandbox) {
		setenv("MOCHILA_SANDBOX", "no", 1);	/* for those of our programs that we start */
		return 0;
	}
	rules.args = args;
	rules.what = *what;
	if (settings_load(&rules.settings, args, err) < 0 || helper_start(&helper, err) < 0) {
		settings_free(&rules.settings);
		return -1;
	}
	settings_free(&rules.settings);	/* the helper has its own */
	return 0;
}

/* the walls */

/* What stands before the first "%": the folder that is meant, or that has those that are. */
static void
fixed_part(const char *path, struct str *out)
{
	const char *percent = strchr(path, '%');
	size_t len = percent != NULL ? (size_t)(percent - path) : strlen(path);

	while (percent != NULL && len > 1 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	str_set_span(out, (struct span){ path, len });
}

static void
cut_last(struct str *path)
{
	const char *slash = strrchr(str_c(path), '/');

	path->len = slash != NULL && slash > path->p ? (size_t)(slash - path->p) : 1;
}

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Is the folder the root, or has it the root in it? */
static bool
holds_root(const struct settings *settings, const struct str *folder)
{
	return span_begins(span_of(settings->root), folder->p) &&
	    (folder->len == 1 || settings->root[folder->len] == '/' || settings->root[folder->len] == '\0');
}

static bool
is_below(const struct settings *settings, const struct str *folder)
{
	size_t len = strlen(settings->root);

	return span_begins(str_span(folder), settings->root) && folder->len > len && folder->p[len] == '/';
}

/* Below the root it is made, so that there is something to name: each folder that is missing. */
static void
make_below(const struct settings *settings, const struct str *folder)
{
	struct str path = {0};
	struct err ignored;

	for (size_t at = strlen(settings->root) + 1; at <= folder->len; at++) {
		if (at < folder->len && folder->p[at] != '/')
			continue;
		str_set_span(&path, span_to(str_span(folder), at));
		fs_make_dir(AT_FDCWD, str_c(&path), 0700, &ignored);
	}
	str_free(&path);
}

enum written { NOT_WRITTEN, A_FOLDER, A_FILE };	/* of a file the folder is written */

static enum written
is_written(const struct named *named, unsigned needs)
{
	const bool boxes = (needs & ENCLOSE_BOXES) != 0, doors = (needs & ENCLOSE_DOORS) != 0;

	if (boxes && (span_ends_case(named->scheme, "maildir:") || span_ends_case(named->scheme, "copy:") ||
	    span_ends_case(named->scheme, "deliver:")))
		return A_FOLDER;
	if ((boxes && span_ends_case(named->scheme, "mbox:")) || (doors && span_ends_case(named->scheme, "unix:")))
		return A_FILE;
	if (doors && span_is(named->key, "pop3-mailbox") && !span_is(named->scheme, "queue:"))
		return A_FOLDER;
	return (needs & ENCLOSE_FILES) != 0 && span_is(named->key, "receive") && is_folder(named->path) ? A_FOLDER : NOT_WRITTEN;
}

/* The folder that a rule is for; false: none is needed. */
static bool
folder_of(const struct settings *settings, const struct named *named, unsigned needs, struct str *folder)
{
	enum written written = is_written(named, needs);
	struct span path = span_of(named->path), ending;

	/* "copy:DIR;nodelete" */
	span_cut(&path, ';', &ending);
	char *said = mem_text_n(ending.p, ending.len);
	fixed_part(said, folder);
	free(said);
	if (written == NOT_WRITTEN)	/* a single file is opened by the helper */
		return !named->below && is_for(named, needs) && !span_is(named->key, "keys") && is_folder(str_c(folder));
	if (written == A_FILE && strchr(named->path, '%') == NULL)
		cut_last(folder);
	if (is_below(settings, folder) && written == A_FOLDER)
		make_below(settings, folder);
	while (folder->len > 1 && !is_folder(str_c(folder)))
		cut_last(folder);
	return folder->len > 1 && !(written == A_FILE && span_ends_case(named->scheme, "unix:") && holds_root(settings, folder));
}

struct walls {
	const struct settings *settings;
	unsigned needs;
	struct sandbox sandbox;
};

static void
add_folder(void *ctx, const struct named *named)
{
	struct walls *walls = ctx;
	struct str folder = {0};
	bool write = is_written(named, walls->needs) != NOT_WRITTEN;

	if (folder_of(walls->settings, named, walls->needs, &folder)) {
		if (write && holds_root(walls->settings, &folder))
			log_warn("-: event=sandbox why=\"%.*s = %s has the whole root written, settings and keys too: give it "
			    "a folder of its own\"", (int)named->key.len, named->key.p, named->path);
		sandbox_may(&walls->sandbox, str_c(&folder), write ? SANDBOX_WRITE : SANDBOX_READ);
	} else if (write && folder.len == 1) {
		log_warn("-: event=sandbox why=\"%s has no folder yet, and gets none\"", named->path);
	}
	str_free(&folder);
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
add_below(struct walls *walls, const char *name, enum sandbox_right right, bool make)
{
	struct str path = {0};
	struct err ignored;

	settings_path(walls->settings, name, &path);
	if (make)
		fs_make_dir(AT_FDCWD, str_c(&path), 0750, &ignored);
	sandbox_may(&walls->sandbox, str_c(&path), right);
	str_free(&path);
}

/* The spool; with a site, of the batches under way only its own.  What came is settled by whoever
 * took it: out/ is everybody's. */
static void
add_spool(struct walls *walls, const char *site)
{
	static const char *const all[] = { "uux", "gather", "sequence", "tmp", "in", "out", "xqt", "hold", "failed", "seen", "ring",
		"drop", "log", "part", "hosts", "lock" };
	const char *spool = walls->settings->spool.path;
	struct str name = {0};

	if ((walls->needs & ENCLOSE_NEW) != 0)
		mkdir(walls->settings->root, 0750);
	add_below(walls, spool, site == NULL ? SANDBOX_WRITE : SANDBOX_READ, (walls->needs & ENCLOSE_NEW) != 0);
	for (size_t i = 0; site != NULL && i < sizeof all / sizeof all[0]; i++) {
		str_clear(&name);
		str_printf(&name, "%s/%s", spool, all[i]);
		add_below(walls, str_c(&name), SANDBOX_WRITE, i < 3);	/* spool_open() makes the others */
	}
	if (site != NULL) {
		str_clear(&name);
		str_printf(&name, "%s/sent/%s", spool, site);
		add_below(walls, str_c(&name), SANDBOX_WRITE, true);
	}
	str_free(&name);
}

/* Folders below the root, as far as they are there; neither the keys nor, for who has no work in it, the spool. */
static void
add_root(struct walls *walls)
{
	struct str keys = {0}, spool = {0}, path = {0};
	struct fs_names names = {0};
	struct err ignored;

	settings_path(walls->settings, walls->settings->spool.keys, &keys);
	settings_path(walls->settings, walls->settings->spool.path, &spool);
	if (fs_names(AT_FDCWD, walls->settings->root, &names, &ignored) < 0)
		names.count = 0;
	for (size_t i = 0; i < names.count; i++) {
		str_clear(&path);
		settings_path(walls->settings, names.name[i], &path);
		bool mine = !span_same(str_span(&path), str_span(&keys)) || (walls->needs & ENCLOSE_CALLS) != 0;
		bool work = !span_same(str_span(&path), str_span(&spool)) || (walls->needs & ENCLOSE_SPOOL) != 0;
		if (mine && work && is_folder(str_c(&path)))
			sandbox_may(&walls->sandbox, str_c(&path), (walls->needs & ENCLOSE_ANY_BOX) != 0 ? SANDBOX_WRITE :
			    SANDBOX_READ);
	}
	if ((walls->needs & ENCLOSE_CALLS) != 0)
		sandbox_may(&walls->sandbox, str_c(&keys), SANDBOX_READ);
	fs_names_free(&names);
	str_free(&keys);
	str_free(&spool);
	str_free(&path);
}

/* Below the root the folder that they are in: others will come. */
static void
add_boxes(struct walls *walls, struct span boxes)
{
	struct span line;

	while (span_cut(&boxes, '\n', &line)) {
		char *said = mem_text_n(line.p, line.len);
		struct str folder = {0};
		settings_path(walls->settings, said, &folder);
		if (is_below(walls->settings, &folder)) {
			make_below(walls->settings, &folder);
			if (strchr(str_c(&folder) + strlen(walls->settings->root) + 1, '/') != NULL)
				cut_last(&folder);
		}
		if (line.len > 0)
			sandbox_may(&walls->sandbox, str_c(&folder), SANDBOX_WRITE);
		str_free(&folder);
		free(said);
	}
}

/* What the relay knows of its clients. */
static bool
has_grey(const struct settings *settings)
{
	bool has = false;

	for (size_t i = 0; i < settings->relays; i++)
		has = has || settings->relay[i].greylist > 0;
	return has;
}

static void
add_known(struct walls *walls)
{
	struct str path = {0};

	settings_path(walls->settings, "grey", &path);
	int fd = has_grey(walls->settings) ? open(str_c(&path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (fd >= 0) {
		sandbox_may(&walls->sandbox, str_c(&path), SANDBOX_WRITE);
		close(fd);
	}
	str_clear(&path);
	settings_path(walls->settings, "pop-before-smtp", &path);
	mkdir(str_c(&path), 0700);
	sandbox_may(&walls->sandbox, str_c(&path), SANDBOX_WRITE);
	str_free(&path);
}

/* One that is not there yet may be made, with those above it. */
static void
add_written(struct walls *walls, const char *said)
{
	struct str whole = {0}, path = {0};
	char here[4096];

	if (said[0] != '/' && getcwd(here, sizeof here) != NULL)
		str_printf(&whole, "%s/", here);
	str_add_text(&whole, said);
	fixed_part(str_c(&whole), &path);
	str_free(&whole);
	if (is_below(walls->settings, &path))
		make_below(walls->settings, &path);
	while (path.len > 1 && !is_folder(str_c(&path)))
		cut_last(&path);
	if (path.len > 1)
		sandbox_may(&walls->sandbox, str_c(&path), SANDBOX_WRITE);
	str_free(&path);
}

void
enclose_enter(const struct settings *settings, const struct enclosing *what, struct str *said)
{
	struct walls walls = { .settings = settings, .needs = what->needs };
	const struct naming naming = { add_folder, &walls };
	struct err ignored;

	if (!settings->spool.sandbox) {
		str_add_text(said, "off");
		return;
	}
	sandbox_may_libraries(&walls.sandbox);
	if ((what->needs & ENCLOSE_SPOOL) != 0) {
		settings_make_run(settings, &ignored);
		add_spool(&walls, what->site);
		add_below(&walls, "run", SANDBOX_WRITE, false);
	}
	add_boxes(&walls, span_of(what->boxes != NULL ? what->boxes : ""));
	add_root(&walls);
	add_ours(&walls.sandbox);
	each_path(settings, &naming);
	if ((what->needs & ENCLOSE_LISTS) != 0)
		add_below(&walls, "recipients", SANDBOX_WRITE, true);
	if ((what->needs & ENCLOSE_DOORS) != 0)
		add_known(&walls);
	if (what->written != NULL)
		add_written(&walls, what->written);
	sandbox_enter(&walls.sandbox, said);
	sandbox_free(&walls.sandbox);
}

int
enclose(const struct settings *settings, const struct settings_args *args, const struct enclosing *what, struct err *err)
{
	struct str said = {0};

	if (enclose_prepare(settings, args, what, err) < 0)
		return -1;
	enclose_enter(settings, what, &said);
	log_debug("event=sandbox %s", str_c(&said));
	str_free(&said);
	return 0;
}

struct missing {
	const struct settings *settings;
	unsigned needs;
	struct str *path;
};

/* The permissions of the file say yes, and Landlock no. */
static void
miss(void *ctx, const struct named *named)
{
	struct missing *missing = ctx;
	struct str folder = {0};
	bool write = is_written(named, missing->needs) != NOT_WRITTEN;

	if (missing->path->len == 0 && folder_of(missing->settings, named, missing->needs, &folder)) {
		int fd = open(str_c(&folder), (write ? O_TMPFILE | O_WRONLY : O_RDONLY | O_DIRECTORY) | O_CLOEXEC, 0600);
		if (fd >= 0)
			close(fd);
		else if (errno == EACCES && access(str_c(&folder), X_OK | (write ? W_OK : R_OK)) == 0)
			str_set(missing->path, named->path);
	}
	str_free(&folder);
}

bool
enclose_misses(const struct settings *settings, const struct enclosing *what, struct str *path)
{
	struct missing missing = { settings, what->needs, path };
	const struct naming naming = { miss, &missing };

	str_clear(path);
	if (!settings->spool.sandbox)
		return false;
	each_path(settings, &naming);
	struct str grey = {0};
	settings_path(settings, "grey", &grey);
	int fd = path->len == 0 && has_grey(settings) ? open(str_c(&grey), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -2;
	if (fd == -1 && errno == EACCES)
		str_set_span(path, str_span(&grey));
	if (fd >= 0)
		close(fd);
	str_free(&grey);
	return path->len > 0;
}
