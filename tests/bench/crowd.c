/*
 * crowd - many clients of an SMTP server that say little: what each costs while it is idle.
 *
 *	crowd PORT MANY plain|tls
 *
 * Connects MANY clients to 127.0.0.1:PORT, each greeted and introduced, behind STARTTLS if that
 * is asked for; prints "there MANY" and waits for a line.  Then each says NOOP, and "served N"
 * tells how many were answered; exit status 1 when not all were.
 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/str.h"

struct client {
	int fd;
	SSL *tls;
};

static void
gone(const char *what)
{
	perror(what);
	exit(1);
}

static ssize_t
take(struct client *client, char *bytes, size_t size)
{
	return client->tls != NULL ? SSL_read(client->tls, bytes, (int)size) : read(client->fd, bytes, size);
}

/* The last line of a reply begins with its code and a space. */
static bool
answered(struct client *client, const char *code)
{
	char reply[4096];
	size_t have = 0;

	for (;;) {
		ssize_t got = take(client, reply + have, sizeof reply - 1 - have);
		if (got <= 0)
			return false;
		have += (size_t)got;
		reply[have] = '\0';
		if (reply[have - 1] != '\n')
			continue;
		const char *last = reply;
		for (char *at = reply; (at = strchr(at, '\n')) != NULL && at[1] != '\0'; last = ++at)
			;
		if (last[3] == ' ')
			return strncmp(last, code, 3) == 0;
	}
}

static bool
say(struct client *client, const char *line, const char *code)
{
	size_t len = strlen(line);

	if (client->tls != NULL ? SSL_write(client->tls, line, (int)len) != (int)len :
	    write(client->fd, line, len) != (ssize_t)len)
		return false;
	return answered(client, code);
}

static void
join(struct client *client, unsigned port, SSL_CTX *tls)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port) };

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 || connect(client->fd, (struct sockaddr *)&at, sizeof at) < 0)
		gone("connect");
	if (!answered(client, "220") || !say(client, "EHLO crowd.example\r\n", "250"))
		gone("greeting");
	if (tls == NULL)
		return;
	if (!say(client, "STARTTLS\r\n", "220"))
		gone("STARTTLS");
	SSL *ssl = SSL_new(tls);
	if (ssl == NULL || SSL_set_fd(ssl, client->fd) != 1 || SSL_connect(ssl) != 1)
		gone("TLS");
	client->tls = ssl;
	if (!say(client, "EHLO crowd.example\r\n", "250"))
		gone("EHLO behind TLS");
}

int
main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	unsigned port = (unsigned)strtoul(argv[1], NULL, 10);
	size_t many = strtoul(argv[2], NULL, 10), served = 0;
	struct client *all = mem_get(many * sizeof *all);
	struct rlimit files = { 0 };
	SSL_CTX *tls = strcmp(argv[3], "tls") == 0 ? SSL_CTX_new(TLS_client_method()) : NULL;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (tls != NULL)
		SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	for (size_t i = 0; i < many; i++)
		join(&all[i], port, tls);
	printf("there %zu\n", many);
	fflush(stdout);
	while (getchar() != '\n' && !feof(stdin))
		;
	for (size_t i = 0; i < many; i++)
		served += say(&all[i], "NOOP\r\n", "250");
	printf("served %zu\n", served);
	for (size_t i = 0; i < many; i++)
		SSL_free(all[i].tls);
	SSL_CTX_free(tls);
	free(all);
	return served == many ? 0 : 1;
}
