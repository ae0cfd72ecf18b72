// Scenario: the search for the highest rate, against a server that can do 2,000 messages a second.
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cmdline.h"
#include "daemon.h"
#include "load.h"
#include "odd_server.h"

#define LIMIT (50 * NS_PER_MS)
// For a search that they do not disturb. Under a sanitizer, where times mean little, one is enough.
#define PATIENCE_WITH_OTHERS ((sizeof(ECHOD_SANITIZE) > 1 ? 10 : 90) * NS_PER_S)

// Waits for its end as long as it shows that it goes on.
static int wait_while_it_goes_on(struct process *process)
{
	while (process_is_running(process)) {
		size_t before = strlen(process_errors(process, NULL));
		wait_until(!process_is_running(process) ||
			   strlen(process_errors(process, NULL)) > before);
	}
	return process_wait(process);
}

// Whether the server was kept from running for longer than the limit allows: then a rate may have
// been missed that it can do.
static bool stood_still(const struct odd_server *server)
{
	size_t count;
	bool still = false;
	const struct odd_span *spans = odd_spans(server, &count);
	for (size_t i = 0; i < count; i++)
		still = still || spans[i].to - spans[i].from > LIMIT / 2;
	return still;
}

static void expect_confidence(struct process *process, double held)
{
	const char *said = process_errors(process, NULL);
	assert_non_null(strstr(said, "p99<50ms holds up to "));
	assert_non_null(strstr(said, " runs: with 95 % confidence it does in at least "));
	load_expect_report(strstr(said, "\nload ") + 1);
	json_t *result = load_result(process);
	assert_true(load_number(result, "evidence.search.held") == held);
	assert_true(load_number(result, "configuration.rate") == held);
	double missed = load_number(result, "evidence.search.missed");
	assert_true(missed > held && missed < 1.1 * held);
	assert_int_equal(load_count(result, "evidence.search.runs"), 5);
	assert_in_range(load_count(result, "evidence.search.good"), 4, 5);
	double share = load_number(result, "evidence.search.share");
	assert_true(share > 0.3 && share < 0.6); // of 4 or 5 of 5, by Clopper and Pearson
	json_decref(result);
}

// Whether it was the generator that was kept from running, as its last run says.
static bool was_late(const json_t *result)
{
	return load_number(result, "evidence.lateness_p99_ns") > (double)LIMIT / 2 ||
	       load_number(result, "evidence.stolen") > 0.1;
}

// Returns the rate that was found, 0: none.
static double search_once(const struct odd_server *server, struct process **process,
			  bool *disturbed)
{
	const char *const arguments[] = {LOAD_FOR_RESULT,
					 odd_address(server),
					 "-c",
					 "8",
					 "--search",
					 "p99<50ms",
					 "-d",
					 "600ms",
					 NULL};
	*process = process_start(&(struct process_spec){.arguments = arguments});
	int status = wait_while_it_goes_on(*process);
	if (status != EXIT_CHECK_FAILED)
		load_expect_status(*process, status, EXIT_OK);
	json_t *result = load_result(*process);
	double held = load_number(result, "evidence.search.held");
	*disturbed = held < 1000 && (stood_still(server) || was_late(result));
	json_decref(result);
	return held;
}

static void test_highest_rate(void **state)
{
	(void)state;
	double held = 0;
	bool right = false, disturbed = false;
	struct process *process;
	struct odd_server *server;
	uint64_t until = clock_deadline(PATIENCE_WITH_OTHERS);
	do {
		server = odd_start(&(struct odd_spec){.conduct = ODD_RATE, .arg = 2000});
		held = search_once(server, &process, &disturbed);
		right = held >= 1000 && held <= 2400;
		if (!right && !disturbed)
			fail_msg("found %.0f messages a second", held);
	} while (disturbed && clock_now() < until);
	if (right)
		expect_confidence(process, held);
}

static void test_no_rate_holds(void **state)
{
	(void)state;
	struct odd_server *server = odd_start(&(struct odd_spec){.conduct = ODD_ECHOES});
	const char *const arguments[] = {
		LOAD_FOR_RESULT, odd_address(server), "--search",	  "p99<1us", "-d",
		"200ms",	 "--expect",	      "messages>1000000", NULL};
	struct process *process = process_start(&(struct process_spec){.arguments = arguments});
	int status = process_wait(process);
	load_expect_status(process, status, EXIT_CHECK_FAILED);
	const char *said = process_errors(process, NULL);
	assert_non_null(strstr(said, "p99<1us holds at no rate that was tried; not at 5.0k/s"));
	assert_non_null(strstr(said, "\nechoload: expected messages>1000000, measured "));
	load_expect_report(strstr(said, "\nload ") + 1);
	json_t *result = load_result(process);
	assert_true(load_number(result, "evidence.search.held") == 0);
	assert_true(load_number(result, "evidence.search.missed") == 5000);
	assert_true(load_number(result, "configuration.rate") == 5000);
	json_decref(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		odd_test(test_highest_rate),
		odd_test(test_no_rate_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
