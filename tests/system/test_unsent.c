// Scenario: clients that do not read, with little or no memory for their echoes. Nothing is lost
// when they read at last. A client that reads nothing is closed, one that reads a little is not.
#include <sys/socket.h>

#include "crowd.h"
#include "stats.h"

#define CLIENTS 40
#define SLOW 6
#define WORKERS 3
#define BUFFER 65536

#define LIMITS(unsent, send) LISTEN_TCP_AND_UNIX, "--unsent-limit", unsent, "--send-timeout", send

static void nothing_is_lost(struct daemon *daemon, uint64_t limit) {
	struct stream streams[CLIENTS];
	crowd_open_unread(daemon, streams, CLIENTS, 8 << 20);
	stream_fill(streams, CLIENTS);
	stats_assert_laws(daemon);
	stream_finish(streams, CLIENTS);
	stats_wait(daemon, "connections_closed_peer", CLIENTS);
	stats_wait_at_rest(daemon);
	assert_true(stats_counter(daemon, "unsent_bytes_max") <= limit + WORKERS * BUFFER);
}

DAEMON_TEST(room_for_none, ("-w", "3", LIMITS("0", "never")), .with = {EACH_PATIENCE}) {
	nothing_is_lost(daemon, 0);
}

DAEMON_TEST(room_for_few, ("-w", "3", LIMITS("64k", "never")), .with = {EACH_PATIENCE}) {
	nothing_is_lost(daemon, 64 << 10);
}

// Reads a little, if anything has arrived.
static void read_a_little(struct stream *slow) {
	char bytes[BUFFER / 4], expected[BUFFER / 4];
	ssize_t got = recv(slow->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		fail_msg("closed after %ju bytes: %s", (uintmax_t)slow->received,
			 got == 0 ? "end of stream" : strerror(errno));
	pattern_fill(slow->seed, slow->received, expected, (size_t)got);
	assert_memory_equal(bytes, expected, (size_t)got);
	slow->received += (size_t)got;
}

// Those that read a little every 100 ms stay for three times the time-out. Returns false if the
// machine was so busy that they read late.
static bool stuck_are_closed_and_slow_are_not(struct daemon *daemon) {
	static const char flood[BUFFER];
	struct stream slow[SLOW];
	int stuck[CLIENTS];
	for (size_t i = 0; i < SLOW; i++)
		slow[i] = stream_open(daemon->address[1], i, 8 << 20);
	peer_connect_all(daemon->address[1], stuck, CLIENTS);
	uint64_t begin = clock_now(), read = begin;
	bool late = false;
	while (!late && read - begin < 6 * NS_PER_S) {
		stream_fill(slow, SLOW); // which takes 100 ms at least
		for (size_t i = 0; i < CLIENTS; i++)
			peer_send_some(stuck[i], flood, sizeof(flood));
		late = clock_now() - read > 1500 * NS_PER_MS;
		read = clock_now();
		for (size_t i = 0; i < SLOW && !late; i++)
			read_a_little(&slow[i]);
	}
	if (!late)
		stats_wait(daemon, "connections_open", SLOW);
	peer_close_all(stuck, CLIENTS);
	if (late)
		for (size_t i = 0; i < SLOW; i++)
			peer_close(slow[i].fd);
	else
		stream_finish(slow, SLOW);
	stats_wait_at_rest(daemon);
	return !late;
}

static void expect_stuck_closed(struct daemon *daemon) {
	wait_until(stuck_are_closed_and_slow_are_not(daemon));
	assert_true(stats_counter(daemon, "connections_closed_stalled") >= CLIENTS);
	assert_true(stats_counter(daemon, "connections_closed_peer") >= SLOW);
}

DAEMON_TEST(stuck_with_few_workers, ("-w", "2", LIMITS("64k", "2s")),
	    .with = {"--patience 5ms", "--patience 0"}) {
	expect_stuck_closed(daemon);
}

DAEMON_TEST(stuck_with_a_worker_each, ("-w", "64", LIMITS("64k", "2s")),
	    .with = {"--patience never", "--patience 5ms"}) {
	expect_stuck_closed(daemon);
}
