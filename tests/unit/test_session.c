// One client of the control socket, on a socketpair: control/session. The clock is the real one,
// and `later` is added to it.
#include "session_case.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "ctl.h"
#include "expect.h"
#include "later.h"
#include "peer.h"
#include "process.h"
#include "stats.h"

AROUND_ALL(session_start_server, inside_end);

BEFORE_EACH {
	later = 0;
	session_set_up();
}

AROUND_EACH(NULL, session_tear_down);

// The client sends, then the session steps as often as the stats thread would without waiting.
static void say(const char *bytes, size_t length) {
	session_say(bytes, length);
	do
		session_do_step();
	while (session.fd >= 0 && session_has_work(&session));
}

static void say_pings(int count) {
	for (int i = 0; i < count; i++)
		session_say("ping\n", 5);
}

static void expect_closed(void) {
	assert_int_equal(session.fd, -1);
	char byte;
	ssize_t count = recv(session_client, &byte, 1, 0);
	assert_true(count == 0 || (count < 0 && errno == ECONNRESET));
}

TEST(a_request_gets_its_reply) {
	assert_int_equal(session_events(&session), POLLIN);
	session_ask("ping\n");
	session_expect_reply(200, "pong\n");
	assert_true(session_is_idle(&session));
	assert_false(session_has_work(&session));
	session_ask("nonsense\r\n");
	session_expect_reply(400, "unknown command 'nonsense'");
	session_expect_counted(2, 1);
}

TEST(a_byte_at_a_time_is_a_request_too) {
	for (const char *at = "version\n"; *at; at++) {
		assert_false(peer_is_readable(session_client));
		say(at, 1);
	}
	session_expect_reply(200, "echod " ECHOD_VERSION);
}

TEST(requests_can_be_pipelined) {
	for (int i = 0; i < 100; i++)
		session_say(i % 2 ? "ping\n" : "log x\n", i % 2 ? 5 : 6);
	say("pi", 2);
	for (int i = 0; i < 100; i++)
		session_expect_reply(i % 2 ? 200 : 400, i % 2 ? "pong" : "'x'");
	assert_false(peer_is_readable(session_client));
	say("ng\n", 3);
	session_expect_reply(200, "pong");
	session_expect_counted(101, 50);
}

// Others have their turn between the requests of one.
TEST(a_step_answers_a_few_only) {
	say_pings(100);
	session_do_step();
	assert_true(session_requests() <= 16);
	assert_true(session_has_work(&session));
}

TEST(the_longest_line_has_1024_bytes) {
	char line[1025];
	memset(line, ' ', sizeof(line));
	memcpy(line, "ping", 4);
	line[1023] = '\n';
	say(line, 1024);
	session_expect_reply(200, "pong");
	memset(line, 'x', sizeof(line));
	line[1024] = '\n';
	say(line, sizeof(line));
	session_expect_reply(413, "1024");
	expect_closed();
	session_expect_counted(2, 1);
}

TEST(an_endless_line_is_refused_at_its_1024th_byte) {
	for (int i = 0; i < 1024; i++) {
		assert_true(session.fd >= 0);
		say("x", 1);
	}
	session_expect_reply(413, "1024");
	expect_closed();
}

TEST(nul_bytes_are_refused_and_nothing_else_is_lost) {
	say("pi\0ng\nping\n\0\n", 13);
	session_expect_reply(400, "NUL");
	session_expect_reply(200, "pong");
	session_expect_reply(400, "NUL");
}

TEST(after_half_close_all_is_answered) {
	say_pings(40);
	session_say("version", 7);
	assert_int_equal(shutdown(session_client, SHUT_WR), 0);
	session_do_step();
	session_do_step();
	assert_int_equal(session_events(&session), 0); // it waits for nothing: there is more to do
	for (int i = 0; i < 100 && session.fd >= 0; i++)
		session_do_step();
	for (int i = 0; i < 40; i++)
		session_expect_reply(200, "pong");
	session_expect_reply(200, "echod ");
	expect_closed();
}

TEST(a_client_that_only_comes_and_goes_is_closed) {
	assert_int_equal(shutdown(session_client, SHUT_WR), 0);
	session_do_step();
	expect_closed();
	session_expect_counted(0, 0);
}

TEST(a_client_that_vanishes_is_closed, .with = {"ping\nping\nstats\n", ""}) {
	session_ask("ping\n"); // it does not read the reply
	session_say(test_with(), strlen(test_with()));
	session_leave();
}

TEST(not_to_be_ready_and_the_end_of_a_trace_are_no_errors) {
	atomic_store(&inside->server.draining, true);
	session_ask("ready\n");
	atomic_store(&inside->server.draining, false);
	session_expect_reply(503, "not ready: draining");
	session_ask("trace next\n");
	session_expect_reply(200, "connection 1\n");
	peer_visit(inside_address());
	wait_until(inside_counter(COUNTER_connections_closed_peer) == 1);
	session_ask("trace 1\n");
	session_expect_reply(410, "closed: peer");
	session_expect_counted(3, 0);
}

TEST(after_half_close_the_last_reply_goes_out_whole) {
	static char bytes[65536];
	const int small = 4608;
	size_t length = 0;
	bool was_held_up = false;
	say_pings(16); // as many as a step answers
	session_ask("stats json\nstats json\nstats json\n");
	assert_int_equal(shutdown(session_client, SHUT_WR), 0);
	setsockopt(session.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	for (int i = 0; i < 100 && session.fd >= 0; i++) {
		session_do_step();
		was_held_up |= session.input_ended && session.input_length == 0;
		ssize_t count = recv(session_client, bytes + length, sizeof(bytes) - length, 0);
		length += count > 0 ? (size_t)count : 0;
	}
	assert_true(was_held_up);
	expect_closed();
	assert_memory_equal(bytes + length - 3, "\n}\n", 3);
}

// Asks for big replies and reads none of them.
static void flood(void) {
	for (int i = 0; i < 1000; i++) {
		ssize_t sent =
			send(session_client, "stats json\n", 11, MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_true(sent == 11 || (sent < 0 && errno == EAGAIN));
		session_do_step();
	}
}

TEST(a_client_that_never_reads_is_bounded) {
	flood();
	assert_false(session_is_idle(&session) || session_has_work(&session));
	assert_int_equal(session_events(&session), POLLOUT); // the session reads no more from it
	assert_true(session.body_length < 65536);	     // one reply
	uint64_t answered = session_requests();
	flood();
	assert_int_equal(session_requests(), answered);
	// The replies are whole.
	for (uint64_t i = 0; i < answered; i++) {
		if (i + 1 == answered)
			session_do_step();
		session_expect_reply(200, "\"schema\": 1");
		session_do_step();
	}
}

static void expect_deadline(uint64_t begun, uint64_t seconds) {
	uint64_t deadline = session_deadline(&session);
	assert_true(deadline >= begun + seconds * NS_PER_S);
	assert_true(deadline <= clock_now() + seconds * NS_PER_S);
}

TEST(a_silent_client_has_60_seconds) {
	uint64_t begun = clock_now();
	session_ask("ping\n");
	session_expect_reply(200, "pong");
	expect_deadline(begun, 60);
	later = 60 * NS_PER_S;
	assert_true(clock_now() >= session_deadline(&session));
	session_do_expire();
	expect_closed(); // without a word: there was no request
}

TEST(a_line_has_5_seconds_however_it_dribbles) {
	uint64_t begun = clock_now();
	session_ask("pi");
	expect_deadline(begun, 5);
	uint64_t deadline = session_deadline(&session);
	later = 4 * NS_PER_S;
	session_ask("n");
	assert_true(session_deadline(&session) == deadline);
	session_do_expire();
	session_expect_reply(408, "not finished");
	expect_closed();
	session_expect_counted(1, 1);
}

TEST(a_line_after_another_has_its_own_5_seconds) {
	session_ask("pi");
	later = 4 * NS_PER_S;
	uint64_t begun = clock_now();
	session_ask("ng\nver");
	session_expect_reply(200, "pong");
	expect_deadline(begun, 5);
}

TEST(a_client_that_does_not_read_has_5_seconds_from_its_last_byte) {
	uint64_t begun = clock_now();
	flood();
	expect_deadline(begun, 5);
	later = 4 * NS_PER_S;
	char bytes[65536];
	do // until the socket takes some again
		assert_true(recv(session_client, bytes, sizeof(bytes), 0) > 0);
	while (poll(&(struct pollfd){.fd = session.fd, .events = POLLOUT}, 1, 0) == 0);
	begun = clock_now();
	session_do_step();
	expect_deadline(begun, 5);
	flood();
	session_do_expire();
	assert_int_equal(session.fd, -1);
}

TEST(random_bytes_are_survived) {
	uint64_t seed = 6;
	static const char likely[] = "ping\n \r\0x\nstats help";
	for (int i = 0; i < 3000; i++) {
		if (session.fd < 0) {
			close(session_client);
			session_set_up();
		}
		char bytes[300] = {0};
		size_t length = (size_t)pattern_number(&seed, 1, sizeof(bytes));
		for (size_t at = 0; at < length; at++)
			bytes[at] = likely[pattern_number(&seed, 0, sizeof(likely) - 1)];
		send(session_client, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		session_do_step();
		char replies[4096];
		while (recv(session_client, replies, sizeof(replies), 0) > 0)
			;
	}
}

// The body of the reply to a list.
static const char *listed(const char *request) {
	char *body;
	session_ask(request);
	assert_int_equal(ctl_receive(session_client, &body), 200);
	return test_keep(body);
}

// A socket file whose name has two lines.
static const struct conn_origin somebody = {.fd = -1,
					    .peer.any = {.sa_family = AF_UNIX},
					    .peer_user = 7,
					    .local.any = {.sa_family = AF_UNIX},
					    .local_name = "unix:a\nb"};

static const struct shown {
	const char *name; // how it is shown: since when it is there and active, bytes
	uint64_t age, idle, received, sent;
} shown[] = {
	{" 10h +3m +999 +1\\.0K", 36000, 180, 999, 1000},
	{" 2h +99m +99\\.9K +100K", 6000, 5940, 102300, 102400},
	{" 2m +95\\.[0-9]s +999K +1\\.0M", 110, 95, 1022975, 1024000},
};

TEST_ROWS(a_row_has_its_times_and_sizes, const struct shown *row, shown) {
	struct conn_origin origin = somebody;
	origin.accepted_at = clock_now();
	struct conn *conn = conn_table_add(&inside->server.conns, &origin);
	conn->work.active_at = origin.accepted_at + (row->age - row->idle) * NS_PER_S;
	conn->bytes_received = row->received;
	conn->bytes_sent = row->sent;
	later = row->age * NS_PER_S;
	const char *text = listed("connections\n");
	assert_true(matches(text, test_text(" unix user 7 +unix:a.b +queued +%s\n", row->name)));
	assert_int_equal(process_count_lines(text), 2);
	const json_t *list =
		json_object_get(json_from(listed("connections json\n")), "connections");
	const json_t *object = json_array_get(list, 0);
	assert_int_equal(json_object_size(object), 9);
	assert_in_range(stats_number(object, "age_seconds"), row->age, row->age + 20);
	assert_in_range(stats_number(object, "idle_seconds"), row->idle, row->idle + 20);
	assert_int_equal(stats_get(object, "bytes_received"), row->received);
	assert_int_equal(stats_get(object, "bytes_sent"), row->sent);
	conn_table_remove(&inside->server.conns, conn);
}

TEST(each_fact_of_an_end_has_its_place) {
	struct ledger_entry entry = {
		.info = {.origin = somebody, .bytes_received = 7, .bytes_sent = 6, .first = 0xab04},
		.reason = CLOSE_stalled,
		.own_end = LEDGER_END_RST,
		.tcp = {1, 2, 3, 4 * NS_PER_MS, 5 * NS_PER_MS, 6 * NS_PER_MS, 7 * NS_PER_MS,
			8 * NS_PER_MS},
		.faults = {.count[INJECT_flip] = 1, .last = "flip", .last_at = 9},
	};
	uint64_t accepted = inside->server.started_at + 2 * NS_PER_S;
	inside->server.start_time = 1000 * NS_PER_S;
	entry.info.origin.accepted_at = accepted;
	entry.info.first_at = accepted + NS_PER_S;
	entry.info.active_at = accepted + 3 * NS_PER_S;
	entry.closed_at = accepted + 5 * NS_PER_S;
	ledger_add(&inside->server.ledger, &entry);
	assert_true(matches(listed("ledger\n"),
			    "unix:a.b +server +stalled +- +RST +5\\.0s +7 +6 +4000 +3\n$"));
	assert_contains(
		listed("ledger json\n"),
		"\"listener\": \"unix:a\\nb\", \"accepted_time_seconds\": 1002.0, "
		"\"first_byte_seconds\": 1.0, \"last_byte_seconds\": 3.0, \"closed_seconds\": 5.0, "
		"\"bytes_received\": 7, \"bytes_sent\": 6, \"first_bytes\": 4, "
		"\"first_hash\": \"000000000000ab\", \"ended_by\": \"server\", \"reason\": "
		"\"stalled\", "
		"\"peer_end\": null, \"own_end\": \"RST\", \"faults\": {\"flip\": 1}, "
		"\"fault\": \"flip\", \"fault_offset\": 9, \"unread_bytes\": 1, "
		"\"unacknowledged_bytes\": 2, \"retransmits\": 3, \"rtt_seconds\": 0.004, "
		"\"rtt_min_seconds\": 0.005, \"busy_seconds\": 0.006, "
		"\"rwnd_limited_seconds\": 0.007, \"sndbuf_limited_seconds\": 0.008}");
}
