// A piece of work and a parking lot for it. Main thread.
#include "parked.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "process.h"
#include "test.h"

struct parked parked;
struct parking_lot lot;
struct work work;

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event)) {
	parked.changes++;
	if (parked.failure) {
		errno = parked.failure;
		parked.failure = 0;
		return -1;
	}
	return __real_epoll_ctl(epoll, operation, fd, event);
}

WRAP(int, epoll_wait, (int epoll, struct epoll_event *events, int max, int timeout)) {
	atomic_fetch_add(&parked.waits, 1);
	int count = __real_epoll_wait(epoll, events, max, timeout);
	if (parked.with_events)
		parked.with_events();
	return count;
}

void connect_work(void) {
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, parked.pair), 0);
	work = (struct work){.state = WORK_SERVED, .fd = parked.pair[0]};
}

int parked_begin_with(uint64_t idle_limit, uint64_t stuck_limit) {
	parked = (struct parked){0};
	connect_work();
	int failed = parking_lot_open(&lot, idle_limit, stuck_limit, NULL);
	parked.changes = 0;
	return failed;
}

void parked_begin(void) { assert_int_equal(parked_begin_with(CLOCK_NEVER, CLOCK_NEVER), 0); }

void parked_end(void) {
	parked.with_events = NULL;
	timeouts_set(&lot.timeouts, &work, TIMEOUT_NONE);
	parking_lot_close(&lot);
	close(parked.pair[0]);
	close(parked.pair[1]);
	assert_false(parked.failure);
}

struct unparked unpark(uint64_t deadline, bool polling) {
	struct work_list list = {0};
	bool woken = parking_lot_wait(&lot, deadline, polling, &list);
	return (struct unparked){list.first, list.last, list.count, woken};
}

void say(void) { assert_int_equal(send(parked.pair[1], "x", 1, MSG_NOSIGNAL), 1); }

void expect_nothing(void) {
	struct unparked unparked = unpark(0, false);
	assert_int_equal(unparked.count, 0);
	assert_null(unparked.first);
}

void expect_unparked(void) {
	struct unparked unparked = unpark(clock_deadline(PATIENCE), false);
	assert_int_equal(unparked.count, 1);
	assert_ptr_equal(unparked.first, &work);
	assert_ptr_equal(unparked.last, &work);
	assert_null(work.next);
	assert_int_equal(work.state, WORK_QUEUED);
	atomic_store(&work.state, WORK_SERVED);
}

void expect_bytes(ssize_t expected) {
	char bytes[16];
	assert_int_equal(recv(work.fd, bytes, sizeof(bytes), MSG_DONTWAIT), expected);
	if (expected < 0)
		assert_int_equal(errno, EAGAIN);
}

void park(enum timeout kind) {
	assert_true(parking_lot_park(&lot, &work, kind));
	assert_int_equal(work.state, WORK_PARKED);
}

void park_and_return(void) {
	park(TIMEOUT_IDLE);
	say();
	expect_unparked();
}
