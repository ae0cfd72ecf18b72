// Scenario: a control command ends the server, which goes on answering meanwhile.
#include <signal.h>

#include "ctl.h"
#include "daemon.h"
#include "peer.h"
#include "stats.h"

static void drain_until_deadline(const char *option, const char *request) {
	struct daemon *daemon = daemon_start("--drain-timeout", option, NULL);
	int fd = peer_connect_served(daemon->address[0]);
	uint64_t begin = clock_now();
	assert_int_equal(ctl_request(daemon->control, request, NULL), 200);
	daemon_expect_end(daemon);
	assert_true(clock_now() - begin >= 290 * NS_PER_MS);
	process_expect_error_text(daemon->process, "1 connection");
	peer_expect_closed(fd);
}

TEST(drain_with_a_deadline, .with = {EACH_PATIENCE}) {
	drain_until_deadline("1h", "drain 300ms");
	drain_until_deadline("300ms", "drain");
}

TEST(stop) {
	struct daemon *daemon = daemon_start("--workers", "1", "--patience", "never",
					     "--drain-timeout", "1h", NULL);
	int served = peer_connect_served(daemon->address[0]);
	int queued = peer_connect(daemon->address[0]);
	stats_wait(daemon, "connections_queued", 1);
	assert_int_equal(ctl_request(daemon->control, "stop", NULL), 200);
	daemon_expect_end(daemon);
	peer_expect_closed(served);
	peer_expect_closed(queued);
}

// If nobody is connected the end comes at once, but not before the answer.
TEST(answer_comes_before_the_end) {
	for (int i = 0; i < 20; i++) {
		struct daemon *daemon = daemon_start("--workers", "1", NULL);
		assert_int_equal(ctl_request(daemon->control, i % 2 ? "stop" : "drain", NULL), 200);
		daemon_expect_end(daemon);
		test_clean_up();
	}
}

TEST(answers_during_drain) {
	static const char *const questions[] = {
		"ping", "version", "stats", "stats json", "connections json", "workers", "help"};
	struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
	int fd = peer_connect_served(daemon->address[0]);
	assert_int_equal(stats_counter(daemon, "draining"), 0);
	assert_int_equal(ctl_request(daemon->control, "drain", NULL), 200);
	stats_wait(daemon, "draining", 1);
	for (size_t i = 0; i < COUNT_OF(questions); i++)
		assert_int_equal(ctl_request(daemon->control, questions[i], NULL), 200);
	peer_ping(fd);
	assert_int_equal(stats_counter(daemon, "connections_open"), 1);
	peer_close(fd);
	daemon_expect_end(daemon);
}

// A request after a signal moves the deadline.
TEST(deadline_moves, .with = {EACH_PATIENCE}) {
	static const char *const requests[] = {"drain 200ms", "stop"};
	for (size_t i = 0; i < COUNT_OF(requests); i++) {
		struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
		int fd = peer_connect_served(daemon->address[0]);
		process_signal(daemon->process, SIGTERM);
		stats_wait(daemon, "draining", 1);
		assert_int_equal(ctl_request(daemon->control, requests[i], NULL), 200);
		daemon_expect_end(daemon);
		peer_expect_closed(fd);
	}
}

DAEMON_TEST(bad_duration_changes_nothing, (NULL)) {
	static const char *const requests[] = {"drain soon",  "drain -1s", "drain 5",
					       "drain 1s 2s", "stop now",  "drain 1e9h"};
	for (size_t i = 0; i < COUNT_OF(requests); i++)
		assert_int_equal(ctl_request(daemon->control, requests[i], NULL), 400);
	assert_int_equal(stats_counter(daemon, "draining"), 0);
	peer_visit(daemon->address[0]);
}

TEST(control_clients_do_not_delay) {
	struct daemon *daemon = daemon_start("--drain-timeout", "1h", NULL);
	int begun = ctl_connect(daemon->control);
	ctl_send(begun, "sta");
	int silent = ctl_connect(daemon->control);
	uint64_t begin = clock_now();
	daemon_stop(daemon);
	assert_true(clock_now() - begin < 4 * NS_PER_S || sizeof(ECHOD_SANITIZE) > 1);
	peer_close(begun);
	peer_close(silent);
}
