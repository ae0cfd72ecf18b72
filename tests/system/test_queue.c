// Scenario: more clients than workers, each of which keeps its worker to its end. The others wait
// in the order of their arrival, and are counted meanwhile.
#include "peer.h"
#include "stats.h"

#define CLIENTS 10
#define WORKERS 2

DAEMON_TEST(first_come_first_served, ("--workers", "2", "--patience", "never")) {
	int fds[CLIENTS];
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = peer_connect(daemon->address[0]);
		peer_send(fds[i], "x", 1);
		if (i < WORKERS)
			stats_wait(daemon, "connections_serving", i + 1);
	}
	stats_wait(daemon, "connections_queued", CLIENTS - WORKERS);
	stats_assert_laws(daemon);
	stats_wait(daemon, "queue_depth", CLIENTS - WORKERS); // counted a little earlier
	assert_int_equal(stats_counter(daemon, "workers_busy"), WORKERS);
	assert_int_equal(stats_counter(daemon, "workers_idle"), 0);

	for (size_t i = 0; i < CLIENTS; i++) {
		peer_expect_text(fds[i], "x");
		for (size_t later = i < WORKERS ? WORKERS : i + 1; later < CLIENTS; later++)
			peer_expect_quiet(fds[later]);
		if (i >= WORKERS - 1)
			peer_close(fds[i - (WORKERS - 1)]);
	}
	peer_close(fds[CLIENTS - 1]);
	stats_wait(daemon, "connections_closed_peer", CLIENTS);
	assert_int_equal(stats_counter(daemon, "queue_depth_max"), CLIENTS - WORKERS);
	assert_int_equal(stats_counter(daemon, "connections_taken"), CLIENTS);
	assert_int_equal(stats_counter(daemon, "workers_busy"), 0);
}

// A connection in the queue whose client has gone takes a worker only for a short time.
DAEMON_TEST(client_leaves_the_queue, ("--workers", "1", "--patience", "never")) {
	int held = peer_connect_served(daemon->address[0]);
	int gone = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 1);
	peer_send(gone, "lost", 4);
	peer_reset(gone);
	int next = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 2);
	peer_close(held);
	peer_ping_last(next);
	stats_wait(daemon, "connections_closed_peer", 2);
	assert_int_equal(stats_counter(daemon, "connections_closed_reset"), 1);
}

DAEMON_TEST(waiting_time_is_measured, ("--workers", "1", "--patience", "never")) {
	int held = peer_connect_served(daemon->address[0]);
	uint64_t begin = clock_now();
	int next = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 1);
	poll(NULL, 0, 300); // the span that is measured
	peer_close(held);
	peer_ping(next);
	double waited = (double)(clock_now() - begin) / 1e9;
	peer_close(next);
	stats_wait(daemon, "connections_closed_peer", 2);
	json_t *snapshot; // the time is taken a little later
	wait_until((snapshot = stats_take(daemon),
		    stats_part(snapshot, "service_time_seconds", "count") == 2));
	assert_true(stats_part(snapshot, "queue_wait_seconds", "count") == 2);
	double longest = stats_part(snapshot, "queue_wait_seconds", "max");
	assert_true(longest >= 0.29 && longest <= waited);
	assert_true(stats_part(snapshot, "service_time_seconds", "max") >= 0.29);
}
