// The echo turn that has to wait: readers slow and stuck, a kernel out of buffers, the abort:
// echo/turn.
#include "test.h"

#include <pthread.h>

#include "peer.h"
#include "played.h"

// A socket that takes a few KiB and then no more, as when the peer does not read.
static void fill_up(void) {
	int small = 4608;
	setsockopt(played.pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	peer_says(32768, true);
}

FIXTURE(played_begin, played_finish);

TEST(a_stuck_reader_is_aborted_at_the_send_timeout) {
	fill_up();
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_true(played.now - before >= PLAYED_TIMEOUT);
	assert_true(played.now - before < 2 * PLAYED_TIMEOUT);
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
	assert_true(played.conn.bytes_sent < 32768);
}

TEST(a_stuck_reader_is_aborted_in_real_time_too) {
	fill_up();
	played.now = 0;
	uint64_t before = clock_now();
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_true(clock_now() - before >= PLAYED_TIMEOUT);
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
}

static size_t taken;

// The peer takes a little just before it would be aborted: so much that poll takes note.
static void read_a_little(void) {
	played.now += PLAYED_TIMEOUT - NS_PER_MS;
	char bytes[8192];
	char expected[8192];
	ssize_t count = read(played.pair[1], bytes, sizeof(bytes));
	assert_true(count > 0);
	pattern_fill(1, taken, expected, (size_t)count);
	assert_memory_equal(bytes, expected, (size_t)count);
	taken += (size_t)count;
}

TEST(a_slow_reader_is_never_aborted) {
	fill_up();
	taken = 0;
	played.while_waiting = read_a_little;
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_peer);
	assert_true(played.now - before > 2 * PLAYED_TIMEOUT);
	assert_int_equal(played.conn.bytes_sent, 32768);
	while (taken < 32768)
		read_a_little();
}

// A peer that takes so little that poll never says so is seen by what it has acknowledged; once
// that stands still it has its time.
TEST(a_reader_too_slow_for_poll_is_not_aborted) {
	const struct step forever[] = {{.limit = 10}, {.error = EAGAIN, .times = 100000}, {0}};
	played.send.next = forever;
	int small = 4608;
	setsockopt(played.pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	char full[8192];
	while (__real_send(played.pair[0], full, sizeof(full), MSG_DONTWAIT) > 0)
		;
	played.recv.next = (const struct step[]){{.limit = 100}, {0}};
	peer_says(100, true);
	played.unread = 1000;
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_int_equal(played.unread, 1);
	assert_true(played.now - before >= 10 * PLAYED_TIMEOUT);
	assert_true(played.now - before < 1000 * PLAYED_TIMEOUT);
}

TEST(without_buffers_it_tries_again) {
	played.send.next = (const struct step[]){
		{.error = ENOBUFS, .times = 3}, {.limit = 10}, {.error = ENOMEM, .times = 2}, {0}};
	peer_says(100, true);
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(100, 100);
	assert_int_equal(played.polls, 5);
	assert_int_equal(played.now - before, 50 * NS_PER_MS);
}

static void expect_stall(int error) {
	const struct step forever[] = {{.limit = 10}, {.error = error, .times = 1000}, {0}};
	played.send.next = forever;
	peer_says(100, true);
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_true(played.now - before >= PLAYED_TIMEOUT);
	assert_true(played.now - before < 2 * PLAYED_TIMEOUT);
	assert_true(played.send.calls < 20);
	expect_echo(100, 10);
}

TEST(without_buffers_for_too_long_it_is_stalled) {
	expect_stall(ENOBUFS);
}

TEST(without_memory_for_too_long_it_is_stalled) {
	expect_stall(ENOMEM);
}

static void time_passes(void) {
	played.now += NS_PER_MS;
}

// TCP under memory pressure: poll says that there is room, send that there is none.
TEST(room_that_is_none_is_a_stall_too) {
	const struct step forever[] = {{.error = EAGAIN, .times = 1000}, {.error = EIO}, {0}};
	played.send.next = forever;
	played.always_writable = true;
	played.while_waiting = time_passes;
	peer_says(100, true);
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_stalled);
	assert_true(played.now - before >= PLAYED_TIMEOUT &&
		    played.now - before < 2 * PLAYED_TIMEOUT);
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
	pthread_t thread;
	// It blocks in recv, or is about to, or has not begun: all have to end the same way.
	assert_int_equal(pthread_create(&thread, NULL, abort_from_outside, NULL), 0);
	assert_int_equal(run_turn(), CLOSE_drain);
	pthread_join(thread, NULL);
	assert_int_equal(played.conn.bytes_received, played.conn.bytes_sent);
}

TEST(a_turn_that_waits_to_send_can_be_aborted) {
	fill_up();
	played.while_waiting = abort_all;
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_drain);
	assert_int_equal(played.now, before); // at once
	assert_int_equal(played.polls, 1);
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
}

TEST(a_turn_that_waits_for_buffers_can_be_aborted) {
	const struct step forever[] = {{.error = ENOBUFS, .times = 1000}, {0}};
	played.send.next = forever;
	peer_says(100, false);
	played.while_waiting = abort_all;
	uint64_t before = played.now;
	assert_int_equal(run_turn(), CLOSE_drain);
	assert_int_equal(played.now, before);
	expect_echo(100, 0);
}
