// The histogram of latencies: adding up and reading. One thread each.
#include "hdr.h"

#include <string.h>

void hdr_reset(struct hdr *hdr)
{
	memset(hdr, 0, sizeof(*hdr));
	hdr->min = UINT64_MAX;
}

void hdr_clear(struct hdr *hdr)
{
	if (hdr->count == 0)
		return;
	unsigned first = hdr_index(hdr->min), last = hdr_index(hdr->max);
	memset(&hdr->bucket[first], 0, (last - first + 1) * sizeof(hdr->bucket[0]));
	hdr->count = hdr->max = 0;
	hdr->sum = 0;
	hdr->min = UINT64_MAX;
}

void hdr_add(struct hdr *sum, const struct hdr *hdr)
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

uint64_t hdr_percentile(const struct hdr *hdr, double percent)
{
	if (hdr->count == 0)
		return 0;
	uint64_t highest = hdr_highest(buckets_percentile(hdr->bucket, hdr->count, percent));
	return highest < hdr->max ? highest : hdr->max;
}

double hdr_mean(const struct hdr *hdr)
{
	return hdr->count ? (double)hdr->sum / (double)hdr->count : 0.0;
}

uint64_t hdr_count_to(const struct hdr *hdr, uint64_t ns)
{
	return buckets_sum(hdr->bucket, hdr_index(ns) + 1);
}
