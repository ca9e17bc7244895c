#include "lib/base/words.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One word's bytes into out; the closing quote must come. */
static int
take_word(const char **at, char **out, struct err *err)
{
	char quote = '\0';

	for (; **at != '\0' && (quote != '\0' || (**at != ' ' && **at != '\t')); (*at)++) {
		if (quote == '\0' && (**at == '\'' || **at == '"')) {
			quote = **at;
		} else if (**at == quote) {
			quote = '\0';
		} else {
			if (**at == '\\' && quote != '\'' && (*at)[1] != '\0')
				(*at)++;
			*(*out)++ = **at;
		}
	}
	*(*out)++ = '\0';
	return quote == '\0' ? 0 : err_set(err, ERR_CONFIG, "a quote %c is not closed", quote);
}

char **
words_of(const char *line, struct err *err)
{
	/* No more words than every second byte, no more bytes than the line and a NUL. */
	size_t most = strlen(line) / 2 + 2, count = 0;
	char **words = mem_get(most * sizeof *words + strlen(line) + 2);
	char *out = (char *)(words + most);

	for (;;) {
		line += strspn(line, " \t");
		if (*line == '\0')
			break;
		words[count++] = out;
		if (take_word(&line, &out, err) < 0) {
			free(words);
			return NULL;
		}
	}
	if (count > 0)
		return words;
	free(words);
	err_set(err, ERR_CONFIG, "no command is given");
	return NULL;
}

int
words_program(const char *word, struct str *path, struct err *err)
{
	struct span folders = span_of(getenv("PATH")), folder;

	if (strchr(word, '/') != NULL) {
		str_set(path, word);
		return 0;
	}
	while (span_cut(&folders, ':', &folder)) {
		str_set_span(path, folder);
		str_printf(path, "/%s", word);
		if (folder.len > 0 && access(str_c(path), F_OK) == 0)
			return 0;
	}
	return err_set(err, ERR_CONFIG, "there is no program %s on PATH", word);
}
