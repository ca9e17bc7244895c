/*
 * fs - files written so that a power cut cannot halve them, and opened so
 * that a planted link, FIFO or device cannot mislead us.
 *
 * Names are relative to a folder's file descriptor (a *dir* below); all
 * descriptors are close-on-exec.  Every function returns 0 (or a descriptor)
 * or -1 with *err filled.
 */
#ifndef LIB_BASE_FS_H
#define LIB_BASE_FS_H

#include <sys/stat.h>
#include <sys/types.h>

#include "lib/base/err.h"

int fs_dir(int at, const char *path, struct err *err);	/* opens a folder; at may be AT_FDCWD */
int fs_make_dir(int dir, const char *name, mode_t mode, struct err *err); /* fine if there;
				a new one is made durable (the parent is synced) */
int fs_open(int dir, const char *name, int flags, struct err *err);	/* a regular file:
				O_NOFOLLOW, never blocks, checked by fstat */
int fs_create(int dir, const char *name, mode_t mode, struct err *err);	/* O_RDWR|O_EXCL */
int fs_scratch(int dir, const char *path, struct err *err);	/* O_RDWR, without a name: gone when closed */
int fs_write(int fd, const void *bytes, size_t len, struct err *err);	/* all of it */
int fs_pwrite(int fd, const void *bytes, size_t len, off_t at, struct err *err);
int fs_read_all(int fd, size_t max, struct str *out, struct err *err);	/* appends;
				more than max is ERR_PERM */
ssize_t fs_pread(int fd, void *bytes, size_t len, off_t at, struct err *err);	/* short only at the end */
int fs_copy(int from, off_t at, uint64_t len, int to, struct err *err);	/* those bytes, to where TO stands;
				there being fewer is ERR_TEMP; FROM stands anywhere then */
void fs_write_behind(int fd, off_t at, off_t len);	/* a hint: begin to write it now, promise nothing */
int fs_sync(int fd, struct err *err);		/* fsync: an error means the file is lost */
int fs_sync_data(int fd, struct err *err);	/* fdatasync */
int fs_sync_dir(int dir, const char *name, struct err *err);	/* of a sub-folder; "." for dir */
int fs_rename(int from_dir, const char *from, int to_dir, const char *to, struct err *err);
bool fs_is(int fd, int dir, const char *name);	/* is the file open as fd still dir/name? */
/* The same for who asks often; no other file is it while one holds it open. */
struct fs_file { dev_t device; ino_t inode; };
int fs_open_file(int dir, const char *name, int flags, struct fs_file *file, struct err *err);	/* as fs_open */
bool fs_file_of(int fd, struct fs_file *file);
bool fs_is_file(const struct fs_file *file, int dir, const char *name);
int fs_remove(int dir, const char *name, struct err *err);	/* fine if not there */

int fs_remove_tree(int dir, const char *name, struct err *err);	/* a folder too, with all in it;
				fine if not there */

/* Replaces a small file durably: dir/.new-name, fsync, rename, fsync dir. */
int fs_replace(int dir, const char *name, struct span bytes, mode_t mode, struct err *err);
int fs_load(int dir, const char *name, size_t max, struct str *out, struct err *err);
				/* appends the file; a missing one is ERR_CONFIG with errno ENOENT */

/* A lock that dies with its holder: flock on dir/name, which is created and
 * stays.  Returns the descriptor to close, or -1: with wait false and the lock
 * held by another, err is ERR_TEMP and errno EWOULDBLOCK. */
int fs_lock(int dir, const char *name, bool wait, struct err *err);

/* The names in a folder but "." and "..", sorted as bytes; the caller frees. */
struct fs_names {
	char **name;
	size_t count;
};
int fs_names(int dir, const char *path, struct fs_names *names, struct err *err);
void fs_names_free(struct fs_names *names);

#endif
