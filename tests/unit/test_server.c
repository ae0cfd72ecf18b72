// A server's life: build, start, open, drain, join, free, and what stops it half-way:
// server/server.
#include "expect.h"

#include <sys/socket.h>

#include "inside.h"
#include "peer.h"
#include "place.h"
#include "process.h"

static unsigned creations_left; // pthread_create fails from then on

WRAP(int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)) {
	if (creations_left == 0)
		return EAGAIN;
	creations_left--;
	return __real_pthread_create(thread, attributes, run, argument);
}

static size_t descriptors_before;

static void configure(void) {
	creations_left = 1000;
	inside_configure();
	place_path("."); // made before descriptors are counted
	descriptors_before = open_descriptors();
}

static void nothing_left(void) {
	assert_true(open_descriptors() == descriptors_before && threads_become(0));
}

// Most tests take a server that runs; some configure it before.
BEFORE_EACH {
	configure();
	inside_start();
}

AFTER_EACH {
	inside_end();
	nothing_left();
}

#define HOUR (3600 * NS_PER_S)
#define NOT_STARTED .setup = configure, .teardown = nothing_left

TEST(it_listens_on_all_its_addresses, NOT_STARTED) {
	inside_listen("127.0.0.1:0");
	inside_listen("127.0.0.2:0");
	inside_listen(place_address("s"));
	inside_start();
	assert_int_equal(inside->server.listener_count, 3);
	for (size_t i = 0; i < 3; i++) {
		peer_visit(inside->server.names[i]);
		const char *colon = strrchr(inside->server.names[i], ':');
		assert_int_equal(inside->server.ports[i], i < 2 ? atoi(colon + 1) : 0);
	}
	wait_until(inside_gauge(GAUGE_connections_open) == 0);
	inside_end();
	assert_false(place_exists(place_path("s")));
}

TEST(a_server_at_rest_has_named_threads_and_unknown_memory) {
	char name[16];
	assert_int_equal(pthread_getname_np(inside->server.acceptor, name, sizeof(name)), 0);
	assert_string_equal(name, "echod/accept");
	assert_true(threads_become(1 + 2));
	uint64_t used = inside_counter(COUNTER_cpu_seconds);
	assert_true(used > 0);
	yield_until(inside_counter(COUNTER_cpu_seconds) > used + NS_PER_MS);
	// Without jemalloc.
	assert_true(inside_gauge(GAUGE_memory_allocated_bytes) == STATS_UNKNOWN);
	assert_true(inside_gauge(GAUGE_memory_resident_bytes) == STATS_UNKNOWN);
	assert_in_range(inside_gauge(GAUGE_uptime_seconds), 1, PATIENCE);
	assert_in_range(clock_wall() - inside_gauge(GAUGE_start_time_seconds), 1, PATIENCE);
	// Thousands of workers fit into the address space.
	pthread_attr_t attributes;
	size_t stack = 0;
	pthread_getattr_np(inside->server.acceptor, &attributes);
	pthread_attr_getstacksize(&attributes, &stack);
	pthread_attr_destroy(&attributes);
	assert_in_range(stack, 256 << 10, 4 << 20);
}

TEST(connections_beyond_the_workers_are_queued, .setup = configure) {
	inside->config.patience = CLOCK_NEVER;
	inside_start();
	int clients[5];
	inside_connect(clients, 5);
	wait_until(inside_gauge(GAUGE_connections_open) == 5 &&
		   inside_gauge(GAUGE_queue_depth) == 3 &&
		   inside_gauge(GAUGE_connections_serving) == 2);
	assert_int_equal(inside_gauge(GAUGE_connections_queued), 3);
	assert_int_equal(inside_gauge(GAUGE_workers), 2);
	assert_int_equal(inside_gauge(GAUGE_workers_busy), 2);
	assert_int_equal(inside_gauge(GAUGE_workers_idle), 0);
	assert_true(inside_gauge(GAUGE_queue_depth_max) >= 3);
	for (size_t i = 0; i < 5; i++) // in the order they came
		peer_ping_last(clients[i]);
	wait_until(inside_counter(COUNTER_connections_closed_peer) == 5);
	assert_int_equal(inside_gauge(GAUGE_workers_idle), 2);
	assert_int_equal(inside_counter(COUNTER_bytes_received), 5 * 64);
	assert_int_equal(inside_counter(COUNTER_bytes_sent), 5 * 64);
	assert_int_equal(inside_counter(COUNTER_connections_silent), 0);
}

TEST(quiet_connections_are_parked) {
	int clients[5];
	inside_connect(clients, 5);
	wait_until(inside_gauge(GAUGE_connections_parked) == 5);
	assert_int_equal(inside_gauge(GAUGE_workers_idle), 2);
	for (size_t i = 5; i-- > 0;)
		peer_ping(clients[i]);
	wait_until(inside_gauge(GAUGE_connections_parked) == 5);
	assert_true(inside_counter(COUNTER_unparks) >= 5);
	peer_close_all(clients, 5);
	wait_until(inside_counter(COUNTER_connections_closed_peer) == 5);
	assert_int_equal(inside_gauge(GAUGE_connections_parked), 0);
	assert_int_equal(inside_counter(COUNTER_bytes_sent), 5 * 64);
}

// TCP's urgent data ends a recv early, with more behind it (tcp(7)). The urgent byte itself is no
// part of the stream.
TEST(urgent_data_hides_nothing, .setup = configure) {
	inside->config.patience = 0;
	inside_start();
	int client = peer_connect(inside_address());
	for (int i = 0; i < 300; i++) {
		char bytes[6];
		peer_send(client, "abc", 3);
		assert_int_equal(send(client, "!", 1, MSG_OOB), 1);
		peer_send(client, "def", 3);
		peer_receive(client, bytes, sizeof(bytes));
		assert_memory_equal(bytes, "abcdef", sizeof(bytes));
	}
	peer_close(client);
}

TEST(a_drain_lets_connections_finish) {
	int client = peer_connect_served(inside_address());
	server_drain(&inside->server, 0, CLOCK_NEVER);
	assert_int_equal(inside_gauge(GAUGE_draining), 1);
	int taken; // until the listener is closed; a connect that is under way then is reset
	wait_until((taken = peer_try_connect(inside_address(), NULL)) < 0 ? errno == ECONNREFUSED
									  : (close(taken), false));
	peer_ping(client);
	assert_false(inside_is_done(0));
	peer_half_close(client);
	peer_expect_eof(client);
	inside_expect_done();
	// Clients that connected before the listener was closed have been taken in, too.
	assert_int_equal(inside_counter(COUNTER_connections_closed_peer) +
				 inside_counter(COUNTER_connections_closed_probe),
			 inside_counter(COUNTER_connections_accepted));
}

TEST(a_drain_aborts_at_its_deadline) {
	int client = peer_connect_served(inside_address());
	uint64_t before = clock_now();
	server_drain(&inside->server, 0, 100 * NS_PER_MS);
	peer_expect_eof(client); // all was echoed: an orderly end
	assert_true(clock_now() - before >= 100 * NS_PER_MS);
	inside_expect_done();
	assert_int_equal(inside_counter(COUNTER_connections_closed_drain), 1);
}

static uint64_t drain_alone(void) {
	configure();
	inside_start();
	peer_visit(inside_address());
	wait_until(inside_gauge(GAUGE_connections_open) == 0);
	uint64_t begun = clock_now();
	server_drain(&inside->server, 0, 3600 * NS_PER_S);
	inside_expect_done();
	uint64_t took = clock_now() - begun;
	inside_end();
	return took;
}

// Not when the acceptor looks around next. On a busy machine it may take longer.
TEST(with_nobody_there_a_drain_ends_at_once, NOT_STARTED) {
	wait_until(drain_alone() < NS_PER_S / 2);
}

TEST(the_last_drain_counts) {
	int clients[4]; // two served, two queued
	inside_connect(clients, 4);
	wait_until(inside_gauge(GAUGE_connections_open) == 4);
	server_drain(&inside->server, HOUR, CLOCK_NEVER);
	server_drain(&inside->server, 0, 0); // does not wait for the delay
	for (size_t i = 0; i < 4; i++)
		peer_expect_eof(clients[i]);
	inside_expect_done();
	assert_int_equal(inside_counter(COUNTER_connections_closed_drain), 4);
}

static const char *reason;

static bool is_ready(void) { return server_ready(&inside->server, &reason); }

// Lame duck: balancers see it, their clients are served.
TEST(a_drain_can_be_delayed) {
	int client = peer_connect_served(inside_address());
	assert_true(is_ready());
	assert_null(reason);
	assert_int_equal(inside_gauge(GAUGE_ready), 1);
	server_drain(&inside->server, HOUR, HOUR);
	assert_false(is_ready());
	assert_string_equal(reason, "draining");
	assert_int_equal(inside_gauge(GAUGE_ready), 0);
	assert_int_equal(inside_gauge(GAUGE_draining), 1);
	for (int i = 0; i < 10; i++)
		peer_visit(inside_address());
	assert_false(inside_is_done(0));
	server_hurry(&inside->server);
	int fd;
	wait_until((fd = peer_try_connect(inside_address(), NULL)) < 0 || (close(fd), false));
	assert_true(atomic_load(&inside->server.drain_deadline) <= clock_deadline(HOUR));
	peer_ping(client);
	wait_until(inside_gauge(GAUGE_connections_open) == 1);
	server_hurry(&inside->server);
	peer_expect_eof(client);
	inside_expect_done();
	assert_int_equal(inside_counter(COUNTER_connections_closed_drain), 1);
}

TEST(a_delay_ends_by_itself_and_then_the_time_out_counts) {
	int client = peer_connect_served(inside_address());
	uint64_t before = clock_now();
	server_drain(&inside->server, 100 * NS_PER_MS, 100 * NS_PER_MS);
	peer_visit(inside_address());
	peer_expect_eof(client);
	assert_true(clock_now() - before >= 200 * NS_PER_MS);
	inside_expect_done();
}

static void expect_delay(uint64_t delay, uint64_t timeout) {
	uint64_t left = server_drain_delay(&inside->server);
	uint64_t end = atomic_load(&inside->server.drain_at);
	uint64_t deadline = atomic_load(&inside->server.drain_deadline);
	assert_true(left <= delay && left + PATIENCE > delay);
	assert_true(deadline >= end + timeout - NS_PER_MS && deadline <= end + timeout + PATIENCE);
}

TEST(the_shortest_delay_and_the_last_time_out_count) {
	assert_int_equal(server_drain_delay(&inside->server), 0);
	server_drain(&inside->server, HOUR, 10 * NS_PER_S);
	expect_delay(HOUR, 10 * NS_PER_S);
	server_drain(&inside->server, 2 * HOUR, 3 * HOUR);
	expect_delay(HOUR, 3 * HOUR);
	server_drain(&inside->server, HOUR / 2, 2 * HOUR);
	expect_delay(HOUR / 2, 2 * HOUR);
	server_drain(&inside->server, HOUR, CLOCK_NEVER - 1);
	assert_true(atomic_load(&inside->server.drain_deadline) == CLOCK_NEVER);
	assert_false(inside_is_done(0));
	server_hurry(&inside->server);
	assert_int_equal(server_drain_delay(&inside->server), 0);
	inside_expect_done();
	server_drain(&inside->server, HOUR, 0); // the delay cannot begin again
	assert_int_equal(server_drain_delay(&inside->server), 0);
}

static uint64_t wait_for_header(void) {
	static const char header[] = "PROXY UNKNOWN\r\nx";
	int client = peer_connect(inside_address());
	wait_until(inside_gauge(GAUGE_connections_awaiting_header) == 1);
	uint64_t begun = clock_now();
	peer_send(client, header, strlen(header));
	peer_expect_text(client, "x");
	peer_close(client);
	return clock_now() - begun;
}

// Not when the acceptor looks around next. On a busy machine it may be later.
TEST(a_proxy_header_is_seen_at_once, .setup = configure) {
	inside_listen("127.0.0.1:0");
	inside->config.listen[0].proxy = true;
	assert_int_equal(trust_add(&inside->config.listen[0].trust, "127.0.0.1", NULL), 0);
	inside_start();
	wait_until(wait_for_header() < NS_PER_S);
}

TEST(at_its_limit_it_is_not_ready, .setup = configure) {
	inside->config.max_connections = 2;
	inside_start();
	int first = peer_connect_served(inside_address());
	int second = peer_connect_served(inside_address());
	assert_false(is_ready());
	assert_string_equal(reason, "at --max-connections");
	int third = peer_connect(inside_address());
	wait_until(inside_counter(COUNTER_accept_pauses) == 1);
	unsigned lines = atomic_load(&inside->lines);
	atomic_fetch_add(&inside->server.pool.lot.refused, 1); // there is a pause already
	waker_wake(&inside->server.acceptor_waker);
	wait_until(atomic_load(&inside->lines) > lines);
	peer_close(third);
	peer_close(first);
	wait_until(is_ready());
	peer_close(second);
}

TEST(until_clients_get_in_it_is_not_ready, NOT_STARTED) {
	assert_int_equal(inside_build(NULL), 0);
	assert_int_equal(server_start(&inside->server, NULL), 0);
	assert_false(is_ready());
	assert_string_equal(reason, "starting");
	assert_int_equal(server_open(&inside->server, NULL), 0);
	assert_true(is_ready());
	inside_end();
}

TEST(a_stuck_connection_is_aborted_with_a_reset) {
	int client = peer_connect(inside_address());
	static char bytes[65536];
	uint64_t sent = 0, until = clock_now() + PATIENCE;
	while (!inside_is_stuck(client)) { // until the buffers of both ends are full
		int64_t count = peer_send_some(client, bytes, sizeof(bytes));
		assert_true(count >= 0 && clock_now() < until);
		sent += (uint64_t)count;
	}
	assert_true(inside_counter(COUNTER_bytes_sent) < sent);
	server_drain(&inside->server, 0, 0);
	// A client that read before the acceptor has aborted it could still get its whole echo.
	wait_until(inside_counter(COUNTER_connections_closed_drain) == 1);
	peer_expect_reset(client); // its echo is not whole
	inside_expect_done();
}

static struct echod_error error;

static void expect_build_fails(const char *message) {
	assert_error(inside_build(&error), &error, ECHOD_ERROR_SYSTEM, message);
}

TEST(what_cannot_be_bound_leaves_nothing, NOT_STARTED) {
	inside_listen("127.0.0.1:0");
	inside_listen("192.0.2.1:7"); // not ours
	expect_build_fails("cannot listen on 192.0.2.1:7: Cannot assign requested address");
	assert_int_equal(open_descriptors(), descriptors_before);
	inside->config.listen_count = 1;
	inside_listen("no-such-host.invalid:7");
	expect_build_fails("cannot find host 'no-such-host.invalid'");
}

TEST(a_port_in_use_is_named, NOT_STARTED) {
	inside_use(1);
	inside_begin();
	const char *taken = inside_address();
	inside_use(0);
	inside_listen(taken);
	expect_build_fails(test_text("cannot listen on %s: Address already in use", taken));
	inside_use(1);
	inside_end();
	inside_use(0);
}

TEST(connections_are_held_against_the_descriptor_limit, NOT_STARTED) {
	rlim_t before = set_descriptor_limit(104);
	inside->config.max_connections = 64;
	expect_build_fails("64 connections take 105, allowed are 104 (see ulimit -n)");
	inside->config.max_connections = 0; // as many as there is room for, one at least
	for (unsigned spare = 0; spare <= 62; spare += 62) {
		inside->config.spare_descriptors = spare;
		assert_int_equal(inside_build(&error), 0);
		assert_int_equal(inside->server.config.max_connections, 63 - spare);
		server_free(&inside->server);
	}
	inside->config.inherited_count = 1;
	expect_build_fails("1 connections take 105, allowed are 104");
	set_descriptor_limit(before);
}

TEST(a_thread_that_cannot_be_created_stops_the_start, NOT_STARTED) {
	for (unsigned k = 0; k <= inside->config.workers; k++) {
		assert_int_equal(inside_build(&error), 0);
		creations_left = k;
		assert_error(server_start(&inside->server, &error), &error, ECHOD_ERROR_SYSTEM,
			     k < 2 ? "cannot create thread echod/work-"
				   : "cannot create thread echod/accept: ");
		assert_true(threads_become(0));
		server_free(&inside->server);
		assert_int_equal(open_descriptors(), descriptors_before);
	}
}

TEST(a_listener_that_cannot_be_opened_stops_the_start, NOT_STARTED) {
	place_file("s", "a file", 6);
	inside_listen("127.0.0.1:0");
	inside_listen(place_address("s"));
	assert_int_equal(inside_build(&error), 0);
	assert_int_equal(server_start(&inside->server, &error), 0);
	assert_int_equal(server_open(&inside->server, &error), -1);
	assert_contains(error.message, "it exists and is not a socket");
	// No client got in by the other address.
	assert_int_equal(peer_try_connect(inside->server.names[0], NULL), -1);
	inside_end();
	assert_true(place_exists(place_path("s")));
}
