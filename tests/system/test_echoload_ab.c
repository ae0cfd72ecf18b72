// Scenario: `echoload ab` compares servers, and names the one that cannot be compared.
#include <signal.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"
#include "peer.h"
#include "place.h"
#include "throttle.h"

#define ROUNDS "10"

static const char *const measures[] = {"rate", "p50", "p99", "cpu"};

// A ratio agrees with its interval and with what is said of it.
static void expect_ratio(const json_t *result, const json_t *ratio) {
	const char *said = json_string_value(load_member(ratio, "conclusion"));
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
	const char *arguments[24] = {ECHOLOAD_PROGRAM, "ab", first, second, "--json", "-"};
	bool checks = false;
	for (size_t i = 0; options[i]; i++) {
		arguments[6 + i] = options[i];
		checks |= strcmp(options[i], "--expect") == 0;
	}
	struct process *process;
	int ended = process_run(PROCESS(.arguments = arguments), &process);
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
	return result;
}

static const json_t *second_ratio(const json_t *result, const char *measure) {
	const json_t *second = json_array_get(load_member(result, "targets"), 1);
	return load_member(load_member(second, "ratio"), measure);
}

static const char *const loads[][7] = {
	{"-c", "1"},
	{"-c", "20", "-t", "2"},
	{"-c", "5", "--rate", "2k", "--arrival", "poisson"},
	{"-m", "stream", "-c", "2"},
	{"-m", "churn", "-c", "2", "--linger", "rst"},
	{"-m", "half-close", "-c", "2"},
};

// Two addresses in every kind of load.
DAEMON_TEST(two_servers, ("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0")) {
	char named[160];
	snprintf(named, sizeof(named), "new=%s", daemon->address[1]);
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		const char *options[12] = {"--rounds", ROUNDS, "--slice", "5ms"};
		memcpy(&options[4], loads[i], sizeof(loads[i]));
		json_t *result = compare(EXIT_OK, daemon->address[0], named, options);
		assert_int_equal(load_count(result, "rounds"), atoi(ROUNDS));
		const json_t *second = json_array_get(load_member(result, "targets"), 1);
		assert_string_equal(json_string_value(load_member(second, "name")), "new");
		assert_true(load_number(second_ratio(result, "rate"), "low") > 0);
		assert_true(load_number(second_ratio(result, "cpu"), "low") > 0);
		json_decref(result);
	}
}

// It ends before its time, when the rounds tell enough.
DAEMON_TEST(until, ("--listen", "127.0.0.1:0")) {
	json_t *result =
		compare(EXIT_OK, daemon->address[0], daemon->address[0],
			(const char *[]){"--until", "90%", "-d", "1h", "--slice", "2ms", NULL});
	assert_true(load_count(result, "rounds") > 0);
	assert_int_equal(load_count(result, "rounds") % 32, 0);
	json_decref(result);
}

// Nothing is told of the CPU time of servers that fork for each connection, which are short: all of
// it cannot be seen.
TEST(forking) {
	const struct odd_spec forks = {.conduct = ODD_FORKS};
	struct odd_server *one = odd_start(&forks), *other = odd_start(&forks);
	json_t *result = compare(EXIT_OK, odd_address(one), odd_address(other),
				 (const char *[]){"-m", "churn", "--rounds", ROUNDS, NULL});
	const char *said =
		json_string_value(load_member(second_ratio(result, "cpu"), "conclusion"));
	if (strcmp(said, "not known") != 0)
		assert_string_equal(said, "disturbed");
	assert_true(load_number(second_ratio(result, "rate"), "low") > 0);
	json_decref(result);
}

// One that works for twice as long on a message is found, in rate and in CPU time.
TEST(difference) {
	struct odd_server *fast =
		odd_start(&(struct odd_spec){.conduct = ODD_WORKS, .arg = 0.0005});
	struct odd_server *slow = odd_start(&(struct odd_spec){.conduct = ODD_WORKS, .arg = 0.001});
	static const struct {
		const char *check;
		int status;
	} checks[] = {
		{"b.rate<0.9", EXIT_OK},
		{"b.cpu<=1.02", EXIT_CHECK_FAILED},
		{"b.p99<2", EXIT_INCONCLUSIVE}, // of so few messages
	};
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		json_t *result = compare(checks[i].status, odd_address(fast), odd_address(slow),
					 (const char *[]){"--rounds", ROUNDS, "--slice", "10ms",
							  "--expect", checks[i].check, NULL});
		assert_true(load_number(second_ratio(result, "cpu"), "median") > 1.1);
		json_decref(result);
	}
}

// With a neighbour on each CPU nothing is told, however it looks.
DAEMON_TEST(disturbed, (NULL)) {
	struct throttle *first = throttle_neighbour(0);
	struct throttle *last = throttle_neighbour((unsigned)sysconf(_SC_NPROCESSORS_ONLN) - 1);
	json_t *result =
		compare(EXIT_INCONCLUSIVE, daemon->address[0], daemon->address[0],
			(const char *[]){"--rounds", "6", "--expect", "b.rate>0.001", NULL});
	assert_true(json_is_true(load_member(result, "disturbed")));
	assert_true(load_number(result, "other_cpus") > 0.1);
	json_decref(result);
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
TEST(one_is_no_echo_server) {
	struct daemon *good = daemon_start(NULL);
	for (size_t i = 0; i < COUNT_OF(culprits); i++) {
		struct odd_server *odd = odd_start(
			&(struct odd_spec){.conduct = culprits[i].conduct, .arg = culprits[i].arg});
		char named[64];
		char culprit[64];
		snprintf(named, sizeof(named), "odd=%s", odd_address(odd));
		snprintf(culprit, sizeof(culprit), "odd (%s): ", odd_address(odd));
		struct process *process;
		int status = LOAD(&process, "ab", good->address[0], named, "-m", culprits[i].mode,
				  "--timeout", "1s", "-d", "never");
		load_expect_refusal(process, status, culprits[i].status, culprit);
		if (!strstr(process_errors(process, NULL), culprits[i].said))
			fail_msg("%s not in %s", culprits[i].said, process_errors(process, NULL));
	}
	char address[32];
	struct process *process;
	snprintf(address, sizeof(address), "127.0.0.1:%u", (unsigned)peer_free_port());
	int status = LOAD(&process, "ab", good->address[0], address);
	load_expect_refusal(process, status, EXIT_UNREACHABLE, "Connection refused");
	assert_contains(process_errors(process, NULL), "b (");
	daemon_stop(good);
}

// What there is at Ctrl-C is printed, and can be drawn.
DAEMON_TEST(interrupted, (NULL)) {
	char *result = strdup(place_path("result"));
	struct process *process =
		process_start_simple(ECHOLOAD_PROGRAM, "ab", daemon->address[0], daemon->address[0],
				     "-d", "never", "--slice", "1ms", "--json", result);
	uint64_t used = process_cpu_time(process);
	wait_until(process_cpu_time(process) > used + NS_PER_S);
	process_signal(process, SIGINT);
	load_expect_status(process, process_wait(process), EXIT_OK);
	assert_contains(process_output(process, NULL), "until a signal");
	char *picture = strdup(place_path("picture.html"));
	int status = LOAD(&process, "report", "-o", picture, result);
	load_expect_status(process, status, EXIT_OK);
	char *page = place_read(picture);
	assert_contains(page, "<svg");
	assert_contains(page, "a, itself");
	free(page);
	free(picture);
	free(result);
}

TEST(wrong_usage) {
	static const struct {
		const char *arguments[6];
		const char *named;
	} cases[] = {
		{{NULL}, "two targets"},
		{{"127.0.0.1:1"}, "two targets"},
		{{"x=127.0.0.1:1", "x=127.0.0.1:2"}, "'x'"},
		{{"b=127.0.0.1:1", "127.0.0.1:2"}, "'b'"},
		{{"x=", "127.0.0.1:2"}, "''"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--slice", "0"}, "--slice"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--until", "1"}, "--until"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--rounds", "9", "-d", "1s"}, "--rounds"},
		{{"127.0.0.1:1", "127.0.0.1:2", "-m", "idle"}, "idle"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--expect", "c.rate>=1"}, "'c'"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--expect", "a.rate>=1"}, "'a'"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--expect", "b.beauty>1"}, "b.beauty"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--expect", "b.rate=>1"}, "b.rate=>1"},
		{{"127.0.0.1:1", "127.0.0.1:2", "--expect", "b.rate>=1x"}, "b.rate>=1x"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *arguments[9] = {ECHOLOAD_PROGRAM, "ab"};
		memcpy(&arguments[2], cases[i].arguments, sizeof(cases[i].arguments));
		struct process *process;
		int status = process_run(PROCESS(.arguments = arguments), &process);
		load_expect_refusal(process, status, EXIT_USAGE, cases[i].named);
	}
}
