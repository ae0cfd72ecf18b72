// Medians and their intervals: tools/echoload/common/rank.
#include "test.h"

#include <math.h>

#include "echoload/common/random.h"
#include "echoload/common/rank.h"

#define MOST 1000

// The values 1 to `count`, in no order.
static void mix(double *values, size_t count) {
	struct random random = {.state = count};
	for (size_t i = 0; i < count; i++) {
		size_t place = (size_t)(random_share(&random) * (double)(i + 1));
		values[i] = values[place];
		values[place] = (double)(i + 1);
	}
}

// The ranks of tables of the sign test.
TEST(the_interval_is_that_of_the_sign_test) {
	static const struct {
		size_t count;
		double median, low, high;
	} cases[] = {
		{6, 3.5, 1, 6},	 {8, 4.5, 1, 8},     {9, 5, 2, 8},	  {20, 10.5, 6, 15},
		{25, 13, 8, 18}, {50, 25.5, 18, 33}, {100, 50.5, 40, 61},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		double values[MOST] = {0};
		mix(values, cases[i].count);
		struct rank_interval median = rank_interval(values, cases[i].count, RANK_95);
		assert_true(median.median == cases[i].median);
		assert_true(median.low <= cases[i].low && median.low >= cases[i].low * 0.7);
		if (cases[i].count < 32) { // below, nothing is known of how they follow each other
			assert_true(median.low == cases[i].low);
			assert_true(median.high == cases[i].high);
		}
	}
}

TEST(few_values_have_no_interval) {
	const double values[] = {5, 1, 3, 2, 4};
	struct rank_interval none = rank_interval(values, 0, RANK_95);
	assert_true(isnan(none.median) && isnan(none.low));
	struct rank_interval few = rank_interval(values, 5, RANK_95);
	assert_true(few.median == 3 && isnan(few.low) && isnan(few.high));
	assert_false(rank_differs(&few, 100));
}

TEST(the_interval_says_what_differs) {
	const struct rank_interval median = {.median = 0.97, .low = 0.96, .high = 0.99};
	assert_true(rank_differs(&median, 1));
	assert_true(rank_differs(&median, 0.95));
	assert_false(rank_differs(&median, 0.98));
	assert_false(rank_differs(&median, 0.99));
}

// Each of many series is of values around 1; `run` successive ones are the same.
static unsigned count_misses(size_t run) {
	struct random random = {.state = run};
	unsigned misses = 0;
	for (int series = 0; series < 2000; series++) {
		double values[400];
		double value = 0;
		for (size_t i = 0; i < 400; i++) {
			if (i % run == 0) // with outliers
				value = 1 + tan(3.1 * (random_share(&random) - 0.5));
			values[i] = value;
		}
		struct rank_interval median = rank_interval(values, 400, RANK_95);
		misses += rank_differs(&median, 1);
	}
	return misses;
}

TEST(the_interval_holds_in_95_of_100) {
	assert_in_range(count_misses(1), 20, 100);
	assert_in_range(count_misses(10), 20, 150); // as many as forty values
}
