#include "relay/filters.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PACKET_MAX = FILTERED_TEXT_MAX + 64 };

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(2 * sizeof(int))];
};

int
filters_send(int sock, uint64_t number, struct span text, const int fd[2], struct err *err)
{
	struct str bytes = {0};
	union control control = {0};
	size_t count = fd[0] < 0 ? 0 : fd[1] < 0 ? 1 : 2;

	str_printf(&bytes, "%llu\n", (unsigned long long)number);
	str_add_span(&bytes, span_to(text, text.len < FILTERED_TEXT_MAX ? text.len : FILTERED_TEXT_MAX));
	struct iovec iov = { .iov_base = bytes.p, .iov_len = bytes.len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fd, count * sizeof(int));
	}
	ssize_t sent = sendmsg(sock, &message, MSG_NOSIGNAL);
	str_free(&bytes);
	return sent < 0 ? err_sys(err, "mochila-filter") : 0;
}

static void
take_fds(struct msghdr *message, int fd[2])
{
	size_t count = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h != NULL; h = CMSG_NXTHDR(message, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (h->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int one;
			memcpy(&one, CMSG_DATA(h) + i * sizeof one, sizeof one);
			if (count < 2)
				fd[count++] = one;
			else
				close(one);
		}
	}
}

int
filters_receive(int sock, struct filters_packet *packet, int flags, struct err *err)
{
	union control control = {0};
	struct str bytes = {0};
	ssize_t size;

	*packet = (struct filters_packet){ .fd = { -1, -1 } };
	/* Most are short: how long this one is is asked first. */
	while ((size = recv(sock, NULL, 0, flags | MSG_PEEK | MSG_TRUNC)) < 0 && errno == EINTR)
		;
	if (size <= 0 || size > PACKET_MAX)
		return size == 0 ? 0 : size < 0 ? err_sys(err, "mochila-filter") : err_set(err, ERR_TEMP, "no packet of ours");
	struct iovec iov = { .iov_base = str_room(&bytes, (size_t)size), .iov_len = (size_t)size };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	ssize_t got;

	while ((got = recvmsg(sock, &message, flags | MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (got > 0)
		take_fds(&message, packet->fd);
	bytes.len = got > 0 ? (size_t)got : 0;
	struct span rest = str_span(&bytes), number;
	int result = got < 0 ? err_sys(err, "mochila-filter") : got > 0;
	if (result > 0 && (!span_cut(&rest, '\n', &number) || span_number(number, UINT64_MAX, &packet->number) < 0))
		result = err_set(err, ERR_TEMP, "no packet of ours");
	if (result > 0)
		str_add_span(&packet->text, rest);
	for (size_t i = 0; i < 2 && result <= 0; i++)
		if (packet->fd[i] >= 0)
			close(packet->fd[i]);
	str_free(&bytes);
	return result;
}
