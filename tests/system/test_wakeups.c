// Scenario: the hunt for lost wake-ups. Connections are parked and unparked all the time, just when
// an event can be missed. Every message must have its echo, and the counters must agree in the end.
// ECHOD_TEST_MESSAGES says how many messages.
#include "crowd.h"
#include "stats.h"

// Of all free-running tests together; sanitizers make messages slower.
#define MESSAGES (sizeof(ECHOD_SANITIZE) > 1 ? 60000 : 240000)
#define FREE_RUNS 6

#define WITH_WORKERS(options) "--workers 1 " options, "--workers 2 " options, "--workers 3 " options

// As fast as the echoes come: some arrive while their connection is being parked. The number of
// clients changes, from fewer than workers to many more.
DAEMON_TEST(free_running, (NULL),
	    .with = {WITH_WORKERS("--patience 0"), WITH_WORKERS("--patience 1ms")}) {
	size_t messages = crowd_number("ECHOD_TEST_MESSAGES", MESSAGES) / FREE_RUNS;
	struct crowd crowd = crowd_connect(daemon, 40);
	uint64_t numbers = stats_counter(daemon, "workers"), sent = 0;
	for (uint64_t round = 0; sent < messages; round++) {
		struct crowd some = crowd;
		some.count = pattern_number(&numbers, 1, round % 2 ? 4 : 40);
		crowd_ping(&some, round);
		sent += some.count;
	}
	assert_true(stats_counter(daemon, "messages") == sent);
	assert_true(stats_counter(daemon, "unparks") > 0);
	crowd_leave(daemon, &crowd);
}

// As soon as the last connection is parked, according to the counters.
DAEMON_TEST(sends_when_parked, (NULL),
	    .with = {WITH_WORKERS("--patience 0"), WITH_WORKERS("--patience 1ms")}) {
	struct crowd crowd = crowd_connect(daemon, 20);
	for (uint64_t round = 0; round < 150; round++) {
		yield_until(stats_counter(daemon, "connections_parked") >= crowd.count);
		crowd_ping(&crowd, round);
	}
	crowd_leave(daemon, &crowd);
}

// No more clients than workers, which wait for a while and then park. Chance finds the critical
// time.
DAEMON_TEST(sends_when_patience_ends, (NULL),
	    .with = {WITH_WORKERS("--patience 1ms"), WITH_WORKERS("--patience 1ms --spin 1ms")}) {
	uint64_t numbers = stats_counter(daemon, "workers");
	struct crowd crowd = crowd_connect(daemon, numbers);
	for (uint64_t round = 0; round < 200; round++) {
		uint64_t pause = pattern_number(&numbers, 0, 6000) * NS_PER_US;
		for (uint64_t begin = clock_now(); clock_now() - begin < pause;)
			poll(NULL, 0, 0);
		crowd_ping(&crowd, round);
	}
	crowd_leave(daemon, &crowd);
}

// Pings from each of the crowd, and keeps a stream at work until the echo is there.
static void ping_beside(struct stream *stream, const struct crowd *crowd) {
	for (size_t i = 0; i < crowd->count; i++) {
		assert_int_equal(peer_send_some(crowd->fds[i], "x", 1), 1);
		yield_until(peer_is_readable(crowd->fds[i]) || (stream_step(stream), false));
		peer_expect_text(crowd->fds[i], "x");
	}
}

DAEMON_TEST(stream_beside_ping_pong, ("--workers", "1"),
	    .with = {"--patience 5ms", "--patience 0"}) {
	struct crowd crowd = crowd_connect(daemon, 20);
	struct stream stream = {
		.fd = peer_connect(daemon->address[0]), .seed = 1, .total = UINT64_MAX};
	stream.sent = peer_fill(stream.fd, stream.seed, UINT64_MAX);
	yield_until((ping_beside(&stream, &crowd), stats_counter(daemon, "quantum_expiries") > 0));
	stream.total = stream.sent;
	stream_finish(&stream, 1);
	crowd_leave(daemon, &crowd);
}

// Descriptors and the memory of connections are used again at once, while events for their former
// owners may still come; other connections are parked meanwhile.
DAEMON_TEST(churn_among_parked, ("--workers", "2"),
	    .with = {"--patience 5ms", "--patience 0", "--spin 1ms"}) {
	struct crowd crowd = crowd_connect(daemon, 20);
	uint64_t numbers = 5, until = clock_deadline(2 * NS_PER_S);
	for (uint64_t round = 0; clock_now() < until; round++) {
		struct stream streams[16];
		for (size_t i = 0; i < 16; i++)
			streams[i] = (struct stream){
				.fd = peer_connect(daemon->address[0]),
				.seed = pattern_number(&numbers, 0, UINT32_MAX),
				.total = pattern_number(&numbers, 1, i % 4 ? 300 : 100000),
				.half_close = i % 3 == 0};
		crowd_ping(&crowd, round);
		stream_run(streams, 16);
		for (size_t i = 0; i < 16; i++)
			(i % 2 ? peer_close : peer_reset)(streams[i].fd);
	}
	stats_wait(daemon, "connections_open", crowd.count);
	crowd_leave(daemon, &crowd);
}

// From one client, which has a worker to itself, to more than workers, and back, while they ping.
DAEMON_TEST(crowd_comes_and_goes, ("--workers", "2"),
	    .with = {"--patience 5ms", "--patience 1ms"}) {
	struct crowd first = crowd_connect(daemon, 1);
	uint64_t numbers = 7;
	for (uint64_t round = 0; round < 300; round++) {
		struct crowd others = crowd_connect(daemon, pattern_number(&numbers, 1, 5));
		crowd_ping(&others, round);
		crowd_ping(&first, round);
		crowd_close(&others);
		for (uint64_t i = pattern_number(&numbers, 0, 20); i > 0; i--)
			crowd_ping(&first, i);
	}
	crowd_leave(daemon, &first);
}
