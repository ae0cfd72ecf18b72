// Tests by rank, which ask nothing of how values are distributed. Main thread.
#ifndef ECHOLOAD_RANK_H
#define ECHOLOAD_RANK_H

#include <stddef.h>

#define RANK_MOST 32 // values a side of rank_test

// How probable it is that two samples of the same differ at least so much, either way: 0 to 1. This
// is the test of Mann and Whitney, exact, also with ties. Each side has 1 to RANK_MOST values, each
// of which was measured independently of the others.
double rank_test(const double *left, size_t left_count, const double *right, size_t right_count);

// Puts the values, at least one, in order, and returns their median.
double rank_median(double *values, size_t count);

// By how much a series rises from its first value to its last: the slope of Theil and Sen. Returns
// 0 if chance would make it rise as steadily once in a hundred series (Mann and Kendall), or if
// there are fewer than 6 values.
double rank_rise(const double *values, size_t count);

#endif
