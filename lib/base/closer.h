/*
 * closer - closes files behind the back of who has better things to do.
 *
 *	closer_start()		from now on, in this process
 *	closer_close(fd, size)	soon, by a thread; without closer_start() at once, as ever
 *	closer_remove_dir(dir, name)	so is a folder taken away, if it is empty
 *	closer_stop()		all are closed
 *
 * For a file whose last name is gone: with its last descriptor its blocks are given back, and
 * where the disk is to be told of it (mount option discard) that waits for the disk.  What close() would
 * say is lost: not for what was written and not synced.
 */
#ifndef LIB_BASE_CLOSER_H
#define LIB_BASE_CLOSER_H

#include <sys/types.h>

void closer_start(void);
void closer_close(int fd, off_t size);	/* a large one holds much room: not too many of them wait */
void closer_remove_dir(int dir, const char *name);
void closer_stop(void);

#endif
