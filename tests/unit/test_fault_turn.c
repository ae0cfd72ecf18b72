// The turn of a connection with faults, in made-up time: fault/turn, fault/delay, and what is noted
// of it: fault/faults.
#include "test.h"

#include <sys/epoll.h>

#include "base/first_bytes.h"
#include "fault/turn.h"
#include "peer.h"
#include "played.h"

static struct faults faults;
static struct fault_plan plan;
static unsigned lines; // that went to the log

static int hear(void *context, const struct echod_log_entry *entry) {
	lines++;
	return 1;
}

static struct log heard = {.level = ECHOD_LOG_INFO, .sink = hear};

BEFORE_EACH {
	played_begin();
	heard.level = ECHOD_LOG_INFO;
	played.pool.config.idle_timeout = NS_PER_S;
	played.conn.work.active_at = played.now;
	faults = (struct faults){.lock = PTHREAD_MUTEX_INITIALIZER, .log = &heard};
	lines = 0;
}

AROUND_EACH(NULL, played_finish);

static void plan_for(const char *text) {
	struct fault_set set;
	assert_int_equal(fault_set_parse(text, &set, NULL), 0);
	assert_true(fault_plan_make(&plan, &set, 0) != 0);
}

static struct turn run(void) {
	return fault_turn(&played.conn, &plan, &faults, &played.echo, &played.worker);
}

static void expect(enum turn_end end) { assert_int_equal(run().end, end); }

static void expect_close(enum close_reason reason) {
	struct turn turn = run();
	assert_int_equal(turn.end, TURN_CLOSE);
	assert_int_equal(turn.reason, reason);
}

static uint64_t due(void) {
	return played.pool.lot.timeouts.lists[TIMEOUT_STUCK].first->due_at - played.now;
}

// The turn ends, to go on after `ns`, and wakes the leader.
static void expect_sleep(uint64_t ns) {
	uint64_t woken = 0;
	expect(TURN_STUCK);
	assert_int_equal(due(), ns);
	assert_int_equal(read(played.pool.lot.waker.fd, &woken, sizeof(woken)), sizeof(woken));
	played.now += ns;
}

// Each piece by itself, and the end of the stream too.
TEST(what_is_delayed_has_its_time) {
	plan_for("delay=20ms");
	peer_says(10, false);
	expect_sleep(20 * NS_PER_MS);
	played.now--;
	peer_says(5, false);
	expect_sleep(1);
	expect_sleep(20 * NS_PER_MS - 1);
	expect_echo(10, 10);
	shutdown(played.pair[1], SHUT_WR);
	atomic_store(&played.conn.work.hung_up, true);
	expect_sleep(20 * NS_PER_MS);
	expect_echo(15, 15);
	expect_close(CLOSE_peer);
	assert_true(plan.peer_ended);
	assert_int_equal(counted(COUNTER_faults_injected_delay), 2);
	assert_int_equal(plan.receipt.count[INJECT_delay], 2);
	assert_int_equal(lines, 1); // a second
}

// A piece is what goes in 10 ms. What was late is made up for, a pause is not.
TEST(a_trickle_keeps_its_rate) {
	static const unsigned pauses[] = {0, 0, 4, 1000, 0}; // ms too late
	static const unsigned sleeps[] = {11, 11, 7, 11, 11};
	plan_for("trickle=1000");
	peer_says(100, false);
	for (size_t i = 0; i < COUNT_OF(pauses); i++) {
		played.now += pauses[i] * NS_PER_MS;
		expect_sleep(sleeps[i] * NS_PER_MS);
		expect_echo((i + 1) * 11, (i + 1) * 11);
	}
	assert_int_equal(counted(COUNTER_faults_injected_trickle), 1);
}

static const struct cut {
	const char *name;
	enum turn_end end;
	enum close_reason reason; // a second later
	bool in_order;
	uint64_t received;
} cuts[] = {
	{"close-after=10", TURN_STUCK, CLOSE_fault, true, 20},
	{"reset-after=10", TURN_STUCK, CLOSE_fault, false, 10},
	{"half-close-after=10", TURN_QUIET, CLOSE_idle, true, 20},
	{"stall-after=10", TURN_QUIET, CLOSE_idle, true, 10},
};

TEST_ROWS(a_cut_waits_for_a_second, const struct cut *cut, cuts) {
	plan_for(cut->name);
	played.unread = 1; // never acknowledged
	peer_says(20, false);
	expect(cut->end);
	played.now += NS_PER_S - 1;
	expect(cut->end);
	played.now++;
	played.conn.work.expired = true;
	expect_close(cut->reason);
	assert_int_equal(fault_ends_in_order(&played.conn, &plan, cut->reason), cut->in_order);
	assert_false(played.conn.work.expired);
	expect_echo(cut->received, 10);
	assert_int_equal(plan.receipt.last_at, 10);
}

TEST(a_reset_waits_for_what_is_on_its_way) {
	plan_for("reset-after=10");
	played.unread = 2;
	peer_says(20, false);
	expect_sleep(NS_PER_MS);
	expect_sleep(NS_PER_MS);
	expect_echo(10, 10);
	played.unread = 0;
	expect_close(CLOSE_fault);
}

TEST(a_peer_that_does_not_read_is_stalled) {
	plan_for("close-after=1m");
	played.unread = 1;
	played.conn.work.events = EPOLLOUT;
	played.send.next = STEPS({.limit = 10}, {.error = EAGAIN}, {.error = ENOMEM}, {.limit = 5},
				 {.error = EAGAIN, .times = 1000});
	peer_says(100, false);
	expect(TURN_STUCK);
	assert_int_equal(played.conn.work.events, 0); // it asks for room again
	played.now += PLAYED_TIMEOUT - 1;
	expect(TURN_STUCK);
	expect(TURN_STUCK);
	expect_echo(15, 15);
	played.now += PLAYED_TIMEOUT - 1;
	expect(TURN_STUCK);
	assert_true(played.conn.stuck);
	played.now += 1;
	expect_close(CLOSE_stalled);
	assert_true(fault_ends_in_order(&played.conn, &plan, CLOSE_stalled));
	played.send.next = NULL;
	expect(TURN_QUIET);
	assert_false(played.conn.stuck);
	conn_count(&played.conn.bytes_received, 1);
	assert_false(fault_ends_in_order(&played.conn, &plan, CLOSE_stalled));
}

// A peer that reads its echo and sends on.
static void stream_on(void) {
	if (bytes_waiting() > 0)
		return;
	peer_reads(PLAYED_BUFFER);
	peer_says(PLAYED_BUFFER, false);
}

TEST(it_has_its_quantum) {
	plan_for("close-after=1g");
	played.before_recv = stream_on;
	expect(TURN_QUANTUM);
	assert_int_equal(played.conn.bytes_sent, ECHO_QUANTUM);
	// Its idle time-out is over, but bytes have just come.
	played.before_recv = NULL;
	played.now += NS_PER_S;
	peer_says(1, false);
	expect(TURN_QUIET);
	assert_int_equal(played.conn.work.active_at, played.now);
	played.now += NS_PER_S - 1;
	expect(TURN_QUIET);
	played.now += 1;
	expect_close(CLOSE_idle);
}

// What goes twice takes its time twice. The first bytes are noted once.
TEST(what_is_repeated_counts, .with = {"1048576", "1000"}) {
	char bytes[64];
	uint64_t each = NS_PER_S / strtoul(test_with(), NULL, 10), total = 64 + FAULT_STRETCH;
	pattern_fill(1, 0, bytes, sizeof(bytes));
	plan_for(test_text("repeat=64,trickle=%s", test_with()));
	played.conn.unsent.bytes = played.worker.buffer; // they are asked for
	uint64_t first_at = played.now;
	peer_says(sizeof(bytes), false);
	while (run().end == TURN_STUCK)
		played.now += due();
	assert_int_equal(played.conn.bytes_received, 64);
	assert_int_equal(counted(COUNTER_bytes_sent), total);
	assert_in_range(played_time(), total * each, total * (each + 1));
	assert_true(played.conn.first == first_bytes_of(bytes, sizeof(bytes)));
	assert_int_equal(played.conn.first_at, first_at);
	assert_int_equal(lines, 2); // one of each kind
}

TEST(what_is_repeated_may_have_to_wait) {
	plan_for("repeat=64");
	uint64_t begin = fault_stretch(&plan, INJECT_repeat, 0);
	played.send.next =
		STEPS({.limit = PLAYED_BUFFER, .times = 1 + (begin > 0)}, {.error = EAGAIN});
	peer_says(64, false);
	expect(TURN_STUCK);
	assert_int_equal(counted(COUNTER_bytes_sent), begin + FAULT_STRETCH);
	expect(TURN_QUIET);
	assert_int_equal(counted(COUNTER_bytes_sent), 64 + FAULT_STRETCH);
}

static const struct withheld {
	const char *name;
	uint64_t sent, injected; // of 64 bytes
} withheld[] = {
	{"lose=64", 64 - FAULT_STRETCH, 1},
	{"silent", 0, 1},
	{"silent,repeat=64", 0, 1},
	{"silent,flip=64,lose=64", 0, 2},
};

TEST_ROWS(what_is_withheld_is_received, const struct withheld *row, withheld) {
	heard.level = ECHOD_LOG_WARNING;
	plan_for(row->name);
	played.recv.next = STEPS({.limit = 5, .times = 1000});
	peer_says(64, false);
	expect(TURN_QUIET);
	assert_int_equal(counted(COUNTER_bytes_received), 64);
	assert_int_equal(counted(COUNTER_bytes_sent), row->sent);
	uint64_t injected = 0;
	for (int kind = 0; kind < INJECTIONS; kind++)
		injected += plan.receipt.count[kind];
	assert_int_equal(injected, row->injected);
	assert_int_equal(lines, 0);
}

#define PEEK \
	{ .limit = PLAYED_BUFFER }

static const struct failure {
	const char *name;
	struct step steps[3]; // of receive: a peek, and taking out
	enum turn_end end;
	enum close_reason reason;
	uint64_t received, sent; // of 10 bytes
} failures[] = {
	{"a peek is interrupted", {{.error = EINTR}}, TURN_QUIET, 0, 10, 10},
	{"a peek finds nothing", {{.error = EAGAIN}}, TURN_QUIET, 0, 0, 0},
	{"a peek has no memory", {{.error = ENOMEM}}, TURN_STUCK, 0, 0, 0},
	{"a peek meets a reset", {{.error = ECONNRESET}}, TURN_CLOSE, CLOSE_reset, 0, 0},
	{"taking is interrupted", {PEEK, {.error = EINTR}}, TURN_QUIET, 0, 10, 10},
	{"taking meets a reset", {PEEK, {.error = ECONNRESET}}, TURN_CLOSE, CLOSE_reset, 10, 10},
};

TEST_ROWS(a_receive_that_fails, const struct failure *row, failures) {
	plan_for("close-after=1m");
	played.pool.config.send_timeout = CLOCK_NEVER;
	played.recv.next = row->steps;
	peer_says(10, false);
	struct turn turn = run();
	assert_int_equal(turn.end, row->end);
	if (turn.end == TURN_CLOSE)
		assert_int_equal(turn.reason, row->reason);
	expect_echo(row->received, row->sent);
}

// As after a reset whose error has been asked for.
static void vanish(void) {
	char bytes[10];
	if (played.recv.calls == 1) // it has been peeked at
		assert_int_equal(read(played.pair[0], bytes, sizeof(bytes)), 10);
	shutdown(played.pair[1], SHUT_WR);
}

TEST(what_was_answered_may_be_gone) {
	plan_for("close-after=1m");
	played.before_recv = vanish;
	peer_says(10, false);
	expect_close(CLOSE_reset);
	expect_echo(10, 10);
}

static void abort_all(void) { atomic_store(&played.echo.aborted, true); }

TEST(a_drain_that_is_over_ends_it) {
	plan_for("close-after=10");
	played.before_recv = abort_all; // the end that it makes is not the peer's
	peer_says(0, true);
	expect_close(CLOSE_drain);
	assert_false(plan.peer_ended);
	expect_close(CLOSE_drain);
}

TEST(a_reset_after_a_cut_is_one) {
	plan_for("close-after=10");
	played.recv.next = STEPS(PEEK, PEEK, {.error = ECONNRESET});
	peer_says(20, false);
	expect_close(CLOSE_reset);
	expect_echo(10, 10);
}
