// Numbers as people write them. Any thread.
#include "base/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit size_units[] = {
	{"", 1},
	{"k", UINT64_C(1) << 10},
	{"m", UINT64_C(1) << 20},
	{"g", UINT64_C(1) << 30},
};

static const struct unit duration_units[] = {
	{"us", NS_PER_US},    {"ms", NS_PER_MS},      {"s", NS_PER_S},
	{"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

// Reads digits into `value`; false when there is none or it overflows. Moves `text` on.
static bool read_digits(const char **text, uint64_t *value)
{
	const char *at = *text;
	*value = 0;
	for (; is_digit(*at); at++) {
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
			return false;
	}
	bool any = at != *text;
	*text = at;
	return any;
}

// The fraction after a decimal point, at most nine digits, in billionths.
static bool read_fraction(const char **text, uint64_t *billionths)
{
	*billionths = 0;
	if (**text != '.')
		return true;
	const char *digits = *text + 1;
	const char *at = digits;
	uint64_t scale = NS_PER_S;
	for (; is_digit(*at); at++) {
		if (scale == 1)
			return false;
		scale /= 10;
		*billionths += scale * (uint64_t)(*at - '0');
	}
	*text = at;
	return at != digits;
}

// A number with one of `units` behind it; false when it is malformed or does not fit.
static bool read_quantity(const char *text, const struct unit *units, size_t count, uint64_t *value)
{
	uint64_t whole;
	uint64_t billionths;
	if (!read_digits(&text, &whole) || !read_fraction(&text, &billionths))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (strcasecmp(text, units[i].suffix) != 0)
			continue;
		uint64_t part = (uint64_t)((__uint128_t)billionths * units[i].factor / NS_PER_S);
		return !__builtin_mul_overflow(whole, units[i].factor, value) &&
		       !__builtin_add_overflow(*value, part, value);
	}
	return false;
}

int units_parse_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *count,
		      struct error *error)
{
	const char *at = text;
	uint64_t value;
	if (!read_digits(&at, &value) || *at || value < minimum || value > maximum)
		return error_set(error, ERROR_USAGE,
				 "'%.64s' is not a whole number from %" PRIu64 " to %" PRIu64, text,
				 minimum, maximum);
	*count = value;
	return 0;
}

// The size as an option would take it: the largest unit that leaves a whole number.
static void print_exact_size(uint64_t bytes, char *buffer, size_t size)
{
	size_t unit = 0;
	while (unit + 1 < sizeof(size_units) / sizeof(size_units[0]) && bytes &&
	       bytes % size_units[unit + 1].factor == 0)
		unit++;
	snprintf(buffer, size, "%" PRIu64 "%s", bytes / size_units[unit].factor,
		 size_units[unit].suffix);
}

int units_parse_size(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *bytes,
		     struct error *error)
{
	uint64_t value;
	if (!read_quantity(text, size_units, sizeof(size_units) / sizeof(size_units[0]), &value) ||
	    value < minimum || value > maximum) {
		char low[32];
		char high[32];
		print_exact_size(minimum, low, sizeof(low));
		print_exact_size(maximum, high, sizeof(high));
		return error_set(error, ERROR_USAGE,
				 "'%.64s' is not a size from %s to %s (units k, m, g)", text, low,
				 high);
	}
	*bytes = value;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ns, struct error *error)
{
	uint64_t value = 0;
	bool plain_zero = strcmp(text, "0") == 0;
	if (!plain_zero &&
	    (!read_quantity(text, duration_units,
			    sizeof(duration_units) / sizeof(duration_units[0]), &value) ||
	     value > INT64_MAX))
		return error_set(error, ERROR_USAGE,
				 "'%.64s' is not a duration: a number and one of us, ms, s, m, h",
				 text);
	*ns = value;
	return 0;
}

int units_parse_timeout(const char *text, uint64_t *ns, struct error *error)
{
	if (strcmp(text, "never") == 0) {
		*ns = CLOCK_NEVER;
		return 0;
	}
	if (units_parse_duration(text, ns, error) == 0)
		return 0;
	return error_set(error, ERROR_USAGE,
			 "'%.64s' is not a duration (a number and one of us, ms, s, m, h) "
			 "nor 'never'",
			 text);
}

char *units_format_duration(uint64_t ns, char *buffer, size_t size)
{
	if (ns == CLOCK_NEVER)
		snprintf(buffer, size, "never");
	else if (ns < NS_PER_US)
		snprintf(buffer, size, "%" PRIu64 " ns", ns);
	else if (ns < NS_PER_MS)
		snprintf(buffer, size, "%.1f us", (double)ns / (double)NS_PER_US);
	else if (ns < NS_PER_S)
		snprintf(buffer, size, "%.1f ms", (double)ns / (double)NS_PER_MS);
	else if (ns < 100 * NS_PER_S)
		snprintf(buffer, size, "%.1f s", clock_seconds(ns));
	else if (ns < 6000 * NS_PER_S)
		snprintf(buffer, size, "%.1f min", (double)ns / (60.0 * (double)NS_PER_S));
	else
		snprintf(buffer, size, "%.1f h", (double)ns / (3600.0 * (double)NS_PER_S));
	return buffer;
}

char *units_format_size(uint64_t bytes, char *buffer, size_t size)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;
	for (; value >= 1024.0 && unit + 1 < sizeof(names) / sizeof(names[0]); unit++)
		value /= 1024.0;
	snprintf(buffer, size, unit ? "%.1f %s" : "%.0f %s", value, names[unit]);
	return buffer;
}
