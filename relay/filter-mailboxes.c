/*
 * filter-mailboxes - copy and deliver: mail that is put into Maildirs on its way.
 *
 *	copy:DIR[;nodelete]	into each folder below DIR, but "postmaster" and hidden ones;
 *				and that was all, or with nodelete it goes on
 *	deliver:DIR[;nodelete]	for recipients whose mail stays at this host, into DIR (%u, %d as
 *				in a route); they are done with, or with nodelete they are not
 *
 * A file is called by the message's id, so once more of the same is once (spool/maildir.h).
 */
#include "relay/filter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/fs.h"
#include "spool/maildir.h"

static const char KEEP[] = ";nodelete";

/* DIR, and whether the message stays. */
static char *
dir_of(struct span rest, bool *keep)
{
	*keep = span_ends_case(rest, KEEP);
	return mem_text_n(rest.p, rest.len - (*keep ? sizeof KEEP - 1 : 0));
}

static int
mailboxes_check(const char *rest, struct err *err)
{
	bool keep;
	char *dir = dir_of(span_of(rest), &keep);
	int result = dir[0] == '\0' || strchr(dir, ';') != NULL ?
	    err_set(err, ERR_CONFIG, "want a folder, and behind it ;nodelete or nothing") : 0;

	free(dir);
	return result;
}

static int
fill(struct maildir *box, const struct letter *letter, struct span rcpt, struct err *err)
{
	struct span text = letter_text(letter);
	struct str path = {0};

	str_printf(&path, "<%.*s>", (int)letter->env.from.len, letter->env.from.p != NULL ? letter->env.from.p : "");
	int result = maildir_field(box, "Return-Path", str_span(&path), err);
	if (result == 0 && rcpt.len > 0)
		result = maildir_field(box, "Delivered-To", rcpt, err);
	if (result == 0)
		result = maildir_body(box, text.p, text.len, err);
	str_free(&path);
	return result < 0 ? -1 : maildir_commit(box, err);
}

static int
put(const struct letter *letter, const char *folder, struct span rcpt, struct err *err)
{
	struct maildir box;
	struct str id = letter->info.id;
	int result = maildir_open(&box, folder, str_c(&id), err);

	if (result == 0)
		result = fill(&box, letter, rcpt, err);
	maildir_close(&box);
	return result < 0 ? -1 : 0;
}

/* copy */

static bool
is_mailbox(int dir, const char *name)
{
	struct stat st;

	return name[0] != '.' && strcmp(name, "postmaster") != 0 &&
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
copy_to_all(const struct letter *letter, const char *path, size_t *copies, struct err *err)
{
	struct fs_names names = {0};
	int dir = fs_dir(AT_FDCWD, path, err), result = dir < 0 ? -1 : fs_names(dir, ".", &names, err);

	for (size_t i = 0; i < names.count && result == 0; i++) {
		struct str folder = {0};
		if (!is_mailbox(dir, names.name[i]))
			continue;
		str_printf(&folder, "%s/%s", path, names.name[i]);
		result = put(letter, str_c(&folder), (struct span){0}, err);
		str_free(&folder);
		*copies += 1;
	}
	fs_names_free(&names);
	if (dir >= 0)
		close(dir);
	return result;
}

static int
copy_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct settings settings;
	struct str path = {0};
	size_t copies = 0;
	bool keep;
	char *dir = dir_of(str_span(&spec->rest), &keep);

	filter_settings_for(job, &settings);
	settings_path(&settings, dir, &path);
	int result = copy_to_all(letter, str_c(&path), &copies, err);
	if (result == 0 && copies == 0 && !keep)
		result = err_set(err, ERR_TEMP, "there is no folder below %s", dir);
	if (result < 0)
		err->kind = ERR_TEMP;
	letter->gone = result == 0 && !keep;
	str_free(&path);
	free(settings.root);
	free(dir);
	return result;
}

const struct filter filter_copy = { .scheme = "copy:", .check = mailboxes_check, .run = copy_run,
	.form = "copy:DIR[;nodelete]" };

/* deliver */

/* 1: in his mailbox; 0: he has none here; -1 */
static int
deliver_to(const struct settings *settings, const struct letter *letter, const char *dir, struct span rcpt,
    struct err *err)
{
	struct str folder = {0};
	int result = maildir_folder(settings, dir, rcpt, &folder, err);

	if (result < 0)
		result = err->kind == ERR_PERM ? 0 : -1;
	else
		result = put(letter, str_c(&folder), rcpt, err) < 0 ? -1 : 1;
	str_free(&folder);
	return result;
}

static int
deliver_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct settings settings;
	struct envelope left = {0};
	bool keep;
	char *dir = dir_of(str_span(&spec->rest), &keep);
	int result = 0;

	filter_settings_for(job, &settings);
	envelope_from(&left, str_span(&letter->env.from), str_span(&letter->env.args));
	for (size_t i = 0; i < letter->env.rcpts && result >= 0; i++) {
		const struct rcpt *rcpt = &letter->env.rcpt[i];
		result = !filter_is_local(job, str_span(&rcpt->to)) ? 0 :
		    deliver_to(&settings, letter, dir, str_span(&rcpt->to), err);
		if (result == 0)
			envelope_add(&left, str_span(&rcpt->to), str_span(&rcpt->args));
	}
	if (result < 0) {
		err->kind = ERR_TEMP;
	} else if (!keep && left.rcpts < letter->env.rcpts) {
		letter->gone = left.rcpts == 0;
		letter->changed = true;
		envelope_copy(&letter->env, &left);
	}
	envelope_free(&left);
	free(settings.root);
	free(dir);
	return result < 0 ? -1 : 0;
}

const struct filter filter_deliver = { .scheme = "deliver:", .arrival_only = true, .check = mailboxes_check,
	.run = deliver_run, .form = "deliver:DIR[;nodelete]" };
