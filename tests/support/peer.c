#include "peer.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "process.h"

struct endpoint peer_endpoint(const char *address) {
	struct endpoint endpoint = {0};
	const char *path = address_path_in(address);
	char host[64];
	unsigned short port;
	if (path) {
		assert_int_equal(endpoint_from_path(path, &endpoint, NULL), 0);
	} else if (sscanf(address, "[%63[^]]]:%hu", host, &port) == 2) {
		endpoint.length = sizeof(endpoint.as.v6);
		endpoint.as.v6.sin6_family = AF_INET6;
		endpoint.as.v6.sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, host, &endpoint.as.v6.sin6_addr), 1);
	} else {
		endpoint.length = sizeof(endpoint.as.v4);
		assert_int_equal(sscanf(address, "%63[^:]:%hu", host, &port), 2);
		endpoint.as.v4.sin_family = AF_INET;
		endpoint.as.v4.sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, host, &endpoint.as.v4.sin_addr), 1);
	}
	return endpoint;
}

static void bind_source(int fd, const char *source) {
	int on = 1;
	struct endpoint from = peer_endpoint(test_text("%s:0", source));
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &from.as.any, from.length), 0);
}

// Without a peer, as after a reset, it is not connected to itself.
static void assert_not_connected_to_itself(int fd) {
	struct endpoint ours = {.length = sizeof(ours.as)}, theirs = ours;
	if (getpeername(fd, &theirs.as.any, &theirs.length) != 0)
		return;
	assert_int_equal(getsockname(fd, &ours.as.any, &ours.length), 0);
	if (ours.length == theirs.length && memcmp(&ours.as, &theirs.as, ours.length) == 0)
		fail_msg("connected to itself");
}

static int open_socket(int family, int flags) {
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	assert_true(fd >= 0);
	return fd;
}

// From `source` (NULL: any), with a receive buffer of `bytes` (0: the kernel's choice).
static int try_connect(const char *text, const char *source, int bytes) {
	struct endpoint address = peer_endpoint(text);
	int fd = open_socket(address.as.any.sa_family, 0), on = 1;
	if (source)
		bind_source(fd, source);
	if (bytes > 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
	if (connect(fd, &address.as.any, address.length) != 0) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	if (address.as.any.sa_family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		assert_not_connected_to_itself(fd);
	}
	return fd;
}

int peer_try_connect(const char *text, const char *source) { return try_connect(text, source, 0); }

int peer_connect_narrow(const char *text, int bytes) {
	int fd = try_connect(text, NULL, bytes);
	if (fd < 0)
		fail_msg("cannot connect to %s: %s", text, strerror(errno));
	return fd;
}

int peer_connect(const char *address) { return peer_connect_narrow(address, 0); }

void peer_connect_all(const char *address, int *fds, size_t count) {
	for (size_t i = 0; i < count; i++)
		fds[i] = peer_connect(address);
}

// Waits until `events` or an end; fails the test when neither comes.
static void await(int fd, short events, const char *act) {
	struct pollfd ready = {.fd = fd, .events = events};
	if (poll(&ready, 1, (int)(PATIENCE / NS_PER_MS)) != 1)
		fail_msg("%s in vain", act);
}

int64_t peer_send_some(int fd, const void *bytes, size_t size) {
	ssize_t sent = send(fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 && errno == EAGAIN ? 0 : sent;
}

void peer_send(int fd, const void *bytes, size_t size) {
	for (size_t done = 0; done < size;) {
		await(fd, POLLOUT, "sent");
		int64_t sent = peer_send_some(fd, (const char *)bytes + done, size - done);
		if (sent < 0)
			fail_msg("cannot send: %s", strerror(errno));
		done += (size_t)sent;
	}
}

void peer_receive(int fd, void *bytes, size_t size) {
	for (size_t done = 0; done < size;) {
		await(fd, POLLIN, "waited for bytes");
		ssize_t got = recv(fd, (char *)bytes + done, size - done, 0);
		if (got <= 0)
			fail_msg("%s after %zu of %zu bytes",
				 got == 0 ? "end of stream" : strerror(errno), done, size);
		done += (size_t)got;
	}
}

void peer_expect_text(int fd, const char *text) {
	char received[64] = "";
	assert_true(strlen(text) < sizeof(received));
	peer_receive(fd, received, strlen(text));
	assert_string_equal(received, text);
}

void peer_ping(int fd) {
	static uint64_t seed;
	char there[64], back[64];
	pattern_fill(++seed, 0, there, sizeof(there));
	peer_send(fd, there, sizeof(there));
	peer_receive(fd, back, sizeof(back));
	assert_memory_equal(there, back, sizeof(back));
}

void peer_ping_last(int fd) {
	peer_ping(fd);
	peer_close(fd);
}

int peer_connect_served(const char *address) {
	int fd = peer_connect(address);
	peer_ping(fd);
	return fd;
}

void peer_visit(const char *address) { peer_close(peer_connect_served(address)); }

bool peer_is_readable(int fd) {
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	return poll(&ready, 1, 0) == 1;
}

void peer_expect_quiet(int fd) { assert_false(peer_is_readable(fd)); }

// Reads to the end and closes. Returns 0 for the end of the stream, else errno; `bytes` counts
// those before it.
static int read_to_end(int fd, uint64_t *bytes) {
	char buffer[65536];
	ssize_t got;
	*bytes = 0;
	do {
		await(fd, POLLIN, "waited for the end");
		got = recv(fd, buffer, sizeof(buffer), 0);
		*bytes += got > 0 ? (uint64_t)got : 0;
	} while (got > 0);
	int why = got == 0 ? 0 : errno;
	close(fd);
	return why;
}

void peer_expect_eof(int fd) {
	uint64_t bytes;
	int why = read_to_end(fd, &bytes);
	if (why != 0 || bytes > 0)
		fail_msg("no clean end: %ju bytes and %s", (uintmax_t)bytes, strerror(why));
}

void peer_expect_reset(int fd) {
	uint64_t bytes;
	assert_int_equal(read_to_end(fd, &bytes), ECONNRESET);
}

void peer_expect_closed(int fd) {
	uint64_t bytes;
	int why = read_to_end(fd, &bytes);
	assert_true(why == 0 || why == ECONNRESET || why == EPIPE);
}

void peer_expect_rejected(const char *address, const char *source) {
	int fd = peer_try_connect(address, source);
	if (fd < 0) { // already within connect(2)
		assert_int_equal(errno, ECONNRESET);
		return;
	}
	uint64_t bytes;
	assert_int_equal(read_to_end(fd, &bytes), ECONNRESET);
	assert_int_equal(bytes, 0);
}

void peer_half_close(int fd) { assert_int_equal(shutdown(fd, SHUT_WR), 0); }

void peer_close(int fd) { assert_int_equal(close(fd), 0); }

void peer_close_all(const int *fds, size_t count) {
	for (size_t i = 0; i < count; i++)
		peer_close(fds[i]);
}

void peer_reset(int fd) {
	struct linger at_once = {.l_onoff = 1};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	peer_close(fd);
}

uint16_t peer_free_port(void) {
	static uint16_t last; // each is given once; and each process has a range of its own
	last = last ? last : (uint16_t)(20000 + getpid() % 600 * 16);
	while (last < 32000) {
		uint16_t port = last++;
		struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
		int fd = open_socket(AF_INET, 0);
		bool free = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
		close(fd);
		if (free)
			return port;
	}
	fail_msg("no free port");
	return 0;
}

int peer_listen(int flags, int backlog, uint16_t *port) {
	return peer_listen_at("127.0.0.1", flags, backlog, port);
}

int peer_listen_at(const char *at, int flags, int backlog, uint16_t *port) {
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	assert_int_equal(inet_pton(AF_INET, at, &address.sin_addr), 1);
	int fd = open_socket(AF_INET, flags);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

bool peer_port_listens(uint16_t port) {
	FILE *file = fopen("/proc/net/tcp", "re");
	assert_non_null(file);
	char line[512];
	bool found = false;
	while (!found && fgets(line, sizeof(line), file)) {
		unsigned local, state;
		found = sscanf(line, " %*u: %*x:%x %*x:%*x %x", &local, &state) == 2 &&
			local == port && state == TCP_LISTEN;
	}
	fclose(file);
	return found;
}
