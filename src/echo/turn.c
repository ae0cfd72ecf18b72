#include "echo/turn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/first_bytes.h"
#include "net/socket.h"
#include "net/waker.h"
#include "pool/policy.h"

#define QUANTUM_OF_MESSAGE 4096UL // what one counts at least of the quantum, however short it is

// How long to wait before sending again when the kernel is out of buffers.
#define MEMORY_PAUSE (10 * NS_PER_MS)

// How often a stuck peer that is waited for is checked within --send-timeout: it is aborted at most
// so much of it late.
#define STALL_CHECKS 8

// A turn under way: whose it is, and what it needs.
struct task {
	struct conn *conn;
	struct worker *worker;
	struct echo *echo;
	const struct pool_config *config;
};

#define SELDOM __attribute__((noinline, cold)) // a short turn in a crowd does not need it

static struct turn close_for(enum close_reason reason)
{
	return (struct turn){.end = TURN_CLOSE, .reason = reason};
}

static bool is_aborted(const struct echo *echo)
{
	return atomic_load_explicit(&echo->aborted, memory_order_acquire);
}

struct turn echo_close_for(enum errno_class class)
{
	return close_for(class == ERRNO_PEER_GONE			      ? CLOSE_reset
			 : class == ERRNO_TIMED_OUT || class == ERRNO_NETWORK ? CLOSE_timeout
									      : CLOSE_error);
}

bool unsent_is_full(const struct echo *echo, size_t more)
{
	uint64_t bytes = atomic_load_explicit(&echo->unsent, memory_order_relaxed);
	return bytes + more > echo->unsent_limit;
}

bool unsent_keep(struct echo *echo, struct conn *conn, const char *bytes, size_t length)
{
	ensure(!conn->unsent.bytes && length > 0);
	char *copy = malloc(length);
	if (!copy)
		return false;
	conn->unsent = (struct piece){.bytes = memcpy(copy, bytes, length), .length = length};
	uint64_t sum =
		atomic_fetch_add_explicit(&echo->unsent, length, memory_order_relaxed) + length;
	uint64_t max = atomic_load_explicit(&echo->unsent_max, memory_order_relaxed);
	while (sum > max &&
	       !atomic_compare_exchange_weak_explicit(&echo->unsent_max, &max, sum,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

void unsent_drop(struct echo *echo, struct conn *conn)
{
	if (conn->unsent.length) {
		atomic_fetch_sub_explicit(&echo->unsent, conn->unsent.length, memory_order_relaxed);
		free(conn->unsent.bytes);
	}
	conn->unsent = (struct piece){0};
}

static inline void note_active(struct conn *conn, uint64_t now)
{
	atomic_store_explicit(&conn->work.active_at, now, memory_order_relaxed);
}

void echo_note_stuck(struct conn *conn)
{
	int queued = 0;
	ioctl(conn->work.fd, SIOCOUTQ, &queued); // tcp(7), unix(7)
	if (!conn->stuck || queued < conn->unacknowledged) {
		conn->unacknowledged = queued;
		note_active(conn, clock_now());
	}
	conn->stuck = true;
}

// A send that has to wait.
struct stall {
	uint64_t patience_ends; // 0: it has not begun
	bool was_ready;		// the socket last said that it takes data
};

// Waits until the socket takes data again, or until it is time to check.
static void wait_for_room(const struct task *task, bool short_of_memory, struct stall *stall)
{
	struct pollfd fds[] = {
		{.fd = task->echo->abort_waker.fd, .events = POLLIN},
		{.fd = task->conn->work.fd, .events = POLLOUT},
	};
	// Out of buffers, the socket may well be writable: wait for the time alone. Under memory
	// pressure TCP polls writable and takes nothing.
	bool for_memory = short_of_memory || stall->was_ready;
	uint64_t send_timeout = task->config->send_timeout;
	uint64_t check_at = for_memory ? clock_deadline(MEMORY_PAUSE)
			    : send_timeout == CLOCK_NEVER
				    ? CLOCK_NEVER
				    : clock_deadline(send_timeout / STALL_CHECKS);
	policy_begin_blocking(task->worker);
	int ready = poll_until(fds, for_memory ? 1 : 2,
			       check_at < stall->patience_ends ? check_at : stall->patience_ends);
	policy_end_blocking(task->worker);
	stall->was_ready = ready > 0 && !for_memory;
}

static void count_sent(const struct task *task, size_t count)
{
	conn_count(&task->conn->bytes_sent, count);
	counter_add(task->worker->stats, COUNTER_bytes_sent, count);
}

// Deals with a send that failed: waits for room if that is allowed. TURN_GOES_ON: try again.
SELDOM static struct turn after_failed_send(const struct task *task, bool peeked,
					    struct stall *stall)
{
	struct conn *conn = task->conn;
	uint64_t limit = task->config->send_timeout;
	enum errno_class class = errno_classify(errno);
	if (class == ERRNO_INTERRUPTED)
		return (struct turn){.end = TURN_GOES_ON};
	bool no_room = class == ERRNO_TRY_AGAIN || class == ERRNO_NO_MEMORY;
	if (no_room)
		echo_note_stuck(conn);
	if (is_aborted(task->echo))
		return close_for(CLOSE_drain);
	if (!no_room)
		return echo_close_for(class);
	uint64_t now = clock_now();
	uint64_t since = atomic_load_explicit(&conn->work.active_at, memory_order_relaxed);
	if (limit != CLOCK_NEVER && now >= since + limit)
		return close_for(CLOSE_stalled);
	if (!stall->patience_ends)
		stall->patience_ends = clock_deadline(task->config->patience);
	if (peeked || !policy_may_block(task->worker) || now >= stall->patience_ends)
		return (struct turn){.end = TURN_STUCK};
	wait_for_room(task, class == ERRNO_NO_MEMORY, stall);
	return (struct turn){.end = TURN_GOES_ON};
}

// Sends `piece`, however long the peer takes, as long as it takes any. If it was `peeked` at, and
// is still in the kernel, it does not wait, and leaves it to the caller to count what was sent.
// TURN_STUCK: the peer does not read now, a part of it went.
__attribute__((always_inline)) static inline struct turn send_all(const struct task *task,
								  struct piece *piece, bool peeked)
{
	struct conn *conn = task->conn;
	struct stall stall = {0};
	while (piece->sent < piece->length) {
		ssize_t count =
			socket_send(conn->work.fd, piece->bytes + piece->sent,
				    piece->length - piece->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0) {
			struct turn turn = after_failed_send(task, peeked, &stall);
			if (turn.end != TURN_GOES_ON)
				return turn;
			continue;
		}
		piece->sent += (size_t)count;
		if (!peeked)
			count_sent(task, (size_t)count);
		if (conn->stuck)
			note_active(conn, clock_now());
		conn->stuck = false;
		stall = (struct stall){0};
	}
	return (struct turn){.end = TURN_GOES_ON};
}

static inline ssize_t receive_now(const struct task *task, int flags)
{
	return socket_receive(task->conn->work.fd, task->worker->buffer, task->config->buffer_size,
			      flags);
}

// Receives without blocking, again and again, for the spin's time at most.
static ssize_t receive_polling(const struct task *task, int flags)
{
	ssize_t count;
	do
		count = receive_now(task, flags | MSG_DONTWAIT);
	while (count < 0 && errno == EAGAIN && !is_aborted(task->echo) &&
	       policy_goes_on_polling(task->worker));
	int number = errno;
	policy_end_polling(task->worker, &task->conn->spin_credit, count >= 0 || number != EAGAIN);
	errno = number;
	return count;
}

// Polls where that has recently helped, then blocks.
__attribute__((noinline)) static ssize_t receive_waiting(const struct task *task, int flags)
{
	struct conn *conn = task->conn;
	struct worker *worker = task->worker;
	// Its events would wake the leader for nothing.
	parking_lot_forget(&worker->pool->lot, &conn->work);
	if (policy_begin_polling(worker, conn->spin_credit)) {
		ssize_t count = receive_polling(task, flags);
		if (count >= 0 || errno != EAGAIN || !policy_may_block(worker))
			return count;
	}
	uint64_t began = worker->now;
	policy_begin_blocking(worker);
	ssize_t count = receive_now(task, flags);
	int number = errno;
	policy_end_blocking(worker);
	if (count > 0)
		policy_note_found(worker->pool, &conn->spin_credit, worker->now - began);
	errno = number;
	return count;
}

static inline void count_received(const struct task *task, size_t count)
{
	conn_count(&task->conn->bytes_received, count);
	note_active(task->conn, task->worker->now);
	counter_add(task->worker->stats, COUNTER_messages, 1);
	counter_add(task->worker->stats, COUNTER_bytes_received, count);
}

// What a recv that returned no data, but 0 or -1, means for the turn.
SELDOM static struct turn after_empty_recv(const struct task *task, ssize_t count, bool last_check)
{
	enum errno_class class = count < 0 ? errno_classify(errno) : ERRNO_PEER_GONE;
	if (class == ERRNO_INTERRUPTED)
		return (struct turn){.end = TURN_GOES_ON};
	task->conn->stuck = false; // there is nothing to send
	if (is_aborted(task->echo))
		return close_for(CLOSE_drain); // the end of stream is of our own making
	if (count == 0) {
		// What came in has gone out: the law that this server can hold itself to.
		ensure(conn_all_echoed(task->conn));
		return close_for(CLOSE_peer);
	}
	if (class != ERRNO_TRY_AGAIN)
		return echo_close_for(class);
	if (last_check || task->config->patience == CLOCK_NEVER)
		return close_for(CLOSE_idle);
	return (struct turn){.end = TURN_QUIET};
}

// Echoes `count` bytes that were received. What does not go through is kept.
__attribute__((always_inline)) static inline struct turn echo_received(const struct task *task,
								       size_t count)
{
	struct piece piece = {.bytes = task->worker->buffer, .length = count};
	count_received(task, count);
	struct turn turn = send_all(task, &piece, false);
	if (turn.end == TURN_STUCK &&
	    !unsent_keep(task->echo, task->conn, piece.bytes + piece.sent, count - piece.sent))
		return close_for(CLOSE_error);
	return turn;
}

// Echoes `count` bytes that are still in the kernel, and takes out what was sent.
SELDOM static struct turn echo_peeked(const struct task *task, size_t count)
{
	struct piece piece = {.bytes = task->worker->buffer, .length = count};
	struct turn turn = send_all(task, &piece, true);
	size_t taken = 0;
	while (taken < piece.sent) {
		ssize_t got = socket_receive(task->conn->work.fd, piece.bytes + taken,
					     piece.sent - taken, MSG_DONTWAIT);
		if (got > 0)
			taken += (size_t)got;
		else if (got == 0 || errno != EINTR)
			break;
	}
	if (taken > 0) {
		count_received(task, taken);
		count_sent(task, taken);
	}
	return taken < piece.sent ? close_for(CLOSE_reset) : turn; // reset between the two calls
}

// Receives once, and echoes what came. A descriptor that is passed over AF_UNIX ends a recv early,
// so there a short count does not mean that nothing is left.
__attribute__((always_inline)) static inline struct turn
echo_once(const struct task *task, bool *last_check, size_t *quantum)
{
	struct conn *conn = task->conn;
	size_t size = task->config->buffer_size;
	bool peek = task->config->patience != CLOCK_NEVER && // nothing is kept then
		    unsent_is_full(task->echo, size);
	int flags = (peek ? MSG_PEEK : 0) | (*last_check ? MSG_DONTWAIT : 0);
	ssize_t count = policy_may_block(task->worker) ? receive_waiting(task, flags)
						       : receive_now(task, flags | MSG_DONTWAIT);
	if (count <= 0)
		return after_empty_recv(task, count, *last_check);
	*last_check = false;
	struct turn turn =
		peek ? echo_peeked(task, (size_t)count) : echo_received(task, (size_t)count);
	if (turn.end == TURN_GOES_ON && (size_t)count < size &&
	    policy_parks_at_once(task->worker, &conn->work) &&
	    conn->origin.local.any.sa_family != AF_UNIX)
		return (struct turn){.end = TURN_QUIET};
	*quantum += (size_t)count > QUANTUM_OF_MESSAGE ? (size_t)count : QUANTUM_OF_MESSAGE;
	return turn;
}

// Receives and echoes as echo_once does, for a connection whose first bytes are to be noted.
SELDOM static struct turn echo_first(const struct task *task, bool is_last_check)
{
	struct conn *conn = task->conn;
	bool last_check = is_last_check;
	size_t quantum = 0;
	conn->unsent = (struct piece){0};
	struct turn turn = echo_once(task, &last_check, &quantum);
	uint64_t received = atomic_load(&conn->bytes_received);
	atomic_store(&conn->first, first_bytes_of(task->worker->buffer, received));
	atomic_store(&conn->first_at, received > 0 ? task->worker->now : 0);
	if (received == 0)
		conn->unsent.bytes = task->worker->buffer;
	else if (is_last_check && turn.end == TURN_GOES_ON)
		return (struct turn){.end = TURN_QUANTUM}; // it was not the last one after all
	return turn;
}

// Sends what is left of an earlier turn.
SELDOM static struct turn send_unsent(const struct task *task, bool last_check)
{
	if (!task->conn->unsent.length)
		return echo_first(task, last_check);
	struct turn turn = send_all(task, &task->conn->unsent, false);
	if (turn.end == TURN_GOES_ON)
		unsent_drop(task->echo, task->conn);
	return turn;
}

struct turn echo_turn(struct conn *conn, struct worker *worker, struct echo *echo)
{
	const struct task task = {conn, worker, echo, &worker->pool->config};
	bool last_check = conn->work.expired && !conn->stuck; // the peer's time is up
	size_t quantum = 0;				      // how much of it is used
	conn->work.expired = false;
	while (!is_aborted(echo)) {
		struct turn turn = conn->unsent.bytes ? send_unsent(&task, last_check)
						      : echo_once(&task, &last_check, &quantum);
		if (turn.end != TURN_GOES_ON)
			return turn;
		if (quantum < ECHO_QUANTUM)
			continue;
		if (policy_must_yield(worker))
			return (struct turn){.end = TURN_QUANTUM};
		worker->now = clock_now();
		quantum = 0;
	}
	return close_for(CLOSE_drain);
}
