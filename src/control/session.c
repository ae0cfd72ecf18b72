// One client of the control socket. The stats thread only.
#include "control/session.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/errno_class.h"

#define SILENCE_LIMIT (60 * NS_PER_S)
#define LINE_LIMIT (5 * NS_PER_S)
#define READ_LIMIT (5 * NS_PER_S)
#define PENDING_LIMIT (32UL << 20) // bytes of replies that may wait in all sessions
#define REQUESTS_A_STEP 16	   // answered before other clients have their turn

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

void session_end(struct session *session)
{
	drop_reply(session);
	close(session->fd);
	*session = SESSION_FREE;
}

bool session_is_idle(const struct session *session)
{
	return session->head_length == 0;
}

bool session_has_work(const struct session *session)
{
	bool complete = memchr(session->input, '\n', session->input_length) ||
			session->input_length == REQUEST_MAX_LINE ||
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

static void set_head(struct session *session, enum status status)
{
	session->head_length = (size_t)snprintf(session->head, sizeof(session->head), "%d %zu\n",
						(int)status, session->body_length);
	session->sent = 0;
}

void session_refuse(struct session *session, enum status status, const char *line)
{
	drop_reply(session);
	session->body = strdup(line);
	session->body_length = session->body ? strlen(line) : 0;
	session->closing = true;
	set_head(session, status);
}

// Sends what the socket takes. On an error the session is to be closed with nothing more to send.
static void send_reply(struct session *session)
{
	while (!session_is_idle(session)) {
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
			session->closing = true;
			drop_reply(session);
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

// Carries out the line at the start of the input and puts the reply in place.
static void answer(struct session *session, size_t length, const struct command_context *context,
		   struct thread_stats *stats, size_t pending)
{
	char *body = NULL;
	size_t body_length = 0;
	FILE *out = open_memstream(&body, &body_length);
	enum status status = STATUS_FAILED;
	if (out) {
		status = command_run(context, session->input, length, out);
		if (fclose(out) != 0)
			status = STATUS_FAILED;
	}
	session->body = body;
	session->body_length = body_length;
	if (pending + body_length > PENDING_LIMIT)
		status = STATUS_BUSY;
	if (status == STATUS_FAILED)
		session_refuse(session, status, "the server has no memory for the reply\n");
	else if (status == STATUS_BUSY)
		session_refuse(session, status, "too many bytes of replies wait to be read\n");
	else
		set_head(session, status);
	counter_add(stats, COUNTER_control_requests, 1);
	if (status != STATUS_OK)
		counter_add(stats, COUNTER_control_errors, 1);
}

// Answers the first complete line of the input, if there is one. Returns whether there was.
static bool answer_next(struct session *session, const struct command_context *context,
			struct thread_stats *stats, size_t pending)
{
	if (!session_has_work(session))
		return false;
	char *newline = memchr(session->input, '\n', session->input_length);
	if (!newline && session->input_length == REQUEST_MAX_LINE) {
		counter_add(stats, COUNTER_control_requests, 1);
		counter_add(stats, COUNTER_control_errors, 1);
		session_refuse(session, STATUS_TOO_LONG, "a request line has 1024 bytes at most\n");
		session->input_length = 0;
		return true;
	}
	size_t length = newline ? (size_t)(newline - session->input) : session->input_length;
	size_t used = newline ? length + 1 : length;
	answer(session, length, context, stats, pending);
	session->input_length -= used;
	memmove(session->input, session->input + used, session->input_length);
	session->line_begun = clock_now();
	return true;
}

// Reads what is there into the room that is left.
static void receive(struct session *session)
{
	size_t room = REQUEST_MAX_LINE - session->input_length;
	if (session->input_ended || room == 0)
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
		  struct thread_stats *stats, size_t pending)
{
	send_reply(session);
	if (session_is_idle(session) && !session->closing)
		receive(session);
	for (int i = 0; i < REQUESTS_A_STEP && session_is_idle(session) && !session->closing; i++) {
		if (!answer_next(session, context, stats, pending))
			break;
		send_reply(session);
	}
	bool over = session->closing || (session->input_ended && session->input_length == 0);
	if (over && session_is_idle(session))
		session_end(session);
}
