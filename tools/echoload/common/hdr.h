// The histogram of latencies, with 1024 buckets for each power of two (base/buckets.h), as
// HdrHistogram's with three digits: a value from 100 ns to 1 h is known to less than 0.1 %.
// Constant size; adds exactly, so that many threads, processes and machines make one result. One
// thread each.
#ifndef ECHOLOAD_HDR_H
#define ECHOLOAD_HDR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buckets.h"

#define HDR_SUB_BITS 10
#define HDR_BUCKETS BUCKETS_COUNT(HDR_SUB_BITS)

// Ten minutes in which 100,000 messages a second wait for minutes would overflow 64 bits, which
// have to do where the compiler has no more.
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

void hdr_reset(struct hdr *hdr);
void hdr_clear(struct hdr *hdr); // the same, sooner, of one that has been reset before

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

// Records a value that has come so many times.
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

// To one that has been reset, or is all zeros.
void hdr_add(struct hdr *sum, const struct hdr *hdr);

// The value that `percent` (0 to 100) of the samples do not exceed: the largest that its bucket
// counts, but never above the exact maximum; 0 without samples.
uint64_t hdr_percentile(const struct hdr *hdr, double percent);

// How many samples a percentile takes to be one: fewer have none beyond it.
static inline double hdr_samples_for(double percent)
{
	return percent < 100 ? 100 / (100 - percent) * (1 - 1e-9) : 1;
}

static inline bool hdr_knows(const struct hdr *hdr, double percent)
{
	return (double)hdr->count >= hdr_samples_for(percent);
}

double hdr_mean(const struct hdr *hdr); // exact, ns; 0 without samples

// How many samples are at most `ns`, to the bucket.
uint64_t hdr_count_to(const struct hdr *hdr, uint64_t ns);

#endif
