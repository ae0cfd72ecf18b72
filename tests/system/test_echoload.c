// Scenario: echoload against echod, in every mode and over every kind of address. What its result
// says is what the server has counted.
#include "base/cmdline.h"
#include "crowd.h"
#include "daemon.h"
#include "load.h"
#include "place.h"
#include "stats.h"

#define CONNECTIONS 9
#define CROWD (sizeof(ECHOD_SANITIZE) > 1 ? 1000 : 5000) // a sanitizer slows each wake-up
#define COUNT 600
#define COUNT_TEXT "600"

// Nothing was left open, aborted or lost on the server's side.
static void expect_clean_ends(struct daemon *daemon) {
	static const char *const others[] = {
		"connections_closed_timeout", "connections_closed_idle",
		"connections_closed_stalled", "connections_closed_drain",
		"connections_closed_error",   "connections_rejected_limit"};
	stats_wait_at_rest(daemon);
	json_t *snapshot = stats_take(daemon);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_int_equal(stats_get(snapshot, others[i]), 0);
	assert_int_equal(stats_get(snapshot, "bytes_sent"), stats_get(snapshot, "bytes_received"));
}

static void expect_verdict(const json_t *result) {
	assert_true(json_array_size(load_member(result, "evidence.reasons")) > 0);
	assert_int_equal(json_array_size(load_member(result, "evidence.threads")),
			 load_count(result, "configuration.threads"));
	assert_true(load_number(result, "evidence.thread_busy") <= 1.1);
	load_number(result, "evidence.lateness_p99_ns");
	load_count(result, "evidence.retransmits");
}

// A result is complete, of a run without any error.
static void expect_whole_result(const json_t *result) {
	uint64_t messages = load_count(result, "messages");
	double seconds = load_number(result, "seconds");
	assert_true(messages > 0 && seconds > 0);
	double rate = load_number(result, "messages_per_second") * seconds;
	assert_true(rate > 0.99 * (double)messages && rate < 1.01 * (double)messages);
	assert_true(load_number(result, "bytes_per_second") > 0);
	assert_int_equal(load_errors(result, NULL), 0);
	assert_true(json_is_array(load_member(result, "faults")));
	assert_int_equal(json_array_size(load_member(result, "faults")), 0);
	assert_int_equal(load_count(result, "faults_found"), 0);
	expect_verdict(result);
	assert_string_not_equal(load_text(result, "machine.kernel"), "");
	assert_string_not_equal(load_text(result, "machine.host"), "");
	assert_true(load_count(result, "machine.cpus") > 0);
	assert_true(load_count(result, "machine.memory_bytes") > 0);
}

static void expect_configuration(const json_t *result, const char *mode,
				 const char *const *targets) {
	const json_t *list = load_member(result, "configuration.targets");
	size_t count = 0;
	for (; targets[count]; count++)
		assert_string_equal(json_string_value(json_array_get(list, count)), targets[count]);
	assert_int_equal(json_array_size(list), count);
	assert_string_equal(load_text(result, "configuration.mode"), mode);
	assert_int_equal(load_count(result, "configuration.connections"), CONNECTIONS);
	assert_int_equal(load_count(result, "configuration.threads"), 3);
	assert_true(json_is_true(load_member(result, "configuration.verify")));
}

// Whether the server has accepted as many connections as it should. A thread that is kept from its
// CPU may come when all messages are sent, and then connects none.
static bool are_all_there(const json_t *result, const char *mode, uint64_t accepted) {
	if (strcmp(mode, "churn") != 0 && strcmp(mode, "half-close") != 0) {
		assert_in_range(accepted, 1, CONNECTIONS);
		return accepted == CONNECTIONS;
	}
	// One for each message; those at the end brought none within the time.
	uint64_t messages = load_count(result, "messages");
	assert_in_range(accepted, messages, messages + UINT64_C(2) * CONNECTIONS);
	return true;
}

// Loads `count` of the three kinds of addresses from the `first` on.
static bool run_mode(const char *mode, size_t first, size_t count) {
	struct daemon *daemon = daemon_start("--listen", "127.0.0.1:0", "--listen", "[::1]:0",
					     "--listen", place_address("echo"), NULL);
	const char *targets[4] = {NULL};
	for (size_t i = 0; i < count; i++)
		targets[i] = daemon->address[first + i];
	const bool idle = strcmp(mode, "idle") == 0;
	const char *const *options = STRINGS(LOAD_FOR_RESULT, "-c", "9", "-t", "3", "-n", "200",
					     "-m", mode, idle ? "--rate" : NULL, "300");
	json_t *result =
		load_run_with(PROCESS(.arguments = load_arguments(options, targets)), EXIT_OK);
	expect_whole_result(result);
	expect_configuration(result, mode, targets);
	stats_wait(daemon, "bytes_received", load_count(result, "bytes_verified"));
	expect_clean_ends(daemon);
	bool right = are_all_there(result, mode, stats_counter(daemon, "connections_accepted"));
	daemon_stop(daemon);
	return right;
}

static const struct addresses {
	const char *name;
	size_t first, count;
} kinds[] = {{"ipv4", 0, 1}, {"ipv6", 1, 1}, {"unix_domain", 2, 1}, {"several_targets", 0, 3}};

TEST_ROWS(each_mode, const struct addresses *addresses, kinds) {
	static const char *const modes[] = {"ping", "stream", "churn", "idle", "half-close"};
	for (size_t i = 0; i < COUNT_OF(modes); i++)
		wait_until(run_mode(modes[i], addresses->first, addresses->count));
}

// `--count` messages are sent, no more and no fewer, of `size` bytes each.
static void expect_count(const char *size, const char *const *options) {
	struct daemon *daemon = daemon_start(NULL);
	const char *const *fixed = STRINGS(LOAD_FOR_RESULT, "-c", "6", "-t", "2", "-n", COUNT_TEXT,
					   daemon->address[0]);
	json_t *result =
		load_run_with(PROCESS(.arguments = load_arguments(fixed, options)), EXIT_OK);
	expect_whole_result(result);
	uint64_t bytes = load_count(result, "bytes");
	if (size)
		assert_int_equal(bytes, COUNT * strtoul(size, NULL, 10));
	else
		assert_in_range(bytes, 1000 * COUNT, 2000 * COUNT);
	assert_int_equal(load_count(result, "messages"), COUNT);
	assert_int_equal(load_count(result, "configuration.count"), COUNT);
	assert_int_equal(load_count(result, "bytes_verified"), bytes);
	assert_int_equal(load_count(result, "histogram.latency.count"), COUNT);
	assert_true(json_is_null(load_member(result, "configuration.duration_seconds")));
	expect_clean_ends(daemon);
	assert_int_equal(stats_counter(daemon, "bytes_received"), bytes);
	daemon_stop(daemon);
}

TEST(count_is_exact) {
	static const struct {
		const char *size; // of a message; NULL: they differ
		const char *options[8];
	} cases[] = {
		{"64", {"-m", "ping"}},
		{"1", {"--pipeline", "32", "-s", "1"}},
		{NULL, {"--pipeline", "3", "-s", "1..3000"}},
		{"300000", {"-m", "stream", "-s", "300000"}},
		{"64", {"-m", "churn", "--visit", "7"}},
		{"100", {"-m", "half-close", "--visit", "100"}},
		{"64", {"-m", "idle", "--rate", "2k"}},
		{"64", {"--rate", "2k"}},
		{"64", {"--rate", "2k", "--arrival", "poisson", "--pipeline", "4"}},
		{"64", {"--spin"}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect_count(cases[i].size, cases[i].options);
}

// Without verification no byte counts as verified, and as much is sent.
DAEMON_TEST(without_verification, (NULL)) {
	json_t *result =
		load_run(EXIT_OK, "--no-verify", "-n", COUNT_TEXT, "-c", "4", daemon->address[0]);
	assert_int_equal(load_count(result, "bytes_verified"), 0);
	assert_true(json_is_false(load_member(result, "configuration.verify")));
	assert_int_equal(load_count(result, "messages"), COUNT);
	expect_clean_ends(daemon);
	assert_int_equal(stats_counter(daemon, "bytes_received"), load_count(result, "bytes"));
}

// The control socket of the server makes its workers part of the evidence, unless it answered for
// less than half of the run. On a busy machine a server may use no CPU time within a second, and it
// may not be seen twice in time, which makes it unknown.
DAEMON_TEST(control_socket, ("--workers", "2")) {
	json_t *result;
	uint64_t deadline = clock_deadline(PATIENCE);
	do {
		result = load_run(EXIT_OK, "--control", daemon->control, "-d", "1s", "-c", "4",
				  daemon->address[0]);
		expect_whole_result(result);
	} while ((json_is_null(load_member(result, "evidence.server.workers_busy")) ||
		  json_number_value(load_member(result, "evidence.server.cpu")) == 0) &&
		 clock_now() < deadline);
	assert_true(load_number(result, "evidence.server.workers_busy") <= 1);
	assert_true(load_number(result, "evidence.server.cpu") > 0);
	expect_clean_ends(daemon);
	struct daemon *other = daemon_start("--control", place_path("other"), NULL);
	result = load_run(EXIT_OK, "--control", daemon->control, "-d", "200ms", other->address[0]);
	assert_contains(load_text(result, "evidence.reasons.1"), "--control is ignored: ");
	daemon_stop(other);
}

// Thousands of connections from two addresses of one process.
TEST(thousands) {
	size_t crowd = crowd_room(CROWD, 0);
	struct daemon *daemon = daemon_start(NULL);
	// Each connection is woken every two seconds, thus at least once in three.
	json_t *result = load_run(EXIT_OK, daemon->address[0], "-c", test_text("%zu", crowd), "-t",
				  "2", "--rate", test_text("%zu", crowd / 2), "--ramp", "1s", "-d",
				  "3s", "--source", "127.0.0.2,127.0.0.3");
	assert_int_equal(load_errors(result, NULL), 0);
	assert_int_equal(load_count(result, "evidence.unanswered"), 0);
	assert_int_equal(load_count(result, "faults_found"), 0);
	assert_true(load_count(result, "messages") >= crowd);

	stats_wait_at_rest(daemon);
	json_t *snapshot = stats_take(daemon);
	assert_int_equal(stats_get(snapshot, "connections_accepted"), crowd);
	assert_int_equal(stats_get(snapshot, "connections_closed_peer"), crowd);
	assert_int_equal(stats_get(snapshot, "connections_silent"), 0);
	// What came while they were being connected is in no figure.
	assert_int_equal(load_count(result, "bytes_verified"), load_count(result, "bytes"));
	assert_true(stats_get(snapshot, "bytes_received") >= load_count(result, "bytes"));
	assert_int_equal(stats_get(snapshot, "bytes_sent"), stats_get(snapshot, "bytes_received"));
	daemon_stop(daemon);
}
