// The echo turn: exact bytes, and what each error ends it with: echo/turn.
#include "test.h"

#include "played.h"

FIXTURE(played_begin, played_finish);

TEST(all_comes_back_until_the_peer_ends) {
	peer_says(10000, true);
	played.conn.work.active_at = 1;
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(10000, 10000);
	assert_int_equal(counted(COUNTER_messages), 3); // 4096, 4096, 1808
	assert_int_equal(played.conn.work.active_at, played.now);
	assert_int_equal(played.polls, 0);
}

TEST(a_peer_that_says_nothing_gets_nothing) {
	peer_says(0, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(0, 0);
	assert_int_equal(counted(COUNTER_messages), 0);
}

TEST(a_byte_at_a_time_is_exact) {
	const struct step one[] = {{.limit = 1, .times = 1000000}, {0}};
	played.recv.next = one;
	played.send.next = one;
	peer_says(200, true); // each byte takes a buffer of the kernel's
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(200, 200);
	assert_int_equal(counted(COUNTER_messages), 200);
	assert_int_equal(played.send.calls, 200);
}

TEST(short_sends_go_on_where_they_stopped) {
	played.send.next = (const struct step[]){{.limit = 1},	  {.limit = 4000}, {.limit = 7},
						 {.limit = 4096}, {.limit = 2},	   {0}};
	peer_says(10000, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(10000, 10000);
}

TEST(interruptions_change_nothing) {
	played.recv.next = (const struct step[]){{.error = EINTR, .times = 3},
						 {.limit = 100},
						 {.error = EINTR},
						 {.limit = 900},
						 {.error = EINTR, .times = 2},
						 {0}};
	played.send.next = (const struct step[]){
		{.error = EINTR, .times = 5}, {.limit = 50}, {.error = EINTR}, {0}};
	peer_says(1000, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(1000, 1000);
}

struct fault {
	int error;
	enum close_reason reason;
};

static const struct fault recv_faults[] = {
	{EAGAIN, CLOSE_idle}, // SO_RCVTIMEO
	{ECONNRESET, CLOSE_reset},   {EPIPE, CLOSE_reset},	  {ENOTCONN, CLOSE_reset},
	{ECONNABORTED, CLOSE_reset}, {EHOSTUNREACH, CLOSE_reset}, {ETIMEDOUT, CLOSE_timeout},
	{EBADF, CLOSE_error},	     {EIO, CLOSE_error},
};

static const struct fault send_faults[] = {
	{ECONNRESET, CLOSE_reset},  {EPIPE, CLOSE_reset},	{ENOTCONN, CLOSE_reset},
	{ENETUNREACH, CLOSE_reset}, {ETIMEDOUT, CLOSE_timeout}, {EBADF, CLOSE_error},
	{EMSGSIZE, CLOSE_error},
};

TEST(a_failed_recv_ends_it_with_its_reason) {
	for (size_t i = 0; i < COUNT_OF(recv_faults); i++) {
		const struct step script[] = {{.limit = 100}, {.error = recv_faults[i].error}, {0}};
		played_begin();
		played.recv.next = script;
		peer_says(500, false);
		assert_int_equal(run_turn(), recv_faults[i].reason);
		expect_echo(100, 100);
		played_finish();
	}
	played_begin();
}

TEST(a_failed_send_ends_it_with_its_reason) {
	for (size_t i = 0; i < COUNT_OF(send_faults); i++) {
		const struct step script[] = {{.limit = 30}, {.error = send_faults[i].error}, {0}};
		played_begin();
		played.send.next = script;
		peer_says(100, true);
		assert_int_equal(run_turn(), send_faults[i].reason);
		expect_echo(100, 30);
		played_finish();
	}
	played_begin();
}

TEST(a_full_socket_is_waited_for) {
	played.send.next = (const struct step[]){
		{.limit = 10}, {.error = EAGAIN}, {.limit = 10}, {.error = EAGAIN}, {0}};
	peer_says(100, true);
	assert_int_equal(run_turn(), CLOSE_peer);
	expect_echo(100, 100);
	assert_int_equal(played.polls, 2);
}
