/*
 * mochila pair: two sites made known to each other.
 *
 * The calling side pins the far end's host key, once a person has compared its
 * fingerprint, and says how to let our key in there.  The answering side takes
 * that key.  Every step may be repeated, and only then is the next one done:
 * pinned, configured, told.
 */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { KEYS_MAX = 1 << 20 };

struct pair {
	struct door *door;
	const char *site, *link;
	const char *fingerprint, *accept, *file, *via;
	bool yes;
};

/* a folder and a name in it */

struct place {
	int dir;
	char *folder, *name;
};

static int
place_open(struct place *place, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	place->folder = slash == NULL ? mem_text(".") :
	    mem_text_n(path, slash > path ? (size_t)(slash - path) : 1);
	place->name = mem_text(slash == NULL ? path : slash + 1);
	place->dir = fs_dir(AT_FDCWD, place->folder, err);
	return place->dir < 0 ? -1 : 0;
}

static void
place_close(struct place *place)
{
	if (place->dir >= 0)
		close(place->dir);
	free(place->folder);
	free(place->name);
}

/* A missing file is an empty one. */
static int
place_load(const struct place *place, struct str *text, mode_t *mode, struct err *err)
{
	struct stat st;

	*mode = 0600;
	if (fs_load(place->dir, place->name, KEYS_MAX, text, err) < 0) {
		if (errno != ENOENT)
			return -1;
		*err = (struct err){0};
		return 0;
	}
	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		*mode = st.st_mode & 07777;
	if (text->len > 0 && text->p[text->len - 1] != '\n')
		str_add_char(text, '\n');
	return 0;
}

/* our own key */

static void
key_path(const struct pair *pair, const char *ending, struct str *out)
{
	const struct site_settings *site = pair->site != NULL ?
	    settings_site(&pair->door->settings, pair->site) : NULL;

	settings_key(&pair->door->settings, site != NULL ? site->key : "", out);
	str_add_text(out, ending);
}

static int
make_key(const struct pair *pair, const char *ours, struct err *err)
{
	struct str path = {0}, name = {0};

	key_path(pair, "", &path);
	str_printf(&name, "spool.site=%s", ours);
	/* It tells its public key on stdout; ours is no place for that. */
	const char *const words[] = { "uucico-ssh", "--new-key", "--set", str_c(&name), NULL };
	int result = access(str_c(&path), F_OK) == 0 ? 0 :
	    door_run(pair->door, "uucico-ssh", words, -1, err);
	str_free(&path);
	str_free(&name);
	return result;
}

int
door_key_make(struct door *door, const char *ours, struct err *err)
{
	struct pair pair = { .door = door };
	return make_key(&pair, ours, err);
}

static int
load_own_key(const struct pair *pair, struct str *text, struct door_key *key, struct err *err)
{
	struct str path = {0};

	key_path(pair, ".pub", &path);
	int result = fs_load(AT_FDCWD, str_c(&path), KEYS_MAX, text, err);
	if (result == 0)
		result = door_key_parse(str_span(text), key, err);
	if (result < 0)
		err_prefix(err, "our public key %s", str_c(&path));
	str_free(&path);
	return result;
}

/* the far end's host key */

static void
known_hosts_path(const struct pair *pair, struct str *out)
{
	const struct site_settings *site = settings_site(&pair->door->settings, pair->site);

	if (site != NULL && site->known_hosts[0] != '\0') {
		settings_path(&pair->door->settings, site->known_hosts, out);
		return;
	}
	settings_path(&pair->door->settings, pair->door->settings.spool.keys, out);
	str_add_text(out, "/known_hosts");
}

/* One line of known_hosts, "HOST TYPE BASE64"; comments may stand before it. */
static int
fetch_host_key(const struct pair *pair, struct str *line, struct err *err)
{
	const char *const words[] = { "uucico-ssh", "--host-key", pair->link, NULL };
	struct str text = {0};
	int result = door_read(pair->door, "uucico-ssh", words, 65536, &text, err);
	struct span rest = str_span(&text), row;

	while (result == 0 && line->len == 0 && span_cut(&rest, '\n', &row))
		if (row.len > 0 && row.p[0] != '#')
			str_set_span(line, row);
	if (result == 0 && line->len == 0)
		result = err_set(err, ERR_TEMP, "the far end showed no host key");
	str_free(&text);
	return result;
}

enum pinned { PIN_NONE, PIN_SAME, PIN_OTHER };

static enum pinned
find_pin(struct span known, struct span line)
{
	struct span host = span_word(&line), type = span_word(&line), base64 = span_word(&line), row;
	enum pinned pinned = PIN_NONE;

	while (span_cut(&known, '\n', &row)) {
		if (!span_same(span_word(&row), host) || !span_same(span_word(&row), type))
			continue;
		if (span_same(span_word(&row), base64))
			return PIN_SAME;
		pinned = PIN_OTHER;
	}
	return pinned;
}

static int
confirm(const struct pair *pair, const char *fingerprint, struct err *err)
{
	char answer[16] = "";

	if (pair->fingerprint != NULL && strcmp(pair->fingerprint, fingerprint) != 0) {
		err_set(err, ERR_PERM, "the far end showed %s, not %.80s: nothing was changed.  Either the "
		    "fingerprint was copied wrongly, or this is not the host you mean", fingerprint,
		    pair->fingerprint);
		return err_as(err, EX_NOPERM, NULL);
	}
	if (pair->fingerprint != NULL || pair->yes)
		return 0;
	if (!isatty(0)) {
		err_set(err, ERR_CONFIG, "no terminal to ask on: compare the fingerprint and say "
		    "--fingerprint %s, or --yes", fingerprint);
		return err_as(err, EX_USAGE, NULL);
	}
	printf("Is that the far end's host key?  (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub shows "
	    "it there)\nyes or no: ");
	fflush(stdout);
	if (fgets(answer, sizeof answer, stdin) != NULL && strcmp(answer, "yes\n") == 0)
		return 0;
	err_set(err, ERR_PERM, "not confirmed; nothing was changed");
	return err_as(err, EX_NOPERM, NULL);
}

static int
show_fingerprints(const struct pair *pair, const char *theirs, const char *ours, struct err *err)
{
	struct str out = {0};

	str_printf(&out, "host key of %s:\n  %s\nour public key, for the far end:\n  %s\n", pair->link,
	    theirs, ours);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

static int
changed(const struct pair *pair, const char *fingerprint, const char *path, struct err *err)
{
	err_set(err, ERR_PERM, "%s now shows another host key, %s: nothing was changed.  If its "
	    "administrator confirms that, delete its line from %s and pair again", pair->site,
	    fingerprint, path);
	return err_as(err, EX_PROTOCOL, NULL);
}

/* Asks where the key is new, and pins it. */
static int
pin(const struct pair *pair, struct span line, const char *theirs, struct err *err)
{
	struct place place = { .dir = -1 };
	struct str path = {0}, known = {0};
	mode_t mode;

	known_hosts_path(pair, &path);
	int result = place_open(&place, str_c(&path), err);
	if (result == 0)
		result = place_load(&place, &known, &mode, err);
	enum pinned pinned = find_pin(str_span(&known), line);
	if (result == 0 && pinned == PIN_OTHER)
		result = changed(pair, theirs, str_c(&path), err);
	if (result == 0 && (pinned == PIN_NONE || pair->fingerprint != NULL))
		result = confirm(pair, theirs, err);
	if (result == 0 && pinned == PIN_NONE) {
		str_add_span(&known, line);
		str_add_char(&known, '\n');
		result = fs_replace(place.dir, place.name, str_span(&known), mode, err);
	}
	place_close(&place);
	str_free(&path);
	str_free(&known);
	return result;
}

static int
tell_caller(const struct pair *pair, const struct door_key *key, struct err *err)
{
	const char *ours = pair->door->settings.spool.site;
	struct str out = {0}, line = {0};

	if (door_key_authorize(pair->door, key, ours, &line, err) < 0) {
		str_free(&line);
		return -1;
	}
	str_printf(&out, "paired with %s.  On the far end, let us in with\n\n"
	    "  mochila pair %s --accept '%.*s %.*s'\n\n"
	    "or, where its paths are as ours, by this line in the account's authorized_keys:\n\n%s\n\n"
	    "Then: mochila call %s\n", pair->site, ours, (int)key->type.len, key->type.p,
	    (int)key->base64.len, key->base64.p, str_c(&line), pair->site);
	int result = door_print(&out, err);
	str_free(&out);
	str_free(&line);
	return result;
}

static int
pair_with_keys(const struct pair *pair, struct span host_line, const struct door_key *own,
    struct err *err)
{
	struct str theirs = {0}, ours = {0};
	struct door_key host;
	struct span rest = host_line;
	int result;

	span_word(&rest);
	result = door_key_parse(rest, &host, err);
	if (result < 0)
		err_prefix(err, "host key of %s", pair->link);
	if (result == 0)
		result = door_key_fingerprint(&host, &theirs, err);
	if (result == 0)
		result = door_key_fingerprint(own, &ours, err);
	if (result == 0)
		result = show_fingerprints(pair, str_c(&theirs), str_c(&ours), err);
	if (result == 0)
		result = pin(pair, host_line, str_c(&theirs), err);
	if (result == 0)
		result = door_conf_link(pair->door, pair->site, pair->link, false, err);
	if (result == 0 && pair->via == NULL)
		result = tell_caller(pair, own, err);
	str_free(&theirs);
	str_free(&ours);
	return result;
}

static int
pair_calling(const struct pair *pair, struct err *err)
{
	struct str host_line = {0}, own_text = {0}, path = {0};
	struct door_key own;
	int result = door_conf_path(pair->door, &path, err);

	if (result == 0)
		result = make_key(pair, pair->door->settings.spool.site, err);
	if (result == 0)
		result = load_own_key(pair, &own_text, &own, err);
	if (result == 0)
		result = fetch_host_key(pair, &host_line, err);
	if (result == 0)
		result = pair_with_keys(pair, str_span(&host_line), &own, err);
	str_free(&host_line);
	str_free(&own_text);
	str_free(&path);
	return result;
}

/* both sides, by the user's own login there */

/* LOGIN@HOST, and a port behind it. */
static void
split_via(const char *via, struct str *login, struct str *port)
{
	const char *colon = strrchr(via, ':');
	uint64_t number;

	str_set(port, "22");
	str_set(login, via);
	if (colon == NULL || span_number(span_of(colon + 1), 65535, &number) < 0)
		return;
	str_set(port, colon + 1);
	str_set_span(login, (struct span){ via, (size_t)(colon - via) });
}

/* Shows the host keys from inside, and lets us in.  Its words have no letter that a shell
 * minds: names of sites, a key's type and base64, a checked path. */
static void
command_there(const struct pair *pair, const struct door_key *own, struct str *out)
{
	str_printf(out, "cat /etc/ssh/ssh_host_*_key.pub; mochila pair %s --accept '%.*s %.*s' --authorized-keys '%s'",
	    pair->door->settings.spool.site, (int)own->type.len, own->type.p, (int)own->base64.len, own->base64.p,
	    pair->file != NULL ? pair->file : ".ssh/authorized_keys");
}

/* Is the key that its port shows one of those that it has inside?  The other lines are for
 * the user. */
static int
compare_inside(const struct pair *pair, struct span answer, struct span line, struct err *err)
{
	struct span row;
	struct str rest = {0};
	bool found = false;

	span_word(&line);
	struct span type = span_word(&line), base64 = span_word(&line);
	while (span_cut(&answer, '\n', &row)) {
		struct span words = row, first = span_word(&words);
		if (!span_begins(first, "ssh-") && !span_begins(first, "ecdsa-")) {
			door_noted(&rest, row, 400);
			str_add_char(&rest, '\n');
		}
		found = found || (span_same(first, type) && span_same(span_word(&words), base64));
	}
	int result = door_print(&rest, err);
	str_free(&rest);
	if (result < 0 || found)
		return result;
	err_set(err, ERR_PERM, "the host key that %s shows is none of those in /etc/ssh there: nothing was changed "
	    "here.  Either its sshd has others (compare it, and pair without --via), or somebody is in between",
	    pair->link);
	return err_as(err, EX_PROTOCOL, NULL);
}

static int
call_once(const struct pair *pair, struct err *err)
{
	const char *const words[] = { "uucico-ssh", "-q", "-s", pair->site, NULL };
	struct str out = {0};

	if (door_run(pair->door, "uucico-ssh", words, -1, err) < 0)
		return err_prefix(err, "paired with %s, but the first call failed", pair->site);
	str_printf(&out, "paired with %s, and called it: all is well.\n", pair->site);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

static int
pair_via(struct pair *pair, struct err *err)
{
	struct str host_line = {0}, own_text = {0}, path = {0}, login = {0}, port = {0}, command = {0}, answer = {0}, link = {0};
	struct door_key own;

	str_printf(&link, "ssh://%s", pair->via);
	if (pair->link == NULL)
		pair->link = str_c(&link);
	split_via(pair->via, &login, &port);
	int result = door_conf_path(pair->door, &path, err);
	if (result == 0)
		result = make_key(pair, pair->door->settings.spool.site, err);
	if (result == 0)
		result = load_own_key(pair, &own_text, &own, err);
	if (result == 0)
		result = fetch_host_key(pair, &host_line, err);
	if (result == 0)
		command_there(pair, &own, &command);
	if (result == 0)
		result = door_via(str_c(&login), str_c(&port), str_c(&command), &answer, err);
	if (result == 0)
		result = compare_inside(pair, str_span(&answer), str_span(&host_line), err);
	pair->yes = true;	/* seen from inside: there is nothing to ask */
	if (result == 0)
		result = pair_with_keys(pair, str_span(&host_line), &own, err);
	if (result == 0)
		result = call_once(pair, err);
	struct str *all[] = { &host_line, &own_text, &path, &login, &port, &command, &answer, &link };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		str_free(all[i]);
	return result;
}

/* the answering side */

/* An earlier mochila wrote no exec before the command: that does, too. */
static bool
is_line(struct span row, struct span line)
{
	static const char exec[] = "exec ";
	const char *at = memmem(line.p, line.len, exec, strlen(exec));
	size_t before = at != NULL ? (size_t)(at - line.p) : line.len;

	return span_same(row, line) || (span_same(span_to(row, before), span_to(line, before)) &&
	    span_same(span_from(row, before), span_from(line, before + strlen(exec))));
}

/* 1: the line is there; 0: the key is not; -1: it is there with other words. */
static int
find_authorized(struct span text, struct span line, const struct door_key *key)
{
	struct span row;
	int found = 0;

	while (span_cut(&text, '\n', &row)) {
		if (is_line(span_trim(row), line))
			return 1;
		if (row.len >= key->base64.len && row.p[0] != '#' &&
		    memmem(row.p, row.len, key->base64.p, key->base64.len) != NULL)
			found = -1;
	}
	return found;
}

/* A new account has no .ssh yet; sshd wants it to be its owner's alone. */
static int
make_folder_of(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path)
		return 0;
	char *folder = mem_text_n(path, (size_t)(slash - path));
	int result = fs_make_dir(AT_FDCWD, folder, 0700, err);
	free(folder);
	return result;
}

static int
append_authorized(const struct pair *pair, struct span line, const struct door_key *key, struct err *err)
{
	struct place place = { .dir = -1 };
	struct str text = {0};
	mode_t mode;
	int result = make_folder_of(pair->file, err);

	if (result == 0)
		result = place_open(&place, pair->file, err);
	if (result == 0)
		result = place_load(&place, &text, &mode, err);
	int found = find_authorized(str_span(&text), line, key);
	if (result == 0 && found < 0)
		result = err_set(err, ERR_CONFIG, "%s holds this key already, with other words: remove that line "
		    "first", pair->file);
	if (result == 0 && found == 0) {
		str_add_span(&text, line);
		str_add_char(&text, '\n');
		result = fs_replace(place.dir, place.name, str_span(&text), mode, err);
	}
	place_close(&place);
	str_free(&text);
	return result;
}

static int
tell_accepter(const struct pair *pair, struct span line, const char *fingerprint, struct err *err)
{
	struct str out = {0};

	if (pair->file != NULL)
		str_printf(&out, "%s may call us with the key\n  %s\n(in %s).\n", pair->site, fingerprint, pair->file);
	else
		str_printf(&out, "%s may call us with the key\n  %s\nonce this line is in the authorized_keys of "
		    "the account that it calls:\n\n%.*s\n", pair->site, fingerprint, (int)line.len, line.p);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}

static int
pair_answering(const struct pair *pair, struct err *err)
{
	struct str line = {0}, fingerprint = {0};
	struct door_key key;
	int result = door_key_parse(span_of(pair->accept), &key, err);

	if (result == 0)
		result = door_key_fingerprint(&key, &fingerprint, err);
	if (result == 0)
		result = door_key_authorize(pair->door, &key, pair->site, &line, err);
	/* A link that is said stays: a site may both call and be called. */
	if (result == 0)
		result = door_conf_link(pair->door, pair->site, "", true, err);
	if (result == 0 && pair->file != NULL)
		result = append_authorized(pair, str_span(&line), &key, err);
	if (result == 0)
		result = tell_accepter(pair, str_span(&line), str_c(&fingerprint), err);
	str_free(&line);
	str_free(&fingerprint);
	return result;
}

/* the command line */

/* ssh://USER@HOST[:PORT][/COMMAND], in letters that no shell and no INI file minds. */
static bool
is_ssh_link(const char *link)
{
	struct span text = span_of(link), user;

	if (!span_begins(text, "ssh://") || !span_has_only(text, ":/@._~+%[] -"))
		return false;
	text = span_from(text, 6);
	return span_cut(&text, '@', &user) && user.len > 0 && user.p[0] != '-' && text.len > 0 &&
	    text.p[0] != '-' && text.p[0] != ':' && text.p[0] != '/';
}

static bool
plain_path(const char *path)
{
	return path[0] != '-' && path[0] != '\0' && span_has_only(span_of(path), "/._~+-");
}

/* LOGIN@HOST[:PORT] */
static bool
is_via(const char *via)
{
	struct str link = {0};

	str_printf(&link, "ssh://%s", via);
	bool good = via[0] != '-' && strpbrk(via, "/% ") == NULL && is_ssh_link(str_c(&link));
	str_free(&link);
	return good;
}

static int
check_words(const struct pair *pair, struct err *err)
{
	if (!settings_site_name(pair->site))
		err_set(err, ERR_CONFIG, "%.60s: a site's name is 1-40 of A-Z a-z 0-9 . _ -", pair->site);
	else if (strcmp(pair->site, pair->door->settings.spool.site) == 0)
		err_set(err, ERR_CONFIG, "%s is our own name; name the other site", pair->site);
	else if (pair->via != NULL && (pair->accept != NULL || !is_via(pair->via)))
		err_set(err, ERR_CONFIG, "--via %.80s: want LOGIN@HOST[:PORT], and no --accept", pair->via);
	else if (pair->via != NULL && pair->file != NULL && !plain_path(pair->file))
		err_set(err, ERR_CONFIG, "--authorized-keys %.80s: with --via a path of plain letters", pair->file);
	else if (pair->via == NULL && (pair->link == NULL) == (pair->accept == NULL))
		err_set(err, ERR_CONFIG, "say where the site is (ssh://USER@HOST), or --accept its key");
	else if (pair->link != NULL && !is_ssh_link(pair->link))
		err_set(err, ERR_CONFIG, "%.80s: want ssh://USER@HOST[:PORT]", pair->link);
	else if (pair->file != NULL && pair->accept == NULL && pair->via == NULL)
		err_set(err, ERR_CONFIG, "--authorized-keys goes with --accept");
	else
		return 0;
	return err_as(err, EX_USAGE, NULL);
}

static int
pair_run(struct door *door, int argc, char **argv, struct err *err)
{
	struct pair pair = { .door = door };
	bool help = false;
	const struct opt_row rows[] = {
		{ "yes", 'y', NULL, "take the host key as it is shown", OPT_FLAG, &pair.yes },
		{ "fingerprint", 0, "SHA256:...", "take it if it is this one", OPT_TEXT, &pair.fingerprint },
		{ "accept", 0, "KEY", "let the site in that has this public key", OPT_TEXT, &pair.accept },
		{ "authorized-keys", 0, "FILE", "append its line here", OPT_TEXT, &pair.file },
		{ "via", 0, "LOGIN@HOST", "do both sides, by your own ssh login there", OPT_TEXT, &pair.via },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_pair, rows, 1, 2, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	pair.site = argv[0];
	pair.link = argc > 1 ? argv[1] : NULL;
	if (check_words(&pair, err) < 0)
		return -1;
	if (pair.via != NULL)
		return pair_via(&pair, err);
	return pair.link != NULL ? pair_calling(&pair, err) : pair_answering(&pair, err);
}

const struct door_command door_pair = {
	"pair", "SITE ssh://USER@HOST | --via LOGIN@HOST | --accept KEY", "make a site and us known to each other", false, pair_run
};
