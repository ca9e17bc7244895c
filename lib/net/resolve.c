#include "lib/net/resolve.h"

#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/thread.h"

/* Owned by both sides; the last to let go frees it. */
struct question {
	pthread_mutex_t lock;
	unsigned holders;
	char *host, *port;
	int bell[2];		/* written to when there is an answer */
	int code;
	struct addrinfo *list;
};

static void
let_go(struct question *question)
{
	pthread_mutex_lock(&question->lock);
	bool last = --question->holders == 0;
	pthread_mutex_unlock(&question->lock);
	if (!last)
		return;
	if (question->list != NULL)
		freeaddrinfo(question->list);
	pthread_mutex_destroy(&question->lock);
	for (int i = 0; i < 2; i++)
		if (question->bell[i] >= 0)
			close(question->bell[i]);
	free(question->host);
	free(question->port);
	free(question);
}

/* What localhost is stands in /etc/hosts, and there are hosts without that; it is this one all the
 * same (RFC 6761 section 6.3). */
static void
ask(struct question *question, int flags)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | flags };

	question->code = getaddrinfo(question->host, question->port, &hints, &question->list);
	if (question->code != 0 && strcasecmp(question->host, "localhost") == 0)
		question->code = getaddrinfo(NULL, question->port, &hints, &question->list);
	if (question->code != 0)
		question->list = NULL;
}

static void *
asker(void *arg)
{
	struct question *question = arg;

	ask(question, AI_ADDRCONFIG);
	ssize_t told = write(question->bell[1], "", 1);	/* an empty pipe of our own */
	(void)told;
	let_go(arg);
	return NULL;
}

static int
ask_in_thread(struct question *question)
{
	pthread_t thread;

	if (pipe2(question->bell, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	question->holders++;
	if (thread_start(&thread, asker, question) == 0) {
		pthread_detach(thread);
		return 0;
	}
	question->holders--;
	return -1;
}

static void
answered(void *ctx)
{
	struct resolve *resolve = ctx;
	struct question *question = resolve->question;
	struct addrinfo *list = question->list;
	struct err err = {0};

	/* EAI_NONAME too: names come back, and a typing error is seen in the log. */
	if (question->code != 0)
		err_set(&err, ERR_TEMP, "%s: %s", question->host, gai_strerror(question->code));
	question->list = NULL;
	resolve_cancel(resolve);
	resolve->done(resolve->ctx, list, &err);
}

void
resolve_start(struct resolve *resolve, struct loop *loop, const char *host, const char *port,
    void (*done)(void *ctx, struct addrinfo *list, const struct err *err), void *ctx)
{
	struct question *question = mem_get(sizeof *question);

	*question = (struct question){ .holders = 1, .bell = { -1, -1 },
	    .host = mem_text(host), .port = mem_text(port) };
	*resolve = (struct resolve){ .question = question, .done = done, .ctx = ctx };
	pthread_mutex_init(&question->lock, NULL);
	timer_start(&resolve->now, loop, answered, resolve);
	ask(question, AI_NUMERICHOST);
	if (question->code == 0) {
		timer_set(&resolve->now, 0);
	} else if (ask_in_thread(question) == 0) {
		watch_start(&resolve->watch, loop, question->bell[0], WATCH_READ, answered, resolve);
	} else {
		question->code = EAI_AGAIN;
		timer_set(&resolve->now, 0);
	}
}

void
resolve_cancel(struct resolve *resolve)
{
	watch_free(&resolve->watch);
	timer_free(&resolve->now);
	if (resolve->question != NULL)
		let_go(resolve->question);
	resolve->question = NULL;
}
