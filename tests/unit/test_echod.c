// The public interface of libechod, and that nothing is left behind: lib/echod.
#include "expect.h"

#include "ctl.h"
#include "embedded.h"
#include "peer.h"
#include "place.h"
#include "process.h"

#define PATIENCE_MS ((int)(PATIENCE / NS_PER_MS))

static size_t descriptors_before;
static struct echod *server; // of the running test

BEFORE_EACH {
	new_config();
	set("listen", "127.0.0.1:0");
	set("workers", "2");
	set("max-connections", "50");
	place_path(".");
	descriptors_before = open_descriptors();
}

// Nothing is left: no thread, no descriptor, no file.
AFTER_EACH {
	echod_free(server);
	server = NULL;
	free_config();
	assert_true(open_descriptors() == descriptors_before && threads_become(0) &&
		    !place_exists(place_path("c")) && !place_exists(place_path("s")));
}

TEST(bound_addresses_can_be_asked_for) {
	const char *local = place_address("s");
	set("listen", local);
	set("listen", "127.0.0.2:0");
	server = start();
	free_config(); // it is not needed any more
	config = NULL;
	assert_string_equal(echod_address(server, 1), local);
	assert_int_equal(echod_port(server, 1), 0);
	assert_null(echod_address(server, 3));
	assert_null(echod_address(server, SIZE_MAX));
	assert_int_equal(echod_port(server, 3), 0);
	assert_null(echod_control_path(server));
	for (size_t i = 0; i < 3; i += 2) {
		assert_string_equal(echod_address(server, i),
				    test_text("127.0.0.%zu:%u", i / 2 + 1, echod_port(server, i)));
		assert_true(echod_port(server, i) > 0);
	}
	for (size_t i = 0; i < 3; i++) {
		int client = peer_connect(echod_address(server, i));
		peer_echo(client, i, 1 << 20);
		peer_close(client);
	}
}

TEST(several_servers_share_nothing) {
	enum { SERVERS = 4 };
	struct echod *servers[SERVERS];
	int clients[SERVERS];
	for (int i = 0; i < SERVERS; i++) {
		set("control", place_path(test_text("c%d", i)));
		servers[i] = start();
		clients[i] = peer_connect(echod_address(servers[i], 0));
		for (int n = 0; n <= i; n++)
			peer_ping(clients[i]);
		for (int other = 0; other < i; other++)
			assert_int_not_equal(echod_port(servers[i], 0),
					     echod_port(servers[other], 0));
	}
	for (int i = 0; i < SERVERS; i++) {
		assert_int_equal(counter(servers[i], "messages"), i + 1);
		assert_int_equal(counter(servers[i], "connections_open"), 1);
	}
	echod_free(servers[1]); // the others go on
	peer_expect_eof(clients[1]);
	for (int i = 0; i < SERVERS; i++) {
		if (i == 1)
			continue;
		peer_ping(clients[i]);
		assert_int_equal(ctl_request(echod_control_path(servers[i]), "ping", NULL), 200);
		peer_close(clients[i]);
		echod_free(servers[i]);
	}
}

TEST(a_drain_can_be_waited_for) {
	server = start();
	struct pollfd done = {.fd = echod_fd(server), .events = POLLIN};
	int client = peer_connect_served(echod_address(server, 0));
	assert_int_equal(echod_wait(server, 0), 0);
	echod_drain(server, 3600 * 1000);
	uint64_t before = clock_now();
	assert_int_equal(echod_wait(server, 20), 0);
	assert_true(clock_now() - before >= 20 * NS_PER_MS);
	assert_int_equal(poll(&done, 1, 0), 0);
	peer_ping(client);
	peer_half_close(client);
	peer_expect_eof(client);
	assert_int_equal(echod_wait(server, -1), 1);
	assert_int_equal(echod_wait(server, 0), 1); // and again
	assert_int_equal(poll(&done, 1, 0), 1);
	assert_int_equal(counter(server, "connections_closed_peer"), 1);
	assert_int_equal(counter(server, "draining"), 1);
	echod_drain(server, -1); // too late for anything
	echod_stop(server);
}

TEST(a_drain_without_a_time_takes_the_setting) {
	set("drain-timeout", "50ms");
	server = start();
	int client = peer_connect_served(echod_address(server, 0));
	uint64_t before = clock_now();
	echod_drain(server, -1);
	assert_int_equal(echod_wait(server, PATIENCE_MS), 1);
	assert_true(clock_now() - before >= 50 * NS_PER_MS);
	peer_expect_eof(client);
	assert_int_equal(counter(server, "connections_closed_drain"), 1);
}

TEST(a_drain_with_a_delay_can_be_hurried) {
	set("drain-delay", "1h");
	server = start();
	int client = peer_connect_served(echod_address(server, 0));
	assert_int_equal(counter(server, "ready"), 1);
	echod_drain(server, 3600 * 1000);
	assert_int_equal(counter(server, "ready"), 0);
	peer_visit(echod_address(server, 0));
	echod_drain(server, 3600 * 1000); // does not change the delay
	peer_visit(echod_address(server, 0));
	echod_hurry(server); // the drain begins
	int fd;
	wait_until((fd = peer_try_connect(echod_address(server, 0), NULL)) < 0 ||
		   (peer_close(fd), false));
	assert_int_equal(echod_wait(server, 0), 0);
	peer_ping(client);
	echod_hurry(server); // and ends
	assert_int_equal(echod_wait(server, PATIENCE_MS), 1);
	peer_expect_eof(client);
}

TEST(a_stop_aborts_at_once, .with = {"a stop", "a drain of 0 ms"}) {
	server = start();
	int clients[5];
	for (size_t i = 0; i < 5; i++)
		clients[i] = peer_connect(echod_address(server, 0));
	wait_until(counter(server, "connections_open") == 5);
	echod_drain(server, 3600 * 1000);
	if (strcmp(test_with(), "a stop") == 0) // either moves the deadline
		echod_stop(server);
	else
		echod_drain(server, 0);
	assert_int_equal(echod_wait(server, PATIENCE_MS), 1);
	for (size_t i = 0; i < 5; i++)
		peer_expect_eof(clients[i]);
	assert_int_equal(counter(server, "connections_closed_drain"), 5);
}

TEST(a_running_server_says_its_version_and_can_be_freed) {
	server = start();
	assert_string_equal(echod_version(), ECHOD_VERSION);
	int client = peer_connect_served(echod_address(server, 0));
	echod_free(server);
	server = NULL;
	peer_expect_eof(client);
	echod_free(NULL);
	echod_snapshot_free(NULL);
}

TEST(a_snapshot_names_all_it_has) {
	server = start();
	struct echod_snapshot *snapshot = echod_snapshot_take(server);
	uint64_t value;
	size_t count = 0;
	for (const char *name; (name = echod_snapshot_name(snapshot, count)); count++)
		assert_int_equal(echod_snapshot_get(snapshot, name, &value),
				 strncmp(name, "memory_", 7) == 0 ? -1 : 0); // no jemalloc here
	assert_true(count > 30);
	assert_null(echod_snapshot_name(snapshot, SIZE_MAX));
	value = 77;
	assert_int_equal(echod_snapshot_get(snapshot, "no_such", &value), -1);
	assert_int_equal(value, 77);
	assert_int_equal(echod_snapshot_get(snapshot, "workers", &value), 0);
	assert_int_equal(value, 2);
	int client = peer_connect_served(echod_address(server, 0));
	assert_int_equal(echod_snapshot_get(snapshot, "messages", &value), 0);
	assert_int_equal(value, 0); // of its time
	assert_int_equal(counter(server, "messages"), 1);
	peer_close(client);
	echod_snapshot_free(snapshot);
}

static void expect_no_start(const char *message) {
	size_t before = open_descriptors();
	assert_null(echod_start(config, NULL)); // nobody listens
	struct echod_error error;
	assert_null(echod_start(config, &error));
	assert_null(strchr(error.message, '\n'));
	assert_error(-1, &error, ECHOD_ERROR_SYSTEM, message);
	// A live server has one more until it sees that we only looked, or while it counts its
	// CPUs. So it may have had one more before.
	wait_until(open_descriptors() <= before);
}

TEST(a_port_in_use_is_said_and_leaves_nothing) {
	server = start();
	set("listen", echod_address(server, 0));
	set("control", place_path("c"));
	expect_no_start("Address already in use");
	assert_true(threads_become(1 + 2)); // the first one's
}

TEST(a_live_control_socket_is_said_and_left_alone) {
	set("control", place_path("c"));
	server = start();
	expect_no_start("control socket (--control): ");
	expect_no_start("a live server is listening there");
	assert_string_equal(echod_control_path(server), place_path("c"));
	assert_int_equal(ctl_request(place_path("c"), "ping", NULL), 200);
}

TEST(a_file_in_the_way_is_said_and_left_alone) {
	place_file("file", "x", 1);
	set("listen", place_address("file"));
	set("control", place_path("c"));
	expect_no_start("it exists and is not a socket");
	assert_true(place_exists(place_path("file")));
}

TEST(a_host_that_is_not_there_and_too_many_connections_are_said) {
	set("listen", "no-such-host.invalid:7");
	expect_no_start("cannot find host 'no-such-host.invalid': ");
	set("max-connections", "1048576");
	expect_no_start("the limit on open descriptors is too low: 1048576 connections take ");
}

// A server a round, as a test suite would use it; 50 rounds show a leak.
TEST(it_can_be_started_again_and_again) {
	set("control", place_path("c"));
	for (int i = 0; i < 50; i++) {
		struct echod *one = start();
		int client = peer_connect(echod_address(one, 0));
		if (i % 2)
			peer_ping(client);
		if (i % 3 == 0)
			peer_reset(client);
		echod_free(one);
		if (i % 3)
			peer_expect_closed(client);
		assert_int_equal(open_descriptors(), descriptors_before);
		assert_true(threads_become(0));
	}
}
