// A histogram of durations with 32 buckets for each power of two (base/buckets.h). A bucket is at
// most 1/32 of its value wide, and its middle is within 1/64 of the value. Constant size. struct
// histogram: one thread records, any thread may add it up. struct histogram_sum: plain, one thread.
#ifndef ECHOD_STATS_HISTOGRAM_H
#define ECHOD_STATS_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buckets.h"

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS BUCKETS_COUNT(HISTOGRAM_SUB_BITS)

// Written by its one thread, read by the one that takes a snapshot. A reader may see a sample in
// one field and not yet in another. So the number of samples is the sum of the buckets.
struct histogram {
	_Atomic uint64_t bucket[HISTOGRAM_BUCKETS];
	_Atomic uint64_t sum;
	_Atomic uint64_t max;
};

struct histogram_sum {
	uint64_t bucket[HISTOGRAM_BUCKETS];
	uint64_t count;
	uint64_t sum;
	uint64_t max;
};

// There is one writer, so load and store suffice; relaxed, as the value guards no other data.
static inline void histogram_add_own(_Atomic uint64_t *value, uint64_t amount)
{
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, old + amount, memory_order_relaxed);
}

// Records one value. The owner thread only.
static inline void histogram_record(struct histogram *histogram, uint64_t value)
{
	histogram_add_own(&histogram->bucket[buckets_index(HISTOGRAM_SUB_BITS, value)], 1);
	histogram_add_own(&histogram->sum, value);
	if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed))
		atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

// Adds `histogram` to `sum`. Any thread.
void histogram_add(struct histogram_sum *sum, const struct histogram *histogram);

// The value that `percent` (0 to 100) of the samples do not exceed, to 1/64 of itself; the exact
// maximum for 100; 0 without samples.
uint64_t histogram_percentile(const struct histogram_sum *sum, double percent);

// How many samples are below `limit`, a power of two from 32 up: exact, as those are bucket limits.
uint64_t histogram_count_below(const struct histogram_sum *sum, uint64_t limit);

#endif
