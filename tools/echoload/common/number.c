// Decimal numbers and rates as people write them. Any thread.
#include "number.h"

#include <math.h>
#include <strings.h>

#include "base/units.h"

#define MOST_DIGITS 15 // a double holds them exactly
#define MOST_RATE 1e9

struct unit {
	const char *suffix;
	double factor;
};

static const struct unit rate_units[] = {{"", 1}, {"k", 1e3}, {"m", 1e6}};

const char *number_read(const char *text, double *value)
{
	double digits = 0;
	double scale = 1;
	unsigned count = 0;
	const char *point = NULL;
	const char *at = text;
	for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
		if (*at == '.') {
			point = at;
			continue;
		}
		digits = digits * 10 + (*at - '0');
		if (point)
			scale *= 10;
		count++;
	}
	if (count == 0 || count > MOST_DIGITS || point == text || (point && point + 1 == at))
		return NULL;
	*value = digits / scale;
	return at;
}

int number_parse_rate(const char *text, double *rate, struct error *error)
{
	double number;
	const char *suffix = number_read(text, &number);
	for (size_t i = 0; suffix && i < sizeof(rate_units) / sizeof(rate_units[0]); i++) {
		if (strcasecmp(suffix, rate_units[i].suffix) != 0)
			continue;
		if (number * rate_units[i].factor > MOST_RATE)
			break;
		*rate = number * rate_units[i].factor;
		return 0;
	}
	return error_set(error, ERROR_USAGE,
			 "'%.64s' is not a rate: a number up to 1000m (units k, m: powers of 1000)",
			 text);
}

char *number_format_rate(double rate, char *buffer, size_t size)
{
	static const struct units_step steps[] = {
		{"", 1000, 1, 100},
		{"", 1000, 0, 1000},
		{"k", 1000 * 1000, 1, 1000},
		{"m", 1000 * 1000 * 1000, 2, 0},
	};
	return units_format((uint64_t)llround(rate * 1000), rate > 0 ? steps : steps + 1, buffer,
			    size);
}
