/*
 * Fuzz target: the words of mail on anything.
 *
 * Held: an address that is taken is taken again, alone, and holds neither controls nor a
 * '>' outside quotes; what xtext means survives being encoded; a header's fields, put
 * behind each other, are its beginning, and it is gathered the same at any split; a
 * body stuffed is the body unstuffed; whatever peers call themselves, our trace
 * stays one field; what is called a valid date can be written; a header whose addresses
 * keep their names is the same, and one whose addresses change has no line more.
 */
#include <string.h>

#include "lib/mail/address.h"
#include "lib/mail/date.h"
#include "lib/mail/dot.h"
#include "lib/mail/header.h"
#include "lib/mail/received.h"
#include "lib/mail/rewrite.h"
#include "lib/mail/utf8.h"
#include "lib/mail/xtext.h"
#include "tests/fuzz/fuzz.h"

static void
try_address(struct span text)
{
	struct err err;

	for (unsigned allow = 0; allow < 16; allow++) {
		struct span rest = text, address;
		if (address_path(&rest, allow, &address, &err) < 0)
			continue;
		HOLD(address_check(address, allow, &err) == 0);
		HOLD(address.len == 0 ? allow & ADDRESS_NULL : utf8_ok(address));
		HOLD(rest.p == text.p + (text.len - rest.len) && rest.p[-1] == '>');
		for (size_t i = 0; i < address.len; i++)
			HOLD((unsigned char)address.p[i] >= ' ' && address.p[i] != 0x7F);
	}
}

static void
try_xtext(struct span text)
{
	struct str meant = {0}, xtext = {0}, again = {0};

	HOLD((xtext_decode(text, &meant) == 0) == xtext_ok(text));
	if (xtext_ok(text)) {
		xtext_encode(str_span(&meant), &xtext);
		HOLD(xtext_decode(str_span(&xtext), &again) == 0);
		HOLD(span_same(str_span(&meant), str_span(&again)));
	}
	str_free(&meant);
	str_free(&xtext);
	str_free(&again);
}

static void
try_header(struct span text)
{
	struct span rest = text, body = text;
	struct header_field field;
	struct header_gather whole = { .max = 100 }, bytes = { .max = 100 };
	size_t at = 0;

	while (header_next(&rest, &field)) {
		HOLD(field.whole.p == text.p + at && field.name.len > 0);
		at += field.whole.len;
	}
	header_end(&body);
	HOLD(body.len <= rest.len && rest.len - body.len <= 2);
	header_gather(&whole, text);
	for (size_t i = 0; i < text.len; i++)
		header_gather(&bytes, span_to(span_from(text, i), 1));
	HOLD(whole.done == bytes.done && whole.over == bytes.over);
	str_free(&whole.text);
	str_free(&bytes.text);
}

static void
try_dots(struct span text)
{
	struct dot_out out = {0};
	struct dot_in in = {0};
	struct str wire = {0}, again = {0};
	bool cr = false, good = dot_lines_ok(text, &cr) && !cr;

	if (dot_stuff(&out, text, &wire) == 0 && dot_finish(&out, &wire) == 0) {
		HOLD(good);
		HOLD(dot_unstuff(&in, str_span(&wire), &again) == wire.len);
		HOLD(in.state == DOT_END && !in.bare && span_begins(str_span(&again), "") &&
		    span_same(span_to(str_span(&again), text.len), text));
	} else {
		HOLD(!good);
	}
	str_free(&wire);
	str_free(&again);
}

static void
try_trace(struct span text)
{
	struct received received = { text, text, text, text, text, 0, text };
	struct header_field field;
	struct str out = {0};

	received_field(&received, &out);
	struct span rest = str_span(&out);
	HOLD(header_next(&rest, &field) && rest.len == 0 && span_is(field.name, "Received"));
	str_free(&out);
}

static void
try_date(struct span text)
{
	struct str out = {0};
	int64_t when, again;

	if (date_parse_asctime(text, &when) == 0) {
		date_asctime(when, &out);
		if (when >= 0)
			HOLD(date_parse_asctime(str_span(&out), &again) == 0 && again == when);
	}
	str_free(&out);
}

static int
keep(void *ctx, struct span address, struct str *to, struct err *err)
{
	(void)err;
	HOLD(address.len > 0 && memchr(address.p, '@', address.len) != NULL);
	if (ctx == NULL)
		return 0;
	str_add_text(to, "a@b");
	return 1;
}

static size_t
count_of(struct span text, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += text.p[i] == c;
	return count;
}

static void
try_rewrite(struct span text)
{
	struct str same = {0}, other = {0};
	struct err err;
	bool change = true;

	HOLD(rewrite_header(text, keep, NULL, &same, &err) == 0);
	HOLD(span_same(str_span(&same), text));
	HOLD(rewrite_header(text, keep, &change, &other, &err) == 0);
	HOLD(count_of(str_span(&other), '\n') <= count_of(text, '\n'));
	str_free(&same);
	str_free(&other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = { (const char *)data, size };

	try_address(text);
	try_xtext(text);
	try_header(text);
	try_dots(text);
	try_trace(text);
	try_date(text);
	try_rewrite(text);
	return 0;
}
