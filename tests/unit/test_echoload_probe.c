// Connects beside the load: tools/echoload/judge/probe, to real sockets.
#include "expect.h"

#include <errno.h>
#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "echoload/judge/probe.h"
#include "listeners.h"

static struct load_config config;
static struct probe probe;

static int begin(void **state)
{
	listeners_setup(state);
	config = (struct load_config){.mode = MODE_PING, .connections = 2, .target_count = 1};
	config.targets[0] = listeners_at("127.0.0.1");
	probe_init(&probe, &config);
	return 0;
}

// Lets it go on until it has begun so many.
static void step_until(unsigned begun)
{
	for (uint64_t until = clock_deadline(20 * NS_PER_S); probe.begun < begun;) {
		probe_step(&probe, clock_now());
		const struct timespec pause = {.tv_nsec = (long)NS_PER_MS};
		nanosleep(&pause, NULL);
		assert_true(clock_now() < until);
	}
}

// Whoever listens need not do anything.
static void the_path_is_measured(void **state)
{
	listeners_here("127.0.0.1");
	size_t before = open_descriptors();
	uint64_t from = clock_now();
	step_until(3);
	assert_true(probe_median(&probe) == 0); // two are too few to tell
	step_until(4);
	assert_true(probe_median(&probe) > 0);
	assert_true(probe_median(&probe) < (double)(clock_now() - from));
	assert_int_equal(open_descriptors(), before + 1);
	probe_end(&probe);
	assert_int_equal(open_descriptors(), before);
}

static void where_nobody_listens_nothing_is_known(void **state)
{
	size_t before = open_descriptors();
	step_until(5);
	probe_end(&probe);
	assert_true(probe_median(&probe) == 0);
	assert_int_equal(probe.failure, ECONNREFUSED);
	assert_int_equal(open_descriptors(), before);
}

static void it_comes_to_an_end(void **state)
{
	listeners_here("127.0.0.1");
	for (uint64_t now = clock_now(), i = 0; i < 2 * PROBE_MOST; i++)
		probe_step(&probe, now += NS_PER_S);
	assert_int_equal(probe.begun, PROBE_MOST);
	assert_true(probe.count <= PROBE_MOST);
	assert_int_equal(probe.fd, -1);
}

static void the_median_is_told(void **state)
{
	probe.count = 5;
	const uint64_t round_trips[] = {9000, 20, 30, 10, 25};
	for (size_t i = 0; i < COUNT_OF(round_trips); i++)
		probe.round_trip[i] = round_trips[i];
	assert_true(probe_median(&probe) == 25e3);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, listeners_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_path_is_measured),
		TEST(where_nobody_listens_nothing_is_known),
		TEST(it_comes_to_an_end),
		TEST(the_median_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
