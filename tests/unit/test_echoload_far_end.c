// What is seen of the other end: tools/echoload/judge/far_end, with real sockets.
#include "unit.h"

#include <stdbool.h>
#include <time.h>

#include "base/clock.h"
#include "echoload/judge/far_end.h"
#include "listeners.h"

static struct load_config config;

static void aim_at(const char *address)
{
	config.targets[config.target_count++] = listeners_at(address);
}

// Until it has looked at least once, which it does in a thread of its own.
static struct far_end_view look(bool known)
{
	for (uint64_t until = clock_deadline(20 * NS_PER_S);;) {
		struct far_end *far_end = far_end_open(&config, NULL);
		assert_non_null(far_end);
		far_end_begin(far_end);
		const struct timespec pause = {.tv_nsec = (long)(20 * NS_PER_MS)};
		nanosleep(&pause, NULL);
		far_end_end(far_end);
		const struct far_end_view view = far_end_view(far_end);
		far_end_free(far_end);
		assert_true(view.process_known == known);
		if (!known || view.stopped > 0 || clock_now() >= until)
			return view;
	}
}

static int begin(void **state)
{
	config = (struct load_config){.mode = MODE_PING, .connections = 2};
	return listeners_setup(state);
}

static void of_several_targets_all_are_looked_at(void **state)
{
	listeners_here("127.0.0.1");
	listeners_stop(listeners_child("127.0.0.2"));
	aim_at("127.0.0.1");
	aim_at("127.0.0.2");
	assert_true(look(true).stopped > 0);
}

static void who_is_elsewhere_is_not_known(void **state)
{
	listeners_here("127.0.0.1");
	aim_at("127.0.0.1");
	aim_at("192.0.2.1"); // kept for examples: nobody's
	look(false);
}

static void nor_is_then_anybody(void **state)
{
	listeners_stop(listeners_child("127.0.0.2"));
	aim_at("192.0.2.1");
	aim_at("127.0.0.2");
	assert_true(look(false).stopped == 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, listeners_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_several_targets_all_are_looked_at),
		TEST(who_is_elsewhere_is_not_known),
		TEST(nor_is_then_anybody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
