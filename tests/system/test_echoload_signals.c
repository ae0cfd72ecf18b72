// Scenario: echoload is asked to end before its time.
#include <signal.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"
#include "place.h"
#include "stats.h"

#define START(...) process_start_simple(ECHOLOAD_PROGRAM, "--allow-client-bound", __VA_ARGS__)

static void end_early(struct daemon *daemon, int number, const char *check, int wanted) {
	uint64_t before = stats_counter(daemon, "bytes_received");
	struct process *process = START(daemon->address[0], "-c", "4", "-t", "2", "-d", "never",
					"--json", "-", "--expect", check);
	stats_wait_at_least(daemon, "bytes_received", before + 10000);
	process_signal(process, number);
	process_expect_status(process, wanted);
	load_expect_report(process_errors(process, NULL));
	json_t *result = load_result(process);
	assert_true(load_count(result, "messages") > 0);
	assert_true(load_number(result, "seconds") > 0);
	assert_int_equal(load_errors(result, NULL), 0);
	assert_true(json_is_true(load_member(result, "evidence.interrupted")));
	assert_contains(process_errors(process, NULL), "\ninterrupted   by a signal");
	assert_true(json_is_null(load_member(result, "configuration.duration_seconds")));
	stats_wait_at_rest(daemon);
	uint64_t verified = load_count(result, "bytes_verified");
	assert_int_equal(verified, load_count(result, "bytes"));
	// A message of each connection may have been on its way.
	assert_in_range(stats_counter(daemon, "bytes_received") - before, verified,
			verified + UINT64_C(4) * 64);
}

DAEMON_TEST(first_signal_ends_the_run, (NULL)) {
	end_early(daemon, SIGINT, "errors==0", EXIT_OK);
	end_early(daemon, SIGTERM, "errors==0", EXIT_OK);
	end_early(daemon, SIGHUP, "errors==0", EXIT_OK);
	end_early(daemon, SIGINT, "messages==0", EXIT_CHECK_FAILED);
	assert_int_equal(stats_counter(daemon, "connections_closed_reset"), 0);
}

// After the first signal it waits for what is on its way; a second one ends it at once.
TEST(second_signal_kills) {
	static const int numbers[] = {SIGINT, SIGTERM};
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		struct odd_server *server = odd_server(ODD_SILENT);
		struct process *process = START(server->address, "-d", "never");
		wait_until(odd_received(server) > 0); // then there is something to wait for
		process_signal(process, numbers[i]);
		wait_until(!process_is_pending(process_pid(process), numbers[i]));
		process_signal_pause();
		process_signal(process, numbers[i]);
		assert_int_equal(process_wait(process), 128 + numbers[i]);
		assert_string_equal(process_output(process, NULL), "");
	}
}

DAEMON_TEST(interrupted_in_the_warm_up, (NULL)) {
	const char *path = place_path("early.json");
	struct process *process =
		START(daemon->address[0], "--warmup", "1h", "--json", path, "--expect", "p99<1us");
	stats_wait_at_least(daemon, "bytes_received", 1000);
	process_signal(process, SIGINT);
	process_expect_status(process, EXIT_INCONCLUSIVE);
	assert_string_equal(process_errors(process, NULL),
			    "echoload: interrupted before anything was measured\n");
	assert_contains(process_output(process, NULL), "before anything was recorded\n");
	json_t *result = load_result_of_file(path);
	assert_int_equal(load_count(result, "messages"), 0);
	assert_true(json_is_true(load_member(result, "evidence.interrupted")));
}

DAEMON_TEST(search_is_interrupted, (NULL)) {
	static const char said[] =
		"echoload: the search was interrupted: so far p99<1h holds up to ";
	const char *path = place_path("no.json");
	struct process *process =
		START(daemon->address[0], "--search", "p99<1h", "-d", "200ms", "--json", path);
	wait_until(strstr(process_output(process, NULL), "holds\n"));
	process_signal(process, SIGINT);
	assert_int_equal(process_wait(process), EXIT_INCONCLUSIVE);
	assert_null(strstr(process_output(process, NULL), "verdict"));
	const char *line = process_errors(process, NULL);
	assert_int_equal(process_count_lines(line), 1);
	assert_memory_equal(line, said, sizeof(said) - 1);
	assert_null(strstr(line, "no rate"));
	assert_false(place_exists(path));
	stats_wait_at_rest(daemon);

	process = START(daemon->address[0], "--search", "p99<1h", "-d", "1h");
	stats_wait_at_least(daemon, "connections_open", 1);
	process_signal(process, SIGTERM);
	load_expect_refusal(process, process_wait(process), EXIT_INCONCLUSIVE,
			    "p99<1h holds at no rate that was tried\n");
}
