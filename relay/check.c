#include "relay/check.h"

#include <stdlib.h>
#include <string.h>

const struct check_row *const check_rows[] = {
	&check_local, &check_maildir, &check_file, &check_cdb, &check_command, &check_net, &check_call, NULL,
};

static const struct check_row *
row_of(const char *source, const char **rest)
{
	for (size_t i = 0; check_rows[i] != NULL; i++) {
		size_t len = strlen(check_rows[i]->scheme);
		if (strncmp(source, check_rows[i]->scheme, len) != 0 || (source[len] == '\0' && !check_rows[i]->bare))
			continue;
		*rest = source + len;
		return check_rows[i];
	}
	return NULL;
}

/* The next source, to be freed; NULL: no more. */
static char *
next_source(struct span *rest)
{
	struct span one;

	while (rest->len > 0 && span_cut(rest, ',', &one))
		if (span_trim(one).len > 0)
			return mem_text_n(span_trim(one).p, span_trim(one).len);
	return NULL;
}

int
check_sources(const char *sources, struct err *err)
{
	struct span left = span_of(sources);
	const char *rest;
	char *source;
	int result = 0;

	while (result == 0 && (source = next_source(&left)) != NULL) {
		if (row_of(source, &rest) == NULL)
			result = err_set(err, ERR_CONFIG, "%.100s is no local:, maildir:DIR, file:PATH, cdb:PATH, |/PROGRAM, "
			    "net:HOST:PORT or call:", source);
		free(source);
	}
	return result;
}

enum check_result
check_ask(struct span sources, const struct checking *c, struct str *said)
{
	enum check_result all = CHECK_NONE, one = CHECK_NONE;
	struct str words = {0};
	const char *rest;
	char *source;

	while (one != CHECK_YES && one != CHECK_ABORT && (source = next_source(&sources)) != NULL) {
		const struct check_row *row = row_of(source, &rest);
		str_clear(&words);
		one = row != NULL ? row->ask(rest, c, &words) : CHECK_LATER;
		/* Whom nobody could be asked about may be there. */
		if (one == CHECK_YES || one == CHECK_ABORT || (one == CHECK_LATER) || (one == CHECK_NO && all != CHECK_LATER)) {
			all = one;
			str_set_span(said, str_span(&words));
		}
		free(source);
	}
	str_free(&words);
	return all;
}

bool
check_has_spf(void)
{
#ifdef HAVE_LIBSPF2
	return true;
#else
	return false;
#endif
}
