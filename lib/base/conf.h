/*
 * conf - settings as tables.
 *
 * A struct conf holds what was said, line by line, and where: mochila.conf,
 * the environment, the command line; a later word beats an earlier one.  A
 * table of rows says what may be said in a section of one kind, and a struct
 * of the caller's receives it:
 *
 *	#define CONF_OF struct site
 *	static const struct conf_row site_rows[] = {
 *		ROW("retry-after", seconds, retry_after, "15m", "pause before the next try"),
 *		{0},
 *	};
 *	conf_fill(&conf, "site", "home", site_rows, &site, &err);
 *
 * The file is INI: "[kind]" or "[kind name]", "key = value", whole-line
 * comments with # or ;.  Nothing inside a value is special, nothing is cut
 * off: a line may have 64 KiB.  Unknown sections and keys, a key said twice in
 * one place and values out of range are ERR_CONFIG, with file:line and, where
 * one is near, the name that was probably meant.
 */
#ifndef LIB_BASE_CONF_H
#define LIB_BASE_CONF_H

#include "lib/base/err.h"

struct conf_type {
	const char *what;	/* for messages: "a number of seconds, as 90 or 15m" */
	int (*set)(void *field, const char *value);	/* 0, or -1: not such a value */
	void (*show)(const void *field, struct str *out);
	void (*drop)(void *field);	/* NULL where the field owns nothing */
};

extern const struct conf_type conf_text;	/* char *, never NULL once filled */
void conf_text_show(const void *field, struct str *out);	/* of any type that is kept as a text */
void conf_text_drop(void *field);
extern const struct conf_type conf_seconds;	/* int64_t seconds: 90, 15m, 36h, 5d */
extern const struct conf_type conf_bytes;	/* uint64_t bytes: 1000, 64K, 35M, 2G (of 1024) */
extern const struct conf_type conf_number;	/* uint64_t */
extern const struct conf_type conf_yesno;	/* bool: yes no */

struct conf_row {
	const char *name;
	const struct conf_type *type;
	size_t at;
	const char *preset;
#if !MOCHILA_SMALL
	const char *help;
#endif
};

#if MOCHILA_SMALL
#define ROW(name, type, field, preset, help) { (name), &conf_##type, offsetof(CONF_OF, field), (preset) }
#define CONF_HELP(row) ((void)(row), "mochila.conf(5) has it")
#else
#define ROW(name, type, field, preset, help) { (name), &conf_##type, offsetof(CONF_OF, field), (preset), (help) }
#define CONF_HELP(row) ((row)->help)
#endif

struct conf_word {
	char *kind, *name, *key, *value;	/* name is "" for "[kind]"; key is "" for the line
						 * "[kind name]" itself */
	char *origin;				/* "mochila.conf:12", "environment", "--set" */
};

struct conf {
	struct conf_word *word;
	size_t words;
};

int conf_read(struct conf *conf, const char *path, struct err *err);	/* ENOENT: CONFIG too */
void conf_say(struct conf *conf, const char *kind, const char *name, const char *key,
    const char *value, const char *origin);
int conf_say_text(struct conf *conf, const char *text, const char *origin, struct err *err);
			/* "kind.key=value" or "kind name.key=value" */
int conf_kinds(const struct conf *conf, const char *const kinds[], struct err *err);
			/* refuses a section that is not in the NULL-ended list */
const char *conf_name(const struct conf *conf, const char *kind, size_t n);
			/* the n-th distinct section name of that kind, or NULL */
int conf_fill(const struct conf *conf, const char *kind, const char *name,
    const struct conf_row *rows, void *object, struct err *err);
void conf_drop(const struct conf_row *rows, void *object);
void conf_show(const struct conf *conf, const char *kind, const char *name,
    const struct conf_row *rows, const void *object, struct str *out);
const char *conf_origin(const struct conf *conf, const char *kind, const char *name, const char *key);
			/* of the word that counts, or "preset" */
void conf_free(struct conf *conf);

/* The name of rows nearest to what was said, or NULL. */
const char *conf_nearest(const char *said, const char *(*name)(const void *, size_t), const void *list);

#endif
