/*
 * ring-steps - what happens to batches and rings between two programs, as commands.
 *
 *	ring-steps ROOT acked SITE BATCH	the call was told that it is there
 *	ring-steps ROOT post TO KEY COUNT	so many mails for bob@TO.example, each with a line
 *						"N: KEY-1" of its own, and much that is the same
 *	ring-steps ROOT commit N FIRST		N commits into ring/home/from-main, whose names and
 *						bytes are FIRST and up; "committed NAME" for each
 *	ring-steps ROOT commits			what is in it, "NAME" a line, checked byte by byte
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "spool/queue.h"
#include "spool/ring.h"

enum { WINDOW = 30000, TEXT = 3000 };

static struct spool spool;

static void
text_of(uint64_t name, struct str *out)
{
	str_clear(out);
	for (uint64_t i = 0; out->len < TEXT; i++)
		str_printf(out, "%llu of %llu, ", (unsigned long long)(i * name), (unsigned long long)name);
	out->len = TEXT;
}

static int
step_acked(char **args, struct err *err)
{
	return batch_acked(&spool, args[0], args[1], err);
}

static int
post_one(struct arrival *a, const char *to, const char *key, uint64_t n, struct err *err)
{
	struct envelope env = {0};
	struct entry_info info = {0};
	struct str rcpt = {0}, body = {0}, same = {0};

	str_printf(&rcpt, "bob@%s.example", to);
	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, str_span(&rcpt), SPAN(""));
	str_set(&info.from, "test");
	str_printf(&body, "N: %s-%llu\r\n\r\n", key, (unsigned long long)n);
	for (uint64_t i = 0; i < 8; i++) {
		text_of(1000 + i, &same);
		str_add_span(&body, str_span(&same));
		str_printf(&body, "\r\n%s\r\n", key);
	}
	int result = arrival_begin(a, &info, &env, err);
	if (result == 0)
		result = arrival_body(a, body.p, body.len, err);
	if (result == 0)
		result = arrival_end(a, err);
	envelope_free(&env);
	entry_info_free(&info);
	str_free(&rcpt);
	str_free(&body);
	str_free(&same);
	return result;
}

static int
step_post(char **args, struct err *err)
{
	uint64_t count = strtoull(args[2], NULL, 10);
	struct arrival a;

	if (arrival_open(&a, &spool, NULL, err) < 0)
		return -1;
	int result = 0;
	for (uint64_t n = 1; n <= count && result == 0; n++)
		result = post_one(&a, args[0], args[1], n, err);
	if (result == 0)
		result = arrival_commit(&a, err);
	arrival_close(&a);
	return result;
}

static int
step_commit(char **args, struct err *err)
{
	uint64_t count = strtoull(args[0], NULL, 10), first = strtoull(args[1], NULL, 10);
	struct ring r;
	struct str text = {0};
	int result = ring_open(&r, &spool, "home", RING_FROM, "main", WINDOW, err);

	for (uint64_t name = first; name < first + count && result == 0; name++) {
		text_of(name, &text);
		struct ring_item item = { name, str_span(&text) };
		result = ring_commit(&r, &item, 1, err);
		if (result == 0) {
			printf("committed %llu\n", (unsigned long long)name);
			fflush(stdout);
		}
	}
	str_free(&text);
	ring_close(&r);
	return result;
}

static int
step_commits(char **args, struct err *err)
{
	struct ring r;
	struct str text = {0};
	struct span history;
	int result = ring_open(&r, &spool, "home", RING_FROM, "main", WINDOW, err);

	(void)args;
	for (size_t i = 0; i < r.commits && result == 0; i++) {
		struct ring_mark mark = { r.head.base.k + 1 + i, r.commit[i].link };
		text_of(r.commit[i].name, &text);
		if (ring_at(&r, mark, TEXT, &history, err) != 1 || !span_same(history, str_span(&text)))
			result = err_set(err, ERR_PERM, "commit %zu has other bytes", i);
		printf("%llu\n", (unsigned long long)r.commit[i].name);
	}
	str_free(&text);
	ring_close(&r);
	return result;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **args, struct err *err);
} steps[] = {
	{ "acked", 2, step_acked },
	{ "post", 3, step_post },
	{ "commit", 2, step_commit },
	{ "commits", 0, step_commits },
};

int
main(int argc, char **argv)
{
	struct settings settings;
	struct settings_args args = { .root = argc > 1 ? argv[1] : "" };
	struct err err = {0};

	if (argc < 3 || log_open("ring-steps", "none", LOG_LEVEL_ERROR, &err) < 0 ||
	    settings_load(&settings, &args, &err) < 0 || spool_open(&spool, &settings, true, &err) < 0)
		return log_failure(&err) + (argc < 3);
	int result = err_set(&err, ERR_CONFIG, "no such step");
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (strcmp(steps[i].name, argv[2]) == 0 && argc == 3 + steps[i].args) {
			err = (struct err){0};
			result = steps[i].run(argv + 3, &err);
		}
	spool_close(&spool);
	settings_free(&settings);
	if (result < 0)
		fprintf(stderr, "%s\n", err.text);
	return result < 0 ? err_exit(&err) : 0;
}
