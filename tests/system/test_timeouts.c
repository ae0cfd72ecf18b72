// Scenario: clients that say nothing, and clients that do not read. Each has its time-out, and
// neither is cut while it makes progress. The waits here are the spans under test, never a stand-in
// for a fact.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

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

// Sends what goes, reads nothing. Returns whether the server has reset it.
static bool flood(int fd)
{
	static char bytes[1 << 18];
	int64_t sent = peer_send_some(fd, bytes, sizeof(bytes));
	assert_true(sent >= 0 || errno == ECONNRESET || errno == EPIPE);
	return sent < 0;
}

// Finding F4: as many clients that never read as there are workers.
static void test_clients_that_never_read_are_cut(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "2", "--send-timeout", "300ms", NULL);
	int stuck[2] = {peer_connect(daemon->address[0]), peer_connect(daemon->address[0])};
	stats_wait(daemon, "connections_taken", 2);
	int next = peer_connect(daemon->address[0]);
	peer_send(next, "x", 1);
	bool cut[2] = {false, false};
	uint64_t begin = clock_now();
	while (!cut[0] || !cut[1]) {
		for (size_t i = 0; i < 2; i++)
			cut[i] = cut[i] || flood(stuck[i]);
		assert_true(clock_now() - begin < PATIENCE);
		poll(NULL, 0, 2);
	}
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	char back;
	peer_receive(next, &back, 1);
	stats_wait(daemon, "connections_closed_stalled", 2);
	stats_assert_laws(daemon);
	peer_close(next);
	daemon_stop(daemon);
}

// Sends without an end and reads `piece` bytes every `pause` ms, for longer than the time-out.
static void read_slowly(int fd, size_t piece, int pause)
{
	static char bytes[1 << 18];
	uint64_t begin = clock_now();
	while (clock_now() - begin < 3 * NS_PER_S) {
		assert_false(flood(fd));
		poll(NULL, 0, pause);
		for (size_t done = 0; done < piece && peer_is_readable(fd);) {
			ssize_t got = recv(fd, bytes, piece - done, MSG_DONTWAIT);
			if (got <= 0)
				fail_msg("cut after %ju ms: %s",
					 (uintmax_t)((clock_now() - begin) / NS_PER_MS),
					 got == 0 ? "end of stream" : strerror(errno));
			done += (size_t)got;
		}
	}
}

// Finding F5: 2 MiB/s for three times the time-out.
static void test_slow_reader_is_not_cut(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "1", "--send-timeout", "1s", NULL);
	int fd = peer_connect(daemon->address[0]);
	read_slowly(fd, 1 << 17, 60);
	assert_int_equal(stats_counter(daemon, "connections_closed_stalled"), 0);
	peer_close(fd);
	stats_wait(daemon, "connections_closed_reset", 1);
	daemon_stop(daemon);
}

// A reader that takes so little that the server's send buffer has no room again for longer than the
// time-out: a byte taken is a byte taken.
static void test_very_slow_reader_is_not_cut(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start("--workers", "1", "--send-timeout", "1s", NULL);
	int fd = peer_connect_narrow(daemon->address[0], 4096);
	read_slowly(fd, 1 << 10, 30);
	assert_int_equal(stats_counter(daemon, "connections_closed_stalled"), 0);
	peer_close(fd);
	stats_wait(daemon, "connections_closed_reset", 1);
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
		daemon_test_each(test_clients_that_never_read_are_cut),
		daemon_test_each(test_slow_reader_is_not_cut),
		daemon_test_each(test_very_slow_reader_is_not_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
