#include "path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/connect.h"
#include "net/errno_class.h"

#define LAZY_AFTER NS_PER_S	 // without a connection at the far end
#define SETTLED (20 * NS_PER_MS) // a connection that is somebody else's has ended by then
#define MOST_STRAYS 20
#define BETWEEN_MS 50 // two tries

// Reads the answer to CONNECT, byte for byte, as what follows it belongs to the connection.
static const char *read_answer(int fd, uint64_t deadline)
{
	static char reason[120];
	char answer[1024] = "";
	size_t length = 0;
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	while (!strstr(answer, "\r\n\r\n")) {
		if (length + 1 == sizeof(answer) ||
		    poll(&ready, 1, clock_poll_timeout(deadline)) <= 0 ||
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

static const char *ask_for_server(const struct path *path, int fd, uint64_t deadline)
{
	char name[ADDRESS_WRITTEN_SIZE];
	address_format(path->connect, name);
	if (dprintf(fd, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", name, name) < 0)
		return "CONNECT cannot be sent";
	return read_answer(fd, deadline);
}

static void begin_connect(const struct path *path, struct end *client)
{
	end_take(client, connect_begin(&path->target, NULL));
	enum errno_class class = errno_classify(errno);
	if (client->fd < 0 &&
	    (class == ERRNO_NO_DESCRIPTORS || class == ERRNO_NO_MEMORY || errno == EADDRNOTAVAIL))
		far_fail(path->far, error_text(errno));
}

// Waits until the connect that has begun has a result.
static const char *finish_connect(const struct path *path, struct end *client, uint64_t deadline)
{
	struct pollfd ready = {.fd = client->fd, .events = POLLOUT};
	int result = client->fd < 0 ? errno : CONNECT_LATE;
	if (client->fd >= 0 && poll(&ready, 1, clock_poll_timeout(deadline)) > 0)
		result = connect_result(client->fd);
	client->moved_at = clock_now();
	if (result != 0)
		return connect_reason(result);
	return path->connect ? ask_for_server(path, client->fd, deadline) : NULL;
}

const char *path_connect(const struct path *path, struct end *client)
{
	begin_connect(path, client);
	return finish_connect(path, client, clock_deadline(path->timeout));
}

// Waits for a connection at the far end that stays: others come from health checks.
static bool settle(struct pair *pair, uint64_t timeout)
{
	for (int i = 0; i < MOST_STRAYS && play(pair, 1, timeout); i++) {
		play_for(pair, 1, SETTLED);
		if (pair->server.ending == ENDING_NONE)
			return true;
		pair_claim(pair, pair->server.far, true);
	}
	return false;
}

const char *path_open_pairs(const struct path *path, struct pair *pairs, size_t count,
			    enum hello hello)
{
	const char *why = NULL;
	bool named = hello == HELLO_FIRST || (hello == HELLO_IF_LAZY && path->lazy);
	for (size_t i = 0; i < count; i++) {
		pair_init(&pairs[i]);
		pair_claim(&pairs[i], path->far, !named);
	}
	play_for(pairs, count, 0);
	uint64_t deadline = clock_deadline(path->timeout);
	for (size_t i = 0; i < count; i++)
		begin_connect(path, &pairs[i].client);
	for (size_t i = 0; i < count; i++) {
		const char *reason = finish_connect(path, &pairs[i].client, deadline);
		if (!reason && named && !pair_hello(&pairs[i]))
			reason = "the first bytes could not be sent";
		if (reason)
			pair_close(&pairs[i]);
		why = why ? why : reason;
	}
	if (named)
		(void)play(pairs, count, path->timeout);
	else if (!why && !settle(pairs, path->timeout))
		why = "connected, but no connection reached the server";
	for (size_t i = 0; i < count; i++) {
		if (pairs[i].server.accepted)
			continue;
		pair_close(&pairs[i]);
		why = why ? why : "connected, but the first bytes did not reach the server";
	}
	return why;
}

const char *path_recover(const struct path *path, struct pair *pair, uint64_t timeout)
{
	const char *why;
	uint64_t deadline = clock_deadline(timeout);
	while ((why = path_open_pairs(path, pair, 1, HELLO_FIRST)) && clock_now() < deadline) {
		pair_close(pair);
		(void)poll(NULL, 0, BETWEEN_MS);
	}
	return why;
}

int path_open(struct path *path, struct echod_error *error)
{
	struct pair pair;
	struct path hasty;
	const struct connect_terms terms = {.timeout = path->timeout, .interrupt_fd = -1};
	path->target = path->far->endpoint;
	int fd = path->via ? connect_to(path->via, &terms, &path->target, error) : -1;
	if (path->via && fd < 0)
		return -1;
	if (path->via)
		close(fd);
	const char *why = path_recover(path, &pair, path->timeout);
	pair_close(&pair);
	if (why)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "no connection to %s: %s: does the proxy forward to it?",
				 path->far->name, why);
	hasty = *path;
	hasty.timeout = LAZY_AFTER;
	path->lazy = path_open_pairs(&hasty, &pair, 1, HELLO_NEVER) != NULL;
	pair_close(&pair);
	return 0;
}
