#include "bsmtp/label.h"

#include <string.h>

#include "lib/mail/base64.h"
#include "spool/settings.h"

#define WORD "mb"

bool
label_begins(struct span first)
{
	return first.len > strlen(WORD) && span_begins(first, WORD) &&
	    first.p[strlen(WORD)] >= '0' && first.p[strlen(WORD)] <= '9';
}

static int
damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_PERM, "altered: its label has no proper %s", what);
}

static int
read_version(struct span word, struct err *err)
{
	uint64_t version;

	if (!label_begins(word) || span_number(span_from(word, strlen(WORD)), UINT32_MAX, &version) < 0)
		return damaged("beginning", err);
	if (version > LABEL_VERSION)
		return err_set(err, ERR_CONFIG, "a batch of format %llu is newer than this mochila knows (%d)",
		    (unsigned long long)version, LABEL_VERSION);
	return version > 0 ? 0 : damaged("version", err);
}

static int
read_codec(struct span word, struct label *label, struct err *err)
{
	for (size_t i = 0; codecs[i] != NULL; i++)
		if (codecs[i]->label != NULL && span_is(word, codecs[i]->label)) {
			label->codec = codecs[i];
			return 0;
		}
	return damaged("codec", err);
}

/* Exactly len bytes, written without the "=" at the end. */
static int
read_bytes(struct span word, unsigned char *out, size_t len)
{
	struct str text = {0};
	unsigned char bytes[BASE64_BYTES(LABEL_MAX)];

	if (word.len > LABEL_MAX - 4)
		return -1;
	str_add_span(&text, word);
	while (text.len % 4 != 0)
		str_add_char(&text, '=');
	int got = base64_read(str_span(&text), bytes);
	str_free(&text);
	if (got < 0 || (size_t)got != len || (word.len > 0 && word.p[word.len - 1] == '='))
		return -1;
	memcpy(out, bytes, len);
	return 0;
}

static void
add_bytes(struct str *out, const unsigned char *bytes, size_t len)
{
	base64_add(out, bytes, len);
	while (out->p[out->len - 1] == '=')
		out->len--;
}

/* Values of 8 bytes each, in one base64. */

static int
read_values(struct span word, uint64_t *values, size_t most, size_t *count)
{
	unsigned char bytes[8 * (RING_NAMES_MAX + 1)];
	size_t len = word.len / 4 * 3 + (word.len % 4 > 0 ? word.len % 4 - 1 : 0);

	*count = len / 8;
	if (len % 8 != 0 || *count == 0 || *count > most || read_bytes(word, bytes, len) < 0)
		return -1;
	for (size_t i = 0; i < len; i++)
		values[i / 8] = values[i / 8] << 8 | bytes[i];
	return 0;
}

static void
add_values(struct str *out, const uint64_t *values, size_t count)
{
	unsigned char bytes[8 * (RING_NAMES_MAX + 1)];

	for (size_t i = 0; i < 8 * count; i++)
		bytes[i] = (unsigned char)(values[i / 8] >> (56 - i % 8 * 8));
	add_bytes(out, bytes, 8 * count);
}

/* The words that need not be there: each reads the text behind its "=". */

static int
read_number(struct span *text, uint64_t most, uint64_t *number)
{
	struct span digits;

	return memchr(text->p, ':', text->len) != NULL && span_cut(text, ':', &digits) &&
	    span_number(digits, most, number) == 0 ? 0 : -1;
}

static int
read_mark(struct span text, struct ring_mark *mark)
{
	size_t count;

	return read_number(&text, RING_K_MAX, &mark->k) < 0 ||
	    read_values(text, &mark->link, 1, &count) < 0 ? -1 : 0;
}

static int
read_ref(struct span text, struct label *label)
{
	struct span rest = text, k, chain;

	label->has_ref = true;
	span_cut(&rest, ':', &k);
	if (!span_cut(&rest, ':', &chain) ||
	    span_number(rest, RING_WINDOW_MAX / LABEL_UNIT, &label->units) < 0 || label->units == 0)
		return -1;
	return read_mark(span_to(text, text.len - rest.len - 1), &label->mark);
}

static int
read_at(struct span text, struct label *label)
{
	label->has_at = true;
	return label->has_ref ? -1 : read_mark(text, &label->mark);
}

static int
read_keep(struct span text, struct label *label)
{
	label->not_kept = true;
	return span_is(text, "0") ? 0 : -1;
}

static int
read_have(struct span text, struct label *label)
{
	struct ring_word *have = &label->have;
	uint64_t values[RING_NAMES_MAX + 1] = {0};
	size_t count;

	label->has_have = true;
	if (read_number(&text, RING_K_MAX, &have->last.k) < 0 ||
	    read_number(&text, RING_WINDOW_MAX / LABEL_UNIT, &have->size) < 0 ||
	    read_values(text, values, RING_NAMES_MAX + 1, &count) < 0)
		return -1;
	have->size *= LABEL_UNIT;
	have->last.link = values[0];
	have->names = count - 1;
	memcpy(have->name, values + 1, have->names * sizeof values[0]);
	return 0;
}

static void
add_have(struct str *out, const struct ring_word *have)
{
	uint64_t values[RING_NAMES_MAX + 1] = { have->last.link };

	memcpy(values + 1, have->name, have->names * sizeof values[0]);
	str_printf(out, " have=%llu:%llu:", (unsigned long long)have->last.k,
	    (unsigned long long)(have->size / LABEL_UNIT));
	add_values(out, values, have->names + 1);
}

static int
read_lost(struct span text, struct label *label)
{
	return read_values(text, label->lost, LABEL_LOST, &label->losts);
}

static int
read_dictionary(struct span text, struct label *label)
{
	return span_number(text, UINT32_MAX, &label->dictionary) == 0 && label->dictionary > 0 ? 0 : -1;
}

static int
read_class(struct span text, struct label *label)
{
	if (text.len == 0 || text.len > LABEL_CLASS)
		return -1;
	memcpy(label->class, text.p, text.len);
	label->class[text.len] = '\0';
	return strlen(label->class) == text.len && settings_site_name(label->class) ? 0 : -1;
}

static const struct label_word {
	const char *name;
	int (*read)(struct span text, struct label *label);
} label_words[] = {	/* in this order, each at most once */
	{ "ref=", read_ref },
	{ "at=", read_at },
	{ "dict=", read_dictionary },
	{ "class=", read_class },
	{ "keep=", read_keep },
	{ "have=", read_have },
	{ "lost=", read_lost },
	{0},
};

static int
read_words(struct span rest, struct label *label, struct err *err)
{
	const struct label_word *row = label_words;
	struct span word;

	while (span_cut(&rest, ' ', &word)) {
		while (row->name != NULL && !span_begins(word, row->name))
			row++;
		if (row->name == NULL)
			return damaged("words at its end", err);
		if (row->read(span_from(word, strlen(row->name)), label) < 0)
			return damaged(row->name, err);
		row++;
	}
	return 0;
}

/* Exact: whatever is read was written so, because a label is covered by no sum. */
static int
check_same(struct span line, const struct label *label, struct err *err)
{
	struct str again = {0};

	label_line(label, &again);
	bool same = again.len == line.len + 1 && memcmp(again.p, line.p, line.len) == 0;
	str_free(&again);
	return same ? 0 : damaged("form", err);
}

int
label_parse(struct span line, struct label *label, struct err *err)
{
	struct span rest = line, word[5] = {0};

	*label = (struct label){0};
	for (size_t i = 0; i < 5; i++)
		span_cut(&rest, ' ', &word[i]);
	if (read_version(word[0], err) < 0 || read_codec(word[1], label, err) < 0)
		return -1;
	if (span_number(word[2], UINT64_MAX, &label->count) < 0)
		return damaged("count", err);
	if (span_number(word[3], UINT64_MAX, &label->len) < 0)
		return damaged("length", err);
	if (read_bytes(word[4], label->sum, LABEL_SUM) < 0)
		return damaged("sum", err);
	return read_words(rest, label, err) < 0 ? -1 : check_same(line, label, err);
}

void
label_line(const struct label *label, struct str *out)
{
	str_printf(out, WORD "%d %s %llu %llu ", LABEL_VERSION, label->codec->label,
	    (unsigned long long)label->count, (unsigned long long)label->len);
	add_bytes(out, label->sum, LABEL_SUM);
	if (label->has_ref || label->has_at) {
		str_printf(out, label->has_ref ? " ref=%llu:" : " at=%llu:", (unsigned long long)label->mark.k);
		add_values(out, &label->mark.link, 1);
	}
	if (label->has_ref)
		str_printf(out, ":%llu", (unsigned long long)label->units);
	if (label->dictionary > 0)
		str_printf(out, " dict=%llu", (unsigned long long)label->dictionary);
	if (label->class[0] != '\0')
		str_printf(out, " class=%s", label->class);
	if (label->not_kept)
		str_add_text(out, " keep=0");
	if (label->has_have)
		add_have(out, &label->have);
	if (label->losts > 0) {
		str_add_text(out, " lost=");
		add_values(out, label->lost, label->losts);
	}
	str_add_char(out, '\n');
}

uint64_t
label_name(const struct label *label)
{
	uint64_t name = 0;

	for (int i = 0; i < 8; i++)
		name = name << 8 | label->sum[i];
	return name;
}
