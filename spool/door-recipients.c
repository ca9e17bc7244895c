/* mochila recipients: tells another site which addresses there are here. */
#include "spool/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include "spool/recipients.h"

enum { AGAIN_SECONDS = 7 * 86400 };	/* what was told may be lost there: a restored disk */

/* ROOT/recipients/.told-SITE holds the digest of what was sent last. */
static void
told_name(const struct site_settings *site, struct str *name)
{
	str_printf(name, ".told-%s", site->name);
}

static void
digest_text(struct span list, struct str *out)
{
	unsigned char sum[DIGEST_SIZE];

	digest_of(list.p, list.len, sum);
	digest_hex(sum, sizeof sum, out);
}

static bool
was_told(int dir, const struct site_settings *site, struct span digest)
{
	struct str name = {0}, before = {0};
	struct err ignored;
	struct stat st;

	told_name(site, &name);
	bool told = fs_load(dir, str_c(&name), 200, &before, &ignored) == 0 && span_same(str_span(&before), digest) &&
	    fstatat(dir, str_c(&name), &st, 0) == 0 && clock_now() / CLOCK_SECOND - st.st_mtime < AGAIN_SECONDS;
	str_free(&name);
	str_free(&before);
	return told;
}

static int
queue_list(struct door *door, const struct site_settings *site, struct span list, struct err *err)
{
	struct str command = {0};
	int fd = fs_scratch(door->spool.tmp, ".", err);

	if (fd < 0)
		return -1;
	str_printf(&command, "%s!rrecipients", site->name);
	const char *const words[] = { "uux", "-r", "-n", "-g", "A", "-p", str_c(&command), NULL };
	int result = fs_write(fd, list.p, list.len, err);
	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = err_sys(err, "the list");
	if (result == 0)
		result = door_feed(door, "uux", words, fd, err);
	close(fd);
	str_free(&command);
	return result;
}

static int
tell(struct door *door, const struct site_settings *site, int dir, struct span list, bool again, struct err *err)
{
	struct str digest = {0}, name = {0};
	int result = 0;

	digest_text(list, &digest);
	told_name(site, &name);
	if (again || !was_told(dir, site, str_span(&digest))) {
		result = queue_list(door, site, list, err);
		if (result == 0)
			result = fs_replace(dir, str_c(&name), str_span(&digest), 0640, err);
	}
	str_free(&digest);
	str_free(&name);
	return result;
}

int
door_recipients_tell(struct door *door, const struct site_settings *site, bool again, struct err *err)
{
	struct str list = {0}, path = {0};
	int dir = -1, result = recipients_gather(&door->settings, site, &list, err);

	if (result == 0 && !door->spool_is_open) {
		result = spool_open(&door->spool, &door->settings, true, err);
		door->spool_is_open = result == 0;
	}
	recipients_path(&door->settings, "", &path);
	if (result == 0)
		result = fs_make_dir(AT_FDCWD, str_c(&path), 0755, err);
	if (result == 0)
		result = dir = fs_dir(AT_FDCWD, str_c(&path), err);
	if (result >= 0)
		result = tell(door, site, dir, str_span(&list), again, err);
	if (dir >= 0)
		close(dir);
	str_free(&list);
	str_free(&path);
	return result < 0 ? -1 : 0;
}

static int
show(struct door *door, const struct site_settings *site, struct err *err)
{
	struct str list = {0};
	int result = recipients_gather(&door->settings, site, &list, err);

	if (result == 0)
		result = door_print(&list, err);
	str_free(&list);
	return result;
}

static int
recipients_run(struct door *door, int argc, char **argv, struct err *err)
{
	bool help = false, print = false, again = false;
	const struct opt_row rows[] = {
		{ "print", 'p', NULL, "print the list, and send nothing", OPT_FLAG, &print },
		{ "again", 0, NULL, "send it, though it is the one that was sent last", OPT_FLAG, &again },
		DOOR_HELP(&help), {0},
	};
	int result = door_options(door, &door_recipients, rows, 1, 1, &argc, &argv, err);

	if (result != 0)
		return result < 0 ? -1 : 0;
	const struct site_settings *site = settings_site(&door->settings, argv[0]);
	if (site == NULL || site->recipients[0] == '\0')
		return err_set(err, ERR_CONFIG, "there is no [site %s] with recipients in mochila.conf", argv[0]);
	return print ? show(door, site, err) : door_recipients_tell(door, site, again, err);
}

const struct door_command door_recipients = {
	"recipients", "SITE [--print]", "tell a site which addresses there are here", false, recipients_run
};
