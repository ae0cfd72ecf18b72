// One client of the control socket, on a socketpair: control/session. Time is the real one and what
// the test adds to it.
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/session.h"
#include "ctl.h"
#include "inside.h"
#include "peer.h"

static _Atomic uint64_t later; // ns that the clock is ahead

int __real_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
	int result = __real_clock_gettime(id, time);
	time->tv_sec += (time_t)(later / NS_PER_S);
	return result;
}

static struct inside inside;
static struct rates rates;
static struct snapshot snapshot;
static struct thread_stats stats;
static struct session session;
static int client;

static int start_server(void **state)
{
	inside_configure(&inside);
	inside_start(&inside);
	return 0;
}

static int end_server(void **state)
{
	inside_end(&inside);
	return 0;
}

static int begin(void **state)
{
	int pair[2];
	memset(&stats, 0, sizeof(stats));
	later = 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	session_begin(&session, pair[0]);
	client = pair[1];
	return 0;
}

static int finish(void **state)
{
	if (session.fd >= 0)
		session_end(&session);
	close(client);
	return session.fd == -1 && !session.body ? 0 : -1;
}

static void step_with(size_t pending)
{
	struct command_context context = {&inside.server, &rates, &snapshot};
	session_step(&session, &context, &stats, pending);
	if (session.fd >= 0)
		assert_true(session.input_length <= REQUEST_MAX_LINE);
}

static void step(void)
{
	step_with(0);
}

// Steps as often as the stats thread would without waiting.
static void step_through(void)
{
	do
		step();
	while (session.fd >= 0 && session_has_work(&session));
}

static void say(const char *bytes, size_t length)
{
	assert_int_equal(send(client, bytes, length, MSG_NOSIGNAL), length);
}

static void expect_reply(int status, const char *text)
{
	char *body;
	assert_int_equal(ctl_receive(client, &body), status);
	if (!strstr(body, text))
		fail_msg("'%s' does not say '%s'", body, text);
	free(body);
}

static void expect_closed(void)
{
	assert_int_equal(session.fd, -1);
	char byte;
	ssize_t count = recv(client, &byte, 1, 0);
	assert_true(count == 0 || (count < 0 && errno == ECONNRESET));
}

static uint64_t counted(enum counter counter)
{
	return atomic_load(&stats.counter[counter]);
}

static void a_request_gets_its_reply(void **state)
{
	assert_int_equal(session_events(&session), POLLIN);
	say("ping\n", 5);
	step();
	expect_reply(200, "pong\n");
	assert_true(session_is_idle(&session));
	assert_false(session_has_work(&session));
	say("nonsense\r\n", 10);
	step();
	expect_reply(400, "unknown command 'nonsense'");
	assert_int_equal(counted(COUNTER_control_requests), 2);
	assert_int_equal(counted(COUNTER_control_errors), 1);
}

static void a_byte_at_a_time_is_a_request_too(void **state)
{
	for (const char *at = "version\n"; *at; at++) {
		assert_false(peer_is_readable(client));
		say(at, 1);
		step_through();
	}
	expect_reply(200, "echod " ECHOD_VERSION);
}

static void requests_can_be_pipelined(void **state)
{
	for (int i = 0; i < 100; i++)
		say(i % 2 ? "ping\n" : "log x\n", i % 2 ? 5 : 6);
	say("pi", 2);
	step_through();
	for (int i = 0; i < 100; i++)
		expect_reply(i % 2 ? 200 : 400, i % 2 ? "pong" : "'x'");
	assert_false(peer_is_readable(client));
	say("ng\n", 3);
	step_through();
	expect_reply(200, "pong");
	assert_int_equal(counted(COUNTER_control_requests), 101);
}

// Others have their turn between the requests of one.
static void a_step_answers_a_few_only(void **state)
{
	for (int i = 0; i < 100; i++)
		say("ping\n", 5);
	step();
	assert_true(counted(COUNTER_control_requests) <= 16);
	assert_true(session_has_work(&session));
}

static void the_longest_line_has_1024_bytes(void **state)
{
	char line[1024];
	memset(line, ' ', sizeof(line));
	memcpy(line, "ping", 4);
	line[1023] = '\n';
	say(line, sizeof(line));
	step_through();
	expect_reply(200, "pong");
}

static void a_longer_line_is_refused(void **state)
{
	char line[1025];
	memset(line, 'x', sizeof(line));
	line[1024] = '\n';
	say(line, sizeof(line));
	step_through();
	expect_reply(413, "1024");
	expect_closed();
	assert_int_equal(counted(COUNTER_control_requests), 1);
	assert_int_equal(counted(COUNTER_control_errors), 1);
}

static void an_endless_line_is_refused_at_its_1024th_byte(void **state)
{
	for (int i = 0; i < 1024; i++) {
		assert_true(session.fd >= 0);
		say("x", 1);
		step_through();
	}
	expect_reply(413, "1024");
	expect_closed();
}

static void nul_bytes_are_refused_and_nothing_else_is_lost(void **state)
{
	say("pi\0ng\nping\n\0\n", 13);
	step_through();
	expect_reply(400, "NUL");
	expect_reply(200, "pong");
	expect_reply(400, "NUL");
}

static void after_half_close_all_is_answered(void **state)
{
	for (int i = 0; i < 40; i++)
		say("ping\n", 5);
	say("version", 7);
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	for (int i = 0; i < 100 && session.fd >= 0; i++)
		step();
	for (int i = 0; i < 40; i++)
		expect_reply(200, "pong");
	expect_reply(200, "echod ");
	expect_closed();
}

static void a_client_that_only_comes_and_goes_is_closed(void **state)
{
	assert_int_equal(shutdown(client, SHUT_WR), 0);
	step();
	expect_closed();
	assert_int_equal(counted(COUNTER_control_requests), 0);
}

static void a_client_that_vanishes_is_closed(void **state)
{
	say("ping\nping\nstats\n", 16);
	close(client);
	for (int i = 0; i < 10 && session.fd >= 0; i++)
		step();
	assert_int_equal(session.fd, -1);
	client = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

// Asks for big replies and reads none of them.
static void flood(void)
{
	for (int i = 0; i < 1000; i++) {
		ssize_t sent = send(client, "stats json\n", 11, MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_true(sent == 11 || (sent < 0 && errno == EAGAIN));
		step();
	}
}

static void a_client_that_never_reads_is_bounded(void **state)
{
	flood();
	assert_false(session_is_idle(&session));
	assert_int_equal(session_events(&session), POLLOUT); // it is not listened to
	assert_true(session.body_length < 65536);	     // one reply
	uint64_t answered = counted(COUNTER_control_requests);
	flood();
	assert_int_equal(counted(COUNTER_control_requests), answered);
	// What was answered is whole.
	for (uint64_t i = 0; i < answered; i++) {
		if (i + 1 == answered)
			step();
		expect_reply(200, "\"schema\": 1");
		step();
	}
}

static void expect_deadline(uint64_t begun, uint64_t seconds)
{
	uint64_t deadline = session_deadline(&session);
	assert_true(deadline >= begun + seconds * NS_PER_S);
	assert_true(deadline <= clock_now() + seconds * NS_PER_S);
}

static void who_says_nothing_has_60_seconds(void **state)
{
	uint64_t begun = clock_now();
	say("ping\n", 5);
	step();
	expect_reply(200, "pong");
	expect_deadline(begun, 60);
	later = 60 * NS_PER_S;
	assert_true(clock_now() >= session_deadline(&session));
	session_expire(&session, &stats);
	expect_closed(); // without a word: there was no request
}

static void who_does_not_finish_a_line_has_5_seconds(void **state)
{
	uint64_t begun = clock_now();
	say("pin", 3);
	step();
	expect_deadline(begun, 5);
	session_expire(&session, &stats);
	expect_reply(408, "not finished");
	expect_closed();
	assert_int_equal(counted(COUNTER_control_requests), 1);
	assert_int_equal(counted(COUNTER_control_errors), 1);
}

static void who_dribbles_a_line_has_5_seconds_too(void **state)
{
	uint64_t begun = clock_now();
	say("p", 1);
	step();
	uint64_t deadline = session_deadline(&session);
	later = 4 * NS_PER_S;
	say("i", 1);
	step();
	assert_true(session_deadline(&session) == deadline);
	assert_true(deadline >= begun + 5 * NS_PER_S);
}

static void who_does_not_read_has_5_seconds(void **state)
{
	uint64_t begun = clock_now();
	flood();
	expect_deadline(begun, 5);
	session_expire(&session, &stats);
	assert_int_equal(session.fd, -1);
}

static void who_reads_slowly_is_not_cut(void **state)
{
	flood();
	later = 4 * NS_PER_S;
	char bytes[65536];
	do // until the socket takes some again
		assert_true(recv(client, bytes, sizeof(bytes), 0) > 0);
	while (poll(&(struct pollfd){.fd = session.fd, .events = POLLOUT}, 1, 0) == 0);
	uint64_t begun = clock_now();
	step();
	expect_deadline(begun, 5);
}

static void too_many_unread_bytes_are_refused(void **state)
{
	say("ping\n", 5);
	step_with(32UL << 20);
	expect_reply(503, "too many bytes");
	expect_closed();
	assert_int_equal(counted(COUNTER_control_requests), 1);
	assert_int_equal(counted(COUNTER_control_errors), 1);
}

static void random_bytes_are_survived(void **state)
{
	uint64_t seed = 6;
	static const char likely[] = "ping\n \r\0x\nstats help";
	for (int i = 0; i < 3000; i++) {
		if (session.fd < 0) {
			close(client);
			begin(state);
		}
		char bytes[300] = {0};
		size_t length = (size_t)pattern_number(&seed, 1, sizeof(bytes));
		for (size_t at = 0; at < length; at++)
			bytes[at] = likely[pattern_number(&seed, 0, sizeof(likely) - 1)];
		send(client, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		step();
		char replies[4096];
		while (recv(client, replies, sizeof(replies), 0) > 0)
			;
	}
}

#define SESSION(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SESSION(a_request_gets_its_reply),
		SESSION(a_byte_at_a_time_is_a_request_too),
		SESSION(requests_can_be_pipelined),
		SESSION(a_step_answers_a_few_only),
		SESSION(the_longest_line_has_1024_bytes),
		SESSION(a_longer_line_is_refused),
		SESSION(an_endless_line_is_refused_at_its_1024th_byte),
		SESSION(nul_bytes_are_refused_and_nothing_else_is_lost),
		SESSION(after_half_close_all_is_answered),
		SESSION(a_client_that_only_comes_and_goes_is_closed),
		SESSION(a_client_that_vanishes_is_closed),
		SESSION(a_client_that_never_reads_is_bounded),
		SESSION(who_says_nothing_has_60_seconds),
		SESSION(who_does_not_finish_a_line_has_5_seconds),
		SESSION(who_dribbles_a_line_has_5_seconds_too),
		SESSION(who_does_not_read_has_5_seconds),
		SESSION(who_reads_slowly_is_not_cut),
		SESSION(too_many_unread_bytes_are_refused),
		SESSION(random_bytes_are_survived),
	};
	return cmocka_run_group_tests(tests, start_server, end_server);
}
