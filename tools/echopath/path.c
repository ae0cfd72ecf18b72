#include "path.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/connect.h"

#define HELLO 32	    // bytes that wake a lazy proxy
#define LAZY_AFTER NS_PER_S // without a connection at the listener

int path_listen(const struct path *path, int backlog, struct echod_error *error)
{
	struct listener *listener = path->listener;
	const struct endpoint endpoint = listener->endpoint;
	if (listener->fd < 0 && listener_bind(listener, &endpoint, false, error) != 0) {
		listener->endpoint = endpoint;
		return -1;
	}
	return listener_open(listener, backlog, error);
}

// Reads the answer to CONNECT, byte for byte, as what follows it belongs to the connection.
static const char *read_answer(const struct path *path, int fd)
{
	static char reason[120];
	char answer[1024] = "";
	size_t length = 0;
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	int timeout = clock_poll_timeout(clock_deadline(path->timeout));
	while (!strstr(answer, "\r\n\r\n")) {
		if (length + 1 == sizeof(answer) || poll(&ready, 1, timeout) <= 0 ||
		    recv(fd, &answer[length++], 1, 0) != 1)
			return "no whole answer to CONNECT";
	}
	if (strncmp(answer, "HTTP/1.", 7) == 0 && strncmp(&answer[8], " 2", 2) == 0)
		return NULL;
	answer[strcspn(answer, "\r\n")] = '\0';
	snprintf(reason, sizeof(reason), "answer to CONNECT: %.60s", answer);
	error_make_line(reason);
	return reason;
}

static const char *ask_for_server(const struct path *path, int fd)
{
	char name[ADDRESS_WRITTEN_SIZE];
	address_format(path->connect, name);
	if (dprintf(fd, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", name, name) < 0)
		return "CONNECT cannot be sent";
	return read_answer(path, fd);
}

// Waits until the connect that has begun has a result.
static const char *finish_connect(const struct path *path, const struct end *client)
{
	struct pollfd ready = {.fd = client->fd, .events = POLLOUT};
	int result = client->fd < 0 ? errno : CONNECT_LATE;
	if (client->fd >= 0 &&
	    poll(&ready, 1, clock_poll_timeout(clock_deadline(path->timeout))) > 0)
		result = connect_result(client->fd);
	if (result != 0)
		return connect_reason(result);
	return path->connect ? ask_for_server(path, client->fd) : NULL;
}

const char *path_connect(const struct path *path, struct end *client)
{
	client->fd = connect_begin(&path->target, NULL);
	return finish_connect(path, client);
}

bool path_accept(const struct path *path, struct end *server, uint64_t timeout)
{
	struct pollfd ready = {.fd = path->listener->fd, .events = POLLIN};
	if (poll(&ready, 1, clock_poll_timeout(clock_deadline(timeout))) > 0)
		server->fd = accept4(ready.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return server->fd >= 0;
}

// The bytes are part of all counts.
static bool send_hello(struct pair *pair, uint64_t timeout)
{
	end_put(&pair->client, &pair->server, HELLO);
	return play(pair, 1, timeout);
}

const char *path_open_pairs(const struct path *path, struct pair *pairs, size_t count)
{
	const char *why = NULL;
	int stray; // it came late, or from others, such as a health check
	while ((stray = accept4(path->listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(stray);
	for (size_t i = 0; i < count; i++) {
		pair_init(&pairs[i]);
		pairs[i].client.fd = connect_begin(&path->target, NULL);
	}
	for (size_t i = 0; i < count && !why; i++) {
		why = finish_connect(path, &pairs[i].client);
		if (!why && path->lazy && !send_hello(&pairs[i], path->timeout))
			why = "the first bytes could not be sent";
	}
	for (size_t i = 0; i < count && !why; i++) {
		if (!path_accept(path, &pairs[i].server, path->timeout))
			why = "connected, but no connection reached the server";
		else if (path->lazy && !play(&pairs[i], 1, path->timeout))
			why = "the first bytes did not reach the server";
	}
	return why;
}

// Connects the first time, when the address of the proxy is not known yet.
static int connect_first_time(struct path *path, struct end *client, struct echod_error *error)
{
	const struct connect_terms terms = {.timeout = path->timeout, .interrupt_fd = -1};
	path->target = path->listener->endpoint;
	client->fd = path->via ? connect_to(path->via, &terms, &path->target, error)
			       : connect_begin(&path->target, NULL);
	if (client->fd < 0 && path->via)
		return -1;
	const char *why = finish_connect(path, client);
	return why ? error_set(error, ECHOD_ERROR_SYSTEM, "cannot connect: %s", why) : 0;
}

int path_open(struct path *path, struct echod_error *error)
{
	struct pair pair;
	pair_init(&pair);
	int failed = connect_first_time(path, &pair.client, error);
	if (!failed && !path_accept(path, &pair.server, LAZY_AFTER)) {
		path->lazy = send_hello(&pair, path->timeout) &&
			     path_accept(path, &pair.server, path->timeout);
		if (!path->lazy)
			failed = error_set(error, ECHOD_ERROR_SYSTEM,
					   "connected, but no connection reached %s: does the "
					   "proxy forward to it?",
					   path->listener->name);
	}
	pair_close(&pair);
	return failed;
}
