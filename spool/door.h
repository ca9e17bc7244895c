/*
 * door - the operator's program, mochila(1): look into the spool, move what lies
 * in it, make two sites known to each other, and start the other programs.
 *
 * A sub-command is a struct door_command in a file of its family (door-NAME.c)
 * and a row of the table in main-mochila.c.  Nothing here takes a lock to look:
 * the spool changes while it is read, so a name that has vanished is passed over,
 * and a file that cannot be read is shown as damaged.  What comes from mail is
 * hostile: it is printed through door_escape() or as JSON, never as it is.
 */
#ifndef SPOOL_DOOR_H
#define SPOOL_DOOR_H

#include <jansson.h>

#include "spool/queue.h"
#include "spool/retry.h"
#include "spool/settings.h"
#include "spool/spool.h"

struct door {
	const struct settings_args *args;
	struct settings settings;
	struct spool spool;		/* only for a command that needs it */
	bool spool_is_open;
};

struct door_command {
	const char *name, *args, *help;
	bool needs_spool;
	/* argv[0] is the sub-command's name, its options are still there. */
	int (*run)(struct door *door, int argc, char **argv, struct err *err);
};

extern const struct door_command door_init, door_pair, door_call, door_status, door_list, door_show,
    door_hold, door_release, door_retry, door_link_up, door_remove, door_bounce, door_log, door_doctor, door_top, door_history, door_user, door_recipients, door_import,
    door_bsmtp, door_rmail, door_sendmail, door_uuxqt;

/* Reads a sub-command's options, wants min to max operands, which argv is moved on to,
 * and opens the spool where that is needed; 1: --help was printed.  max < 0: any number. */
int door_options(struct door *door, const struct door_command *command, const struct opt_row *rows,
    int min, int max, int *argc, char ***argv, struct err *err);
#define DOOR_HELP(to) { "help", 0, NULL, "print this help", OPT_HELP, (to) }

/* ---- Looking (door-find.c) ---- */

enum door_where { DOOR_ARRIVED, DOOR_DROPPED, DOOR_WAITING, DOOR_SENT, DOOR_HELD, DOOR_FAILED };

struct door_file {			/* where a file is; borrowed while it is visited */
	enum door_where where;
	const char *name;		/* a message's id, if it is one */
	const char *file;		/* in its folder; the same, but in in/, where many share one */
	off_t at;			/* where in the file it begins */
	const char *site;		/* the folder below out/ or sent/; "" elsewhere */
	const char *batch;		/* in flight: its batch; "" elsewhere */
	const char *path;		/* below the spool's folder */
	int dir;			/* the folder it is in */
};

const char *door_where_name(enum door_where where);

/* 0: go on, 1: enough, -1. */
typedef int door_visit(void *of, const struct door_file *file, struct err *err);

/* Every file of a message in these places (bits 1 << DOOR_...), one after the other, in
 * out/ by site, grade and age; of one site's folders only where site is not NULL. */
enum { DOOR_ALL = -1 };
int door_walk(const struct spool *spool, unsigned places, const char *site, door_visit *visit,
    void *of, struct err *err);

struct door_message {			/* what a file holds */
	struct entry entry;
	int fd;
	uint64_t size;			/* of the body; of the file when damaged */
	bool damaged;			/* or no message at all */
	struct str why;			/* damaged, held, or last words; may be empty */
	struct str site;		/* the folder, or where the first recipient would go */
};

int door_load(const struct spool *spool, const struct door_file *file, struct door_message *message,
    struct err *err);			/* 1, or 0: it has vanished */
void door_message_free(struct door_message *message);

enum { DOOR_JOB_TAIL = 21 };		/* -0123456789abcdef.job */
bool door_is_job(const char *name);	/* in hold/: PEER-KEY.job (spool/job.h) */

struct door_match {			/* a file found by its id, kept */
	enum door_where where;
	char *name, *site, *batch, *path;
	off_t at;
};
struct door_matches {
	struct door_match *match;
	size_t count;
};
/* All places of the one message whose id begins so; none, or several messages, is an
 * error that says so. */
int door_find(const struct spool *spool, const char *prefix, struct door_matches *matches,
    struct err *err);
void door_matches_free(struct door_matches *matches);

/* The folder of a match is opened for it: close file->dir. */
int door_match_open(const struct spool *spool, const struct door_match *match,
    struct door_file *file, struct err *err);

/* ---- Selecting (door-select.c) ---- */

struct door_select {		/* what was said; NULL: whatever it is */
	const char *site, *from, *to, *older, *younger, *larger, *smaller, *reason, *where;
	int64_t older_than, younger_than;	/* and as door_select_read() understood it */
	uint64_t larger_than, smaller_than;
	enum door_where place;
	bool jobs;
};

#define DOOR_SELECT_OPTS(s) \
	{ "site", 0, "SITE", "those for it", OPT_TEXT, &(s)->site }, \
	{ "from", 0, "PATTERN", "whose sender is like that: * any letters, ? one", OPT_TEXT, &(s)->from }, \
	{ "to", 0, "PATTERN", "of whose recipients one is like that", OPT_TEXT, &(s)->to }, \
	{ "older", 0, "AGE", "that came before, as 90, 15m, 36h, 5d", OPT_TEXT, &(s)->older }, \
	{ "younger", 0, "AGE", "that came since", OPT_TEXT, &(s)->younger }, \
	{ "larger", 0, "SIZE", "with more bytes, as 1000, 64K, 35M", OPT_TEXT, &(s)->larger }, \
	{ "smaller", 0, "SIZE", "with fewer bytes", OPT_TEXT, &(s)->smaller }, \
	{ "reason", 0, "TEXT", "in whose reason or last reply this stands", OPT_TEXT, &(s)->reason }, \
	{ "where", 0, "PLACE", "waiting, inflight, held, failed, incoming or job", OPT_TEXT, &(s)->where }

bool door_select_any(const struct door_select *select);	/* was anything said? */
int door_select_read(struct door_select *select, struct err *err);	/* after the options */
bool door_select_place(const struct door_select *select, const struct door_file *file);	/* as
				far as its place tells; then the whole: */
bool door_selected(const struct door_select *select, const struct door_file *file,
    const struct door_message *message);

/* ---- Acting (door-act.c) ---- */

struct door_acting {		/* one run of a command that moves messages */
	struct door *door;
	const struct door_action *action;
	const char *words;		/* a reason, or "" */
	struct door_select select;
	const char *first;		/* of release: only so many bytes; NULL: all */
	bool dry, json;
	size_t count;			/* done to so many */
	struct queue queue;		/* kept open from message to message */
};

struct door_action {
	const struct door_command *command;
	const char *done;		/* "held" */
	unsigned places;		/* of a selection, only what lies here: bits 1 << DOOR_... */
	bool words;			/* operands behind the id, or a selection, are text */
	bool settles;			/* it lets messages in: they are routed at once */
	bool first;			/* it may be asked for the first part only */
	int (*act)(struct door_acting *acting, const struct door_file *file, struct err *err);
	/* An operand that is no id, or NULL where none was given and nothing is selected.
	 * 1: done; 0: it is an id. */
	int (*other)(struct door_acting *acting, const char *operand, struct err *err);
};

bool door_has_queue(const struct spool *spool, const char *site);	/* a folder of that name in out/ */
int door_act(struct door *door, const struct door_action *action, int argc, char **argv, struct err *err);

/* ---- Listing (door-list.c) ---- */

struct door_list {
	struct door *door;
	bool json;
	size_t shown;
	struct str out;
};
int door_list_line(struct door_list *list, const struct door_file *file,
    const struct door_message *message, struct err *err);
int door_list_end(struct door_list *list, struct err *err);

int door_status_text(struct door *door, struct str *out, struct err *err);	/* door-status.c */

int door_estimate(struct door *door, const char *site, bool json, struct err *err);	/* door-estimate.c */

/* ---- Showing (door-table.c) ---- */

struct door_column {
	const char *title;
	int width;			/* at least; negative: to the right */
};

struct door_cell {
	struct str text;
	const char *colour;		/* DOOR_RED ..., or NULL */
};

#define DOOR_RED "31"
#define DOOR_YELLOW "33"
#define DOOR_GREEN "32"

void door_escape(struct str *out, struct span hostile, size_t max);
void door_noted(struct str *out, struct span text, size_t max);	/* what was escaped when it
				was noted, in a state line or the log: not a second time */
void door_hosts_line(struct door *door, struct str *out);	/* who works here; "" where not shared */
json_t *door_hosts_json(struct door *door);
void door_age(struct str *out, int64_t since);		/* 45s 12m 36h 5d; "-" for 0 */
void door_size(struct str *out, uint64_t bytes);	/* 900 5.2K 1.3M */
void door_titles(const struct door_column *columns, struct str *out);	/* first: asks how wide the
				terminal is now */
void door_row(const struct door_column *columns, struct door_cell *cells, struct str *out);
				/* a line, as wide as the terminal; empties the cells */
int door_print(struct str *out, struct err *err);	/* to stdout, and empties it */
bool door_colours(void);	/* stdout is a terminal and NO_COLOR is not set */

json_t *door_json_text(struct span hostile);	/* what is not UTF-8 is escaped */
json_t *door_json_time(int64_t when);		/* null for 0 */
int door_json_print(json_t *value, const char *after, struct err *err);	/* takes value */

/* ---- Starting others (door-run.c) ---- */

/* Runs libexec's NAME with these words and this stdout; its failure is err. */
int door_run(struct door *door, const char *name, const char *const words[], int out,
    struct err *err);
/* The same; what it writes, at most max bytes, is appended to text. */
/* command at LOGIN@HOST, by the user's own ssh; what it prints is appended to answer. */
int door_via(const char *login, const char *port, const char *command, struct str *answer, struct err *err);
int door_read(struct door *door, const char *name, const char *const words[], size_t max,
    struct str *text, struct err *err);
/* The same; it reads from in, and prints where we do. */
int door_feed(struct door *door, const char *name, const char *const words[], int in, struct err *err);
/* Becomes it; returns only with err. */
int door_become(struct door *door, const char *name, char *const words[], struct err *err);

/* Sends a site the list of addresses, unless it has the same from before (door-recipients.c). */
int door_recipients_tell(struct door *door, const struct site_settings *site, bool again, struct err *err);

/* ---- The configuration's text (door-conf.c) ---- */

int door_conf_path(const struct door *door, struct str *path, struct err *err);
/* Makes sure that [site NAME] says link = LINK, keeping all other text; the file is
 * replaced durably, and only when something changes.  keep: a link said there stays. */
int door_conf_link(const struct door *door, const char *site, const char *link, bool keep,
    struct err *err);
struct door_conf_line {		/* key = value below [section]; "site hub" */
	const char *section, *key, *value;
	bool kept;		/* the file said something there already, and it stays */
};
/* The same for any lines, all of them or none.  dry: only finds out what would be kept. */
int door_conf_lines(const struct door *door, struct door_conf_line *lines, size_t count, bool keep, bool dry,
    struct err *err);
/* The pure part of it, for one line. */
void door_conf_edit(struct span text, struct door_conf_line *line, bool keep, struct str *out);

/* ---- Keys as text (door-key.c) ---- */

struct door_key {		/* "TYPE BASE64 [comment]"; borrowed from the line */
	struct span type, base64;
};
int door_key_make(struct door *door, const char *ours, struct err *err);	/* our own, for site
				OURS, unless it is there (door-pair.c) */
int door_key_parse(struct span line, struct door_key *key, struct err *err);
int door_key_fingerprint(const struct door_key *key, struct str *out, struct err *err);	/* SHA256:... */
/* restrict,command="..." TYPE BASE64 mochila-PEER, without a line end. */
int door_key_authorize(const struct door *door, const struct door_key *key, const char *peer,
    struct str *out, struct err *err);

#endif
