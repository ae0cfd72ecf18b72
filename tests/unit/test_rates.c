// Rates of the counters: stats/rates. The times are made up.
#include "test.h"

#include "base/clock.h"
#include "stats/rates.h"

static struct rates rates;
static struct snapshot snapshot;

BEFORE_EACH { memset(&rates, 0, sizeof(rates)); }

static void set(uint64_t ms, uint64_t messages) {
	snapshot.taken = 1000 * NS_PER_S + ms * NS_PER_MS;
	snapshot.counter[COUNTER_messages] = messages;
}

static void sample(uint64_t ms, uint64_t messages) {
	set(ms, messages);
	rates_sample(&rates, &snapshot);
}

static void expect_rate(unsigned seconds, double rate) {
	double given = rates_per_second(&rates, &snapshot, COUNTER_messages, seconds);
	if (given < rate - 1e-6 || given > rate + 1e-6)
		fail_msg("%g a second over %u s, not %g", given, seconds, rate);
}

TEST(without_a_past_there_is_no_rate) {
	set(0, 100);
	expect_rate(1, 0.0);
	sample(0, 100);
	expect_rate(60, 0.0);
}

TEST(a_span_longer_than_the_life_is_the_life) {
	sample(0, 0);
	set(500, 100);
	expect_rate(1, 200.0);
	sample(1000, 100);
	sample(2000, 100);
	set(4000, 400);
	expect_rate(60, 100.0);
}

// 1 a second for a minute, 10 a second for 10 seconds, then 100 within one.
TEST(each_span_looks_back_as_far_as_it_says) {
	uint64_t messages = 0;
	for (uint64_t second = 0; second <= 200; second++) {
		sample(second * 1000, messages);
		messages += second < 190 ? 1 : second < 199 ? 10 : 100;
	}
	expect_rate(1, 100.0);
	expect_rate(10, (9 * 10.0 + 100.0) / 10);
	expect_rate(60, (50 * 1.0 + 9 * 10.0 + 100.0) / 60);
}

TEST(between_two_samples_the_span_is_a_little_longer) {
	sample(0, 0);
	sample(1000, 10);
	sample(2000, 30);
	set(2600, 46);
	expect_rate(1, (46.0 - 10.0) / 1.6);
}

// The timer that takes samples is not exact: 0.97 s count as a second, half a second does not.
TEST(a_sample_may_be_a_little_younger_than_the_span) {
	sample(0, 0);
	sample(1000, 10);
	set(1970, 110);
	expect_rate(1, 100.0 / 0.97);
	set(1500, 110);
	expect_rate(1, 110.0 / 1.5);
}
