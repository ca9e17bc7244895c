/*
 * Fuzz target: tables as people, programs and peers leave them: a text, a constant database,
 * and the list of recipients that a site tells.
 *
 * Input: its first byte chooses which; the rest is the file, or the list.
 *
 * Held: reading ends; each key that a text names is found in it, unless it has no value, and
 * keys and values are within their bounds; a list that is taken speaks of nobody but in the
 * domains that its site may speak for, a line each, and what it says is then known.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "lib/base/log.h"
#include "lib/mail/address.h"
#include "spool/recipients.h"
#include "spool/table.h"
#include "tests/fuzz/fuzz.h"

static struct settings settings;
static char root[64];

static void
end(void)
{
	static const char *const names[] = { "table", "recipients/home", "recipients/.lock", "recipients" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[100];
		snprintf(path, sizeof path, "%s/%s", root, names[i]);
		remove(path);
	}
	settings_free(&settings);
	rmdir(root);
}

/* Once, in memory where there is some. */
static void
begin(void)
{
	static const char *said[] = { "site home.speaks-for=home.example *.home.example", "routes.home.example=site:home",
		"routes.*.home.example=site:home" };
	struct settings_args args = { .set = { said, sizeof said / sizeof said[0] } };
	struct err err;

	if (root[0] != '\0')
		return;
	snprintf(root, sizeof root, "%s/mochila-table-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	HOLD(mkdtemp(root) != NULL);
	args.root = root;
	HOLD(log_open("fuzz", "none", LOG_LEVEL_ERROR, &err) == 0);
	HOLD(settings_load(&settings, &args, &err) == 0);
	atexit(end);
}

static void
put(const char *path, struct span bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	HOLD(fd >= 0);
	HOLD(write(fd, bytes.p, bytes.len) == (ssize_t)bytes.len);
	close(fd);
}

struct looking {
	struct tables tables;
	const char *said;
};

static int
look_up(void *ctx, struct span key, struct err *err)
{
	struct looking *looking = ctx;
	struct str value = {0};

	HOLD(key.len > 0);
	if (key.len > TABLE_KEY_MAX)
		return 0;	/* no address is so long */
	int found = table_find(&looking->tables, looking->said, key, &value, err);
	HOLD(found >= 0);
	HOLD(value.len <= TABLE_VALUE_MAX);
	str_free(&value);
	return 0;
}

static void
try_table(const char *scheme, struct span bytes)
{
	struct looking looking = { .tables.root = root };
	char path[100], said[120];
	struct str value = {0};
	struct err err;

	snprintf(path, sizeof path, "%s/table", root);
	snprintf(said, sizeof said, "%s:%s", scheme, path);
	put(path, bytes);
	looking.said = said;
	if (strcmp(scheme, "file") == 0)
		(void)table_keys(path, look_up, &looking, &err);
	if (table_find(&looking.tables, said, SPAN("ann@home.example"), &value, &err) > 0)
		HOLD(value.len <= TABLE_VALUE_MAX);
	/* Words of its own: what stands in front of it. */
	struct span rest = bytes, key = span_word(&rest);
	if (key.len > 0 && key.len <= TABLE_KEY_MAX)
		(void)table_find(&looking.tables, said, key, &value, &err);
	str_free(&value);
	tables_close(&looking.tables);
}

/* "ann@home.example OK", "home.example DOMAIN": and of whom that is. */
static void
try_line(struct span line)
{
	struct span rest = line, key = span_word(&rest), what = span_word(&rest);
	const char *at = memchr(key.p, '@', key.len);
	struct span domain = at != NULL ? span_from(key, (size_t)(at - key.p) + 1) : key;
	struct err err;

	for (size_t i = 0; i < line.len; i++)
		HOLD((unsigned char)line.p[i] >= ' ' || line.p[i] == '\t');
	while (memchr(domain.p, '@', domain.len) != NULL)	/* of a quoted local part */
		domain = span_from(domain, (size_t)((const char *)memchr(domain.p, '@', domain.len) - domain.p) + 1);
	HOLD(span_is(what, "OK") || span_is(what, "DOMAIN"));
	HOLD(span_is_case(domain, "home.example") || span_ends_case(domain, ".home.example"));
	if (span_is(what, "OK") && address_check(key, ADDRESS_UTF8, &err) == 0)
		HOLD(recipients_know(&settings, "home", key, &err) != 0);
}

static void
try_recipients(struct span list)
{
	struct str path = {0}, text = {0};
	struct span rest, line;
	struct err err = {0};

	recipients_path(&settings, "home", &path);
	unlink(str_c(&path));
	if (recipients_take(&settings, settings_site(&settings, "home"), list, &err) == 0) {
		HOLD(fs_load(AT_FDCWD, str_c(&path), RECIPIENTS_MAX, &text, &err) == 0);
		for (rest = str_span(&text); span_cut(&rest, '\n', &line);)
			if (line.len > 0 && line.p[0] != '#')
				try_line(line);
	} else {
		HOLD(err.kind != ERR_NONE);
		HOLD(access(str_c(&path), F_OK) < 0);	/* whole or not at all */
	}
	str_free(&path);
	str_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	begin();
	const struct span rest = { (const char *)data + 1, size - 1 };
	if (data[0] % 3 == 0)
		try_table("file", rest);
	else if (data[0] % 3 == 1)
		try_table("cdb", rest);
	else
		try_recipients(rest);
	return 0;
}
