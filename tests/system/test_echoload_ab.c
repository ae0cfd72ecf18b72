// Scenario: `echoload ab` compares servers, and names the one that cannot be compared.
#include <signal.h>

#include "base/cmdline.h"
#include "load.h"
#include "odd_server.h"
#include "peer.h"
#include "place.h"
#include "stats.h"
#include "throttle.h"

#define ROUNDS "10"

static const char *const measures[] = {"rate", "p50", "p99", "cpu"};

// A ratio agrees with its interval and with what is said of it.
static void expect_ratio(const json_t *result, const json_t *ratio) {
	const char *said = load_text(ratio, "conclusion");
	if (!json_is_number(json_object_get(ratio, "low"))) {
		assert_string_equal(said, "not known");
		return;
	}
	double low = load_number(ratio, "low"), median = load_number(ratio, "median"),
	       high = load_number(ratio, "high");
	assert_true(low <= median && median <= high);
	if (json_is_true(load_member(result, "disturbed")))
		assert_string_equal(said, "disturbed");
	else if (strcmp(said, "echoload is the limit") != 0)
		assert_string_equal(said, low > 1 ? "more" : high < 1 ? "less" : "no difference");
}

// Compares with these options, and returns the result. It ends with `status`; with
// EXIT_INCONCLUSIVE if it checks something and others have disturbed it.
static json_t *compare(int status, const char *first, const char *second,
		       const char *const *options) {
	bool checks = false;
	for (size_t i = 0; options[i]; i++)
		checks |= strcmp(options[i], "--expect") == 0;
	struct process *process;
	const char *const *begin = STRINGS(ECHOLOAD_PROGRAM, "ab", first, second, "--json", "-");
	int ended = process_run(PROCESS(.arguments = load_arguments(begin, options)), &process);
	json_t *result = json_loads(process_output(process, NULL), 0, NULL);
	if (!result)
		fail_msg("no result, but %d: %s", ended, process_errors(process, NULL));
	bool disturbed = json_is_true(load_member(result, "disturbed"));
	load_expect_status(process, ended, disturbed && checks ? EXIT_INCONCLUSIVE : status);
	assert_contains(process_errors(process, NULL), "ratio to a");
	for (size_t i = 0; i < 2; i++) {
		const json_t *target = json_array_get(load_member(result, "targets"), i);
		assert_true(load_number(target, "messages") > 0);
		for (size_t k = 0; k < COUNT_OF(measures); k++)
			expect_ratio(result,
				     json_object_get(load_member(target, "ratio"), measures[k]));
	}
	return json_keep(result);
}

#define QUICKLY "--rounds", ROUNDS, "--slice", "5ms"
static const char *const loads[][11] = {
	{QUICKLY, "-c", "1"},
	{QUICKLY, "-c", "20", "-t", "2"},
	{QUICKLY, "-c", "5", "--rate", "2k", "--arrival", "poisson"},
	{QUICKLY, "-m", "stream", "-c", "2"},
	{QUICKLY, "-m", "churn", "-c", "2", "--linger", "rst"},
	{QUICKLY, "-m", "half-close", "-c", "2"},
};

// Two addresses in every kind of load.
DAEMON_TEST(two_servers, ("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")) {
	const char *named = test_text("new=%s", daemon->address[1]);
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		json_t *result = compare(EXIT_OK, daemon->address[0], named, loads[i]);
		assert_int_equal(load_count(result, "rounds"), atoi(ROUNDS));
		assert_string_equal(load_text(result, "targets.1.name"), "new");
		assert_true(load_number(result, "targets.1.ratio.rate.median") > 0);
		assert_true(load_number(result, "targets.1.ratio.cpu.median") > 0);
		bool spin = i == 0 && sysconf(_SC_NPROCESSORS_ONLN) > 1; // as few are on their way
		assert_int_equal(json_is_true(load_member(result, "configuration.spin")), spin);
		assert_false(spin && json_is_true(load_member(result, "targets.0.generator_busy")));
	}
}

// It ends before its time, when the rounds suffice.
DAEMON_TEST(until, ("--listen", "127.0.0.1:0")) {
	json_t *result = compare(EXIT_OK, daemon->address[0], daemon->address[0],
				 STRINGS("--until", "90%", "-d", "1h", "--slice", "2ms"));
	assert_true(load_count(result, "rounds") > 0);
	assert_int_equal(load_count(result, "rounds") % 32, 0);
	assert_true(load_number(result, "configuration.duration_seconds") == 3600);
	load_refuses(EXIT_INCONCLUSIVE, " rounds with a result are too few to say anything: 6",
		     "ab", daemon->address[0], daemon->address[0], "--rounds", "5");
}

// Where servers fork for each connection and these are short, some of their CPU time cannot be
// seen: nothing is said of it.
TEST(forking) {
	struct odd_server *one = odd_server(ODD_FORKS), *other = odd_server(ODD_FORKS);
	json_t *result = compare(EXIT_OK, one->address, other->address,
				 STRINGS("-m", "churn", "--rounds", ROUNDS));
	const char *said = load_text(result, "targets.1.ratio.cpu.conclusion");
	if (strcmp(said, "not known") != 0)
		assert_string_equal(said, "disturbed");
	assert_true(load_number(result, "targets.1.ratio.rate.median") > 0);
}

// A server that works twice as long on a message is found, in rate and in CPU time.
TEST(difference) {
	struct odd_server *fast = odd_server(ODD_WORKS, .arg = 0.0005);
	struct odd_server *slow = odd_server(ODD_WORKS, .arg = 0.001);
	static const struct {
		const char *first, *second;
		int status;
	} checks[] = {
		{"b.rate<0.9", "b.cpu>1.02", EXIT_OK},
		{"b.cpu<=1.02", "b.p99<2", EXIT_CHECK_FAILED},
		{"b.p99<2", "b.rate<0.9", EXIT_INCONCLUSIVE}, // of so few messages
	};
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		json_t *result = compare(checks[i].status, fast->address, slow->address,
					 STRINGS("--rounds", ROUNDS, "--slice", "10ms", "--expect",
						 checks[i].first, "--expect", checks[i].second));
		assert_true(load_number(result, "targets.1.ratio.cpu.median") > 1.1);
	}
}

// With a neighbour on each CPU there is no conclusion, whatever is measured.
DAEMON_TEST(disturbed, (NULL)) {
	struct throttle *first = throttle_neighbour(0);
	struct throttle *last = throttle_neighbour((unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	json_t *result = compare(EXIT_INCONCLUSIVE, daemon->address[0], daemon->address[0],
				 STRINGS("--rounds", ROUNDS, "--expect", "b.rate>0.001"));
	assert_true(json_is_true(load_member(result, "disturbed")));
	assert_true(load_number(result, "other_cpus") > 0.1);
	throttle_end(first);
	throttle_end(last);
}

static const struct {
	enum odd_conduct conduct;
	double arg;
	const char *mode;
	int status;
	const char *said;
} culprits[] = {
	{ODD_SILENT, 0, "ping", EXIT_INCONCLUSIVE, "timeout"},
	{ODD_HALVES, 0, "ping", EXIT_INCONCLUSIVE, "short"},
	{ODD_LEAVES, 3000, "ping", EXIT_INCONCLUSIVE, "early_close"},
	{ODD_REPEATS, 0.05, "ping", EXIT_CHECK_FAILED, "wrong bytes"},
	{ODD_ADDS, 0, "half-close", EXIT_CHECK_FAILED, "wrong bytes"},
};

// Whatever is wrong with a server, it is named, and no ratio is printed.
DAEMON_TEST(one_is_no_echo_server, (NULL)) {
	for (size_t i = 0; i < COUNT_OF(culprits); i++) {
		struct odd_server *odd = odd_server(culprits[i].conduct, .arg = culprits[i].arg);
		const char *culprit = test_text("odd (%s): ", odd->address);
		const char *line =
			load_refuses(culprits[i].status, culprit, "ab", daemon->address[0],
				     test_text("odd=%s", odd->address), "-m", culprits[i].mode,
				     "--timeout", "1s", "-d", "never");
		// What is sent late in its slice is given up with that, before its time.
		if (culprits[i].conduct != ODD_SILENT || !strstr(line, "nothing was answered"))
			assert_contains(line, culprits[i].said);
	}
	const char *address = test_text("127.0.0.1:%u", (unsigned)peer_free_port());
	const char *line = load_refuses(EXIT_UNREACHABLE, "Connection refused", "ab",
					daemon->address[0], address);
	assert_contains(line, "b (");
}

// What there is at Ctrl-C is printed, and can be drawn.
DAEMON_TEST(interrupted, (NULL)) {
	const char *result = place_path("result"), *picture = place_path("picture.html");
	struct process *process =
		process_start_simple(ECHOLOAD_PROGRAM, "ab", daemon->address[0], daemon->address[0],
				     "-d", "never", "--slice", "1ms", "--json", result);
	stats_wait_at_least(daemon, "messages", 20000); // many rounds
	process_signal(process, SIGINT);
	process_expect_status(process, EXIT_OK);
	assert_contains(process_output(process, NULL), "until a signal");
	load_ends(EXIT_OK, "report", "-o", picture, result);
	const char *page = place_read(picture);
	assert_contains(page, "<svg");
	assert_contains(page, "a, itself");
}
