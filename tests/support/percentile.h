// Percentiles of measured times. One thread.
#ifndef ECHOD_TESTS_PERCENTILE_H
#define ECHOD_TESTS_PERCENTILE_H

#include <stddef.h>
#include <stdint.h>

// What 99 % of the `count` values do not exceed. Sorts them.
uint64_t percentile_99(uint64_t *values, size_t count);

#endif
