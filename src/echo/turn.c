// The echo turn. Worker threads.
#include "echo/turn.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/errno_class.h"

// How long to wait before sending again when the kernel is out of buffers.
#define MEMORY_PAUSE (10 * NS_PER_MS)

enum step {
	STEP_GO_ON,
	STEP_END, // the turn has ended, for the reason given
};

static bool is_cut(const struct turn_tools *tools)
{
	return atomic_load_explicit(&tools->cut->now, memory_order_acquire);
}

// What an error of recv or send, other than "not now", says about the connection.
static enum close_reason reason_of(int number)
{
	switch (errno_classify(number)) {
	case ERRNO_PEER_GONE:
	case ERRNO_NETWORK:
		return CLOSE_reset;
	case ERRNO_TIMED_OUT:
		return CLOSE_timeout;
	default:
		return CLOSE_error;
	}
}

// Waits until the socket takes data again. Ends the turn when the peer has taken none until
// `deadline`, or when all is cut.
static enum step wait_to_send(const struct conn *conn, const struct turn_tools *tools,
			      uint64_t deadline, bool short_of_memory, enum close_reason *reason)
{
	struct pollfd fds[] = {
		{.fd = tools->cut->waker.fd, .events = POLLIN},
		{.fd = conn->origin.fd, .events = POLLOUT},
	};
	// Out of buffers, the socket may well be writable: wait for the time alone.
	nfds_t count = short_of_memory ? 1 : 2;
	uint64_t until = short_of_memory ? clock_deadline(MEMORY_PAUSE) : deadline;
	int ready = poll(fds, count, clock_poll_timeout(until));
	if (is_cut(tools))
		*reason = CLOSE_drain;
	else if (ready <= 0 && clock_now() >= deadline)
		*reason = CLOSE_stalled;
	else
		return STEP_GO_ON;
	return STEP_END;
}

// Deals with a send that took nothing: waits if it is worth it.
static enum step after_failed_send(const struct conn *conn, const struct turn_tools *tools,
				   uint64_t deadline, enum close_reason *reason)
{
	switch (errno_classify(errno)) {
	case ERRNO_INTERRUPTED:
		return STEP_GO_ON;
	case ERRNO_TRY_AGAIN:
		return wait_to_send(conn, tools, deadline, false, reason);
	case ERRNO_NO_MEMORY:
		return wait_to_send(conn, tools, deadline, true, reason);
	default:
		*reason = is_cut(tools) ? CLOSE_drain : reason_of(errno);
		return STEP_END;
	}
}

// Sends all of `length` bytes of the buffer. The deadline moves on with each byte that the peer
// takes, so a slow reader is not cut and a stuck one is; SO_SNDTIMEO could not tell them apart.
static enum step send_all(struct conn *conn, const struct turn_tools *tools, size_t length,
			  enum close_reason *reason)
{
	size_t sent = 0;
	uint64_t deadline = 0; // set when the peer first makes us wait
	while (sent < length) {
		ssize_t count = send(conn->origin.fd, tools->buffer + sent, length - sent,
				     MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count >= 0) {
			sent += (size_t)count;
			conn_count(&conn->bytes_sent, (uint64_t)count);
			counter_add(tools->stats, COUNTER_bytes_sent, (uint64_t)count);
			deadline = 0;
			continue;
		}
		int why = errno;
		if (deadline == 0)
			deadline = clock_deadline(tools->send_timeout);
		errno = why;
		if (after_failed_send(conn, tools, deadline, reason) == STEP_END)
			return STEP_END;
	}
	return STEP_GO_ON;
}

// Deals with a recv that returned no data: `count` is 0 or -1.
static enum step after_empty_recv(const struct conn *conn, const struct turn_tools *tools,
				  ssize_t count, enum close_reason *reason)
{
	if (count < 0 && errno_classify(errno) == ERRNO_INTERRUPTED)
		return STEP_GO_ON;
	if (is_cut(tools)) {
		*reason = CLOSE_drain; // the end of stream is of our own making
	} else if (count == 0) {
		// What came in has gone out: the law that this server can hold itself to.
		ensure(conn_all_echoed(conn));
		*reason = CLOSE_peer;
	} else {
		*reason = errno_classify(errno) == ERRNO_TRY_AGAIN ? CLOSE_idle : reason_of(errno);
	}
	return STEP_END;
}

static void count_received(struct conn *conn, const struct turn_tools *tools, size_t count)
{
	conn_count(&conn->bytes_received, count);
	atomic_store_explicit(&conn->active_at, clock_now_coarse(), memory_order_relaxed);
	counter_add(tools->stats, COUNTER_messages, 1);
	counter_add(tools->stats, COUNTER_bytes_received, count);
}

struct turn echo_turn(struct conn *conn, const struct turn_tools *tools)
{
	enum close_reason reason = CLOSE_drain;
	while (!is_cut(tools)) {
		ssize_t count = recv(conn->origin.fd, tools->buffer, tools->buffer_size, 0);
		if (count > 0) {
			count_received(conn, tools, (size_t)count);
			if (send_all(conn, tools, (size_t)count, &reason) == STEP_END)
				break;
		} else if (after_empty_recv(conn, tools, count, &reason) == STEP_END) {
			break;
		}
	}
	return (struct turn){.end = TURN_CLOSE, .reason = reason};
}
