/* Mail made thin, and HTML as text, by rows; what is hostile ends. */
#include "lib/mail/thin.h"

#include <string.h>

#include "lib/mail/html-text.h"
#include "tests/unit/unit.h"

static const struct { const char *page, *text; } pages[] = {
	{ "<p>Hello <b>you</b></p><p>there</p>", "Hello you\r\n\r\nthere\r\n" },
	{ "a<br>b<br/>c", "a\r\nb\r\nc\r\n" },
	{ "  a \n  b\t c ", "a b c\r\n" },
	{ "<ul><li>one</li><li>two</li></ul>x", "* one\r\n* two\r\n\r\nx\r\n" },
	{ "see <a href=\"https://a.example/?x=1&amp;y=2\">this</a>.", "see this <https://a.example/?x=1&y=2>.\r\n" },
	{ "<a href='https://a.example'>https://a.example</a>", "https://a.example\r\n" },
	{ "<a href=\"javascript:alert(1)\">this</a>", "this\r\n" },
	{ "<a class=x href=https://a.example>this</a>", "this <https://a.example>\r\n" },
	{ "x<script>if (a < b) alert('</p>')</script>y<style>p {}</style>z", "xyz\r\n" },
	{ "<head><title>no</title></head>yes", "yes\r\n" },
	{ "<!-- no --> yes", "yes\r\n" }, { "yes<!-- no", "yes\r\n" },
	{ "&lt;&gt;&amp;&quot;&#65;&#x42;&auml;&euro;&unknown;&", "<>&\"AB\xc3\xa4\xe2\x82\xac&unknown;&\r\n" },
	{ "&#0;&#13;&#10;&#27;&#xd800;&#x110000;x", "x\r\n" }, { "a&shy;b&zwnj;c&nbsp;d", "abc d\r\n" },
	{ "<pre>a  b\n  c</pre>", "a  b\r\n  c\r\n" },
	{ "<img src=x alt=\"a cat\"><img src=y>", "[a cat]\r\n" },
	{ "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\r\nc\r\n" },
	{ "1 < 2 and 3 <4", "1 < 2 and 3 <4\r\n" }, { "<", "<\r\n" }, { "<p", "<p\r\n" }, { "", "" }, { "<p></p><div></div>", "" },
	{ "\x1b[31mred", "[31mred\r\n" },
};

START_TEST(html_is_read)
{
	struct str out = {0};

	html_text(span_of(pages[_i].page), &out);
	ck_assert_str_eq(str_c(&out), pages[_i].text);
	str_free(&out);
}
END_TEST

#define HEAD "From: a\r\nSubject: s\r\nDKIM-Signature: x\r\nMIME-Version: 1.0\r\n"
#define LARGE "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\nQUJD\r\n"
static const struct {
	const char *message;
	int result;
	const char *has[4], *hasnt;
} mails[] = {
	{ "Subject: s\r\n\r\nplain\r\n", 0, {0}, NULL },
	{ HEAD "Content-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n", 0, {0}, NULL },
	{ HEAD "Content-Type: text/html; charset=iso-8859-1\r\n\r\n<p>gr\xfc\xdf</p>\r\n", 1,
	    { "Subject: s\r\n", "charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n", "gr=C3=BC=C3=9F\r\n", NULL }, "DKIM" },
	{ HEAD "Content-Type: multipart/alternative; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nthe text\r\n"
	    "--b\r\nContent-Type: text/html\r\n\r\n<p>the page</p>\r\n--b--\r\n", 1, { "\r\n\r\nthe text\r\n", "us-ascii", NULL }, "page" },
	{ HEAD "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>only page</p>\r\n--b--\r\n", 1,
	    { "\r\n\r\nonly page\r\n", NULL }, "<p>" },
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: application/pdf; name=\"a.pdf\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n" LARGE "--b--\r\n", 1,
	    { "hi\r\n", "Left out:\r\n  a.pdf, application/pdf, 6", "NOTE\r\n", NULL }, "QUJD" },
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: text/x-small\r\n\r\nsmall\r\n"
	    "--b\r\nContent-Type: text/html\r\n\r\n<i>there</i>\r\n--b--\r\n", 1,
	    { "multipart/mixed; boundary=\"=_thin_", "Content-Type: text/x-small\r\n\r\nsmall\r\n", "hi\r\n\r\nthere\r\n", NULL }, NULL },
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: text/x-small\r\n\r\nsmall\r\n--b--\r\n", 0, {0}, NULL },
	{ HEAD "Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n", 0, {0}, NULL },
	{ HEAD "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nsaid\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nxx\r\n--b--\r\n", 1,
	    { "\r\n\r\nsaid\r\n", NULL }, "pgp" },
	{ HEAD "Content-Type: image/png; name=\"x\r\n y.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" LARGE, 1,
	    { "  x?? y.png, image/png, ", NULL }, "QUJD" },
	{ HEAD "Content-Type: image/smaller\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: inline; filename=\"a\\\"b\"\r\n\r\n" LARGE, 1,
	    { "Content-Type: image/new\r\nContent-Transfer-Encoding: base64\r\n", "\r\n\r\nc21hbGw=\r\n", NULL }, "QUJD" },
	/* odd ones */
	{ HEAD "Content-Type: multipart/mixed\r\n\r\nno boundary", 0, {0}, NULL },
	{ HEAD "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx", 0, {0}, NULL },
	{ HEAD "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b", 0, {0}, NULL },
	{ HEAD "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\nunended", 1, { "unended\r\n", NULL }, NULL },
	{ HEAD "Content-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\nContent-Type: multipart/alternative; boundary=abc\r\n\r\n--abc\r\n\r\nin\r\n"
	    "--abc\r\nContent-Type: text/html\r\n\r\nno\r\n--abc--\r\n--ab\r\n\r\nbehind\r\n--ab--\r\n", 1, { "in\r\n\r\nbehind\r\n", NULL }, "no\r\n" },
	{ HEAD "Content-Type: text/html; charset=no-such\r\n\r\n\xe9\r\n", 1, { "=C3=A9", NULL }, NULL },
	{ HEAD "Content-Type: text/html; charset=utf-8\r\n\r\na\xff\xfe" "b\r\n", 1, { "a??b\r\n", NULL }, NULL },
	{ "", 0, {0}, NULL },
};

static int
smaller(void *ctx, struct span from, struct str *type, struct str *to)
{
	(void)ctx;
	if (!span_is(str_span(type), "image/smaller"))
		return 0;
	ck_assert_uint_gt(from.len, 50);
	str_set(type, "image/new");
	str_set(to, "small");
	return 1;
}

START_TEST(mail_is_thin)
{
	const struct thin_how how = { .largest = 50, .picture = smaller, .note = SPAN("NOTE\r\n") };
	struct str out = {0}, again = {0};

	ck_assert_int_eq(thin_make(span_of(mails[_i].message), &how, &out), mails[_i].result);
	for (size_t i = 0; mails[_i].has[i] != NULL; i++)
		ck_assert_msg(strstr(str_c(&out), mails[_i].has[i]) != NULL, "%s", str_c(&out));
	ck_assert_msg(mails[_i].hasnt == NULL || strstr(str_c(&out), mails[_i].hasnt) == NULL, "%s", str_c(&out));
	thin_make(span_of(mails[_i].message), &how, &again);
	ck_assert_str_eq(str_c(&again), str_c(&out));
	str_free(&again);
	/* What is thin stays so. */
	if (mails[_i].result > 0 && strstr(str_c(&out), "=_thin_") == NULL)
		ck_assert_int_eq(thin_make(str_span(&out), &how, &again), 0);
	str_free(&out);
	str_free(&again);
}
END_TEST

/* Whatever is nested, repeated or never closed takes a time in proportion. */
START_TEST(hostile_mail_ends)
{
	static const char *const pieces[] = { "<", "<a href=\"", "<!--", "<script>", "&", "<p", "--b\r\n", "=", "<li><pre>",
		"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n" };
	const struct thin_how how = { .largest = 50, .note = SPAN("") };
	struct str text = {0}, out = {0};

	str_printf(&text, "Content-Type: %s; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n", _i % 2 == 0 ? "multipart/mixed" : "text/html");
	while (text.len < 2 << 20)
		str_add_text(&text, pieces[_i / 2]);
	thin_make(str_span(&text), &how, &out);
	ck_assert_uint_le(out.len, 8 * text.len);
	str_free(&text);
	str_free(&out);
}
END_TEST

UNIT("thin",
	{ html_is_read, ROWS(pages) },
	{ mail_is_thin, ROWS(mails) },
	{ hostile_mail_ends, 20 })
