#include "spool/door.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

void
door_escape(struct str *out, struct span hostile, size_t max)
{
	log_escape(out, hostile, max);
}

void
door_noted(struct str *out, struct span text, size_t max)
{
	bool plain = text.len <= max;

	for (size_t i = 0; plain && i < text.len; i++)
		plain = text.p[i] >= ' ' && text.p[i] <= '~';
	if (plain)
		str_add_span(out, text);
	else
		log_escape(out, text, max);
}

void
door_age(struct str *out, int64_t since)
{
	static const struct { int64_t seconds; char unit; } units[] = {
		{ 3 * 86400, 'd' }, { 3 * 3600, 'h' }, { 180, 'm' }, { 0, 's' },
	};
	static const int64_t one[] = { 86400, 3600, 60, 1 };
	int64_t age = (clock_now() - since) / CLOCK_SECOND;

	if (since == 0) {
		str_add_char(out, '-');
		return;
	}
	if (age < 0)
		age = 0;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (age >= units[i].seconds) {
			str_printf(out, "%lld%c", (long long)(age / one[i]), units[i].unit);
			return;
		}
	}
}

void
door_size(struct str *out, uint64_t bytes)
{
	static const char units[] = "KMGT";
	double shown = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		str_printf(out, "%llu", (unsigned long long)bytes);
		return;
	}
	for (shown /= 1024; shown >= 999.5 && unit < 3; unit++)
		shown /= 1024;
	str_printf(out, shown < 9.95 ? "%.1f%c" : "%.0f%c", shown, units[unit]);
}

bool
door_colours(void)
{
	const char *no = getenv("NO_COLOR");
	return isatty(1) && (no == NULL || no[0] == '\0');
}

static size_t terminal;		/* its width; 0: none, and lines are not cut */

static void
ask_terminal(void)
{
	struct winsize size;

	terminal = isatty(1) && ioctl(1, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void
add_blanks(struct str *out, size_t from, size_t width)
{
	for (; from < width; from++)
		str_add_char(out, ' ');
}

/* One cell, cut where the terminal ends; *column is where we are. */
static void
add_cell(const struct door_column *column, struct span text, const char *colour, bool last,
    size_t *at, struct str *out)
{
	size_t width = (size_t)abs(column->width);

	if (terminal > 0 && *at + text.len > terminal)
		text.len = *at < terminal ? terminal - *at : 0;
	if (column->width < 0)
		add_blanks(out, text.len, width);
	if (colour != NULL && text.len > 0)
		str_printf(out, "\033[%sm", colour);
	str_add_span(out, text);
	if (colour != NULL && text.len > 0)
		str_add_text(out, "\033[0m");
	if (column->width > 0 && !last)
		add_blanks(out, text.len, width);
	*at += (text.len > width ? text.len : width) + 1;
	if (!last)
		str_add_char(out, ' ');
}

void
door_titles(const struct door_column *columns, struct str *out)
{
	size_t at = 0;

	ask_terminal();
	for (; columns->title != NULL; columns++)
		add_cell(columns, span_of(columns->title), NULL, columns[1].title == NULL, &at, out);
	str_add_char(out, '\n');
}

void
door_row(const struct door_column *columns, struct door_cell *cells, struct str *out)
{
	bool colours = door_colours();
	size_t at = 0;

	for (size_t i = 0; columns[i].title != NULL; i++) {
		add_cell(&columns[i], str_span(&cells[i].text), colours ? cells[i].colour : NULL,
		    columns[i + 1].title == NULL, &at, out);
		str_free(&cells[i].text);
		cells[i].colour = NULL;
	}
	str_add_char(out, '\n');
}

int
door_print(struct str *out, struct err *err)
{
	int result = fs_write(1, out->p, out->len, err);
	str_clear(out);
	return result;
}

/* JSON */

json_t *
door_json_text(struct span hostile)
{
	json_t *value = json_stringn(hostile.len > 0 ? hostile.p : "", hostile.len);

	if (value != NULL)
		return value;
	struct str plain = {0};		/* not UTF-8 */
	log_escape(&plain, hostile, hostile.len);
	value = json_stringn(plain.p, plain.len);
	str_free(&plain);
	return value;
}

json_t *
door_json_time(int64_t when)
{
	struct str text = {0};

	if (when == 0)
		return json_null();
	clock_utc(when, &text);
	json_t *value = json_stringn(text.p, text.len);
	str_free(&text);
	return value;
}

int
door_json_print(json_t *value, const char *after, struct err *err)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct str out = {0};

	json_decref(value);
	if (text == NULL)
		return err_set(err, ERR_TEMP, "no memory for JSON");
	str_printf(&out, "%s%s", text, after);
	free(text);
	int result = door_print(&out, err);
	str_free(&out);
	return result;
}
