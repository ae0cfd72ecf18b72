// Scenario: each error that echoload knows by name, how often it occurs and what is said of the
// first.
#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"
#include "peer.h"
#include "stats.h"

// One of two targets is there: the run goes on, and the error of the other one is reported.
DAEMON_TEST(refused, (NULL)) {
	const char *refuses = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	json_t *result = load_run(EXIT_CHECK_FAILED, daemon->address[0], refuses, "-d", "500ms");
	uint64_t count = load_expect_only(
		result, "refused", test_text("on connection 1 to %s: Connection refused", refuses));
	assert_in_range(count, 1, 10); // not again and again at once
	assert_true(load_count(result, "messages") > 0);
	assert_int_equal(stats_counter(daemon, "connections_accepted"), 1);
}

// The backlog of one target is full, so that connects to it get no answer.
DAEMON_TEST(connect_timeout, (NULL)) {
	uint16_t port;
	int listener = peer_listen(0, 0, &port);
	const char *address = test_text("127.0.0.1:%u", (unsigned)port);
	int waiting = peer_connect(address); // a backlog of 0 has room for one
	json_t *result = load_run(EXIT_CHECK_FAILED, daemon->address[0], address, "-d", "1500ms",
				  "--timeout", "1s");
	uint64_t count = load_expect_only(result, "connect_timeout", address);
	assert_in_range(count, 1, 3);
	load_refuses(EXIT_UNREACHABLE, "connect_timeout", address, "-d", "10s", "--timeout",
		     "200ms");
	peer_close(waiting);
	peer_close(listener);
}

DAEMON_TEST(out_of_descriptors, (NULL)) {
	const struct rlimit few = {.rlim_cur = 30, .rlim_max = 30};
	const char *const *arguments =
		STRINGS(LOAD_FOR_RESULT, "-c", "50", "-d", "500ms", daemon->address[0]);
	struct process *process =
		process_run_to(EXIT_CHECK_FAILED, PROCESS(.arguments = arguments, .nofile = few));
	json_t *result = load_result(process);
	uint64_t count = load_expect_only(result, "out_of_descriptors", "Too many open files");
	uint64_t accepted = stats_counter(daemon, "connections_accepted");
	assert_in_range(accepted, 10, 29);
	assert_true(count >= 50 - accepted);
	assert_true(load_count(result, "messages") > 0);
	assert_contains(process_errors(process, NULL), "-> raise the hard limit: sudo prlimit");
	stats_wait_at_rest(daemon);
	// What echoload itself lacked counts for nothing, whatever the checks say.
	arguments = STRINGS(ECHOLOAD_PROGRAM, "-c", "50", "-d", "1200ms", "--expect", "messages<1",
			    daemon->address[0]);
	process = process_run_to(EXIT_INCONCLUSIVE, PROCESS(.arguments = arguments, .nofile = few));
	assert_contains(process_output(process, NULL), "CLIENT-BOUND");
}
