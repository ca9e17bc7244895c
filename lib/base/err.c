#include "lib/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

__attribute__((format(printf, 3, 0)))
static void
fill(struct err *err, enum err_kind kind, const char *format, va_list args)
{
	*err = (struct err){ .kind = kind };
	vsnprintf(err->text, sizeof err->text, format, args);
}

int
err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fill(err, kind, format, args);
	va_end(args);
	return -1;
}

int
err_sys(struct err *err, const char *format, ...)
{
	int number = errno;
	bool by_hand = number == EACCES || number == EPERM || number == EROFS ||
	    number == ENOTDIR || number == ELOOP || number == ENAMETOOLONG;
	va_list args;

	va_start(args, format);
	fill(err, by_hand ? ERR_CONFIG : ERR_TEMP, format, args);
	va_end(args);
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof err->text - len, ": %s", strerror(number));
	if (number == ENOSPC || number == EDQUOT)
		err_as(err, EX_TEMPFAIL, "4.3.1");
	errno = number;
	return -1;
}

int
err_prefix(struct err *err, const char *format, ...)
{
	char text[2 * sizeof err->text];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof err->text, format, args);
	va_end(args);
	size_t len = strlen(text);
	snprintf(text + len, sizeof text - len, ": %s", err->text);
	text[sizeof err->text - 1] = '\0';
	memcpy(err->text, text, sizeof err->text);
	return -1;
}

int
err_as(struct err *err, int exit, const char *code)
{
	if (exit != 0)
		err->exit = exit;
	if (code != NULL)
		snprintf(err->code, sizeof err->code, "%s", code);
	return -1;
}

int
err_as_reply(struct err *err, int reply, const char *code)
{
	if (reply != 0)
		err->reply = reply;
	return err_as(err, 0, code);
}

int
err_exit(const struct err *err)
{
	static const int by_kind[] = {
		[ERR_NONE] = EX_OK, [ERR_TEMP] = EX_TEMPFAIL,
		[ERR_PERM] = EX_DATAERR, [ERR_CONFIG] = EX_CONFIG,
	};
	return err->exit != 0 && err->kind != ERR_NONE ? err->exit : by_kind[err->kind];
}

void
err_reply(const struct err *err, struct str *out)
{
	static const struct { const char *reply, *full, *code; } by_kind[] = {
		[ERR_NONE] = { "250", "250", "2.0.0" },
		[ERR_TEMP] = { "451", "452", "4.3.0" },
		[ERR_PERM] = { "554", "552", "5.0.0" },
		[ERR_CONFIG] = { "451", "451", "4.3.5" },
	};
	const char *code = err->code[0] != '\0' ? err->code : by_kind[err->kind].code;
	/* RFC 5321 4.2.2: 452 and 552 are the words for storage and size. */
	bool full = strcmp(code + 1, ".3.1") == 0 || strcmp(code + 1, ".3.4") == 0;

	if (err->reply != 0)
		str_printf(out, "%d %s ", err->reply, code);
	else
		str_printf(out, "%s %s ", full ? by_kind[err->kind].full : by_kind[err->kind].reply,
		    code);
	for (const char *c = err->text; *c != '\0'; c++)
		str_add_char(out, *c >= ' ' && *c <= '~' ? *c : '?');
}
