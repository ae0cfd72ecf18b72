// Two results side by side: tools/echoload/result/compare and bootstrap.
#include "unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "echoload/result/compare.h"
#include "echoload_runs.h"
#include "place.h"

static struct result left;
static struct result right;

static int clean(void **state)
{
	result_free(&left);
	result_free(&right);
	place_remove();
	return 0;
}

static const struct made_run steady = {
	.seed = 1,
	.started = NS_PER_S,
	.seconds = 30,
	.rate = 100000.0,
	.swing = 0.02,
	.memory = 0.5,
	.median = 50000.0,
	.samples = 400,
};

static void make(struct result *result, const struct made_run *run)
{
	assert_int_equal(result_init(result), 0);
	made_run_fill(result, run);
}

static struct comparison compare_made(const struct made_run *a, const struct made_run *b)
{
	struct comparison comparison;
	struct error error;
	make(&left, a);
	make(&right, b);
	assert_int_equal(compare_check(&left, &right, &error), 0);
	assert_int_equal(compare_results(&comparison, &left, &right, &error), 0);
	result_free(&left);
	result_free(&right);
	return comparison;
}

static void a_run_does_not_differ_from_itself(void **state)
{
	struct comparison comparison = compare_made(&steady, &steady);
	for (unsigned m = 0; m < MEASURES; m++) {
		assert_true(comparison.change[m] == 0.0);
		assert_int_equal(compare_winner(&comparison, (enum measure)m), -1);
		assert_true(comparison.confidence[m].low < 0.0);
		assert_true(comparison.confidence[m].high > 0.0);
	}
}

static void a_clear_difference_has_the_right_winner_and_size(void **state)
{
	struct made_run faster = steady;
	faster.seed = 2;
	faster.rate *= 1.1;
	faster.median *= 0.8;
	struct comparison comparison = compare_made(&steady, &faster);
	static const double truth[MEASURES] = {0.1, -0.2, -0.2};
	for (unsigned m = 0; m < MEASURES; m++) {
		assert_int_equal(compare_winner(&comparison, (enum measure)m), 1);
		assert_true(comparison.confidence[m].low < truth[m]);
		assert_true(comparison.confidence[m].high > truth[m]);
		assert_true(fabs(comparison.change[m] - truth[m]) < 0.05);
	}
	comparison = compare_made(&faster, &steady);
	for (unsigned m = 0; m < MEASURES; m++)
		assert_int_equal(compare_winner(&comparison, (enum measure)m), 0);
}

static void the_same_files_give_the_same_answer(void **state)
{
	struct made_run other = steady;
	other.seed = 3;
	struct comparison once = compare_made(&steady, &other);
	struct comparison again = compare_made(&steady, &other);
	assert_memory_equal(&once.confidence, &again.confidence, sizeof(once.confidence));
}

#define RUNS (sizeof(ECHOD_SANITIZE) > 1 ? 6U : 20U)
#define PAIRS (RUNS * (RUNS - 1) / 2)

// Of pairs that differ by chance alone, about 5 % may have a winner in each measure. The pairs here
// share runs, so that it may also be a few more.
static void count_false_winners(unsigned seconds, double memory)
{
	static struct sample samples[RUNS];
	unsigned winners[MEASURES] = {0};
	struct error error;
	for (unsigned r = 0; r < RUNS; r++) {
		struct made_run run = steady;
		run.seed = 1000 + r;
		run.seconds = seconds;
		run.memory = memory;
		run.samples = 100;
		make(&left, &run);
		assert_int_equal(sample_make(&samples[r], &left, false, &error), 0);
		result_free(&left);
	}
	for (unsigned pair = 0; pair < RUNS * RUNS; pair++) {
		struct comparison comparison;
		unsigned a = pair / RUNS;
		unsigned b = pair % RUNS;
		if (a >= b)
			continue;
		assert_int_equal(
			bootstrap_compare(&samples[a], &samples[b], comparison.confidence, &error),
			0);
		for (unsigned m = 0; m < MEASURES; m++)
			winners[m] += compare_winner(&comparison, (enum measure)m) >= 0;
	}
	for (unsigned r = 0; r < RUNS; r++)
		sample_free(&samples[r]);
	for (unsigned m = 0; m < MEASURES; m++) {
		if (winners[m] > PAIRS / 10)
			fail_msg("%u s, memory %g: %u of %u have a winner in measure %u", seconds,
				 memory, winners[m], PAIRS, m);
	}
}

static void chance_is_seldom_taken_for_a_difference(void **state)
{
	count_false_winners(10, 0.0);
	count_false_winners(60, 0.0);
	count_false_winners(60, 0.5);
}

static void too_little_is_not_compared(void **state)
{
	struct error error;
	struct made_run brief = steady;
	brief.seconds = BOOTSTRAP_INTERVALS - 1;
	make(&left, &steady);
	make(&right, &brief);
	assert_int_equal(compare_check(&left, &right, &error), -1);
	assert_string_equal(error.message, "B has 9 intervals, too few to tell a difference from "
					   "noise: at least 10 are needed");
	result_free(&right);
	brief = steady;
	brief.rate = 0.0;
	make(&right, &brief);
	assert_int_equal(compare_check(&right, &left, &error), -1);
	assert_string_equal(error.message, "A counted nothing to compare");
}

static void the_histogram_is_not_trusted_beyond_its_resolution(void **state)
{
	// Two neighbouring buckets, and nothing that varies.
	struct made_run fixed = {.seconds = 20, .rate = 1000.0};
	struct result *results[] = {&left, &right};
	for (unsigned r = 0; r < 2; r++) {
		static struct hdr hdr;
		make(results[r], &fixed);
		hdr_reset(&hdr);
		hdr_record(&hdr, 51200 + 32 * r);
		for (unsigned i = 0; i < fixed.seconds; i++) {
			struct result_interval interval = results[r]->intervals[i];
			assert_int_equal(result_add_interval(results[r], &interval, &hdr), 0);
			hdr_add(results[r]->latency, &hdr);
		}
	}
	struct comparison comparison;
	struct error error;
	assert_int_equal(compare_results(&comparison, &left, &right, &error), 0);
	assert_true(comparison.change[MEASURE_P50] > 0.0);
	assert_int_equal(compare_winner(&comparison, MEASURE_P50), -1);
}

// Two runs, the second with that verdict, and with these configurations.
static void made_pair(const char *verdict, const char *a, const char *b)
{
	make(&left, &steady);
	make(&right, &steady);
	result_set_verdict(&right, verdict);
	json_decref(left.configuration);
	json_decref(right.configuration);
	left.configuration = json_loads(a, 0, NULL);
	right.configuration = json_loads(b, 0, NULL);
	assert_non_null(left.configuration);
	assert_non_null(right.configuration);
}

static void expect_objections(const char *verdict, const char *a, const char *b, bool rate,
			      bool latency)
{
	made_pair(verdict, a, b);
	for (unsigned m = 0; m < MEASURES; m++) {
		bool objected = compare_objection(&left, &right, (enum measure)m) != NULL;
		assert_int_equal(objected, m == MEASURE_RATE ? rate : latency);
		assert_ptr_equal(compare_objection(&left, &right, (enum measure)m),
				 compare_objection(&right, &left, (enum measure)m));
	}
	clean(NULL);
}

static void what_is_not_the_peers_has_no_winner(void **state)
{
	static const char mixed[] = "{\"runs\": [{\"rate\": null}, {\"rate\": 5.0}]}";
	static const char open[] = "{\"runs\": [{\"rate\": 5.0}, {\"rate\": 6.0}]}";
	expect_objections("SERVER-BOUND", "{}", "{\"rate\": null}", false, false);
	expect_objections("INCONCLUSIVE", "{\"rate\": 5}", "{\"rate\": 5.5}", false, false);
	expect_objections("RATE-LIMITED", "{\"rate\": 5}", "{\"rate\": 5}", true, false);
	expect_objections("CLIENT-BOUND", "{\"rate\": 5}", "{\"rate\": 5}", true, true);
	expect_objections("SERVER-BOUND", "{\"rate\": 5}", "{\"rate\": null}", false, true);
	expect_objections("RATE-LIMITED", "{\"rate\": 5}", "{\"rate\": null}", true, true);
	expect_objections("SERVER-BOUND", open, "{\"rate\": 5}", false, false);
	expect_objections("SERVER-BOUND", mixed, "{\"rate\": 5}", false, true);
}

static int run_main(char *a, char *b, char *said, size_t size)
{
	char *argv[] = {"compare", a, b, NULL};
	return subcommand_run(compare_main, argv, stdout, said, size);
}

static void the_command_says_it_in_plain_words(void **state)
{
	struct made_run faster = steady;
	faster.seed = 2;
	faster.rate *= 1.1;
	char *a = (char *)made_run_write("a.json", &steady);
	char *b = (char *)made_run_write("b.json", &faster);
	char said[4000];
	assert_int_equal(run_main(a, b, said, sizeof(said)), 0);
	assert_non_null(strstr(said, "throughput  B is better: that of B is higher by "));
	assert_non_null(strstr(said, "p50         no winner: the interval contains 0\n"));
	for (char *rest = said, *line; (line = strsep(&rest, "\n"));)
		assert_true(strlen(line) < 80);
	assert_int_equal(run_main(a, a, said, sizeof(said)), 4);
	assert_null(strstr(said, "better"));
}

static void the_command_says_why_there_is_no_winner(void **state)
{
	struct made_run faster = steady;
	struct error error;
	faster.rate *= 2;
	faster.median *= 0.5;
	char *a = (char *)made_run_write("a.json", &steady);
	char *b = (char *)place_path("b.json");
	char said[4000];
	static const struct {
		const char *verdict, *rate, *latency;
		int status;
	} cases[] = {
		{"RATE-LIMITED", "throughput  no winner: that of a RATE-LIMITED run is what",
		 "p99         B is better", 0},
		{"CLIENT-BOUND", "throughput  no winner: what was measured is in part echoload",
		 "p99         no winner: what was measured is in part echoload", 4},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		make(&right, &faster);
		result_set_verdict(&right, cases[i].verdict);
		assert_int_equal(result_write(&right, b, &error), 0);
		result_free(&right);
		assert_int_equal(run_main(a, b, said, sizeof(said)), cases[i].status);
		assert_non_null(strstr(said, cases[i].rate));
		assert_non_null(strstr(said, cases[i].latency));
		for (char *rest = said, *line; (line = strsep(&rest, "\n"));)
			assert_true(strlen(line) < 80);
	}
	make(&right, &faster);
	result_set_verdict(&right, "RATE-LIMITED");
	json_object_set_new(right.configuration, "rate", json_real(5));
	assert_int_equal(result_write(&right, b, &error), 0);
	assert_int_equal(run_main(a, b, said, sizeof(said)), 4);
	assert_non_null(strstr(said, "p50         no winner: latency counts from"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_run_does_not_differ_from_itself, clean),
		cmocka_unit_test_teardown(a_clear_difference_has_the_right_winner_and_size, clean),
		cmocka_unit_test_teardown(the_same_files_give_the_same_answer, clean),
		cmocka_unit_test_teardown(chance_is_seldom_taken_for_a_difference, clean),
		cmocka_unit_test_teardown(too_little_is_not_compared, clean),
		cmocka_unit_test_teardown(the_histogram_is_not_trusted_beyond_its_resolution,
					  clean),
		cmocka_unit_test_teardown(what_is_not_the_peers_has_no_winner, clean),
		cmocka_unit_test_teardown(the_command_says_it_in_plain_words, clean),
		cmocka_unit_test_teardown(the_command_says_why_there_is_no_winner, clean),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
