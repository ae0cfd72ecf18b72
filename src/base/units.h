// Parses and formats numbers as people write them: counts, sizes (`k m g` are powers of 1024),
// durations (`us ms s m h`) and rates (`k m` are powers of 1000). The decimal point is a point in
// every locale. Any thread.
#ifndef ECHOD_BASE_UNITS_H
#define ECHOD_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

// A whole decimal number from `minimum` to `maximum`. Returns 0, or -1 with a message that names
// the value and the valid ones; then nothing is stored. The same holds for the functions below.
int units_parse_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *count,
		      struct echod_error *error);

// A size in bytes: `4096`, `64k`, `1.5m`, `2g`.
int units_parse_size(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *bytes,
		     struct echod_error *error);

// A duration in nanoseconds: `250us`, `5ms`, `1.5s`, `10m`, `2h`, or `0`.
int units_parse_duration(const char *text, uint64_t *ns, struct echod_error *error);

// The same, and the word `never`, which gives CLOCK_NEVER.
int units_parse_timeout(const char *text, uint64_t *ns, struct echod_error *error);

// A rate from 0 to 1000m a second, `k` and `m` being powers of 1000: `200`, `50k`, `1.5m`.
int units_parse_rate(const char *text, double *rate, struct echod_error *error);

// Writes the size, or the duration in whole microseconds, as the functions above take it: `64k`,
// `50us`. Returns `buffer`; 32 bytes suffice.
char *units_exact_size(uint64_t bytes, char *buffer, size_t size);
char *units_exact_duration(uint64_t ns, char *buffer, size_t size);

// The number that a macro stands for, as text.
#define UNITS_TEXT(macro) UNITS_TEXT_OF_NUMBER(macro)
#define UNITS_TEXT_OF_NUMBER(number) #number

// Up to this value a double, and so any reader of JSON, holds whole numbers exactly.
#define UNITS_EXACT_MAX (UINT64_C(1) << 53)

// Reads a decimal number such as `12` or `0.5`, without sign or exponent and with at most nine
// places. Returns the rest of `text`. Returns NULL, and stores nothing, if there is no such number.
const char *units_read_number(const char *text, double *value);

// Writes `value` / `unit` with `places` decimal places, rounded half up, such as `1.50`; returns
// `buffer`. `unit` times 10 to the power of `places` must be below 2^63. 32 bytes suffice.
char *units_format_decimal(uint64_t value, uint64_t unit, unsigned places, char *buffer,
			   size_t size);

// One step of a scale: `value` / `unit` with `places` decimal places and the suffix. It fits if the
// rounded number is less than `below`. The last step has `below` 0 and always fits.
struct units_step {
	const char *suffix;
	uint64_t unit;
	unsigned places;
	uint64_t below;
};

// Writes `value` by the first of `steps` that fits; returns `buffer`.
char *units_format(uint64_t value, const struct units_step *steps, char *buffer, size_t size);

// Writes `ns` in the unit that reads best, such as `12.3 ms`; returns `buffer`. 16 bytes suffice.
char *units_format_duration(uint64_t ns, char *buffer, size_t size);

// Writes `bytes` as `64.0 KiB`; returns `buffer`. 16 bytes suffice.
char *units_format_size(uint64_t bytes, char *buffer, size_t size);

// Writes `rate` as `51.2k`; returns `buffer`. 16 bytes suffice.
char *units_format_rate(double rate, char *buffer, size_t size);

// The same as text that lives as long as the enclosing block.
#define UNITS_DURATION(ns) units_format_duration(ns, (char[16]){""}, 16)
#define UNITS_SIZE(bytes) units_format_size((uint64_t)(bytes), (char[16]){""}, 16)
#define UNITS_RATE(rate) units_format_rate(rate, (char[16]){""}, 16)

#endif
