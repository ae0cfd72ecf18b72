// Scenario: `echoload ab` compares servers, and names the one that cannot be compared.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"
#include "peer.h"
#include "place.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS "20"

static const char *const measures[] = {"rate", "total", "p50", "p99", "cpu"};

static const struct {
	const char *options[6];
} loads[] = {
	{{"-c", "1"}},
	{{"-c", "20", "-t", "2"}},
	{{"-c", "5", "--rate", "2k", "--arrival", "poisson"}},
	{{"-m", "stream", "-c", "2"}},
	{{"-m", "churn", "-c", "2", "--linger", "rst"}},
	{{"-m", "half-close", "-c", "2"}},
};

// Two addresses in every kind of load: each ratio that is known lies in its interval.
static void test_two_servers(void **state)
{
	(void)state;
	struct daemon *daemon =
		daemon_start("--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", NULL);
	for (size_t i = 0; i < COUNT_OF(loads); i++) {
		const char *arguments[20] = {ECHOLOAD_PROGRAM, "ab",   daemon->address[0], NULL,
					     "--rounds",       ROUNDS, "--json",	   "-"};
		char named[160];
		snprintf(named, sizeof(named), "new=%s", daemon->address[1]);
		arguments[3] = named;
		memcpy(&arguments[8], loads[i].options, sizeof(loads[i].options));
		struct process *process;
		int status = process_run(&(struct process_spec){.arguments = arguments}, &process);
		load_expect_status(process, status, EXIT_OK);
		assert_non_null(strstr(process_errors(process, NULL), "ratio to a"));
		json_t *json = json_loads(process_output(process, NULL), 0, NULL);
		assert_non_null(json);
		assert_int_equal(load_count(json, "rounds"), atoi(ROUNDS));
		const json_t *second = json_array_get(load_member(json, "targets"), 1);
		assert_string_equal(json_string_value(load_member(second, "name")), "new");
		assert_true(load_number(second, "messages") > 0);
		for (size_t k = 0; k < COUNT_OF(measures); k++) {
			const json_t *ratio =
				json_object_get(json_object_get(second, "ratio"), measures[k]);
			if (!json_is_number(json_object_get(ratio, "low")))
				continue;
			double median = load_number(ratio, "median");
			assert_true(load_number(ratio, "low") <= median);
			assert_true(median <= load_number(ratio, "high"));
		}
		assert_true(json_is_number(load_member(second, "ratio.rate.low")));
		assert_true(json_is_number(load_member(second, "ratio.cpu.low")));
		json_decref(json);
	}
	daemon_stop(daemon);
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
static void test_one_is_no_echo_server(void **state)
{
	(void)state;
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
	assert_non_null(strstr(process_errors(process, NULL), "b ("));
	daemon_stop(good);
}

// A tenth of a millisecond of work for each message is told from none.
static void test_checks(void **state)
{
	(void)state;
	struct odd_server *fast =
		odd_start(&(struct odd_spec){.conduct = ODD_DELAYS, .arg = 0.001});
	struct odd_server *slow = odd_start(&(struct odd_spec){.conduct = ODD_DELAYS, .arg = 0.01});
	const struct {
		const char *check;
		int status;
		const char *said;
	} checks[] = {
		{"b.rate<=0.5", EXIT_OK, NULL},
		{"b.rate>=0.98", EXIT_CHECK_FAILED, "expected b.rate>=0.98, measured 0."},
		{"b.p99<2", EXIT_INCONCLUSIVE, "not measured"}, // of so few messages
	};
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		struct process *process;
		int status = LOAD(&process, "ab", odd_address(fast), odd_address(slow), "--rounds",
				  ROUNDS, "--slice", "20ms", "--expect", checks[i].check);
		load_expect_status(process, status, checks[i].status);
		assert_non_null(strstr(process_output(process, NULL), "% less"));
		if (checks[i].said)
			assert_non_null(strstr(process_errors(process, NULL), checks[i].said));
	}
}

// What there is at Ctrl-C is printed, and can be drawn.
static void test_interrupted(void **state)
{
	(void)state;
	struct daemon *daemon = daemon_start(NULL);
	char *result = strdup(place_path("result"));
	struct process *process = process_start(&(struct process_spec){
		.arguments = (const char *const[]){ECHOLOAD_PROGRAM, "ab", daemon->address[0],
						   daemon->address[0], "-d", "never", "--json",
						   result, NULL}});
	uint64_t used = process_cpu_time(process);
	wait_until(process_cpu_time(process) > used + 2 * NS_PER_S);
	process_signal(process, SIGINT);
	load_expect_status(process, process_wait(process), EXIT_OK);
	assert_non_null(strstr(process_output(process, NULL), "A signal ended it"));
	char *picture = strdup(place_path("picture.html"));
	int status = LOAD(&process, "report", "-o", picture, result);
	load_expect_status(process, status, EXIT_OK);
	char *page = place_read(picture);
	assert_non_null(strstr(page, "<svg"));
	assert_non_null(strstr(page, "a, itself"));
	free(page);
	free(picture);
	free(result);
	daemon_stop(daemon);
}

static void test_wrong_usage(void **state)
{
	(void)state;
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
		int status = process_run(&(struct process_spec){.arguments = arguments}, &process);
		load_expect_refusal(process, status, EXIT_USAGE, cases[i].named);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		daemon_test(test_two_servers), odd_test(test_one_is_no_echo_server),
		odd_test(test_checks),	       daemon_test(test_interrupted),
		daemon_test(test_wrong_usage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
