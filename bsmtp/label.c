#include "bsmtp/label.h"

#include <string.h>

#include "lib/base/bytes.h"
#include "lib/mail/base64.h"
#include "spool/queue.h"

#define WORD "mb"

/* LONG: no frame in brief; LOOSE: numbers where there are bytes now; MARK: and the version */
/* FIRST_VERSION: the last one whose mix is of the first model, and what is not mix is written as it still */
enum { LINE_VERSION = 1, LONG_VERSION = 2, LOOSE_VERSION = 3, FIRST_VERSION = 4, MARK = 0x90 };
enum { ZSTD = 0, MIX = 1 };	/* codecs' numbers */
enum { CODECS = 3, BRIEF = 2, FIRST = 4, REF = 8, AT = 16, DICT = 32, WORDS = 64, ONE = 128 };	/* flags */

bool
label_begins(struct span first)
{
	return batch_is_labelled(first);
}

static bool
begins_line(struct span first)
{
	return label_begins(first) && span_begins(first, WORD);
}

static int
damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_PERM, "altered: its label has no proper %s", what);
}

static int
newer(uint64_t version, struct err *err)
{
	return err_set(err, ERR_CONFIG, "a batch of format %llu is newer than this mochila knows (%d)",
	    (unsigned long long)version, LABEL_VERSION);
}

static int
read_version(struct span word, struct err *err)
{
	uint64_t version;

	if (!begins_line(word) || span_number(span_from(word, strlen(WORD)), UINT32_MAX, &version) < 0)
		return damaged("beginning", err);
	if (version > LINE_VERSION)
		return newer(version, err);
	return version > 0 ? 0 : damaged("version", err);
}

static int
read_codec(struct span word, struct label *label, struct err *err)
{
	for (size_t i = 0; codecs[i] != NULL; i++)	/* version 1 knew of one */
		if (codecs[i]->label != NULL && codecs[i]->number == 0 && span_is(word, codecs[i]->label)) {
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
	for (size_t i = 0; i < *count; i++)
		values[i] = bytes_number(bytes + 8 * i, 8);
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

struct label_word {
	const char *name;
	int (*read)(struct span text, struct label *label);
};
#define LATER_WORDS { "class=", read_class }, { "keep=", read_keep }, { "have=", read_have }, { "lost=", read_lost }, {0}
/* in this order, each at most once */
static const struct label_word later_words[] = { LATER_WORDS }, all_words[] = {
	{ "ref=", read_ref }, { "at=", read_at }, { "dict=", read_dictionary }, LATER_WORDS
};

static int
read_words(struct span rest, const struct label_word *row, struct label *label, struct err *err)
{
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

/* version 1: a line */

static int
parse_line(struct span line, struct label *label, struct err *err)
{
	struct span rest = line, word[5] = {0};

	*label = (struct label){ .version = LINE_VERSION };
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
	return read_words(rest, all_words, label, err);
}

static void
add_later_words(const struct label *label, struct str *out)
{
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
}

static void
add_chain(struct str *out, uint64_t link, size_t len)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (unsigned char)(link >> (56 - 8 * i));
	add_bytes(out, bytes, len);
}

static size_t
sum_len(const struct label *label)
{
	return label->version == LINE_VERSION ? LABEL_SUM : LABEL_NAME;
}

bool
label_vouches(const struct label *label, const unsigned char sum[DIGEST_SIZE])
{
	return memcmp(label->sum, sum, sum_len(label)) == 0;
}

int
label_without(const struct label *label, const char *why, struct err *err)
{
	return err_set(err, ERR_TEMP, "it is packed against commit %llu of a history%s",
	    (unsigned long long)label->mark.k, why);
}

void
label_show(const struct label *label, struct str *out)
{
	str_printf(out, WORD "%u %s %llu %llu ", label->version, label->codec->label,
	    (unsigned long long)label->count, (unsigned long long)label->len);
	add_bytes(out, label->sum, sum_len(label));
	if (label->has_ref || label->has_at) {
		str_printf(out, label->has_ref ? " ref=%llu:" : " at=%llu:", (unsigned long long)label->mark.k);
		add_chain(out, label->mark.link, label->part ? LABEL_CHAIN : 8);
	}
	if (label->has_ref)
		str_printf(out, ":%llu", (unsigned long long)label->units);
	if (label->dictionary > 0)
		str_printf(out, " dict=%llu", (unsigned long long)label->dictionary);
	add_later_words(label, out);
	str_add_char(out, '\n');
}

static int
take_line(struct span *bytes, struct label *label, struct err *err)
{
	struct span line;

	if (memchr(bytes->p, '\n', bytes->len) == NULL || !span_cut(bytes, '\n', &line))
		return 0;
	return parse_line(line, label, err) < 0 ? -1 : 1;
}

/* versions 2 to 5: bytes */

static void
put_number(struct str *out, uint64_t number)
{
	for (; number >= 128; number >>= 7)
		str_add_char(out, (char)(number | 128));
	str_add_char(out, (char)number);
}

static void
put_chain(struct str *out, uint64_t link, size_t len)
{
	for (size_t i = 0; i < len; i++)
		str_add_char(out, (char)(link >> (56 - 8 * i)));
}

/* How much of history is told in a byte: at most an eighth less than there is. */

enum { SMALL_BITS = 3, SMALL = 1 << SMALL_BITS };

static unsigned
size_of(uint64_t units)
{
	unsigned power = 0;

	while (units >= 2 * SMALL) {
		units >>= 1;
		power++;
	}
	return units < SMALL ? (unsigned)units : (power + 1) << SMALL_BITS | (unsigned)(units - SMALL);
}

static uint64_t
units_of(unsigned size)
{
	unsigned power = size >> SMALL_BITS, small = size & (SMALL - 1);

	return power == 0 ? small : power > 32 ? UINT64_MAX : (uint64_t)(SMALL + small) << (power - 1);
}

uint64_t
label_units(uint64_t len)
{
	return units_of(size_of(len / LABEL_UNIT));
}

static bool
has_words(const struct label *label)
{
	return label->class[0] != '\0' || label->not_kept || label->has_have || label->losts > 0;
}

static void
put_bytes(const struct label *label, struct str *out)
{
	unsigned version = label->version > 0 ? label->version :
	    label->codec->number == MIX ? LABEL_VERSION : FIRST_VERSION;
	bool loose = version <= LOOSE_VERSION, first = !loose && label->dictionary == 1;

	str_add_char(out, (char)(MARK + version));
	str_add_char(out, (char)(label->codec->number | (label->brief ? BRIEF : 0) | (first ? FIRST : 0) |
	    (label->has_ref ? REF : 0) | (label->has_at ? AT : 0) |
	    (label->dictionary > 0 && !first ? DICT : 0) |
	    (has_words(label) ? WORDS : 0) | (label->count == 1 ? ONE : 0)));
	if (label->count != 1)
		put_number(out, label->count);
	put_number(out, label->len);
	str_add(out, label->sum, LABEL_NAME);
	if (label->has_ref || label->has_at) {
		put_number(out, label->mark.k);
		put_chain(out, label->mark.link, label->has_ref ? LABEL_CHAIN : 8);
	}
	if (label->has_ref && loose)
		put_number(out, label->units);
	else if (label->has_ref)
		str_add_char(out, (char)size_of(label->units));
	if (label->dictionary > 0 && !first)
		put_number(out, label->dictionary);
	add_later_words(label, out);
	if (has_words(label))
		str_add_char(out, '\n');
}

struct taking {
	struct span rest;
	bool short_of;		/* bytes */
	const char *wrong;
};

static struct span
take(struct taking *t, size_t len)
{
	struct span taken = span_to(t->rest, len);

	t->short_of |= t->rest.len < len;
	t->rest = span_from(t->rest, taken.len);
	return taken;
}

static uint64_t
take_number(struct taking *t, uint64_t most, const char *what)
{
	uint64_t number = 0;
	unsigned char c = 128;

	for (unsigned at = 0; (c & 128) != 0; at += 7) {
		struct span byte = take(t, 1);
		if (byte.len == 0)
			return 0;
		c = (unsigned char)byte.p[0];
		if (at > 63 || (at == 63 && c > 1))
			t->wrong = what;
		else
			number |= (uint64_t)(c & 127) << at;
		if (t->wrong != NULL)
			return 0;
	}
	if (number > most)
		t->wrong = what;
	return number;
}

static uint64_t
take_chain(struct taking *t, size_t len)
{
	struct span bytes = take(t, len);
	uint64_t link = 0;

	for (size_t i = 0; i < bytes.len; i++)
		link |= (uint64_t)(unsigned char)bytes.p[i] << (56 - 8 * i);
	return link;
}

static uint64_t
take_units(struct taking *t, const struct label *label)
{
	const uint64_t most = RING_WINDOW_MAX / LABEL_UNIT;
	struct span byte;

	if (label->version <= LOOSE_VERSION)
		return take_number(t, most, "length of history");
	byte = take(t, 1);
	uint64_t units = byte.len > 0 ? units_of((unsigned char)byte.p[0]) : 1;
	return units <= most ? units : 0;
}

static void
take_mark(struct taking *t, struct label *label, unsigned flags)
{
	label->has_ref = label->part = (flags & REF) != 0;
	label->has_at = (flags & AT) != 0;
	if (label->has_ref && label->has_at)
		t->wrong = "flags";
	if (!label->has_ref && !label->has_at)
		return;
	label->mark.k = take_number(t, RING_K_MAX, "number");
	label->mark.link = take_chain(t, label->has_ref ? LABEL_CHAIN : 8);
	if (label->has_ref && (label->units = take_units(t, label)) == 0)
		t->wrong = "length of history";
}

static const struct codec *
codec_of_number(unsigned number)
{
	for (size_t i = 0; codecs[i] != NULL; i++)
		if (codecs[i]->label != NULL && codecs[i]->number == number)
			return codecs[i];
	return NULL;
}

static void
take_codec(struct taking *t, struct label *label, unsigned flags)
{
	unsigned number = flags & (label->version > LOOSE_VERSION ? CODECS : CODECS | FIRST);

	label->brief = number == BRIEF && label->version > LONG_VERSION;
	label->first = label->version <= FIRST_VERSION;
	if ((label->codec = codec_of_number(label->brief ? ZSTD : number)) == NULL || (number != MIX && !label->first))
		t->wrong = "codec";
}

static void
take_dictionary(struct taking *t, struct label *label, unsigned flags)
{
	if (label->version > LOOSE_VERSION && (flags & FIRST) != 0)
		label->dictionary = 1;
	else if ((flags & DICT) != 0 && (label->dictionary = take_number(t, UINT32_MAX, "dictionary")) == 0)
		t->wrong = "dictionary";
}

static void
take_fields(struct taking *t, struct label *label, unsigned flags)
{
	take_codec(t, label, flags);
	label->tables = label->version > LOOSE_VERSION;
	label->count = (flags & ONE) != 0 ? 1 : take_number(t, UINT64_MAX, "count");
	label->len = take_number(t, UINT64_MAX, "length");
	struct span sum = take(t, LABEL_NAME);
	memcpy(label->sum, sum.p, sum.len);
	take_mark(t, label, flags);
	take_dictionary(t, label, flags);
}

/* " class=... have=..." and LF */
static int
take_words(struct span *rest, struct label *label, struct err *err)
{
	struct span line;

	if (memchr(rest->p, '\n', rest->len) == NULL || !span_cut(rest, '\n', &line))
		return 0;
	if (line.len == 0 || line.p[0] != ' ')
		return damaged("words at its end", err);
	return read_words(span_from(line, 1), later_words, label, err) < 0 ? -1 : 1;
}

static int
take_bytes(struct span *bytes, struct label *label, struct err *err)
{
	struct taking t = { .rest = *bytes };

	*label = (struct label){ .version = (unsigned char)take(&t, 1).p[0] - MARK };
	if (label->version > LABEL_VERSION)
		return newer(label->version, err);
	struct span flags = take(&t, 1);
	if (flags.len == 0)
		return 0;
	take_fields(&t, label, (unsigned char)flags.p[0]);
	if (t.short_of)		/* a number that is not there yet is nothing wrong */
		return 0;
	if (t.wrong != NULL)
		return damaged(t.wrong, err);
	int got = (flags.p[0] & WORDS) != 0 ? take_words(&t.rest, label, err) : 1;
	if (got > 0)
		*bytes = t.rest;
	return got;
}

/* either */

void
label_put(const struct label *label, struct str *out)
{
	if (label->version == LINE_VERSION)
		label_show(label, out);
	else
		put_bytes(label, out);
}

/* Exact: whatever is read was written so, because a label is covered by no sum. */
static int
check_same(struct span said, const struct label *label, struct err *err)
{
	struct str again = {0};

	label_put(label, &again);
	bool same = span_same(str_span(&again), said);
	str_free(&again);
	return same ? 1 : damaged("form", err);
}

int
label_take(struct span *bytes, struct label *label, struct err *err)
{
	struct span rest = *bytes;
	int got = label_begins(rest) && !begins_line(rest) ? take_bytes(&rest, label, err) : take_line(&rest, label, err);

	if (got > 0)
		got = check_same(span_to(*bytes, bytes->len - rest.len), label, err);
	if (got > 0)
		*bytes = rest;
	return got;
}

uint64_t
label_name(const struct label *label)
{
	return bytes_number(label->sum, 8);
}
