// Decimal numbers, and rates in messages a second (`k m`, powers of 1000), as people write them;
// and back again. Any thread.
#ifndef ECHOLOAD_NUMBER_H
#define ECHOLOAD_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// Up to here a double keeps whole numbers exactly, and so does any reader of JSON.
#define NUMBER_EXACT_MAX (UINT64_C(1) << 53)

// Reads a decimal number such as `12` or `0.5`, with neither sign nor exponent. Returns what
// follows it in `text`, or NULL, storing nothing, when there is none.
const char *number_read(const char *text, double *value);

// A rate from 0 to 1000m a second: `200`, `50k`, `1.5m`.
int number_parse_rate(const char *text, double *rate, struct error *error);

// Writes `rate` as `51.2k`; returns `buffer`. 16 bytes suffice.
char *number_format_rate(double rate, char *buffer, size_t size);

#endif
