// Polling before blocking: when it is tried, when it ends, what it counts: echo/turn.
#include "test.h"

#include "played.h"

#define SPIN (50 * NS_PER_US)

static const struct step nothing[] = {{.error = EAGAIN, .times = 100000}, {0}};

static void time_passes(void) {
	played.now += 10 * NS_PER_US;
}

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

FIXTURE(played_begin, played_finish);

TEST(polling_that_finds_something_is_a_hit) {
	warm_up(1);
	played.recv.next =
		(const struct step[]){{.error = EAGAIN, .times = 3}, {.limit = 100}, {0}};
	peer_says(100, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(100, 100);
	assert_int_equal(played.recv.calls, 5);
	expect_spins(2, 0); // the data, then the end
	assert_int_equal(played.conn.spin_credit, 3);
}

TEST(polling_in_vain_ends_and_blocks) {
	warm_up(10);
	played.recv.next = nothing;
	uint64_t before = played.now;
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	expect_spins(0, 1);
	assert_true(played.now - before >= SPIN && played.now - before <= 2 * SPIN);
	assert_false(played.flags & MSG_DONTWAIT); // the last one blocked
	assert_int_equal(played.conn.spin_credit, 2);
}

TEST(after_misses_it_is_not_tried_again) {
	warm_up(8);
	played.recv.next = nothing;
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	assert_int_equal(played.conn.spin_credit, 0);
	unsigned calls = played.recv.calls;
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	assert_int_equal(played.recv.calls, calls + 1);
	expect_spins(0, 1);
}

TEST(who_is_cold_is_not_polled_for) {
	warm_up(0);
	played.recv.next = nothing;
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	assert_int_equal(played.recv.calls, 1);
	assert_false(played.flags & MSG_DONTWAIT);
	expect_spins(0, 0);
}

TEST(who_answers_soon_warms_up) {
	warm_up(0);
	played.recv.next =
		(const struct step[]){{.limit = 100}, {.error = EAGAIN, .times = 1000}, {0}};
	peer_says(100, false);
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	expect_spins(0, 1); // after the first answer it was tried
}

TEST(who_answers_late_stays_cold) {
	warm_up(0);
	played.pool.config.spin = 10 * NS_PER_US; // as long as a recv takes here
	played.recv.next = (const struct step[]){{.limit = 100}, {.error = EAGAIN}, {0}};
	peer_says(100, false);
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	assert_int_equal(played.conn.spin_credit, 0);
	expect_spins(0, 0);
}

TEST(without_a_spin_nothing_warms_up) {
	warm_up(0);
	played.pool.config.spin = 0;
	played.before_recv = NULL; // answers take no time at all
	peer_says(100, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	assert_int_equal(played.conn.spin_credit, 0);
	expect_spins(0, 0);
}

TEST(spin_credit_has_a_limit) {
	warm_up(64);
	peer_says(100, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	assert_int_equal(played.conn.spin_credit, 64);
}

static void expect_no_spin(void) {
	played.recv.next = nothing;
	unsigned calls = played.recv.calls;
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	assert_int_equal(played.recv.calls, calls + 1);
	expect_spins(0, 0);
}

static struct work other;

static void take_other(void) {
	struct work *works[1];
	unsigned count;
	assert_int_equal(work_queue_take(&played.pool.queue, &played.worker.sleeper, works, &count),
			 NEXT_SERVE);
}

TEST(while_work_is_queued_nobody_polls) {
	warm_up(10);
	work_queue_push(&played.pool.queue, &other);
	expect_no_spin();
	take_other();
}

TEST(enough_who_poll_are_enough) {
	warm_up(10);
	atomic_store(&played.pool.polling, 1); // somebody else
	expect_no_spin();
	atomic_store(&played.pool.polling, 0);
	played.pool.polling_max = 0;
	expect_no_spin();
}

TEST(who_may_not_wait_does_not_poll) {
	warm_up(10);
	play_with_patience(0);
	expect_no_spin();
	assert_true(played.flags & MSG_DONTWAIT);
}

static void work_comes(void) {
	if (played.recv.calls == 2)
		work_queue_push(&played.pool.queue, &other);
}

TEST(polling_ends_when_work_comes) {
	warm_up(10);
	played.recv.next = nothing;
	played.before_recv = work_comes; // and no time passes
	assert_int_equal(run_any_turn().end, TURN_QUIET);
	expect_spins(0, 1);
	assert_int_equal(played.recv.calls, 4); // the third saw it, the fourth blocked
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
