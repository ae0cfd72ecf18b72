// Scenario: round trips are short (finding F1). Without TCP_NODELAY on the server's side, a 64 KiB
// ping-pong waits for the client's delayed acknowledgement, about 40 ms, in most rounds.
#include "crowd.h"

#define ROUND_TRIPS 300

// Sanitizers make everything slower by about that factor; 40 ms stay 40 ms.
#define BOUND ((sizeof(ECHOD_SANITIZE) > 1 ? 20 : 5) * NS_PER_MS)

// The 99th percentile of round trips of `size` bytes.
static uint64_t measure(int fd, size_t size) {
	static uint64_t took[ROUND_TRIPS];
	static char there[1 << 17], back[1 << 17];
	for (uint64_t i = 0; i < ROUND_TRIPS; i++) {
		pattern_fill(i, 0, there, size);
		uint64_t begin = clock_now();
		peer_send(fd, there, size);
		peer_receive(fd, back, size);
		took[i] = clock_now() - begin;
		assert_memory_equal(there, back, size);
	}
	return percentile_99(took, ROUND_TRIPS);
}

// A busy machine can spoil many a round; a delayed acknowledgement spoils them all.
static void expect_short(struct daemon *daemon, size_t size) {
	int fd = peer_connect(daemon->address[0]);
	uint64_t p99;
	wait_or_fail((p99 = measure(fd, size)) < BOUND, "p99 of %zu bytes there and back: %ju us",
		     size, (uintmax_t)(p99 / 1000));
	peer_close(fd);
}

DAEMON_TEST(round_trips, ("--workers", "2")) {
	static const size_t sizes[] = {1, 1000, 32768, 65536, 100000, 131072};
	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		expect_short(daemon, sizes[i]);
}

// With a buffer smaller than the message the server sends it in pieces: the case that Nagle's
// algorithm hurts.
DAEMON_TEST(round_trips_in_pieces, ("--buffer-size", "16k")) {
	expect_short(daemon, 32768);
	expect_short(daemon, 65536);
}
