// Scenario: what goes in comes out. All sizes, all kinds of address, all bytes.
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

static void test_sizes(void **state)
{
	(void)state;
	static const uint64_t sizes[] = {1,	 2,	 3,	  7,	   64,	    1000,  1024,
					 4095,	 4096,	 4097,	  65535,   65536,   65537, 131072,
					 262144, 999983, 1 << 20, 8 << 20, 64 << 20};
	struct daemon *daemon = daemon_start(NULL);
	uint64_t total = 0;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int fd = peer_connect(daemon->address[0]);
		peer_echo(fd, i + 1, sizes[i]);
		peer_close(fd);
		total += sizes[i];
	}
	stats_wait(daemon, "connections_closed_peer", sizeof(sizes) / sizeof(sizes[0]));
	assert_int_equal(stats_counter(daemon, "bytes_received"), total);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), total);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 0);
	daemon_stop(daemon);
}

static void test_random_sizes_on_one_connection(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "1", NULL);
	int fd = peer_connect(daemon->address[0]);
	uint64_t numbers = 42;
	for (uint64_t i = 0; i < 200; i++)
		peer_echo(fd, i, pattern_number(&numbers, 1, 200000));
	peer_close(fd);
	stats_wait(daemon, "connections_closed_peer", 1);
	daemon_stop(daemon);
}

static void test_dribble(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start(NULL);
	int fd = peer_connect(daemon->address[0]);
	stream_run(&(struct stream){.fd = fd, .seed = 5, .total = 3000, .chunk = 1}, 1);
	for (int i = 0; i < 256; i++) {
		char there = (char)i, back;
		peer_send(fd, &there, 1);
		peer_receive(fd, &back, 1);
		assert_int_equal(there, back);
	}
	// Each of those bytes was waited for, so each was a message of its own.
	assert_true(stats_counter(daemon, "messages") > 256);
	peer_close(fd);
	daemon_stop(daemon);
}

static void test_many_small_messages(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start(NULL);
	int fd = peer_connect(daemon->address[0]);
	for (int i = 0; i < 5000; i++)
		peer_ping(fd);
	assert_int_equal(stats_counter(daemon, "messages"), 5000);
	peer_close(fd);
	daemon_stop(daemon);
}

static void test_bytes_that_could_mean_something(void **state)
{
	(void)state;
	static const char *const texts[] = {"%n%n%s%p\n", "\r\n.\r\n", "stats json\nstop\n",
					    "\x1b[2J\x07", "GET / HTTP/1.0\r\n\r\n"};
	struct daemon *daemon = daemon_start("--log-level", "debug", NULL);
	int fd = peer_connect(daemon->address[0]);
	char back[1 << 16];
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
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
	daemon_stop(daemon);
}

static void test_every_kind_of_address(void **state)
{
	(void)state;
	char path[128];
	snprintf(path, sizeof(path), "unix:%s", place_path("echo"));
	struct daemon *daemon = daemon_start("--listen", "127.0.0.1:0", "--listen", "[::1]:0",
					     "--listen", path, "--listen", "127.0.0.2:0", NULL);
	assert_int_equal(daemon->address_count, 4);
	assert_string_equal(daemon->address[2], path);
	assert_true(strncmp(daemon->address[1], "[::1]:", 6) == 0);
	for (size_t i = 0; i < daemon->address_count; i++) {
		int fd = peer_connect(daemon->address[i]);
		peer_echo(fd, i, 300000);
		peer_close(fd);
	}
	stats_wait(daemon, "connections_closed_peer", 4);
	daemon_stop(daemon);
}

static void test_all_interfaces_in_both_families(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--listen", ":0", NULL);
	static const char *const hosts[] = {"127.0.0.1", "[::1]", "127.0.0.9"};
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char address[64];
		snprintf(address, sizeof(address), "%s:%u", hosts[i], daemon->port);
		int fd = peer_connect(address);
		peer_echo(fd, i, 100000);
		peer_close(fd);
	}
	stats_wait(daemon, "connections_closed_peer", 3);
	daemon_stop(daemon);
}

static void test_host_name(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_spawn(&(struct process_spec){
		.arguments = (const char *const[]){"--listen", "localhost:0", NULL}});
	// How many addresses that name has is the host's business: wait for the first line.
	wait_until(strchr(process_output(daemon->process, NULL), '\n'));
	char address[128];
	assert_int_equal(
		sscanf(process_output(daemon->process, NULL), "listening on %127s", address), 1);
	int fd = peer_connect(address);
	peer_ping(fd);
	peer_close(fd);
	daemon_stop(daemon);
}

static void test_small_buffers(void **state)
{
	(void)state;
	static const char *const sizes[] = {"1", "7", "100"};
	for (size_t i = 0; i < 3; i++) {
		struct daemon *daemon = daemon_start("--buffer-size", sizes[i], NULL);
		int fd = peer_connect(daemon->address[0]);
		stream_run(
			&(struct stream){.fd = fd, .seed = i, .total = 20001, .half_close = true},
			1);
		peer_close(fd);
		stats_wait(daemon, "connections_closed_peer", 1);
		uint64_t most = strtoull(sizes[i], NULL, 10);
		assert_true(stats_counter(daemon, "messages") >= 20001 / most);
		daemon_stop(daemon);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		daemon_test_each(test_sizes),
		daemon_test_with(test_sizes, "--spin", "1ms"),
		daemon_test_each(test_random_sizes_on_one_connection),
		daemon_test_each(test_dribble),
		daemon_test_each(test_many_small_messages),
		daemon_test_with(test_many_small_messages, "--spin", "1ms"),
		daemon_test_each(test_bytes_that_could_mean_something),
		daemon_test_each(test_every_kind_of_address),
		daemon_test(test_all_interfaces_in_both_families),
		daemon_test(test_host_name),
		daemon_test_each(test_small_buffers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
