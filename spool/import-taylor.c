/*
 * Taylor UUCP's sys, port, call and config: sites, links, alternates, times, rights.
 *
 * sys holds defaults, then systems one behind the other; "alternate" begins another way to the
 * same one.  A word that stands there twice counts as it stands last, but for time and timegrade,
 * which add up.  What belongs to modems has no counterpart here, and is named.
 */
#include "spool/import.h"

#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { WAYS_MAX = 16, TABLES_MAX = 64, PORTS_MAX = 500, SITES_MAX = 2000, OLD_MAX = 160 };

struct text {			/* a file of his, kept as long as what points into it */
	const char *name;	/* "sys" */
	struct str bytes;
};

struct line {			/* one of its lines, joined where it goes on */
	struct span key, args;
	size_t number;
};

struct said {			/* the last word on something, and its line */
	struct span args;
	size_t line;
};

struct port {
	struct span name, type, service, command;
	size_t line;
};

struct way {			/* the system itself, or one of its alternates */
	struct span port, address;
	struct port inline_port;	/* "port type tcp" in sys itself */
	struct str windows;
	size_t address_line, port_line, time_line;
	bool timed, any, own_port;
	bool inherited;			/* its times are those of what it was copied from */
};

struct site {
	struct span name;
	size_t line, ways;
	struct way way[WAYS_MAX];
	struct said login, password, protocols, commands, receive, send, failure_wait, sequence;
};

struct taylor {
	struct import *im;
	struct str folder;
	struct text text[16];
	size_t texts;
	struct port port[PORTS_MAX];
	size_t ports;
	struct import_table table[TABLES_MAX];
	size_t tables;
	struct span call, sys, portfile;	/* files of other names */
};

/* ---- Lines ---- */

/* The file in memory for good; NULL: it is not there, or (err) cannot be read. */
static struct text *
load(struct taylor *t, const char *name, struct span path, struct err *err)
{
	struct str whole = {0};
	int there = 0;

	if (t->texts >= sizeof t->text / sizeof t->text[0])
		return NULL;
	struct text *text = &t->text[t->texts];
	if (path.len == 0 || path.p[0] != '/')
		str_printf(&whole, "%s/", str_c(&t->folder));
	str_add_span(&whole, path.len > 0 ? path : span_of(name));
	there = import_load(str_c(&whole), &text->bytes, err);
	str_free(&whole);
	if (there <= 0) {
		str_free(&text->bytes);
		return NULL;
	}
	text->name = name;
	t->texts++;
	return text;
}

/* A comment runs from # to the end of the line, unless a backslash stands before it. */
static struct span
without_comment(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == '#' && (i == 0 || line.p[i - 1] != '\\'))
			return span_to(line, i);
	return line;
}

/* A backslash at its end joins the next: it and the line end become blanks, once. */
static bool
next_line(struct span *rest, size_t *number, struct line *line)
{
	struct span raw;

	while (rest->len > 0) {
		const char *begin = rest->p;
		line->number = *number + 1;
		bool more = true;
		while (more && span_cut(rest, '\n', &raw)) {
			++*number;
			more = raw.len > 0 && raw.p[raw.len - 1] == '\\' && rest->len > 0;
			if (more) {
				((char *)raw.p)[raw.len - 1] = ' ';
				((char *)raw.p)[raw.len] = ' ';
			}
		}
		raw = (struct span){ begin, (size_t)(raw.p + raw.len - begin) };
		raw = span_trim(without_comment(raw));
		line->key = span_word(&raw);
		line->args = span_trim(raw);
		if (line->key.len > 0)
			return true;
	}
	return false;
}

static bool
is_key(const struct line *line, const char *key)
{
	return span_is_case(line->key, key);
}

/* "sys:12: address hub.example" */
static void
old_of(const char *file, size_t number, const char *key, struct span args, struct str *out)
{
	str_clear(out);
	str_printf(out, "%s:%zu: %s %.*s", file, number, key, (int)(args.len > OLD_MAX ? OLD_MAX : args.len),
	    args.len > 0 ? args.p : "");
}

static void
no(struct taylor *t, const char *file, const struct line *line, const char *why)
{
	struct str old = {0};
	char *key = mem_text_n(line->key.p, line->key.len > 60 ? 60 : line->key.len);

	old_of(file, line->number, key, line->args, &old);
	import_no(t->im, str_c(&old), why);
	free(key);
	str_free(&old);
}

static int
say(struct taylor *t, const char *section, const char *key, struct span value, const char *file, size_t number,
    const char *word, struct span args, struct err *err)
{
	struct str old = {0};

	old_of(file, number, word, args, &old);
	int result = import_key(t->im, section, key, value, str_c(&old), err);
	str_free(&old);
	return result;
}

/* ---- config ---- */

static int
read_config(struct taylor *t, struct err *err)
{
	struct text *text = load(t, "config", span_of(NULL), err);
	size_t number = 0;
	struct line line;

	if (text == NULL)
		return err->kind == ERR_NONE ? 0 : -1;
	struct span rest = str_span(&text->bytes);
	while (next_line(&rest, &number, &line)) {
		struct span args = line.args, first = span_word(&args);
		int result = 0;
		if (is_key(&line, "nodename") || is_key(&line, "hostname") || is_key(&line, "uuname"))
			result = say(t, "spool", "site", first, "config", line.number, "nodename", first, err);
		else if (is_key(&line, "sysfile"))
			t->sys = first;
		else if (is_key(&line, "portfile"))
			t->portfile = first;
		else if (is_key(&line, "callfile"))
			t->call = first;
		else if (is_key(&line, "timetable") && t->tables < TABLES_MAX)
			t->table[t->tables++] = (struct import_table){ first, span_trim(args) };
		else
			no(t, "config", &line, "his own business: spools, logs and files are in other places here");
		if (result < 0)
			return -1;
	}
	return 0;
}

/* ---- port ---- */

/* A word about a port; false: it is none that means something here. */
static bool
port_word(struct port *port, const struct line *line)
{
	if (is_key(line, "type"))
		port->type = line->args;
	else if (is_key(line, "service"))
		port->service = line->args;
	else if (is_key(line, "command"))
		port->command = line->args;
	else
		return false;
	return true;
}

static int
read_ports(struct taylor *t, struct err *err)
{
	struct text *text = load(t, "port", t->portfile, err);
	struct port *port = NULL;
	size_t number = 0;
	struct line line;

	if (text == NULL)
		return err->kind == ERR_NONE ? 0 : -1;
	struct span rest = str_span(&text->bytes);
	while (next_line(&rest, &number, &line)) {
		if (is_key(&line, "port")) {
			if (t->ports >= PORTS_MAX)
				return err_set(err, ERR_PERM, "port:%zu: more than %d ports", number, PORTS_MAX);
			port = &t->port[t->ports++];
			*port = (struct port){ .name = line.args, .line = line.number, .type = span_of("modem") };
		} else if (port == NULL || !port_word(port, &line)) {
			no(t, "port", &line, "about a line with a modem; there is none here");
		}
	}
	return 0;
}

static const struct port *
find_port(const struct taylor *t, struct span name)
{
	static const struct port tcp = { .name = { "TCP", 3 }, .type = { "tcp", 3 } };

	for (size_t i = 0; i < t->ports; i++)
		if (span_same(t->port[i].name, name))
			return &t->port[i];
	return span_is(name, "TCP") ? &tcp : NULL;
}

/* ---- sys ---- */

static int
take_time(struct taylor *t, struct way *way, const struct line *line, struct span times, char grade)
{
	struct str more = {0};
	int result = import_hours(times, grade, t->table, t->tables, &more);

	if (result < 0) {
		no(t, "sys", line, "not a time that can be read");
	} else {
		if (way->inherited) {	/* a time of its own replaces them */
			str_clear(&way->windows);
			way->any = way->inherited = false;
		}
		way->timed = true;
		way->time_line = line->number;
		if (result == 0 && grade == 0 && span_is(str_span(&more), "Mon-Sun"))
			way->any = true;
		else if (result == 0) {
			str_add_text(&way->windows, way->windows.len > 0 ? ", " : "");
			str_add_span(&way->windows, str_span(&more));
		}
	}
	str_free(&more);
	return 0;
}

static void
take_timegrade(struct taylor *t, struct way *way, const struct line *line)
{
	struct span args = line->args, grade = span_word(&args);

	if (grade.len != 1 || !isalnum((unsigned char)grade.p[0])) {
		no(t, "sys", line, "a grade is one letter or digit");
		return;
	}
	/* z is the worst: no bound at all */
	take_time(t, way, line, span_word(&args), grade.p[0] == 'z' ? '\0' : grade.p[0]);
}

/* "port TCP", or "port type tcp" and the like said in sys itself. */
static void
take_port(struct way *way, const struct line *line)
{
	struct span args = line->args, first = span_word(&args);
	struct line inside = { .key = first, .args = span_trim(args), .number = line->number };

	way->port_line = line->number;
	if (inside.args.len == 0) {
		way->port = first;
		way->own_port = false;
		return;
	}
	if (!way->own_port)
		way->inline_port = (struct port){ .line = line->number, .type = span_of("modem") };
	way->own_port = true;
	port_word(&way->inline_port, &inside);
}

static const struct { const char *key, *why; } without[] = {
	{ "chat", "the dialogue of a login is that of tcp: links, with the key login" },
	{ "called-chat", "nothing is asked before a call" },
	{ "called-login", "who calls is known by his key: mochila pair SITE --accept KEY" },
	{ "call-time", "see call-time in mochila.conf(5), which is about length" },
	{ "callback", "nobody is called back; say the link at the end that can call" },
	{ "phone", "there are no modems here; exec: runs a program that dials" },
	{ "speed", "there are no modems here" },
	{ "baud", "there are no modems here" },
	{ "alias", "a site has one name here; a route can name others" },
	{ "myname", "we have one name for all: site in [spool]" },
	{ "forward", "jobs for third hosts are not taken; mail goes by [routes]" },
	{ "forward-from", "jobs for third hosts are not taken; mail goes by [routes]" },
	{ "forward-to", "jobs for third hosts are not taken; mail goes by [routes]" },
	{ "command-path", "commands are those of libexec/mochila, and of PATH" },
	{ "local-send", "who may queue jobs here is a matter of who may be the account mochila" },
	{ "local-receive", "who may queue jobs here is a matter of who may be the account mochila" },
	{ "request", "files are given only where requests names folders" },
	{ "send-request", "files are given only where requests names folders" },
	{ "receive-request", "files are given only where requests names folders" },
	{ "free-space", "see min-free in [spool]" },
	{ "pubdir", "receive and requests name folders themselves" },
	{ "max-retries", "see expire-after: mail waits for days, not for a number of calls" },
	{ "success-wait", "a site is called by cron or by --stay; nothing waits after success" },
	{ "protocol-parameter", "windows and packets are chosen by the protocol itself" },
};

static const char *
why_without(struct span key)
{
	for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
		if (span_is_case(key, without[i].key) || (i == 0 && span_begins_case(key, "chat-")))
			return without[i].why;
	return "there is nothing like it here";
}

static bool
take_site_word(struct site *site, const struct line *line)
{
	const struct { const char *key; struct said *to; } words[] = {
		{ "call-login", &site->login }, { "call-password", &site->password },
		{ "protocol", &site->protocols }, { "commands", &site->commands },
		{ "remote-receive", &site->receive }, { "remote-send", &site->send },
		{ "failure-wait", &site->failure_wait }, { "sequence", &site->sequence },
	};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!is_key(line, words[i].key))
			continue;
		*words[i].to = (struct said){ line->args, line->number };
		return true;
	}
	return false;
}

static void
take_word(struct taylor *t, struct site *site, const struct line *line)
{
	struct way *way = &site->way[site->ways - 1];

	if (is_key(line, "time"))
		take_time(t, way, line, line->args, '\0');
	else if (is_key(line, "timegrade"))
		take_timegrade(t, way, line);
	else if (is_key(line, "port"))
		take_port(way, line);
	else if (is_key(line, "address")) {
		way->address = line->args;
		way->address_line = line->number;
	} else if (!take_site_word(site, line))
		no(t, "sys", line, why_without(line->key));
}

/* A copy: an alternate begins as the system is, a system as the defaults are. */
static void
copy_way(struct way *to, const struct way *from)
{
	*to = *from;
	to->windows = (struct str){0};
	str_add_span(&to->windows, str_span(&from->windows));
	to->inherited = true;
}

static void
site_free(struct site *site)
{
	for (size_t i = 0; i < site->ways; i++)
		str_free(&site->way[i].windows);
}

/* ---- What becomes of a system ---- */

/* A port's service as a number: "uucp" is 540. */
static int
port_number(struct span service)
{
	uint64_t number;
	char *name = mem_text_n(service.p, service.len);

	if (service.len == 0 || strcmp(name, "uucp") == 0) {
		free(name);
		return 540;
	}
	if (span_number(service, 65535, &number) == 0 && number > 0) {
		free(name);
		return (int)number;
	}
	struct servent *entry = getservbyname(name, "tcp");
	free(name);
	return entry == NULL ? 0 : (entry->s_port & 0xff) << 8 | (entry->s_port >> 8 & 0xff);
}

static bool
is_host(struct span host)
{
	return span_has_only(host, ".-_:") && host.len > 0 && host.len <= 253 && host.p[0] != '-';
}

/* The link that a way is; an empty one, with the reason in *why, when it can be none. */
static void
link_of(const struct taylor *t, const struct way *way, struct str *link, const char **why)
{
	const struct port *port = way->own_port ? &way->inline_port : find_port(t, way->port);
	int number;

	str_clear(link);
	*why = NULL;
	if (port == NULL) {
		*why = way->port.len > 0 ? "there is no port of that name" : "it has no port: it calls us";
	} else if (span_is_case(port->type, "tcp")) {
		if (!is_host(way->address))
			*why = "it has no address";
		else if ((number = port_number(port->service)) == 0)
			*why = "nobody knows the service of its port";
		else if (memchr(way->address.p, ':', way->address.len) != NULL)
			str_printf(link, "tcp:[%.*s]:%d", (int)way->address.len, way->address.p, number);
		else
			str_printf(link, "tcp:%.*s:%d", (int)way->address.len, way->address.p, number);
	} else if (span_is_case(port->type, "pipe")) {
		if (port->command.len == 0 || port->command.len > IMPORT_VALUE_MAX / 2)
			*why = "its port has no command";
		else if (memchr(port->command.p, '\\', port->command.len) != NULL)
			*why = "its command has escapes; write the words out as exec:COMMAND";
		else
			str_printf(link, "exec:%.*s", (int)port->command.len, port->command.p);
	} else {
		*why = "a modem or a direct line; exec: runs a program that opens it";
	}
}

/* The windows of a way: "" for any time.  false: never. */
static bool
window_of(struct way *way, struct span *window)
{
	*window = way->any ? span_of("") : str_span(&way->windows);
	return way->timed && (way->any || window->len > 0);
}

static int
say_way(struct taylor *t, struct site *site, struct way *way, const char *section, bool *has_link, struct err *err)
{
	struct str link = {0}, old = {0};
	struct span window;
	const char *why;
	int result = 0;

	*has_link = false;
	link_of(t, way, &link, &why);
	old_of("sys", way->port_line > 0 ? way->port_line : site->line, way->port_line > 0 ? "port" : "system",
	    way->port_line > 0 ? way->port : site->name, &old);
	if (why != NULL && way->port.len == 0 && !way->own_port) {
		import_note(t->im, str_c(&old), why);
	} else if (why != NULL) {
		import_no(t->im, str_c(&old), why);
	} else if (!window_of(way, &window)) {
		import_note(t->im, str_c(&old), "at no time: no link, it calls us");
	} else {
		*has_link = true;
		result = import_key(t->im, section, "link", str_span(&link), str_c(&old), err);
		if (result == 0 && window.len > 0)
			result = say(t, section, "call-window", window, "sys", way->time_line, "time", span_of(NULL), err);
	}
	str_free(&link);
	str_free(&old);
	return result;
}

/* "call-login *": his name and password stand in the file call, "SYSTEM NAME PASSWORD". */
static int
find_call(struct taylor *t, struct site *site, struct span *login, struct span *password, struct err *err)
{
	struct text *text = NULL;
	size_t number = 0;
	struct line line;

	for (size_t i = 0; i < t->texts && text == NULL; i++)
		if (strcmp(t->text[i].name, "call") == 0)
			text = &t->text[i];
	if (text == NULL && (text = load(t, "call", t->call, err)) == NULL)
		return err->kind == ERR_NONE ? 0 : -1;
	struct span rest = str_span(&text->bytes);
	while (next_line(&rest, &number, &line)) {
		if (!span_same(line.key, site->name))
			continue;
		*login = span_word(&line.args);
		*password = span_word(&line.args);
	}
	return 0;
}

static int
say_login(struct taylor *t, struct site *site, const char *section, const char *name, struct err *err)
{
	struct span login = site->login.args, password = site->password.args;
	struct str old = {0};
	int result = 0;

	if (login.len == 0)
		return 0;
	if (span_is(login, "*") || span_is(password, "*"))
		result = find_call(t, site, &login, &password, err);
	old_of("sys", site->login.line, "call-login", site->login.args, &old);
	if (result == 0 && (span_is(login, "*") || password.len == 0))
		import_no(t->im, str_c(&old), "its name and password were not found");
	else if (result == 0)
		result = import_login(t->im, section, name, login, password, str_c(&old), err);
	str_free(&old);
	return result;
}

/* Only what we speak too, and m, which the other end will know once it is one of ours. */
static int
say_protocols(struct taylor *t, struct site *site, const char *section, struct err *err)
{
	struct span theirs = site->protocols.args;
	struct str ours = {0};

	str_add_char(&ours, 'm');
	for (size_t i = 0; i < theirs.len; i++)
		if (strchr("ietygGv", theirs.p[i]) != NULL && memchr(ours.p, theirs.p[i], ours.len) == NULL)
			str_add_char(&ours, theirs.p[i]);
	int result = 0;
	if (ours.len > 1)
		result = say(t, section, "protocols", str_span(&ours), "sys", site->protocols.line, "protocol", theirs, err);
	str_free(&ours);
	return result;
}

/* Folders, whole paths only: ~ and !folder have no counterpart. */
static int
say_folders(struct taylor *t, const char *section, const char *key, const char *word,
    const struct said *folders, struct err *err)
{
	struct span rest = folders->args, one;
	struct line line = { .key = span_of(word), .args = rest, .number = folders->line };

	if (rest.len == 0)
		return 0;
	while ((one = span_word(&rest)).len > 0) {
		if (one.p[0] != '/') {
			no(t, "sys", &line, "folders are named by their whole paths here, and none is excepted");
			return 0;
		}
	}
	return say(t, section, key, folders->args, "sys", folders->line, word, folders->args, err);
}

static int
say_rest(struct taylor *t, struct site *site, const char *section, struct err *err)
{
	struct span rest = site->failure_wait.args, seconds = span_word(&rest);
	uint64_t number;
	int result = 0;

	if (site->commands.args.len > 0)
		result = say(t, section, "commands", site->commands.args, "sys", site->commands.line, "commands",
		    site->commands.args, err);
	if (result == 0 && span_is_case(site->sequence.args, "true"))
		result = say(t, section, "sequence", span_of("yes"), "sys", site->sequence.line, "sequence",
		    site->sequence.args, err);
	if (result == 0 && span_number(seconds, 100000000, &number) == 0)
		result = say(t, section, "retry-after", seconds, "sys", site->failure_wait.line, "failure-wait",
		    site->failure_wait.args, err);
	if (result == 0)
		result = say_folders(t, section, "receive", "remote-receive", &site->receive, err);
	if (result == 0)
		result = say_folders(t, section, "requests", "remote-send", &site->send, err);
	return result;
}

/* The first way with a link is the site's; the others are its alternates. */
static int
say_ways(struct taylor *t, struct site *site, const char *name, const char *section, bool *called, struct err *err)
{
	struct str other = {0}, names = {0};
	int result = 0;

	*called = false;
	for (size_t i = 0; i < site->ways && result == 0; i++) {
		bool has_link = false;
		str_clear(&other);
		str_printf(&other, "way %s-%zu", name, i + 1);
		result = say_way(t, site, &site->way[i], *called ? str_c(&other) : section, &has_link, err);
		if (has_link && *called)
			str_printf(&names, "%s%s-%zu", names.len > 0 ? " " : "", name, i + 1);
		*called = *called || has_link;
	}
	if (result == 0 && names.len > 0)
		result = say(t, section, "alternates", str_span(&names), "sys", site->line, "alternate", span_of(NULL), err);
	str_free(&other);
	str_free(&names);
	return result;
}

static int
say_site(struct taylor *t, struct site *site, struct err *err)
{
	char *name = mem_text_n(site->name.p, site->name.len);
	struct str section = {0};
	bool called = false;
	int result = 0;

	str_printf(&section, "site %s", name);
	if (!settings_site_name(name) || strlen(name) != site->name.len) {
		struct line line = { .key = span_of("system"), .args = site->name, .number = site->line };
		no(t, "sys", &line, "a site's name is 1-40 of A-Z a-z 0-9 . _ -");
	} else {
		result = say_ways(t, site, name, str_c(&section), &called, err);
		if (result == 0 && !called)
			result = say(t, str_c(&section), "link", span_of(""), "sys", site->line, "system", site->name, err);
		if (result == 0 && called)
			result = say_login(t, site, str_c(&section), name, err);
		if (result == 0)
			result = say_protocols(t, site, str_c(&section), err);
		if (result == 0)
			result = say_rest(t, site, str_c(&section), err);
	}
	free(name);
	str_free(&section);
	return result;
}

static void
begin_site(struct site *site, const struct site *defaults, const struct line *line)
{
	*site = *defaults;
	site->name = line->args;
	site->line = line->number;
	site->ways = 1;
	copy_way(&site->way[0], &defaults->way[0]);
}

/* An alternate has what the system said before the first of them; a time of its own replaces. */
static bool
begin_way(struct site *site)
{
	if (site->ways >= WAYS_MAX)
		return false;
	copy_way(&site->way[site->ways], &site->way[0]);
	site->ways++;
	return true;
}

static int
read_sys(struct taylor *t, struct err *err)
{
	struct text *text = load(t, "sys", t->sys, err);
	struct site *defaults = mem_get(sizeof *defaults), *site = mem_get(sizeof *site), *now = defaults;
	size_t number = 0, sites = 0;
	struct line line;
	int result = text == NULL ? -1 : 0;

	if (text == NULL && err->kind == ERR_NONE) {
		err_set(err, ERR_CONFIG, "there is no %s/sys: name the folder of Taylor UUCP's files, as /etc/uucp",
		    str_c(&t->folder));
		err_as(err, EX_NOINPUT, NULL);
	}
	struct span rest = text != NULL ? str_span(&text->bytes) : span_of(NULL);
	defaults->ways = 1;
	while (result == 0 && next_line(&rest, &number, &line)) {
		if (is_key(&line, "system")) {
			if (now == site)
				result = say_site(t, site, err);
			site_free(site);
			begin_site(site, defaults, &line);
			now = site;
			if (++sites > SITES_MAX)
				result = err_set(err, ERR_PERM, "sys:%zu: more than %d systems", line.number, SITES_MAX);
		} else if (is_key(&line, "alternate")) {
			if (!begin_way(now))
				no(t, "sys", &line, "too many of them");
		} else {
			take_word(t, now, &line);
		}
	}
	if (result == 0 && now == site)
		result = say_site(t, site, err);
	site_free(site);
	site_free(defaults);
	free(site);
	free(defaults);
	return result;
}

/* ---- dial and passwd: named, not taken ---- */

static int
name_others(struct taylor *t, struct err *err)
{
	static const struct { const char *file, *why; } others[] = {
		{ "dial", "there are no modems here" },
		{ "passwd", "who calls is known by his key: mochila pair SITE --accept KEY, for each" },
	};
	struct line line;

	for (size_t i = 0; i < 2; i++) {
		struct text *text = load(t, others[i].file, span_of(NULL), err);
		size_t number = 0, lines = 0;
		if (text == NULL && err->kind != ERR_NONE)
			return -1;
		struct span rest = text != NULL ? str_span(&text->bytes) : span_of(NULL);
		while (next_line(&rest, &number, &line))
			lines++;
		if (lines > 0)
			import_no(t->im, others[i].file, others[i].why);
	}
	return 0;
}

static int
run_taylor(struct import *im, int argc, char **argv, struct err *err)
{
	struct taylor *t = mem_get(sizeof *t);
	int result = -1;

	t->im = im;
	str_set(&t->folder, argv[0]);
	if (argc != 1) {
		err_set(err, ERR_CONFIG, "one folder is wanted: mochila import taylor /etc/uucp");
		err_as(err, EX_USAGE, NULL);
	} else if (read_config(t, err) == 0 && read_ports(t, err) == 0 && read_sys(t, err) == 0) {
		result = name_others(t, err);
	}
	for (size_t i = 0; i < t->texts; i++) {
		if (t->text[i].bytes.p != NULL)
			explicit_bzero(t->text[i].bytes.p, t->text[i].bytes.len);
		str_free(&t->text[i].bytes);
	}
	str_free(&t->folder);
	free(t);
	return result;
}

const struct import_kind import_taylor = { "taylor", "DIR", "sys, port, call, config of Taylor UUCP", run_taylor };
