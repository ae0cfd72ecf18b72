#include "common.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

void peer_fail(const char *what)
{
	perror(what);
	exit(3);
}

unsigned short peer_start(int argc, char **argv)
{
	char *end = NULL;
	long port = argc == 2 ? strtol(argv[1], &end, 10) : 0;
	if (port < 1 || port > 65535 || *end) {
		fprintf(stderr, "usage: %s PORT\n", argv[0]);
		exit(2);
	}
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		peer_fail("getrlimit");
	limit.rlim_cur =
		limit.rlim_max < PEER_MAX_DESCRIPTORS ? limit.rlim_max : PEER_MAX_DESCRIPTORS;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		peer_fail("setrlimit");
	signal(SIGPIPE, SIG_IGN);
	return (unsigned short)port;
}

int peer_listen(unsigned short port, bool nonblocking, bool reuse_port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
	const int on = 1;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, 4096) != 0)
		peer_fail("listen");
	return fd;
}

// send(2) that goes on after EINTR. Returns what was sent, 0 if the socket is full, -1 if the peer
// is gone.
static ssize_t send_some(int fd, const char *bytes, size_t size)
{
	for (;;) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		if (sent >= 0)
			return sent;
		if (errno == EAGAIN)
			return 0;
		if (errno != EINTR)
			return -1;
	}
}

enum unsent_result unsent_send(struct unsent *unsent, int fd, const char *bytes, size_t size)
{
	ssize_t sent = send_some(fd, bytes, size);
	if (sent < 0)
		return UNSENT_FAILED;
	if ((size_t)sent == size)
		return UNSENT_EMPTY;
	unsent->start = 0;
	unsent->end = size - (size_t)sent;
	unsent->bytes = malloc(unsent->end);
	if (!unsent->bytes)
		return UNSENT_FAILED;
	memcpy(unsent->bytes, bytes + sent, unsent->end);
	return UNSENT_REST;
}

enum unsent_result unsent_flush(struct unsent *unsent, int fd)
{
	while (unsent->start < unsent->end) {
		ssize_t sent =
			send_some(fd, unsent->bytes + unsent->start, unsent->end - unsent->start);
		if (sent < 0)
			return UNSENT_FAILED;
		if (sent == 0)
			return UNSENT_REST;
		unsent->start += (size_t)sent;
	}
	unsent_free(unsent);
	return UNSENT_EMPTY;
}

void unsent_free(struct unsent *unsent)
{
	free(unsent->bytes);
	*unsent = (struct unsent){0};
}

ssize_t peer_recv(int fd, char *buffer, size_t size, int flags)
{
	for (;;) {
		ssize_t received = recv(fd, buffer, size, flags);
		if (received >= 0 || errno != EINTR)
			return received;
	}
}

bool peer_send_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t sent = send_some(fd, bytes, size);
		if (sent < 0)
			return false;
		bytes += sent;
		size -= (size_t)sent;
	}
	return true;
}
