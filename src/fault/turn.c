#include "fault/turn.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/first_bytes.h"
#include "fault/delay.h"
#include "net/socket.h"

#define TRICKLE_STEP (10 * NS_PER_MS) // trickled bytes go that often, one at least
#define CUT_LIMIT NS_PER_S	      // how long a cut waits for the peer's end, or acknowledgement
#define CUT_STEP NS_PER_MS	      // how often it looks for the latter, which gives no event

struct task {
	struct conn *conn;
	struct fault_plan *plan;
	struct faults *faults;
	struct echo *echo;
	struct worker *worker;
	const struct pool_config *config;
	uint64_t now;
	size_t quantum; // that is used
};

static const struct turn goes_on = {.end = TURN_GOES_ON};
static const struct turn quiet = {.end = TURN_QUIET};

static struct turn close_for(enum close_reason reason)
{
	return (struct turn){.end = TURN_CLOSE, .reason = reason};
}

static struct turn sleep_until(const struct task *task, uint64_t due)
{
	delay_until(&task->worker->pool->lot, &task->conn->work, due);
	return (struct turn){.end = TURN_STUCK};
}

static bool has(const struct task *task, enum injection kind)
{
	return fault_in(task->plan->set.kinds, kind);
}

static void note(const struct task *task, enum injection kind, uint64_t at)
{
	faults_note(task->faults, task->conn, task->plan, kind, at, task->worker->stats);
}

static struct turn after_error(const struct task *task, bool sends)
{
	struct conn *conn = task->conn;
	enum errno_class class = errno_classify(errno);
	if (class == ERRNO_INTERRUPTED)
		return goes_on;
	if (class == ERRNO_TRY_AGAIN && !sends)
		return quiet;
	if (class != ERRNO_TRY_AGAIN && class != ERRNO_NO_MEMORY)
		return echo_close_for(class);
	echo_note_stuck(conn);
	delay_for_room(&conn->work);
	uint64_t since = atomic_load_explicit(&conn->work.active_at, memory_order_relaxed);
	uint64_t limit = task->config->send_timeout;
	if (limit != CLOCK_NEVER && task->now >= since + limit)
		return close_for(CLOSE_stalled);
	return (struct turn){.end = TURN_STUCK};
}

// The peer has ended its stream.
static struct turn after_end(const struct task *task)
{
	if (atomic_load_explicit(&task->echo->aborted, memory_order_acquire))
		return close_for(CLOSE_drain);
	task->plan->peer_ended = true;
	return close_for(task->plan->is_spoilt ? CLOSE_fault : CLOSE_peer);
}

static void count_taken(struct task *task, size_t count)
{
	struct conn *conn = task->conn;
	task->plan->taken += count;
	task->quantum += count;
	atomic_store_explicit(&conn->work.active_at, task->now, memory_order_relaxed);
	conn_count(&conn->bytes_received, count);
	counter_add(task->worker->stats, COUNTER_messages, 1);
	counter_add(task->worker->stats, COUNTER_bytes_received, count);
}

static void count_sent(const struct task *task, size_t count)
{
	conn_count(&task->conn->bytes_sent, count);
	counter_add(task->worker->stats, COUNTER_bytes_sent, count);
}

// Sends what the socket takes now, for the caller to count. Returns how much, or -1 with `*turn`.
static ssize_t send_some(const struct task *task, const char *bytes, size_t length,
			 struct turn *turn)
{
	struct conn *conn = task->conn;
	ssize_t count = socket_send(conn->work.fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (count < 0) {
		*turn = after_error(task, true);
		return -1;
	}
	if (conn->stuck)
		atomic_store_explicit(&conn->work.active_at, task->now, memory_order_relaxed);
	conn->stuck = false;
	task->plan->passed += (uint64_t)count;
	return count;
}

static void spend(const struct task *task, size_t count)
{
	struct fault_plan *plan = task->plan;
	if (!has(task, INJECT_trickle))
		return;
	if (plan->trickle_at == 0)
		note(task, INJECT_trickle, 0);
	if (plan->trickle_at + TRICKLE_STEP < task->now)
		plan->trickle_at = task->now;
	plan->trickle_at += count * NS_PER_S / plan->set.value[INJECT_trickle];
}

static struct turn begin_cut(struct task *task, enum injection kind)
{
	struct fault_plan *plan = task->plan;
	plan->is_cut = true;
	plan->cut = kind;
	plan->cut_deadline = kind == INJECT_half_close ? CLOCK_NEVER : task->now + CUT_LIMIT;
	note(task, kind, plan->taken);
	if (kind == INJECT_close || kind == INJECT_half_close)
		shutdown(task->conn->work.fd, SHUT_WR);
	return goes_on;
}

// After our end of the stream: takes what comes until the peer's end, so that it sees no reset.
static struct turn discard(struct task *task)
{
	const struct fault_plan *plan = task->plan;
	ssize_t count = socket_receive(task->conn->work.fd, task->worker->buffer,
				       task->config->buffer_size, MSG_DONTWAIT);
	if (count == 0)
		return after_end(task);
	if (count > 0)
		count_taken(task, (size_t)count);
	struct turn turn = count > 0 ? goes_on : after_error(task, false);
	if (turn.end == TURN_CLOSE || plan->cut_deadline == CLOCK_NEVER)
		return turn;
	if (task->now >= plan->cut_deadline)
		return close_for(CLOSE_fault);
	return turn.end == TURN_QUIET ? sleep_until(task, plan->cut_deadline) : turn;
}

// Nothing is read; only the peer's end or a reset is noticed.
static struct turn stall(const struct task *task)
{
	struct pollfd fd = {.fd = task->conn->work.fd, .events = POLLRDHUP};
	poll(&fd, 1, 0);
	if (fd.revents & POLLERR)
		return echo_close_for(errno_classify(socket_take_error(fd.fd)));
	return fd.revents ? after_end(task) : quiet;
}

static struct turn go_on_with_cut(struct task *task)
{
	struct fault_plan *plan = task->plan;
	int left = 0;
	switch (plan->cut) {
	case INJECT_stall:
		return stall(task);
	case INJECT_reset_after: // which would destroy what is still on its way
		ioctl(task->conn->work.fd, SIOCOUTQ, &left);
		if (left > 0 && task->now < plan->cut_deadline)
			return sleep_until(task, task->now + CUT_STEP);
		plan->resets = true;
		return close_for(CLOSE_fault);
	case INJECT_reset:
		plan->resets = true;
		return close_for(CLOSE_fault);
	default:
		return discard(task);
	}
}

// How many bytes have waited for their delay. TURN_GOES_ON: `*most`, the peer's end among them.
static struct turn wait_for_delay(const struct task *task, size_t *most)
{
	struct fault_plan *plan = task->plan;
	struct work *work = &task->conn->work;
	int unread = 0;
	ioctl(work->fd, SIOCINQ, &unread);
	if (fault_mark(plan, plan->taken + (uint64_t)unread, task->now))
		note(task, INJECT_delay, plan->taken);
	if (plan->end_due == 0 && atomic_load(&work->hung_up))
		plan->end_due = fault_draw_due(plan, task->now);
	uint64_t due = plan->mark_count ? plan->marks[0].due : plan->end_due;
	if (due == 0)
		return quiet;
	if (task->now < due)
		return sleep_until(task, due);
	uint64_t count = plan->mark_count ? plan->marks[0].end - plan->taken : 1;
	*most = count < *most ? (size_t)count : *most;
	return goes_on;
}

static void forget_marks(struct fault_plan *plan)
{
	while (plan->mark_count && plan->marks[0].end <= plan->taken) {
		plan->mark_count--;
		memmove(&plan->marks[0], &plan->marks[1],
			plan->mark_count * sizeof(plan->marks[0]));
	}
}

// Cuts `*length` bytes short where a stretch begins or ends. Returns whether they are part of it.
static bool meets_stretch(const struct task *task, enum injection kind, size_t *length)
{
	const struct fault_plan *plan = task->plan;
	if (!has(task, kind))
		return false;
	uint64_t at = plan->taken;
	uint64_t begin = fault_stretch(plan, kind, at);
	uint64_t each = plan->set.value[kind];
	bool inside = at >= begin && at < begin + fault_width(kind);
	uint64_t end = at < begin ? begin
		       : inside	  ? begin + fault_width(kind)
				  : at - at % each + each;
	*length = end - at < *length ? (size_t)(end - at) : *length;
	return inside;
}

// Takes `count` bytes out of the kernel that have been peeked at and answered. They count as
// received, before they do as sent, though a reset may come first.
static bool take(struct task *task, size_t count)
{
	count_taken(task, count);
	for (size_t taken = 0; taken < count;) {
		ssize_t got = socket_receive(task->conn->work.fd, task->worker->buffer,
					     count - taken, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		taken += got > 0 ? (size_t)got : 0;
	}
	return true;
}

// For the ledger, if it asks for the first bytes (echo/conn.h).
static void note_first(struct conn *conn, uint64_t now)
{
	char bytes[FIRST_BYTES];
	ssize_t count = conn->unsent.bytes ? socket_receive(conn->work.fd, bytes, sizeof(bytes),
							    MSG_PEEK | MSG_DONTWAIT)
					   : 0;
	if (count <= 0)
		return;
	conn->unsent = (struct piece){0};
	atomic_store(&conn->first, first_bytes_of(bytes, (uint64_t)count));
	atomic_store(&conn->first_at, now);
}

// Answers up to `most` bytes, which stay in the kernel until they are sent: so nothing is kept.
static struct turn pass(struct task *task, size_t most)
{
	struct fault_plan *plan = task->plan;
	char *bytes = task->worker->buffer;
	ssize_t peeked = socket_receive(task->conn->work.fd, bytes, most, MSG_PEEK | MSG_DONTWAIT);
	if (peeked <= 0)
		return peeked == 0 ? after_end(task) : after_error(task, false);
	note_first(task->conn, task->now);
	size_t length = (size_t)peeked;
	uint64_t at = plan->taken;
	bool lost = meets_stretch(task, INJECT_lose, &length);
	bool repeated = meets_stretch(task, INJECT_repeat, &length);
	bool withheld = lost || has(task, INJECT_silent);
	bool flipped = meets_stretch(task, INJECT_flip, &length) && !withheld;
	if (flipped)
		bytes[0] = (char)(bytes[0] ^ 1 << (fault_random(plan, INJECT_flip, at) & 7));
	struct turn turn = goes_on;
	ssize_t count = withheld ? (ssize_t)length : send_some(task, bytes, length, &turn);
	if (count < 0)
		return turn;
	size_t done = (size_t)count;
	if (lost && at == fault_stretch(plan, INJECT_lose, at))
		note(task, INJECT_lose, at);
	if (has(task, INJECT_silent)) {
		plan->passed += done;
		if (at == 0)
			note(task, INJECT_silent, at);
	}
	if (flipped)
		note(task, INJECT_flip, at);
	if (repeated) {
		uint64_t begin = fault_stretch(plan, INJECT_repeat, at);
		memcpy(&plan->stretch[at - begin], bytes, done);
		if (at + done == begin + FAULT_STRETCH && !has(task, INJECT_silent)) {
			plan->again = FAULT_STRETCH;
			note(task, INJECT_repeat, begin);
		}
	}
	bool is_there = take(task, done);
	count_sent(task, withheld ? 0 : done);
	if (!is_there)
		return close_for(CLOSE_reset); // between the two calls
	spend(task, done);
	forget_marks(plan);
	return goes_on;
}

// Sends again what is to go twice.
static struct turn repeat(const struct task *task, size_t most)
{
	struct fault_plan *plan = task->plan;
	struct turn turn = goes_on;
	size_t length = plan->again < most ? plan->again : most;
	ssize_t count = send_some(task, &plan->stretch[FAULT_STRETCH - plan->again], length, &turn);
	if (count < 0)
		return turn;
	count_sent(task, (size_t)count);
	plan->again -= (unsigned)count;
	spend(task, (size_t)count);
	return goes_on;
}

// The order of the faults: accept, delay, trickle, what alters bytes, what cuts.
static struct turn step(struct task *task)
{
	struct fault_plan *plan = task->plan;
	size_t most = task->config->buffer_size;
	uint64_t left;
	if (plan->is_cut)
		return go_on_with_cut(task);
	if (has(task, INJECT_reset))
		return begin_cut(task, INJECT_reset);
	enum injection cut = fault_next_cut(plan, &left);
	if (left == 0)
		return begin_cut(task, cut);
	most = left < most ? (size_t)left : most;
	if (has(task, INJECT_trickle)) {
		uint64_t piece = plan->set.value[INJECT_trickle] / (NS_PER_S / TRICKLE_STEP) + 1;
		if (task->now < plan->trickle_at)
			return sleep_until(task, plan->trickle_at);
		most = piece < most ? (size_t)piece : most;
	}
	if (plan->again > 0)
		return repeat(task, most);
	if (has(task, INJECT_delay)) {
		struct turn turn = wait_for_delay(task, &most);
		if (turn.end != TURN_GOES_ON)
			return turn;
	}
	return pass(task, most);
}

struct turn fault_turn(struct conn *conn, struct fault_plan *plan, struct faults *faults,
		       struct echo *echo, struct worker *worker)
{
	struct task task = {conn, plan,	       faults, echo, worker, &worker->pool->config,
			    0,	  .quantum = 0};
	uint64_t active = atomic_load_explicit(&conn->work.active_at, memory_order_relaxed);
	uint64_t limit = task.config->idle_timeout;
	bool is_idle = limit != CLOCK_NEVER && clock_now() >= active + limit;
	conn->work.expired = false;
	while (!atomic_load_explicit(&echo->aborted, memory_order_acquire)) {
		task.now = clock_now();
		struct turn turn = step(&task);
		if (turn.end == TURN_QUIET && is_idle && task.quantum == 0)
			return close_for(CLOSE_idle);
		if (turn.end != TURN_GOES_ON)
			return turn;
		if (task.quantum >= ECHO_QUANTUM)
			return (struct turn){.end = TURN_QUANTUM};
	}
	return close_for(CLOSE_drain);
}

bool fault_ends_in_order(const struct conn *conn, const struct fault_plan *plan,
			 enum close_reason reason)
{
	if (reason == CLOSE_fault || reason == CLOSE_peer || reason == CLOSE_idle)
		return !plan->resets;
	return conn_all_echoed(conn);
}
