// How sure a difference between two runs is: a bootstrap over blocks. One thread.
#include "bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "echoload/common/random.h"
#include "hdr_v2.h"

#define DRAWS 4000
#define BLOCK_INTERVALS 3 // in a block, unless that makes too few
#define BLOCKS_LEAST 5
#define SEED 1
#define NORMAL_QUANTILE 1.959964 // of 97.5 %
#define RESOLUTION 0.001	 // of the histogram

static int fail_memory(struct error *error)
{
	return error_set(error, ERROR_SYSTEM, "out of memory");
}

// Few and long ones: what lasts for some seconds must be short beside a block, or chance is
// underrated, and Student's distribution makes up for there being few.
static unsigned block_count(size_t intervals)
{
	size_t blocks = intervals / BLOCK_INTERVALS;
	if (blocks < BLOCKS_LEAST)
		return BLOCKS_LEAST;
	return blocks < BOOTSTRAP_BLOCKS ? (unsigned)blocks : BOOTSTRAP_BLOCKS;
}

// Adds up the intervals of each block: the histograms in `sums`, one for each block, empty at
// first. `scratch` is one more.
static int add_blocks(struct sample *sample, const struct result *result, bool bytes,
		      struct hdr *sums, struct hdr *scratch, struct error *error)
{
	for (size_t i = 0; i < result->interval_count; i++) {
		const struct result_interval *interval = &result->intervals[i];
		size_t block = i * sample->blocks / result->interval_count;
		sample->amount[block] += (double)(bytes ? interval->bytes : interval->messages);
		sample->seconds[block] += clock_seconds(interval->length);
		if (hdr_v2_decode(scratch, interval->latency, error) != 0)
			return -1;
		hdr_add(&sums[block], scratch);
	}
	return 0;
}

static bool occurs(const struct hdr *sums, unsigned blocks, unsigned index)
{
	for (unsigned k = 0; k < blocks; k++) {
		if (sums[k].bucket[index])
			return true;
	}
	return false;
}

// Keeps of the histograms only the values that occur at all.
static int keep_values(struct sample *sample, const struct hdr *sums, struct error *error)
{
	unsigned blocks = sample->blocks;
	// One more, so that nothing is not NULL.
	sample->value = calloc(HDR_BUCKETS + 1, sizeof(*sample->value));
	for (unsigned i = 0; i < HDR_BUCKETS && sample->value; i++) {
		if (occurs(sums, blocks, i))
			sample->value[sample->values++] = hdr_lowest(i);
	}
	sample->up_to = calloc((size_t)blocks * sample->values + 1, sizeof(*sample->up_to));
	if (!sample->value || !sample->up_to)
		return fail_memory(error);
	for (unsigned k = 0; k < blocks; k++) {
		uint64_t seen = 0;
		for (unsigned i = 0; i < sample->values; i++) {
			seen += sums[k].bucket[hdr_index(sample->value[i])];
			sample->up_to[(size_t)i * blocks + k] = seen;
		}
	}
	return 0;
}

int sample_make(struct sample *sample, const struct result *result, bool bytes, struct error *error)
{
	*sample = (struct sample){.blocks = block_count(result->interval_count)};
	struct hdr *sums = calloc(sample->blocks + 1, sizeof(*sums));
	if (!sums)
		return fail_memory(error);
	int status = add_blocks(sample, result, bytes, sums, &sums[sample->blocks], error);
	if (status == 0)
		status = keep_values(sample, sums, error);
	free(sums);
	return status;
}

void sample_free(struct sample *sample)
{
	free(sample->value);
	free(sample->up_to);
	*sample = (struct sample){0};
}

// How many of the latencies drawn are at most the value at `index`. `times` says how often each
// block was drawn.
static uint64_t count_to(const struct sample *sample, const unsigned *times, unsigned index)
{
	const uint64_t *up_to = &sample->up_to[(size_t)index * sample->blocks];
	uint64_t count = 0;
	for (unsigned k = 0; k < sample->blocks; k++)
		count += times[k] * up_to[k];
	return count;
}

// The value that `share` of the latencies drawn do not exceed.
static double value_at(const struct sample *sample, const unsigned *times, double share)
{
	if (sample->values == 0)
		return 0.0;
	unsigned low = 0;
	unsigned high = sample->values - 1;
	double rank = share * (double)count_to(sample, times, high);
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if ((double)count_to(sample, times, middle) >= rank)
			high = middle;
		else
			low = middle + 1;
	}
	return (double)sample->value[low];
}

// Draws blocks and says what the run would have come to.
static void draw(const struct sample *sample, struct random *random, double *figures)
{
	unsigned times[BOOTSTRAP_BLOCKS] = {0};
	double amount = 0.0;
	double seconds = 0.0;
	for (unsigned drawn = 0; drawn < sample->blocks; drawn++) {
		unsigned k = (unsigned)(random_next(random) % sample->blocks);
		times[k]++;
		amount += sample->amount[k];
		seconds += sample->seconds[k];
	}
	figures[MEASURE_RATE] = seconds > 0.0 ? amount / seconds : 0.0;
	figures[MEASURE_P50] = value_at(sample, times, 0.50);
	figures[MEASURE_P99] = value_at(sample, times, 0.99);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left;
	double b = *(const double *)right;
	return (a > b) - (a < b);
}

// How many of the draws to leave out at each end. With few blocks chance is underrated: they vary
// less about their own mean than about the true one, and nobody knows by how much they vary.
// So the share is that beyond the quantile of Student's distribution (Cornish and Fisher's series),
// widened by sqrt(n / (n - 1)).
static unsigned left_out(unsigned blocks)
{
	double z = NORMAL_QUANTILE;
	double freedom = (double)(blocks - 1);
	double quantile =
		z + (pow(z, 3) + z) / (4.0 * freedom) +
		(5.0 * pow(z, 5) + 16.0 * pow(z, 3) + 3.0 * z) / (96.0 * freedom * freedom);
	double share = erfc(quantile * sqrt((double)blocks / freedom) / sqrt(2.0)) / 2.0;
	return (unsigned)(share * DRAWS);
}

static double change(double left, double right)
{
	if (left > 0.0)
		return (right - left) / left;
	return right > 0.0 ? HUGE_VAL : 0.0;
}

int bootstrap_compare(const struct sample *left, const struct sample *right,
		      struct confidence *confidence, struct error *error)
{
	double(*changes)[DRAWS] = calloc(MEASURES, sizeof(*changes));
	if (!changes)
		return fail_memory(error);
	struct random random = {.state = SEED};
	for (unsigned i = 0; i < DRAWS; i++) {
		double a[MEASURES];
		double b[MEASURES];
		draw(left, &random, a);
		draw(right, &random, b);
		for (unsigned m = 0; m < MEASURES; m++)
			changes[m][i] = change(a[m], b[m]);
	}
	unsigned skip = left_out(left->blocks < right->blocks ? left->blocks : right->blocks);
	for (unsigned m = 0; m < MEASURES; m++) {
		double wider = m == MEASURE_RATE ? 0.0 : RESOLUTION;
		qsort(changes[m], DRAWS, sizeof(changes[m][0]), compare);
		confidence[m].low = changes[m][skip] - wider;
		confidence[m].high = changes[m][DRAWS - 1 - skip] + wider;
	}
	free(changes);
	return 0;
}
