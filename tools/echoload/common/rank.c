#include "rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

#define FEWEST 6	    // values of a series
#define PIECES 48	    // into which a longer series is divided
#define RISE_BY_CHANCE 0.01 // of a series that rises for no reason
#define GROUPS 16	    // of successive values
#define SUMS (2 * RANK_MOST * (2 * RANK_MOST + 1) + 1)

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double rank_median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare_doubles);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

// By which factor, at least 1, the interval is wider than that of independent values: as the number
// of values above `median` varies more from group to group than theirs.
static double widening(const double *values, size_t count, double median)
{
	size_t size = count / GROUPS;
	double sum = 0, squares = 0;
	for (size_t group = 0; group < GROUPS; group++) {
		double above = 0;
		for (size_t i = group * size; i < (group + 1) * size; i++)
			above += values[i] > median ? 1 : (values[i] < median ? 0 : 0.5);
		sum += above;
		squares += above * above;
	}
	double variance = (squares - sum * sum / GROUPS) / (GROUPS - 1);
	return size > 1 ? fmax(1, sqrt(variance / ((double)size / 4))) : 1;
}

struct rank_interval rank_interval(const double *values, size_t count, double confidence)
{
	struct rank_interval interval = {.median = NAN, .low = NAN, .high = NAN};
	double *sorted = count > 0 ? malloc(count * sizeof(*sorted)) : NULL;
	if (!sorted)
		return interval;
	memcpy(sorted, values, count * sizeof(*sorted));
	interval.median = rank_median(sorted, count);
	// Each value is below the median with a probability of 1/2, so the number of those that are
	// is binomial, with a standard deviation of half the root of `count`.
	double half = (double)count / 2, reach = confidence * sqrt((double)count) / 2 + 0.5;
	if (reach <= half) {
		double outside = half - reach * widening(values, count, interval.median);
		size_t left_out = outside > 0 ? (size_t)outside : 0;
		interval.low = sorted[left_out];
		interval.high = sorted[count - 1 - left_out];
	}
	free(sorted);
	return interval;
}

bool rank_differs(const struct rank_interval *interval, double value)
{
	return interval->low > value || interval->high < value;
}

// Twice the rank of `value` among those in order; equal ones share the mean of theirs.
static unsigned double_rank(const double *ordered, size_t count, double value)
{
	unsigned below = 0, equal = 0;
	for (size_t i = 0; i < count; i++) {
		below += ordered[i] < value;
		equal += ordered[i] == value;
	}
	return 2 * below + equal + 1;
}

double rank_test(const double *left, size_t left_count, const double *right, size_t right_count)
{
	// ways[k][s]: the probability that k values drawn from all have ranks that add up to s / 2.
	static double ways[RANK_MOST + 1][SUMS];
	double all[2 * RANK_MOST];
	size_t count = left_count + right_count;
	ensure(left_count > 0 && left_count <= RANK_MOST && right_count > 0 &&
	       right_count <= RANK_MOST);
	memcpy(all, left, left_count * sizeof(*all));
	memcpy(all + left_count, right, right_count * sizeof(*all));
	memset(ways, 0, sizeof(ways));
	ways[0][0] = 1;
	unsigned seen = 0, most = 0;
	for (size_t i = 0; i < count; i++) {
		unsigned rank = double_rank(all, count, all[i]);
		most += rank;
		seen += i < left_count ? rank : 0;
		for (size_t k = i < left_count ? i + 1 : left_count; k > 0; k--) {
			for (unsigned s = most; s >= rank; s--)
				ways[k][s] += ways[k - 1][s - rank];
		}
	}
	double total = 0, low = 0, high = 0;
	for (unsigned s = 0; s <= most; s++) {
		total += ways[left_count][s];
		low += s <= seen ? ways[left_count][s] : 0;
		high += s >= seen ? ways[left_count][s] : 0;
	}
	return fmin(1, 2 * fmin(low, high) / total);
}

// How probable it is that chance alone makes `rises` more pairs rise than fall.
static double chance_of(double rises, const double *values, size_t count)
{
	double n = (double)count;
	double variance = n * (n - 1) * (2 * n + 5);
	for (size_t i = 0; i < count; i++) {
		double equal = 0; // in each run of equal ones, of t: t values add t * (t - 1) ...
		for (size_t j = 0; j < count; j++)
			equal += values[j] == values[i];
		variance -= (equal - 1) * (2 * equal + 5);
	}
	return rises > 1 && variance > 0 ? 0.5 * erfc((rises - 1) / sqrt(variance / 9)) : 1;
}

static double rise_of(const double *values, size_t count)
{
	double slopes[PIECES * (PIECES - 1) / 2] = {0};
	size_t pairs = 0;
	double rises = 0;
	for (size_t i = 0; i < count; i++) {
		for (size_t j = i + 1; j < count; j++) {
			double by = values[j] - values[i];
			rises += (by > 0) - (by < 0);
			slopes[pairs++] = by / (double)(j - i);
		}
	}
	double slope = rank_median(slopes, pairs);
	if (slope <= 0 || chance_of(rises, values, count) >= RISE_BY_CHANCE)
		return 0;
	return slope * (double)(count - 1);
}

double rank_rise(const double *values, size_t count)
{
	if (count < FEWEST)
		return 0;
	if (count <= PIECES)
		return rise_of(values, count);
	double means[PIECES];
	for (size_t i = 0; i < PIECES; i++) {
		size_t from = i * count / PIECES, to = (i + 1) * count / PIECES;
		means[i] = 0;
		for (size_t j = from; j < to; j++)
			means[i] += values[j] / (double)(to - from);
	}
	return rise_of(means, PIECES);
}
