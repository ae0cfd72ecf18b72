// The median of a series of measurements, and how well it is known.
#include "rounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "echoload/common/rank.h"

#define CONFIDENCE 0.95
#define GROUPS 16 // of successive values

// How many of `count` values are left out of the interval at each end; -1: there are too few for
// any. Each value is below the median with a probability of 1/2, so the number of those that are is
// binomial.
static long values_outside(size_t count)
{
	double n = (double)count;
	double logarithm = -n * M_LN2; // of the probability that `outside` + 1 values are below
	double sum = exp(logarithm);
	long outside = -1;
	while (sum <= (1 - CONFIDENCE) / 2) {
		outside++;
		logarithm += log((n - (double)outside) / ((double)outside + 1));
		sum += exp(logarithm);
	}
	return outside;
}

// How much wider the interval is than that of independent values, at least 1: how much more than
// theirs the number of values above `median` varies from group to group.
static double widening(const double *values, size_t count, double median)
{
	size_t size = count / GROUPS;
	double sum = 0;
	double squares = 0;
	for (size_t group = 0; group < GROUPS; group++) {
		double above = 0;
		for (size_t i = 0; i < size; i++) {
			double value = values[group * size + i];
			above += value > median ? 1 : (value < median ? 0 : 0.5);
		}
		sum += above;
		squares += above * above;
	}
	double variance = (squares - sum * sum / GROUPS) / (GROUPS - 1);
	return size > 1 ? fmax(1, sqrt(variance / ((double)size / 4))) : 1;
}

struct median median_of(const double *values, size_t count)
{
	struct median median = {.value = NAN, .low = NAN, .high = NAN};
	double *sorted = count > 0 ? malloc(count * sizeof(*sorted)) : NULL;
	if (!sorted)
		return median;
	memcpy(sorted, values, count * sizeof(*sorted));
	median.value = rank_median(sorted, count);
	double half = (double)count / 2;
	long outside = values_outside(count);
	if (outside >= 0) {
		double share = (half - (double)outside) * widening(values, count, median.value);
		size_t left_out = share < half ? (size_t)(half - share) : 0;
		median.low = sorted[left_out];
		median.high = sorted[count - 1 - left_out];
	}
	free(sorted);
	return median;
}

bool median_differs(const struct median *median, double value)
{
	return median->low > value || median->high < value;
}
