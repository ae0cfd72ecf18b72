// The control socket and its thread: control/control. The user that the kernel names, and the time,
// are those that the test sets.
#include "expect.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include "control/control.h"
#include "ctl.h"
#include "inside.h"
#include "later.h"
#include "peer.h"
#include "place.h"
#include "process.h"

static atomic_int pretended_user; // in SO_PEERCRED; -1: the true one
static atomic_int accept_fault;	  // errno of accept4; 0: it works
static atomic_uint accept_calls;

WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length)) {
	int result = __real_getsockopt(fd, level, name, value, length);
	int user = atomic_load(&pretended_user);
	if (result == 0 && name == SO_PEERCRED && user >= 0)
		((struct ucred *)value)->uid = (uid_t)user;
	return result;
}

WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags)) {
	atomic_fetch_add(&accept_calls, 1);
	errno = atomic_load(&accept_fault);
	return errno ? -1 : __real_accept4(fd, address, length, flags);
}

static struct control control;
static const char *path;
static size_t descriptors_before;

static void prepare(void) {
	atomic_store(&later, 0);
	atomic_store(&pretended_user, -1);
	atomic_store(&accept_fault, 0);
	path = place_path("c");
	inside_begin();
	descriptors_before = open_descriptors();
}

BEFORE_EACH {
	prepare();
	struct echod_error error;
	if (control_open(&control, path, -1, &inside->server, &error) != 0 ||
	    control_start(&control, &error) != 0)
		fail_msg("%s", error.message);
}

static void tear_down(void) {
	// A drain has closed the listener, and a worker may still be about to close a connection.
	wait_until(open_descriptors() <= descriptors_before);
	inside_end();
	assert_false(place_exists(path));
}

AFTER_EACH {
	control_stop(&control);
	control_close(&control);
	tear_down();
}

// Asks on a connection of its own.
static void expect_ok(const char *line) { assert_int_equal(ctl_request(path, line, NULL), 200); }

static void expect_pong(int fd) {
	char *body;
	assert_int_equal(ctl_ask(fd, "ping", &body), 200);
	assert_string_equal(test_keep(body), "pong\n");
}

// A client that has had an answer.
static int connect_client(void) {
	int fd = ctl_connect(path);
	expect_pong(fd);
	return fd;
}

TEST(it_answers_on_a_private_socket) {
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode, S_IFSOCK | 0600);
	expect_ok("ping");
	int fd = connect_client();
	expect_pong(fd);
	close(fd);
	assert_int_equal(inside_counter(COUNTER_control_requests), 3);
	assert_int_equal(inside_counter(COUNTER_control_errors), 0);
}

TEST(other_users_are_refused) {
	atomic_store(&pretended_user, 12345);
	int fd = ctl_connect(path);
	assert_int_equal(ctl_receive(fd, NULL), 403);
	peer_expect_closed(fd);
	assert_int_equal(inside_counter(COUNTER_control_errors), 1);
	atomic_store(&pretended_user, 0); // root may, as may
	expect_ok("ping");
	atomic_store(&pretended_user, (int)geteuid());
	expect_ok("ping");
}

TEST(the_17th_client_takes_the_place_of_the_longest_silent) {
	int clients[CONTROL_MAX_CLIENTS + 2];
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		clients[i] = connect_client();
	expect_pong(clients[0]); // now client 1 has been silent the longest, then 2
	for (size_t i = CONTROL_MAX_CLIENTS; i < CONTROL_MAX_CLIENTS + 2; i++)
		clients[i] = connect_client();
	peer_expect_eof(clients[1]);
	peer_expect_eof(clients[2]);
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS + 2; i++) {
		if (i != 1 && i != 2) {
			expect_pong(clients[i]);
			close(clients[i]);
		}
	}
}

// Asks for more than the socket holds and reads nothing. Returns whether it was turned away.
static bool flood_is_turned_away(int fd) {
	for (int i = 0; i < 100; i++)
		peer_send_some(fd, "connections json\n", 17);
	char status[3];
	wait_until(peer_is_readable(fd));
	assert_int_equal(recv(fd, status, sizeof(status), MSG_PEEK | MSG_WAITALL), 3);
	return memcmp(status, "429", 3) == 0;
}

// With 64 connections a few replies fill the client's socket.
TEST(a_client_that_does_not_read_keeps_its_place_and_others_get_429) {
	int peers[64], clients[CONTROL_MAX_CLIENTS + 1];
	inside_connect(peers, COUNT_OF(peers));
	wait_until(inside_gauge(GAUGE_connections_open) == COUNT_OF(peers));
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		clients[i] = ctl_connect(path);
		assert_int_equal(flood_is_turned_away(clients[i]), i == CONTROL_MAX_CLIENTS);
	}
	assert_int_equal(ctl_receive(clients[CONTROL_MAX_CLIENTS], NULL), 429);
	// After 5 s they are closed, and there is room again.
	atomic_store(&later, 6 * NS_PER_S);
	wait_until(ctl_request(path, "ping", NULL) == 200);
	peer_close_all(clients, COUNT_OF(clients));
	peer_close_all(peers, COUNT_OF(peers));
	wait_until(inside_gauge(GAUGE_connections_open) == 0);
}

TEST(an_unfinished_line_is_answered_in_time) {
	int fd = connect_client();
	ctl_send(fd, "pin");
	// When this is answered twice, the beginning of the line has been read.
	int other = connect_client();
	expect_pong(other);
	atomic_store(&later, 6 * NS_PER_S);
	assert_int_equal(ctl_receive(fd, NULL), 408);
	peer_expect_closed(fd);
	expect_pong(other); // has 60 s
	expect_ok("ping");  // and they have begun when this is served
	atomic_store(&later, 70 * NS_PER_S);
	peer_expect_eof(other);
}

// It does not wait for anything between a client's requests, and does not poll after them.
TEST(many_requests_at_once_are_answered_at_once) {
	char lines[200 * 5 + 1] = "";
	for (int i = 0; i < 200; i++)
		memcpy(lines + 5 * (size_t)i, "ping\n", 6);
	int fd = connect_client(), silent = connect_client(), unfinished = connect_client();
	ctl_send(unfinished, "pin");
	uint64_t begun = clock_now();
	ctl_send(fd, lines);
	for (int i = 0; i < 200; i++)
		assert_int_equal(ctl_receive(fd, NULL), 200);
	assert_true(clock_now() - begun < 5 * NS_PER_S); // a step a second takes 12
	inside_expect_rest(SERVER_THREAD_STATS);
	peer_close_all((int[]){fd, silent, unfinished}, 3);
	inside_expect_rest(SERVER_THREAD_STATS);
}

TEST(counters_are_sampled_for_the_rates) {
	wait_until(inside_gauge(GAUGE_uptime_seconds) > 0);
	for (uint64_t second = 1; second <= 3; second++) {
		peer_visit(inside_address());
		atomic_store(&later, second * NS_PER_S);
		char *body;
		double rate = -1;
		assert_int_equal(ctl_request(path, "stats json", &body), 200);
		json_unpack(json_from(test_keep(body)), "{s:{s:{s:F}}}", "rates", "messages", "60s",
			    &rate);
		assert_true(rate > 0.0 && rate < 100.0);
	}
}

TEST(a_trace_that_nobody_asks_for_ends) {
	expect_ok("trace next");
	assert_non_null(trace_find(inside->server.traces, 1));
	atomic_store(&later, 6 * NS_PER_S);
	wait_until(!trace_find(inside->server.traces, 1));
}

TEST(errors_of_accept_do_not_make_it_spin) {
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EBADF};
	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		atomic_store(&accept_calls, 0);
		atomic_store(&accept_fault, errors[i]);
		uint64_t begun = clock_now();
		int fd = ctl_connect(path);
		wait_until(clock_now() - begun >= 250 * NS_PER_MS &&
			   atomic_load(&accept_calls) > 0);
		unsigned called = atomic_load(&accept_calls);
		unsigned most = 3 + (unsigned)((clock_now() - begun) / (100 * NS_PER_MS));
		if (called > most)
			fail_msg("%s: %u calls of accept4", strerrorname_np(errors[i]), called);
		atomic_store(&accept_fault, 0);
		expect_pong(fd);
		close(fd);
	}
}

TEST(it_answers_during_a_drain) {
	int client = peer_connect_served(inside_address());
	expect_ok("drain 1h");
	peer_ping(client);
	expect_ok("stats");
	expect_ok("stop");
	peer_expect_eof(client);
	wait_until(peer_is_readable(inside->server.done.fd));
	expect_ok("stats");
}

TEST(clients_are_closed_when_it_stops) {
	int clients[] = {connect_client(), connect_client()};
	control_stop(&control);
	peer_expect_eof(clients[0]);
	peer_expect_eof(clients[1]);
	assert_int_equal(control_start(&control, NULL), 0); // for the teardown to stop
}

TEST(a_live_socket_is_not_taken) {
	static struct control other;
	struct echod_error error = {0};
	int result = control_open(&other, path, -1, &inside->server, &error);
	assert_int_equal(strncmp(error.message, "cannot listen on '", 18), 0);
	assert_error(result, &error, ECHOD_ERROR_SYSTEM, "a live server is listening there");
	expect_ok("ping");
}

TEST(it_can_be_closed_without_a_start, .setup = prepare, .teardown = tear_down) {
	struct echod_error error = {0};
	assert_int_equal(control_open(&control, path, -1, &inside->server, &error), 0);
	control_close(&control);
	assert_int_equal(control_open(&control, "/nonexistent/c", -1, &inside->server, &error), -1);
	assert_contains(error.message, "No such file or directory");
}
