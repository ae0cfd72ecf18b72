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

// Sends without end and reads `piece` bytes every 30 ms, for three times the time-out. Returns
// false if the machine was so busy that this test itself was late.
static bool reads_slowly(int fd, size_t piece) {
	static char bytes[1 << 18];
	uint64_t begin = clock_now(), read = begin, done = 0;
	while (read - begin < 3 * NS_PER_S) {
		bool closed = flood(fd);
		poll(NULL, 0, 30);
		if (clock_now() - read > 700 * NS_PER_MS)
			return false;
		read = clock_now();
		size_t due = piece * (1 + (read - begin) / NS_PER_MS / 30);
		while (done < due && !closed && peer_is_readable(fd)) {
			size_t most = due - done < sizeof(bytes) ? due - done : sizeof(bytes);
			ssize_t got = recv(fd, bytes, most, MSG_DONTWAIT);
			closed = got <= 0;
			done += closed ? 0 : (size_t)got;
		}
		if (closed)
			fail_msg("closed after %ju ms", (uintmax_t)((read - begin) / NS_PER_MS));
	}
	return true;
}

// `narrow`: the bytes of its receive buffer; 0: as usual.
static bool slow_reader_stays(struct daemon *daemon, int narrow, size_t piece) {
	int fd = peer_connect_narrow(daemon->address[0], narrow);
	bool read = reads_slowly(fd, piece);
	peer_close(fd);
	return read;
}

// Finding F5: 2 MiB/s for three times the time-out.
DAEMON_TEST(slow_reader_stays, ("--workers", "1", "--send-timeout", "1s"),
	    .with = {EACH_PATIENCE}) {
	wait_until(slow_reader_stays(daemon, 0, 1 << 16));
	stats_wait_at_least(daemon, "connections_closed_reset", 1);
}

// So slow that the server's send buffer has no room for longer than the time-out: each byte counts.
DAEMON_TEST(very_slow_reader_stays, ("--workers", "1", "--send-timeout", "1s"),
	    .with = {EACH_PATIENCE}) {
	wait_until(slow_reader_stays(daemon, 4096, 1 << 10));
	stats_wait_at_least(daemon, "connections_closed_reset", 1);
}
