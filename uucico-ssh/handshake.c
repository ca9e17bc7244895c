/*
 * The handshake: each line is \020, text, NUL.  \n and \r end it too, and what
 * stands before the \020 (banners, a shell's noise) is passed over.
 *
 *	called  Shere=hub		caller  Shome -R -N047 -m1
 *	called  ROKN047 -m1, Pmie	caller  Um
 *
 * -m1 is ours, and passed over by others: protocol m is spoken when both have said it.  An
 * optimistic caller says S, U and what follows in m before it has heard anything.
 */
#include "uucico-ssh/proto.h"

#include <string.h>
#include <sysexits.h>

#include "uucico-ssh/command.h"

enum { NOISE_KEPT = 300 };

static bool
speaks_m(const struct uucp *u)
{
	return u->config.m_hooks != NULL && strchr(u->config.letters, 'm') != NULL;
}

/* Half duplex, the called end is silent until it has the floor. */
static bool
holds_back(const struct uucp *u)
{
	return !u->config.caller && speaks_m(u) && u->config.m->half_duplex && u->phase != UUCP_OVER;
}

/* Who knows the number of a call could make the next one in our name. */
static void
show(const struct uucp *u, bool ours, struct span line)
{
	struct str text = {0};

	if (u->config.shown.line == NULL)
		return;
	for (struct span word; (word = span_word(&line)).len > 0;) {
		str_add_text(&text, text.len > 0 ? " " : "");
		str_add_span(&text, span_begins(word, "-Q") ? SPAN("-Q****") : word);
	}
	shown_line(&u->config.shown, ours, str_span(&text));
	str_free(&text);
}

static void
say(struct uucp *u, const char *text)
{
	struct str *out = holds_back(u) ? &u->held : &u->out;

	str_add_char(out, '\020');
	str_add_text(out, text);
	str_add_char(out, '\0');
	show(u, true, span_of(text));
}

static void
say_name(struct uucp *u)
{
	struct str line = {0};

	str_printf(&line, "S%s", u->config.name);
	if (u->config.sequence > 0)
		str_printf(&line, " -Q%llu", (unsigned long long)u->config.sequence);
	if (u->config.grade != 0)	/* in both the ways that there are */
		str_printf(&line, " -p%c -vgrade=%c", u->config.grade, u->config.grade);
	str_printf(&line, " -R -N0%o", (unsigned)UUCP_FEATURES);
	if (speaks_m(u))
		str_printf(&line, " -m%d", M_VERSION);
	say(u, str_c(&line));
	str_free(&line);
}

static void
greet(struct uucp *u)
{
	struct str banner = {0};

	str_printf(&banner, "Shere=%s", u->config.name);
	say(u, str_c(&banner));
	str_free(&banner);
}

void
handshake_start(struct uucp *u)
{
	u->phase = u->config.caller ? UUCP_WAIT_SHERE : UUCP_WAIT_NAME;
	u->grade = u->config.grade;
	u->config.optimistic = u->config.caller && speaks_m(u) &&
	    (u->config.optimistic || u->config.m->half_duplex);
	if (!u->config.caller)
		greet(u);
	if (!u->config.optimistic)
		return;
	say_name(u);
	say(u, "Um");
	u->proto = &uucp_proto_m;
	u->proto->start(u);
}

static const struct uucp_proto *
proto_of(char letter)
{
	for (size_t i = 0; uucp_protos[i] != NULL; i++)
		if (uucp_protos[i]->letter == letter)
			return uucp_protos[i];
	return NULL;
}

static int
start_talk(struct uucp *u, char letter)
{
	u->proto = proto_of(letter);
	if (u->proto == NULL)
		return uucp_fail(u, ERR_CONFIG, "protocol %c is not one of ours", letter);
	u->phase = UUCP_TALK;
	u->slots = u->proto->slots;
	if (u->proto->start != NULL)
		u->proto->start(u);
	return 0;
}

/* --- features --- */

static unsigned
octal(struct span digits)
{
	unsigned number = 0;

	for (size_t i = 0; i < digits.len && digits.p[i] >= '0' && digits.p[i] <= '7'; i++)
		number = (number << 3 | (unsigned)(digits.p[i] - '0')) & 07777;
	return number;
}

/* What stands behind "-N" or "ROKN"; a bare one means 011. */
static void
take_features(struct uucp *u, struct span digits)
{
	unsigned said = digits.len > 0 ? octal(digits) : UUCP_SIZES | UUCP_DECIMAL;

	u->decimal = (said & UUCP_DECIMAL) != 0;
	u->features |= said & UUCP_FEATURES;
}

/* The options behind a name: those we know, in any order; others are passed over. */
static void
take_options(struct uucp *u, struct span options, bool *numbered)
{
	for (struct span word; (word = span_word(&options)).len > 0;) {
		uint64_t blocks;
		if (span_is(word, "-R"))
			u->features |= UUCP_RESTART;
		else if (span_begins(word, "-N"))
			take_features(u, span_from(word, 2));
		else if (span_begins(word, "-p") && word.len == 3)
			u->grade = word.p[2];
		else if (span_begins(word, "-vgrade=") && word.len == 9)
			u->grade = word.p[8];
		else if (span_begins(word, "-U") && command_number(span_from(word, 2), &blocks) == 0)
			u->max_size = blocks < UINT64_MAX / 512 ? blocks * 512 : UUCP_SIZE_UNKNOWN;
		else if (span_begins(word, "-m") && speaks_m(u) &&
		    span_number(span_from(word, 2), UINT32_MAX, &u->m_version) == 0)
			u->m_version = u->m_version < M_VERSION ? u->m_version : M_VERSION;
		*numbered = *numbered || span_begins(word, "-N");
	}
}

/* --- the caller --- */

static int
heard_shere(struct uucp *u, struct span line)
{
	struct span name = span_from(line, line.len < 5 ? line.len : 5);

	if (!span_begins(line, "Shere"))
		return uucp_wrong(u, "it greets with something that is not \"Shere\"");
	if (name.len > 0 && (name.p[0] != '=' || !span_is(span_from(name, 1), u->config.peer))) {
		struct str said = {0};
		str_add_span(&said, name);
		uucp_fail(u, ERR_CONFIG, "the far end is called \"%s\" and not %s; give it its own name "
		    "in mochila.conf, or correct the link", str_c(&said) + 1, u->config.peer);
		str_free(&said);
		return -1;
	}
	if (!u->config.optimistic)
		say_name(u);
	u->asked = u->now;
	u->phase = UUCP_WAIT_ROK;
	return 0;
}

static const struct {
	const char *word;
	enum err_kind kind;
	int exit;
	const char *text;
} refusals[] = {
	{ "LCK", ERR_TEMP, 0, "the far end is still busy with an earlier call of ours; call again later" },
	{ "CB", ERR_TEMP, 0, "the far end wants to call back and hung up" },
	{ "LOGIN", ERR_CONFIG, EX_NOPERM,
	    "the far end expects another name from this key or login; "
	    "its --peer=NAME and our [spool] site must be the same" },
	{ "BADSEQ", ERR_CONFIG, 0, "the far end counts our calls and expects another number; somebody else "
	    "may have called in our name; else set both ends to the same (uucico-ssh(8), Sequence numbers)" },
	{ "NOM", ERR_CONFIG, 0, "the far end takes only protocol m from us (its require-m), which is not among our protocols" },
	{ "You are unknown to me", ERR_CONFIG, EX_NOPERM,
	    "the far end does not know us; it needs a [site] section, or a sys entry, with our name" },
	{ "", ERR_TEMP, EX_PROTOCOL, "the far end refused the call without a reason we know" },
};

static int
refused(struct uucp *u, struct span reason)
{
	size_t i = 0;

	while (!span_begins(reason, refusals[i].word))
		i++;
	uucp_fail(u, refusals[i].kind, "%s", refusals[i].text);
	return err_as(&u->err, refusals[i].exit, NULL);
}

/* We have said all in m already, to an end that does not speak it. */
static int
too_optimistic(struct uucp *u)
{
	u->redial = true;
	return uucp_fail(u, ERR_TEMP, "the far end does not speak protocol m any more; it is to be asked first");
}

static int
heard_rok(struct uucp *u, struct span line)
{
	bool numbered = false;

	if (!span_begins(line, "R"))
		return uucp_wrong(u, "no answer to our name");
	if (!span_begins(line, "ROK"))
		return refused(u, span_from(line, 1));
	struct span rest = span_from(line, 3), first = rest;
	span_cut(&rest, ' ', &first);
	if (span_begins(first, "N"))
		take_features(u, span_from(first, 1));
	take_options(u, rest, &numbered);
	u->rtt = u->config.optimistic ? 0 : u->now - u->asked;
	if (u->config.optimistic && u->m_version != M_VERSION)
		return too_optimistic(u);
	u->phase = UUCP_WAIT_LETTERS;
	return 0;
}

/* May this one of ours be spoken with them? */
static bool
permitted(const struct uucp *u, char letter)
{
	if (letter == 'm')
		return u->m_version > 0;
	return uucp_letter_known(letter) && !u->config.require_m;
}

static int
heard_letters(struct uucp *u, struct span line)
{
	char choice[3] = "UN";

	if (!span_begins(line, "P"))
		return uucp_wrong(u, "no list of protocols");
	for (const char *ours = u->config.letters; *ours != '\0'; ours++) {
		if (permitted(u, *ours) && memchr(line.p + 1, *ours, line.len - 1) != NULL) {
			choice[1] = *ours;
			break;
		}
	}
	if (u->config.optimistic && memchr(line.p + 1, 'm', line.len - 1) == NULL)
		return too_optimistic(u);
	if (u->config.optimistic)
		return start_talk(u, 'm');
	say(u, choice);
	if (choice[1] != 'N')
		return start_talk(u, choice[1]);
	if (u->config.require_m)
		return uucp_fail(u, ERR_CONFIG, "the far end does not speak protocol m, and require-m is set");
	return uucp_fail(u, ERR_CONFIG, "the far end takes none of our protocols (%s); "
	    "a Taylor uucico needs \"protocol i\" in its sys entry", u->config.letters);
}

/* --- the called end --- */

static int
turn_away(struct uucp *u, const char *word, enum err_kind kind, const char *why)
{
	struct str answer = {0};

	str_printf(&answer, "R%s", word);
	say(u, str_c(&answer));
	str_free(&answer);
	return uucp_fail(u, kind, "%s", why);
}

static void
offer_letters(struct uucp *u)
{
	struct str letters = {0};

	str_add_char(&letters, 'P');
	for (const char *ours = u->config.letters; *ours != '\0'; ours++)
		if (permitted(u, *ours))
			str_add_char(&letters, *ours);
	say(u, str_c(&letters));
	str_free(&letters);
}

/* The number behind -Q; 0: none. */
static uint64_t
sequence_of(struct span options)
{
	uint64_t number = 0;

	for (struct span word; (word = span_word(&options)).len > 0;)
		if (span_begins(word, "-Q") && command_number(span_from(word, 2), &number) < 0)
			number = 0;
	return number;
}

static int
heard_name(struct uucp *u, struct span line)
{
	struct str answer = {0};
	bool numbered = false;
	struct span options = line, name = line;

	span_cut(&options, ' ', &name);
	if (!span_begins(line, "S") || name.len < 2)
		return uucp_wrong(u, "it did not say its name");
	/* The key or login is who they are; the name can only agree (UUCP-03). */
	if (!span_is(span_from(name, 1), u->config.peer))
		return turn_away(u, "LOGIN", ERR_CONFIG, "the caller says another name than its --peer");
	if (u->config.busy != NULL)
		return turn_away(u, u->config.busy, ERR_TEMP, "another call with this site is running");
	if (u->hooks->numbered != NULL && !u->hooks->numbered(u->arg, sequence_of(options)))
		return turn_away(u, "BADSEQ", ERR_CONFIG, "the caller's call number is wrong: somebody else "
		    "may have called in its name");
	take_options(u, options, &numbered);
	if (u->config.require_m && u->m_version == 0)
		return turn_away(u, "NOM", ERR_CONFIG, "the caller does not speak protocol m, and require-m is set");
	if (numbered && !u->decimal)
		str_printf(&answer, "ROKN0%o", (unsigned)UUCP_FEATURES);
	else
		str_add_text(&answer, numbered ? "ROKN" : (u->features & UUCP_RESTART) != 0 ? "ROK -R" : "ROK");
	if (u->m_version > 0)
		str_printf(&answer, " -m%llu", (unsigned long long)u->m_version);
	say(u, str_c(&answer));
	str_free(&answer);
	offer_letters(u);
	u->phase = UUCP_WAIT_CHOICE;
	return 0;
}

static int
heard_choice(struct uucp *u, struct span line)
{
	if (line.len != 2 || line.p[0] != 'U')
		return uucp_wrong(u, "no choice of a protocol");
	if (line.p[1] == 'N' || strchr(u->config.letters, line.p[1]) == NULL || !permitted(u, line.p[1]))
		return uucp_fail(u, ERR_CONFIG, "the caller takes none of our protocols (%s)",
		    u->config.letters);
	return start_talk(u, line.p[1]);
}

static int
heard_farewell(struct uucp *u, struct span line)
{
	(void)u;
	/* Whatever it is; -1 without an error ends the conversation in good order. */
	return span_begins(line, "O") ? -1 : 0;
}

/* --- lines --- */

static int (*const heard[])(struct uucp *u, struct span line) = {
	[UUCP_WAIT_SHERE] = heard_shere,
	[UUCP_WAIT_ROK] = heard_rok,
	[UUCP_WAIT_LETTERS] = heard_letters,
	[UUCP_WAIT_NAME] = heard_name,
	[UUCP_WAIT_CHOICE] = heard_choice,
	[UUCP_FAREWELL] = heard_farewell,
};

static int
noise(struct uucp *u, char c)
{
	if (++u->noise_len > UUCP_NOISE_MAX && u->phase == UUCP_FAREWELL)
		return -1;	/* in good order, whatever it still says */
	if (u->noise_len > UUCP_NOISE_MAX)
		return uucp_wrong(u, "only noise where a line of UUCP was due");
	if (u->phase == UUCP_WAIT_SHERE && u->noise.len < NOISE_KEPT)
		str_add_char(&u->noise, c);
	return 0;
}

static int
line_done(struct uucp *u)
{
	struct str line = u->line;

	u->line = (struct str){0};
	u->in_line = false;
	show(u, false, str_span(&line));
	int result = heard[u->phase](u, str_span(&line));
	str_free(&line);
	return result;
}

static int
take_byte(struct uucp *u, char c)
{
	if (c == '\020') {
		u->in_line = true;
		str_clear(&u->line);
		return 0;
	}
	if (!u->in_line)
		return noise(u, c);
	if (c == '\0' || c == '\n' || c == '\r')
		return line_done(u);
	if (u->line.len == UUCP_HELLO_MAX && u->phase == UUCP_FAREWELL) {
		u->in_line = false;	/* the rest of a packet */
		return 0;
	}
	if (u->line.len == UUCP_HELLO_MAX)
		return uucp_wrong(u, "a line of the handshake has more than %d bytes", UUCP_HELLO_MAX);
	str_add_char(&u->line, c);
	return 0;
}

/* Up to the end of one line: what follows may belong to the protocol already. */
int
handshake_feed(struct uucp *u, struct span *rest)
{
	enum uucp_phase phase = u->phase;

	while (rest->len > 0 && u->phase == phase) {
		char c = rest->p[0];
		*rest = span_from(*rest, 1);
		if (take_byte(u, c) < 0)
			return -1;
	}
	return 0;
}

void
handshake_eof(struct uucp *u)
{
	struct span noise = str_span(&u->noise);

	while (noise.len > 0 && strchr("\r\n ", noise.p[noise.len - 1]) != NULL)
		noise.len--;
	u->redial = u->config.optimistic;
	if (u->phase != UUCP_WAIT_SHERE)
		uucp_fail(u, ERR_TEMP, "the line closed in the handshake");
	else if (noise.len == 0)
		uucp_fail(u, ERR_TEMP, "the line closed before a word of UUCP came");
	else
		uucp_fail(u, ERR_CONFIG, "the far end is no UUCP; it says \"%.*s\"",
		    (int)noise.len, noise.p);
	if (noise.len > 0)
		err_as(&u->err, EX_PROTOCOL, NULL);
}
