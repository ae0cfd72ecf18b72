// Scenario: 64 clients through 4 workers, one after another in the queue or in turns. Every byte is
// equal and the counters agree. ECHOD_TEST_BYTES says how many bytes each sends (100 MiB in
// tools/soak.sh). And 10^10 bytes by echoload, ECHOD_TEST_VERIFIED says how many: none is wrong.
#include "crowd.h"
#include "laws.h"
#include "load.h"
#include "stats.h"

#define VERIFIED (sizeof(ECHOD_SANITIZE) > 1 ? 100000000 : (size_t)10000000000)

#define CLIENTS 64
#define WORKERS 4

// Connects all, waits until each of the `counters` (NULL last) is `count`, and runs all.
static void run_all(struct daemon *daemon, const char *const *counters, uint64_t count) {
	uint64_t bytes = crowd_number("ECHOD_TEST_BYTES", 4 << 20);
	size_t descriptors = process_descriptors(daemon->process);
	struct stream streams[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++)
		streams[i] = stream_open(daemon->address[0], 1000 + i, bytes);
	for (; *counters; counters++)
		stats_wait(daemon, *counters, count);
	stream_finish(streams, CLIENTS);
	stats_wait(daemon, "connections_closed_peer", CLIENTS);
	assert_int_equal(stats_counter(daemon, "connections_accepted"), CLIENTS);
	assert_int_equal(stats_counter(daemon, "bytes_received"), CLIENTS * bytes);
	assert_int_equal(stats_counter(daemon, "bytes_sent"), CLIENTS * bytes);
	wait_until(process_descriptors(daemon->process) == descriptors);
}

DAEMON_TEST(one_after_another, ("--workers", "4", "--patience", "never")) {
	run_all(daemon, STRINGS("connections_queued", "queue_depth"), CLIENTS - WORKERS);
	assert_int_equal(stats_counter(daemon, "connections_taken"), CLIENTS);
	assert_true(stats_counter(daemon, "queue_depth_max") >= CLIENTS - WORKERS);
}

DAEMON_TEST(in_turns, ("--workers", "4"), .with = {"", "--patience 0"}) {
	run_all(daemon, STRINGS("connections_parked"), CLIENTS);
	stats_wait_at_rest(daemon);
	assert_true(stats_counter(daemon, "unparks") >= CLIENTS);
}

DAEMON_TEST(verified, (LISTEN_TCP_AND_UNIX)) {
	size_t wanted = crowd_number("ECHOD_TEST_VERIFIED", VERIFIED), verified = 0;
	struct process *laws = laws_watch(daemon);
	while (verified < wanted) {
		json_t *run = load_run(0, daemon->address[0], daemon->address[1], "--mode",
				       "stream", "--connections", "8", "--count", "1020");
		verified += load_count(run, "bytes_verified");
	}
	print_message("%zu bytes verified, 0 wrong\n", verified);
	stats_wait_at_rest(daemon);
	uint64_t sent = stats_counter(daemon, "bytes_sent");
	assert_int_equal(sent, stats_counter(daemon, "bytes_received"));
	assert_true(sent >= verified);
	laws_expect(laws, 10);
}
