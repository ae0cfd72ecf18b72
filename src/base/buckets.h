// The buckets of a histogram of durations, log-linear as in HdrHistogram. Each power of two has
// 2^sub_bits buckets, so a value is known to 1 part in 2^sub_bits. Smaller values have a bucket
// each. Two containers use them: stats/histogram.h of the server, which one thread fills and others
// read, and echoload/common/hdr.h. Any thread.
#ifndef ECHOD_BASE_BUCKETS_H
#define ECHOD_BASE_BUCKETS_H

#include <stdint.h>

#define BUCKETS_VALUE_BITS 42 // 2^42 ns are 73 minutes; longer ones are counted in the last bucket
#define BUCKETS_COUNT(sub_bits) ((BUCKETS_VALUE_BITS - (sub_bits) + 1) << (sub_bits))

// The bucket that counts `value`.
static inline unsigned buckets_index(unsigned sub_bits, uint64_t value)
{
	if (value >> BUCKETS_VALUE_BITS)
		return (unsigned)BUCKETS_COUNT(sub_bits) - 1;
	unsigned magnitude = 63U - (unsigned)__builtin_clzll(value | UINT64_C(1) << sub_bits);
	unsigned shift = magnitude - sub_bits;
	return (shift << sub_bits) + (unsigned)(value >> shift);
}

// How many values a bucket counts, and the smallest of them. The last bucket counts all above, too.
static inline uint64_t buckets_width(unsigned sub_bits, unsigned index)
{
	unsigned octave = index >> sub_bits;
	return octave ? UINT64_C(1) << (octave - 1) : 1;
}
static inline uint64_t buckets_lowest(unsigned sub_bits, unsigned index)
{
	unsigned octave = index >> sub_bits;
	unsigned shift = octave ? octave - 1 : 0;
	return (uint64_t)(index - (shift << sub_bits)) << shift;
}

// The bucket of the percentile `percent` (0 to 100): the lowest sample that at least `percent` of
// all samples do not exceed. `count`, at least 1, is the number of samples in all buckets.
unsigned buckets_percentile(const uint64_t *bucket, uint64_t count, double percent);

// How many samples are in the buckets before the one at `end`.
uint64_t buckets_sum(const uint64_t *bucket, unsigned end);

#endif
