#include "relay/rights.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/log.h"

/* The owner of the spool, or of the root where there is no spool yet. */
static int
find_owner(const struct settings *settings, struct stat *st, struct err *err)
{
	struct str path = {0};

	settings_path(settings, settings->spool.path, &path);
	int result = stat(str_c(&path), st);
	if (result < 0)
		result = stat(settings->root, st);
	str_free(&path);
	return result == 0 ? 0 : err_sys(err, "folder %s (--root or MOCHILA_ROOT says another)", settings->root);
}

static int
become(uid_t uid, gid_t gid, struct err *err)
{
	const struct passwd *user = getpwuid(uid);
	int groups = user != NULL ? initgroups(user->pw_name, gid) : setgroups(0, NULL);

	if (groups < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return err_sys(err, "becoming user %lu", (unsigned long)uid);
	/* CFG-03: believe only what is read back, and that there is no way back. */
	if (getuid() != uid || geteuid() != uid || getgid() != gid || getegid() != gid || setuid(0) == 0)
		return err_set(err, ERR_CONFIG, "becoming user %lu did not hold", (unsigned long)uid);
	return 0;
}

int
rights_drop(const struct settings *settings, struct err *err)
{
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (find_owner(settings, &st, err) < 0)
		return -1;
	if (st.st_uid != 0)
		return become(st.st_uid, st.st_gid, err);
	log_warn("-: event=root reason=\"the spool is root's, so mochila-relay stays root; "
	    "chown it to an account of its own\"");
	return 0;
}
