// A histogram of durations.
#include "stats/histogram.h"

#include "base/assert.h"

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)

// Values below 32 have a bucket each; from there on, 32 buckets between two powers of two.
static size_t bucket_of(uint64_t value)
{
	if (value < SUB_COUNT)
		return (size_t)value;
	if (value >> HISTOGRAM_VALUE_BITS)
		return HISTOGRAM_BUCKETS - 1;
	unsigned exponent = 63U - (unsigned)__builtin_clzll(value);
	unsigned shift = exponent - HISTOGRAM_SUB_BITS;
	return (size_t)((shift + 1) * SUB_COUNT + ((value >> shift) - SUB_COUNT));
}

static uint64_t bucket_width(size_t bucket)
{
	return bucket < SUB_COUNT ? 1 : UINT64_C(1) << (bucket / SUB_COUNT - 1);
}

static uint64_t bucket_start(size_t bucket)
{
	if (bucket < SUB_COUNT)
		return bucket;
	return (SUB_COUNT + bucket % SUB_COUNT) << (bucket / SUB_COUNT - 1);
}

// One writer, so load and store suffice; relaxed, as nothing else hangs on the value.
static void add_own(_Atomic uint64_t *value, uint64_t amount)
{
	uint64_t old = atomic_load_explicit(value, memory_order_relaxed);
	atomic_store_explicit(value, old + amount, memory_order_relaxed);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
	add_own(&histogram->bucket[bucket_of(value)], 1);
	add_own(&histogram->sum, value);
	if (value > atomic_load_explicit(&histogram->max, memory_order_relaxed))
		atomic_store_explicit(&histogram->max, value, memory_order_relaxed);
}

void histogram_add(struct histogram_sum *sum, const struct histogram *histogram)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t samples =
			atomic_load_explicit(&histogram->bucket[i], memory_order_relaxed);
		sum->bucket[i] += samples;
		sum->count += samples;
	}
	sum->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
	uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
	if (max > sum->max)
		sum->max = max;
}

uint64_t histogram_percentile(const struct histogram_sum *sum, double percent)
{
	ensure(percent >= 0.0 && percent <= 100.0);
	if (percent >= 100.0 || sum->count == 0)
		return sum->count ? sum->max : 0;
	double exact = (double)sum->count * percent / 100.0;
	uint64_t rank = (uint64_t)exact;
	if ((double)rank < exact || rank == 0)
		rank++;
	uint64_t seen = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += sum->bucket[i];
		if (seen >= rank) {
			uint64_t middle = bucket_start(i) + bucket_width(i) / 2;
			return middle < sum->max ? middle : sum->max;
		}
	}
	return sum->max;
}

uint64_t histogram_count_below(const struct histogram_sum *sum, uint64_t limit)
{
	ensure(limit >= SUB_COUNT && (limit & (limit - 1)) == 0);
	uint64_t samples = 0;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS && bucket_start(i) < limit; i++)
		samples += sum->bucket[i];
	return samples;
}
