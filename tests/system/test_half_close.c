// Scenario: the client ends its half. All that it has sent comes back, then the server's end.
#include "daemon.h"
#include "peer.h"
#include "stats.h"

DAEMON_TEST(random_lengths, ("--workers", "2"), .with = {EACH_PATIENCE}) {
	uint64_t numbers = 7;
	for (uint64_t i = 0; i < 100; i++) {
		struct stream stream = {
			.fd = peer_connect(daemon->address[0]),
			.seed = i,
			.total = pattern_number(&numbers, 1, UINT64_C(2) << (i % 22)),
			.chunk = pattern_number(&numbers, 1, 65536),
			.half_close = true};
		stream_run(&stream, 1);
		peer_close(stream.fd);
	}
	stats_wait(daemon, "connections_closed_peer", 100);
}

// Fills every buffer on the way there and back before it reads the first byte.
DAEMON_TEST(server_cannot_send_yet, ("--workers", "1"), .with = {EACH_PATIENCE}) {
	struct stream stream = {.fd = peer_connect(daemon->address[0]),
				.seed = 3,
				.total = 8 << 20,
				.half_close = true};
	stream.sent = peer_fill(stream.fd, stream.seed, stream.total);
	stream_run(&stream, 1);
	peer_close(stream.fd);
	stats_wait(daemon, "connections_closed_peer", 1);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), stream.total);
}

DAEMON_TEST(several_at_once, ("--workers", "3"), .with = {EACH_PATIENCE}) {
	struct stream streams[20];
	for (size_t i = 0; i < 20; i++)
		streams[i] = (struct stream){.fd = peer_connect(daemon->address[0]),
					     .seed = 100 + i,
					     .total = 50000 * i, // of the first: none
					     .half_close = true};
	stream_run(streams, 20);
	for (size_t i = 0; i < 20; i++)
		peer_close(streams[i].fd);
	stats_wait(daemon, "connections_closed_peer", 19);
	stats_wait(daemon, "connections_closed_probe", 1);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 1);
}
