// The buckets of a histogram of durations, log-linear as HdrHistogram has them: 2^sub_bits buckets
// for each power of two, so that a value is known to 1 part in 2^sub_bits. Values below that have a
// bucket each. The containers are the server's (stats/histogram.h), which one thread fills and
// others read, and that of echoload (echoload/common/hdr.h). Any thread.
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

// The smallest value that a bucket counts, and how many there are; the last one counts all above.
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

// The bucket of the sample that `percent` (0 to 100) of the `count` samples, at least one, in all
// buckets do not exceed: the lowest sample of those that are that many or more.
unsigned buckets_percentile(const uint64_t *bucket, uint64_t count, double percent);

// How many samples are in the buckets before the one at `end`.
uint64_t buckets_sum(const uint64_t *bucket, unsigned end);

#endif
