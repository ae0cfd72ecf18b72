// One client of the control socket, on a socketpair, for its tests. One thread.
#include "session_case.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "ctl.h"

struct session session;
int session_client;

static struct rates rates;
static struct snapshot snapshot;
static struct thread_stats stats;

void session_start_server(void) {
	inside_configure();
	inside->config.max_connections = SESSION_MOST_CONNECTIONS;
	inside_start();
}

void session_set_up(void) {
	int pair[2];
	memset(&stats, 0, sizeof(stats));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
			 0);
	session_begin(&session, pair[0]);
	session_client = pair[1];
}

void session_tear_down(void) {
	if (session.fd >= 0)
		session_end(&session);
	close(session_client);
	assert_true(session.fd == -1 && !session.body);
}

void session_do_step(void) {
	struct command_context context = {
		.server = &inside->server, .rates = &rates, .snapshot = &snapshot};
	session_step(&session, &context, &stats);
	assert_true(session.body_length < SESSION_MOST_BYTES);
	if (session.fd >= 0)
		assert_true(session.input_length <= PROTOCOL_MAX_LINE);
}

void session_say(const char *bytes, size_t length) {
	assert_int_equal(send(session_client, bytes, length, MSG_NOSIGNAL), length);
}

void session_ask(const char *text) {
	session_say(text, strlen(text));
	session_do_step();
}

void session_expect_reply(int status, const char *text) {
	char *body;
	assert_int_equal(ctl_receive(session_client, &body), status);
	assert_contains(body, text);
	free(body);
}

void session_leave(void) {
	close(session_client);
	for (int i = 0; i < 10 && session.fd >= 0; i++)
		session_do_step();
	assert_int_equal(session.fd, -1);
	session_client = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

uint64_t session_requests(void) { return atomic_load(&stats.counter[COUNTER_control_requests]); }

void session_expect_counted(uint64_t requests, uint64_t errors) {
	assert_int_equal(session_requests(), requests);
	assert_int_equal(atomic_load(&stats.counter[COUNTER_control_errors]), errors);
}

void session_do_expire(void) { session_expire(&session, &stats); }
