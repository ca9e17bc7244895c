#include "bsmtp/dictionary.h"

#include <fcntl.h>
#include <zstd.h>

#include "lib/base/fs.h"
#include "spool/settings.h"

static int
load(const char *path, struct str *out)
{
	struct err err = {0};

	return fs_load(AT_FDCWD, path, DICTIONARY_MAX, out, &err);
}

int
dictionary_load(uint64_t version, struct str *out, struct err *err)
{
	struct str name = {0}, path = {0};
	size_t before = out->len;

	str_printf(&name, "mail-%llu.dict", (unsigned long long)version);
	settings_shipped(str_c(&name), &path);
	int result = load(str_c(&path), out);
	if (result < 0 || ZSTD_getDictID_fromDict(out->p + before, out->len - before) != DICTIONARY_NUMBER + version) {
		out->len = before;
		result = err_set(err, ERR_TEMP, "dictionary %llu is not here: %s is missing, or is not that",
		    (unsigned long long)version, str_c(&path));
	}
	str_free(&name);
	str_free(&path);
	return result;
}
