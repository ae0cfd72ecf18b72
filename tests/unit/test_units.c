// Numbers as people write them: base/units.
#include "expect.h"

#include "base/clock.h"
#include "base/units.h"

static struct echod_error error;

struct good {
	const char *text;
	uint64_t value;
};

// Cases, ended by one without a text.
#define GOOD(...) ((const struct good[]){__VA_ARGS__, {NULL, 0}})

TEST(count_takes_whole_numbers_in_range) {
	const struct good *good =
		GOOD({"1", 1}, {"007", 7}, {"4096", 4096}, {"2147483648", UINT64_C(1) << 31},
		     {"18446744073709551615", UINT64_MAX});
	for (; good->text; good++) {
		uint64_t count = 0;
		assert_int_equal(units_parse_count(good->text, 1, UINT64_MAX, &count, NULL), 0);
		assert_int_equal(count, good->value);
	}
}

TEST(count_refuses_all_else_and_names_its_bounds) {
	const char *const *bad =
		STRINGS("", " ", "-1", "+1", " 5", "5 ", "5x", "0x10", "1e9", "1.0", "1,000",
			"99999999999999999999", "18446744073709551616", "four");
	uint64_t count;
	for (; *bad; bad++)
		assert_error(units_parse_count(*bad, 0, UINT64_MAX, &count, &error), &error,
			     ECHOD_ERROR_USAGE, *bad);
	assert_int_equal(units_parse_count("1", 1, 4096, &count, NULL), 0);
	assert_int_equal(units_parse_count("4096", 1, 4096, &count, NULL), 0);
	for (bad = STRINGS("0", "4097", "4294967297"); *bad; bad++)
		assert_int_equal(units_parse_count(*bad, 1, 4096, &count, &error), -1);
	assert_string_equal(error.message, "'4294967297' is not a whole number from 1 to 4096");
}

TEST(size_takes_units) {
	const struct good *good =
		GOOD({"0", 0}, {"4096", 4096}, {"64k", 65536}, {"64K", 65536}, {"1.5m", 1572864},
		     {"2g", UINT64_C(2) << 30}, {"0.5k", 512}, {"1.0", 1},
		     {"17179869183g", UINT64_MAX - (UINT64_C(1) << 30) + 1});
	for (; good->text; good++) {
		uint64_t bytes = 1;
		assert_int_equal(units_parse_size(good->text, 0, UINT64_MAX, &bytes, NULL), 0);
		assert_int_equal(bytes, good->value);
	}
}

TEST(size_refuses_all_else_and_names_its_bounds_in_units) {
	const char *const *bad = STRINGS("", "k", "1kb", "1 k", "1t", "-1k", ".5k", "1.k", "1..5k",
					 "1.0000000001k", "0x10", "17179869184g", "1e3");
	uint64_t bytes;
	for (; *bad; bad++)
		assert_error(units_parse_size(*bad, 0, UINT64_MAX, &bytes, &error), &error,
			     ECHOD_ERROR_USAGE, *bad);
	assert_int_equal(units_parse_size("255", 256, 16 << 20, &bytes, &error), -1);
	assert_string_equal(error.message, "'255' is not a size from 256 to 16m (units k, m, g)");
	assert_int_equal(units_parse_size("3g", 65536, UINT64_C(2) << 30, &bytes, &error), -1);
	assert_string_equal(error.message, "'3g' is not a size from 64k to 2g (units k, m, g)");
	assert_int_equal(units_parse_size("256", 256, 16 << 20, &bytes, NULL), 0);
	assert_int_equal(units_parse_size("16m", 256, 16 << 20, &bytes, NULL), 0);
}

TEST(duration_takes_units) {
	const struct good *good =
		GOOD({"0", 0}, {"0s", 0}, {"250us", 250 * NS_PER_US}, {"5ms", 5 * NS_PER_MS},
		     {"1.5s", 1500 * NS_PER_MS}, {"10m", 600 * NS_PER_S}, {"2h", 7200 * NS_PER_S},
		     {"10S", 10 * NS_PER_S}, {"0.001us", 1}, {"0.25m", 15 * NS_PER_S},
		     {"2562047h", UINT64_C(2562047) * 3600 * NS_PER_S});
	for (; good->text; good++) {
		uint64_t ns = 1;
		assert_int_equal(units_parse_duration(good->text, &ns, NULL), 0);
		assert_int_equal(ns, good->value);
		ns = 1;
		assert_int_equal(units_parse_timeout(good->text, &ns, NULL), 0);
		assert_int_equal(ns, good->value);
	}
}

TEST(duration_refuses_all_else) {
	const char *const *bad = STRINGS("", "5", "s", "-1s", "1 s", "1d", "1ns", "1sec", ".5s",
					 "1.s", "forever", "Never", "2562048h", "5124095.6h",
					 "18446744073709551615s", "99999999999999999999s", "0x1s");
	for (; *bad; bad++) {
		uint64_t ns;
		assert_error(units_parse_duration(*bad, &ns, &error), &error, ECHOD_ERROR_USAGE,
			     *bad);
		assert_error(units_parse_timeout(*bad, &ns, &error), &error, ECHOD_ERROR_USAGE,
			     *bad);
	}
}

TEST(rates_are_decimal_and_end_at_1000m) {
	double rate;
	for (const char *const *good = STRINGS("0", "99.9", "250", "12.5k", "1000.00m"); *good;
	     good++) {
		char text[16];
		assert_int_equal(units_parse_rate(*good, &rate, NULL), 0);
		assert_string_equal(units_format_rate(rate, text, sizeof(text)), *good);
	}
	static const double shown[] = {99.94, 99.96, 999.4, 999.6, 999940, 999960, 1234567};
	for (size_t i = 0; i < COUNT_OF(shown); i++) {
		char text[16];
		assert_string_equal(
			units_format_rate(shown[i], text, sizeof(text)),
			STRINGS("99.9", "100", "999", "1.0k", "999.9k", "1.00m", "1.23m")[i]);
	}
	for (const char *const *bad = STRINGS("", "1.k", "1001m", "1g", "18446744073.8"); *bad;
	     bad++)
		assert_error(units_parse_rate(*bad, &rate, &error), &error, ECHOD_ERROR_USAGE,
			     "is not a rate");
}

TEST(only_a_timeout_may_be_never) {
	uint64_t ns = 0;
	assert_int_equal(units_parse_timeout("never", &ns, NULL), 0);
	assert_int_equal(ns, CLOCK_NEVER);
	assert_int_equal(units_parse_duration("never", &ns, &error), -1);
	assert_string_equal(error.message,
			    "'never' is not a duration: a number and one of us, ms, s, m, h");
	assert_int_equal(units_parse_timeout("soon", &ns, &error), -1);
	assert_string_equal(error.message, "'soon' is not a duration (a number and one of us, ms, "
					   "s, m, h) nor 'never'");
}

TEST(long_garbage_is_quoted_in_part) {
	char text[1000] = "";
	memset(text, 'x', sizeof(text) - 1);
	uint64_t value;
	assert_int_equal(units_parse_size(text, 0, UINT64_MAX, &value, &error), -1);
	assert_int_equal(units_parse_timeout(text, &value, &error), -1);
	assert_in_range(strlen(error.message), 64, 160);
}

// On either side of the edge between two units: a value that is rounded up to the next is in that.
TEST(durations_read_well) {
	const struct good *good =
		GOOD({"0 ns", 0}, {"999 ns", 999}, {"1.0 us", NS_PER_US}, {"999.9 us", 999949},
		     {"1.0 ms", 999950}, {"1.0 ms", NS_PER_MS - 1}, {"12.3 ms", 12300 * NS_PER_US},
		     {"999.9 ms", 999949999}, {"1.0 s", 999950 * NS_PER_US},
		     {"1.5 s", 1500 * NS_PER_MS}, {"99.0 s", 99 * NS_PER_S},
		     {"99.9 s", 99949 * NS_PER_MS}, {"1.7 min", 99950 * NS_PER_MS},
		     {"1.7 min", 100 * NS_PER_S}, {"99.9 min", 5996 * NS_PER_S},
		     {"1.7 h", 5997 * NS_PER_S}, {"1.7 h", 6000 * NS_PER_S}, {"never", CLOCK_NEVER},
		     {"5124095.6 h", CLOCK_NEVER - 1});
	for (; good->text; good++) {
		char text[16];
		assert_ptr_equal(units_format_duration(good->value, text, sizeof(text)), text);
		assert_string_equal(text, good->text);
	}
}

#define KIB(count) ((uint64_t)(count) << 10)

TEST(sizes_read_well) {
	const struct good *good = GOOD(
		{"0 B", 0}, {"1023 B", 1023}, {"1.0 KiB", 1024}, {"64.0 KiB", 65536},
		{"1023.9 KiB", KIB(1024) - 52}, {"1.0 MiB", KIB(1024) - 51},
		{"1.0 MiB", KIB(1024) - 1}, {"1.5 MiB", 1572864}, {"1.0 GiB", KIB(KIB(1024)) - 1},
		{"1.0 TiB", KIB(KIB(KIB(1024))) - 1}, {"1.0 PiB", KIB(KIB(KIB(KIB(1024)))) - 1},
		{"1.0 EiB", KIB(KIB(KIB(KIB(KIB(1024))))) - 1}, {"16.0 EiB", UINT64_MAX});
	for (; good->text; good++) {
		char text[16];
		assert_ptr_equal(units_format_size(good->value, text, sizeof(text)), text);
		assert_string_equal(text, good->text);
	}
}

static void check_decimal(const char *wanted, uint64_t value, uint64_t unit, unsigned places) {
	char text[32];
	assert_string_equal(units_format_decimal(value, unit, places, text, sizeof(text)), wanted);
}

TEST(decimals_are_rounded) {
	check_decimal("0", 0, 1, 0);
	check_decimal("18446744073709551615", UINT64_MAX, 1, 0);
	check_decimal("0.000000001", 1, NS_PER_S, 9);
	check_decimal("18446744073.709551615", UINT64_MAX, NS_PER_S, 9);
	check_decimal("0.01", 9, 1000, 2);
	check_decimal("0.05", 45, 1000, 2);
	check_decimal("1.00", 995, 1000, 2);
	check_decimal("0.99", 994, 1000, 2);
	check_decimal("2", 1500, 1000, 0);
	check_decimal("10.0", 9999, 1000, 1);
}
