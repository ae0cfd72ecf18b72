// Time: base/clock, under a clock that stands where the test puts it.
#include "test.h"

#include <limits.h>
#include <time.h>

#include "base/clock.h"

static struct timespec fake;
static clockid_t asked;

WRAP(int, clock_gettime, (clockid_t id, struct timespec *now)) {
	asked = id;
	if (fake.tv_sec == 0)
		return __real_clock_gettime(id, now);
	*now = fake;
	return 0;
}

static void set_clock(time_t seconds, long ns) {
	fake = (struct timespec){.tv_sec = seconds, .tv_nsec = ns};
}

TEST(now_is_monotonic_nanoseconds) {
	set_clock(7, 123456789);
	assert_int_equal(clock_now(), UINT64_C(7123456789));
	assert_int_equal(asked, CLOCK_MONOTONIC);
}

TEST(real_clocks_never_go_back) {
	set_clock(0, 0);
	uint64_t before = clock_now();
	for (int i = 0; i < 10000; i++) {
		uint64_t now = clock_now();
		assert_true(now >= before);
		before = now;
	}
}

TEST(deadline_saturates_at_never) {
	set_clock(100, 0);
	assert_int_equal(clock_deadline(0), 100 * NS_PER_S);
	assert_int_equal(clock_deadline(5 * NS_PER_S), 105 * NS_PER_S);
	assert_int_equal(clock_deadline(CLOCK_NEVER), CLOCK_NEVER);
	assert_int_equal(clock_deadline(CLOCK_NEVER - 1), CLOCK_NEVER);
	assert_int_equal(clock_deadline(CLOCK_NEVER - 100 * NS_PER_S), CLOCK_NEVER);
	assert_int_equal(clock_deadline(CLOCK_NEVER - 100 * NS_PER_S - 1), CLOCK_NEVER - 1);
}

TEST(poll_timeout_is_rounded_up) {
	set_clock(100, 0);
	const uint64_t now = 100 * NS_PER_S, most = (uint64_t)INT_MAX * NS_PER_MS;
	assert_int_equal(clock_poll_timeout(CLOCK_NEVER), -1);
	assert_int_equal(clock_poll_timeout(0), 0);
	assert_int_equal(clock_poll_timeout(now - 1), 0);
	assert_int_equal(clock_poll_timeout(now), 0);
	assert_int_equal(clock_poll_timeout(now + 1), 1);
	assert_int_equal(clock_poll_timeout(now + NS_PER_MS), 1);
	assert_int_equal(clock_poll_timeout(now + NS_PER_MS + 1), 2);
	assert_int_equal(clock_poll_timeout(now + most), INT_MAX);
	assert_int_equal(clock_poll_timeout(now + most + 1), INT_MAX);
	assert_int_equal(clock_poll_timeout(CLOCK_NEVER - 1), INT_MAX);
}

static void check_timeval(uint64_t duration, time_t seconds, suseconds_t us) {
	struct timeval value = clock_timeval(duration);
	assert_int_equal(value.tv_sec, seconds);
	assert_int_equal(value.tv_usec, us);
}

TEST(timeval_is_rounded_up_and_zero_only_for_never) {
	check_timeval(CLOCK_NEVER, 0, 0);
	check_timeval(0, 0, 1);
	check_timeval(1, 0, 1);
	check_timeval(NS_PER_US, 0, 1);
	check_timeval(NS_PER_US + 1, 0, 2);
	check_timeval(NS_PER_S - 1, 1, 0);
	check_timeval(1500 * NS_PER_MS, 1, 500000);
	check_timeval(CLOCK_NEVER - 1, 18446744073, 709552);
}
