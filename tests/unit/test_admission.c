// How many connections are open, and whether one more may come in: server/admission.
#include "expect.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "process.h"
#include "server/admission.h"

#define LIMIT 3
#define ROUNDS 20000

static struct waker waker;
static struct admission admission;
static const struct conn_origin here = {.peer.any = {.sa_family = AF_UNIX}, .peer_user = 1};
static const struct conn_origin there = {.peer.any = {.sa_family = AF_UNIX}, .peer_user = 2};

static void open_admission(void) {
	assert_int_equal(waker_open(&waker, NULL), 0);
	assert_int_equal(admission_open(&admission, LIMIT, 0, 64, &waker, NULL), 0);
}

static void open_with_limit_per_source(void) {
	assert_int_equal(waker_open(&waker, NULL), 0);
	assert_int_equal(admission_open(&admission, LIMIT, 2, 64, &waker, NULL), 0);
}

static void close_admission(void) {
	admission_close(&admission);
	waker_close(&waker);
}

FIXTURE(open_admission, close_admission);

static bool woken(void) {
	struct pollfd fd = {.fd = waker.fd, .events = POLLIN};
	return poll(&fd, 1, 0) == 1;
}

TEST(there_is_room_up_to_the_limit) {
	for (uint64_t i = 0; i < LIMIT; i++) {
		assert_int_equal(admission_count(&admission), i);
		assert_true(admission_has_room(&admission));
		assert_true(admission_enter(&admission, &here));
	}
	assert_false(admission_has_room(&admission));
	admission_leave(&admission, &here);
	assert_true(admission_has_room(&admission));
	admission_leave(&admission, &here);
	admission_leave(&admission, &here);
	assert_int_equal(admission_count(&admission), 0);
}

TEST(a_source_that_is_full_is_not_counted, .setup = open_with_limit_per_source) {
	assert_true(admission_enter(&admission, &here));
	assert_true(admission_enter(&admission, &here));
	assert_false(admission_enter(&admission, &here));
	assert_int_equal(admission_count(&admission), 2);
	assert_true(admission_enter(&admission, &there));
	admission_leave(&admission, &here);
	assert_true(admission_enter(&admission, &here));
	admission_leave(&admission, &here);
	admission_leave(&admission, &here);
	admission_leave(&admission, &there);
}

TEST(who_leaves_wakes_a_watcher_and_nobody_else) {
	admission_enter(&admission, &here);
	admission_enter(&admission, &here);
	admission_enter(&admission, &here);
	admission_leave(&admission, &here);
	assert_false(woken());
	admission_notify(&admission, true);
	assert_false(woken());
	admission_leave(&admission, &here);
	assert_true(woken());
	waker_clear(&waker);
	admission_notify(&admission, false);
	admission_leave(&admission, &here);
	assert_false(woken());
}

static _Atomic uint64_t round_begun;

static void *leave_each_round(void *argument) {
	for (uint64_t number = 1; number <= ROUNDS; number++) {
		while (atomic_load(&round_begun) < number)
			sched_yield();
		admission_leave(&admission, &here);
	}
	return NULL;
}

// The acceptor's way to sleep: watch, look, sleep. Either it sees that one has left, or it is
// woken.
TEST(who_goes_to_sleep_misses_nobody) {
	pthread_t worker;
	assert_int_equal(pthread_create(&worker, NULL, leave_each_round, NULL), 0);
	struct pollfd fd = {.fd = waker.fd, .events = POLLIN};
	for (uint64_t number = 1; number <= ROUNDS; number++) {
		assert_true(admission_enter(&admission, &here));
		atomic_store(&round_begun, number);
		for (volatile unsigned spin = 0; spin < number % 100; spin++)
			;
		admission_notify(&admission, true);
		while (admission_count(&admission) > 0) {
			if (poll(&fd, 1, (int)(PATIENCE / NS_PER_MS)) != 1)
				fail_msg("round %ju: asleep for ever", (uintmax_t)number);
			waker_clear(&waker);
		}
		admission_notify(&admission, false);
	}
	pthread_join(worker, NULL);
}

static void enter_beyond_the_limit(void *argument) {
	for (int i = 0; i <= LIMIT; i++)
		admission_enter(&admission, &here);
}

static void leave_an_empty_one(void *argument) {
	admission_leave(&admission, &here);
}

static void close_while_one_is_in(void *argument) {
	admission_enter(&admission, &here);
	admission_close(&admission);
}

TEST(misuse_aborts) {
	expect_abort(enter_beyond_the_limit, NULL);
	expect_abort(leave_an_empty_one, NULL);
	expect_abort(close_while_one_is_in, NULL);
}
