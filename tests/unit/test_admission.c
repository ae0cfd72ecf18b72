// How many connections are open, and whether one more may come in: server/admission.
#include "expect.h"

#include <sys/socket.h>

#include "process.h"
#include "server/admission.h"

#define LIMIT 3
#define ROUNDS 20000

static struct waker waker;
static struct admission admission;
static const struct conn_origin here = {.peer.any = {.sa_family = AF_UNIX}, .peer_user = 1};
static const struct conn_origin there = {.peer.any = {.sa_family = AF_UNIX}, .peer_user = 2};

BEFORE_EACH {
	uint64_t limit_per_source = test_with() ? 2 : 0;
	assert_int_equal(waker_open(&waker, NULL), 0);
	assert_int_equal(admission_open(&admission, LIMIT, limit_per_source, 64, &waker, NULL), 0);
}

AFTER_EACH {
	admission_close(&admission);
	waker_close(&waker);
}

static bool enter(const struct conn_origin *origin) { return admission_enter(&admission, origin); }

static void leave(int count) {
	while (count-- > 0)
		admission_leave(&admission, &here);
}

static bool is_woken(int timeout) {
	return poll(&(struct pollfd){.fd = waker.fd, .events = POLLIN}, 1, timeout) == 1;
}

TEST(there_is_room_up_to_the_limit) {
	for (uint64_t i = 0; i < LIMIT; i++) {
		assert_int_equal(admission_count(&admission), i);
		assert_true(admission_has_room(&admission));
		assert_true(enter(&here));
	}
	assert_false(admission_has_room(&admission));
	leave(1);
	assert_true(admission_has_room(&admission));
	leave(2);
	assert_int_equal(admission_count(&admission), 0);
}

TEST(an_obstacle_lasts_until_95_percent) {
	admission.limit = 40;
	for (int i = 0; i < 39; i++)
		assert_true(enter(&here));
	assert_null(admission_obstacle(&admission)); // it was not full
	assert_true(enter(&here));
	for (int open = 40; open >= 38; open--) {
		assert_string_equal(admission_obstacle(&admission), "at --max-connections");
		leave(1);
	}
	assert_null(admission_obstacle(&admission)); // 37
	assert_true(enter(&here) && enter(&here));
	assert_null(admission_obstacle(&admission));
	leave(39);
}

TEST(of_a_small_limit_one_place_is_enough) {
	assert_true(enter(&here) && enter(&here));
	admission_reserve(&admission);
	assert_non_null(admission_obstacle(&admission));
	admission_release(&admission);
	assert_true(enter(&here));
	assert_non_null(admission_obstacle(&admission));
	leave(1);
	assert_null(admission_obstacle(&admission));
	leave(2);
}

TEST(a_source_that_is_full_is_not_counted, .with = {"--max-per-source 2"}) {
	assert_true(enter(&here) && enter(&here));
	assert_false(enter(&here));
	assert_int_equal(admission_count(&admission), 2);
	assert_true(enter(&there));
	leave(1);
	assert_true(enter(&here));
	leave(2);
	admission_leave(&admission, &there);
}

TEST(a_leaver_wakes_a_watcher_and_nobody_else) {
	assert_true(enter(&here) && enter(&here) && enter(&here));
	leave(1);
	assert_false(is_woken(0));
	admission_notify(&admission, true);
	assert_false(is_woken(0));
	leave(1);
	assert_true(is_woken(0));
	waker_clear(&waker);
	admission_notify(&admission, false);
	leave(1);
	assert_false(is_woken(0));
}

static _Atomic uint64_t round_begun;

static void *leave_each_round(void *argument) {
	for (uint64_t number = 1; number <= ROUNDS; number++) {
		while (atomic_load(&round_begun) < number)
			sched_yield();
		leave(1);
	}
	return NULL;
}

// The acceptor sleeps like this: watch, check, wait. Either it sees that a connection has left, or
// it is woken.
TEST(a_watcher_misses_nobody) {
	pthread_t worker = thread_begin(leave_each_round, NULL);
	for (uint64_t number = 1; number <= ROUNDS; number++) {
		assert_true(enter(&here));
		atomic_store(&round_begun, number);
		for (volatile unsigned spin = 0; spin < number % 100; spin++)
			;
		admission_notify(&admission, true);
		while (admission_count(&admission) > 0) {
			if (!is_woken((int)(PATIENCE / NS_PER_MS)))
				fail_msg("round %ju: asleep for ever", (uintmax_t)number);
			waker_clear(&waker);
		}
		admission_notify(&admission, false);
	}
	thread_end(worker);
}

ABORTS(entering_beyond_the_limit) {
	for (int i = 0; i <= LIMIT; i++)
		enter(&here);
}

ABORTS(leaving_an_empty_one) { leave(1); }

ABORTS(closing_while_one_is_in) {
	enter(&here);
	admission_close(&admission);
}
