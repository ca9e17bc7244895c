/*
 * inetd - a port of loopback behind which a program answers on its standard input and
 * output, one connection after the other, until it is killed.
 *
 *	inetd PORT-FILE PROGRAM ARGUMENT...
 *	inetd :PORT PROGRAM ARGUMENT...		that port, of every address
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int
listen_somewhere(const char *port_file)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	bool said = port_file[0] == ':';

	if (said)
		at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(port_file + 1, NULL, 10)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 5) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &size) < 0)
		return -1;
	if (said)
		return fd;
	FILE *file = fopen(port_file, "we");
	if (file == NULL || fprintf(file, "%d\n", ntohs(at.sin_port)) < 0 || fclose(file) != 0)
		return -1;
	return fd;
}

int
main(int argc, char **argv)
{
	int listener = argc > 2 ? listen_somewhere(argv[1]) : -1;

	if (listener < 0) {
		perror("inetd");
		return 1;
	}
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
		if (fork() == 0) {
			dup2(fd, 0);
			dup2(fd, 1);
			close(fd);
			execvp(argv[2], argv + 2);
			_exit(127);
		}
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return 1;
}
