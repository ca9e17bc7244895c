#include "spool/dictionary.h"

#include <fcntl.h>
#include <string.h>

#include "lib/base/fs.h"
#include "spool/settings.h"

static int
load(const char *path, struct str *out)
{
	struct err err = {0};

	return fs_load(AT_FDCWD, path, DICTIONARY_MAX, out, &err);
}

/* RFC 8878 section 5: a magic number, then the dictionary's own, lowest byte first. */
static uint64_t
number(struct span dictionary)
{
	const unsigned char *p = (const unsigned char *)dictionary.p;

	if (dictionary.len < 8 || memcmp(p, "\x37\xa4\x30\xec", 4) != 0)
		return 0;
	return p[4] | (uint64_t)p[5] << 8 | (uint64_t)p[6] << 16 | (uint64_t)p[7] << 24;
}

bool
dictionary_is(uint64_t version, struct span bytes)
{
	return number(bytes) == DICTIONARY_NUMBER + version;
}

int
dictionary_load(uint64_t version, struct str *out, struct err *err)
{
	struct str name = {0}, path = {0};
	size_t before = out->len;

	str_printf(&name, "mail-%llu.dict", (unsigned long long)version);
	settings_shipped(str_c(&name), &path);
	int result = load(str_c(&path), out);
	if (result < 0 || !dictionary_is(version, span_from(str_span(out), before))) {
		out->len = before;
		result = err_set(err, ERR_TEMP, "dictionary %llu is not here: %s is missing, or is not that",
		    (unsigned long long)version, str_c(&path));
	}
	str_free(&name);
	str_free(&path);
	return result;
}
