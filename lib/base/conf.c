#include "lib/base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/fs.h"

enum { FILE_MAX = 4 << 20, LINE_MAX_BYTES = 64 << 10 };

/* types */

static int
text_set(void *field, const char *value)
{
	char **text = field;
	free(*text);
	*text = mem_text(value);
	return 0;
}

void
conf_text_show(const void *field, struct str *out)
{
	str_add_text(out, *(char *const *)field);
}

void
conf_text_drop(void *field)
{
	char **text = field;
	free(*text);
	*text = NULL;
}

struct unit {
	char letter;
	uint64_t times;
};

static int
number_with_unit(const char *value, const struct unit *units, uint64_t max, uint64_t *number)
{
	struct span digits = span_of(value);
	uint64_t times = 1;

	for (; units->letter != 0; units++) {
		if (digits.len > 1 && digits.p[digits.len - 1] == units->letter) {
			times = units->times;
			digits.len--;
			break;
		}
	}
	if (span_number(digits, max / times, number) < 0)
		return -1;
	*number *= times;
	return 0;
}

static void
show_with_unit(uint64_t number, const struct unit *units, struct str *out)
{
	for (; units->letter != 0; units++) {
		if (number > 0 && number % units->times == 0) {
			str_printf(out, "%llu%c", (unsigned long long)(number / units->times), units->letter);
			return;
		}
	}
	str_printf(out, "%llu", (unsigned long long)number);
}

static const struct unit times[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 }, {0} };
static const struct unit sizes[] = { { 'G', 1 << 30 }, { 'M', 1 << 20 }, { 'K', 1 << 10 }, {0} };
static const struct unit none[] = { {0} };

static int
seconds_set(void *field, const char *value)
{
	uint64_t number;
	if (number_with_unit(value, times, UINT64_C(100) * 366 * 86400, &number) < 0)
		return -1;
	*(int64_t *)field = (int64_t)number;
	return 0;
}

static void
seconds_show(const void *field, struct str *out)
{
	show_with_unit((uint64_t)*(const int64_t *)field, times, out);
}

static int
bytes_set(void *field, const char *value)
{
	return number_with_unit(value, sizes, INT64_MAX, field);
}

static void
bytes_show(const void *field, struct str *out)
{
	show_with_unit(*(const uint64_t *)field, sizes, out);
}

static int
number_set(void *field, const char *value)
{
	return number_with_unit(value, none, INT64_MAX, field);
}

static void
number_show(const void *field, struct str *out)
{
	show_with_unit(*(const uint64_t *)field, none, out);
}

static int
yesno_set(void *field, const char *value)
{
	bool yes = strcmp(value, "yes") == 0;
	if (!yes && strcmp(value, "no") != 0)
		return -1;
	*(bool *)field = yes;
	return 0;
}

static void
yesno_show(const void *field, struct str *out)
{
	str_add_text(out, *(const bool *)field ? "yes" : "no");
}

const struct conf_type conf_text = { "a text", text_set, conf_text_show, conf_text_drop };
const struct conf_type conf_seconds = { "a time, as 90, 15m, 36h or 5d", seconds_set, seconds_show, NULL };
const struct conf_type conf_bytes = { "a size, as 1000, 64K, 35M or 2G", bytes_set, bytes_show, NULL };
const struct conf_type conf_number = { "a number", number_set, number_show, NULL };
const struct conf_type conf_yesno = { "yes or no", yesno_set, yesno_show, NULL };

/* what was said */

void
conf_say(struct conf *conf, const char *kind, const char *name, const char *key,
    const char *value, const char *origin)
{
	conf->word = mem_resize(conf->word, conf->words + 1, sizeof *conf->word);
	conf->word[conf->words++] = (struct conf_word){
		.kind = mem_text(kind), .name = mem_text(name), .key = mem_text(key),
		.value = mem_text(value), .origin = mem_text(origin),
	};
}

int
conf_say_text(struct conf *conf, const char *text, const char *origin, struct err *err)
{
	struct span value = span_of(text), section, key;

	if (!span_cut(&value, '=', &key) || value.p == NULL)
		return err_set(err, ERR_CONFIG, "%s %s: want KIND.KEY=VALUE or 'KIND NAME.KEY=VALUE'",
		    origin, text);
	/* A kind has no dot.  Behind a section's name, which may hold dots, the key is
	 * what follows the last one; else all of it ("routes.home.example"). */
	size_t kind_len = 0, dot = key.len;
	while (kind_len < key.len && key.p[kind_len] != '.' && key.p[kind_len] != ' ')
		kind_len++;
	while (dot > kind_len && key.p[dot - 1] != '.')
		dot--;
	if (dot == kind_len || dot == key.len)
		return err_set(err, ERR_CONFIG, "%s %s: no '.' between section and key", origin, text);
	if (key.p[kind_len] == '.')
		dot = kind_len + 1;
	section = span_to(key, dot - 1);
	key = span_trim(span_from(key, dot));	/* blanks as in the file, from where it may be copied */
	value = span_trim(value);
	struct span kind = span_word(&section), name = span_trim(section);
	char *k = mem_text_n(kind.p, kind.len), *n = mem_text_n(name.p, name.len);
	char *y = mem_text_n(key.p, key.len);
	char *v = mem_text_n(value.p, value.len);
	conf_say(conf, k, n, y, v, origin);
	free(v);
	free(k);
	free(n);
	free(y);
	return 0;
}

struct reader {
	struct conf *conf;
	const char *file;
	unsigned line;
	struct str kind, name;
	size_t section;		/* index of the first word of the section we are in */
};

static int
read_section(struct reader *r, struct span line, struct err *err)
{
	if (line.p[line.len - 1] != ']')
		return err_set(err, ERR_CONFIG, "%s:%u: section without its ]", r->file, r->line);
	struct span inside = span_trim((struct span){ line.p + 1, line.len - 2 });
	str_set_span(&r->kind, span_word(&inside));
	str_set_span(&r->name, span_trim(inside));
	r->section = r->conf->words;
	/* "[site home]" and no more says that there is one, with all presets. */
	if (r->name.len > 0) {
		struct str origin = {0};
		str_printf(&origin, "%s:%u", r->file, r->line);
		conf_say(r->conf, str_c(&r->kind), str_c(&r->name), "", "", str_c(&origin));
		str_free(&origin);
	}
	return 0;
}

static int
read_word(struct reader *r, struct span line, struct err *err)
{
	struct span value = line, key;

	if (!span_cut(&value, '=', &key) || value.p == NULL)
		return err_set(err, ERR_CONFIG, "%s:%u: neither [section] nor key = value", r->file, r->line);
	if (r->kind.len == 0)
		return err_set(err, ERR_CONFIG, "%s:%u: key before the first [section]", r->file, r->line);
	key = span_trim(key);
	value = span_trim(value);
	if (key.len == 0)
		return err_set(err, ERR_CONFIG, "%s:%u: no key before the =", r->file, r->line);
	struct str k = {0}, v = {0}, origin = {0};
	str_add_span(&k, key);
	str_add_span(&v, value);
	str_printf(&origin, "%s:%u", r->file, r->line);
	int result = 0;
	for (size_t i = r->section; i < r->conf->words && result == 0; i++)
		if (strcmp(r->conf->word[i].key, str_c(&k)) == 0)
			result = err_set(err, ERR_CONFIG, "%s: %s was said already at %s", str_c(&origin),
			    str_c(&k), r->conf->word[i].origin);
	if (result == 0)
		conf_say(r->conf, str_c(&r->kind), str_c(&r->name), str_c(&k), str_c(&v), str_c(&origin));
	str_free(&k);
	str_free(&v);
	str_free(&origin);
	return result;
}

static int
read_line(struct reader *r, struct span line, struct err *err)
{
	if (line.len > LINE_MAX_BYTES)
		return err_set(err, ERR_CONFIG, "%s:%u: line longer than %d bytes", r->file, r->line,
		    LINE_MAX_BYTES);
	if (line.len > 0 && memchr(line.p, '\0', line.len) != NULL)
		return err_set(err, ERR_CONFIG, "%s:%u: NUL in the line", r->file, r->line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	line = span_trim(line);
	if (line.len == 0 || line.p[0] == '#' || line.p[0] == ';')
		return 0;
	return line.p[0] == '[' ? read_section(r, line, err) : read_word(r, line, err);
}

int
conf_read(struct conf *conf, const char *path, struct err *err)
{
	struct reader r = { .conf = conf, .file = path };
	struct str text = {0};
	int result = fs_load(AT_FDCWD, path, FILE_MAX, &text, err);
	int number = errno;
	struct span rest = str_span(&text), line;

	while (result == 0 && span_cut(&rest, '\n', &line)) {
		r.line++;
		result = read_line(&r, line, err);
	}
	if (result < 0)
		err->kind = ERR_CONFIG;
	str_free(&r.kind);
	str_free(&r.name);
	str_free(&text);
	errno = number;
	return result;
}

void
conf_free(struct conf *conf)
{
	for (size_t i = 0; i < conf->words; i++) {
		free(conf->word[i].kind);
		free(conf->word[i].name);
		free(conf->word[i].key);
		free(conf->word[i].value);
		free(conf->word[i].origin);
	}
	free(conf->word);
	*conf = (struct conf){0};
}

/* from words to structs */

static size_t
distance(const char *a, const char *b)
{
	size_t row[65], len = strlen(b);

	if (len >= 64 || strlen(a) >= 64)
		return 99;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			size_t best = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
			row[j] = best < change ? best : change;
		}
	}
	return row[len];
}

const char *
conf_nearest(const char *said, const char *(*name)(const void *, size_t), const void *list)
{
	const char *best = NULL, *candidate;
	size_t least = strlen(said) / 3 + 2;

	for (size_t i = 0; (candidate = name(list, i)) != NULL; i++) {
		size_t d = distance(said, candidate);
		if (d < least) {
			least = d;
			best = candidate;
		}
	}
	return best;
}

static const char *
row_name(const void *rows, size_t i)
{
	return ((const struct conf_row *)rows)[i].name;
}

static const char *
kind_name(const void *kinds, size_t i)
{
	return ((const char *const *)kinds)[i];
}

static int
unknown(const struct conf_word *word, const char *what, const char *said, const char *nearest,
    struct err *err)
{
	if (nearest == NULL)
		return err_set(err, ERR_CONFIG, "%s: unknown %s %s", word->origin, what, said);
	return err_set(err, ERR_CONFIG, "%s: unknown %s %s; did you mean %s?", word->origin, what,
	    said, nearest);
}

int
conf_kinds(const struct conf *conf, const char *const kinds[], struct err *err)
{
	for (size_t i = 0; i < conf->words; i++) {
		size_t k = 0;
		while (kinds[k] != NULL && strcmp(kinds[k], conf->word[i].kind) != 0)
			k++;
		if (kinds[k] == NULL)
			return unknown(&conf->word[i], "section", conf->word[i].kind,
			    conf_nearest(conf->word[i].kind, kind_name, kinds), err);
	}
	return 0;
}

const char *
conf_name(const struct conf *conf, const char *kind, size_t n)
{
	for (size_t i = 0; i < conf->words; i++) {
		size_t first = 0;
		if (strcmp(conf->word[i].kind, kind) != 0)
			continue;
		while (strcmp(conf->word[first].kind, kind) != 0 ||
		    strcmp(conf->word[first].name, conf->word[i].name) != 0)
			first++;
		if (first == i && n-- == 0)
			return conf->word[i].name;
	}
	return NULL;
}

static const struct conf_row *
row_of(const struct conf_row *rows, const char *key)
{
	for (; rows->name != NULL; rows++)
		if (strcmp(rows->name, key) == 0)
			return rows;
	return NULL;
}

static void *
field_of(const struct conf_row *row, void *object)
{
	return (char *)object + row->at;
}

int
conf_fill(const struct conf *conf, const char *kind, const char *name,
    const struct conf_row *rows, void *object, struct err *err)
{
	for (const struct conf_row *row = rows; row->name != NULL; row++)
		if (row->type->set(field_of(row, object), row->preset) < 0)
			return err_set(err, ERR_CONFIG, "preset of %s is not %s", row->name, row->type->what);
	for (size_t i = 0; i < conf->words; i++) {
		const struct conf_word *word = &conf->word[i];
		if (strcmp(word->kind, kind) != 0 || strcmp(word->name, name) != 0 || word->key[0] == '\0')
			continue;
		const struct conf_row *row = row_of(rows, word->key);
		if (row == NULL)
			return unknown(word, "key", word->key, conf_nearest(word->key, row_name, rows), err);
		if (row->type->set(field_of(row, object), word->value) < 0)
			return err_set(err, ERR_CONFIG, "%s: %s = %.200s: not %s", word->origin, word->key,
			    word->value, row->type->what);
	}
	return 0;
}

void
conf_drop(const struct conf_row *rows, void *object)
{
	for (; rows->name != NULL; rows++)
		if (rows->type->drop != NULL)
			rows->type->drop(field_of(rows, object));
}

const char *
conf_origin(const struct conf *conf, const char *kind, const char *name, const char *key)
{
	const char *origin = "preset";

	for (size_t i = 0; i < conf->words; i++)
		if (strcmp(conf->word[i].kind, kind) == 0 && strcmp(conf->word[i].name, name) == 0 &&
		    strcmp(conf->word[i].key, key) == 0)
			origin = conf->word[i].origin;
	return origin;
}

void
conf_show(const struct conf *conf, const char *kind, const char *name,
    const struct conf_row *rows, const void *object, struct str *out)
{
	str_printf(out, name[0] != '\0' ? "[%s %s]\n" : "[%s]\n", kind, name);
	for (; rows->name != NULL; rows++) {
		str_printf(out, "# %s (%s)\n%s = ", CONF_HELP(rows), conf_origin(conf, kind, name, rows->name),
		    rows->name);
		rows->type->show((const char *)object + rows->at, out);
		str_add_char(out, '\n');
	}
}
