// The histogram of latencies, with 1024 buckets for each power of two (base/buckets.h), as
// HdrHistogram's with three digits: a value from 100 ns to 1 h is known to less than 0.1 %.
// Constant size; adds exactly, so that many threads, processes and machines make one result. One
// thread each.
#ifndef ECHOLOAD_HDR_H
#define ECHOLOAD_HDR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/buckets.h"

#define HDR_SUB_BITS 10
#define HDR_BUCKETS BUCKETS_COUNT(HDR_SUB_BITS)

// If 100,000 messages a second wait for minutes, the sum overflows 64 bits in ten minutes. Where
// the compiler has no wider type, 64 bits must do.
#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 hdr_sum;
#else
typedef uint64_t hdr_sum;
#endif

struct hdr {
	uint64_t count;
	hdr_sum sum;  // ns, exact
	uint64_t min; // exact; UINT64_MAX without samples
	uint64_t max; // exact
	uint64_t bucket[HDR_BUCKETS];
};

static inline unsigned hdr_index(uint64_t ns)
{
	return buckets_index(HDR_SUB_BITS, ns);
}

// The smallest and the largest value that a bucket counts; for the last one UINT64_MAX.
static inline uint64_t hdr_lowest(unsigned index)
{
	return buckets_lowest(HDR_SUB_BITS, index);
}
static inline uint64_t hdr_highest(unsigned index)
{
	return index == HDR_BUCKETS - 1 ? UINT64_MAX : hdr_lowest(index + 1) - 1;
}

// Empties one that is all zeros, or has been in use.
static inline void hdr_reset(struct hdr *hdr)
{
	if (hdr->count > 0) {
		unsigned first = hdr_index(hdr->min), last = hdr_index(hdr->max);
		memset(&hdr->bucket[first], 0, (last - first + 1) * sizeof(hdr->bucket[0]));
	}
	hdr->count = hdr->max = 0;
	hdr->sum = 0;
	hdr->min = UINT64_MAX;
}

// Records a value `times` times.
static inline void hdr_record_many(struct hdr *hdr, uint64_t ns, uint64_t times)
{
	hdr->bucket[hdr_index(ns)] += times;
	hdr->count += times;
	hdr->sum += (hdr_sum)ns * times;
	if (ns < hdr->min)
		hdr->min = ns;
	if (ns > hdr->max)
		hdr->max = ns;
}

// Records one value, in at most 10 ns.
static inline void hdr_record(struct hdr *hdr, uint64_t ns)
{
	hdr_record_many(hdr, ns, 1);
}

// Adds to `sum`, which has been reset, or is all zeros.
static inline void hdr_add(struct hdr *sum, const struct hdr *hdr)
{
	if (hdr->count == 0)
		return;
	if (sum->count == 0 || hdr->min < sum->min)
		sum->min = hdr->min;
	sum->count += hdr->count;
	sum->sum += hdr->sum;
	if (hdr->max > sum->max)
		sum->max = hdr->max;
	for (unsigned i = hdr_index(hdr->min); i <= hdr_index(hdr->max); i++)
		sum->bucket[i] += hdr->bucket[i];
}

// The value that `percent` (0 to 100) of the samples do not exceed: the largest that its bucket
// counts, but never above the exact maximum; 0 without samples.
static inline uint64_t hdr_percentile(const struct hdr *hdr, double percent)
{
	if (hdr->count == 0)
		return 0;
	uint64_t highest = hdr_highest(buckets_percentile(hdr->bucket, hdr->count, percent));
	return highest < hdr->max ? highest : hdr->max;
}

// How many samples a percentile needs, so that there is one beyond it.
static inline double hdr_samples_for(double percent)
{
	return percent < 100 ? 100 / (100 - percent) * (1 - 1e-9) : 1;
}

static inline bool hdr_knows(const struct hdr *hdr, double percent)
{
	return (double)hdr->count >= hdr_samples_for(percent);
}

// Exact, ns; 0 without samples.
static inline double hdr_mean(const struct hdr *hdr)
{
	return hdr->count ? (double)hdr->sum / (double)hdr->count : 0.0;
}

// How many samples are at most `ns`, to the bucket.
static inline uint64_t hdr_count_to(const struct hdr *hdr, uint64_t ns)
{
	return buckets_sum(hdr->bucket, hdr_index(ns) + 1);
}

#endif
