// One client of the control socket, on a socketpair, for its tests. One thread.
#include "session_case.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl.h"

struct inside session_server;
struct session session;
int session_client;

static struct rates rates;
static struct snapshot snapshot;
static struct thread_stats stats;

int session_start_server(void **state)
{
	inside_configure(&session_server);
	session_server.config.max_connections = SESSION_MOST_CONNECTIONS;
	inside_start(&session_server);
	return 0;
}

int session_end_server(void **state)
{
	inside_end(&session_server);
	return 0;
}

int session_set_up(void **state)
{
	int pair[2];
	memset(&stats, 0, sizeof(stats));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	session_begin(&session, pair[0]);
	session_client = pair[1];
	return 0;
}

int session_tear_down(void **state)
{
	if (session.fd >= 0)
		session_end(&session);
	close(session_client);
	return session.fd == -1 && !session.body ? 0 : -1;
}

void session_do_step(void)
{
	struct command_context context = {
		.server = &session_server.server, .rates = &rates, .snapshot = &snapshot};
	session_step(&session, &context, &stats);
	assert_true(session.body_length < SESSION_MOST_BYTES);
	if (session.fd >= 0)
		assert_true(session.input_length <= PROTOCOL_MAX_LINE);
}

void session_say(const char *bytes, size_t length)
{
	assert_int_equal(send(session_client, bytes, length, MSG_NOSIGNAL), length);
}

void session_expect_reply(int status, const char *text)
{
	char *body;
	assert_int_equal(ctl_receive(session_client, &body), status);
	if (!strstr(body, text))
		fail_msg("'%s' does not say '%s'", body, text);
	free(body);
}

uint64_t session_counted(enum counter counter)
{
	return atomic_load(&stats.counter[counter]);
}

void session_do_expire(void)
{
	session_expire(&session, &stats);
}
