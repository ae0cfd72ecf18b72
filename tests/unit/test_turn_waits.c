// The echo turn that has to wait: readers slow and stuck, a kernel out of buffers, the abort:
// echo/turn.
#include "expect.h"

#include "played.h"

static void fill_up(void) {
	narrow_socket();
	peer_says(32768, true);
}

// At its send time-out, in made-up time.
static void expect_stall(void) {
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_in_range(played_time(), PLAYED_TIMEOUT, PLAYED_TIMEOUT * 9 / 8 + NS_PER_MS);
}

AROUND_EACH(played_begin, played_finish);

TEST(a_stuck_reader_is_aborted_at_the_send_timeout) {
	fill_up();
	expect_stall();
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
	assert_true(played.conn.bytes_sent < 32768);
}

// The peer takes a little just before it would be aborted: so much that poll takes note.
static void read_a_little(void) {
	played.now += PLAYED_TIMEOUT - NS_PER_MS;
	assert_true(peer_reads(8192) > 0);
}

TEST(a_slow_reader_is_never_aborted) {
	fill_up();
	played.while_waiting = read_a_little;
	assert_int_equal(run_turn(), CLOSE_peer);
	assert_true(played_time() > 2 * PLAYED_TIMEOUT);
	expect_echo(32768, 32768);
}

// A peer that takes so little that poll never says so is seen by what it has acknowledged; once
// that stands still it has its time.
TEST(a_reader_too_slow_for_poll_is_not_aborted) {
	played.send.next = STEPS({.limit = 10}, {.error = EAGAIN, .times = 100000});
	narrow_socket();
	char full[8192];
	while (__real_socket_send(played.pair[0], full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	played.recv.next = STEPS({.limit = 100});
	peer_says(100, true);
	played.unread = 1000;
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_int_equal(played.unread, 1);
	assert_in_range(played_time(), 999 * PLAYED_TIMEOUT / 8, 999 * PLAYED_TIMEOUT / 7);
}

TEST(without_buffers_it_tries_again) {
	played.send.next =
		STEPS({.error = ENOBUFS, .times = 3}, {.limit = 10}, {.error = ENOMEM, .times = 2});
	expect_all_echoed(100);
	assert_int_equal(played.polls, 5);
	assert_int_equal(played_time(), 50 * NS_PER_MS);
}

static const struct shortage {
	const char *name;
	int error;
} shortages[] = {{"ENOBUFS", ENOBUFS}, {"ENOMEM", ENOMEM}};

TEST_ROWS(without_buffers_for_too_long_it_is_stalled, const struct shortage *shortage, shortages) {
	played.send.next = STEPS({.limit = 10}, {.error = shortage->error, .times = 1000});
	peer_says(100, true);
	expect_stall();
	assert_true(played.send.calls < 20);
	expect_echo(100, 10);
}

static void time_passes(void) { played.now += NS_PER_MS; }

// TCP under memory pressure: poll says that there is room, send that there is none.
TEST(room_that_is_none_is_a_stall_too) {
	played.send.next = STEPS({.error = EAGAIN, .times = 1000}, {.error = EIO});
	played.always_writable = true;
	played.while_waiting = time_passes;
	peer_says(100, true);
	expect_stall();
	assert_true(played.send.calls < 30); // 10 ms after each room that is none
}

static void abort_all(void) {
	atomic_store(&played.echo.aborted, true);
	waker_wake(&played.echo.abort_waker);
	shutdown(played.pair[0], SHUT_RD);
}

TEST(a_turn_that_is_aborted_before_it_begins_does_nothing) {
	peer_says(100, true);
	abort_all();
	assert_int_equal(run_turn(), CLOSE_drain);
	expect_echo(0, 0);
	assert_int_equal(played.recv.calls, 0);
}

static void *abort_from_outside(void *argument) {
	abort_all();
	return NULL;
}

TEST(a_turn_that_receives_can_be_aborted) {
	played.now = 0;
	peer_says(100, false);
	// It blocks in recv, or is about to, or has not begun: all have to end the same way.
	pthread_t thread = thread_begin(abort_from_outside, NULL);
	assert_int_equal(run_turn(), CLOSE_drain);
	thread_end(thread);
	assert_int_equal(played.conn.bytes_received, played.conn.bytes_sent);
}

TEST(a_turn_that_waits_to_send_can_be_aborted) {
	fill_up();
	played.while_waiting = abort_all;
	assert_int_equal(run_turn(), CLOSE_drain);
	assert_int_equal(played_time(), 0); // at once
	assert_int_equal(played.polls, 1);
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
}

TEST(a_turn_that_waits_for_buffers_can_be_aborted) {
	played.send.next = STEPS({.error = ENOBUFS, .times = 1000});
	peer_says(100, false);
	played.while_waiting = abort_all;
	assert_int_equal(run_turn(), CLOSE_drain);
	assert_int_equal(played_time(), 0);
	expect_echo(100, 0);
}
