// The echo turn: exact bytes, and what each error ends it with: echo/turn.
#include "test.h"

#include "played.h"

AROUND_EACH(played_begin, played_finish);

TEST(all_comes_back_until_the_peer_ends) {
	played.conn.work.active_at = 1;
	played.echo.unsent_limit = 0; // a worker that waits keeps nothing
	expect_all_echoed(10000);
	assert_int_equal(counted(COUNTER_messages), 3); // 4096, 4096, 1808
	assert_int_equal(played.conn.work.active_at, played.now);
	assert_int_equal(played.polls, 0);
	assert_false(played.flags & MSG_PEEK);
}

TEST(a_byte_at_a_time_is_exact) {
	played.recv.next = played.send.next = STEPS({.limit = 1, .times = 1000000});
	expect_all_echoed(200); // each byte takes a buffer of the kernel's
	assert_int_equal(counted(COUNTER_messages), 200);
	assert_int_equal(played.send.calls, 200);
}

TEST(short_sends_go_on_where_they_stopped) {
	played.send.next =
		STEPS({.limit = 1}, {.limit = 4000}, {.limit = 7}, {.limit = 4096}, {.limit = 2});
	expect_all_echoed(10000);
}

TEST(interruptions_change_nothing) {
	played.recv.next = STEPS({.error = EINTR, .times = 3}, {.limit = 100}, {.error = EINTR},
				 {.limit = 900}, {.error = EINTR, .times = 2});
	played.send.next = STEPS({.error = EINTR, .times = 5}, {.limit = 50}, {.error = EINTR});
	expect_all_echoed(1000);
}

struct fault {
	const char *name;
	int error;
	enum close_reason reason;
};

#define FAULT(error, reason) \
	{ #error, error, reason }

static const struct fault recv_faults[] = {
	FAULT(EAGAIN, CLOSE_idle), // SO_RCVTIMEO
	FAULT(ECONNRESET, CLOSE_reset),	    FAULT(EPIPE, CLOSE_reset),
	FAULT(ENOTCONN, CLOSE_reset),	    FAULT(ECONNABORTED, CLOSE_reset),
	FAULT(EHOSTUNREACH, CLOSE_timeout), FAULT(ETIMEDOUT, CLOSE_timeout),
	FAULT(EBADF, CLOSE_error),	    FAULT(EIO, CLOSE_error),
};

TEST_ROWS(a_failed_recv_ends_it_with_its_reason, const struct fault *fault, recv_faults) {
	played.recv.next = STEPS({.limit = 100}, {.error = fault->error});
	peer_says(500, false);
	assert_int_equal(run_turn(), fault->reason);
	expect_echo(100, 100);
}

static const struct fault send_faults[] = {
	FAULT(ECONNRESET, CLOSE_reset),	 FAULT(EPIPE, CLOSE_reset),
	FAULT(ENOTCONN, CLOSE_reset),	 FAULT(ENETUNREACH, CLOSE_timeout),
	FAULT(ETIMEDOUT, CLOSE_timeout), FAULT(EBADF, CLOSE_error),
	FAULT(EMSGSIZE, CLOSE_error),
};

TEST_ROWS(a_failed_send_ends_it_with_its_reason, const struct fault *fault, send_faults) {
	played.send.next = STEPS({.limit = 30}, {.error = fault->error});
	peer_says(100, true);
	assert_int_equal(run_turn(), fault->reason);
	expect_echo(100, 30);
}
