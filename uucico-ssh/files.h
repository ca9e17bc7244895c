/*
 * files - plain files between sites: which of ours a peer may fetch, and where its may be put.
 *
 * A path of the peer's is taken only below a folder of the settings: "~/x" is x in the first
 * of them, "/folder/x" must begin with one.  From there on it is walked one name at a time,
 * by descriptors: "..", names that begin with a dot, and symbolic links are refused, and
 * only regular files are opened.
 */
#ifndef UUCICO_SSH_FILES_H
#define UUCICO_SSH_FILES_H

#include "spool/job.h"

/* folders: blank-separated, as a setting says them.  A descriptor, or -1: ERR_PERM. */
int files_open(const struct settings *settings, const char *folders, struct span path, struct err *err);

/* Where a file sent to path is to be: an open folder, and a name in it.  from: its name
 * there, of which the last part counts when path is a folder.  make: folders that are
 * missing are made. */
struct files_target {
	int dir;
	struct str name;
};
int files_target(const struct settings *settings, const char *folders, struct span path,
    struct span from, bool make, struct files_target *target, struct err *err);
void files_target_free(struct files_target *target);	/* {-1} is fine */

/* The data of a received job is put there, durably, over what has that name. */
int files_put(struct files_target *target, const struct job *job, struct err *err);

#endif
