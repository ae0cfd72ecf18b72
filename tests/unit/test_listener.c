// Listening sockets: net/listener. Only on loopback.
#include "expect.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "net/listener.h"
#include "place.h"

#define PATIENCE_MS 10000

static struct echod_error error;

static struct endpoint endpoint_of(const char *text) {
	struct address address;
	struct endpoint endpoint;
	assert_int_equal(address_parse(text, &address, NULL), 0);
	assert_int_equal(address_resolve(&address, &endpoint, 1, NULL), 1);
	return endpoint;
}

static struct listener bound_to(const char *text) {
	struct endpoint endpoint = endpoint_of(text);
	struct listener listener;
	if (listener_bind(&listener, &endpoint, &error) != 0)
		fail_msg("%s", error.message);
	return listener;
}

static struct listener open_on(const char *text) {
	struct listener listener = bound_to(text);
	if (listener_open(&listener, 16, &error) != 0)
		fail_msg("%s", error.message);
	return listener;
}

// A connection to the listener's port at `host`, or -1 with errno.
static int try_connect(const struct listener *listener, const char *host) {
	char text[ADDRESS_TEXT_SIZE];
	snprintf(text, sizeof(text), "%s%s", host, strrchr(listener->name, ':'));
	struct endpoint endpoint = endpoint_of(text);
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
static int accept_one(const struct listener *listener, struct endpoint *peer) {
	struct pollfd entry = {.fd = listener->fd, .events = POLLIN};
	assert_int_equal(poll(&entry, 1, PATIENCE_MS), 1);
	struct endpoint from = {.length = sizeof(from.as)};
	int fd = accept4(listener->fd, &from.as.any, &from.length, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	if (peer)
		*peer = from;
	return fd;
}

// `text` is refused, as the message says, and leaves no descriptor.
static void expect_refused(const char *text, const char *failure, const char *reason) {
	struct endpoint endpoint = endpoint_of(text);
	struct listener listener;
	char message[200];
	assert_int_equal(listener_bind(&listener, &endpoint, &error), -1);
	assert_int_equal(listener.fd, -1);
	snprintf(message, sizeof(message), "%s %s: %s", failure, text, reason);
	assert_string_equal(error.message, message);
	assert_int_equal(error.kind, ECHOD_ERROR_SYSTEM);
}

static int option_of(int fd, int level, int name) {
	int value = -1;
	socklen_t length = sizeof(value);
	assert_int_equal(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static bool has_ipv6(void) {
	return endpoint_of(":0").as.any.sa_family == AF_INET6;
}

TEST(port_0_becomes_a_real_one) {
	struct listener one = bound_to("127.0.0.1:0"), two = bound_to("127.0.0.1:0");
	assert_int_equal(one.endpoint.as.v4.sin_family, AF_INET);
	assert_int_not_equal(one.endpoint.as.v4.sin_port, 0);
	assert_int_not_equal(one.endpoint.as.v4.sin_port, two.endpoint.as.v4.sin_port);
	char text[ADDRESS_TEXT_SIZE];
	assert_string_equal(one.name, endpoint_format(&one.endpoint, text));
	listener_close(&one);
	listener_close(&two);
}

TEST(nobody_gets_in_before_it_is_open) {
	struct listener listener = bound_to("127.0.0.1:0");
	assert_int_equal(try_connect(&listener, "127.0.0.1"), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(listener_open(&listener, 16, NULL), 0);
	int client = try_connect(&listener, "127.0.0.1");
	assert_true(client >= 0);
	close(client);
	listener_close(&listener);
}

TEST(its_descriptor_never_blocks_and_is_not_inherited) {
	struct listener listener = open_on("127.0.0.1:0");
	assert_int_equal(accept(listener.fd, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
	listener_close(&listener);
}

TEST(accepted_sockets_inherit_the_options) {
	struct listener listener = open_on("127.0.0.1:0");
	int client = try_connect(&listener, "127.0.0.1");
	int server = accept_one(&listener, NULL);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(server, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_KEEPINTVL), 15);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_KEEPCNT), 4);
	close(server);
	close(client);
	listener_close(&listener);
}

TEST(a_port_in_use_is_refused) {
	struct listener first = open_on("127.0.0.1:0");
	expect_refused(first.name, "cannot listen on", "Address already in use");
	listener_close(&first);
}

// SO_REUSEADDR lets two bind as long as neither listens.
TEST(of_two_that_bound_the_port_one_opens) {
	struct listener first = bound_to("127.0.0.1:0"), second = bound_to(first.name);
	assert_int_equal(listener_open(&first, 16, NULL), 0);
	assert_error(listener_open(&second, 16, &error), &error, ECHOD_ERROR_SYSTEM,
		     ": Address already in use");
	listener_close(&second);
	listener_close(&first);
}

TEST(a_port_is_free_again_at_once) {
	struct listener listener = open_on("127.0.0.1:0");
	char name[ADDRESS_TEXT_SIZE];
	strcpy(name, listener.name);
	int client = try_connect(&listener, "127.0.0.1");
	close(accept_one(&listener, NULL)); // the side that closes first goes to TIME_WAIT
	char byte;
	assert_int_equal(read(client, &byte, 1), 0);
	close(client);
	listener_close(&listener);
	listener = open_on(name);
	assert_string_equal(listener.name, name);
	listener_close(&listener);
}

TEST(an_address_not_ours_is_refused) {
	expect_refused("192.0.2.1:0", "cannot listen on", "Cannot assign requested address");
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
	struct listener listener = open_on(":0");
	int client = try_connect(&listener, "127.0.0.1");
	assert_true(client >= 0);
	struct endpoint peer;
	int server = accept_one(&listener, &peer);
	union inet_end end = inet_end_from(&peer);
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(strncmp(inet_end_format(&end, text), "127.0.0.1:", 10), 0);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_NODELAY), 1);
	close(server);
	close(client);
	if (has_ipv6()) {
		assert_int_equal(option_of(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY), 0);
		client = try_connect(&listener, "[::1]");
		assert_true(client >= 0);
		close(accept_one(&listener, NULL));
		close(client);
	}
	listener_close(&listener);
}

TEST(one_ipv6_address_is_only_that) {
	struct endpoint endpoint = endpoint_of("[::1]:0");
	struct listener listener;
	assert_int_equal(listener_bind(&listener, &endpoint, NULL), has_ipv6() ? 0 : -1);
	if (has_ipv6()) {
		assert_int_equal(option_of(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
		assert_int_equal(strncmp(listener.name, "[::1]:", 6), 0);
	}
	listener_close(&listener);
}

TEST(without_descriptors_it_says_so) {
	rlim_t limit = set_descriptor_limit(0);
	expect_refused("127.0.0.1:0", "cannot create a socket for", "Too many open files");
	set_descriptor_limit(limit);
}

TEST(a_path_exists_from_open_to_close) {
	const char *path = place_path("s"), *text = place_address("s");
	mode_t mask = umask(027);
	struct listener listener = bound_to(text);
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
	close(accept_one(&listener, &peer));
	char peer_text[ADDRESS_TEXT_SIZE];
	assert_string_equal(endpoint_format(&peer, peer_text), "unix");
	close(client);
	listener_close(&listener);
	assert_int_equal(access(path, F_OK), -1);
}

TEST(closing_twice_does_no_harm) {
	struct listener listener = open_on("127.0.0.1:0");
	int fd = listener.fd;
	listener_close(&listener);
	assert_int_equal(listener.fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	listener_close(&listener);
	listener = LISTENER_NONE;
	listener_close(&listener);
}
