// Scenario: the limits on connections, in both overload policies, and the one for a single source.
#include <sys/socket.h>

#include "network.h"
#include "peer.h"
#include "stats.h"

#define LIMIT 4

static void fill(struct daemon *daemon, int fds[LIMIT]) {
	for (size_t i = 0; i < LIMIT; i++)
		fds[i] = peer_connect_served(daemon->address[0]);
}

static bool is_served(int fd) {
	char byte = 'x';
	return send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
}

// Connects until there is room, as a close is counted before its place is free. Only these tries
// add to `rejected`.
static int expect_room(struct daemon *daemon, uint64_t rejected) {
	int fd = peer_try_connect(daemon->address[0], NULL);
	uint64_t until = clock_deadline(PATIENCE);
	for (; fd < 0 || !is_served(fd); fd = peer_try_connect(daemon->address[0], NULL)) {
		assert_true(clock_now() < until);
		rejected++;
		if (fd >= 0)
			peer_close(fd);
	}
	assert_int_equal(stats_counter(daemon, "connections_rejected_limit"), rejected);
	return fd;
}

// It is the default.
DAEMON_TEST(wait, ("--max-connections", "4"), .with = {EACH_PATIENCE, "--overload wait"}) {
	int fds[LIMIT];
	fill(daemon, fds);
	int later = peer_connect(daemon->address[0]);
	int last = peer_connect(daemon->address[0]);
	peer_send(later, "x", 1);
	peer_send(last, "y", 1);
	stats_wait_at_least(daemon, "accept_pauses", 1);
	assert_int_equal(stats_counter(daemon, "connections_open"), LIMIT);
	peer_expect_quiet(later);

	peer_close(fds[0]);
	peer_expect_text(later, "x");
	peer_expect_quiet(last);
	peer_close(fds[1]);
	peer_expect_text(last, "y");

	json_t *snapshot = stats_take(daemon);
	assert_int_equal(stats_get(snapshot, "connections_rejected_limit"), 0);
	assert_int_equal(stats_get(snapshot, "connections_accepted"), LIMIT + 2);
	assert_true(stats_number(snapshot, "accept_paused_seconds") > 0);
	peer_close_all((int[]){fds[2], fds[3], later, last}, 4);
}

// A close lets the next one in at once, without waiting for a timer.
DAEMON_TEST(room_is_noticed, ("--max-connections", "1")) {
	int fds[11];
	for (size_t i = 0; i < 11; i++) {
		fds[i] = peer_connect(daemon->address[0]);
		peer_send(fds[i], "x", 1);
	}
	uint64_t begin = clock_now();
	for (size_t i = 0; i < 11; i++) {
		peer_expect_text(fds[i], "x");
		if (i < 10)
			stats_wait_at_least(daemon, "accept_pauses", i + 1);
		peer_close(fds[i]);
	}
	assert_true(clock_now() - begin < 5 * NS_PER_S || sizeof(ECHOD_SANITIZE) > 1);
}

DAEMON_TEST(reset, ("--max-connections", "4", "--overload", "reset"), .with = {EACH_PATIENCE}) {
	int fds[LIMIT];
	fill(daemon, fds);
	for (uint64_t i = 1; i <= 3; i++) {
		peer_expect_rejected(daemon->address[0], NULL);
		stats_wait(daemon, "connections_rejected_limit", i);
	}
	stats_assert_laws(daemon);
	for (size_t i = 0; i < LIMIT; i++)
		peer_ping(fds[i]);
	peer_close(fds[0]);
	stats_wait(daemon, "connections_open", LIMIT - 1);
	int next = expect_room(daemon, 3);
	assert_int_equal(stats_counter(daemon, "accept_pauses"), 0);
	peer_close(next);
	peer_close_all(&fds[1], LIMIT - 1);
}

static int connect_from(const char *address, const char *source) {
	int fd = peer_try_connect(address, source);
	assert_true(fd >= 0);
	peer_ping(fd);
	return fd;
}

// An IPv4 client of an IPv6 socket is the same source as of an IPv4 socket.
DAEMON_TEST(one_source_in_both_families,
	    ("--max-per-source", "1", "--listen", "127.0.0.1:0", "--listen", ":0")) {
	const char *port = strrchr(daemon->address[1], ':');
	const char *mapped = test_text("127.0.0.1%s", port), *six = test_text("[::1]%s", port);
	int first = peer_connect_served(daemon->address[0]);
	peer_expect_rejected(mapped, NULL);
	stats_wait(daemon, "connections_rejected_source", 1);
	int other = peer_connect_served(six);
	peer_expect_rejected(six, NULL);
	stats_wait(daemon, "connections_rejected_source", 2);
	peer_close_all((int[]){first, other}, 2);
}

// A host may have all addresses of its network of 64 bits.
static void enter_two_networks(void) {
	network_enter();
	network_add_address("2001:db8::1");
	network_add_address("2001:db8::2");
	network_add_address("2001:db8:0:1::1");
}

DAEMON_TEST(one_network, ("--max-per-source", "1", "--listen", "[::]:0"),
	    .setup = enter_two_networks) {
	const char *target = test_text("[2001:db8::1]:%u", daemon->port);
	int first = connect_from(target, "[2001:db8::1]");
	peer_expect_rejected(target, "[2001:db8::2]");
	stats_wait(daemon, "connections_rejected_source", 1);
	int other = connect_from(target, "[2001:db8:0:1::1]");
	peer_close_all((int[]){first, other}, 2);
}
