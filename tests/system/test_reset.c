// Scenario: clients that leave badly. The server lives, counts why, and keeps nothing of theirs.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "peer.h"
#include "stats.h"

#define ROUNDS 200

static struct daemon *server;
static size_t descriptors; // of the server when only our control client is connected

BEFORE_EACH {
	server = daemon_start("--workers", "4", LISTEN_TCP_AND_UNIX);
	peer_visit(server->address[0]);
	stats_wait(server, "connections_open", 0);
	descriptors = process_descriptors(server->process);
}

AFTER_EACH {
	stats_wait(server, "connections_open", 0);
	wait_until(process_descriptors(server->process) == descriptors);
	peer_visit(server->address[0]);
	stats_wait(server, "connections_open", 0);
	daemon_stop(server);
}

TEST(reset_mid_echo, .with = {EACH_PATIENCE}) {
	uint64_t numbers = 11;
	char bytes[65536], back[65536];
	pattern_fill(1, 0, bytes, sizeof(bytes));
	for (int i = 0; i < ROUNDS; i++) {
		int fd = peer_connect(server->address[0]);
		size_t size = pattern_number(&numbers, 1, sizeof(bytes));
		peer_send(fd, bytes, size);
		peer_receive(fd, back, pattern_number(&numbers, 0, size));
		peer_reset(fd);
	}
	stats_wait(server, "connections_accepted", ROUNDS + 1);
	stats_wait(server, "connections_open", 0);
	uint64_t harmless = stats_counter(server, "connections_closed_reset_ok");
	assert_int_equal(stats_counter(server, "connections_closed_reset") + harmless, ROUNDS);
}

TEST(connect_and_leave, .with = {EACH_PATIENCE}) {
	for (int i = 0; i < ROUNDS; i++)
		peer_close(peer_connect(server->address[0]));
	stats_wait(server, "connections_silent", ROUNDS);
	stats_wait(server, "connections_closed_probe", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		peer_reset(peer_connect(server->address[0]));
	stats_wait(server, "connections_accepted", 2 * ROUNDS + 1);
	stats_wait(server, "connections_closed_probe", 2 * ROUNDS);
	assert_int_equal(stats_counter(server, "connections_closed_peer"), 1);
	assert_int_equal(stats_counter(server, "connections_silent"), 2 * ROUNDS);
}

static void ask_and_reset(int fd) {
	peer_ping(fd);
	peer_reset(fd);
}

// As HAProxy's tcp-check: it does not acknowledge the reply that it expects, and resets.
static void expect_and_reset(int fd) {
	int off = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
	ask_and_reset(fd);
}

static void reset_unread(int fd) {
	peer_fill(fd, 1, UINT64_MAX); // until the server can send no more
	peer_reset(fd);
}

// The counters say what an end may have cost the client.
TEST(ends_have_their_counters, .with = {EACH_PATIENCE}) {
	static const struct {
		void (*end)(int fd);
		const char *local, *tcp; // the counter, over AF_UNIX and over TCP
	} cases[] = {
		{peer_close, "probe", "probe"},		{peer_reset, "probe", "probe"},
		{peer_ping_last, "peer", "peer"},	{ask_and_reset, "peer", "reset_ok"},
		{expect_and_reset, "peer", "reset_ok"}, {reset_unread, "reset", "reset"},
	};
	for (int i = 0; i < 2 * (int)(COUNT_OF(cases)); i++) {
		const char *name = test_text("connections_closed_%s",
					     i % 2 ? cases[i / 2].local : cases[i / 2].tcp);
		uint64_t before = stats_counter(server, name);
		cases[i / 2].end(peer_connect(server->address[i % 2]));
		stats_wait(server, name, before + 1);
	}
}

// When a client closes with unread bytes, the kernel sends a reset. They have arrived, so nothing
// is lost.
TEST(close_without_reading, .with = {EACH_PATIENCE}) {
	char bytes[4096] = {0};
	for (int i = 0; i < ROUNDS; i++) {
		int fd = peer_connect(server->address[0]);
		peer_send(fd, bytes, sizeof(bytes));
		wait_until(peer_is_readable(fd));
		peer_close(fd);
	}
	stats_wait(server, "connections_closed_reset_ok", ROUNDS);
}

// The same, while the server waits for room to send.
TEST(leave_a_stuck_server, .with = {EACH_PATIENCE}) {
	for (int round = 0; round < 10; round++) {
		int fd = peer_connect(server->address[0]);
		peer_fill(fd, 1, UINT64_MAX);
		peer_close(fd);
		stats_wait(server, "connections_closed_reset", (uint64_t)round + 1);
	}
}
