// The histogram of latencies: adding up and reading. One thread each.
#include "hdr.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/assert.h"

#define SUB_COUNT (1U << HDR_SUB_BITS)

void hdr_reset(struct hdr *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->min = UINT64_MAX;
}

void hdr_add(struct hdr *sum, const struct hdr *hdr)
{
	sum->count += hdr->count;
	sum->sum += hdr->sum;
	if (hdr->min < sum->min)
		sum->min = hdr->min;
	if (hdr->max > sum->max)
		sum->max = hdr->max;
	for (unsigned i = 0; i < HDR_BUCKETS; i++)
		sum->bucket[i] += hdr->bucket[i];
}

// A bucket counts 2^shift values.
static unsigned shift_of(unsigned index)
{
	return index < SUB_COUNT ? 0 : (index >> HDR_SUB_BITS) - 1;
}

uint64_t hdr_lowest(unsigned index)
{
	unsigned shift = shift_of(index);
	return (uint64_t)(index - (shift << HDR_SUB_BITS)) << shift;
}

uint64_t hdr_highest(unsigned index)
{
	if (index == HDR_BUCKETS - 1)
		return UINT64_MAX;
	return hdr_lowest(index) + (UINT64_C(1) << shift_of(index)) - 1;
}

// The number, counted from 1, of the sample that is the percentile. That a double does not
// hold 99.9 exactly must not make it one more.
static uint64_t rank_of(uint64_t count, double percent)
{
	double rank = ceil(percent / 100.0 * (double)count * (1.0 - 4.0 * DBL_EPSILON));
	if (percent >= 100.0 || rank >= (double)count)
		return count;
	return rank < 1.0 ? 1 : (uint64_t)rank;
}

uint64_t hdr_percentile(const struct hdr *hdr, double percent)
{
	ensure(percent >= 0.0 && percent <= 100.0);
	if (hdr->count == 0)
		return 0;
	uint64_t rank = rank_of(hdr->count, percent);
	uint64_t seen = 0;
	unsigned index = 0;
	for (;; index++) {
		ensure(index < HDR_BUCKETS);
		seen += hdr->bucket[index];
		if (seen >= rank)
			break;
	}
	uint64_t highest = hdr_highest(index);
	return highest < hdr->max ? highest : hdr->max;
}

double hdr_mean(const struct hdr *hdr)
{
	return hdr->count ? (double)hdr->sum / (double)hdr->count : 0.0;
}

uint64_t hdr_count_to(const struct hdr *hdr, uint64_t ns)
{
	uint64_t count = 0;
	unsigned last = hdr_index(ns);
	for (unsigned i = 0; i <= last; i++)
		count += hdr->bucket[i];
	return count;
}
