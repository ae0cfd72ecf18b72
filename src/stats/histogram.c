#include "stats/histogram.h"

#include "base/assert.h"

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
	unsigned index = buckets_percentile(sum->bucket, sum->count, percent);
	uint64_t middle = buckets_lowest(HISTOGRAM_SUB_BITS, index) +
			  buckets_width(HISTOGRAM_SUB_BITS, index) / 2;
	return middle < sum->max ? middle : sum->max;
}

uint64_t histogram_count_below(const struct histogram_sum *sum, uint64_t limit)
{
	ensure(limit >> HISTOGRAM_SUB_BITS && (limit & (limit - 1)) == 0);
	return buckets_sum(sum->bucket, buckets_index(HISTOGRAM_SUB_BITS, limit - 1) + 1);
}
