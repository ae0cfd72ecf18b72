#include "generator.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/assert.h"

#define RECEIVES_A_TURN 8 // of a connection, before others have their turn

// The end of the verification of a stream that we abort. If it stops in the middle of a fault, that
// still has to be named. Returns whether there was no fault.
static bool abort_verify(const struct thread *thread, struct connection *conn)
{
	return connection_end_verify(thread, conn, conn->verify.resync != NULL);
}

// Nothing more is sent; the end of the connection is awaited.
static void await_end(struct thread *thread, struct connection *conn)
{
	thread->owed += conn->state != CONNECTION_ENDING;
	conn->state = CONNECTION_ENDING;
}

static void end_sending(struct thread *thread, struct connection *conn)
{
	shutdown(conn->fd, SHUT_WR);
	await_end(thread, conn);
}

// Sends the messages that have begun, as far as there is room.
static void flush(struct thread *thread, struct connection *conn)
{
	uint64_t sent = atomic_load_explicit(&conn->sent, memory_order_relaxed);
	while (sent < conn->goal) {
		uint64_t left = conn->goal - sent;
		size_t size = left < THREAD_BUFFER ? (size_t)left : THREAD_BUFFER;
		if (thread->config->verify)
			payload_fill(thread->scope.payload, conn->id, sent, thread->out, size);
		// Before they can come back.
		atomic_store_explicit(&conn->sent, sent + size, memory_order_relaxed);
		ssize_t count = send(conn->fd, thread->out, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += count > 0 ? (uint64_t)count : 0;
		atomic_store_explicit(&conn->sent, sent, memory_order_relaxed);
		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			// Bytes that the peer has sent come first. EPIPE: after its FIN.
			conn->broken = errno == EPIPE ? 0 : errno;
			await_end(thread, conn);
			return;
		}
		// epoll says when there is room again, also after a part was sent.
		if (count < (ssize_t)size && (count >= 0 || errno == EAGAIN))
			return;
	}
	if (thread->config->mode == MODE_HALF_CLOSE && conn->state == CONNECTION_OPEN &&
	    conn->waiting > 0)
		end_sending(thread, conn);
}

static void begin_messages(struct thread *thread, struct connection *conn, uint64_t now)
{
	if (conn->state != CONNECTION_OPEN || !conn->loaded)
		return;
	messages_begin(thread, conn, now);
	if (atomic_load_explicit(&conn->sent, memory_order_relaxed) < conn->goal)
		flush(thread, conn);
}

// Whether all the messages of a visit of MODE_CHURN have been answered.
static bool is_visit_done(const struct thread *thread, const struct connection *conn)
{
	return thread->config->mode == MODE_CHURN && conn->left == 0 && conn->waiting == 0;
}

// A visit has ended as it should.
static void finish_visit(struct thread *thread, struct connection *conn, uint64_t now)
{
	if (thread_counts(thread, now))
		thread->buffers.open->visits++;
	(void)connection_end_verify(thread, conn, true);
	connection_close(thread, conn, thread->now);
}

// Takes `size` bytes that have come into the thread's buffer. Returns whether the connection goes
// on.
static bool take_bytes(struct thread *thread, struct connection *conn, size_t size, uint64_t now)
{
	bool counts = thread_counts(thread, now);
	if (counts)
		thread->buffers.open->bytes += size;
	conn->moved_at = now;
	conn->received += size;
	if (!thread->config->verify && conn->received > conn->goal) {
		connection_fail(thread, conn, LOAD_MISMATCH, 0);
		return false;
	}
	if (thread->config->verify && verify_bytes(&conn->verify, thread->in, size) != 0) {
		connection_fail(thread, conn, LOAD_OUT_OF_MEMORY, errno);
		return false;
	}
	connection_count_verified(thread, conn, counts);
	if (conn->verify.resync || conn->verify.faults > 0) {
		// From here on no message begins, and the bytes that still come help to name it.
		if (conn->state == CONNECTION_OPEN)
			end_sending(thread, conn);
		timers_unset(&thread->timers, &conn->timer);
		return true;
	}
	while (conn->waiting > 0 && conn->received >= conn->messages[conn->first].end &&
	       thread->config->mode != MODE_HALF_CLOSE)
		messages_answered(thread, conn, now);
	return true;
}

// The peer has ended the stream: with FIN (`number` is 0) or with an error.
//
// A peer that closes sends FIN, or a reset if a message of ours was on its way; so it is chance
// which of them comes, and whether that message counts as sent. Therefore an end between two echoes
// is `early_close`, and so is a reset within one: it destroys bytes that were on their way. Only
// FIN within an echo proves that the peer has not sent the rest: `short`, and bytes `truncated`.
// After our own FIN, with nothing owed to us, either is a good end.
static void take_end(struct thread *thread, struct connection *conn, int number, uint64_t now)
{
	const struct verify *verify = &conn->verify;
	bool wrong = verify->faults > 0;
	conn->end = number == 0 ? "FIN" : number == ECONNRESET || number == EPIPE ? "RST" : NULL;
	bool within = number == 0 && conn->received > conn->answered;
	bool whole = within || (number == 0 && (wrong || verify->resync));
	bool right = connection_end_verify(thread, conn, whole);
	enum load_error error = number ? load_error_of(number, false) : LOAD_EARLY_CLOSE;
	bool ended = error == LOAD_EARLY_CLOSE && conn->state == CONNECTION_ENDING;
	if (!wrong && within && conn->received < conn->goal) {
		connection_note_error(thread, conn, LOAD_SHORT, 0);
	} else if (!right) {
		connection_note_error(thread, conn, LOAD_MISMATCH, 0);
	} else if (within && thread->config->mode == MODE_HALF_CLOSE) {
		messages_answered(thread, conn, now);
		finish_visit(thread, conn, now);
		return;
	} else if (ended && is_visit_done(thread, conn)) {
		finish_visit(thread, conn, now);
		return;
	} else if (!ended || conn->waiting > 0) {
		connection_note_error(thread, conn, error, error == LOAD_EARLY_CLOSE ? 0 : number);
	}
	connection_close(thread, conn, now + CONNECTION_RETRY);
}

// Receives all that has come, up to one turn's share: a peer that is faster than we are would keep
// the thread from its other connections.
static void receive(struct thread *thread, struct connection *conn)
{
	for (unsigned i = 0; i < RECEIVES_A_TURN; i++) {
		ssize_t count = recv(conn->fd, thread->in, THREAD_BUFFER, MSG_DONTWAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		uint64_t now = clock_now();
		if (count <= 0) {
			take_end(thread, conn, count < 0 ? errno : conn->broken, now);
			return;
		}
		if (!take_bytes(thread, conn, (size_t)count, now))
			return;
		if (conn->state == CONNECTION_OPEN && is_visit_done(thread, conn)) {
			if (thread->config->resets) {
				finish_visit(thread, conn, now);
				return;
			}
			end_sending(thread, conn);
		}
		begin_messages(thread, conn, now);
		if (conn->state == CONNECTION_CLOSED ||
		    ((size_t)count < THREAD_BUFFER && !conn->hung_up))
			return;
	}
	// There is more than one turn takes: epoll has to say so again.
	int failed = connecting_listen(thread, conn, EPOLL_CTL_MOD);
	ensure(!failed);
}

void connection_wake(struct thread *thread, struct connection *conn, uint64_t now)
{
	if (conn->state == CONNECTION_CLOSED)
		connecting_begin(thread, conn, now);
	else
		begin_messages(thread, conn, now);
}

void connection_events(struct thread *thread, struct connection *conn, uint32_t events,
		       uint64_t now)
{
	if (conn->state == CONNECTION_CLOSED)
		return;
	if (conn->state == CONNECTION_CONNECTING) {
		if (!connecting_finish(thread, conn, now))
			return;
		begin_messages(thread, conn, now);
		if (conn->state != CONNECTION_OPEN)
			return;
	}
	conn->hung_up = conn->hung_up || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	if (events & EPOLLOUT && conn->state == CONNECTION_OPEN)
		flush(thread, conn);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(thread, conn);
}

void connection_check_time(struct thread *thread, struct connection *conn, uint64_t now)
{
	uint64_t limit = thread->config->timeout;
	if (limit == CLOCK_NEVER || now < conn->moved_at || now - conn->moved_at < limit)
		return;
	if (conn->state == CONNECTION_CONNECTING) {
		connection_fail(thread, conn, LOAD_CONNECT_TIMEOUT, 0);
	} else if (conn->state == CONNECTION_ENDING ||
		   (conn->state == CONNECTION_OPEN && conn->waiting > 0)) {
		bool right = abort_verify(thread, conn);
		connection_note_error(thread, conn, right ? LOAD_TIMEOUT : LOAD_MISMATCH, 0);
		connection_close(thread, conn, now + CONNECTION_RETRY);
	}
}

static void give_up(struct thread *thread, struct connection *conn)
{
	if ((conn->state == CONNECTION_OPEN || conn->state == CONNECTION_ENDING) &&
	    !abort_verify(thread, conn))
		connection_note_error(thread, conn, LOAD_MISMATCH, 0);
	connection_close(thread, conn, CLOCK_NEVER);
}

void connection_plan(struct thread *thread, struct connection *conn)
{
	const struct period *period = thread->period;
	timers_unset(&thread->timers, &conn->timer);
	conn->due_since = 0;
	conn->refused = false;
	if (period->kind == PERIOD_END && conn->state == CONNECTION_OPEN)
		end_sending(thread, conn);
	if (!conn->loaded)
		return;
	if (period->kind == PERIOD_CONNECT) {
		if (conn->state == CONNECTION_CLOSED && !conn->failed)
			timers_set(&thread->timers, &conn->timer, thread->now);
		return;
	}
	double share = (double)conn->rank / (double)period->connections;
	uint64_t begin = period->begin + (uint64_t)(share * (double)period->ramp);
	// Its first message is due whether it is connected by then or not.
	if (thread->config->rate > 0)
		messages_plan(thread, conn, begin);
	conn->free_since = begin;
	timers_set(&thread->timers, &conn->timer, begin);
}

// Whether it was still connecting at `last`, when the period ended, and for too long.
static bool is_hung(const struct thread *thread, const struct connection *conn, uint64_t last)
{
	if (conn->state != CONNECTION_CONNECTING || !thread_counts(thread, last))
		return false;
	return (thread->period->kind == PERIOD_SLICE && conn->failed) ||
	       (last > conn->moved_at && last - conn->moved_at >= NS_PER_S);
}

void connection_rest(struct thread *thread, struct connection *conn)
{
	uint64_t stop = thread_stop(thread);
	uint64_t last = stop <= thread->now ? stop - 1 : thread->now;
	if (is_hung(thread, conn, last))
		load_errors_note(&thread->buffers.open->errors, LOAD_CONNECT_TIMEOUT, 0, conn->id,
				 last - thread->period->begin);
	bool visits = load_mode_takes(thread->config->mode, "visit");
	if (conn->state != CONNECTION_OPEN || conn->waiting > 0 || visits)
		give_up(thread, conn);
	messages_abandon_due(thread, conn);
	timers_unset(&thread->timers, &conn->timer);
}
