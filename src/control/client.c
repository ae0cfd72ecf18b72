#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/units.h"
#include "control/protocol.h"
#include "net/connect.h"

#define STATUS_LINE_SIZE 32		 // more than `STATUS LENGTH` needs
#define PIECE_LIMIT (UINT64_C(32) << 20) // bytes that follow a line
#define BODY_LIMIT (UINT64_C(1) << 30)	 // of all pieces

// One request and its limits.
struct ask {
	int fd;
	const char *path;
	uint64_t timeout;
	uint64_t deadline;
	struct echod_error *error;
};

static int fail_late(const struct ask *ask)
{
	char duration[16];
	return error_set(ask->error, ECHOD_ERROR_SYSTEM,
			 "the server at %s does not answer within %s", ask->path,
			 units_format_duration(ask->timeout, duration, sizeof(duration)));
}

static int fail_connect(const struct ask *ask, int why)
{
	if (why == CONNECT_LATE)
		return fail_late(ask);
	if (why == ENOENT || why == ECONNREFUSED)
		return error_set(ask->error, ECHOD_ERROR_SYSTEM,
				 "no server answers at %s: %s (is echod running? --control PATH "
				 "or $ECHOD_CONTROL names another socket)",
				 ask->path, connect_reason(why));
	return error_set(ask->error, ECHOD_ERROR_SYSTEM, "cannot connect to the server at %s: %s%s",
			 ask->path, connect_reason(why),
			 why == EACCES ? " (its own user and root may)" : "");
}

static int wait_for(const struct ask *ask, short events)
{
	struct pollfd pollfd = {.fd = ask->fd, .events = events};
	while (poll(&pollfd, 1, clock_poll_timeout(ask->deadline)) <= 0) {
		if (clock_now() >= ask->deadline)
			return fail_late(ask);
	}
	return 0;
}

static int send_request(const struct ask *ask, const char *request)
{
	char line[PROTOCOL_MAX_LINE + 1];
	size_t left = (size_t)snprintf(line, sizeof(line), "%s\n", request);
	for (const char *at = line; left > 0;) {
		ssize_t sent = send(ask->fd, at, left, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0) {
			at += sent;
			left -= (size_t)sent;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0; // a server that refuses us has said why before it closed
		} else if (errno != EAGAIN && errno != EINTR) {
			return error_set(ask->error, ECHOD_ERROR_SYSTEM, "cannot send to %s: %s",
					 ask->path, error_text(errno));
		} else if (wait_for(ask, POLLOUT) != 0) {
			return -1;
		}
	}
	return 0;
}

static int receive(const struct ask *ask, char *buffer, size_t length)
{
	while (length > 0) {
		ssize_t got = recv(ask->fd, buffer, length, MSG_DONTWAIT);
		if (got > 0) {
			buffer += got;
			length -= (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			return error_set(ask->error, ECHOD_ERROR_SYSTEM,
					 "the server at %s closed the connection before the end of "
					 "its reply%s%s",
					 ask->path, got == 0 ? "" : ": ",
					 got == 0 ? "" : error_text(errno));
		} else if (wait_for(ask, POLLIN) != 0) {
			return -1;
		}
	}
	return 0;
}

static int fail_line(const struct ask *ask, const char *where, const char *line)
{
	char printable[4 * STATUS_LINE_SIZE + 1];
	return error_set(ask->error, ECHOD_ERROR_SYSTEM,
			 "the program at %s is not echod: its reply %s with '%s'", ask->path, where,
			 log_escape(line, strlen(line), printable, sizeof(printable)));
}

// Reads byte by byte, so that it takes nothing after the line. The rest of a line that is too long
// stays.
static int receive_line(const struct ask *ask, char line[STATUS_LINE_SIZE + 1])
{
	size_t length = 0;
	for (; length < STATUS_LINE_SIZE; length++) {
		if (receive(ask, &line[length], 1) != 0)
			return -1;
		if (line[length] == '\n')
			break;
	}
	line[length] = '\0';
	return 0;
}

// Appends `length` bytes to the body, which has room for `*room` and grows if necessary.
static int receive_body(const struct ask *ask, struct client_reply *reply, size_t length,
			size_t *room)
{
	size_t needed = reply->length + length + 1;
	if (needed > *room) {
		*room = needed < 2 * *room ? 2 * *room : needed;
		char *body = needed <= BODY_LIMIT ? realloc(reply->body, *room) : NULL;
		if (!body)
			return error_set(ask->error, ECHOD_ERROR_SYSTEM,
					 "no memory for a reply of %zu bytes or more", needed - 1);
		reply->body = body;
	}
	if (receive(ask, reply->body + reply->length, length) != 0)
		return -1;
	reply->length += length;
	reply->body[reply->length] = '\0';
	return 0;
}

// Each piece has the time of a reply, so that a long list may take longer in all.
static int receive_pieces(struct ask *ask, struct client_reply *reply)
{
	char line[STATUS_LINE_SIZE + 1];
	uint64_t length = 1;
	size_t room = 0;
	while (length > 0) {
		ask->deadline = clock_deadline(ask->timeout);
		if (receive_line(ask, line) != 0)
			return -1;
		if (units_parse_count(line, 0, PIECE_LIMIT, &length, NULL) != 0)
			return fail_line(ask, "goes on", line);
		if (receive_body(ask, reply, (size_t)length, &room) != 0)
			return -1;
	}
	return 0;
}

static int receive_reply(struct ask *ask, struct client_reply *reply)
{
	char line[STATUS_LINE_SIZE + 1] = "";
	char digits[4] = "";
	uint64_t status;
	uint64_t length = 0;
	size_t room = 0;
	if (receive_line(ask, line) != 0)
		return -1;
	if (strlen(line) > 4 && line[3] == ' ')
		memcpy(digits, line, 3);
	bool in_pieces = strcmp(&line[4], "*") == 0;
	if (units_parse_count(digits, 100, 999, &status, NULL) != 0 ||
	    (!in_pieces && units_parse_count(&line[4], 0, PIECE_LIMIT, &length, NULL) != 0))
		return fail_line(ask, "begins", line);
	reply->status = (int)status;
	int result = in_pieces ? receive_pieces(ask, reply)
			       : receive_body(ask, reply, (size_t)length, &room);
	if (result != 0)
		client_reply_free(reply);
	return result;
}

int client_ask(const char *path, const char *request, uint64_t timeout, struct client_reply *reply,
	       struct echod_error *error)
{
	*reply = (struct client_reply){0};
	struct endpoint server;
	if (endpoint_from_path(path, &server, error) != 0)
		return -1;
	if (strlen(request) >= PROTOCOL_MAX_LINE)
		return error_set(error, ECHOD_ERROR_USAGE, "the request is longer than %d bytes",
				 PROTOCOL_MAX_LINE - 1);
	const struct connect_terms terms = {.timeout = timeout, .interrupt_fd = -1};
	struct ask ask = {
		.path = path,
		.timeout = timeout,
		.deadline = clock_deadline(timeout),
		.error = error,
	};
	int why;
	ask.fd = connect_one(&server, &terms, &why);
	if (ask.fd < 0)
		return fail_connect(&ask, why);
	int result = send_request(&ask, request);
	if (result == 0)
		result = receive_reply(&ask, reply);
	close(ask.fd);
	return result;
}

void client_reply_free(struct client_reply *reply)
{
	free(reply->body);
	*reply = (struct client_reply){0};
}
