// The histogram of latencies against exact percentiles: tools/echoload/common/hdr.
#include "test.h"

#include <math.h>

#include "echoload/common/hdr.h"
#include "echoload/common/random.h"

#define SAMPLES 20000
#define LONGEST ((UINT64_C(1) << BUCKETS_VALUE_BITS) - 1)

static struct hdr hdr;

BEFORE_EACH { hdr_reset(&hdr); }

// Any magnitude that a latency may have is as likely as any other.
static uint64_t draw(struct random *random) {
	return (uint64_t)exp2(random_share(random) * BUCKETS_VALUE_BITS);
}

TEST(the_buckets_hold_each_value_once) {
	assert_int_equal(hdr_lowest(0), 0);
	for (unsigned i = 0; i + 1 < HDR_BUCKETS; i++) {
		assert_int_equal(hdr_lowest(i + 1), hdr_highest(i) + 1);
		assert_int_equal(hdr_index(hdr_lowest(i)), i);
		assert_int_equal(hdr_index(hdr_highest(i)), i);
	}
	assert_int_equal(hdr_highest(HDR_BUCKETS - 2),
			 LONGEST - (LONGEST >> (HDR_SUB_BITS + 1)) - 1);
	assert_int_equal(hdr_highest(HDR_BUCKETS - 1), UINT64_MAX);
}

TEST(a_value_from_100_ns_to_an_hour_is_known_to_a_thousandth) {
	for (unsigned i = hdr_index(100); i <= hdr_index(UINT64_C(3600000000000)); i++)
		assert_true((hdr_highest(i) - hdr_lowest(i)) * 1000 <= hdr_lowest(i));
}

static int compare(const void *left, const void *right) {
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
	return (a > b) - (a < b);
}

TEST(percentiles_are_those_of_the_sorted_samples) {
	static const unsigned counts[] = {1, 2, 3, 10, 100, 1000, SAMPLES};
	// In thousandths of a percent, as whole numbers divide exactly.
	static const unsigned shares[] = {1000, 50000, 90000, 99000, 99900, 99990, 100000};
	static uint64_t values[SAMPLES];
	struct random random = {.state = 1};
	for (size_t c = 0; c < COUNT_OF(counts); c++) {
		hdr_reset(&hdr);
		for (unsigned i = 0; i < counts[c]; i++)
			hdr_record(&hdr, values[i] = draw(&random));
		qsort(values, counts[c], sizeof(values[0]), compare);
		for (size_t i = 0; i < COUNT_OF(shares); i++) {
			uint64_t rank = ((uint64_t)counts[c] * shares[i] + 99999) / 100000;
			uint64_t value = values[rank - 1];
			uint64_t given = hdr_percentile(&hdr, shares[i] / 1000.0);
			assert_true(given >= value);
			assert_true(hdr_index(given) == hdr_index(value));
		}
		assert_int_equal(hdr_percentile(&hdr, 100.0), values[counts[c] - 1]);
		assert_int_equal(hdr.min, values[0]);
	}
}

TEST(what_a_double_cannot_hold_does_not_move_the_rank) {
	for (uint64_t i = 1; i <= 1000; i++)
		hdr_record(&hdr, i);
	for (unsigned tenths = 1; tenths <= 1000; tenths++)
		assert_int_equal(hdr_percentile(&hdr, tenths / 10.0), tenths);
}

TEST(longer_ones_are_in_the_last_bucket_and_the_maximum_is_exact) {
	hdr_record(&hdr, 5);
	hdr_record(&hdr, LONGEST + 1);
	hdr_record(&hdr, UINT64_MAX / 4);
	assert_int_equal(hdr.bucket[HDR_BUCKETS - 1], 2);
	assert_int_equal(hdr_percentile(&hdr, 50.0), UINT64_MAX / 4);
	assert_int_equal(hdr_percentile(&hdr, 100.0), UINT64_MAX / 4);
	assert_int_equal(hdr_percentile(&hdr, 1.0), 5);
}

#ifdef __SIZEOF_INT128__ // else the sum has 64 bits
TEST(the_mean_is_exact_beyond_64_bits) {
	for (unsigned i = 0; i < 100; i++)
		hdr_record(&hdr, UINT64_MAX - 1);
	assert_true(fabs(hdr_mean(&hdr) / 0x1p64 - 1.0) < 1e-12);
}
#endif

TEST(counts_up_to_a_value_are_exact_at_bucket_ends) {
	for (uint64_t i = 0; i < SAMPLES; i++)
		hdr_record(&hdr, i);
	assert_int_equal(hdr_count_to(&hdr, 0), 1);
	assert_int_equal(hdr_count_to(&hdr, 1999), 2000);
	assert_int_equal(hdr_count_to(&hdr, 8191), 8192);
	assert_int_equal(hdr_count_to(&hdr, UINT64_MAX), SAMPLES);
}
