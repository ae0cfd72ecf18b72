#include "base/units.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define BILLION UINT64_C(1000000000)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

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

static const struct unit rate_units[] = {
	{"", BILLION},
	{"k", 1000 * BILLION},
	{"m", 1000 * 1000 * BILLION},
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
		uint64_t factor = units[i].factor;
		uint64_t part = billionths * (factor / NS_PER_S) +
				billionths * (factor % NS_PER_S) / NS_PER_S;
		return !__builtin_mul_overflow(whole, factor, value) &&
		       !__builtin_add_overflow(*value, part, value);
	}
	return false;
}

int units_parse_count(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *count,
		      struct echod_error *error)
{
	const char *at = text;
	uint64_t value;
	if (!read_digits(&at, &value) || *at || value < minimum || value > maximum)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a whole number from %" PRIu64 " to %" PRIu64, text,
				 minimum, maximum);
	*count = value;
	return 0;
}

// Prints `value` in the largest of `units` that leaves a whole number.
static char *print_exact(uint64_t value, const struct unit *units, size_t count, char *buffer,
			 size_t size)
{
	size_t i = 0;
	while (i + 1 < count && value % units[i + 1].factor == 0)
		i++;
	snprintf(buffer, size, "%" PRIu64 "%s", value / units[i].factor,
		 value ? units[i].suffix : "");
	return buffer;
}

char *units_exact_size(uint64_t bytes, char *buffer, size_t size)
{
	return print_exact(bytes, size_units, COUNT_OF(size_units), buffer, size);
}

char *units_exact_duration(uint64_t ns, char *buffer, size_t size)
{
	return print_exact(ns, duration_units, COUNT_OF(duration_units), buffer, size);
}

int units_parse_size(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *bytes,
		     struct echod_error *error)
{
	uint64_t value;
	if (!read_quantity(text, size_units, COUNT_OF(size_units), &value) || value < minimum ||
	    value > maximum) {
		char low[32];
		char high[32];
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a size from %s to %s (units k, m, g)", text,
				 units_exact_size(minimum, low, sizeof(low)),
				 units_exact_size(maximum, high, sizeof(high)));
	}
	*bytes = value;
	return 0;
}

int units_parse_duration(const char *text, uint64_t *ns, struct echod_error *error)
{
	uint64_t value = 0;
	bool plain_zero = strcmp(text, "0") == 0;
	if (!plain_zero &&
	    (!read_quantity(text, duration_units, COUNT_OF(duration_units), &value) ||
	     value > INT64_MAX))
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a duration: a number and one of us, ms, s, m, h",
				 text);
	*ns = value;
	return 0;
}

int units_parse_timeout(const char *text, uint64_t *ns, struct echod_error *error)
{
	if (strcmp(text, "never") == 0) {
		*ns = CLOCK_NEVER;
		return 0;
	}
	if (units_parse_duration(text, ns, error) == 0)
		return 0;
	return error_set(error, ECHOD_ERROR_USAGE,
			 "'%.64s' is not a duration (a number and one of us, ms, s, m, h) "
			 "nor 'never'",
			 text);
}

const char *units_read_number(const char *text, double *value)
{
	uint64_t whole;
	uint64_t billionths;
	if (!read_digits(&text, &whole) || !read_fraction(&text, &billionths) ||
	    whole > UNITS_EXACT_MAX)
		return NULL;
	*value = (double)whole + (double)billionths / (double)BILLION;
	return text;
}

int units_parse_rate(const char *text, double *rate, struct echod_error *error)
{
	uint64_t billionths;
	if (!read_quantity(text, rate_units, COUNT_OF(rate_units), &billionths) ||
	    billionths > BILLION * BILLION)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "'%.64s' is not a rate: a number up to 1000m (units k, m: powers "
				 "of 1000)",
				 text);
	*rate = (double)billionths / (double)BILLION;
	return 0;
}

// A number of units rounded to a number of decimal places.
struct decimal {
	uint64_t whole;
	uint64_t part; // in the last place
	unsigned places;
};

static struct decimal round_to(uint64_t value, uint64_t unit, unsigned places)
{
	uint64_t scale = 1;
	for (unsigned i = 0; i < places; i++)
		scale *= 10;
	uint64_t part = (value % unit * scale + unit / 2) / unit;
	return (struct decimal){value / unit + part / scale, part % scale, places};
}

static char *print_decimal(struct decimal decimal, const char *suffix, char *buffer, size_t size)
{
	if (decimal.places)
		snprintf(buffer, size, "%" PRIu64 ".%0*" PRIu64 "%s", decimal.whole,
			 (int)decimal.places, decimal.part, suffix);
	else
		snprintf(buffer, size, "%" PRIu64 "%s", decimal.whole, suffix);
	return buffer;
}

char *units_format_decimal(uint64_t value, uint64_t unit, unsigned places, char *buffer,
			   size_t size)
{
	return print_decimal(round_to(value, unit, places), "", buffer, size);
}

// It rounds before it chooses the step: 999,950 ns are `1.0 ms`, not `1000.0 us`.
char *units_format(uint64_t value, const struct units_step *step, char *buffer, size_t size)
{
	struct decimal decimal = round_to(value, step->unit, step->places);
	while (step->below && decimal.whole >= step->below) {
		step++;
		decimal = round_to(value, step->unit, step->places);
	}
	return print_decimal(decimal, step->suffix, buffer, size);
}

char *units_format_duration(uint64_t ns, char *buffer, size_t size)
{
	static const struct units_step steps[] = {
		{" ns", 1, 0, 1000},
		{" us", NS_PER_US, 1, 1000},
		{" ms", NS_PER_MS, 1, 1000},
		{" s", NS_PER_S, 1, 100},
		{" min", 60 * NS_PER_S, 1, 100},
		{" h", 3600 * NS_PER_S, 1, 0},
	};
	if (ns != CLOCK_NEVER)
		return units_format(ns, steps, buffer, size);
	snprintf(buffer, size, "never");
	return buffer;
}

char *units_format_size(uint64_t bytes, char *buffer, size_t size)
{
	static const struct units_step steps[] = {
		{" B", 1, 0, 1024},
		{" KiB", UINT64_C(1) << 10, 1, 1024},
		{" MiB", UINT64_C(1) << 20, 1, 1024},
		{" GiB", UINT64_C(1) << 30, 1, 1024},
		{" TiB", UINT64_C(1) << 40, 1, 1024},
		{" PiB", UINT64_C(1) << 50, 1, 1024},
		{" EiB", UINT64_C(1) << 60, 1, 0},
	};
	return units_format(bytes, steps, buffer, size);
}

char *units_format_rate(double rate, char *buffer, size_t size)
{
	static const struct units_step steps[] = {
		{"", 1000, 1, 100},
		{"", 1000, 0, 1000},
		{"k", 1000 * 1000, 1, 1000},
		{"m", 1000 * 1000 * 1000, 2, 0},
	};
	uint64_t thousandths = (uint64_t)(rate * 1000 + 0.5);
	return units_format(thousandths, rate > 0 ? steps : steps + 1, buffer, size);
}
