#include "control/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/units.h"
#include "net/errno_class.h"

#define SILENCE_LIMIT (60 * NS_PER_S)
#define LINE_LIMIT (5 * NS_PER_S)
#define READ_LIMIT (5 * NS_PER_S)
#define LIST_PIECE_SIZE (64L << 10) // bytes after which a piece of a list is full
#define REQUESTS_A_STEP 16	    // requests answered before other clients have their turn

void session_begin(struct session *session, int fd)
{
	*session = SESSION_FREE;
	session->fd = fd;
	session->active_at = clock_now();
}

static void drop_reply(struct session *session)
{
	free(session->body);
	session->body = NULL;
	session->head_length = session->body_length = session->sent = 0;
}

// Ends the session without sending more.
static void give_up(struct session *session)
{
	drop_reply(session);
	session->list = (struct list){0};
	session->closing = true;
}

void session_end(struct session *session)
{
	drop_reply(session);
	shutdown(session->fd, SHUT_RDWR); // a child process may hold it, too
	close(session->fd);
	*session = SESSION_FREE;
}

static bool has_bytes(const struct session *session)
{
	return session->head_length > 0;
}

bool session_is_idle(const struct session *session)
{
	return !has_bytes(session) && !list_goes_on(&session->list);
}

bool session_has_work(const struct session *session)
{
	bool complete = memchr(session->input, '\n', session->input_length) ||
			session->input_length == PROTOCOL_MAX_LINE ||
			(session->input_ended && session->input_length > 0);
	return session_is_idle(session) && complete;
}

short session_events(const struct session *session)
{
	if (!session_is_idle(session))
		return POLLOUT;
	return session->input_ended ? 0 : POLLIN;
}

uint64_t session_deadline(const struct session *session)
{
	if (!session_is_idle(session))
		return session->active_at + READ_LIMIT;
	if (session->input_length)
		return session->line_begun + LINE_LIMIT;
	return session->active_at + SILENCE_LIMIT;
}

// Prepares a reply, or the first piece of a list that goes on after it.
static void set_reply(struct session *session, enum status status, char *body, size_t length)
{
	session->body = body;
	session->body_length = length;
	session->head_length =
		(size_t)snprintf(session->head, sizeof(session->head), "%d %s%zu\n", (int)status,
				 list_goes_on(&session->list) ? "*\n" : "", length);
	session->sent = 0;
}

void session_refuse(struct session *session, enum status status, const char *line)
{
	give_up(session);
	char *body = strdup(line);
	set_reply(session, status, body, body ? strlen(line) : 0);
}

// Sends as much as the socket takes. After an error the session has nothing to send and closes.
static void send_reply(struct session *session)
{
	while (has_bytes(session)) {
		size_t in_head =
			session->sent < session->head_length ? session->sent : session->head_length;
		size_t in_body = session->sent - in_head;
		struct iovec parts[] = {
			{session->head + in_head, session->head_length - in_head},
			{session->body + in_body, session->body_length - in_body},
		};
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = session->body ? 2 : 1};
		ssize_t count = sendmsg(session->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			if (errno_classify(errno) == ERRNO_TRY_AGAIN)
				return;
			give_up(session);
			return;
		}
		session->active_at = clock_now();
		session->sent += (size_t)count;
		if (session->sent == session->head_length + session->body_length)
			drop_reply(session);
	}
}

void session_expire(struct session *session, struct thread_stats *stats)
{
	if (session_is_idle(session) && session->input_length) {
		counter_add(stats, COUNTER_control_requests, 1);
		counter_add(stats, COUNTER_control_errors, 1);
		session_refuse(session, STATUS_TIMED_OUT,
			       "the request line was not finished in time\n");
		send_reply(session);
	}
	session_end(session);
}

// Writes as much of the list, if any, as fits into a piece. Returns the length of the piece.
static size_t write_piece(struct list *list, struct server *server, FILE *out)
{
	while (list_goes_on(list) && ftell(out) < LIST_PIECE_SIZE)
		list_write(list, server, out);
	return (size_t)ftell(out);
}

// Prepares the next piece: `LENGTH\n` and that many bytes; `0\n` follows the last piece. A
// truncated reply lacks it.
static void next_piece(struct session *session, struct server *server)
{
	struct list *list = &session->list;
	size_t length = 0;
	FILE *out = open_memstream(&session->body, &session->body_length);
	if (out) {
		length = write_piece(list, server, out);
		if (!list_goes_on(list) && length > 0)
			fputs("0\n", out);
	}
	if (!out || fclose(out) != 0 || list->failed)
		give_up(session);
	else
		session->head_length =
			(size_t)snprintf(session->head, sizeof(session->head), "%zu\n", length);
}

// Carries out the line at the start of the input and prepares the reply.
static void answer(struct session *session, size_t length, const struct command_context *context,
		   struct thread_stats *stats)
{
	struct command_context with_list = *context;
	with_list.list = &session->list;
	char *body = NULL;
	size_t body_length = 0;
	FILE *out = open_memstream(&body, &body_length);
	enum status status = STATUS_FAILED;
	if (out) {
		status = command_run(&with_list, session->input, length, out);
		write_piece(&session->list, context->server, out);
		if (fclose(out) != 0 || session->list.failed)
			status = STATUS_FAILED;
	}
	if (status == STATUS_FAILED) {
		free(body);
		session_refuse(session, status, "the server has no memory for the reply\n");
	} else {
		set_reply(session, status, body, body_length);
	}
	counter_add(stats, COUNTER_control_requests, 1);
	if (status != STATUS_OK && status != STATUS_NOT_READY && status != STATUS_ENDED)
		counter_add(stats, COUNTER_control_errors, 1);
}

// Answers the first complete line of the input, if there is one. Returns whether there was.
static bool answer_next(struct session *session, const struct command_context *context,
			struct thread_stats *stats)
{
	if (!session_has_work(session))
		return false;
	char *newline = memchr(session->input, '\n', session->input_length);
	if (!newline && session->input_length == PROTOCOL_MAX_LINE) {
		counter_add(stats, COUNTER_control_requests, 1);
		counter_add(stats, COUNTER_control_errors, 1);
		session_refuse(
			session, STATUS_TOO_LONG,
			"a request line has " UNITS_TEXT(PROTOCOL_MAX_LINE) " bytes at most\n");
		session->input_length = 0;
		return true;
	}
	size_t length = newline ? (size_t)(newline - session->input) : session->input_length;
	size_t used = newline ? length + 1 : length;
	answer(session, length, context, stats);
	session->input_length -= used;
	memmove(session->input, session->input + used, session->input_length);
	session->line_begun = clock_now();
	return true;
}

// Reads as much as there is and fits.
static void receive(struct session *session)
{
	size_t room = PROTOCOL_MAX_LINE - session->input_length;
	ensure(room > 0); // a full line has been answered
	if (session->input_ended)
		return;
	ssize_t count =
		recv(session->fd, session->input + session->input_length, room, MSG_DONTWAIT);
	if (count > 0) {
		session->active_at = clock_now();
		if (session->input_length == 0)
			session->line_begun = session->active_at;
		session->input_length += (size_t)count;
	} else if (count == 0) {
		session->input_ended = true;
	} else if (errno_classify(errno) != ERRNO_TRY_AGAIN && errno != EINTR) {
		session->closing = true;
	}
}

void session_step(struct session *session, const struct command_context *context,
		  struct thread_stats *stats)
{
	send_reply(session);
	if (list_goes_on(&session->list) && !has_bytes(session)) {
		next_piece(session, context->server);
		send_reply(session);
	}
	if (session_is_idle(session) && !session->closing)
		receive(session);
	for (int i = 0; i < REQUESTS_A_STEP && session_is_idle(session) && !session->closing; i++) {
		if (!answer_next(session, context, stats))
			break;
		send_reply(session);
	}
	bool over = session->closing || (session->input_ended && session->input_length == 0);
	if (over && session_is_idle(session))
		session_end(session);
}
