// Tests by rank, which assume nothing about how values are distributed. Main thread.
#ifndef ECHOLOAD_RANK_H
#define ECHOLOAD_RANK_H

#include <stdbool.h>
#include <stddef.h>

#define RANK_MOST 32 // values a side of rank_test

// The probability, 0 to 1, that two samples of one distribution differ at least this much, either
// way. This is the test of Mann and Whitney, exact, also with ties. Each side has 1 to RANK_MOST
// values, which were measured independently of each other.
double rank_test(const double *left, size_t left_count, const double *right, size_t right_count);

// Puts the values, at least one, in order, and returns their median.
double rank_median(double *values, size_t count);

// An interval that holds the median of the sampled quantity. It lies between two of the values
// (order statistics). It is wider if successive values resemble each other, as they say less then.
struct rank_interval {
	double median;	  // NAN: there are no values
	double low, high; // NAN: too few values, fewer than 6 for 95 %, than 9 for 99 %
};

// Of values in the order of time, with a confidence of at least 95 or 99 %.
struct rank_interval rank_interval(const double *values, size_t count, double confidence);
#define RANK_95 1.96 // standard deviations of a normal distribution
#define RANK_99 2.5758

// Whether the interval is known and does not contain `value`.
bool rank_differs(const struct rank_interval *interval, double value);

// By how much a series rises from its first value to its last: the slope of Theil and Sen. Returns
// 0 if chance makes it rise as steadily in one of a hundred series (Mann and Kendall), or if there
// are fewer than 6 values.
double rank_rise(const double *values, size_t count);

#endif
