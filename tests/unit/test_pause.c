// A pause of the acceptor: server/pause. Time is the real one and what the test adds to it.
#include "test.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "later.h"
#include "server/pause.h"

#define LIMIT 2

static const struct conn_origin origin = {.peer.any = {.sa_family = AF_UNIX}};
static struct waker waker;
static struct admission admission;
static struct stats stats;
static struct pause acceptor_pause;

BEFORE_EACH {
	later = 0;
	assert_false(waker_open(&waker, NULL) != 0 || stats_open(&stats, 1, NULL) != 0 ||
		     admission_open(&admission, LIMIT, 0, 64, &waker, NULL) != 0);
	acceptor_pause = (struct pause){.admission = &admission, .stats = stats.threads};
}

AFTER_EACH {
	while (admission_count(&admission) > 0)
		admission_leave(&admission, &origin);
	admission_close(&admission);
	stats_close(&stats);
	waker_close(&waker);
}

static uint64_t counted(enum counter counter) {
	return atomic_load(&stats.threads->counter[counter]);
}

static void assert_paused(bool paused) {
	assert_int_equal(acceptor_pause.cause != PAUSE_NONE, paused);
	const char *obstacle = admission_obstacle(&admission);
	assert_int_equal(obstacle != NULL, paused || !admission_has_room(&admission));
	bool lacks = obstacle && strstr(obstacle, "out of descriptors or memory");
	assert_int_equal(lacks, acceptor_pause.cause == PAUSE_RESOURCES);
	assert_int_equal(atomic_load(&admission.notifies), paused); // it wakes us when one leaves
}

static void expect_paused(bool paused) {
	pause_review(&acceptor_pause);
	assert_paused(paused);
}

static void pause_at_limit(void) {
	for (int i = 0; i < LIMIT; i++)
		admission_enter(&admission, &origin);
	pause_begin(&acceptor_pause, PAUSE_LIMIT);
}

TEST(without_a_pause_there_is_nothing_to_wait_for) {
	expect_paused(false);
	assert_true(pause_deadline(&acceptor_pause) == CLOCK_NEVER);
	pause_end(&acceptor_pause);
	assert_int_equal(counted(COUNTER_accept_pauses), 0);
	assert_int_equal(counted(COUNTER_accept_paused_seconds), 0);
}

TEST(at_the_limit_it_lasts_until_one_leaves) {
	pause_at_limit();
	assert_int_equal(counted(COUNTER_accept_pauses), 1);
	expect_paused(true);
	later = 3600 * NS_PER_S;
	expect_paused(true);
	// Meanwhile its time is counted, once a second at least; and each time once.
	expect_paused(true);
	assert_in_range(counted(COUNTER_accept_paused_seconds), 3600 * NS_PER_S, 3700 * NS_PER_S);
	assert_true(pause_deadline(&acceptor_pause) <= clock_now() + NS_PER_S);
	admission_leave(&admission, &origin);
	expect_paused(false);
	assert_int_equal(counted(COUNTER_accept_pauses), 1);
}

TEST(without_resources_it_lasts_100_ms) {
	uint64_t begun = clock_now();
	pause_begin(&acceptor_pause, PAUSE_RESOURCES);
	uint64_t deadline = pause_deadline(&acceptor_pause);
	assert_in_range(deadline, begun + 100 * NS_PER_MS, clock_now() + 100 * NS_PER_MS);
	later = 50 * NS_PER_MS;
	pause_review(&acceptor_pause);
	if (clock_now() < deadline) // unless the machine slept
		assert_paused(true);
	later = 100 * NS_PER_MS;
	expect_paused(false);
	assert_true(counted(COUNTER_accept_paused_seconds) >= 100 * NS_PER_MS);
}

TEST(without_resources_it_ends_when_one_leaves) {
	admission_enter(&admission, &origin);
	pause_begin(&acceptor_pause, PAUSE_RESOURCES);
	admission_leave(&admission, &origin);
	expect_paused(false);
}

TEST(it_can_be_ended_at_any_time) {
	pause_at_limit();
	later = NS_PER_S;
	pause_end(&acceptor_pause);
	uint64_t paused = counted(COUNTER_accept_paused_seconds);
	assert_true(paused >= NS_PER_S);
	later = 10 * NS_PER_S;
	expect_paused(false);
	assert_int_equal(counted(COUNTER_accept_paused_seconds), paused);
}
