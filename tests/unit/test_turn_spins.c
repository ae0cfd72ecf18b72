// Polling before blocking: when it is tried, when it ends, what it counts: echo/turn.
#include "test.h"

#include "played.h"
#include "pool/policy.h"

#define SPIN (50 * NS_PER_US)

static const struct step nothing[] = {{.error = EAGAIN, .times = 100000}, {0}};

static void time_passes(void) { played.now += 10 * NS_PER_US; }

// A turn that may spin, with a connection that is warm.
static void warm_up(int credit) {
	play_with_patience(5 * NS_PER_MS);
	played.pool.config.spin = SPIN;
	played.pool.polling_max = 1;
	played.conn.spin_credit = credit;
	played.before_recv = time_passes;
}

static void expect_spins(uint64_t hits, uint64_t misses) {
	assert_int_equal(counted(COUNTER_spin_hits), hits);
	assert_int_equal(counted(COUNTER_spin_misses), misses);
}

// It blocks at once, after so many misses before.
static void expect_no_spin(uint64_t misses) {
	unsigned calls = played.recv.calls;
	played.recv.next = nothing;
	expect_end(TURN_QUIET);
	assert_int_equal(played.recv.calls, calls + 1);
	expect_spins(0, misses);
}

AROUND_EACH(played_begin, played_finish);

TEST(polling_that_finds_something_is_a_hit) {
	warm_up(1);
	played.recv.next = STEPS({.error = EAGAIN, .times = 3}, {.limit = 100});
	expect_all_echoed(100);
	assert_int_equal(played.recv.calls, 5);
	expect_spins(2, 0); // the data, then the end
	assert_int_equal(played.worker.state, WORKER_SERVING);
	assert_int_equal(played.conn.spin_credit, 3);
}

static void rival_has_the_cpu(void) { played.now += 3 * NS_PER_MS; }

// Each yield gives the CPU to another thread for long, so data waits that blocking would have got.
TEST(polling_beside_a_rival_ends) {
	warm_up(64);
	played.before_recv = rival_has_the_cpu;
	played.recv.next = STEPS({.limit = 10}, {.limit = 10}, {.limit = 10}, {.limit = 10},
				 {.error = EAGAIN});
	peer_says(100, false);
	expect_end(TURN_QUIET);
	expect_spins(4, 0); // the credit is 32, 16, 8, and then too low for long
	policy_note_found(&played.pool, &played.conn.spin_credit, 0);
	assert_int_equal(played.conn.spin_credit, -4094);
}

TEST(polling_in_vain_ends_and_is_not_tried_again) {
	warm_up(10);
	played.recv.next = nothing;
	expect_end(TURN_QUIET);
	expect_spins(0, 1);
	assert_in_range(played_time(), SPIN, 2 * SPIN);
	assert_false(played.flags & MSG_DONTWAIT); // the last one blocked
	assert_int_equal(played.conn.spin_credit, 2);
	expect_end(TURN_QUIET);
	assert_int_equal(played.conn.spin_credit, 0);
	expect_no_spin(2);
}

TEST(it_polls_only_with_credit_and_where_it_may) {
	warm_up(0);
	expect_no_spin(0);
	assert_false(played.flags & MSG_DONTWAIT);
	warm_up(10);
	queue_other();
	expect_no_spin(0);
	take_other();
	atomic_store(&played.pool.polling, 1); // another worker
	expect_no_spin(0);
	atomic_store(&played.pool.polling, 0);
	played.pool.polling_max = 0;
	expect_no_spin(0);
	played.pool.polling_max = 1;
	played.pool.queue.sleeping = 1; // that could be at the parking lot
	assert_false(policy_begin_polling(&played.worker, 10));
	atomic_store(&played.pool.queue.leading, true);
	played.pool.connections = 16;
	assert_true(policy_begin_polling(&played.worker, 10));
	assert_int_equal(played.worker.state, WORKER_POLLING);
	atomic_store(&played.pool.polling, 0);
	played.pool.connections = 17; // a crowd at the parking lot
	assert_false(policy_begin_polling(&played.worker, 10));
	played.pool.dedicated_max = 17; // each has a worker
	assert_true(policy_begin_polling(&played.worker, 10));
	atomic_store(&played.pool.polling, 0);
	play_with_patience(0);
	expect_no_spin(0);
	assert_true(played.flags & MSG_DONTWAIT);
}

TEST(a_soon_answer_warms_up) {
	warm_up(0);
	played.recv.next = STEPS({.limit = 100}, {.error = EAGAIN, .times = 1000});
	peer_says(100, false);
	expect_end(TURN_QUIET);
	expect_spins(0, 1); // after the first answer it was tried
}

TEST(a_late_answer_does_not) {
	warm_up(0);
	played.pool.config.spin = 10 * NS_PER_US; // as long as a recv takes here
	played.recv.next = STEPS({.limit = 100}, {.error = EAGAIN});
	peer_says(100, false);
	expect_end(TURN_QUIET);
	assert_int_equal(played.conn.spin_credit, 0);
	assert_int_equal(played.worker.state, WORKER_SERVING);
	expect_spins(0, 0);
}

TEST(without_a_spin_nothing_warms_up) {
	warm_up(0);
	played.pool.config.spin = 0;
	played.before_recv = NULL; // answers take no time at all
	expect_all_echoed(100);
	assert_int_equal(played.conn.spin_credit, 0);
	expect_spins(0, 0);
}

TEST(spin_credit_has_a_limit) {
	warm_up(64);
	expect_all_echoed(100);
	assert_int_equal(played.conn.spin_credit, 64);
}

static void work_comes(void) {
	if (played.recv.calls == 2 && strcmp(test_with(), "queued") == 0)
		queue_other();
	else if (played.recv.calls == 2)
		played.pool.connections = 2; // it may not wait any more
}

TEST(polling_ends_when_work_comes, .with = {"queued", "taken"}) {
	bool queued = strcmp(test_with(), "queued") == 0;
	warm_up(10);
	played.recv.next = nothing;
	played.before_recv = work_comes; // and no time passes
	expect_end(TURN_QUIET);
	expect_spins(0, 1);
	assert_int_equal(played.recv.calls, queued ? 4 : 3); // the second saw it, the last blocked
	if (queued)
		take_other();
}

static void abort_all(void) {
	if (played.recv.calls == 2)
		atomic_store(&played.echo.aborted, true);
}

TEST(polling_ends_with_the_abort) {
	warm_up(10);
	played.recv.next = nothing;
	played.before_recv = abort_all;
	assert_int_equal(run_turn(), CLOSE_drain);
	assert_int_equal(played.recv.calls, 4);
}
