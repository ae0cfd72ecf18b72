// Scenario: clients that leave badly. The server lives, counts why, and keeps nothing of theirs.
#include "daemon.h"
#include "peer.h"
#include "stats.h"

#define ROUNDS 200

// What the server has open with nobody connected but our control client.
static size_t baseline(struct daemon *daemon)
{
	int fd = peer_connect(daemon->address[0]);
	peer_ping(fd);
	peer_close(fd);
	stats_wait(daemon, "connections_open", 0);
	return process_descriptors(daemon->process);
}

static void assert_sound(struct daemon *daemon, size_t descriptors)
{
	stats_wait(daemon, "connections_open", 0);
	wait_until(process_descriptors(daemon->process) == descriptors);
	int fd = peer_connect(daemon->address[0]);
	peer_ping(fd);
	peer_close(fd);
	stats_wait(daemon, "connections_open", 0);
	daemon_stop(daemon);
}

static void test_reset_mid_echo(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "4", NULL);
	size_t descriptors = baseline(daemon);
	uint64_t numbers = 11;
	char bytes[65536];
	pattern_fill(1, 0, bytes, sizeof(bytes));
	for (int i = 0; i < ROUNDS; i++) {
		int fd = peer_connect(daemon->address[0]);
		size_t size = pattern_number(&numbers, 1, sizeof(bytes));
		peer_send(fd, bytes, size);
		char back[65536];
		peer_receive(fd, back, pattern_number(&numbers, 0, size));
		peer_reset(fd);
	}
	stats_wait(daemon, "connections_closed_reset", ROUNDS);
	assert_int_equal(stats_counter(daemon, "connections_accepted"), ROUNDS + 1);
	assert_sound(daemon, descriptors);
}

static void test_connect_and_leave(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "2", NULL);
	size_t descriptors = baseline(daemon);
	for (int i = 0; i < ROUNDS; i++)
		peer_close(peer_connect(daemon->address[0]));
	stats_wait(daemon, "connections_silent", ROUNDS);
	stats_wait(daemon, "connections_closed_peer", ROUNDS + 1);
	for (int i = 0; i < ROUNDS; i++)
		peer_reset(peer_connect(daemon->address[0]));
	stats_wait(daemon, "connections_accepted", 2 * ROUNDS + 1);
	stats_wait(daemon, "connections_closed_reset", ROUNDS);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 2 * ROUNDS);
	assert_sound(daemon, descriptors);
}

// Closing with unread bytes makes the kernel send a reset.
static void test_close_without_reading(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "2", NULL);
	size_t descriptors = baseline(daemon);
	char bytes[4096] = {0};
	for (int i = 0; i < ROUNDS; i++) {
		int fd = peer_connect(daemon->address[0]);
		peer_send(fd, bytes, sizeof(bytes));
		wait_until(peer_is_readable(fd));
		peer_close(fd);
	}
	stats_wait(daemon, "connections_closed_reset", ROUNDS);
	assert_sound(daemon, descriptors);
}

// The same, while the server waits for room to send.
static void test_leave_a_stuck_server(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "2", NULL);
	size_t descriptors = baseline(daemon);
	for (int round = 0; round < 10; round++) {
		int fd = peer_connect(daemon->address[0]);
		peer_fill(fd, 1, UINT64_MAX);
		peer_close(fd);
		stats_wait(daemon, "connections_closed_reset", (uint64_t)round + 1);
	}
	assert_sound(daemon, descriptors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		daemon_test_each(test_reset_mid_echo),
		daemon_test_each(test_connect_and_leave),
		daemon_test_each(test_close_without_reading),
		daemon_test_each(test_leave_a_stuck_server),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
