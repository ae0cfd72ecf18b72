// Scenario: 64 clients through 4 workers, one after another in the queue or in turns, every byte
// equal and the counters agree. ECHOD_TEST_BYTES says how many bytes each sends (100 MiB in
// tools/soak.sh).
#include "daemon.h"
#include "peer.h"
#include "stats.h"

#define CLIENTS 64
#define BYTES (4 << 20)

static uint64_t bytes_each(void) {
	const char *text = getenv("ECHOD_TEST_BYTES");
	if (!text)
		return BYTES;
	char *end;
	uint64_t bytes = strtoull(text, &end, 10);
	if (bytes == 0 || *end)
		fail_msg("ECHOD_TEST_BYTES is '%s', not a number of bytes", text);
	return bytes;
}

static void connect_all(struct daemon *daemon, struct stream *streams, uint64_t bytes) {
	for (size_t i = 0; i < CLIENTS; i++)
		streams[i] = (struct stream){.fd = peer_connect(daemon->address[0]),
					     .seed = 1000 + i,
					     .total = bytes,
					     .half_close = true};
}

static void run_all(struct daemon *daemon, struct stream *streams, uint64_t bytes) {
	stream_run(streams, CLIENTS);
	for (size_t i = 0; i < CLIENTS; i++)
		peer_close(streams[i].fd);

	stats_wait(daemon, "connections_closed_peer", CLIENTS);
	json_t *snapshot = stats_take(daemon);
	assert_int_equal(stats_get(snapshot, "connections_accepted"), CLIENTS);
	assert_int_equal(stats_get(snapshot, "bytes_received"), CLIENTS * bytes);
	assert_int_equal(stats_get(snapshot, "bytes_sent"), CLIENTS * bytes);
	json_decref(snapshot);
}

TEST(one_after_another) {
	uint64_t bytes = bytes_each();
	struct daemon *daemon = daemon_start("--workers", "4", "--patience", "never", NULL);
	size_t descriptors = process_descriptors(daemon->process);
	struct stream streams[CLIENTS];
	connect_all(daemon, streams, bytes);
	stats_wait(daemon, "connections_queued", CLIENTS - 4);
	stats_wait(daemon, "queue_depth", CLIENTS - 4); // counted a moment before
	run_all(daemon, streams, bytes);
	assert_int_equal(stats_counter(daemon, "connections_taken"), CLIENTS);
	assert_true(stats_counter(daemon, "queue_depth_max") >= CLIENTS - 4);
	assert_int_equal(process_descriptors(daemon->process), descriptors);
	daemon_stop(daemon);
}

TEST(in_turns, .with = {"", "--patience 0"}) {
	uint64_t bytes = bytes_each();
	struct daemon *daemon = daemon_start("--workers", "4", NULL);
	size_t descriptors = process_descriptors(daemon->process);
	struct stream streams[CLIENTS];
	connect_all(daemon, streams, bytes);
	stats_wait(daemon, "connections_parked", CLIENTS);
	run_all(daemon, streams, bytes);
	stats_wait_at_rest(daemon);
	assert_true(stats_counter(daemon, "unparks") >= CLIENTS);
	assert_int_equal(process_descriptors(daemon->process), descriptors);
	daemon_stop(daemon);
}
