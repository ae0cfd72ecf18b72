// Results side by side: tools/echoload/result/compare.
#include "base/clock.h"
#include "echoload/result/compare.h"
#include "echoload_runs.h"
#include "place.h"

#define SIDE COMPARE_RUNS
// A sanitizer makes all slower, and not by what these figures are.
#define PAIRS (sizeof(ECHOD_SANITIZE) > 1 ? 20U : 100U)

static struct result results[2 * RANK_MOST];
static struct comparison comparison;
static struct echod_error error;
static uint64_t seed = 1;

AFTER_EACH {
	for (size_t i = 0; i < COUNT_OF(results); i++)
		result_free(&results[i]);
}

// Seconds that depend on each other: each keeps nine tenths of how far off the last one was.
static const struct made_run run =
	MADE_RUN(.started = NS_PER_S, .seconds = 10, .rate = 100000.0, .swing = 0.02, .memory = 0.9,
		 .median = 50000.0, .samples = 100);

// Fills both sides; what is made of the right one differs by these factors.
static void make(size_t left, size_t right, double rate, double median) {
	for (size_t i = 0; i < left + right; i++) {
		struct made_run made = run;
		made.seed = seed++;
		made.rate *= i < left ? 1 : rate;
		made.median *= i < left ? 1 : median;
		made_run_init(&results[i], &made);
	}
}

static unsigned compare(size_t left, size_t right) {
	const size_t count[] = {left, right};
	unsigned winners = 0;
	compare_results(&comparison, results, count);
	for (unsigned m = 0; m < COMPARED; m++)
		winners += !comparison.objection[m];
	return winners;
}

TEST(chance_is_seldom_taken_for_a_difference) {
	unsigned wrong = 0;
	seed = 1000;
	for (unsigned pair = 0; pair < PAIRS; pair++) {
		make(SIDE, SIDE, 1, 1);
		wrong += compare(SIDE, SIDE) > 0;
	}
	if (100 * wrong > 7 * PAIRS)
		fail_msg("%u of %u pairs that do not differ have a winner", wrong, PAIRS);
}

TEST(a_real_difference_is_found) {
	unsigned found = 0;
	seed = 5000;
	for (unsigned pair = 0; pair < PAIRS; pair++) {
		make(SIDE, SIDE, 1.1, 0.9);
		found += compare(SIDE, SIDE) == COMPARED;
		for (unsigned m = 0; m < COMPARED; m++)
			assert_true(comparison.objection[m] || comparison.right_wins[m]);
	}
	if (100 * found < 95 * PAIRS)
		fail_msg("found in %u of %u", found, PAIRS);
	make(SIDE, SIDE, 0.9, 1.1);
	assert_int_equal(compare(SIDE, SIDE), COMPARED);
	for (unsigned m = 0; m < COMPARED; m++)
		assert_false(comparison.right_wins[m]);
}

TEST(the_figures_are_medians_of_the_runs) {
	static const double rates[] = {3000, 1000, 2000, 7000, 4000, 5000,
				       6000, 8000, 9000, 9100, 9200};
	for (size_t i = 0; i < COUNT_OF(rates); i++) {
		struct made_run made = run;
		made.rate = rates[i];
		made.swing = 0;
		made_run_init(&results[i], &made);
	}
	assert_int_equal(compare(3, 3), 0);
	assert_true(comparison.median[0][MEASURE_RATE] == 2000);
	assert_true(comparison.median[1][MEASURE_RATE] == 5000);
	assert_int_equal(compare(4, 2), 0);
	assert_true(comparison.median[0][MEASURE_RATE] == 2500);
	assert_true(comparison.median[1][MEASURE_RATE] == 4500);
	// In 8 of 462 orders. Of three measures this is not enough, of two it would be.
	assert_int_equal(compare(5, 6), 0);
	assert_in_range(1e4 * comparison.p[MEASURE_RATE], 173, 174);
	assert_contains(comparison.objection[MEASURE_RATE], "chance");
}

TEST(few_runs_have_no_winner) {
	static const size_t counts[][2] = {{1, 1}, {4, 4}, {4, 20}, {20, 4}, {1, 20}};
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		make(counts[i][0], counts[i][1], 3, 0.1);
		assert_int_equal(compare(counts[i][0], counts[i][1]), 0);
		assert_contains(comparison.objection[MEASURE_P99], "5 runs a side");
	}
	make(5, 5, 3, 0.1);
	assert_int_equal(compare(5, 5), COMPARED);
	make(RANK_MOST, RANK_MOST, 3, 0.1);
	assert_int_equal(compare(RANK_MOST, RANK_MOST), COMPARED);
}

TEST(an_offered_rate_has_no_winner) {
	make(SIDE, SIDE, 2, 0.5);
	result_set_verdict(&results[SIDE], "RATE-LIMITED");
	assert_int_equal(compare(SIDE, SIDE), 2);
	assert_contains(comparison.objection[MEASURE_RATE], "RATE-LIMITED");
}

TEST(the_histogram_is_not_trusted_beyond_its_resolution) {
	for (size_t i = 0; i < 2 * SIDE; i++) { // two neighbouring buckets, and nothing that varies
		made_run_init(&results[i], &(struct made_run){.seconds = 1, .rate = 1000});
		hdr_record(results[i].latency, i < SIDE ? 51200 : 51232);
	}
	assert_int_equal(compare(SIDE, SIDE), 0);
	assert_true(comparison.median[1][MEASURE_P50] > comparison.median[0][MEASURE_P50]);
	assert_true(comparison.p[MEASURE_P50] < 0.01);
	assert_contains(comparison.objection[MEASURE_P50], "no better than to 0.1 %");
}

TEST(measurements_that_do_not_count_are_refused) {
	static const struct {
		const char *verdict, *evidence;
		unsigned errors, faults;
		const char *why; // NULL: it counts
	} cases[] = {
		{"SERVER-BOUND", "{}", 0, 0, NULL},
		{"INCONCLUSIVE", "{\"lateness_p99_ns\": 2e5, \"interrupted\": false}", 0, 0, NULL},
		{"CLIENT-BOUND", "{}", 0, 0, "CLIENT-BOUND"},
		{"RATE-LIMITED", "{\"lateness_p99_ns\": 1e6}", 0, 0, "echoload was late itself"},
		{"RATE-LIMITED", "{\"runs\": [{}, {\"lateness_p99_ns\": 1e6}]}", 0, 0, "late"},
		{"RATE-LIMITED", "{\"runs\": [], \"lateness_p99_ns\": 1e6}", 0, 0, "late"},
		{"SERVER-BOUND", "{\"interrupted\": true}", 0, 0, "interrupted"},
		{"SERVER-BOUND", "{\"runs\": [{\"unanswered\": 1}, {}]}", 0, 0,
		 "0 errors, 1 unanswered message and 0 faults"},
		{"SERVER-BOUND", "{}", 2, 0, "2 errors, 0 unanswered messages"},
		{"SERVER-BOUND", "{}", 0, 3, "and 3 faults"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		error = (struct echod_error){0};
		make(1, 0, 1, 1);
		result_set_verdict(&results[0], cases[i].verdict);
		result_add_error(&results[0], "reset", cases[i].errors, "first");
		result_set_count(results[0].json, "faults_found", cases[i].faults);
		json_object_set_new(results[0].json, "evidence",
				    json_loads(cases[i].evidence, 0, NULL));
		assert_int_equal(compare_check(&results[0], &error), cases[i].why ? -1 : 0);
		assert_contains(error.message, cases[i].why ? cases[i].why : "");
	}
	make(0, 1, 1, 100); // a p99 beside which 1 ms is little
	json_object_set_new(result_get(&results[0], "evidence"), "lateness_p99_ns", json_real(1e6));
	assert_int_equal(compare_check(&results[0], &error), 0);
	hdr_reset(results[0].latency);
	assert_int_equal(compare_check(&results[0], &error), -1);
	make(0, 1, 0, 1);
	assert_int_equal(compare_check(&results[0], &error), -1);
}

// Writes a result with these settings beside those that all have; NULL: no more.
static char *write_result(const char *name, const char *settings, double rate) {
	struct made_run made = run;
	made.seed = seed++;
	made.started = seed * NS_PER_S;
	made.rate *= rate;
	made_run_init(&results[0], &made);
	json_t *more = json_from(settings ? settings : "{}");
	assert_int_equal(json_object_update(result_get(&results[0], "configuration"), more), 0);
	const char *path = place_path(name);
	assert_int_equal(result_write(&results[0], path, &error), 0);
	return (char *)path;
}

// Wants a table of less than 80 columns that holds `text`.
static void show(int status, const char *text, char **argv) {
	assert_int_equal(subcommand_run_with(compare_main, stdout, argv), status);
	assert_contains(subcommand_said, text);
	for (char *rest = subcommand_said, *line; (line = strchr(rest, '\n')); rest = line + 1)
		assert_true(line - rest < 80);
}

#define SHOW(status, text, ...) show(status, text, (char *[]){"compare", __VA_ARGS__, NULL})
#define REFUSE(status, text, ...) \
	subcommand_refuses(compare_main, status, text, "compare", __VA_ARGS__)
#define X8 "x", "x", "x", "x", "x", "x", "x", "x"
#define X32 X8, X8, X8, X8

TEST(different_loads_are_refused) {
	static const struct {
		const char *settings, *named;
	} cases[] = {
		{"{\"mode\": \"stream\"}", "'mode'"},
		{"{\"connections\": 51}", "'connections'"},
		{"{\"rate\": 5}", "'rate'"},
		{"{\"sizes\": [{\"least\": 1}]}", "'sizes'"},
		{"{\"pipeline\": 2}", "'pipeline'"},
		{"{\"verify\": false}", "'verify'"},
		{"{\"arrival\": \"poisson\"}", "'arrival'"},
		{"{\"visit\": 7}", "'visit'"},
		{"{\"duration_seconds\": 3}", "'duration_seconds'"},
		{"{\"targets\": [\"a\", \"b\"]}", "'targets'"},
	};
	static const char same[] =
		"{\"targets\": [\"another\"], \"control\": \"path\", \"cpus\": [7]}";
	char *a = write_result("a.json", "{\"targets\": [\"one\"]}", 1);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *more = cases[i].settings;
		const char *settings = test_text("{\"targets\": [\"one\"], %s", more + 1);
		char *b = write_result("b.json", strstr(more, "targets") ? more : settings, 1);
		REFUSE(2, "b.json': it is of another load: ", a, b);
		assert_contains(subcommand_said, cases[i].named);
	}
	SHOW(4, "", a, write_result("b.json", same, 1));
	REFUSE(2, "it holds a run that another one holds too\n", a, a);
	REFUSE(2, "two results are needed", a);
	REFUSE(2, "more than 32 runs a side", X32, "x", "--with", "x");
	REFUSE(2, "more than 32 runs a side", "x", "--with", X32, "x");
	REFUSE(2, "cannot read 'x'", X32, "--with", X32);
}

TEST(the_command_says_it_in_plain_words) {
	char *path[2 * SIDE];
	char *argv[2 * SIDE + 3] = {"compare"}; // getopt changes its order
	for (size_t i = 0; i < 2 * SIDE; i++) {
		path[i] = write_result(test_text("%zu.json", i), NULL, i < SIDE ? 1 : 1.1);
		argv[i < SIDE ? i + 1 : i + 2] = path[i];
	}
	argv[SIDE + 1] = "--with";
	show(0, "throughput  B is better: that of B is higher by ", argv);
	assert_contains(subcommand_said, "p50         no winner: chance may do that\n");
	REFUSE(2, "several with --with between them", path[0], path[1], path[2]);
	SHOW(4, "throughput  no winner: that takes 5 runs a side\n", path[0], path[9]);
	assert_null(strstr(subcommand_said, "lowest"));
	SHOW(4, "A  0  SERVER-BOUND\nB  1  SERVER-BOUND\nB  9  SERVER-BOUND\n", path[0], "--with",
	     path[1], path[9]);
	json_t *runs = result_get(&results[0], "runs");
	json_t *another = json_copy(json_array_get(runs, 0));
	assert_int_equal(result_set_count(another, "started_us", 1), 0);
	assert_int_equal(json_array_append_new(runs, another), 0);
	assert_int_equal(result_write(&results[0], path[8], &error), 0);
	REFUSE(2, "8.json': it holds 2 runs, and another one 1\n", path[0], path[8]);
	json_array_remove(runs, 1);
	result_set_verdict(&results[0], "CLIENT-BOUND"); // the last that was written
	assert_int_equal(result_write(&results[0], path[9], &error), 0);
	REFUSE(4, "9.json': it does not count: it was CLIENT-BOUND", path[0], path[9]);
}
