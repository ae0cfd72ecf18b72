// Connections, and those held idle. One thread.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "load.h"

#define PATIENCE (10 * NS_PER_S)

static void wait_a_moment(void)
{
	const struct timespec moment = {.tv_nsec = (long)NS_PER_MS};
	nanosleep(&moment, NULL);
}

static int open_socket(void)
{
	const int on = 1;
	const struct linger reset = {.l_onoff = 1};
	const struct timeval patience = clock_timeval(PATIENCE); // also bounds connect(2)
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int link_connect(unsigned short port, struct error *error)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	uint64_t deadline = clock_deadline(PATIENCE);
	for (;;) {
		int fd = open_socket();
		if (fd >= 0 && connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0)
			return fd;
		int reason = errno;
		if (fd >= 0)
			close(fd);
		if (reason != ECONNREFUSED || clock_now() >= deadline)
			return error_set(error, ERROR_SYSTEM, "cannot connect to port %u: %s", port,
					 error_text(reason));
		wait_a_moment();
	}
}

int *idle_open(unsigned short port, unsigned count, struct result *result, struct error *error)
{
	int *fds = calloc(count + 1U, sizeof(*fds));
	if (!fds) {
		error_set(error, ERROR_SYSTEM, "out of memory");
		return NULL;
	}
	for (unsigned i = 0; i < count; i++) {
		fds[i] = link_connect(port, error);
		if (fds[i] < 0) {
			idle_close(fds, i);
			return NULL;
		}
		if (send(fds[i], "i", 1, MSG_NOSIGNAL) != 1)
			result->errors++;
	}
	uint64_t deadline = clock_deadline(PATIENCE);
	for (unsigned i = 0; i < count; i++) {
		char byte = 0;
		ssize_t received = recv(fds[i], &byte, 1, MSG_DONTWAIT);
		while (received < 0 && errno == EAGAIN && clock_now() < deadline) {
			wait_a_moment();
			received = recv(fds[i], &byte, 1, MSG_DONTWAIT);
		}
		if (received != 1 || byte != 'i')
			result->unserved++;
	}
	return fds;
}

void idle_close(int *fds, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
	free(fds);
}
