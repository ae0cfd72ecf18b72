// Scenario: clients that do not read. A time-out closes them, except while they make progress. The
// waits here are the spans under test, never a stand-in for a fact.
#include <sys/socket.h>

#include "peer.h"
#include "stats.h"

// Sends as much as it can, reads nothing. Returns whether the server has reset it.
static int flood(int fd) {
	static char bytes[1 << 18];
	int64_t sent = peer_send_some(fd, bytes, sizeof(bytes));
	assert_true(sent >= 0 || errno == ECONNRESET || errno == EPIPE);
	return sent < 0;
}

// Finding F4: as many clients that never read as there are workers.
DAEMON_TEST(clients_that_never_read_are_closed, ("--workers", "2", "--send-timeout", "300ms"),
	    .with = {EACH_PATIENCE}) {
	int stuck[2] = {peer_connect(daemon->address[0]), peer_connect(daemon->address[0])};
	stats_wait(daemon, "connections_taken", 2);
	int next = peer_connect(daemon->address[0]);
	peer_send(next, "x", 1);
	uint64_t begin = clock_now();
	wait_until(flood(stuck[0]) & flood(stuck[1])); // both each time
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	peer_expect_text(next, "x");
	stats_wait(daemon, "connections_closed_stalled", 2);
	stats_assert_laws(daemon);
	peer_close(next);
}

DAEMON_TEST(also_at_a_faulty_address,
	    ("--faulty", "127.0.0.1:0=flip=1g", "--send-timeout", "300ms")) {
	int fd = peer_connect(daemon->address[0]);
	uint64_t begin = clock_now();
	wait_until(flood(fd));
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	stats_wait(daemon, "connections_closed_stalled", 1);
}

// Sends without end and reads `piece` bytes every `pause` ms, for longer than the time-out.
static void read_slowly(struct daemon *daemon, int fd, size_t piece, int pause) {
	static char bytes[1 << 18];
	uint64_t begin = clock_now();
	while (clock_now() - begin < 3 * NS_PER_S) {
		assert_false(flood(fd));
		poll(NULL, 0, pause);
		for (size_t done = 0; done < piece && peer_is_readable(fd);) {
			ssize_t got = recv(fd, bytes, piece - done, MSG_DONTWAIT);
			if (got <= 0)
				fail_msg("closed after %ju ms: %s",
					 (uintmax_t)((clock_now() - begin) / NS_PER_MS),
					 got == 0 ? "end of stream" : strerror(errno));
			done += (size_t)got;
		}
	}
	assert_int_equal(stats_counter(daemon, "connections_closed_stalled"), 0);
	peer_close(fd);
	stats_wait(daemon, "connections_closed_reset", 1);
}

// Finding F5: 2 MiB/s for three times the time-out.
DAEMON_TEST(slow_reader_stays, ("--workers", "1", "--send-timeout", "1s"),
	    .with = {EACH_PATIENCE}) {
	read_slowly(daemon, peer_connect(daemon->address[0]), 1 << 17, 60);
}

// So slow that the server's send buffer has no room for longer than the time-out: each byte counts.
DAEMON_TEST(very_slow_reader_stays, ("--workers", "1", "--send-timeout", "1s"),
	    .with = {EACH_PATIENCE}) {
	read_slowly(daemon, peer_connect_narrow(daemon->address[0], 4096), 1 << 10, 30);
}
