// Scenario: however a connection ends, echoload counts what was sent on it, reads what comes after
// the last echo, and calls the same end by the same name.
#include "base/cmdline.h"
#include "load.h"
#include "odd_server.h"

#define TENTH (100 * NS_PER_MS)
#define SLOW_RESETS \
	{ ODD_SLOW_RESETS, .arg = 1 }

// However a connection ends, its message has taken the time until then.
TEST(unanswered) {
	static const struct {
		struct odd_spec spec;
		const char *timeout, *error; // NULL: none
		uint64_t least;		     // ns
		const char *rate[2];
	} cases[] = {
		{SLOW_RESETS, "5s", "early_close", TENTH, {NULL}},
		{SLOW_RESETS, "5s", "early_close", TENTH, {"--rate", "5"}},
		{{.conduct = ODD_HALVES}, "5s", "short", 0, {NULL}},
		{{.conduct = ODD_SILENT}, "300ms", "timeout", 3 * TENTH, {NULL}},
		{{.conduct = ODD_SILENT}, "5s", NULL, NS_PER_S, {NULL}},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct odd_server *server = odd_start(&cases[i].spec);
		bool wrong = cases[i].spec.conduct == ODD_HALVES;
		json_t *result = load_run(wrong ? EXIT_CHECK_FAILED : EXIT_INCONCLUSIVE,
					  server->address, "-d", "1s", "--timeout",
					  cases[i].timeout, cases[i].rate[0], cases[i].rate[1]);
		const uint64_t errors =
			cases[i].error ? load_expect_only(result, cases[i].error, "") : 0;
		uint64_t count = load_count(result, "evidence.unanswered");
		// The last may be given up at the end, and with a rate all five that are due.
		assert_in_range(count, errors > 1 ? errors : 1, cases[i].rate[0] ? 5 : errors + 1);
		assert_int_equal(load_count(result, "histogram.latency.count"), count);
		// Of those that began: with a rate, the first at least.
		assert_in_range(load_count(result, "histogram.uncorrected.count"),
				cases[i].rate[0] ? 1 : count, count);
		assert_true(load_count(result, "latency_uncorrected_ns.max") >= cases[i].least);
		assert_true(load_count(result, "latency_ns.p50") >= cases[i].least);
		assert_int_equal(load_count(result, "messages"), 0);
	}
}

static bool finds_surplus(const struct odd_server *server, const char *const *load) {
	struct process *process;
	const char *const *first = STRINGS(LOAD_FOR_RESULT, server->address);
	int status = process_run(PROCESS(.arguments = load_arguments(first, load)), &process);
	if (status != EXIT_CHECK_FAILED)
		return false;
	return load_expect_only(load_result(process), "mismatch", "") >= 1;
}

// A connection is read until the server has ended it, or for a short time if it does not: then a
// server that is kept from its CPU comes too late.
TEST(surplus_after_the_last_echo, .with = {"adds", "repeats", "repeats and is deaf"}) {
	static const char *const loads[][5] = {
		{"-n", "1"},
		{"-n", "1", "--no-verify"},
		{"-n", "1", "--rate", "100"},
		{"-n", "1", "-m", "churn"}, // waits for the server's end
	};
	bool deaf = strstr(test_with(), "deaf");
	struct odd_server *server = odd_server(*test_with() == 'a' ? ODD_ADDS : ODD_REPEATS,
					       .arg = 0.002, .deaf = deaf);
	for (size_t i = 0; i < COUNT_OF(loads) - deaf; i++)
		wait_until(finds_surplus(server, loads[i]));
}
