// A thread of the generator (tools/echoload/load/generator) with played connections: when a period
// ends, which functions are called for a connection, and what is counted; and how a connection ends
// (connection) with a played peer.
#include "expect.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "echoload/load/generator.h"
#include "peer.h"
#include "place.h"

#define MS(ms) ((ms)*NS_PER_MS)
#define LONG MS(60000)
#define SIZE UINT64_C(64)
#define CONNECTIONS 6

static struct load_config config;
static struct period period;
static struct thread thread, seen; // the latter: when the period was over
static struct connection conn[CONNECTIONS];
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
	static struct timer *heap[CONNECTIONS];
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
	for (uint32_t i = 0; i < CONNECTIONS; i++)
		conn[i] = (struct connection){.timer.place = TIMER_UNSET,
					      .next = i ? NULL : &conn[1],
					      .id = i,
					      .next_in_queue = conn,
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

// Six connections to two targets, of which three may connect at once, from two sources.
TEST(connections_have_their_turn_and_their_source) {
	uint16_t port;
	int listener = peer_listen(0, CONNECTIONS, &port);
	config.target_count = config.source_count = 2;
	for (size_t i = 0; i < 2; i++) {
		config.targets[i] = peer_endpoint(test_text("127.0.0.1:%u", port));
		config.sources[i] = peer_endpoint(test_text("127.0.0.%zu:0", i + 2));
	}
	thread.connecting = 256 - 3;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct sockaddr_in own;
		connecting_begin(&thread, &conn[i], 21);
		if (getsockname(conn[i].fd, (void *)&own, &(socklen_t){sizeof(own)}) == 0)
			assert_int_equal(ntohl(own.sin_addr.s_addr), 0x7f000002 + i / 2);
		assert_int_equal(close(conn[i].fd), i < 3 ? 0 : -1);
	}
	for (size_t i = 3; i < CONNECTIONS; i++, thread.queue = thread.queue->next_in_queue)
		assert_ptr_equal(thread.queue, &conn[i]);
	assert_true(thread.connecting == 256 && !thread.queue);
	thread.connecting = 0;
	config.sources[1] = config.targets[0]; // a port in use
	size_t before = open_descriptors();
	connecting_begin(&thread, &conn[3], 21);
	assert_int_equal(thread.unconnected.of[LOAD_OUT_OF_PORTS].count, 1);
	assert_int_equal(open_descriptors(), before);
	close(listener);
}

// A Unix-domain socket's backlog is full.
TEST(what_is_refused_is_tried_for_a_while) {
	struct endpoint *target = &config.targets[0];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(endpoint_from_path(place_path("full"), target, NULL), 0);
	assert_int_equal(bind(listener, &target->as.any, target->length), 0);
	assert_int_equal(listen(listener, 0), 0);
	config.target_count = 1;
	config.timeout = 50;
	period = (struct period){.kind = PERIOD_RUN, .stop = CLOCK_NEVER};
	connecting_begin(&thread, &conn[1], 21); // there is room for one
	for (uint64_t now = 21; now <= 71; now += 25) {
		connecting_begin(&thread, conn, now);
		assert_int_equal(timers_next(&thread.timers),
				 now < 71 ? now + NS_PER_MS : CONNECTION_RETRY);
		assert_int_equal(thread.unconnected.of[LOAD_CONNECT_TIMEOUT].count, now == 71);
	}
	close(conn[1].fd);
	close(listener);
}

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
enum { CONNECTING = CONNECTION_CONNECTING, OPEN, ENDING };

// A connection and what happens to it: the peer's FIN or Reset, also after an ecHo or when we Send;
// the Time, or the period's Over. What becomes of it: the error noted, the end seen, visits that
// were well, messages given up, faults found at the end, and whether it connects again.
static const struct last {
	const char *becomes;
	char cause;
	int state;
	unsigned waiting, received;
	enum load_mode mode;
	int waited; // ms since it moved
	bool wrong, failed, left, slice;
} lasts[] = {
	{"early_close FIN 0 0 0 later", 'F', OPEN},
	{"early_close FIN 0 1 0 later", 'F', OPEN, 1},
	{"short FIN 0 1 0 later", 'F', OPEN, 1, 9},
	{"early_close RST 0 1 0 later", 'R', OPEN, 1, 9},
	{"early_close FIN 0 1 0 later", 'S', OPEN, .left = true},
	{"early_close FIN 0 0 0 later", 'H', OPEN, 1}, // also when its echo comes before it
	{"none FIN 0 0 0 later", 'F', ENDING},
	{"none RST 0 0 0 later", 'R', ENDING},
	{"early_close FIN 0 1 0 later", 'F', ENDING, 1},
	{"none FIN 1 0 0 at once", 'F', ENDING, .mode = MODE_CHURN},
	{"none FIN 0 0 0 later", 'F', ENDING, .mode = MODE_CHURN, .left = true},
	{"none FIN 1 0 0 at once", 'F', ENDING, 1, SIZE, MODE_HALF_CLOSE},
	{"short FIN 0 1 0 later", 'F', ENDING, 1, 9, MODE_HALF_CLOSE},
	{"mismatch FIN 0 0 1 later", 'F', ENDING, .wrong = true},
	{"mismatch RST 0 0 0 later", 'R', ENDING, .wrong = true},
	{"timeout - 0 1 0 later", 'T', OPEN, 1, .waited = 50},
	{"none - 0 0 0 is open", 'T', OPEN, 1, .waited = 49},
	{"none - 0 0 0 is open", 'T', OPEN, 1, .waited = -1},
	{"none - 0 0 0 is open", 'T', OPEN, .waited = 50},
	{"timeout - 0 0 0 later", 'T', ENDING, .waited = 50},
	{"mismatch - 0 0 0 later", 'T', ENDING, .waited = 50, .wrong = true},
	{"connect_timeout - 0 0 0 later", 'T', CONNECTING, .waited = 50},
	{"none - 0 0 0 is open", 'O', OPEN},
	{"none - 0 1 0 never", 'O', OPEN, 1},
	{"none - 0 0 0 never", 'O', OPEN, .mode = MODE_CHURN},
	{"mismatch - 0 0 0 never", 'O', ENDING, .wrong = true},
	{"none - 0 0 0 never", 'O', CONNECTING, .waited = 1000},
	{"connect_timeout - 0 0 0 never", 'O', CONNECTING, .waited = 1001},
	{"none - 0 0 0 never", 'O', CONNECTING, .failed = true},
	{"connect_timeout - 0 0 0 never", 'O', CONNECTING, .failed = true, .slice = true},
	{"none - 0 0 0 never", 'O', CONNECTING, .slice = true},
};

static uint64_t sent_on(void *context, uint32_t id) { return SIZE; }
static void note(void *context, const struct fault *fault) { thread.buffers.open->fault_count++; }

TEST_ROWS(it_becomes, const struct last *row, lasts) {
	static char in[THREAD_BUFFER], out[THREAD_BUFFER];
	uint64_t now = clock_now(), next;
	struct message ring[] = {{SIZE, now - 1, now - 1}};
	const struct counters *counters = thread.buffers.open;
	uint64_t end = row->cause == 'O' ? now : CLOCK_NEVER;
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(sizes_parse("64", &config.sizes, NULL), 0);
	config.pipeline = thread.ring = 1;
	config.mode = row->mode, config.timeout = MS(50), config.verify = row->wrong;
	period = (struct period){row->slice ? PERIOD_SLICE : PERIOD_RUN, .stop = end, .end = end};
	thread.now = now, thread.in = in, thread.out = out;
	thread.scope = (struct verify_scope){.sent = sent_on, .report = note};
	thread.connecting = row->state == CONNECTING;
	thread.buffers.live = !thread.connecting;
	thread.owed = row->waiting + (row->state == ENDING);
	*conn = (struct connection){.timer.place = TIMER_UNSET,
				    .loaded = true,
				    .fd = pair[0],
				    .failed = row->failed,
				    .state = (enum connection_state)row->state,
				    .goal = row->waiting * SIZE,
				    .sent = row->waiting * SIZE,
				    .received = row->received,
				    .waiting = row->waiting,
				    .messages = ring,
				    .left = row->left,
				    .moved_at = now - MS((uint64_t)row->waited),
				    .verify = {.scope = &thread.scope, .faults = row->wrong}};
	if (row->cause == 'R')
		assert_int_equal(send(pair[0], "x", 1, 0), 1);
	else if (row->cause == 'H')
		assert_int_equal(send(pair[1], out, SIZE, 0), SIZE);
	close(pair[1]);
	if (row->cause == 'S')
		__real_connection_wake(&thread, conn, now);
	if (row->cause == 'T')
		__real_connection_check_time(&thread, conn, now);
	else if (row->cause == 'O')
		__real_connection_rest(&thread, conn);
	else
		__real_connection_events(&thread, conn, EPOLLIN | EPOLLRDHUP, now);
	enum load_error error = load_errors_first(&counters->errors);
	next = timers_next(&thread.timers);
	assert_string_equal(test_text("%s %s %ju %ju %ju %s",
				      error < LOAD_ERRORS ? load_error_rows[error].name : "none",
				      conn->end ? conn->end : "-", (uintmax_t)counters->visits,
				      (uintmax_t)counters->unanswered,
				      (uintmax_t)counters->fault_count,
				      conn->fd >= 0	   ? "is open"
				      : next == now	   ? "at once"
				      : next < CLOCK_NEVER ? "later"
							   : "never"),
			    row->becomes);
	if (strstr(row->becomes, "later"))
		assert_in_range(next, now + CONNECTION_RETRY, clock_now() + CONNECTION_RETRY);
	assert_int_equal(thread.owed, conn->waiting);
	assert_true(thread.connecting == 0 && thread.buffers.live == (conn->fd >= 0));
	close(conn->fd);
}
