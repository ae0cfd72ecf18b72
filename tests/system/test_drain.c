// Scenario: the server is told to end, by signals. No new connections; those open may finish; then
// the rest is cut; and the status is 0 in every case.
#include <signal.h>

#include "ctl.h"
#include "daemon.h"
#include "peer.h"
#include "place.h"
#include "stats.h"

static void expect_refused(const char *address) {
	for (uint64_t deadline = clock_deadline(PATIENCE);; poll(NULL, 0, 2)) {
		int fd = peer_try_connect(address, NULL);
		if (fd < 0) {
			assert_true(errno == ECONNREFUSED || errno == ECONNRESET);
			return;
		}
		peer_close(fd);
		assert_true(clock_now() < deadline);
	}
}

static void drain_with_clients_that_finish(int number) {
	struct daemon *daemon = daemon_start("--workers", "2", "--patience", "never",
					     "--drain-timeout", "1h", NULL);
	int fds[4];
	for (size_t i = 0; i < 4; i++) {
		fds[i] = peer_connect(daemon->address[0]);
		if (i < 2)
			peer_ping(fds[i]);
	}
	stats_wait(daemon, "connections_queued", 2);
	process_signal(daemon->process, number);
	stats_wait(daemon, "draining", 1);
	expect_refused(daemon->address[0]);
	process_expect_error_text(daemon->process, "drain");
	stats_assert_laws(daemon);
	// Those that are served, and those that only wait, are served to their ends.
	for (size_t i = 0; i < 4; i++) {
		stream_run(
			&(struct stream){
				.fd = fds[i], .seed = i, .total = 500000, .half_close = true},
			1);
		assert_true(process_is_running(daemon->process) || i == 3);
		peer_close(fds[i]);
	}
	daemon_expect_end(daemon);
}

TEST(sigterm_lets_clients_finish) {
	drain_with_clients_that_finish(SIGTERM);
}

TEST(sigint_lets_clients_finish) {
	// As a test has it that a shell runs in its background.
	void (*ours)(int) = signal(SIGINT, SIG_IGN);
	drain_with_clients_that_finish(SIGINT);
	signal(SIGINT, ours);
}

// The terminal of a server in its foreground is closed.
TEST(hang_up_lets_clients_finish) {
	drain_with_clients_that_finish(SIGHUP);
}

TEST(no_deadline, .with = {EACH_PATIENCE}) {
	struct daemon *daemon = daemon_start("--drain-timeout", "never", NULL);
	int fd = peer_connect_served(daemon->address[0]);
	process_signal(daemon->process, SIGTERM);
	stats_wait(daemon, "draining", 1);
	process_expect_error_text(daemon->process, "drain");
	assert_null(
		strstr(process_errors(daemon->process, NULL), "1844")); // -1 as a number of seconds
	peer_ping(fd);
	peer_close(fd);
	daemon_expect_end(daemon);
}

TEST(nobody_there) {
	struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
	daemon_stop(daemon);
}

// Finding F6: a worker that waits in recv, one that waits in send, and a client in the queue.
TEST(deadline_cuts_the_rest) {
	struct daemon *daemon =
		daemon_start("--workers", "2", "--patience", "never", "--drain-timeout", "300ms",
			     "--send-timeout", "never", NULL);
	int silent = peer_connect_served(daemon->address[0]);
	int stuck = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_serving", 2);
	peer_fill(stuck, 1, UINT64_MAX);
	int queued = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 1);
	uint64_t begin = clock_now();
	process_signal(daemon->process, SIGTERM);
	daemon_expect_end(daemon);
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	process_expect_error_text(daemon->process, "3 connections");
	peer_expect_closed(silent);
	peer_expect_closed(stuck);
	peer_expect_closed(queued);
}

static void second_signal(int first, int second) {
	struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
	int fd = peer_connect_served(daemon->address[0]);
	process_signal(daemon->process, first);
	stats_wait(daemon, "draining", 1);
	peer_ping(fd);
	process_signal_pause();
	process_signal(daemon->process, second);
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

TEST(second_signal_cuts_short, .with = {EACH_PATIENCE}) {
	second_signal(SIGTERM, SIGTERM);
	second_signal(SIGINT, SIGINT);
	second_signal(SIGTERM, SIGINT);
	second_signal(SIGHUP, SIGHUP);
	second_signal(SIGQUIT, SIGXCPU);
	second_signal(SIGINT, SIGTERM);
}

static void ignore_hang_up(void) {
	signal(SIGHUP, SIG_IGN);
}

// Those that tell a server nothing: all that would end it by default, and SIGHUP below nohup.
TEST(other_signals_do_nothing) {
	static const int numbers[] = {SIGHUP,	SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM,
				      SIGPROF,	SIGIO,	 SIGPWR,  SIGPIPE, SIGXFSZ,
				      SIGWINCH, SIGURG,	 SIGCHLD, SIGCONT, SIGSTKFLT};
	struct daemon *daemon =
		daemon_spawn(PROCESS(.arguments = STRINGS(NULL), .prepare = ignore_hang_up));
	daemon_wait_ready(daemon);
	int fd = peer_connect(daemon->address[0]);
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		process_signal(daemon->process, numbers[i]);
		peer_ping(fd);
	}
	for (int number = SIGRTMIN; number <= SIGRTMAX; number++)
		process_signal(daemon->process, number);
	peer_ping(fd);
	assert_int_equal(stats_counter(daemon, "draining"), 0);
	peer_close(fd);
	daemon_stop(daemon);
}

// Finding F7: who is in the backlog when the signal comes has been promised a connection by the
// kernel.
TEST(backlog_is_served, .with = {EACH_PATIENCE}) {
	const char *path = place_address("echo");
	struct daemon *daemon =
		daemon_start("--workers", "3", "--listen", "127.0.0.1:0", "--listen", path, NULL);
	process_stop(daemon->process);
	struct stream streams[20];
	for (size_t i = 0; i < 20; i++) {
		streams[i] = (struct stream){.fd = peer_connect(daemon->address[i % 2]),
					     .seed = i,
					     .total = 30000,
					     .half_close = true};
		char first[100];
		pattern_fill(i, 0, first, sizeof(first));
		peer_send(streams[i].fd, first, sizeof(first));
		streams[i].sent = sizeof(first);
	}
	process_signal(daemon->process, SIGTERM);
	process_signal(daemon->process, SIGCONT);
	stream_run(streams, 20);
	for (size_t i = 0; i < 20; i++)
		peer_close(streams[i].fd);
	daemon_expect_end(daemon);
}

// While it waits for room under its limit, the backlog is still a promise.
TEST(backlog_is_served_at_the_limit, .with = {EACH_PATIENCE}) {
	struct daemon *daemon = daemon_start("--workers", "2", "--max-connections", "2", NULL);
	struct stream streams[6];
	for (size_t i = 0; i < 6; i++) {
		streams[i] = (struct stream){.fd = peer_connect(daemon->address[0]),
					     .seed = i,
					     .total = 1000,
					     .half_close = true};
		if (i < 2)
			peer_ping(streams[i].fd);
	}
	stats_wait_at_least(daemon, "accept_pauses", 1);
	process_signal(daemon->process, SIGTERM);
	stats_wait(daemon, "draining", 1);
	stream_run(streams, 6);
	for (size_t i = 0; i < 6; i++)
		peer_close(streams[i].fd);
	daemon_expect_end(daemon);
}

// A signal at any moment of the start: it ends, by it or in order, and leaves nothing.
TEST(signal_during_start) {
	const char *const options[] = {"--workers", "8", NULL};
	uint64_t numbers = 99;
	for (int i = 0; i < 60; i++) {
		struct daemon *daemon = daemon_spawn(PROCESS(.arguments = options));
		uint64_t moment = clock_deadline(pattern_number(&numbers, 0, 15) * NS_PER_MS / 2);
		while (clock_now() < moment)
			poll(NULL, 0, 0);
		process_signal(daemon->process, i % 2 ? SIGTERM : SIGINT);
		int status = process_wait(daemon->process);
		assert_true(status == 0 || status == 128 + (i % 2 ? SIGTERM : SIGINT));
		assert_false(place_exists(daemon->control));
		test_clean_up();
	}
}
