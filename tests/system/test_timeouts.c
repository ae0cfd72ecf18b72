// Scenario: clients that say nothing. They have a time-out, and are not cut while they make
// progress. The waits here are the spans under test, never a stand-in for a fact.
#include <signal.h>

#include "daemon.h"
#include "peer.h"
#include "stats.h"

static void test_silent_client_is_cut(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--idle-timeout", "1s", NULL);
	uint64_t begin = clock_now();
	int silent = peer_connect(daemon->address[0]);
	int spoke = peer_connect(daemon->address[0]);
	peer_ping(spoke);
	peer_expect_closed(silent);
	assert_true(clock_now() - begin >= 990 * NS_PER_MS);
	peer_expect_closed(spoke);
	stats_wait(daemon, "connections_closed_idle", 2);
	assert_int_equal(stats_counter(daemon, "connections_silent"), 1);
	daemon_stop(daemon);
}

static void test_talking_client_is_not_cut(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--idle-timeout", "1s", NULL);
	int fd = peer_connect(daemon->address[0]);
	for (int i = 0; i < 10; i++) {
		poll(NULL, 0, 150);
		peer_ping(fd);
	}
	peer_close(fd);
	stats_wait(daemon, "connections_closed_peer", 1);
	daemon_stop(daemon);
}

static void test_never_means_never(void **state)
{
	(void)state;
	struct daemon *daemon =
		daemon_start("--idle-timeout", "never", "--send-timeout", "never", NULL);
	int fd = peer_connect(daemon->address[0]);
	poll(NULL, 0, 1000);
	peer_ping(fd);
	peer_close(fd);
	daemon_stop(daemon);
}

// Waiting for a worker is not the client's silence.
static void test_queued_client_is_not_idle(void **state)
{
	(void)state;
	struct daemon *daemon =
		daemon_start("--workers", "1", "--patience", "never", "--idle-timeout", "1s", NULL);
	int held = peer_connect(daemon->address[0]);
	peer_ping(held);
	int queued = peer_connect(daemon->address[0]);
	peer_send(queued, "x", 1);
	stats_wait(daemon, "connections_queued", 1);
	for (int i = 0; i < 10; i++) {
		poll(NULL, 0, 150);
		peer_ping(held);
	}
	peer_close(held);
	char back;
	peer_receive(queued, &back, 1);
	peer_close(queued);
	stats_wait(daemon, "connections_closed_peer", 2);
	daemon_stop(daemon);
}

// What arrived in time is echoed, though the server gets to it too late.
static void test_server_itself_was_stopped(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "8", "--idle-timeout", "2s", NULL);
	int fds[8];
	for (size_t i = 0; i < 8; i++) {
		fds[i] = peer_connect(daemon->address[0]);
		peer_ping(fds[i]);
	}
	process_stop(daemon->process);
	for (size_t i = 0; i < 8; i++)
		peer_send(fds[i], "x", 1);
	poll(NULL, 0, 2500);
	process_signal(daemon->process, SIGCONT);
	for (size_t i = 0; i < 8; i++) {
		char back;
		peer_receive(fds[i], &back, 1);
		peer_close(fds[i]);
	}
	stats_wait(daemon, "connections_closed_peer", 8);
	daemon_stop(daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		daemon_test_each(test_silent_client_is_cut),
		daemon_test_each(test_talking_client_is_not_cut),
		daemon_test(test_never_means_never),
		daemon_test(test_queued_client_is_not_idle),
		daemon_test_each(test_server_itself_was_stopped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
