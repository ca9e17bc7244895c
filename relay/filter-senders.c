/*
 * filter-senders - whose mail a user wants: senders:FILE, a line each, the first that meets counts.
 *
 *	bob@home.example	*@friends.example	yes
 *	bob@home.example	*			no
 *
 * Who is not wanted hears so before his mail costs the thin link anything; for the other
 * recipients it goes on.  Reports have no sender, and always come.
 */
#include "relay/filter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/fs.h"

enum { FILE_MAX = 4 << 20 };

static int
senders_check(const char *rest, struct err *err)
{
	return rest[0] != '\0' ? 0 : err_set(err, ERR_CONFIG, "senders: want a file");
}

static bool
meets(struct span address, struct span pattern)
{
	char *text = mem_text_n(pattern.p, pattern.len);
	bool met = span_glob(address, text);

	free(text);
	return met;
}

/* 1, 0, or -1: a line that says neither yes nor no.  Nobody is unwelcome of whom nothing is said. */
static int
is_welcome(struct span table, struct span rcpt, struct span from, struct err *err)
{
	struct span line;
	unsigned number = 0;

	while (span_cut(&table, '\n', &line)) {
		struct span rest = span_trim(line);
		number++;
		if (rest.len > 0 && rest.p[rest.len - 1] == '\r')
			rest.len--;
		if (rest.len == 0 || rest.p[0] == '#')
			continue;
		struct span user = span_word(&rest), sender = span_word(&rest), word = span_word(&rest);
		bool yes = span_is(word, "yes");
		if (!yes && !span_is(word, "no"))
			return err_set(err, ERR_CONFIG, "line %u: want USER SENDER yes or no", number);
		if (meets(rcpt, user) && meets(from, sender))
			return yes;
	}
	return 1;
}

static int
load(const struct filter_job *job, const struct str *name, struct str *table, struct err *err)
{
	struct settings settings;
	struct str path = {0}, rest = *name;

	filter_settings_for(job, &settings);
	settings_path(&settings, str_c(&rest), &path);
	int fd = fs_open(AT_FDCWD, str_c(&path), O_RDONLY, err);
	int result = fd < 0 ? -1 : fs_read_all(fd, FILE_MAX, table, err);
	if (fd >= 0)
		close(fd);
	if (result < 0)
		err->kind = ERR_TEMP;
	free(settings.root);
	str_free(&path);
	return result;
}

/* What becomes of each recipient, and how many are refused. */
static int
sort_out(const struct letter *letter, struct span table, struct str *outcomes, size_t *refused, struct err *err)
{
	const struct envelope *env = &letter->env;

	for (size_t i = 0; i < env->rcpts; i++) {
		int welcome = is_welcome(table, str_span(&env->rcpt[i].to), str_span(&env->from), err);
		if (welcome < 0)
			return -1;
		str_printf(outcomes, "%zu %s\n", i, welcome > 0 ? "wait" : "failed 550 5.7.1 the recipient takes no mail of this sender");
		*refused += welcome == 0;
	}
	return 0;
}

static int
senders_run(struct filter_job *job, const struct filter_spec *spec, struct letter *letter, struct err *err)
{
	struct str table = {0}, outcomes = {0};
	size_t refused = 0;

	if (letter->env.from.len == 0)
		return 0;
	int result = load(job, &spec->rest, &table, err);
	if (result == 0)
		result = sort_out(letter, str_span(&table), &outcomes, &refused, err);
	if (result == 0 && refused > 0) {	/* the others come again, alone */
		str_add_span(&job->outcomes, str_span(&outcomes));
		letter->gone = true;
	}
	str_free(&table);
	str_free(&outcomes);
	return result;
}

const struct filter filter_senders = { .scheme = "senders:", .departure_only = true, .check = senders_check,
	.run = senders_run, .form = "senders:FILE" };
