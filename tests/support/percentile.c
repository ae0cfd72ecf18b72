// Percentiles of measured times. One thread.
#include "percentile.h"

#include <stdlib.h>

static int compare(const void *left, const void *right) {
	const uint64_t *a = left, *b = right;
	return (*a > *b) - (*a < *b);
}

uint64_t percentile_99(uint64_t *values, size_t count) {
	qsort(values, count, sizeof(values[0]), compare);
	return values[count * 99 / 100];
}
