// Scenario: clients that say nothing. A time-out closes them, except while they make progress. The
// waits here are the spans under test, never a stand-in for a fact.
#include <signal.h>

#include "peer.h"
#include "stats.h"

DAEMON_TEST(silent_client_is_closed, (LISTEN_TCP_AND_UNIX, "--idle-timeout", "1s"),
	    .with = {EACH_PATIENCE}) {
	uint64_t begin = clock_now();
	int silent[2], spoke[2];
	for (size_t i = 0; i < 2; i++) {
		silent[i] = peer_connect(daemon->address[i]);
		spoke[i] = peer_connect_served(daemon->address[i]);
	}
	peer_expect_closed(silent[0]);
	assert_true(clock_now() - begin >= 990 * NS_PER_MS);
	peer_expect_closed(silent[1]);
	peer_expect_closed(spoke[0]);
	peer_expect_closed(spoke[1]);
	stats_wait(daemon, "connections_closed_idle", 4);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 2);
}

// Pings for longer than the time-out of 1 s. Returns false if the machine was so busy that a ping
// was late.
static bool talks(int fd) {
	uint64_t spoke = clock_now();
	for (int i = 0; i < 10; i++) {
		poll(NULL, 0, 150);
		if (clock_now() - spoke > 700 * NS_PER_MS)
			return false;
		spoke = clock_now();
		peer_ping(fd);
	}
	return true;
}

static bool talks_and_stays(struct daemon *daemon) {
	int fd = peer_connect(daemon->address[0]);
	bool talked = talks(fd);
	peer_close(fd);
	return talked;
}

DAEMON_TEST(talking_client_stays, ("--idle-timeout", "1s"), .with = {EACH_PATIENCE}) {
	wait_until(talks_and_stays(daemon));
	stats_wait_at_least(daemon, "connections_closed_peer", 1);
}

DAEMON_TEST(never_means_never, ("--idle-timeout", "never", "--send-timeout", "never")) {
	int fd = peer_connect(daemon->address[0]);
	poll(NULL, 0, 1000);
	peer_ping_last(fd);
}

// The time in the queue is not silence of the client's.
static bool holds_a_queue(struct daemon *daemon) {
	int held = peer_connect_served(daemon->address[0]);
	int queued = peer_connect(daemon->address[0]);
	peer_send(queued, "x", 1);
	bool talked = talks(held);
	peer_close(held);
	peer_expect_text(queued, "x");
	peer_close(queued);
	stats_wait(daemon, "connections_open", 0);
	return talked;
}

DAEMON_TEST(queued_client_is_not_idle,
	    ("--workers", "1", "--patience", "never", "--idle-timeout", "1s")) {
	wait_until(holds_a_queue(daemon));
	stats_wait_at_least(daemon, "connections_closed_peer", 2);
	assert_int_equal(stats_counter(daemon, "queue_depth_max"), 1);
}

// Bytes that arrived in time are echoed, though the server reads them too late.
DAEMON_TEST(server_itself_was_stopped, ("--workers", "8", "--idle-timeout", "2s"),
	    .with = {EACH_PATIENCE}) {
	int fds[8];
	for (size_t i = 0; i < 8; i++)
		fds[i] = peer_connect_served(daemon->address[0]);
	process_stop(daemon->process);
	for (size_t i = 0; i < 8; i++)
		peer_send(fds[i], "x", 1);
	poll(NULL, 0, 2500);
	process_signal(daemon->process, SIGCONT);
	for (size_t i = 0; i < 8; i++) {
		peer_expect_text(fds[i], "x");
		peer_close(fds[i]);
	}
	stats_wait(daemon, "connections_closed_peer", 8);
}

static uint64_t time_without_header(struct daemon *daemon) {
	uint64_t begin = clock_now();
	peer_expect_reset(peer_connect(daemon->address[0]));
	uint64_t took = clock_now() - begin;
	assert_true(took >= 3 * NS_PER_S);
	return took;
}

// At the end of its time, not when the acceptor looks around next. On a busy machine it may be
// later.
DAEMON_TEST(no_proxy_header, ("--listen-proxy", "127.0.0.1:0")) {
	wait_until(time_without_header(daemon) < 3500 * NS_PER_MS);
}
