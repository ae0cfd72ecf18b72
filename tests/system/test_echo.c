// Scenario: every byte comes back: of all sizes, all kinds of address, all values, and to a client
// that has ended its half.
#include "base/cmdline.h"
#include "peer.h"
#include "stats.h"

static void echo_once(const char *address, uint64_t seed, uint64_t bytes) {
	int fd = peer_connect(address);
	peer_echo(fd, seed, bytes);
	peer_close(fd);
}

DAEMON_TEST(sizes, (NULL), .with = {EACH_PATIENCE, "--spin 1ms"}) {
	static const uint64_t sizes[] = {1,	 2,	 3,	  7,	   64,	    1000,  1024,
					 4095,	 4096,	 4097,	  65535,   65536,   65537, 131072,
					 262144, 999983, 1 << 20, 8 << 20, 64 << 20};
	uint64_t total = 0;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		echo_once(daemon->address[0], i + 1, sizes[i]);
		total += sizes[i];
	}
	stats_wait(daemon, "connections_closed_peer", COUNT_OF(sizes));
	assert_int_equal(stats_counter(daemon, "bytes_received"), total);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), total);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 0);
}

DAEMON_TEST(random_sizes_on_one_connection, ("--workers", "1"), .with = {EACH_PATIENCE}) {
	int fd = peer_connect(daemon->address[0]);
	uint64_t numbers = 42;
	for (uint64_t i = 0; i < 200; i++)
		peer_echo(fd, i, pattern_number(&numbers, 1, 200000));
	peer_close(fd);
	stats_wait(daemon, "connections_closed_peer", 1);
}

DAEMON_TEST(dribble, (NULL), .with = {EACH_PATIENCE}) {
	int fd = peer_connect(daemon->address[0]);
	stream_run(&(struct stream){.fd = fd, .seed = 5, .total = 3000, .chunk = 1}, 1);
	for (int i = 0; i < 256; i++) {
		char there = (char)i, back;
		peer_send(fd, &there, 1);
		peer_receive(fd, &back, 1);
		assert_int_equal(there, back);
	}
	// The client waited for each of those bytes, so each was a message of its own.
	assert_true(stats_counter(daemon, "messages") > 256);
	peer_close(fd);
}

DAEMON_TEST(many_small_messages, (NULL), .with = {EACH_PATIENCE, "--spin 1ms"}) {
	int fd = peer_connect(daemon->address[0]);
	for (int i = 0; i < 5000; i++)
		peer_ping(fd);
	assert_int_equal(stats_counter(daemon, "messages"), 5000);
	peer_close(fd);
}

DAEMON_TEST(bytes_that_could_mean_something, ("--log-level", "debug"), .with = {EACH_PATIENCE}) {
	static const char *const texts[] = {"%n%n%s%p\n", "\r\n.\r\n", "stats json\nstop\n",
					    "\x1b[2J\x07", "GET / HTTP/1.0\r\n\r\n"};
	int fd = peer_connect(daemon->address[0]);
	char back[1 << 16];
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		peer_send(fd, texts[i], strlen(texts[i]));
		peer_receive(fd, back, strlen(texts[i]));
		assert_memory_equal(back, texts[i], strlen(texts[i]));
		assert_null(strstr(process_errors(daemon->process, NULL), texts[i]));
	}
	char all[1 << 16];
	for (int byte = 0; byte < 256; byte += 255) {
		memset(all, byte, sizeof(all));
		peer_send(fd, all, sizeof(all));
		peer_receive(fd, back, sizeof(back));
		assert_memory_equal(back, all, sizeof(all));
	}
	peer_close(fd);
}

DAEMON_TEST(every_kind_of_address,
	    ("--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", place_address("echo"),
	     "--listen", "127.0.0.2:0"),
	    .with = {EACH_PATIENCE}) {
	assert_int_equal(daemon->address_count, 4);
	assert_string_equal(daemon->address[2], place_address("echo"));
	assert_true(strncmp(daemon->address[1], "[::1]:", 6) == 0);
	for (size_t i = 0; i < daemon->address_count; i++)
		echo_once(daemon->address[i], i, 300000);
	stats_wait(daemon, "connections_closed_peer", 4);
}

DAEMON_TEST(all_interfaces_in_both_families, ("--listen", ":0")) {
	static const char *const hosts[] = {"127.0.0.1", "[::1]", "127.0.0.9"};
	for (size_t i = 0; i < COUNT_OF(hosts); i++)
		echo_once(test_text("%s:%u", hosts[i], daemon->port), i, 100000);
	stats_wait(daemon, "connections_closed_peer", 3);
}

// Sockets without a file, for all programs.
TEST(abstract_sockets) {
	const char *address = test_text("unix:@echod-test-%d", (int)getpid());
	const char *control_as_address = test_text("%s-ctl", address);
	const char *control = control_as_address + strlen("unix:");
	struct daemon *daemon = daemon_start("--listen", address, "--control", control);
	assert_string_equal(daemon->address[0], address);
	assert_false(place_exists(address + 5));
	peer_visit(address);
	assert_contains(OUTPUT_OF(ECHOCAT_PROGRAM, "-m", "hello", address), "hello");
	assert_contains(OUTPUT_OF(ECHOLOAD_PROGRAM, address, "-n", "10", "-c", "2", "--control",
				  control, "--allow-client-bound"),
			"faults");
	assert_contains(OUTPUT_OF(ECHOCTL_PROGRAM, "-c", control, "ping"), "pong");
	assert_contains(OUTPUT_OF(ECHOCTL_PROGRAM, "-c", control_as_address, "ping"), "pong");
	daemon_refuses(SPEC("--listen", address), EXIT_UNREACHABLE,
		       STRINGS(address + 5, "a live server has this name"));
	daemon_refuses(SPEC("--control", control), EXIT_UNREACHABLE,
		       STRINGS("control socket", control, "a live server has this name"));
	// Nothing is left of a server that was killed.
	process_kill(daemon->process);
	daemon_stop(daemon_start("--listen", address, "--control", control_as_address));
}

TEST(host_name) {
	struct daemon *daemon = daemon_spawn(SPEC("--listen", "localhost:0"));
	// One address is enough: their number depends on the host.
	assert_true(process_starts(daemon->process));
	char address[128];
	assert_int_equal(
		sscanf(process_output(daemon->process, NULL), "listening on %127s", address), 1);
	peer_visit(address);
	daemon_stop(daemon);
}

TEST(small_buffers, .with = {EACH_PATIENCE}) {
	static const char *const sizes[] = {"1", "7", "100"};
	for (size_t i = 0; i < 3; i++) {
		struct daemon *daemon = daemon_start("--buffer-size", sizes[i]);
		struct stream stream = stream_open(daemon->address[0], i, 20001);
		stream_finish(&stream, 1);
		stats_wait(daemon, "connections_closed_peer", 1);
		uint64_t most = strtoull(sizes[i], NULL, 10);
		assert_true(stats_counter(daemon, "messages") >= 20001 / most);
		daemon_stop(daemon);
	}
}

// The client ends its half: all that it has sent comes back, then the server's end.
DAEMON_TEST(half_close_at_random_lengths, ("--workers", "2"), .with = {EACH_PATIENCE}) {
	uint64_t numbers = 7;
	for (uint64_t i = 0; i < 100; i++) {
		uint64_t total = pattern_number(&numbers, 1, UINT64_C(2) << (i % 22));
		struct stream stream = stream_open(daemon->address[0], i, total);
		stream.chunk = pattern_number(&numbers, 1, 65536);
		stream_finish(&stream, 1);
	}
	stats_wait(daemon, "connections_closed_peer", 100);
}

// Fills every buffer on the way there and back before it reads the first byte.
DAEMON_TEST(half_close_before_the_server_can_send, ("--workers", "1"), .with = {EACH_PATIENCE}) {
	struct stream stream = stream_open(daemon->address[0], 3, 8 << 20);
	stream.sent = peer_fill(stream.fd, stream.seed, stream.total);
	stream_finish(&stream, 1);
	stats_wait(daemon, "connections_closed_peer", 1);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), stream.total);
}

DAEMON_TEST(half_closes_at_once, ("--workers", "3"), .with = {EACH_PATIENCE}) {
	struct stream streams[20];
	for (size_t i = 0; i < 20; i++) // the first sends none
		streams[i] = stream_open(daemon->address[0], 100 + i, 50000 * i);
	stream_finish(streams, 20);
	stats_wait(daemon, "connections_closed_peer", 19);
	stats_wait(daemon, "connections_closed_probe", 1);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 1);
}
