// Scenario: clients that say nothing and clients that never read, hundreds of times as many as
// workers. Newcomers are served at once; a client that reads at last gets every byte.
// ECHOD_TEST_SILENT and ECHOD_TEST_STUCK say how many of each.
#include "crowd.h"
#include "stats.h"

// Fewer under a sanitizer, which makes all slower.
#define SILENT (sizeof(ECHOD_SANITIZE) > 1 ? 2000 : 5000)
#define STUCK (sizeof(ECHOD_SANITIZE) > 1 ? 100 : 300)
#define NEWCOMERS 200
#define WORKERS 4
#define UNSENT_LIMIT (UINT64_C(64) << 20)
#define BUFFER 65536

// A sanitizer makes all slower, the more so beside thousands of descriptors.
#define BOUND ((sizeof(ECHOD_SANITIZE) > 1 ? 100 : 10) * NS_PER_MS)

// The 99th percentile of the time from connecting to the first echo.
static uint64_t measure(struct daemon *daemon) {
	uint64_t took[NEWCOMERS];
	for (size_t i = 0; i < NEWCOMERS; i++) {
		uint64_t begin = clock_now();
		int fd = peer_connect_served(daemon->address[0]);
		took[i] = clock_now() - begin;
		peer_close(fd);
	}
	return percentile_99(took, NEWCOMERS);
}

// A busy machine can spoil many a round; a held worker spoils them all.
static void expect_first_echo_soon(struct daemon *daemon) {
	uint64_t p99;
	wait_or_fail((p99 = measure(daemon)) <= BOUND, "p99 of the first echo: %ju us",
		     (uintmax_t)(p99 / 1000));
	print_message("p99 of the first echo: %ju us\n", (uintmax_t)(p99 / 1000));
}

static void assert_footprint(struct daemon *daemon, size_t stuck) {
	uint64_t unsent = stats_counter(daemon, "unsent_bytes");
	assert_true(unsent <= UNSENT_LIMIT + WORKERS * BUFFER);
	// None has a full buffer unsent if it fell just short of the kernel's.
	assert_true(unsent > 0 && stats_counter(daemon, "parks_writing") >= stuck);
	if (sizeof(ECHOD_SANITIZE) == 1) // the memory of sanitizers is not the server's
		assert_true(process_resident(daemon->process) < (256 << 20));
	print_message("resident: %ju KiB\n", (uintmax_t)(process_resident(daemon->process) >> 10));
}

DAEMON_TEST(newcomers_are_served,
	    ("--workers", "4", LISTEN_TCP_AND_UNIX, "--unsent-limit", "64m", "--send-timeout",
	     "never"),
	    .with = {"--patience 5ms", "--patience 0"}) {
	size_t stuck = crowd_number("ECHOD_TEST_STUCK", STUCK);
	size_t silent = crowd_size("ECHOD_TEST_SILENT", SILENT, stuck);
	struct crowd crowd = crowd_connect(daemon, silent);
	stats_wait(daemon, "connections_parked", silent);
	struct stream *streams = test_keep(calloc(stuck, sizeof(*streams)));
	crowd_open_unread(daemon, streams, stuck, 48 << 20);
	// A server that stands still for a short time looks as if it had no room.
	wait_until((stream_fill(streams, stuck), stats_counter(daemon, "parks_writing") >= stuck));
	for (size_t i = 0; i < stuck; i++)
		assert_true(streams[i].sent < streams[i].total);
	stats_wait(daemon, "connections_parked", silent + stuck);

	expect_first_echo_soon(daemon);
	stats_wait(daemon, "connections_parked", silent + stuck);
	assert_footprint(daemon, stuck);
	stats_assert_laws(daemon);

	stream_finish(streams, stuck);
	stats_wait(daemon, "unsent_bytes", 0);
	stats_wait(daemon, "connections_open", silent);
	crowd_leave(daemon, &crowd);
}
