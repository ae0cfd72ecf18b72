// The histogram against exact percentiles: stats/histogram.
#include "expect.h"

#include <math.h>

#include "peer.h"
#include "stats/histogram.h"

#define SAMPLES 20000
#define LARGEST ((UINT64_C(1) << BUCKETS_VALUE_BITS) - 1)

static struct histogram histogram;
static struct histogram_sum sum;

BEFORE_EACH {
	memset(&histogram, 0, sizeof(histogram));
	memset(&sum, 0, sizeof(sum));
}

static void record_all(const uint64_t *values, size_t count) {
	for (size_t i = 0; i < count; i++)
		histogram_record(&histogram, values[i]);
	histogram_add(&sum, &histogram);
}

enum draw { SMALL, UNIFORM, ANY_MAGNITUDE, EXPONENTIAL, TWO_PEAKS, THE_SAME, DRAWS };

static uint64_t draw(enum draw how, uint64_t *state) {
	switch (how) {
	case SMALL:
		return pattern_number(state, 0, 100);
	case UNIFORM:
		return pattern_number(state, 0, UINT64_C(1) << 30);
	case ANY_MAGNITUDE:
		return pattern_number(state, 0,
				      LARGEST >> pattern_number(state, 0, BUCKETS_VALUE_BITS));
	case EXPONENTIAL:
		return (uint64_t)(-log((double)pattern_number(state, 1, 1 << 30) / 0x1p30) * 5e4);
	case TWO_PEAKS:
		return pattern_number(state, 0, 99) == 0
			       ? pattern_number(state, 900000000, 1100000000)
			       : pattern_number(state, 20000, 30000);
	default:
		return 123456789;
	}
}

static int compare(const void *left, const void *right) {
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

// The rank may be off by one where `percent` of the count is no whole number; the value by 1/64.
static void check_percentile(const uint64_t *sorted, size_t count, double percent) {
	size_t rank = (size_t)ceil((double)count * percent / 100.0);
	uint64_t low = sorted[rank > 1 ? rank - 2 : 0];
	uint64_t high = sorted[rank < count ? rank : count - 1];
	uint64_t given = histogram_percentile(&sum, percent);
	if (given < low - low / 64 || given > high + high / 64 || given > sum.max)
		fail_msg("p%g is %ju, not from %ju to %ju", percent, (uintmax_t)given,
			 (uintmax_t)low, (uintmax_t)high);
}

TEST(percentiles_are_those_of_the_sorted_samples) {
	static const size_t counts[] = {1, 2, 3, 10, 99, 100, 101, SAMPLES};
	static const double percents[] = {0, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99};
	static uint64_t values[SAMPLES];
	uint64_t seed = 1;
	for (enum draw how = 0; how < DRAWS; how++) {
		for (size_t c = 0; c < COUNT_OF(counts); c++) {
			before_each();
			uint64_t total = 0;
			for (size_t i = 0; i < counts[c]; i++)
				total += values[i] = draw(how, &seed);
			record_all(values, counts[c]);
			qsort(values, counts[c], sizeof(values[0]), compare);
			for (size_t p = 0; p < COUNT_OF(percents); p++)
				check_percentile(values, counts[c], percents[p]);
			assert_int_equal(histogram_percentile(&sum, 100.0), values[counts[c] - 1]);
			assert_int_equal(sum.count, counts[c]);
			assert_int_equal(sum.sum, total);
		}
	}
}

TEST(a_single_sample_is_known_to_a_64th) {
	for (unsigned bits = 0; bits < BUCKETS_VALUE_BITS; bits++) {
		for (int near = -1; near <= 1; near++) {
			uint64_t value = (UINT64_C(1) << bits) + (uint64_t)near;
			before_each();
			// A second, larger one, so that the maximum does not give it away.
			record_all((uint64_t[]){value, LARGEST}, 2);
			assert_in_range(histogram_percentile(&sum, 50.0), value - value / 64,
					value + value / 64);
		}
	}
}

TEST(without_samples_all_is_0_and_so_may_a_sample_be) {
	histogram_add(&sum, &histogram);
	assert_int_equal(sum.count, 0);
	for (int percent = 0; percent <= 100; percent += 50)
		assert_int_equal(histogram_percentile(&sum, percent), 0);
	assert_int_equal(histogram_count_below(&sum, 1024), 0);
	record_all((uint64_t[]){0, 0, 7}, 3);
	assert_int_equal(sum.count, 3);
	assert_int_equal(histogram_percentile(&sum, 50.0), 0);
	assert_int_equal(histogram_percentile(&sum, 100.0), 7);
}

TEST(longer_ones_are_counted_in_the_last_bucket) {
	record_all((uint64_t[]){LARGEST, LARGEST + 1, UINT64_MAX / 4}, 3);
	assert_int_equal(sum.count, 3);
	assert_int_equal(sum.bucket[HISTOGRAM_BUCKETS - 1], 3);
	assert_int_equal(sum.max, UINT64_MAX / 4);
	assert_int_equal(histogram_percentile(&sum, 100.0), UINT64_MAX / 4);
	uint64_t middle = histogram_percentile(&sum, 50.0);
	assert_true(middle > LARGEST - LARGEST / 64 && middle <= LARGEST + LARGEST / 64);
	assert_int_equal(histogram_count_below(&sum, UINT64_C(1) << 41), 0);
}

TEST(counts_below_powers_of_two_are_exact) {
	static uint64_t values[SAMPLES];
	uint64_t seed = 2;
	for (size_t i = 0; i < SAMPLES; i++)
		values[i] = draw(ANY_MAGNITUDE, &seed);
	for (unsigned bits = HISTOGRAM_SUB_BITS; bits < BUCKETS_VALUE_BITS; bits++) {
		values[bits * 2] = UINT64_C(1) << bits;
		values[bits * 2 + 1] = (UINT64_C(1) << bits) - 1;
	}
	record_all(values, SAMPLES);
	for (unsigned bits = HISTOGRAM_SUB_BITS; bits <= BUCKETS_VALUE_BITS; bits++) {
		uint64_t limit = UINT64_C(1) << bits, below = 0;
		for (size_t i = 0; i < SAMPLES; i++)
			below += values[i] < limit;
		assert_int_equal(histogram_count_below(&sum, limit), below);
	}
}

TEST(several_histograms_add_up) {
	static struct histogram other;
	histogram_record(&histogram, 10);
	histogram_record(&other, 1000);
	histogram_record(&other, 20);
	histogram_add(&sum, &histogram);
	histogram_add(&sum, &other);
	assert_int_equal(sum.count, 3);
	assert_int_equal(sum.sum, 1030);
	assert_int_equal(sum.max, 1000);
	assert_int_equal(histogram_percentile(&sum, 1.0), 10);
	assert_int_equal(histogram_percentile(&sum, 50.0), 20);
}

ABORTS(a_percentile_beyond_100) { histogram_percentile(&sum, 100.5); }

ABORTS(a_count_below_a_part_of_a_bucket) { histogram_count_below(&sum, 1000); }
