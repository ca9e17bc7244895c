/*
 * spool-steps - each writer of the spool as a command, for the crash tests.
 *
 *	spool-steps ROOT accept N		N messages for home.example and ship.example
 *	spool-steps ROOT journal N		the same, three for each sync
 *	spool-steps ROOT receive N FIRST	one file of N messages from peer hub, ids FIRST...
 *	spool-steps ROOT settle
 *	spool-steps ROOT finish SITE		delivers what waits
 *	spool-steps ROOT fail SITE		all refused: each is reported to its sender
 *	spool-steps ROOT expire SITE		two months later: what waits is given up
 *	spool-steps ROOT hold SITE		holds what waits
 *	spool-steps ROOT pack SITE		picks and offers one batch
 *	spool-steps ROOT ack SITE		acknowledges the batches in flight
 *	spool-steps ROOT ledger			what is where, for the outside ledger
 *
 * What was promised is told on standard output, one line each, at the moment when it
 * was promised: "250 KEY" accepted, "sent KEY" delivered.  KEY is in the body.  "done" at the
 * end: all that was begun is durable.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool/journal.h"
#include "spool/queue.h"

static struct spool spool;
static struct err err;

static int
fail(void)
{
	fprintf(stderr, "%s\n", err.text);
	return err_exit(&err);
}

/* Nobody has heard what could not be written. */
static int
say(const char *word, const char *key)
{
	return printf("%s %s\n", word, key) < 0 || fflush(stdout) != 0 ? err_sys(&err, "stdout") : 0;
}

static int
add_message(struct arrival *a, const char *key, const char *peer_id, bool both)
{
	struct envelope env = {0};
	struct entry_info info = {0};
	struct str body = {0};

	envelope_from(&env, SPAN("ann@x.example"), SPAN(""));
	envelope_add(&env, SPAN("bob@home.example"), SPAN(""));
	if (both)
		envelope_add(&env, SPAN("eve@ship.example"), SPAN(""));
	str_set(&info.from, "test");
	if (peer_id != NULL) {
		str_set(&info.peer, "hub");
		str_set(&info.peer_id, peer_id);
	}
	str_printf(&body, "X-Key: %s\r\n\r\n", key);
	for (int i = 0; i < 40; i++)
		str_printf(&body, "%s line %d of the body\r\n", key, i);
	int result = arrival_begin(a, &info, &env, &err) < 0 ||
	    arrival_body(a, body.p, body.len, &err) < 0 || arrival_end(a, &err) < 0 ? -1 : 0;
	envelope_free(&env);
	entry_info_free(&info);
	str_free(&body);
	return result;
}

static int
step_accept(int argc, char **argv)
{
	int many = argc > 0 ? atoi(argv[0]) : 1;
	char key[40];

	for (int i = 0; i < many; i++) {
		struct arrival a;
		snprintf(key, sizeof key, "key-a-%d", i);
		if (arrival_open(&a, &spool, NULL, &err) < 0)
			return fail();
		int result = add_message(&a, key, NULL, i % 2 == 1) < 0 ? -1 : arrival_commit(&a, &err);
		if (result == 0)
			say("250", key);
		arrival_close(&a);
		if (result < 0)
			return fail();
	}
	return 0;
}

/* Three at a time share a sync, as sessions of the relay do. */
static int
step_journal(int argc, char **argv)
{
	int many = argc > 0 ? atoi(argv[0]) : 3;
	struct journal j = { .spool = &spool };
	int result = 0;

	for (int first = 0; first < many && result == 0; first += 3) {
		char key[40];
		for (int i = first; i < first + 3 && i < many && result == 0; i++) {
			struct arrival a;
			snprintf(key, sizeof key, "key-j-%d", i);
			arrival_join(&a, &j);
			result = add_message(&a, key, NULL, i % 2 == 1) < 0 || arrival_post(&a, &err) < 0 ? -1 : 0;
			arrival_close(&a);
		}
		if (result == 0)
			result = journal_sync(&j, &err);
		for (int i = first; i < first + 3 && i < many && result == 0; i++) {
			snprintf(key, sizeof key, "key-j-%d", i);
			say("250", key);
		}
	}
	journal_close(&j);
	return result < 0 ? fail() : 0;
}

static int
step_receive(int argc, char **argv)
{
	int many = argc > 0 ? atoi(argv[0]) : 1, first = argc > 1 ? atoi(argv[1]) : 0;
	struct arrival a;
	char key[40], id[40], name[40];

	snprintf(name, sizeof name, "b-%d-%d", many, first);
	if (arrival_open(&a, &spool, name, &err) < 0)
		return fail();
	int result = 0;
	for (int i = first; i < first + many && result == 0; i++) {
		snprintf(key, sizeof key, "key-r-%d", i);
		snprintf(id, sizeof id, "peer-id-%d", i);
		result = add_message(&a, key, id, i % 2 == 1);
	}
	if (result == 0)
		result = arrival_commit(&a, &err);
	for (int i = first; i < first + many && result == 0; i++) {
		snprintf(key, sizeof key, "key-r-%d", i);
		say("250", key);
	}
	arrival_close(&a);
	return result < 0 ? fail() : 0;
}

static int
step_settle(int argc, char **argv)
{
	struct settled settled;

	(void)argc;
	(void)argv;
	if (spool_repair(&spool, &err) < 0 || spool_settle(&spool, &settled, &err) < 0)
		return fail();
	puts("settled");
	return 0;
}

static int
key_of(int fd, const struct entry *entry, char key[64])
{
	char body[8192] = "";

	/* a report has it in what it returns of the original */
	if (fs_pread(fd, body, sizeof body - 1, entry->body_at, &err) < 0)
		return -1;
	const char *found = strstr(body, "X-Key: ");
	snprintf(key, 64, "%.*s", found != NULL ? (int)strcspn(found + 7, "\r\n") : 1,
	    found != NULL ? found + 7 : "?");
	return 0;
}

static int
each_message(const char *site, int (*work)(struct message *m))
{
	struct queue q;
	struct message m;
	int got, result = 0;

	if (queue_open(&q, &spool, site, true, &err) < 0)
		return fail();
	while (result == 0 && (got = queue_next(&q, &m, &err)) != 0) {
		if (got < 0 || work(&m) < 0)
			result = fail();
		if (got > 0)
			message_close(&m);
	}
	if (result == 0 && queue_sync(&q, &err) < 0)
		result = fail();
	queue_close(&q);
	return result;
}

static int
deliver(struct message *m)
{
	char key[64];

	if (key_of(m->fd, &m->entry, key) < 0)
		return -1;	/* nobody delivers what cannot be read */
	if (say("sent", key) < 0)
		return -1;
	/* the far end has it now, whatever happens to us */
	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		message_rcpt(m, i, RCPT_DONE, "250 2.0.0 ok");
	return message_settle(m, &err);
}

static int
step_finish(int argc, char **argv)
{
	return argc == 1 ? each_message(argv[0], deliver) : 64;
}

static int
refuse(struct message *m)
{
	for (size_t i = 0; i < m->entry.env.rcpts; i++)
		message_rcpt(m, i, RCPT_FAILED, "550 5.1.1 no such user");
	return message_settle(m, &err);
}

static int
step_fail(int argc, char **argv)
{
	struct settled settled;
	int result = argc == 1 ? each_message(argv[0], refuse) : 64;

	if (result == 0 && spool_settle(&spool, &settled, &err) < 0)
		return fail();
	return result;
}

static int
keep(struct message *m)
{
	(void)m;
	return 0;
}

static int
step_expire(int argc, char **argv)
{
	clock_set(clock_now() + INT64_C(60) * 86400 * CLOCK_SECOND);
	return argc == 1 ? each_message(argv[0], keep) : 64;
}

static int
hold(struct message *m)
{
	return message_hold(m, "held by the test", &err);
}

static int
step_hold(int argc, char **argv)
{
	return argc == 1 ? each_message(argv[0], hold) : 64;
}

static int
step_pack(int argc, char **argv)
{
	struct queue q;
	struct message m;
	struct batch b;
	int result = 0;

	if (argc != 1 || queue_open(&q, &spool, argv[0], true, &err) < 0)
		return fail();
	if (batch_new(&b, &spool, argv[0], &err) < 0) {
		queue_close(&q);
		return fail();
	}
	while (result == 0 && queue_next(&q, &m, &err) > 0) {
		char key[64];
		result = key_of(m.fd, &m.entry, key) < 0 ? -1 : batch_pick(&b, &m, &err) < 0 || fs_write(b.fd, key, strlen(key), &err) < 0 ||
		    fs_write(b.fd, "\n", 1, &err) < 0 ? -1 : 0;
		message_close(&m);
	}
	if (result == 0)
		result = batch_offer(&b, &err);
	if (result < 0) {
		struct err first = err;
		batch_undo(&b, &err);
		err = first;
	}
	batch_close(&b);
	queue_close(&q);
	return result < 0 ? fail() : 0;
}

static int
step_ack(int argc, char **argv)
{
	struct fs_names names;
	int result = 0;

	if (argc != 1 || batch_names(&spool, argv[0], &names, &err) < 0)
		return fail();
	for (size_t i = 0; i < names.count && result == 0; i++) {
		struct str text = {0};
		struct span rest, key;
		int fd = batch_open(&spool, argv[0], names.name[i], &err);
		if (fd < 0 || fs_read_all(fd, 1 << 20, &text, &err) < 0)
			return fail();
		close(fd);
		rest = str_span(&text);
		while (span_cut(&rest, '\n', &key))
			if (key.len > 0)
				printf("sent %.*s\n", (int)key.len, key.p);
		str_free(&text);
		result = ferror(stdout) || fflush(stdout) != 0 ? err_sys(&err, "stdout") :
		    batch_acked(&spool, argv[0], names.name[i], &err);
	}
	fs_names_free(&names);
	return result < 0 ? fail() : 0;
}

/* "PLACE KEY" for each message that counts, found by walking; "damaged PATH" else. */
static void
walk(int dir, const char *path, const char *place)
{
	struct fs_names names;
	struct entry entry;
	off_t at = 0;
	int got = 0, fd;

	if (fs_names(dir, path, &names, &err) == 0) {
		for (size_t i = 0; i < names.count; i++) {
			struct str inner = {0};
			str_printf(&inner, "%s/%s", path, names.name[i]);
			if (names.name[i][0] != '.')
				walk(dir, str_c(&inner), place);
			str_free(&inner);
		}
		fs_names_free(&names);
		return;
	}
	if (strstr(path, ".reason") != NULL || (strcmp(place, "sent") == 0 && strstr(path, ".d/") == NULL))
		return;		/* a batch file; its messages lie beside it */
	fd = openat(dir, path, O_RDONLY);
	/* A message of its own ends with its last whole line: what is torn behind it does not count. */
	bool alone = strcmp(place, "in") != 0;
	while (fd >= 0 && (!alone || at == 0) && (got = entry_read(fd, &at, true, &entry, &err)) > 0) {
		char key[64];
		key_of(fd, &entry, key);
		if (span_is(str_span(&entry.info.from), "dsn"))	/* ann hears of bob */
			printf("report %s bob@home.example\n", key);
		else for (size_t i = 0; i < entry.env.rcpts; i++)
			if (entry.status[i].state < RCPT_DONE || entry.status[i].due != DSN_NONE)
				printf("%s %s %s\n", place, key, str_c(&entry.env.rcpt[i].to));
		entry_free(&entry);
	}
	if (got < 0)
		printf("damaged %s: %s\n", path, err.text);
	if (fd >= 0)
		close(fd);
}

static int
step_ledger(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	walk(spool.in, ".", "in");
	walk(spool.out, ".", "out");
	walk(spool.sent, ".", "sent");
	walk(spool.hold, ".", "hold");
	walk(spool.failed, ".", "failed");
	return 0;
}

static const struct step {
	const char *name;
	int (*run)(int argc, char **argv);
} steps[] = {
	{ "accept", step_accept }, { "journal", step_journal }, { "receive", step_receive }, { "settle", step_settle },
	{ "finish", step_finish }, { "fail", step_fail }, { "expire", step_expire },
	{ "hold", step_hold }, { "pack", step_pack }, { "ack", step_ack },
	{ "ledger", step_ledger },
};

int
main(int argc, char **argv)
{
	static const char *said[] = { "spool.host=hub.example", "spool.site=here", "spool.min-free=0",
		"site home.link=", "routes.home.example=site:home", "routes.ship.example=site:ship" };
	struct settings settings;
	struct settings_args args = { .root = argc > 1 ? argv[1] : NULL,
		.set = { said, sizeof said / sizeof said[0] } };
	int status = 64;

	if (argc < 3)
		return 64;
	log_open("spool-steps", "none", LOG_LEVEL_ERROR, &err);
	if (settings_load(&settings, &args, &err) < 0 || spool_open(&spool, &settings, true, &err) < 0)
		return fail();
	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (strcmp(steps[i].name, argv[2]) == 0)
			status = steps[i].run(argc - 3, argv + 3);
	if (status == 0 && strcmp(argv[2], "ledger") != 0)
		puts("done");
	spool_close(&spool);
	settings_free(&settings);
	return status;
}
