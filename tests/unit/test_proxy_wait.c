// Connections that wait for their PROXY header: server/proxy_wait. Time is the real one and what
// the test adds to it.
#include "expect.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "later.h"
#include "net/socket.h"
#include "peer.h"
#include "process.h"
#include "server/proxy_wait.h"

#define HEADER "PROXY TCP4 192.0.2.1 192.0.2.2 9 7\r\n"
#define PAYLOAD "hello"

static bool set_is_full;
static bool vanishes; // the peer, once it has been peeked at

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event)) {
	if (operation != EPOLL_CTL_ADD || !set_is_full)
		return __real_epoll_ctl(epoll, operation, fd, event);
	errno = ENOSPC;
	return -1;
}

WRAP(ssize_t, socket_receive, (int fd, void *bytes, size_t size, int flags)) {
	if (!vanishes || (flags & MSG_PEEK))
		return __real_socket_receive(fd, bytes, size, flags);
	errno = ECONNRESET;
	return -1;
}

static struct waker waker;
static struct admission admission;
static struct proxy_wait proxies;
static struct trust trust;
static int listener;
static uint16_t port;

// What has become of the last connection.
static struct conn_origin done;
static char proxy[ADDRESS_TEXT_SIZE]; // its address, if it has told another
static unsigned admitted, refused;
static enum counter why;

static void admit(void *context, const struct conn_origin *origin, const union inet_end *told_by) {
	assert_ptr_equal(context, &proxies);
	done = *origin;
	admitted++;
	proxy[0] = '\0';
	if (told_by)
		inet_end_format(told_by, proxy);
}

static void refuse(void *context, const struct conn_origin *origin, enum counter counter,
		   enum complaint complaint, const char *what) {
	assert_ptr_equal(context, &proxies);
	done = *origin;
	refused++;
	why = counter;
	assert_int_equal(counter - COUNTER_proxy_rejected_untrusted,
			 complaint - COMPLAINT_proxy_untrusted);
	assert_non_null(strstr(what, ", reset a connection from "));
	peer_close(done.fd);
}

BEFORE_EACH {
	later = admitted = refused = 0;
	set_is_full = vanishes = false;
	trust = (struct trust){0};
	assert_int_equal(trust_add(&trust, "127.0.0.1", NULL), 0);
	assert_int_equal(waker_open(&waker, NULL), 0);
	assert_int_equal(admission_open(&admission, PROXY_WAIT_MAX, 0, 64, &waker, NULL), 0);
	assert_int_equal(proxy_wait_open(&proxies, &admission, NULL), 0);
	proxies.context = &proxies;
	proxies.admit = admit;
	proxies.refuse = refuse;
	listener = peer_listen(0, 128, &port);
}

AFTER_EACH {
	proxy_wait_review(&proxies, false, CLOCK_NEVER);
	proxy_wait_close(&proxies);
	admission_close(&admission);
	waker_close(&waker);
	peer_close(listener);
}

static bool is_ready(void) {
	struct pollfd ready = {.fd = proxies.epoll, .events = POLLIN};
	return poll(&ready, 1, 0) == 1;
}

// As the acceptor does it.
static void review(void) { proxy_wait_review(&proxies, is_ready(), clock_now()); }

// Hands over the server's end of a connection, whose client's is returned. Then `bytes` have come.
static int begin(const void *bytes, size_t size) {
	int client = peer_connect(test_text("127.0.0.1:%u", port));
	struct endpoint from = {.length = sizeof(from.as)};
	struct conn_origin origin = {.accepted_at = clock_now()};
	if (size)
		peer_send(client, bytes, size);
	origin.fd = accept(listener, &from.as.any, &from.length);
	assert_true(origin.fd >= 0);
	origin.peer = inet_end_from(&from);
	if (size)
		wait_until(peer_is_readable(origin.fd));
	proxy_wait_add(&proxies, &trust, &origin);
	return client;
}

// The connection is admitted with all that follows the header.
static void expect_admitted(int client) {
	char text[ADDRESS_TEXT_SIZE];
	assert_int_equal(admitted, 1);
	assert_int_equal(refused, 0);
	assert_string_equal(inet_end_format(&done.peer, text), "192.0.2.1:9");
	assert_int_equal(strncmp(proxy, "127.0.0.1:", 10), 0);
	peer_expect_text(done.fd, PAYLOAD);
	assert_int_equal(admission_reserved(&admission), 0);
	peer_close(done.fd);
	peer_close(client);
}

static void expect_refused(enum counter counter) {
	assert_int_equal(admitted, 0);
	assert_int_equal(refused, 1);
	assert_int_equal(why, counter);
	assert_int_equal(admission_reserved(&admission), 0);
}

TEST(a_header_that_is_there_is_taken_at_once) {
	expect_admitted(begin(HEADER PAYLOAD, strlen(HEADER PAYLOAD)));
}

TEST(a_header_that_comes_later_is_taken) {
	int client = begin(NULL, 0);
	assert_int_equal(admission_reserved(&admission), 1);
	assert_false(is_ready());
	peer_send(client, HEADER PAYLOAD, strlen(HEADER PAYLOAD));
	wait_until(is_ready());
	review();
	// What comes now is not for this set, even if a child of the host holds the descriptor.
	int held = dup(done.fd);
	peer_send(client, "x", 1);
	expect_admitted(client);
	assert_false(is_ready());
	peer_close(held);
}

// Each byte is an event; none is missed, and none is seen twice.
TEST(a_header_may_come_byte_by_byte) {
	int client = begin(NULL, 0);
	for (size_t i = 0; i < strlen(HEADER); i++) {
		assert_int_equal(admitted, 0);
		peer_send(client, &HEADER[i], 1);
		wait_until(is_ready());
		review();
		assert_false(is_ready());
	}
	peer_send(client, PAYLOAD, strlen(PAYLOAD));
	expect_admitted(client);
}

// The time is for the whole header; what keeps coming does not prolong it.
TEST(the_deadline_is_absolute) {
	uint64_t begun = clock_now();
	int client = begin(HEADER, 5);
	uint64_t soonest = proxies.soonest;
	assert_in_range(soonest, begun + 3 * NS_PER_S, clock_now() + 3 * NS_PER_S);
	later = 2900 * NS_PER_MS;
	peer_send(client, &HEADER[5], 1);
	wait_until(is_ready());
	review();
	if (clock_now() < soonest) // unless the machine slept
		assert_int_equal(refused, 0);
	later = 3000 * NS_PER_MS;
	review();
	expect_refused(COUNTER_proxy_rejected_timeout);
	assert_true(proxies.soonest == CLOCK_NEVER);
	peer_expect_closed(client);
}

TEST(the_deadlines_of_others_stay) {
	int first = begin(NULL, 0);
	later = NS_PER_S;
	uint64_t second_begun = clock_now();
	int second = begin(NULL, 0);
	uint64_t second_until = clock_now() + 3 * NS_PER_S;
	later = 2 * NS_PER_S;
	int third = begin(NULL, 0);
	later = 3 * NS_PER_S;
	review();
	assert_int_equal(refused, 1);
	assert_in_range(proxies.soonest, second_begun + 3 * NS_PER_S, second_until);
	later = 4 * NS_PER_S;
	review();
	assert_int_equal(refused, 2);
	peer_close(first);
	peer_close(second);
	peer_close(third);
}

// What has come by the last moment counts.
TEST(a_header_in_the_last_moment_is_taken) {
	int client = begin(NULL, 0);
	peer_send(client, HEADER PAYLOAD, strlen(HEADER PAYLOAD));
	wait_until(is_ready());
	later = 3 * NS_PER_S;
	proxy_wait_review(&proxies, false, clock_now());
	expect_admitted(client);
}

TEST(without_a_place_in_the_epoll_set_it_is_taken_at_the_deadline) {
	set_is_full = true;
	int client = begin(NULL, 0);
	peer_send(client, HEADER PAYLOAD, strlen(HEADER PAYLOAD));
	later = 3 * NS_PER_S;
	review();
	expect_admitted(client);
}

TEST(an_end_is_seen_at_once,
     .with = {"FIN", "FIN within the header", "reset", "reset within the header", "half-close"}) {
	const char *how = test_with();
	bool is_within = strstr(how, "within") || strcmp(how, "half-close") == 0;
	int client = begin(HEADER, is_within ? 10 : 0);
	if (strncmp(how, "reset", 5) == 0)
		peer_reset(client);
	else if (strcmp(how, "half-close") == 0)
		peer_half_close(client);
	else
		peer_close(client);
	wait_until(is_ready());
	review();
	expect_refused(COUNTER_proxy_rejected_eof);
	if (strcmp(how, "half-close") == 0)
		peer_close(client);
}

TEST(a_reset_after_the_header_is_seen) {
	vanishes = true;
	int client = begin(HEADER, strlen(HEADER));
	expect_refused(COUNTER_proxy_rejected_eof);
	peer_expect_closed(client);
}

TEST(an_end_before_it_was_accepted_is_seen) {
	int client = peer_connect(test_text("127.0.0.1:%u", port));
	peer_send(client, HEADER, 10);
	peer_close(client);
	struct conn_origin origin = {
		.fd = accept(listener, NULL, NULL),
		.peer.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	proxy_wait_add(&proxies, &trust, &origin);
	wait_until(is_ready());
	review();
	expect_refused(COUNTER_proxy_rejected_eof);
}

TEST(a_header_and_fin_are_no_refusal) {
	int client = begin(NULL, 0);
	peer_send(client, HEADER PAYLOAD, strlen(HEADER PAYLOAD));
	peer_half_close(client);
	wait_until(is_ready());
	review();
	expect_admitted(client);
}

static const struct row {
	const char *name, *bytes;
	size_t size;
	enum counter counter;
} rows[] = {
	{"malformed", "GET /", 5, COUNTER_proxy_rejected_malformed},
	{"too_large", "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 16, COUNTER_proxy_rejected_too_large},
	{"version", "\r\n\r\n\0\r\nQUIT\n\x11", 13, COUNTER_proxy_rejected_version},
	{"crc", "\r\n\r\n\0\r\nQUIT\n\x21\0\0\7\3\0\4\0\0\0\0", 23, COUNTER_proxy_rejected_crc},
};

TEST_ROWS(each_reason_has_a_counter, const struct row *row, rows) {
	int client = begin(row->bytes, row->size);
	expect_refused(row->counter);
	peer_close(client);
}

// Before a byte is read: the header is right.
TEST(an_untrusted_peer_is_refused) {
	trust = (struct trust){0};
	assert_int_equal(trust_add(&trust, "127.0.0.2", NULL), 0);
	int client = begin(HEADER, strlen(HEADER));
	expect_refused(COUNTER_proxy_rejected_untrusted);
	peer_close(client);
}

TEST(without_a_told_client_it_is_the_peer) {
	int client = begin("PROXY UNKNOWN\r\n" PAYLOAD, strlen("PROXY UNKNOWN\r\n" PAYLOAD));
	struct endpoint ours = {.length = sizeof(ours.as)};
	assert_int_equal(getsockname(client, &ours.as.any, &ours.length), 0);
	const union inet_end end = inet_end_from(&ours);
	assert_int_equal(admitted, 1);
	assert_memory_equal(&done.peer.v4.sin_port, &end.v4.sin_port, sizeof(in_port_t));
	assert_true(inet_end_same_address(&done.peer, &end));
	assert_string_equal(proxy, "");
	peer_expect_text(done.fd, PAYLOAD);
	peer_close(done.fd);
	peer_close(client);
}

// Its own time begins when it is admitted, so that --idle-timeout does not count the wait.
TEST(the_wait_is_not_the_connections_time) {
	int client = begin(NULL, 0);
	uint64_t begun = clock_now();
	later = 2 * NS_PER_S;
	peer_send(client, HEADER PAYLOAD, strlen(HEADER PAYLOAD));
	wait_until(is_ready());
	review();
	assert_true(done.accepted_at >= begun + 2 * NS_PER_S);
	expect_admitted(client);
}

TEST(there_is_room_for_so_many) {
	static int clients[PROXY_WAIT_MAX];
	set_descriptor_limit(2 * PROXY_WAIT_MAX + 100);
	for (size_t i = 0; i < PROXY_WAIT_MAX; i++) {
		assert_non_null(proxies.free);
		clients[i] = begin(NULL, 0);
	}
	assert_null(proxies.free);
	assert_int_equal(admission_reserved(&admission), PROXY_WAIT_MAX);
	assert_false(admission_has_room(&admission)); // which has the same limit here
	for (size_t i = 0; i < PROXY_WAIT_MAX; i += 2)
		peer_close(clients[i]);
	wait_until((review(), refused == PROXY_WAIT_MAX / 2));
	assert_non_null(proxies.free);
	later = 3600 * NS_PER_S;
	review();
	assert_int_equal(refused, PROXY_WAIT_MAX);
	for (size_t i = 1; i < PROXY_WAIT_MAX; i += 2)
		peer_close(clients[i]);
}
