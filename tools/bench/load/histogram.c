// Latencies in nanoseconds. One thread.
#include "histogram.h"

#define SUB_COUNT (1U << LATENCY_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
	if (value < SUB_COUNT)
		return (unsigned)value;
	if (value >> LATENCY_VALUE_BITS)
		return LATENCY_BUCKETS - 1;
	unsigned shift = 63U - (unsigned)__builtin_clzll(value) - LATENCY_SUB_BITS;
	return (shift + 1) * SUB_COUNT + (unsigned)((value >> shift) - SUB_COUNT);
}

static uint64_t bucket_middle(unsigned bucket)
{
	if (bucket < SUB_COUNT)
		return bucket;
	unsigned shift = bucket / SUB_COUNT - 1;
	return ((SUB_COUNT + UINT64_C(1) * (bucket % SUB_COUNT)) << shift) +
	       (UINT64_C(1) << shift) / 2;
}

void latencies_record(struct latencies *latencies, uint64_t ns)
{
	latencies->bucket[bucket_of(ns)]++;
	latencies->count++;
	if (ns > latencies->max)
		latencies->max = ns;
}

uint64_t latencies_percentile(const struct latencies *latencies, double percent)
{
	double rank = (double)latencies->count * percent / 100.0;
	uint64_t seen = 0;
	for (unsigned i = 0; i < LATENCY_BUCKETS && latencies->count; i++) {
		seen += latencies->bucket[i];
		if ((double)seen >= rank) {
			uint64_t middle = bucket_middle(i);
			return middle < latencies->max ? middle : latencies->max;
		}
	}
	return latencies->max;
}
