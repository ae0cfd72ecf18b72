// The parking lot: what unparks, and what does not: pool/parking_lot.
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "parked.h"
#include "process.h"

static void data_unparks(void **state)
{
	park(WATCH_IDLE);
	expect_nothing();
	say();
	expect_unparked();
	expect_bytes(1);
	assert_false(work.hung_up);
}

static void data_that_came_before_unparks_too(void **state)
{
	say();
	park(WATCH_IDLE);
	expect_unparked();
}

static void each_is_registered_once(void **state)
{
	for (int i = 0; i < 10; i++) {
		park(WATCH_IDLE);
		expect_nothing();
		say();
		expect_unparked();
		expect_bytes(1);
	}
	assert_int_equal(parked.changes, 1);
}

static void data_that_nobody_has_read_unparks_once(void **state)
{
	park(WATCH_IDLE);
	say();
	expect_unparked();
	park(WATCH_IDLE); // and leaves the byte where it is
	expect_nothing();
	say();
	expect_unparked();
	expect_bytes(2);
}

// An event while it is served, which the worker may not have seen.
static void an_event_before_parking_sends_it_back(void **state)
{
	park(WATCH_IDLE);
	say();
	expect_unparked();
	expect_bytes(1);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_NOTIFIED);
	say();
	expect_nothing(); // one note is enough
	assert_false(parking_lot_park(&lot, &work, WATCH_IDLE));
	assert_int_equal(work.state, WORK_SERVED);
	expect_bytes(2);
	park(WATCH_IDLE);
	expect_nothing();
}

static void an_event_for_what_is_queued_changes_nothing(void **state)
{
	park(WATCH_IDLE);
	say();
	expect_unparked();
	atomic_store(&work.state, WORK_QUEUED);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_QUEUED);
}

static void an_end_of_stream_is_noted(void **state)
{
	park(WATCH_IDLE);
	shutdown(parked.pair[1], SHUT_WR);
	expect_unparked();
	assert_true(work.hung_up);
	expect_bytes(0);
}

static void an_end_that_comes_with_data_is_noted(void **state)
{
	park(WATCH_IDLE);
	say();
	shutdown(parked.pair[1], SHUT_WR);
	expect_unparked();
	assert_true(work.hung_up);
	expect_bytes(1);
	expect_bytes(0);
}

static void an_end_while_it_is_served_is_noted(void **state)
{
	park(WATCH_IDLE);
	say();
	expect_unparked();
	shutdown(parked.pair[1], SHUT_WR);
	expect_nothing();
	assert_true(work.hung_up);
	assert_false(parking_lot_park(&lot, &work, WATCH_IDLE));
}

static void what_is_forgotten_has_no_events(void **state)
{
	parking_lot_forget(&lot, &work); // not registered yet
	assert_int_equal(parked.changes, 0);
	park(WATCH_IDLE);
	say();
	expect_unparked();
	parking_lot_forget(&lot, &work);
	assert_false(work.registered);
	say();
	expect_nothing();
	assert_int_equal(work.state, WORK_SERVED);
	park(WATCH_IDLE); // and can come again
	expect_unparked();
	expect_bytes(2);
	assert_int_equal(parked.changes, 3);
}

static void fill_up(void)
{
	static const char bytes[4096];
	while (send(work.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
}

static void read_all(void)
{
	char bytes[65536];
	while (recv(parked.pair[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void who_waits_for_room_is_told_of_it(void **state)
{
	park(WATCH_IDLE);
	say();
	expect_unparked();
	expect_bytes(1);
	for (int i = 0; i < 3; i++) {
		fill_up();
		park(WATCH_STUCK);
		expect_nothing();
		read_all();
		expect_unparked();
	}
	assert_int_equal(parked.changes, 2);
	fill_up();
	park(WATCH_STUCK);
	say(); // data too
	expect_unparked();
}

static void a_kick_ends_the_wait(void **state)
{
	parking_lot_kick(&lot);
	struct unparked unparked = parking_lot_wait(&lot, CLOCK_NEVER, never_active);
	assert_int_equal(unparked.count, 0);
	park(WATCH_IDLE);
	say();
	parking_lot_kick(&lot);
	expect_unparked();				    // it hides nothing
	uint64_t deadline = clock_deadline(20 * NS_PER_MS); // and is over
	assert_int_equal(parking_lot_wait(&lot, deadline, never_active).count, 0);
	assert_true(clock_now() >= deadline);
}

static void *kick_soon(void *argument)
{
	(void)argument;
	wait_until(parked.waits > 2);
	parking_lot_kick(&lot);
	return NULL;
}

static void polling_ends_with_an_event_or_a_kick(void **state)
{
	park(WATCH_IDLE);
	say();
	struct unparked unparked = parking_lot_poll(&lot, 0, never_active); // looks once at least
	assert_true(unparked.woken);
	assert_int_equal(unparked.count, 1);
	assert_ptr_equal(unparked.first, &work);
	pthread_t kicker;
	assert_int_equal(pthread_create(&kicker, NULL, kick_soon, NULL), 0);
	unparked = parking_lot_poll(&lot, clock_deadline(PATIENCE), never_active);
	assert_int_equal(pthread_join(kicker, NULL), 0);
	assert_true(unparked.woken);
	assert_int_equal(unparked.count, 0);
}

static void polling_in_vain_ends_in_time(void **state)
{
	park(WATCH_IDLE);
	uint64_t deadline = clock_deadline(NS_PER_MS);
	struct unparked unparked = parking_lot_poll(&lot, deadline, never_active);
	assert_true(clock_now() >= deadline);
	assert_false(unparked.woken);
	assert_int_equal(unparked.count, 0);
	assert_true(parked.waits > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LOT(data_unparks),
		WITH_LOT(data_that_came_before_unparks_too),
		WITH_LOT(each_is_registered_once),
		WITH_LOT(data_that_nobody_has_read_unparks_once),
		WITH_LOT(an_event_before_parking_sends_it_back),
		WITH_LOT(an_event_for_what_is_queued_changes_nothing),
		WITH_LOT(an_end_of_stream_is_noted),
		WITH_LOT(an_end_that_comes_with_data_is_noted),
		WITH_LOT(an_end_while_it_is_served_is_noted),
		WITH_LOT(what_is_forgotten_has_no_events),
		WITH_LOT(who_waits_for_room_is_told_of_it),
		WITH_LOT(a_kick_ends_the_wait),
		WITH_LOT(polling_ends_with_an_event_or_a_kick),
		WITH_LOT(polling_in_vain_ends_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
