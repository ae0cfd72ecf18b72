// Listening sockets of the test and of its children. One thread.
#include "listeners.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "peer.h"
#include "process.h"

#define BACKLOG 16 // connections that wait to be accepted

static uint16_t port;
static int fds[16];
static size_t fd_count;
static pid_t children[16];
static size_t child_count;

struct endpoint listeners_at(const char *address) {
	if (strchr(address, '/'))
		return peer_endpoint(test_text("unix:%s", address));
	return peer_endpoint(test_text(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address, port));
}

static int bind_at(const char *address) {
	const int on = 1, off = 0;
	struct endpoint endpoint = listeners_at(address);
	int fd = socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (endpoint.as.any.sa_family != AF_UNIX)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	if (endpoint.as.any.sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
	return fd;
}

static int keep(int fd) {
	assert_true(fd_count < COUNT_OF(fds));
	fds[fd_count++] = fd;
	return fd;
}

void listeners_setup(void) {
	struct sockaddr_in6 bound;
	socklen_t size = sizeof(bound);
	port = 0;
	int fd = keep(bind_at("::")); // where it only keeps the port
	assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &size), 0);
	port = ntohs(bound.sin6_port);
}

void listeners_teardown(void) {
	while (child_count > 0) {
		pid_t child = children[--child_count];
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	while (fd_count > 0)
		close(fds[--fd_count]);
}

void listeners_here(const char *address) {
	assert_int_equal(listen(keep(bind_at(address)), BACKLOG), 0);
}

void listeners_accept(void) {
	for (size_t i = 0; i < fd_count; i++) {
		struct pollfd listener = {.fd = fds[i], .events = POLLIN};
		int fd = poll(&listener, 1, 0) == 1 ? accept(fds[i], NULL, NULL) : -1;
		if (fd >= 0)
			keep(fd);
	}
}

pid_t listeners_child(const char *address) {
	int fd = bind_at(address);
	assert_int_equal(listen(fd, BACKLOG), 0);
	assert_true(child_count < COUNT_OF(children));
	pid_t child = process_fork();
	assert_true(child >= 0);
	if (child == 0) {
		while (fd_count > 0) // which are the test's alone
			close(fds[--fd_count]);
		for (;;)
			accept(fd, NULL, NULL);
	}
	children[child_count++] = child;
	close(fd);
	return child;
}

void listeners_stop(pid_t child) {
	int status;
	kill(child, SIGSTOP);
	assert_int_equal(waitpid(child, &status, WUNTRACED), child);
	assert_true(WIFSTOPPED(status));
}
