/*
 * filter-files - a message as two files, as E-MailRelay's filters find it, and what they left.
 *
 *	filter_files_put(&files, job, letter, err)
 *	... files.content_path, files.envelope_path ...
 *	filter_files_take(&files, err)		the letter is as they are now
 *	filter_files_free(&files)		always; nothing of them is left
 */
#ifndef RELAY_FILTER_FILES_H
#define RELAY_FILTER_FILES_H

#include <sys/stat.h>

#include "relay/filter.h"

struct filter_files {
	struct filter_job *job;
	struct letter *letter;
	int dir;
	struct str content, envelope;	/* names in dir */
	struct str content_path, envelope_path;
	struct str written;		/* of the envelope */
	struct stat before;		/* of the content */
};

int filter_files_put(struct filter_files *files, struct filter_job *job, struct letter *letter, struct err *err);
int filter_files_take(struct filter_files *files, struct err *err);
void filter_files_free(struct filter_files *files);

#endif
