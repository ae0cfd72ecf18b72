// The clients' way to a server: net/connect. Against sockets that listen, refuse, or never answer.
#include "expect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "base/clock.h"
#include "net/connect.h"
#include "place.h"

#define TIMEOUT (20 * NS_PER_S)
#define SHORT (20 * NS_PER_MS)
#define DELAY (250 * NS_PER_MS) // between two attempts, RFC 8305

enum conduct { LISTENS, REFUSES, SILENT };

static const struct connect_terms patient = {.timeout = TIMEOUT, .interrupt_fd = -1};
static struct endpoint reached;
static struct echod_error error;
static int sockets[64];
static size_t socket_count;

static int keep(int fd) {
	assert_true(fd >= 0 && socket_count < COUNT_OF(sockets));
	return sockets[socket_count++] = fd;
}

AFTER_EACH {
	while (socket_count > 0)
		close(sockets[--socket_count]);
}

static struct endpoint endpoint_of(const char *ip, in_port_t port) {
	struct endpoint endpoint;
	assert_int_equal(endpoint_from_ip(ip, &endpoint, NULL), 0);
	endpoint.as.v4.sin_port = port; // at the same place in IPv6's
	return endpoint;
}

// A free port of `ip`, at which the peer behaves like that.
static struct endpoint peer_at(const char *ip, enum conduct conduct) {
	struct endpoint endpoint = endpoint_of(ip, 0);
	int fd = keep(socket(endpoint.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind(fd, &endpoint.as.any, endpoint.length), 0);
	assert_int_equal(getsockname(fd, &endpoint.as.any, &endpoint.length), 0);
	if (conduct != REFUSES)
		assert_int_equal(listen(fd, conduct == LISTENS ? 8 : 0), 0);
	// The backlog takes one; the kernel drops the SYN of the others.
	for (int i = 0; i < 2 && conduct == SILENT; i++) {
		int filler = keep(connect_begin(&endpoint, NULL));
		struct pollfd connected = {.fd = filler, .events = POLLOUT};
		assert_int_equal(poll(&connected, 1, i == 0 ? -1 : 0), i == 0);
	}
	return endpoint;
}

TEST(the_first_that_answers_wins) {
	static const struct {
		enum conduct peers[7];
		size_t count, winner;
		uint64_t least; // time that it takes, and not a second more
	} cases[] = {
		{{LISTENS}, 1, 0, 0},
		{{LISTENS, LISTENS}, 2, 0, 0},
		{{REFUSES, LISTENS}, 2, 1, 0},
		{{REFUSES, REFUSES, LISTENS}, 3, 2, 0},
		{{SILENT, LISTENS}, 2, 1, DELAY},
		{{SILENT, REFUSES, REFUSES, REFUSES, REFUSES, REFUSES, LISTENS}, 7, 6, DELAY},
		{{SILENT, SILENT, LISTENS}, 3, 2, 2 * DELAY},
	};
	for (size_t i = 0, late = 0; i < COUNT_OF(cases);) {
		struct endpoint peers[7];
		for (size_t k = 0; k < cases[i].count; k++)
			peers[k] = peer_at("127.0.0.1", cases[i].peers[k]);
		size_t before = open_descriptors();
		uint64_t start = clock_now();
		int fd = connect_first(peers, cases[i].count, &patient, &reached, &error);
		if (fd < 0)
			fail_msg("case %zu: %s", i, error.message);
		uint64_t took = clock_now() - start;
		assert_true(took >= cases[i].least);
		bool is_late = took > cases[i].least + NS_PER_S;
		late += is_late;
		assert_true(late < 10); // a busy machine is so now and then
		assert_memory_equal(&reached, &peers[cases[i].winner], sizeof(reached));
		assert_int_equal(open_descriptors(), before + 1); // the others are closed
		close(fd);
		i += !is_late;
	}
}

TEST(a_connection_is_ready_for_a_client) {
	struct endpoint peer = peer_at("127.0.0.1", LISTENS);
	int fd = connect_first(&peer, 1, &patient, &reached, NULL);
	assert_int_equal(socket_option(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
}

#define LIST(...) \
	{ __VA_ARGS__ }

static const struct failure {
	const char *ip[3];
	enum conduct peers[3];
	size_t order[3]; // in which they are tried
	uint64_t timeout;
	bool interrupted;
	const char *text; // `%u` is a port each
} failures[] = {
	// Families take turns, the first one's first.
	{LIST("127.0.0.1", "::1"), LIST(REFUSES, REFUSES), LIST(0, 1), CLOCK_NEVER, false,
	 "cannot connect to 127.0.0.1:%u: Connection refused, nor to [::1]:%u: Connection refused"},
	{LIST("::1", "::1", "127.0.0.1"), LIST(REFUSES, REFUSES, REFUSES), LIST(0, 2, 1), TIMEOUT,
	 false,
	 "cannot connect to [::1]:%u: Connection refused, nor to 127.0.0.1:%u: "
	 "Connection refused, nor to [::1]:%u: Connection refused"},
	{LIST("127.0.0.1"), LIST(SILENT), LIST(0), SHORT, false,
	 "cannot connect to 127.0.0.1:%u: no answer within 20.0 ms"},
	{LIST("127.0.0.1"), LIST(SILENT), LIST(0), TIMEOUT, true,
	 "cannot connect to 127.0.0.1:%u: interrupted"},
};

TEST_ROWS(a_failure_names_each_address_and_reason, const struct failure *failure, failures) {
	struct endpoint peers[3] = {0};
	unsigned ports[3] = {0};
	int interrupt[2];
	size_t count = 0;
	for (; count < 3 && failure->ip[count]; count++)
		peers[count] = peer_at(failure->ip[count], failure->peers[count]);
	for (size_t i = 0; i < count; i++)
		ports[i] = ntohs(peers[failure->order[i]].as.v4.sin_port);
	assert_int_equal(pipe2(interrupt, O_CLOEXEC), 0);
	keep(interrupt[0]);
	if (failure->interrupted)
		close(interrupt[1]);
	else
		keep(interrupt[1]);
	const struct connect_terms terms = {.timeout = failure->timeout,
					    .interrupt_fd = interrupt[0]};
	size_t before = open_descriptors();
	int result = connect_first(peers, count, &terms, &reached, &error);
	assert_int_equal(open_descriptors(), before);
	char text[sizeof(error.message)];
	snprintf(text, sizeof(text), failure->text, ports[0], ports[1], ports[2]);
	assert_string_equal(error.message, text);
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, text);
}

// A client is given the port that it asks for: here because it asks for that as well.
TEST(a_connection_to_itself_is_none) {
	for (const char *const *ip = STRINGS("127.0.0.1", "::1"); *ip; ip++) {
		struct endpoint own = peer_at(*ip, REFUSES);
		close(sockets[--socket_count]); // its port is free
		const struct connect_terms terms = {
			.timeout = TIMEOUT, .interrupt_fd = -1, .source = &own};
		assert_int_equal(connect_first(&own, 1, &terms, &reached, &error), -1);
		assert_contains(error.message, ": connected to itself: no server listens there");
		// Its port is not held for a minute (TIME_WAIT).
		int fd = keep(socket(own.as.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
		assert_int_equal(bind(fd, &own.as.any, own.length), 0);
	}
}

TEST(a_source_is_where_it_comes_from) {
	struct endpoint peer = peer_at("127.0.0.1", LISTENS);
	struct endpoint source = endpoint_of("127.0.0.9", 0), local = {.length = sizeof(local.as)};
	const struct connect_terms terms = {
		.timeout = TIMEOUT, .interrupt_fd = -1, .source = &source};
	int fd = connect_first(&peer, 1, &terms, &reached, NULL);
	assert_true(fd >= 0);
	assert_int_equal(socket_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
	assert_int_equal(getsockname(fd, &local.as.any, &local.length), 0);
	assert_int_equal(local.as.v4.sin_addr.s_addr, source.as.v4.sin_addr.s_addr);
	close(fd);
}

static void *accept_two(void *listener) {
	for (int i = 0; i < 2; i++)
		close(accept4(*(const int *)listener, NULL, NULL, SOCK_CLOEXEC));
	return NULL;
}

TEST(a_full_backlog_is_waited_for) {
	struct endpoint endpoint;
	assert_int_equal(endpoint_from_path(place_path("s"), &endpoint, NULL), 0);
	int listener = keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind(listener, &endpoint.as.any, endpoint.length), 0);
	assert_int_equal(listen(listener, 0), 0);
	const struct connect_terms terms = {.timeout = SHORT, .interrupt_fd = -1};
	keep(connect_first(&endpoint, 1, &patient, &reached, NULL));
	assert_int_equal(connect_first(&endpoint, 1, &terms, &reached, &error), -1);
	assert_contains(error.message, ": no answer within 20.0 ms");
	pthread_t thread = thread_begin(accept_two, &listener);
	keep(connect_first(&endpoint, 1, &patient, &reached, NULL));
	thread_end(thread);
}

TEST(no_more_than_sixteen_addresses_are_tried) {
	struct endpoint peers[CONNECT_ADDRESSES + 1];
	for (size_t i = 0; i < CONNECT_ADDRESSES; i++)
		peers[i] = peer_at("127.0.0.1", REFUSES);
	peers[CONNECT_ADDRESSES] = peer_at("127.0.0.1", LISTENS);
	assert_int_equal(connect_first(peers, COUNT_OF(peers), &patient, &reached, NULL), -1);
	keep(connect_first(peers + 1, COUNT_OF(peers) - 1, &patient, &reached, NULL));
}
