// The parking lot when things happen at once or not at all: a leader that waits already, stale
// events, peers that send just then, a kernel that refuses: pool/parking_lot.
#include "expect.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "parked.h"
#include "process.h"

#define ROUNDS 20000

static void *wait_for_one(void *argument) {
	uint64_t deadline = clock_deadline(PATIENCE);
	struct unparked unparked = {0};
	while (unparked.count == 0 && clock_now() < deadline)
		unparked = unpark(deadline, false);
	return unparked.first;
}

FIXTURE(parked_begin, parked_end);

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
