// Listening sockets: net/listener. Only on loopback.
#include "expect.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "net/listener.h"
#include "place.h"

#define PATIENCE_MS 10000

static struct listener listener, other; // of the running test
static struct echod_error error;

BEFORE_EACH { listener = other = LISTENER_NONE; }

AFTER_EACH {
	listener_close(&listener);
	listener_close(&other);
}

static struct endpoint endpoint_of(const char *text) {
	struct address address;
	struct endpoint endpoint;
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_int_equal(address_resolve(&address, &endpoint, 1, NULL), 1);
	return endpoint;
}

static struct listener bound_to(const char *text) {
	struct endpoint endpoint = endpoint_of(text);
	struct listener bound;
	if (listener_bind(&bound, &endpoint, false, &error) != 0)
		fail_msg("%s", error.message);
	return bound;
}

static struct listener open_on(const char *text) {
	struct listener opened = bound_to(text);
	if (listener_open(&opened, 16, &error) != 0)
		fail_msg("%s", error.message);
	return opened;
}

// A connection to the listener's port at `host`, or -1 with errno.
static int try_connect(const char *host) {
	struct endpoint endpoint =
		endpoint_of(test_text("%s%s", host, strrchr(listener.name, ':')));
	int fd = socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (connect(fd, &endpoint.as.any, endpoint.length) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

// Accepts; `peer` may be NULL.
static int accept_one(struct endpoint *peer) {
	struct pollfd entry = {.fd = listener.fd, .events = POLLIN};
	assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
	struct endpoint from = {.length = sizeof(from.as)};
	int fd = accept4(listener.fd, &from.as.any, &from.length, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	if (peer)
		*peer = from;
	return fd;
}

// `text` is refused, as the message says, and leaves no descriptor.
static void expect_refused(const char *text, const char *failure, const char *reason) {
	struct endpoint endpoint = endpoint_of(text);
	assert_int_equal(listener_bind(&other, &endpoint, false, &error), -1);
	assert_int_equal(other.fd, -1);
	assert_string_equal(error.message, test_text("%s %s: %s", failure, text, reason));
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
}

static bool has_ipv6(void) { return endpoint_of(":0").as.any.sa_family == AF_INET6; }

TEST(port_0_becomes_a_real_one) {
	listener = bound_to("127.0.0.1:0");
	other = bound_to("127.0.0.1:0");
	assert_int_equal(listener.endpoint.as.v4.sin_family, AF_INET);
	assert_int_not_equal(listener.endpoint.as.v4.sin_port, 0);
	assert_int_not_equal(listener.endpoint.as.v4.sin_port, other.endpoint.as.v4.sin_port);
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(listener.name, endpoint_format(&listener.endpoint, text));
}

TEST(an_open_listener_lets_clients_in_with_its_options_and_never_blocks) {
	listener = bound_to("127.0.0.1:0");
	assert_int_equal(try_connect("127.0.0.1"), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	int client = try_connect("127.0.0.1");
	assert_true(client >= 0);
	int server = accept_one(NULL);
	assert_int_equal(socket_option(server, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(socket_option(server, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(socket_option(server, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	assert_int_equal(socket_option(server, IPPROTO_TCP, TCP_KEEPINTVL), 15);
	assert_int_equal(socket_option(server, IPPROTO_TCP, TCP_KEEPCNT), 4);
	close(client);
	close(server);
	assert_int_equal(accept(listener.fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
}

TEST(a_port_in_use_is_refused_and_an_address_not_ours) {
	listener = open_on("127.0.0.1:0");
	expect_refused(listener.name, "cannot listen on", "Address already in use");
	// Nor is it shared with one that asks for it.
	assert_int_equal(listener_bind(&other, &listener.endpoint, true, &error), -1);
	assert_int_equal(errno, EADDRINUSE);
	expect_refused("192.0.2.1:0", "cannot listen on", "Cannot assign requested address");
}

// Port 0 is still a port of its own.
TEST(a_port_is_shared_by_all_that_ask_for_it) {
	struct endpoint endpoint = endpoint_of("127.0.0.1:0");
	assert_int_equal(listener_bind(&listener, &endpoint, true, NULL), 0);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	expect_refused(listener.name, "cannot listen on", "Address already in use");
	assert_int_equal(listener_bind(&other, &endpoint, true, NULL), 0);
	assert_string_not_equal(other.name, listener.name);
	listener_close(&other);
	assert_int_equal(listener_bind(&other, &listener.endpoint, true, NULL), 0);
	assert_int_equal(listener_open(&other, 16, NULL), 0);
	assert_string_equal(other.name, listener.name);
}

TEST(a_path_has_no_port_to_share) {
	struct endpoint endpoint = endpoint_of(place_address("s"));
	assert_int_equal(listener_bind(&listener, &endpoint, true, NULL), 0);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	assert_int_equal(listener_bind(&other, &endpoint, true, NULL), 0);
	assert_int_equal(listener_open(&other, 16, &error), -1);
}

// SO_REUSEADDR lets two bind as long as neither listens.
TEST(of_two_that_bound_the_port_one_opens) {
	listener = bound_to("127.0.0.1:0");
	other = bound_to(listener.name);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	assert_error(listener_open(&other, 16, &error), &error, ECHOD_ERROR_SYSTEM,
		     ": Address already in use");
}

TEST(a_port_is_free_again_at_once) {
	listener = open_on("127.0.0.1:0");
	const char *name = test_text("%s", listener.name);
	int client = try_connect("127.0.0.1");
	close(accept_one(NULL)); // the side that closes first goes to TIME_WAIT
	char byte;
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
	listener_close(&listener);
	listener = open_on(name);
	assert_string_equal(listener.name, name);
}

// The kernel binds some of them, and no client arrives.
TEST(an_address_of_many_hosts_is_refused,
     .with = {"224.0.0.1:0", "239.255.255.255:0", "255.255.255.255:0", "[ff02::1]:0",
	      "[::ffff:224.0.0.1]:0"}) {
	errno = 0;
	expect_refused(test_with(), "cannot listen on",
		       "TCP has no multicast or broadcast addresses");
	assert_int_equal(errno, EADDRNOTAVAIL);
}

TEST(all_interfaces_take_ipv4_and_ipv6) {
	listener = open_on(":0");
	int client = try_connect("127.0.0.1");
	assert_true(client >= 0);
	struct endpoint peer;
	int server = accept_one(&peer);
	union inet_end end = inet_end_from(&peer);
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(strncmp(inet_end_format(&end, text), "127.0.0.1:", 10), 0);
	assert_int_equal(socket_option(server, IPPROTO_TCP, TCP_NODELAY), 1);
	close(server);
	close(client);
	if (has_ipv6()) {
		assert_int_equal(socket_option(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
		client = try_connect("[::1]");
		assert_true(client >= 0);
		close(accept_one(NULL));
		close(client);
	}
}

TEST(one_ipv6_address_is_only_that) {
	struct endpoint endpoint = endpoint_of("[::1]:0");
	assert_int_equal(listener_bind(&listener, &endpoint, false, NULL), has_ipv6() ? 0 : -1);
	if (has_ipv6()) {
		assert_int_equal(socket_option(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		assert_int_equal(strncmp(listener.name, "[::1]:", 6), 0);
	}
}

TEST(without_descriptors_it_says_so) {
	rlim_t limit = set_descriptor_limit(0);
	expect_refused("127.0.0.1:0", "cannot create a socket for", "Too many open files");
	set_descriptor_limit(limit);
}

TEST(a_path_exists_from_open_to_close) {
	const char *path = place_path("s"), *text = place_address("s");
	mode_t mask = umask(027);
	listener = bound_to(text);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	umask(mask);
	assert_string_equal(listener.name, text);
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0750);
	int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &listener.endpoint.as.any, listener.endpoint.length), 0);
	struct endpoint peer;
	close(accept_one(&peer));
	char peer_text[ADDRESS_TEXT_SIZE];
	assert_string_equal(endpoint_format(&peer, peer_text), "unix");
	close(client);
	listener_close(&listener);
	assert_int_equal(access(path, F_OK), -1);
}

TEST(closing_twice_does_no_harm) {
	listener = open_on("127.0.0.1:0");
	int fd = listener.fd;
	listener_close(&listener);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	listener_close(&listener);
	listener = LISTENER_NONE;
	listener_close(&listener);
}

// As another program makes it: with its own options, blocking.
static int made_elsewhere(const char *text) {
	struct endpoint endpoint = endpoint_of(text);
	int fd = socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval second = {.tv_sec = 1};
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)), 0);
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void adopt(int fd) {
	if (listener_adopt(&listener, fd, &error) != 0)
		fail_msg("%s", error.message);
}

TEST(an_inherited_socket_gets_the_options_of_our_own) {
	static const int options[][2] = {{IPPROTO_TCP, TCP_NODELAY},
					 {SOL_SOCKET, SO_KEEPALIVE},
					 {IPPROTO_TCP, TCP_KEEPIDLE}};
	other = bound_to("127.0.0.1:0");
	int fd = made_elsewhere("127.0.0.1:0");
	adopt(fd);
	for (size_t i = 0; i < COUNT_OF(options); i++)
		assert_int_equal(socket_option(fd, options[i][0], options[i][1]),
				 socket_option(other.fd, options[i][0], options[i][1]));
	struct timeval left;
	socklen_t size = sizeof(left);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &left, &size), 0);
	assert_true(left.tv_sec == 0 && left.tv_usec == 0);
}

TEST(an_inherited_socket_is_only_closed) {
	const char *const addresses[] = {"127.0.0.1:0", place_address("s"), "unix:@echod-adopted"};
	for (size_t i = 0; i < COUNT_OF(addresses); i++) {
		int fd = made_elsewhere(addresses[i]);
		int ours = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		adopt(ours);
		assert_int_equal(strncmp(listener.name, addresses[i], strlen(addresses[i]) - 1), 0);
		assert_int_equal(listener_open(&listener, 1, &error), 0);
		listener_close(&listener);
		assert_int_equal(fcntl(ours, F_GETFD), -1);
		assert_int_equal(socket_option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
		if (i == 1)
			assert_true(place_exists(place_path("s")));
		close(fd);
	}
}
