// A thread of the generator (tools/echoload/load/generator) with played connections: when a period
// ends, which functions are called for a connection, and what is counted.
#include "expect.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "echoload/load/generator.h"

#define MS(ms) ((ms)*NS_PER_MS)
#define LONG MS(60000)

static struct load_config config;
static struct period period;
static struct thread thread, seen; // the latter: when the period was over
static struct connection conn[2];
static struct waker rested;
static bool may;
static unsigned planned, rests, checked, woken, served;
static uint64_t timer_after, early, serves; // ns

WRAP(bool, messages_may_begin, (const struct thread *of, const struct connection *one)) {
	return may;
}
WRAP(void, connection_rest, (struct thread * of, struct connection *one)) {
	if (rests++ == 0)
		memcpy(&seen, of, sizeof(seen));
}
WRAP(void, connection_check_time, (struct thread * of, struct connection *one, uint64_t now)) {
	checked++;
	if (served == 5 && woken && of->recording) // it has seen all that it is to
		atomic_store(&of->period->stop, now);
}

WRAP(void, connection_plan, (struct thread * of, struct connection *one)) {
	planned++;
	if (timer_after && one == conn)
		timers_set(&of->timers, &one->timer, of->now + timer_after);
}

WRAP(void, connection_wake, (struct thread * of, struct connection *one, uint64_t now)) {
	early += now < one->timer.at || one != conn;
	woken++;
}

WRAP(void, connection_events,
     (struct thread * of, struct connection *one, uint32_t events, uint64_t now)) {
	char byte;
	early += one != conn || !(events & EPOLLIN) || recv(one->fd, &byte, 1, 0) != 1;
	served++;
	poll(NULL, 0, (int)(serves / NS_PER_MS));
}

BEFORE_EACH {
	static struct timer *heap[2];
	config = (struct load_config){0};
	memset(&thread, 0, sizeof(thread));
	counter_buffers_init(&thread.buffers);
	thread.config = &config;
	thread.period = &period;
	thread.rested = &rested;
	thread.timers.heap = heap;
	thread.connections = conn;
	thread.epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(waker_open(&thread.waker, NULL), 0);
	assert_int_equal(waker_open(&rested, NULL), 0);
	struct epoll_event event = {.events = EPOLLIN};
	assert_int_equal(epoll_ctl(thread.epoll, EPOLL_CTL_ADD, thread.waker.fd, &event), 0);
	for (size_t i = 0; i < 2; i++)
		conn[i] = (struct connection){.timer.place = TIMER_UNSET,
					      .next = i ? NULL : &conn[1],
					      .loaded = true,
					      .state = CONNECTION_OPEN,
					      .fd = -1};
	planned = rests = checked = woken = served = 0;
	timer_after = early = serves = 0;
	may = false;
}

AFTER_EACH {
	close(thread.epoll);
	waker_close(&thread.waker);
	waker_close(&rested);
}

// Lets the thread pass the period, woken all the time, and end. Returns how long the first took.
static uint64_t pass(void) {
	uint64_t begun = clock_now();
	period.stop += begun;
	period.record += begun;
	pthread_t handle = thread_begin(generator_run, &thread);
	while (!atomic_load(&thread.resting)) {
		assert_true(clock_now() - begun < LONG / 3);
		if (!config.spin) // else it needs nobody
			waker_wake(&thread.waker);
		poll(NULL, 0, 1);
	}
	uint64_t lasted = clock_now() - begun;
	struct pollfd ready = {.fd = rested.fd, .events = POLLIN}; // a step after `resting`
	assert_int_equal(poll(&ready, 1, (int)(LONG / 3 / NS_PER_MS)), 1);
	assert_int_equal(planned, 2);
	assert_int_equal(rests, 2);
	assert_int_equal(early, 0);
	period.kind = PERIOD_END;
	period.stop = 0;
	period.left = 0;
	atomic_store(&thread.resting, false);
	waker_wake(&thread.waker);
	thread_end(handle);
	return lasted;
}

static const struct over {
	const char *name;
	enum period_kind kind;
	uint64_t stop, grace, least; // ms; the last: until it is over
	unsigned owed, connecting, timer;
	bool may, closed, rests, spent, spins;
	double rate;
} overs[] = {
	{"at its stop", PERIOD_RUN, 20, 60000, .least = 20},
	{"by itself", PERIOD_RUN, 20, 60000, .least = 20, .spins = true},
	{"when all is answered", PERIOD_RUN, 20, 30, 50, .owed = 1},
	{"when none may begin", PERIOD_SLICE, 20, 30, 50, .may = true, .rate = 1},
	{"of none that rest", PERIOD_SLICE, 20, 60000, 20, .may = true, .rate = 1, .rests = true},
	{"nor are closed", PERIOD_SLICE, 20, 60000, 20, .may = true, .rate = 1, .closed = true},
	{"nor in a closed loop", PERIOD_RUN, 20, 60000, 20, .may = true},
	{"nor beyond --count", PERIOD_RUN, 20, 60000, 0, .may = true, .rate = 1, .spent = true},
	{"at --count", PERIOD_RUN, 60000, 0, 0, .spent = true},
	{"not before its answers", PERIOD_RUN, 20, 0, 20, .spent = true, .owed = 1},
	{"when all are connected", PERIOD_CONNECT, 60000, 0, .least = 0},
	{"not while one connects", PERIOD_CONNECT, 20, 0, 20, .connecting = 1},
	{"nor has yet to", PERIOD_CONNECT, 20, 0, 20, .timer = 60000},
	{"polling", PERIOD_CONNECT, 60000, 0, 10, .timer = 10},
};

TEST_ROWS(it_is_over, const struct over *row, overs) {
	period = (struct period){row->kind, .connections = 1, .stop = MS(row->stop),
				 .grace = MS(row->grace), .left = row->spent ? 0 : UINT64_MAX};
	thread.owed = row->owed;
	thread.connecting = row->connecting;
	timer_after = MS(row->timer);
	thread.queue = conn;
	config.rate = row->rate;
	config.spin = row->spins;
	may = row->may;
	for (size_t i = 0; i < 2; i++) {
		conn[i].loaded = !row->rests;
		conn[i].state = row->closed ? CONNECTION_CLOSED : CONNECTION_OPEN;
	}
	assert_true(pass() >= MS(row->least));
	assert_true(seen.gap == row->rate * 1e9 && !seen.queue);
}

// Messages come in 4 ms after each other, one at a time; the timer comes when it should.
TEST(events_and_timers_are_work) {
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
	assert_int_equal(epoll_ctl(thread.epoll, EPOLL_CTL_ADD, pair[0], &event), 0);
	assert_int_equal(send(pair[1], "12345", 5, 0), 5);
	conn[0].fd = pair[0];
	serves = timer_after = MS(4);
	period = (struct period){PERIOD_RUN, .connections = 2, .stop = LONG, .record = MS(20),
				 .left = UINT64_MAX};
	atomic_store(&thread.buffers.live, 2);
	uint64_t lasted = pass();
	assert_int_equal(served, 5);
	assert_int_equal(woken, 1);
	assert_true(checked >= 2 && checked % 2 == 0);
	assert_in_range(seen.worked_for, MS(16), lasted);
	assert_true(seen.recording && seen.stopped);
	assert_int_equal(seen.live_at_stop, 2);
	assert_in_range(seen.used.at, 1, lasted - MS(20));
	close(pair[0]);
	close(pair[1]);
}
