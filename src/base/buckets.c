#include "base/buckets.h"

#include <float.h>

#include "base/assert.h"

// The rank, from 1, of the sample that is the percentile. A double does not hold 99.9 exactly,
// which must not raise the rank by one.
static uint64_t rank_of(uint64_t count, double percent)
{
	double exact = percent / 100.0 * (double)count * (1.0 - 4.0 * DBL_EPSILON);
	if (percent >= 100.0 || exact >= (double)count)
		return count;
	uint64_t below = (uint64_t)exact;
	return below + ((double)below < exact || below == 0);
}

unsigned buckets_percentile(const uint64_t *bucket, uint64_t count, double percent)
{
	ensure(percent >= 0.0 && percent <= 100.0 && count > 0);
	uint64_t left = rank_of(count, percent);
	unsigned index = 0;
	for (; bucket[index] < left; index++)
		left -= bucket[index];
	return index;
}

uint64_t buckets_sum(const uint64_t *bucket, unsigned end)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < end; i++)
		sum += bucket[i];
	return sum;
}
