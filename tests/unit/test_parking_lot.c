// The parking lot: what unparks, and what does not; and when things happen at once or not at all: a
// leader that waits already, stale events, peers that send just then, a kernel that refuses:
// pool/parking_lot.
#include "expect.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "parked.h"
#include "process.h"

#define ROUNDS 20000

AROUND_EACH(parked_begin, parked_end);

TEST(data_that_came_before_unparks_too) {
	say();
	park(TIMEOUT_IDLE);
	expect_unparked();
}

TEST(data_unparks_and_it_is_registered_once) {
	for (int i = 0; i < 10; i++) {
		park(TIMEOUT_IDLE);
		expect_nothing();
		say();
		expect_unparked();
		expect_bytes(1);
	}
	assert_false(work.hung_up);
	assert_int_equal(parked.changes, 1);
}

TEST(data_left_unread_unparks_once) {
	park_and_return();
	park(TIMEOUT_IDLE); // and leaves the byte where it is
	expect_nothing();
	say();
	expect_unparked();
	expect_bytes(2);
}

// An event while it is served, which the worker may not have seen.
TEST(an_event_before_parking_sends_it_back) {
	park_and_return();
	expect_bytes(1);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_NOTIFIED);
	say();
	expect_nothing(); // one notice is enough
	assert_false(parking_lot_park(&lot, &work, TIMEOUT_IDLE));
	assert_int_equal(work.state, WORK_SERVED);
	expect_bytes(2);
	park(TIMEOUT_IDLE);
	expect_nothing();
}

TEST(an_event_for_what_is_queued_changes_nothing) {
	park_and_return();
	atomic_store(&work.state, WORK_QUEUED);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_QUEUED);
}

TEST(an_end_of_stream_is_noted, .with = {"alone", "with data"}) {
	bool data = strcmp(test_with(), "with data") == 0;
	park(TIMEOUT_IDLE);
	if (data)
		say();
	shutdown(parked.pair[1], SHUT_WR);
	expect_unparked();
	assert_true(work.hung_up);
	if (data)
		expect_bytes(1);
	expect_bytes(0);
}

TEST(an_end_while_it_is_served_is_noted) {
	park_and_return();
	shutdown(parked.pair[1], SHUT_WR);
	expect_nothing();
	assert_true(work.hung_up);
	assert_false(parking_lot_park(&lot, &work, TIMEOUT_IDLE));
}

TEST(what_is_forgotten_has_no_events) {
	parking_lot_forget(&lot, &work); // not registered yet
	assert_int_equal(parked.changes, 0);
	park_and_return();
	parking_lot_forget(&lot, &work);
	assert_int_equal(work.events, 0);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_SERVED);
	park(TIMEOUT_IDLE); // and can come again
	expect_unparked();
	expect_bytes(2);
	assert_int_equal(parked.changes, 3);
}

static void fill_up(void) {
	static const char bytes[4096];
	while (send(work.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void read_all(void) {
	char bytes[65536];
	while (recv(parked.pair[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

TEST(work_that_waits_for_room_comes_back_with_it) {
	park_and_return();
	expect_bytes(1);
	for (int i = 0; i < 3; i++) {
		fill_up();
		park(TIMEOUT_STUCK);
		expect_nothing();
		read_all();
		expect_unparked();
	}
	assert_int_equal(parked.changes, 2);
	fill_up();
	park(TIMEOUT_STUCK);
	say(); // data too
	expect_unparked();
}

TEST(a_wake_up_ends_the_wait) {
	waker_wake(&lot.waker);
	assert_int_equal(unpark(CLOCK_NEVER, false).count, 0);
	park(TIMEOUT_IDLE);
	say();
	waker_wake(&lot.waker);
	expect_unparked();				    // it hides nothing
	uint64_t deadline = clock_deadline(20 * NS_PER_MS); // and is over
	assert_int_equal(unpark(deadline, false).count, 0);
	assert_true(clock_now() >= deadline);
}

static void *wake_soon(void *argument) {
	wait_until(parked.waits > 2);
	waker_wake(&lot.waker);
	return NULL;
}

TEST(polling_ends_with_an_event_or_a_wake_up) {
	park(TIMEOUT_IDLE);
	say();
	struct unparked unparked = unpark(0, true); // polls once at least
	assert_true(unparked.woken);
	assert_int_equal(unparked.count, 1);
	assert_ptr_equal(unparked.first, &work);
	pthread_t waking = thread_begin(wake_soon, NULL);
	unparked = unpark(clock_deadline(PATIENCE), true);
	thread_end(waking);
	assert_true(unparked.woken);
	assert_int_equal(unparked.count, 0);
}

TEST(polling_in_vain_ends_in_time) {
	park(TIMEOUT_IDLE);
	uint64_t deadline = clock_deadline(NS_PER_MS);
	struct unparked unparked = unpark(deadline, true);
	assert_true(clock_now() >= deadline);
	assert_false(unparked.woken);
	assert_int_equal(unparked.count, 0);
	assert_true(parked.waits > 0);
}

static void *wait_for_one(void *argument) {
	uint64_t deadline = clock_deadline(PATIENCE);
	struct unparked unparked = {0};
	while (unparked.count == 0 && clock_now() < deadline)
		unparked = unpark(deadline, false);
	return unparked.woken ? unparked.first : NULL;
}

// The leader waits without end, as no work was under a time-out when it began.
TEST(work_parked_while_the_leader_waits_expires_too) {
	parked_end();
	parked_begin_with(20 * NS_PER_MS, CLOCK_NEVER);
	pthread_t leader = thread_begin(wait_for_one, NULL);
	yield_until(atomic_load(&parked.waits) > 0);
	uint64_t before = clock_now();
	assert_true(parking_lot_park(&lot, &work, TIMEOUT_IDLE));
	assert_ptr_equal(thread_end(leader), &work);
	assert_true(work.expired);
	assert_true(clock_now() - before < PATIENCE / 2); // not when the wait was over anyway
}

TEST(where_it_cannot_be_opened_nothing_is_left) {
	struct parking_lot other;
	struct echod_error error = {0};
	size_t before = open_descriptors();
	parked.failure = ENOSPC;
	assert_error(parking_lot_open(&other, 1, 1, &error), &error, ECHOD_ERROR_SYSTEM,
		     "cannot use the epoll set: No space left on device");
	assert_int_equal(open_descriptors(), before);
}

// The kernel has no room for it: it comes back all the same, within a tenth of a second.
static void expect_refused(int error, enum timeout kind) {
	parked.failure = error;
	uint32_t events = work.events;
	uint64_t refused = atomic_load(&lot.refused), before = clock_now();
	park(kind);
	assert_int_equal(atomic_load(&lot.refused), refused + 1);
	assert_int_equal(work.events, events);
	assert_false(work.events & EPOLLOUT);
	assert_int_equal(work.timeout, TIMEOUT_POLLED);
	assert_true(timeouts_deadline(&lot.timeouts) <= before + NS_PER_S / 10);
	assert_ptr_equal(wait_for_one(NULL), &work); // a wake-up may come first
	assert_false(work.expired);
	assert_int_equal(work.timeout, TIMEOUT_NONE);
	atomic_store(&work.state, WORK_SERVED);
}

TEST(what_the_kernel_refuses_comes_back_soon) {
	parked_end();
	parked_begin_with(NS_PER_S, NS_PER_S);
	expect_refused(ENOSPC, TIMEOUT_IDLE);
	expect_refused(ENOMEM, TIMEOUT_IDLE);
	park(TIMEOUT_IDLE); // now there is room
	assert_int_equal(work.timeout, TIMEOUT_IDLE);
	say();
	expect_unparked();
	expect_refused(ENOMEM, TIMEOUT_STUCK);
	expect_bytes(1);
	park_and_return();
}

// The connection ends while the leader has its event in hand; the next one has the same memory and
// descriptor, and this state.
static int new_state;

static void replace(void) {
	int old = work.fd;
	parked.with_events = NULL;
	close(parked.pair[0]);
	close(parked.pair[1]);
	connect_work();
	assert_int_equal(work.fd, old);
	if (new_state == WORK_PARKED)
		park(TIMEOUT_IDLE);
	else
		atomic_store(&work.state, new_state);
}

static void replace_by(int state) {
	park_and_return();
	say();
	new_state = state;
	parked.with_events = replace;
}

TEST(a_stale_event_costs_a_check_at_most) {
	replace_by(WORK_QUEUED);
	expect_nothing();
	assert_int_equal(work.state, WORK_QUEUED);
	atomic_store(&work.state, WORK_SERVED);

	replace_by(WORK_SERVED);
	expect_nothing();
	assert_false(parking_lot_park(&lot, &work, TIMEOUT_IDLE));
	expect_bytes(-1);

	replace_by(WORK_PARKED);
	expect_unparked();
	expect_bytes(-1);
	park(TIMEOUT_IDLE);
	expect_nothing();
	say(); // and its own events still come
	expect_unparked();
	expect_bytes(1);
}

static atomic_uint received;

static void *send_just_then(void *argument) {
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t deadline = clock_deadline(PATIENCE);
		while (atomic_load(&received) < i && clock_now() < deadline)
			sched_yield();
		for (volatile unsigned spin = 0; spin < i % 500; spin++)
			;
		if (send(parked.pair[1], "x", 1, MSG_NOSIGNAL) != 1)
			return NULL;
	}
	return argument;
}

// The peer sends exactly when its connection parks.
TEST(no_event_is_lost) {
	atomic_store(&received, 0);
	pthread_t peer = thread_begin(send_just_then, &work);
	while (atomic_load(&received) < ROUNDS) {
		char byte;
		if (recv(work.fd, &byte, 1, MSG_DONTWAIT) == 1)
			atomic_fetch_add(&received, 1);
		else if (parking_lot_park(&lot, &work, TIMEOUT_IDLE))
			expect_unparked();
		else
			continue;
		(void)unpark(0, false); // the leader polls at any time
	}
	thread_end(peer);
	expect_bytes(-1);
}
