/*
 * html-text - what a page of HTML says, as plain text.
 *
 * Good enough for mail: paragraphs and lines, lists, links with where they lead, pictures by
 * what they are said to be, tables a row a line; no scripts, styles or heads.  Nothing recurses,
 * and the text is never much longer than the page.  Both are UTF-8; lines of out end in CRLF.
 */
#ifndef LIB_MAIL_HTML_TEXT_H
#define LIB_MAIL_HTML_TEXT_H

#include "lib/base/str.h"

void html_text(struct span page, struct str *out);	/* appends */

#endif
