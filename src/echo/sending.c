// The sending half of the echo. Worker threads.
#include "echo/sending.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/errno_class.h"
#include "net/waker.h"

// How long to wait before sending again when the kernel is out of buffers.
#define MEMORY_PAUSE (10 * NS_PER_MS)

// How often a stuck peer that is waited for is looked at within --send-timeout: it is cut at most
// so much of it late.
#define STALL_LOOKS 8

enum close_reason sending_reason(int number)
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

static void note_progress(struct conn *conn)
{
	atomic_store_explicit(&conn->active_at, clock_now(), memory_order_relaxed);
}

static int unacknowledged(const struct conn *conn)
{
	int bytes = 0;
	ioctl(conn->origin.fd, SIOCOUTQ, &bytes); // tcp(7), unix(7)
	return bytes;
}

// Takes note that the peer does not read. A socket polls writable only when a third of its buffer
// is free, which a slow reader may not achieve in time; so what it has acknowledged counts as
// progress too.
static void note_stuck(struct conn *conn)
{
	int queued = unacknowledged(conn);
	if (!conn->stuck || queued < conn->unacknowledged) {
		conn->unacknowledged = queued;
		note_progress(conn);
	}
	conn->stuck = true;
}

static uint64_t stall_deadline(const struct conn *conn, const struct echo *echo)
{
	uint64_t since = atomic_load_explicit(&conn->active_at, memory_order_relaxed);
	return echo->send_timeout == CLOCK_NEVER ? CLOCK_NEVER : since + echo->send_timeout;
}

// Waits until the socket takes data again, or until it is time to look. Returns whether it does.
static bool wait_for_room(const struct conn *conn, const struct echo *echo, struct worker *worker,
			  bool short_of_memory, uint64_t patience_ends)
{
	struct pollfd fds[] = {
		{.fd = echo->cut->waker.fd, .events = POLLIN},
		{.fd = conn->origin.fd, .events = POLLOUT},
	};
	// Out of buffers, the socket may well be writable: wait for the time alone.
	nfds_t count = short_of_memory ? 1 : 2;
	uint64_t look = short_of_memory ? clock_deadline(MEMORY_PAUSE)
			: echo->send_timeout == CLOCK_NEVER
				? CLOCK_NEVER
				: clock_deadline(echo->send_timeout / STALL_LOOKS);
	worker_waits(worker);
	int ready = poll_until(fds, count, look < patience_ends ? look : patience_ends);
	worker_goes_on(worker);
	return ready > 0 && !short_of_memory;
}

// A send that has to wait.
struct stall {
	uint64_t patience_ends;
	bool begun;
	bool was_ready; // the socket last said that it takes data
};

// Deals with a send that took nothing: waits if that is allowed. SENDING_DONE: try again.
static enum sending after_no_room(struct conn *conn, const struct echo *echo, struct worker *worker,
				  bool peeked, bool short_of_memory, struct stall *stall,
				  enum close_reason *reason)
{
	note_stuck(conn);
	if (atomic_load_explicit(&echo->cut->now, memory_order_acquire)) {
		*reason = CLOSE_drain;
		return SENDING_OVER;
	}
	if (clock_now() >= stall_deadline(conn, echo)) {
		*reason = CLOSE_stalled;
		return SENDING_OVER;
	}
	if (!stall->begun)
		stall->patience_ends = clock_deadline(echo->patience);
	stall->begun = true;
	if (peeked || !worker_may_wait(worker) || clock_now() >= stall->patience_ends)
		return SENDING_STUCK;
	// Under memory pressure TCP polls writable and takes nothing.
	stall->was_ready = wait_for_room(conn, echo, worker, short_of_memory || stall->was_ready,
					 stall->patience_ends);
	return SENDING_DONE;
}

void sending_count(struct conn *conn, struct worker *worker, size_t count)
{
	conn_count(&conn->bytes_sent, count);
	counter_add(worker->stats, COUNTER_bytes_sent, count);
}

enum sending sending_all(struct conn *conn, const struct echo *echo, struct worker *worker,
			 struct piece *piece, enum close_reason *reason)
{
	struct stall stall = {0};
	while (piece->sent < piece->length) {
		ssize_t count = send(conn->origin.fd, piece->bytes + piece->sent,
				     piece->length - piece->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count >= 0) {
			piece->sent += (size_t)count;
			if (!piece->peeked)
				sending_count(conn, worker, (size_t)count);
			if (conn->stuck)
				note_progress(conn);
			conn->stuck = false;
			stall = (struct stall){0};
			continue;
		}
		int number = errno;
		enum errno_class class = errno_classify(number);
		if (class == ERRNO_INTERRUPTED)
			continue;
		if (class != ERRNO_TRY_AGAIN && class != ERRNO_NO_MEMORY) {
			bool cut = atomic_load_explicit(&echo->cut->now, memory_order_acquire);
			*reason = cut ? CLOSE_drain : sending_reason(number);
			return SENDING_OVER;
		}
		enum sending next = after_no_room(conn, echo, worker, piece->peeked,
						  class == ERRNO_NO_MEMORY, &stall, reason);
		if (next != SENDING_DONE)
			return next;
	}
	return SENDING_DONE;
}
