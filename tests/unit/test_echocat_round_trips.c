// Round-trip times and their summary: tools/echocat/round_trips.
#include "test.h"

#include "echocat/round_trips.h"

static void expect_summary(const struct round_trips *trips, const char *summary) {
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	assert_non_null(file);
	round_trips_print(trips, "127.0.0.1:7", file);
	assert_int_equal(fclose(file), 0);
	assert_string_equal(text, test_text("--- 127.0.0.1:7 echo statistics ---\n%s", summary));
	free(text);
}

TEST(a_summary_has_the_times_there_are) {
	struct round_trips trips = {.sent = 1};
	expect_summary(&trips, "1 messages sent, 0 received, 0 mismatches\n");
	trips.mismatches = 1;
	round_trips_add(&trips, 41200);
	expect_summary(&trips, "1 messages sent, 1 received, 1 mismatches\n"
			       "round trip min/avg/max/stddev = 41.2/41.2/41.2/0.0 us\n");
}

TEST(deviation_is_that_of_the_whole) {
	struct round_trips trips = {.sent = 9};
	static const uint64_t times[] = {2000, 4000, 4000, 4000, 5000, 5000, 7000, 9000};
	for (size_t i = 0; i < COUNT_OF(times); i++)
		round_trips_add(&trips, times[i]);
	expect_summary(&trips, "9 messages sent, 8 received, 0 mismatches\n"
			       "round trip min/avg/max/stddev = 2.0/5.0/9.0/2.0 us\n");
}

// The sum of squares minus the square of the sum loses all its digits here.
TEST(deviation_of_long_times_is_exact) {
	struct round_trips trips = {0};
	for (int i = 0; i < 1000; i++)
		round_trips_add(&trips, UINT64_C(3600000000000) + (i % 2 ? 1000 : 0));
	double deviation = round_trips_deviation(&trips);
	assert_true(deviation > 499.9 && deviation < 500.1);
}
