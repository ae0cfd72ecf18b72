// Tests by rank, medians and their intervals: tools/echoload/common/rank.
#include "test.h"

#include <math.h>

#include "echoload/common/random.h"
#include "echoload/common/rank.h"

#define SERIES 400
#define LONGEST 200

static struct random dice = {.state = 9};

static double normal(void) {
	return sqrt(random_exponential(&dice, 2)) * cos(2 * M_PI * random_share(&dice));
}

// The probabilities of tables, and of a pencil where values are equal.
TEST(the_test_of_two_samples_is_exact) {
	static const struct {
		double left[6], right[6];
		size_t left_count, right_count;
		double p;
	} cases[] = {
		{{1}, {2}, 1, 1, 1},
		{{1, 2, 3}, {4, 5, 6}, 3, 3, 2.0 / 20},
		{{1, 2, 3, 4}, {5, 6, 7, 8}, 4, 4, 2.0 / 70},
		{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}, 5, 5, 2.0 / 252},
		{{1, 2, 3, 4, 6}, {5, 7, 8, 9, 10}, 5, 5, 4.0 / 252},
		{{9, 2, 3, 4, 6}, {5, 7, 8, 1, 10}, 5, 5, 138.0 / 252},
		{{1, 2, 3, 4, 5, 6}, {7, 8}, 6, 2, 2.0 / 28},
		{{1, 1, 2}, {2, 3, 3}, 3, 3, 4.0 / 20}, // 2 of 20 have a sum as low
		{{7, 7, 7}, {7, 7, 7}, 3, 3, 1},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const double *a = cases[i].left, *b = cases[i].right;
		size_t a_count = cases[i].left_count, b_count = cases[i].right_count;
		double p = rank_test(a, a_count, b, b_count);
		if (fabs(p - cases[i].p) > 1e-12)
			fail_msg("case %zu: %.6f, not %.6f", i, p, cases[i].p);
		p = rank_test(b, b_count, a, a_count);
		assert_true(fabs(p - cases[i].p) < 1e-12);
	}
}

TEST(the_largest_samples_fit) {
	double left[RANK_MOST], right[RANK_MOST];
	for (size_t i = 0; i < RANK_MOST; i++) {
		left[i] = (double)i;
		right[i] = (double)(i + RANK_MOST);
	}
	double p = rank_test(left, RANK_MOST, right, RANK_MOST);
	assert_true(p > 0 && p < 1e-17);
	memcpy(right, left, sizeof(right));
	assert_true(rank_test(left, RANK_MOST, right, RANK_MOST) == 1);
}

// Of series of a latency of 1 ms, of normal distribution, that climbs by `climb` in all.
static unsigned count_rises(size_t count, double climb) {
	unsigned rises = 0;
	for (unsigned s = 0; s < SERIES; s++) {
		double values[LONGEST];
		for (size_t i = 0; i < count; i++)
			values[i] = 1e6 + 1e5 * normal() + climb * (double)i / (double)(count - 1);
		double rise = rank_rise(values, count);
		assert_true(rise >= 0);
		rises += rise > 0;
		if (climb >= 1e6 && fabs(rise - climb) > 0.4 * climb)
			fail_msg("%zu values: rises by %.0f, not by %.0f", count, rise, climb);
	}
	return rises;
}

TEST(a_climb_is_no_chance) {
	static const size_t counts[] = {8, 10, 20, 60, LONGEST};
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		assert_in_range(count_rises(counts[i], 0), 0, SERIES / 40);
		assert_int_equal(count_rises(counts[i], -1e6), 0);
		assert_int_equal(count_rises(counts[i], 1e6), SERIES);
	}
}

TEST(too_few_values_do_not_rise) {
	static const double values[] = {1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6};
	assert_true(rank_rise(values, 0) == 0);
	assert_true(rank_rise(values, 5) == 0);
	assert_true(rank_rise(values, 6) == 5);
	assert_true(rank_rise(values + 5, 7) == 0);
	static const double chance[] = {0, 0, 0, 0, 0, 1, 1, 2}, none[] = {0, 0, 0, 0, 1, 2, 3};
	assert_true(rank_rise(chance, 8) == 0); // one series in 98
	assert_true(rank_rise(none, 7) == 3);	// in 105
}

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
		double values[LONGEST] = {0};
		mix(values, cases[i].count);
		struct rank_interval median = rank_interval(values, cases[i].count, RANK_95);
		assert_true(median.median == cases[i].median);
		assert_true(median.low <= cases[i].low && median.low >= cases[i].low * 0.7);
		if (cases[i].count < 32) { // below, nothing is known of how they follow each other
			assert_true(median.low == cases[i].low && median.high == cases[i].high);
		}
	}
}

// As groups of four are all below the median or above it, it is 2.07 times as wide.
TEST(the_interval_of_a_climb_is_wider) {
	double values[64];
	for (size_t i = 0; i < 64; i++)
		values[i] = (double)i;
	struct rank_interval climb = rank_interval(values, 64, RANK_95);
	assert_true(climb.low == 14 && climb.median == 31.5 && climb.high == 49);
	climb = rank_interval(values, 32, RANK_95); // groups of two: 1.46 times
	assert_true(climb.low == 7 && climb.high == 24);
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
	assert_true(rank_differs(&median, 1) && rank_differs(&median, 0.95));
	assert_false(rank_differs(&median, 0.98));
	assert_false(rank_differs(&median, 0.99));
}
