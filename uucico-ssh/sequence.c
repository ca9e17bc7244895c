#include "uucico-ssh/sequence.h"

#include <errno.h>
#include <unistd.h>

enum { NUMBER_MAX = 40 };

static int
open_folder(const struct spool *spool, struct err *err)
{
	if (fs_make_dir(spool->dir, "sequence", 0750, err) < 0)
		return -1;
	return fs_dir(spool->dir, "sequence", err);
}

/* None is 0: nobody has called yet. */
static int
load(int dir, const char *site, uint64_t *number, struct err *err)
{
	struct str text = {0};
	int result = fs_load(dir, site, NUMBER_MAX, &text, err);

	*number = 0;
	if (result < 0 && errno == ENOENT) {
		*err = (struct err){0};
		result = 0;
	} else if (result == 0) {
		struct span rest = str_span(&text), line;
		span_cut(&rest, '\n', &line);
		if (span_number(line, UINT64_MAX / 2, number) < 0)
			result = err_set(err, ERR_CONFIG, "sequence/%s holds no number", site);
	}
	str_free(&text);
	return result;
}

static int
save(int dir, const char *site, uint64_t number, struct err *err)
{
	struct str text = {0};

	str_printf(&text, "%llu\n", (unsigned long long)number);
	int result = fs_replace(dir, site, str_span(&text), 0640, err);
	str_free(&text);
	return result;
}

int
sequence_next(const struct spool *spool, const char *site, uint64_t *number, struct err *err)
{
	int dir = open_folder(spool, err);
	int result = dir < 0 ? -1 : load(dir, site, number, err);

	if (result == 0)
		result = save(dir, site, ++*number, err);
	if (dir >= 0)
		close(dir);
	return result;
}

int
sequence_take(const struct spool *spool, const char *site, uint64_t number, struct err *err)
{
	uint64_t last = 0;
	int dir = open_folder(spool, err);
	int result = dir < 0 ? -1 : load(dir, site, &last, err);

	if (result == 0 && (number <= last || number - last > SEQUENCE_LEAP))
		result = err_set(err, ERR_CONFIG, "call %llu of %s cannot come after call %llu",
		    (unsigned long long)number, site, (unsigned long long)last);
	if (result == 0)
		result = save(dir, site, number, err);
	if (dir >= 0)
		close(dir);
	return result;
}
