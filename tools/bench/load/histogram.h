// Latencies in nanoseconds, log-linear: 128 buckets for each power of two, so that what it says is
// off by at most 0.4 %. One thread.
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

#define LATENCY_SUB_BITS 7
#define LATENCY_VALUE_BITS 40 // 2^40 ns are 18 minutes; longer ones are counted in the last bucket
#define LATENCY_BUCKETS ((LATENCY_VALUE_BITS - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS)

struct latencies {
	uint64_t bucket[LATENCY_BUCKETS];
	uint64_t count;
	uint64_t max;
};

void latencies_record(struct latencies *latencies, uint64_t ns);

// The value that `percent` of the samples do not exceed; 0 without samples.
uint64_t latencies_percentile(const struct latencies *latencies, double percent);

#endif
