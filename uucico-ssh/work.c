#include "uucico-ssh/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/log.h"

/* What a crash or a command left there, but for folders of its own. */
static void
empty(const char *folder)
{
	struct fs_names names = {0};
	struct err ignored;
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir >= 0 && fs_names(dir, ".", &names, &ignored) == 0)
		for (size_t i = 0; i < names.count; i++)
			unlinkat(dir, names.name[i], 0);
	fs_names_free(&names);
	if (dir >= 0)
		close(dir);
}

static int
copy_file(int dir, const struct job *job, uint64_t at, const struct filed_file *file, struct err *err)
{
	char bytes[32768], *name = mem_text_n(file->name.p, file->name.len);
	int fd = fs_create(dir, name, 0640, err), result = fd < 0 ? -1 : 0;

	for (uint64_t done = 0; result == 0 && done < file->size;) {
		uint64_t left = file->size - done;
		ssize_t got = fs_pread(job->fd, bytes, left < sizeof bytes ? (size_t)left : sizeof bytes,
		    job->data_at + (off_t)(at + done), err);
		if (got <= 0)
			result = got < 0 ? -1 : err_set(err, ERR_PERM, "a job that is shorter than its files");
		else
			result = fs_write(fd, bytes, (size_t)got, err);
		done += got > 0 ? (uint64_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	free(name);
	return result;
}

int
work_make(struct work *work, const struct settings *settings, struct job *job,
    const struct filed *filed, struct err *err)
{
	struct str name = {0}, path = {0};
	uint64_t at = 0;

	str_printf(&name, "xqt.%s.files", str_c(&job->peer));
	settings_run(settings, str_c(&name), &path);
	work->folder = mem_text(str_c(&path));
	str_free(&name);
	str_free(&path);
	empty(work->folder);
	if (settings_make_run(settings, err) < 0)
		return -1;
	if (mkdir(work->folder, 0750) < 0 && errno != EEXIST)
		return err_sys(err, "folder %s", work->folder);
	int dir = fs_dir(AT_FDCWD, work->folder, err), result = dir < 0 ? -1 : 0;
	for (size_t i = 0; result == 0 && i < filed->count; i++) {
		result = copy_file(dir, job, at, &filed->file[i], err);
		at += filed->file[i].size;
	}
	if (dir >= 0)
		close(dir);
	if (result == 0 && lseek(job->fd, job->data_at + (off_t)at, SEEK_SET) < 0)
		result = err_sys(err, "job");
	return result;
}

void
work_remove(struct work *work)
{
	if (work->folder == NULL)
		return;
	empty(work->folder);
	if (rmdir(work->folder) < 0)
		log_warn("%s: what the command left there is not removed", work->folder);
	free(work->folder);
	work->folder = NULL;
}
