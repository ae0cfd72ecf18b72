// The echo turn of a worker that does not wait for its client: what it leaves to the parking lot,
// and in which state: echo/turn.
#include "test.h"

#include "base/first_bytes.h"
#include "peer.h"
#include "played.h"

#define QUANTUM (512UL << 10)

BEFORE_EACH {
	played_begin();
	play_with_patience(0);
}

AROUND_EACH(NULL, played_finish);

// The peer says `size` bytes more, and a turn ends so: all was received, and `echoed` bytes are
// back.
static void expect_turn(size_t size, enum turn_end end, size_t echoed) {
	peer_says(size, false);
	expect_end(end);
	expect_echo(played.said, echoed);
}

TEST(it_reads_on_only_after_a_full_read) {
	expect_turn(0, TURN_QUIET, 0);
	assert_int_equal(played.recv.calls, 1);
	expect_turn(100, TURN_QUIET, 100);
	assert_int_equal(played.recv.calls, 2);
	assert_true(played.flags & MSG_DONTWAIT);
	assert_int_equal(played.polls, 0);
	assert_int_equal(played.conn.work.active_at, played.now);
	expect_turn(PLAYED_BUFFER, TURN_QUIET, 100 + PLAYED_BUFFER);
	assert_int_equal(played.recv.calls, 4);
}

// A descriptor passed along ends a recv early (unix(7)).
TEST(it_reads_on_after_a_passed_descriptor) {
	char room[CMSG_SPACE(sizeof(int))] = {0};
	char first[100];
	pattern_fill(1, 0, first, sizeof(first));
	struct msghdr message = {.msg_iov = &(struct iovec){first, sizeof(first)},
				 .msg_iovlen = 1,
				 .msg_control = room,
				 .msg_controllen = sizeof(room)};
	*CMSG_FIRSTHDR(&message) = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
	played.conn.origin.local.any.sa_family = AF_UNIX;
	assert_int_equal(sendmsg(played.pair[1], &message, 0), 100);
	played.said = 100;
	expect_turn(50, TURN_QUIET, 150);
	assert_int_equal(bytes_waiting(), 0); // nothing would come for them
}

// The end of a stream that came along with data makes no event of its own.
TEST(after_a_hang_up_it_reads_to_the_end) {
	peer_says(100, true);
	atomic_store(&played.conn.work.hung_up, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(100, 100);
}

// Out of patience: SO_RCVTIMEO.
TEST(a_peer_waited_for_in_vain_is_quiet) {
	play_with_patience(5 * NS_PER_MS);
	played.recv.next = STEPS({.limit = 100}, {.error = EAGAIN});
	expect_turn(100, TURN_QUIET, 100);
	assert_int_equal(played.recv.calls, 2);
	assert_false(played.flags & MSG_DONTWAIT);
}

// Whoever waits for it needs neither its events nor its time-out.
TEST(what_is_waited_for_is_not_parked) {
	atomic_store(&played.conn.work.state, WORK_SERVED);
	assert_true(parking_lot_park(&played.pool.lot, &played.conn.work, TIMEOUT_IDLE));
	assert_true(played.conn.work.events && played.conn.work.timeout == TIMEOUT_IDLE);
	play_with_patience(5 * NS_PER_MS);
	played.recv.next = STEPS({.error = EAGAIN});
	expect_end(TURN_QUIET);
	assert_false(played.conn.work.events || played.conn.work.timeout != TIMEOUT_NONE);
}

TEST(a_worker_with_more_to_do_does_not_wait) {
	play_with_patience(5 * NS_PER_MS);
	played.worker.more_queued = true;
	expect_end(TURN_QUIET);
	assert_true(played.flags & MSG_DONTWAIT);
	played.worker.more_queued = false;
	atomic_store(&played.pool.connections, 2); // one worker
	expect_end(TURN_QUIET);
	assert_true(played.flags & MSG_DONTWAIT);
}

TEST(what_was_not_sent_is_kept_and_sent_in_order) {
	played.send.next =
		STEPS({.limit = 10}, {.error = EAGAIN}, {.limit = 30}, {.error = EAGAIN});
	expect_turn(100, TURN_STUCK, 10);
	assert_int_equal(played.echo.unsent, 90);
	peer_says(50, false);
	expect_end(TURN_STUCK);
	expect_echo(100, 40);
	assert_int_equal(played.recv.calls, 1); // nothing is received before that is sent
	expect_turn(0, TURN_QUIET, 150);
	assert_null(played.conn.unsent.bytes);
	assert_int_equal(played.echo.unsent, 0);
	assert_int_equal(played.echo.unsent_max, 90);
	assert_int_equal(played.polls, 0);
}

TEST(a_peer_that_stays_stuck_is_waited_for_with_patience) {
	play_with_patience(5 * NS_PER_MS);
	narrow_socket();
	peer_says(32768, false);
	expect_end(TURN_STUCK);
	assert_int_equal(played_time(), 5 * NS_PER_MS);
	assert_int_equal(played.polls, 1);
	assert_int_equal(played.echo.unsent, played.conn.bytes_received - played.conn.bytes_sent);
	expect_echo(played.conn.bytes_received, played.conn.bytes_sent);
}

static void a_while_passes(void) {
	assert_int_equal(played.pool.queue.waiting, 1);
	played.now += 4 * NS_PER_MS;
}

// The patience is for each time that it waits, not for the message.
TEST(a_peer_that_reads_in_time_is_waited_for_again) {
	play_with_patience(5 * NS_PER_MS);
	played.pool.config.send_timeout = CLOCK_NEVER; // which is another time
	played.send.next = STEPS({.limit = 100}, {.error = EAGAIN}, {.limit = 100},
				 {.error = EAGAIN}, {.limit = 100}, {.error = EAGAIN});
	played.while_waiting = a_while_passes;
	expect_all_echoed(1000);
	assert_int_equal(played.polls, 3);
	assert_int_equal(played_time(), 12 * NS_PER_MS);
}

TEST(at_the_limit_of_unsent_bytes_they_stay_in_the_kernel) {
	played.echo.unsent_limit = PLAYED_BUFFER - 1;
	played.send.next = STEPS({.limit = 30}, {.error = EAGAIN}, {.error = EAGAIN}, {.limit = 5});
	peer_says(100, false);
	expect_end(TURN_STUCK);
	assert_int_equal(bytes_waiting(), 70);
	expect_echo(30, 30);
	expect_end(TURN_STUCK);
	assert_int_equal(bytes_waiting(), 70);
	assert_int_equal(counted(COUNTER_messages), 1);
	peer_says(200, false);
	atomic_store(&played.conn.work.hung_up, true); // asks until there is nothing
	expect_end(TURN_QUIET);
	assert_int_equal(bytes_waiting(), 0);
	expect_echo(300, 300);
	assert_null(played.conn.unsent.bytes);
	assert_int_equal(played.echo.unsent_max, 0);
}

TEST(what_cannot_be_sent_is_not_taken_either) {
	play_with_patience(5 * NS_PER_MS); // for which it does not wait
	played.echo.unsent_limit = 0;
	played.send.next = STEPS({.limit = 30}, {.error = EAGAIN}, {.error = EPIPE});
	peer_says(100, false);
	expect_end(TURN_STUCK);
	assert_int_equal(played.polls, 0);
	assert_int_equal(run_turn(), CLOSE_reset);
	assert_int_equal(bytes_waiting(), 70);
	expect_echo(30, 30);
}

static void lose_the_bytes(void) {
	char bytes[100];
	if (played.recv.calls == 2)
		recv(played.pair[0], bytes, sizeof(bytes), 0);
}

// What was peeked at and sent, but cannot be taken out any more, is not counted.
TEST(what_is_gone_after_the_peek_is_a_reset, .with = {"end", "nothing"}) {
	played.echo.unsent_limit = 0;
	played.before_recv = lose_the_bytes;
	played.recv.next = STEPS({.limit = 100}, {.error = EINTR});
	peer_says(100, strcmp(test_with(), "end") == 0);
	assert_int_equal(run_turn(), CLOSE_reset);
	assert_int_equal(counted(COUNTER_bytes_received), 0);
	assert_int_equal(peer_reads(200), 100);
}

TEST(room_for_one_buffer_is_room) {
	played.echo.unsent_limit = PLAYED_BUFFER;
	expect_turn(100, TURN_QUIET, 100);
	assert_false(played.flags & MSG_PEEK);
}

// A peer that reads its echo and sends on, eight quanta in all.
static void stream_on(void) {
	played.now += NS_PER_MS;
	peer_reads(PLAYED_BUFFER);
	if (played.said == 8 * QUANTUM)
		shutdown(played.pair[1], SHUT_WR);
	else
		peer_says(PLAYED_BUFFER, false);
}

static void begin_stream(uint64_t patience) {
	play_with_patience(patience);
	played.before_recv = stream_on;
}

static void expect_quantum(void) {
	uint64_t before = played.conn.bytes_sent;
	expect_end(TURN_QUANTUM);
	assert_int_equal(played.conn.bytes_sent - before, QUANTUM);
}

TEST(when_others_wait_it_has_its_quantum) {
	begin_stream(5 * NS_PER_MS);
	queue_other();
	expect_quantum();
	expect_quantum();
	take_other();
	played.worker.more_queued = true;
	expect_quantum();
	played.worker.more_queued = false;
	play_with_patience(0); // no worker leads
	expect_quantum();
	atomic_store(&played.pool.queue.leading, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	assert_int_equal(played.conn.bytes_sent, 8 * QUANTUM);
	// It was last active when its last quantum began.
	assert_true(played.now - played.conn.work.active_at <
		    2 * QUANTUM / PLAYED_BUFFER * NS_PER_MS);
}

static void say_a_byte(void) { assert_int_equal(write(played.pair[1], "x", 1), 1); }

TEST(short_messages_use_it_up_too) {
	play_with_patience(5 * NS_PER_MS);
	played.before_recv = say_a_byte;
	queue_other();
	expect_end(TURN_QUANTUM);
	take_other();
	assert_int_equal(played.recv.calls, QUANTUM / 4096);
}

// A worker keeps its client, however many wait.
TEST(without_end_of_patience_there_is_no_quantum) {
	begin_stream(CLOCK_NEVER);
	queue_other();
	struct turn turn = run_any_turn();
	take_other();
	assert_int_equal(turn.end, TURN_CLOSE);
	assert_int_equal(turn.reason, CLOSE_peer);
	assert_int_equal(played.conn.bytes_sent, 8 * QUANTUM);
}

TEST(expired_work_is_checked_once_more) {
	play_with_patience(5 * NS_PER_MS);
	played.conn.work.expired = true;
	assert_int_equal(run_turn(), CLOSE_idle);
	assert_true(played.flags & MSG_DONTWAIT); // it does not wait for that
	assert_int_equal(played.recv.calls, 1);
}

TEST(what_came_at_the_last_instant_is_served) {
	played.conn.work.expired = true;
	expect_turn(100, TURN_QUIET, 100);
	assert_false(played.conn.work.expired);
	expect_end(TURN_QUIET); // its time has begun again
}

// As the acceptor asks for it.
static void ask_for_first_bytes(void) { played.conn.unsent.bytes = played.worker.buffer; }

TEST(first_bytes_are_noted_once) {
	char bytes[FIRST_BYTES];
	pattern_fill(1, 0, bytes, sizeof(bytes));
	ask_for_first_bytes();
	expect_turn(0, TURN_QUIET, 0);
	assert_true(played.conn.first == 0 && played.conn.first_at == 0);
	played.now += 5;
	played.conn.work.expired = true;
	// There may be more, so it is not the last check.
	expect_turn(PLAYED_BUFFER, TURN_QUANTUM, PLAYED_BUFFER);
	uint64_t at = played.conn.first_at;
	assert_true(at > 0);
	for (int i = 1; i <= 2; i++, played.now += 5) {
		assert_null(played.conn.unsent.bytes);
		assert_true(played.conn.first == first_bytes_of(bytes, sizeof(bytes)));
		assert_true(played.conn.first_at == at);
		expect_turn(100, TURN_QUIET, PLAYED_BUFFER + (size_t)i * 100);
	}
}

// Where nothing may be kept they are peeked at, and then taken in pieces.
TEST(first_bytes_are_those_that_came_whatever_interrupts) {
	char bytes[FIRST_BYTES];
	pattern_fill(1, 0, bytes, sizeof(bytes));
	ask_for_first_bytes();
	played.echo.unsent_limit = 0;
	played.recv.next =
		STEPS({.limit = PLAYED_BUFFER}, {.limit = 10}, {.error = EINTR}, {.limit = 60});
	expect_turn(100, TURN_QUIET, 100);
	assert_true(played.conn.first == first_bytes_of(bytes, sizeof(bytes)));
}

TEST(first_bytes_that_do_not_come_in_time_are_an_idle_end) {
	ask_for_first_bytes();
	played.conn.work.expired = true;
	assert_int_equal(run_turn(), CLOSE_idle);
	unsent_drop(&played.echo, &played.conn); // frees nothing
	assert_null(played.conn.unsent.bytes);
}

TEST(first_bytes_that_do_not_go_out_are_kept) {
	ask_for_first_bytes();
	played.conn.work.expired = true; // also at the last check
	played.send.next = STEPS({.limit = 10}, {.error = EAGAIN, .times = 1000});
	peer_says(100, false);
	expect_end(TURN_STUCK);
	assert_int_equal(first_bytes_count(played.conn.first), FIRST_BYTES);
	assert_int_equal(played.conn.unsent.length, 90);
	played.send.next = NULL;
	expect_turn(0, TURN_QUIET, 100);
}

static void stick(void) {
	static const struct step none[] = {{.limit = 10}, {.error = EAGAIN, .times = 1000}, {0}};
	played.send.next = none;
	peer_says(100, false);
	expect_end(TURN_STUCK);
}

TEST(stuck_work_is_not_idle) {
	stick();
	played.send.next = NULL;
	played.conn.work.expired = true;
	played.now++;
	expect_turn(0, TURN_QUIET, 100);
	assert_int_equal(played.conn.work.active_at, played.now);
}

TEST(work_stuck_for_the_send_timeout_is_stalled) {
	played.unread = 1;
	stick();
	played.now += PLAYED_TIMEOUT - 1;
	expect_end(TURN_STUCK);
	played.now += 1;
	assert_int_equal(run_turn(), CLOSE_stalled);
	expect_echo(100, 10);
}

TEST(what_the_peer_acknowledges_renews_its_time) {
	played.unread = 5;
	stick();
	for (int i = 0; i < 4; i++) {
		played.now += PLAYED_TIMEOUT - 1;
		expect_end(TURN_STUCK);
	}
	assert_int_equal(played.unread, 1);
	played.now += PLAYED_TIMEOUT - 1;
	expect_end(TURN_STUCK);
	played.now += PLAYED_TIMEOUT;
	assert_int_equal(run_turn(), CLOSE_stalled);
}
