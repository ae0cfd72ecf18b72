// The echo turn. Worker threads.
#include "echo/turn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/errno_class.h"
#include "net/poll_until.h"

// How long to wait before sending again when the kernel is out of buffers.
#define MEMORY_PAUSE (10 * NS_PER_MS)

// How often a stuck peer is looked at within --send-timeout: it is cut at most so much of it late.
#define STALL_LOOKS 8

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

// A send that has to wait, and how its peer gets on.
struct stall {
	uint64_t deadline; // when the peer will have taken nothing for too long
	int queued;	   // bytes the peer's side has not acknowledged, the least that was seen
	bool was_ready;	   // the socket last said that it takes data
};

static int unacknowledged(const struct conn *conn)
{
	int bytes = 0;
	ioctl(conn->origin.fd, SIOCOUTQ, &bytes); // tcp(7), unix(7)
	return bytes;
}

// The peer has taken something: its time starts anew.
static void stall_restart(struct stall *stall, int queued, const struct turn_tools *tools)
{
	stall->queued = queued;
	stall->was_ready = false;
	stall->deadline = clock_deadline(tools->send_timeout);
}

// Waits until the socket takes data again, the peer may have got on, or all is cut. Ends the turn
// when the peer has taken nothing for too long. A socket polls writable only when a third of its
// buffer is free, which a slow reader may not achieve in time; so what it has acknowledged counts.
static enum step wait_to_send(const struct conn *conn, const struct turn_tools *tools,
			      struct stall *stall, bool short_of_memory, enum close_reason *reason)
{
	struct pollfd fds[] = {
		{.fd = tools->cut->waker.fd, .events = POLLIN},
		{.fd = conn->origin.fd, .events = POLLOUT},
	};
	// Out of buffers, the socket may well be writable: wait for the time alone.
	nfds_t count = short_of_memory ? 1 : 2;
	uint64_t look =
		clock_deadline(short_of_memory ? MEMORY_PAUSE : tools->send_timeout / STALL_LOOKS);
	int ready = poll_until(fds, count, look < stall->deadline ? look : stall->deadline);
	if (is_cut(tools)) {
		*reason = CLOSE_drain;
		return STEP_END;
	}
	stall->was_ready = ready > 0 && !short_of_memory;
	if (stall->was_ready)
		return STEP_GO_ON;
	int queued = unacknowledged(conn);
	if (queued < stall->queued) {
		stall_restart(stall, queued, tools);
	} else if (clock_now() >= stall->deadline) {
		*reason = CLOSE_stalled;
		return STEP_END;
	}
	return STEP_GO_ON;
}

// Deals with a send that failed with `number`: waits if that can help.
static enum step after_failed_send(const struct conn *conn, const struct turn_tools *tools,
				   int number, struct stall *stall, enum close_reason *reason)
{
	switch (errno_classify(number)) {
	case ERRNO_INTERRUPTED:
		return STEP_GO_ON;
	case ERRNO_TRY_AGAIN:
		// Under memory pressure TCP polls writable and takes nothing.
		return wait_to_send(conn, tools, stall, stall->was_ready, reason);
	case ERRNO_NO_MEMORY:
		return wait_to_send(conn, tools, stall, true, reason);
	default:
		*reason = is_cut(tools) ? CLOSE_drain : reason_of(number);
		return STEP_END;
	}
}

// Sends all of `length` bytes of the buffer, however long the peer takes, as long as it takes any.
static enum step send_all(struct conn *conn, const struct turn_tools *tools, size_t length,
			  enum close_reason *reason)
{
	struct stall stall;
	bool stalled = false;
	for (size_t sent = 0; sent < length;) {
		ssize_t count = send(conn->origin.fd, tools->buffer + sent, length - sent,
				     MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count >= 0) {
			sent += (size_t)count;
			conn_count(&conn->bytes_sent, (uint64_t)count);
			counter_add(tools->stats, COUNTER_bytes_sent, (uint64_t)count);
			stalled = false;
			continue;
		}
		int number = errno;
		if (!stalled)
			stall_restart(&stall, unacknowledged(conn), tools);
		stalled = true;
		if (after_failed_send(conn, tools, number, &stall, reason) == STEP_END)
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
