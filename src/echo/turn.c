// The echo turn. Worker threads.
#include "echo/turn.h"

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "echo/sending.h"
#include "net/errno_class.h"
#include "pool/heat.h"

// How much a connection may echo before others that wait have their turn.
#define QUANTUM (512UL << 10)
#define QUANTUM_OF_MESSAGE 4096UL // what one counts at least, however short it is

static struct turn close_for(enum close_reason reason)
{
	return (struct turn){.end = TURN_CLOSE, .reason = reason};
}

static bool is_cut(const struct echo *echo)
{
	return atomic_load_explicit(&echo->cut->now, memory_order_acquire);
}

// Receives without blocking, again and again, for the spin's time at most.
static ssize_t receive_spinning(struct conn *conn, const struct echo *echo, struct worker *worker,
				int flags)
{
	uint64_t deadline = clock_deadline(echo->spin);
	ssize_t count;
	for (;;) {
		count = recv(conn->origin.fd, worker->buffer, echo->buffer_size,
			     flags | MSG_DONTWAIT);
		if (count >= 0 || errno != EAGAIN || !worker_may_wait(worker) ||
		    !work_queue_is_empty(&worker->pool->queue) || is_cut(echo) ||
		    clock_now() >= deadline)
			break;
		sched_yield(); // whoever has something to do goes first
	}
	int number = errno;
	worker_stops_spinning(worker, &conn->heat, count >= 0 || number != EAGAIN);
	errno = number;
	return count;
}

// Receives with a worker that may wait for this one peer: polls where that has lately paid, then
// blocks.
static ssize_t receive_waiting(struct conn *conn, const struct echo *echo, struct worker *worker,
			       int flags)
{
	worker_keeps(worker, &conn->work);
	if (conn->heat > 0 && worker_spins(worker)) {
		ssize_t count = receive_spinning(conn, echo, worker, flags);
		if (count >= 0 || errno != EAGAIN || !worker_may_wait(worker))
			return count;
	}
	uint64_t began = echo->spin ? clock_now() : 0;
	worker_waits(worker);
	ssize_t count = recv(conn->origin.fd, worker->buffer, echo->buffer_size, flags);
	int number = errno;
	worker_goes_on(worker);
	if (echo->spin && count > 0 && clock_now() - began < echo->spin)
		heat_change(&conn->heat, HEAT_OF_SOON);
	errno = number;
	return count;
}

static ssize_t receive(struct conn *conn, const struct echo *echo, struct worker *worker, int flags)
{
	if (worker_may_wait(worker))
		return receive_waiting(conn, echo, worker, flags);
	return recv(conn->origin.fd, worker->buffer, echo->buffer_size, flags | MSG_DONTWAIT);
}

static void count_received(struct conn *conn, struct worker *worker, size_t count)
{
	conn_count(&conn->bytes_received, count);
	atomic_store_explicit(&conn->active_at, clock_now_coarse(), memory_order_relaxed);
	counter_add(worker->stats, COUNTER_messages, 1);
	counter_add(worker->stats, COUNTER_bytes_received, count);
}

// What a recv that returned no data, but 0 or -1, means for the turn. `last_look`: the peer's time
// is up. Returns whether the turn is over.
static bool after_empty_recv(const struct conn *conn, const struct echo *echo, ssize_t count,
			     bool last_look, struct turn *turn)
{
	enum errno_class class = count < 0 ? errno_classify(errno) : ERRNO_PEER_GONE;
	if (class == ERRNO_INTERRUPTED)
		return false;
	if (is_cut(echo)) {
		*turn = close_for(CLOSE_drain); // the end of stream is of our own making
	} else if (count == 0) {
		// What came in has gone out: the law that this server can hold itself to.
		ensure(conn_all_echoed(conn));
		*turn = close_for(CLOSE_peer);
	} else if (class != ERRNO_TRY_AGAIN) {
		*turn = close_for(sending_reason(errno));
	} else if (last_look || echo->patience == CLOCK_NEVER) {
		*turn = close_for(CLOSE_idle);
	} else {
		*turn = (struct turn){.end = TURN_QUIET};
	}
	return true;
}

// What a send that did not go through means for the turn. `rest` of the worker's buffer has been
// taken out of the kernel and must be kept.
static struct turn after_sending(struct conn *conn, const struct echo *echo, enum sending result,
				 enum close_reason reason, const char *rest, size_t length)
{
	if (result == SENDING_OVER)
		return close_for(reason);
	if (length > 0 && !pending_keep(echo->pending, conn, rest, length))
		return close_for(CLOSE_error);
	return (struct turn){.end = TURN_STUCK};
}

// Echoes `count` bytes that were received. Returns whether the turn is over.
static bool echo_received(struct conn *conn, const struct echo *echo, struct worker *worker,
			  size_t count, struct turn *turn)
{
	struct piece piece = {.bytes = worker->buffer, .length = count};
	enum close_reason reason = CLOSE_error;
	count_received(conn, worker, count);
	enum sending result = sending_all(conn, echo, worker, &piece, &reason);
	if (result == SENDING_DONE)
		return false;
	*turn = after_sending(conn, echo, result, reason, piece.bytes + piece.sent,
			      count - piece.sent);
	return true;
}

// Takes `count` bytes that were peeked at out of the kernel. Returns how many were still there.
static size_t take_out(const struct conn *conn, const struct worker *worker, size_t count)
{
	size_t taken = 0;
	while (taken < count) {
		ssize_t got = recv(conn->origin.fd, worker->buffer, count - taken, MSG_DONTWAIT);
		if (got > 0)
			taken += (size_t)got;
		else if (got == 0 || errno != EINTR)
			break;
	}
	return taken;
}

// Echoes `count` bytes that are still in the kernel: takes out what was sent. Returns whether the
// turn is over.
static bool echo_peeked(struct conn *conn, const struct echo *echo, struct worker *worker,
			size_t count, struct turn *turn)
{
	struct piece piece = {.bytes = worker->buffer, .length = count, .peeked = true};
	enum close_reason reason = CLOSE_error;
	enum sending result = sending_all(conn, echo, worker, &piece, &reason);
	size_t taken = take_out(conn, worker, piece.sent);
	if (taken > 0) {
		count_received(conn, worker, taken);
		sending_count(conn, worker, taken);
	}
	if (taken < piece.sent) { // reset between the two calls
		*turn = close_for(CLOSE_reset);
		return true;
	}
	if (result == SENDING_DONE)
		return false;
	*turn = after_sending(conn, echo, result, reason, NULL, 0);
	return true;
}

// Sends what is left of an earlier turn. Returns whether this turn is over.
static bool resume(struct conn *conn, const struct echo *echo, struct worker *worker,
		   struct turn *turn)
{
	if (!conn->tail)
		return false;
	struct piece piece = {
		.bytes = conn->tail, .length = conn->tail_length, .sent = conn->tail_sent};
	enum close_reason reason = CLOSE_error;
	enum sending result = sending_all(conn, echo, worker, &piece, &reason);
	conn->tail_sent = piece.sent;
	if (result == SENDING_DONE) {
		pending_drop(echo->pending, conn);
		return false;
	}
	*turn = after_sending(conn, echo, result, reason, NULL, 0);
	return true;
}

// Whether, after a recv of `count` bytes, there is nothing to receive for sure, so that a worker in
// a hurry need not ask. A short count means that; but an end of stream that came along with data
// gives no event of its own, urgent data (which counts as hung up too) ends a recv early, and so
// does a descriptor passed over AF_UNIX.
static bool is_drained(const struct conn *conn, const struct echo *echo,
		       const struct worker *worker, size_t count)
{
	return count < echo->buffer_size && !worker_may_wait(worker) &&
	       conn->origin.peer.any.sa_family != AF_UNIX && !atomic_load(&conn->work.hung_up);
}

struct turn echo_turn(struct conn *conn, const struct echo *echo, struct worker *worker)
{
	struct turn turn = {.end = TURN_QUIET};
	bool last_look = conn->work.expired && !conn->stuck;
	size_t quantum = QUANTUM;
	conn->work.expired = false;
	if (is_cut(echo))
		return close_for(CLOSE_drain);
	if (resume(conn, echo, worker, &turn))
		return turn;
	while (!is_cut(echo)) {
		bool peek = echo->patience != CLOCK_NEVER && // nothing is kept then
			    pending_is_full(echo->pending, echo->buffer_size);
		int flags = (peek ? MSG_PEEK : 0) | (last_look ? MSG_DONTWAIT : 0);
		ssize_t count = receive(conn, echo, worker, flags);
		if (count <= 0) {
			if (!after_empty_recv(conn, echo, count, last_look, &turn))
				continue;
			conn->stuck = false; // there is nothing to send
			return turn;
		}
		last_look = false;
		if (peek ? echo_peeked(conn, echo, worker, (size_t)count, &turn)
			 : echo_received(conn, echo, worker, (size_t)count, &turn))
			return turn;
		if (is_drained(conn, echo, worker, (size_t)count))
			return (struct turn){.end = TURN_QUIET};
		size_t used =
			(size_t)count > QUANTUM_OF_MESSAGE ? (size_t)count : QUANTUM_OF_MESSAGE;
		if (used < quantum) {
			quantum -= used;
			continue;
		}
		if (worker_others_wait(worker))
			return (struct turn){.end = TURN_QUANTUM};
		quantum = QUANTUM;
	}
	return close_for(CLOSE_drain);
}
