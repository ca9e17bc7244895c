/*
 * Fuzz target: a file in in/, as a batch that arrived or a person left it, and settle.
 *
 * Input: its first byte chooses the name and what of it is made true; then parts that end with
 * 0x1e.  A part is a head up to an empty line, a body up to 0x1d, and state lines: head and
 * body get the length and the sum that a writer would give them, and each state line its own,
 * since else nothing of it counts.  Or the bytes are taken as they are.
 *
 * Held: settle ends; but for one of a newer version nothing of the file is left in in/ or tmp/; each file that it makes is a whole
 * message, in a folder that a route may have, and fit to be sent; a report has no
 * sender; the next settle finds nothing to do.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/route.h"
#include "spool/spool.h"
#include "tests/fuzz/fuzz.h"

enum { RAW = 1, OF_AN_ID = 2 };
static const char batch_name[] = "b-1", id_name[] = "20261121T184502.123456-7f3a9c02d41be066-1";

static struct settings settings;
static struct spool spool;
static char root[64];

static void
remove_below(int at, const char *path)
{
	struct fs_names names;
	struct err ignored;
	int dir = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return;
	if (fs_names(dir, ".", &names, &ignored) == 0) {
		for (size_t i = 0; i < names.count; i++)
			if (unlinkat(dir, names.name[i], 0) < 0) {
				remove_below(dir, names.name[i]);
				unlinkat(dir, names.name[i], AT_REMOVEDIR);
			}
		fs_names_free(&names);
	}
	close(dir);
}

static void
end(void)
{
	spool_close(&spool);
	settings_free(&settings);
	remove_below(AT_FDCWD, root);
	rmdir(root);
}

/* Once, in memory where there is some. */
static void
begin(void)
{
	static const char *said[] = { "spool.host=hub.example", "spool.site=hub", "spool.min-free=0",
		"routes.home.example=site:home", "routes.*.home.example=smtp:127.0.0.1:25",
		"routes.no.example=reject:they moved", "routes.x.example=site:back", "routes.box.example=maildir:mail/%u" };
	struct settings_args args = { .set = { said, sizeof said / sizeof said[0] } };
	struct err err;

	if (root[0] != '\0')
		return;
	snprintf(root, sizeof root, "%s/mochila-settle-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	HOLD(mkdtemp(root) != NULL);
	args.root = root;
	HOLD(log_open("settle", "none", LOG_LEVEL_ERROR, &err) == 0);
	HOLD(settings_load(&settings, &args, &err) == 0);
	HOLD(spool_open(&spool, &settings, true, &err) == 0);
	atexit(end);
}

/* the file */

static void
add_states(struct span lines, struct str *out)
{
	struct span line;

	while (span_cut(&lines, '\n', &line)) {
		unsigned char sum[DIGEST_SIZE];
		digest_of(line.p, line.len, sum);
		str_add_span(out, line);
		str_add_text(out, " sum=");
		digest_hex(sum, 8, out);
		str_add_char(out, '\n');
	}
}

static void
add_part(struct span part, struct str *out)
{
	struct span states = part, body, head;
	struct str text = {0};
	unsigned char sum[DIGEST_SIZE];

	span_cut(&states, 0x1d, &body);
	const char *gap = body.len > 1 ? memmem(body.p, body.len, "\n\n", 2) : NULL;
	head = gap != NULL ? span_to(body, (size_t)(gap - body.p) + 1) : body;
	body = span_from(body, gap != NULL ? head.len + 1 : body.len);
	str_add_span(&text, head);
	str_printf(&text, "BDAT %010zu LAST\n", body.len);
	digest_of(body.p, body.len, sum);
	str_add_span(out, str_span(&text));
	str_add_span(out, body);
	entry_end_line(str_span(&text), sum, out);
	add_states(states, out);
	str_free(&text);
}

static void
put_file(struct span bytes, unsigned how)
{
	struct str text = {0};
	struct span part;
	struct err err;

	if (how & RAW)
		str_add_span(&text, bytes);
	else
		while (span_cut(&bytes, 0x1e, &part))
			add_part(part, &text);
	int fd = fs_create(spool.in, how & OF_AN_ID ? id_name : batch_name, 0640, &err);
	HOLD(fd >= 0 && fs_write(fd, text.p != NULL ? text.p : "", text.len, &err) == 0);
	close(fd);
	str_free(&text);
}

/* what came of it */

static bool
is_report(const struct entry *entry)
{
	return span_is(str_span(&entry->info.from), "dsn");
}

static void
check_message(int dir, const char *name)
{
	struct entry entry;
	struct err err;
	off_t at = 0;
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	HOLD(fd >= 0 && fstat(fd, &st) == 0);
	HOLD(entry_read(fd, &at, true, &entry, &err) == 1);
	HOLD(at == st.st_size);
	HOLD(entry.env.rcpts > 0);
	HOLD(strcmp(name, str_c(&entry.info.id)) == 0);
	HOLD(entry_check_envelope(&entry.env, &err) == 0);
	HOLD(!is_report(&entry) || entry.env.from.len == 0);
	entry_free(&entry);
	close(fd);
}

static void
check_folder(int dir, const char *folder)
{
	struct fs_names buckets, names;
	struct err err;
	struct str path = {0};

	HOLD(settings_site_name(folder) || route_folder_ok(span_of(folder)));
	HOLD(fs_names(dir, folder, &buckets, &err) == 0);
	for (size_t i = 0; i < buckets.count; i++) {
		if (buckets.name[i][0] == '.')
			continue;
		str_clear(&path);
		str_printf(&path, "%s/%s", folder, buckets.name[i]);
		int bucket = fs_dir(dir, str_c(&path), &err);
		HOLD(bucket >= 0 && fs_names(bucket, ".", &names, &err) == 0);
		for (size_t j = 0; j < names.count; j++)
			check_message(bucket, names.name[j]);
		fs_names_free(&names);
		close(bucket);
	}
	fs_names_free(&buckets);
	str_free(&path);
}

static size_t
names_in(int dir)
{
	struct fs_names names;
	struct err err;
	size_t count = 0;

	HOLD(fs_names(dir, ".", &names, &err) == 0);
	for (size_t i = 0; i < names.count; i++)
		count += names.name[i][0] != '.';
	fs_names_free(&names);
	return count;
}

static void
check_all(void)
{
	struct fs_names names;
	struct settled settled;
	struct err err;

	HOLD(names_in(spool.in) == 0);
	HOLD(names_in(spool.tmp) == 0);
	HOLD(fs_names(spool.out, ".", &names, &err) == 0);
	for (size_t i = 0; i < names.count; i++)
		check_folder(spool.out, names.name[i]);
	fs_names_free(&names);
	HOLD(fs_names(spool.failed, ".", &names, &err) == 0);
	for (size_t i = 0; i < names.count; i++)
		check_message(spool.failed, names.name[i]);
	fs_names_free(&names);
	HOLD(spool_settle(&spool, &settled, &err) == 0);
	HOLD(settled.files == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settled settled;
	struct err err = {0};

	begin();
	clock_set(1795373102 * CLOCK_SECOND);
	put_file((struct span){ (const char *)data + (size > 0), size > 0 ? size - 1 : 0 }, size > 0 ? data[0] : 0);
	int result = spool_settle(&spool, &settled, &err);
	if (result < 0 && err.kind != ERR_CONFIG)
		fprintf(stderr, "%s\n", err.text);
	if (result < 0)
		HOLD(err.kind == ERR_CONFIG);	/* of a version to come: it waits for that */
	else
		check_all();
	remove_below(spool.in, ".");
	remove_below(spool.out, ".");
	remove_below(spool.hold, ".");
	remove_below(spool.failed, ".");
	remove_below(spool.seen, ".");
	return 0;
}
