// Scenario: the client ends its half. All that it has sent comes back, then the server's end.
#include "daemon.h"
#include "peer.h"
#include "stats.h"

DAEMON_TEST(random_lengths, ("--workers", "2"), .with = {EACH_PATIENCE}) {
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
DAEMON_TEST(server_cannot_send_yet, ("--workers", "1"), .with = {EACH_PATIENCE}) {
	struct stream stream = stream_open(daemon->address[0], 3, 8 << 20);
	stream.sent = peer_fill(stream.fd, stream.seed, stream.total);
	stream_finish(&stream, 1);
	stats_wait(daemon, "connections_closed_peer", 1);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), stream.total);
}

DAEMON_TEST(several_at_once, ("--workers", "3"), .with = {EACH_PATIENCE}) {
	struct stream streams[20];
	for (size_t i = 0; i < 20; i++) // the first sends none
		streams[i] = stream_open(daemon->address[0], 100 + i, 50000 * i);
	stream_finish(streams, 20);
	stats_wait(daemon, "connections_closed_peer", 19);
	stats_wait(daemon, "connections_closed_probe", 1);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 1);
}
