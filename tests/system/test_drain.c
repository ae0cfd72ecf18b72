// Scenario: a signal, or a control command, ends the server. No new connections; those that are
// open may finish; then the rest are aborted; and the status is 0 in every case. The control socket
// goes on answering meanwhile.
#include <signal.h>

#include "ctl.h"
#include "laws.h"
#include "peer.h"
#include "stats.h"

static int request(const struct daemon *daemon, const char *line) {
	return ctl_request(daemon->control, line, NULL);
}

static void expect_refused(const char *address) {
	int fd;
	wait_until((fd = peer_try_connect(address, NULL)) < 0 || (peer_close(fd), false));
	assert_true(errno == ECONNREFUSED || errno == ECONNRESET);
}

static void send_and_wait(struct daemon *daemon, int number) {
	process_signal(daemon->process, number);
	stats_wait(daemon, "draining", 1);
}

static const struct first_signal {
	const char *name;
	int number;
} first_signals[] = {{"SIGTERM", SIGTERM}, {"SIGINT", SIGINT}, {"SIGHUP", SIGHUP}};

TEST_ROWS(clients_finish_after, const struct first_signal *first, first_signals) {
	// SIGINT is ignored when the server starts, as in a background job of a shell.
	void (*ours)(int) = signal(SIGINT, SIG_IGN);
	struct daemon *daemon =
		daemon_start("--workers", "2", "--patience", "never", "--drain-timeout", "1h");
	signal(SIGINT, ours);
	int fds[4];
	peer_connect_all(daemon->address[0], fds, 4);
	peer_ping(fds[0]);
	peer_ping(fds[1]);
	stats_wait(daemon, "connections_queued", 2);
	send_and_wait(daemon, first->number);
	expect_refused(daemon->address[0]);
	process_expect_error_text(daemon->process, "drain");
	stats_assert_laws(daemon);
	// The clients that are served, and those that wait, are served to their ends.
	for (size_t i = 0; i < 4; i++) {
		struct stream stream = {fds[i], i, 500000, .half_close = true};
		stream_run(&stream, 1);
		assert_true(process_is_running(daemon->process) || i == 3);
		peer_close(fds[i]);
	}
	daemon_expect_end(daemon);
}

DAEMON_TEST(no_deadline, ("--drain-timeout", "never"), .with = {EACH_PATIENCE}) {
	int fd = peer_connect_served(daemon->address[0]);
	send_and_wait(daemon, SIGTERM);
	process_expect_error_text(daemon->process, "drain");
	const char *log = process_errors(daemon->process, NULL);
	assert_null(strstr(log, "1844")); // -1 as a number of seconds
	peer_ping_last(fd);
	daemon_expect_end(daemon);
}

TEST(nobody_there) { daemon_stop(daemon_start("--drain-timeout", "1h")); }

// A worker that waits in recv, one that waits in send, and a client in the queue.
DAEMON_TEST(deadline_aborts_the_rest, ("--workers", "2", "--patience", "never", "--drain-timeout",
				       "300ms", "--send-timeout", "never")) {
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

TEST(second_signal_aborts_the_rest, .with = {EACH_PATIENCE}) {
	static const int pairs[][2] = {{SIGTERM, SIGTERM}, {SIGINT, SIGINT},   {SIGTERM, SIGINT},
				       {SIGHUP, SIGHUP},   {SIGQUIT, SIGXCPU}, {SIGINT, SIGTERM}};
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		struct daemon *daemon = daemon_start("--drain-timeout", "1h");
		int fd = peer_connect_served(daemon->address[0]);
		send_and_wait(daemon, pairs[i][0]);
		peer_ping(fd);
		process_signal_pause();
		process_signal(daemon->process, pairs[i][1]);
		daemon_expect_end(daemon);
		peer_expect_closed(fd);
	}
}

static void ignore_hang_up(void) { signal(SIGHUP, SIG_IGN); }

// All signals that would end it by default, except those above; and SIGHUP under nohup.
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

// Opens `count` connections in turn to the server's addresses, for streams of `total` bytes.
static void open_streams(struct daemon *daemon, struct stream *streams, size_t count,
			 uint64_t total) {
	for (size_t i = 0; i < count; i++)
		streams[i] = stream_open(daemon->address[i % daemon->address_count], i, total);
}

// The kernel has promised a connection to the clients in the backlog.
DAEMON_TEST(backlog_is_served, ("--workers", "3", LISTEN_TCP_AND_UNIX), .with = {EACH_PATIENCE}) {
	process_stop(daemon->process);
	struct stream streams[20];
	open_streams(daemon, streams, 20, 30000);
	for (size_t i = 0; i < 20; i++) {
		char first[100];
		pattern_fill(i, 0, first, sizeof(first));
		peer_send(streams[i].fd, first, sizeof(first));
		streams[i].sent = sizeof(first);
	}
	process_signal(daemon->process, SIGTERM);
	process_signal(daemon->process, SIGCONT);
	stream_finish(streams, 20);
	daemon_expect_end(daemon);
}

// From the first snapshot to the last that the server gives.
DAEMON_TEST(laws_hold_to_the_end, ("--workers", "3", LISTEN_TCP_AND_UNIX),
	    .with = {EACH_PATIENCE}) {
	struct process *laws = laws_watch(daemon);
	struct stream streams[20];
	open_streams(daemon, streams, 20, UINT64_MAX);
	uint64_t asked = stats_counter(daemon, "control_requests");
	for (int phase = 0; phase < 2; phase++) {
		do {
			for (size_t i = 0; i < 20; i++)
				stream_step(&streams[i]);
		} while (stats_counter(daemon, "control_requests") < asked + 300);
		asked = stats_counter(daemon, "control_requests");
		if (phase == 0)
			send_and_wait(daemon, SIGTERM);
	}
	for (size_t i = 0; i < 20; i++)
		streams[i].total = streams[i].sent;
	stream_finish(streams, 20);
	daemon_expect_end(daemon);
	laws_expect(laws, 200);
}

// While the server waits for room under its limit, the backlog is still a promise.
DAEMON_TEST(backlog_is_served_at_the_limit, ("--workers", "2", "--max-connections", "2"),
	    .with = {EACH_PATIENCE}) {
	struct stream streams[6];
	open_streams(daemon, streams, 6, 1000);
	peer_ping(streams[0].fd);
	peer_ping(streams[1].fd);
	stats_wait_at_least(daemon, "accept_pauses", 1);
	send_and_wait(daemon, SIGTERM);
	stream_finish(streams, 6);
	daemon_expect_end(daemon);
}

static void drain_until_deadline(const char *option, const char *command) {
	struct daemon *daemon = daemon_start("--drain-timeout", option);
	int fd = peer_connect_served(daemon->address[0]);
	uint64_t begin = clock_now();
	assert_int_equal(request(daemon, command), 200);
	daemon_expect_end(daemon);
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	process_expect_error_text(daemon->process, "1 connection");
	peer_expect_closed(fd);
}

TEST(drain_with_a_deadline, .with = {EACH_PATIENCE}) {
	drain_until_deadline("1h", "drain 300ms");
	drain_until_deadline("300ms", "drain");
}

DAEMON_TEST(stop, ("--workers", "1", "--patience", "never", "--drain-timeout", "1h")) {
	int served = peer_connect_served(daemon->address[0]);
	int queued = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 1);
	assert_int_equal(request(daemon, "stop"), 200);
	daemon_expect_end(daemon);
	peer_expect_closed(served);
	peer_expect_closed(queued);
}

// If nobody is connected the end comes at once, but not before the answer.
TEST(answer_comes_before_the_end) {
	for (int i = 0; i < 20; i++) {
		struct daemon *daemon = daemon_start("--workers", "1");
		assert_int_equal(request(daemon, i % 2 ? "stop" : "drain"), 200);
		daemon_expect_end(daemon);
		test_clean_up();
	}
}

DAEMON_TEST(answers_during_drain, ("--drain-timeout", "1h")) {
	static const char *const questions[] = {
		"ping", "version", "stats", "stats json", "connections json", "workers", "help"};
	int fd = peer_connect_served(daemon->address[0]);
	assert_int_equal(stats_counter(daemon, "draining"), 0);
	assert_int_equal(request(daemon, "drain"), 200);
	stats_wait(daemon, "draining", 1);
	for (size_t i = 0; i < COUNT_OF(questions); i++)
		assert_int_equal(request(daemon, questions[i]), 200);
	peer_ping(fd);
	assert_int_equal(stats_counter(daemon, "connections_open"), 1);
	peer_close(fd);
	daemon_expect_end(daemon);
}

// A request after a signal moves the deadline.
TEST(deadline_moves, .with = {EACH_PATIENCE}) {
	static const char *const requests[] = {"drain 200ms", "stop"};
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		struct daemon *daemon = daemon_start("--drain-timeout", "1h");
		int fd = peer_connect_served(daemon->address[0]);
		send_and_wait(daemon, SIGTERM);
		assert_int_equal(request(daemon, requests[i]), 200);
		daemon_expect_end(daemon);
		peer_expect_closed(fd);
	}
}

// Not ready, but serving.
static void expect_lame_duck(struct daemon *daemon) {
	stats_wait(daemon, "ready", 0);
	assert_int_equal(request(daemon, "ready"), 503);
	peer_visit(daemon->address[0]);
	assert_true(process_is_running(daemon->process));
}

// The first signal begins it, the second ends the delay, the third aborts the rest.
DAEMON_TEST(signals_during_the_delay, ("--drain-delay", "1h", "--drain-timeout", "1h")) {
	int fd = peer_connect_served(daemon->address[0]);
	assert_int_equal(request(daemon, "ready"), 200);
	send_and_wait(daemon, SIGTERM);
	expect_lame_duck(daemon);
	process_signal_pause();
	process_signal(daemon->process, SIGTERM);
	expect_refused(daemon->address[0]);
	assert_int_equal(request(daemon, "ready"), 503);
	peer_ping(fd);
	process_signal_pause();
	process_signal(daemon->process, SIGTERM);
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

// A signal after a request is the first of its kind, and leaves the delay alone.
DAEMON_TEST(requests_during_the_delay, ("--drain-delay", "1h", "--drain-timeout", "1h")) {
	int fd = peer_connect_served(daemon->address[0]);
	assert_int_equal(request(daemon, "drain"), 200);
	expect_lame_duck(daemon);
	process_signal(daemon->process, SIGTERM);
	wait_until(!process_is_pending(process_pid(daemon->process), SIGTERM));
	assert_int_equal(request(daemon, "drain 1ms"), 200);
	expect_lame_duck(daemon);
	assert_int_equal(request(daemon, "stop"), 200);
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

// When the delay has passed, the second signal aborts.
DAEMON_TEST(delay_ends_by_itself, ("--drain-delay", "200ms", "--drain-timeout", "1h")) {
	int fd = peer_connect_served(daemon->address[0]);
	uint64_t begin = clock_now();
	process_signal(daemon->process, SIGTERM);
	expect_refused(daemon->address[0]);
	assert_true(clock_now() - begin >= 200 * NS_PER_MS);
	peer_ping(fd);
	process_signal(daemon->process, SIGTERM);
	daemon_expect_end(daemon);
	peer_expect_closed(fd);
}

DAEMON_TEST(bad_duration_changes_nothing, (NULL)) {
	static const char *const requests[] = {"drain soon",  "drain -1s", "drain 5",
					       "drain 1s 2s", "stop now",  "drain 1e9h"};
	for (size_t i = 0; i < COUNT_OF(requests); i++)
		assert_int_equal(request(daemon, requests[i]), 400);
	assert_int_equal(stats_counter(daemon, "draining"), 0);
	peer_visit(daemon->address[0]);
}

DAEMON_TEST(control_clients_do_not_delay, ("--drain-timeout", "1h")) {
	int begun = ctl_connect(daemon->control);
	ctl_send(begun, "sta");
	int silent = ctl_connect(daemon->control);
	uint64_t begin = clock_now();
	daemon_stop(daemon);
	assert_true(clock_now() - begin < 4 * NS_PER_S || sizeof(ECHOD_SANITIZE) > 1);
	peer_close(begun);
	peer_close(silent);
}
