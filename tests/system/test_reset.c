// Scenario: clients that leave badly. The server lives, counts why, and keeps nothing of theirs.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "daemon.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

#define ROUNDS 200

// What the server has open with nobody connected but our control client.
static size_t baseline(struct daemon *daemon) {
	peer_visit(daemon->address[0]);
	stats_wait(daemon, "connections_open", 0);
	return process_descriptors(daemon->process);
}

static void assert_sound(struct daemon *daemon, size_t descriptors) {
	stats_wait(daemon, "connections_open", 0);
	wait_until(process_descriptors(daemon->process) == descriptors);
	peer_visit(daemon->address[0]);
	stats_wait(daemon, "connections_open", 0);
	daemon_stop(daemon);
}

TEST(reset_mid_echo, .with = {EACH_PATIENCE}) {
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
	stats_wait(daemon, "connections_accepted", ROUNDS + 1);
	stats_wait(daemon, "connections_open", 0);
	uint64_t harmless = stats_counter(daemon, "connections_closed_reset_ok");
	assert_int_equal(stats_counter(daemon, "connections_closed_reset") + harmless, ROUNDS);
	assert_sound(daemon, descriptors);
}

TEST(connect_and_leave, .with = {EACH_PATIENCE}) {
	struct daemon *daemon = daemon_start("--workers", "2", NULL);
	size_t descriptors = baseline(daemon);
	for (int i = 0; i < ROUNDS; i++)
		peer_close(peer_connect(daemon->address[0]));
	stats_wait(daemon, "connections_silent", ROUNDS);
	stats_wait(daemon, "connections_closed_probe", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		peer_reset(peer_connect(daemon->address[0]));
	stats_wait(daemon, "connections_accepted", 2 * ROUNDS + 1);
	stats_wait(daemon, "connections_closed_probe", 2 * ROUNDS);
	assert_int_equal(stats_counter(daemon, "connections_closed_peer"), 1);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 2 * ROUNDS);
	assert_sound(daemon, descriptors);
}

static void leave(int fd) {
	peer_close(fd);
}

static void ask_and_leave(int fd) {
	peer_ping(fd);
	peer_close(fd);
}

static void ask_and_reset(int fd) {
	peer_ping(fd);
	peer_reset(fd);
}

// As HAProxy's tcp-check: it spares the acknowledgement of what it expects, and resets.
static void expect_and_reset(int fd) {
	int off = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	ask_and_reset(fd);
}

static void reset_unread(int fd) {
	peer_fill(fd, 1, UINT64_MAX); // until the server can send no more
	peer_reset(fd);
}

// What an end may have cost the client is told apart (field case D2).
TEST(ends_are_told_apart, .with = {EACH_PATIENCE}) {
	static const struct {
		void (*end)(int fd);
		const char *local, *tcp; // the counter, over AF_UNIX and over TCP
	} cases[] = {
		{leave, "probe", "probe"},
		{peer_reset, "probe", "probe"},
		{ask_and_leave, "peer", "peer"},
		{ask_and_reset, "peer", "reset_ok"},
		{expect_and_reset, "peer", "reset_ok"},
		{reset_unread, "reset", "reset"},
	};
	char local[128], name[64];
	snprintf(local, sizeof(local), "unix:%s", place_path("echo"));
	struct daemon *daemon = daemon_start("--listen", "127.0.0.1:0", "--listen", local, NULL);
	for (int i = 0; i < 2 * (int)(COUNT_OF(cases)); i++) {
		snprintf(name, sizeof(name), "connections_closed_%s",
			 i % 2 ? cases[i / 2].local : cases[i / 2].tcp);
		uint64_t before = stats_counter(daemon, name);
		cases[i / 2].end(peer_connect(daemon->address[i % 2]));
		stats_wait(daemon, name, before + 1);
	}
	daemon_stop(daemon);
}

// Closing with unread bytes makes the kernel send a reset. They have arrived: it lost nothing.
TEST(close_without_reading, .with = {EACH_PATIENCE}) {
	struct daemon *daemon = daemon_start("--workers", "2", NULL);
	size_t descriptors = baseline(daemon);
	char bytes[4096] = {0};
	for (int i = 0; i < ROUNDS; i++) {
		int fd = peer_connect(daemon->address[0]);
		peer_send(fd, bytes, sizeof(bytes));
		wait_until(peer_is_readable(fd));
		peer_close(fd);
	}
	stats_wait(daemon, "connections_closed_reset_ok", ROUNDS);
	assert_sound(daemon, descriptors);
}

// The same, while the server waits for room to send.
TEST(leave_a_stuck_server, .with = {EACH_PATIENCE}) {
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
