// The median of a series of measurements, and how well it is known. Any thread.
#ifndef ECHOLOAD_AB_MEDIAN_H
#define ECHOLOAD_AB_MEDIAN_H

#include <stdbool.h>
#include <stddef.h>

// The interval holds the median of what was sampled with a confidence of at least 95 %. It lies
// between two of the values (order statistics), so nothing is assumed of how they are distributed.
// It is wider where successive values resemble each other: then they say less.
struct median {
	double value;	  // NAN: there are no values
	double low, high; // NAN: too few values, fewer than six
};

// Of the values, in the order of time.
struct median median_of(const double *values, size_t count);

// Whether the interval is known and does not contain `value`.
bool median_differs(const struct median *median, double value);

#endif
