// Connections of the generator. The threads of the loops.
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/assert.h"

#define TURN 8 // times that a link receives before others have their turn

// The end of the verification of a stream that we cut. If it stops in the middle of a fault, that
// still has to be named. Returns whether there was no fault.
static bool cut_verify(const struct loop *loop, struct link *link)
{
	return link_end_verify(loop, link, link->verify.resync != NULL);
}

// Nothing more is sent; the end of the connection is awaited.
static void await_end(struct loop *loop, struct link *link)
{
	loop->owed += link->state != LINK_ENDING;
	link->state = LINK_ENDING;
}

static void end_sending(struct loop *loop, struct link *link)
{
	shutdown(link->fd, SHUT_WR);
	await_end(loop, link);
}

// Sends what has been begun, as far as there is room.
static void flush(struct loop *loop, struct link *link)
{
	uint64_t sent = atomic_load_explicit(&link->sent, memory_order_relaxed);
	while (sent < link->goal) {
		uint64_t left = link->goal - sent;
		size_t size = left < LOOP_BUFFER ? (size_t)left : LOOP_BUFFER;
		if (loop->config->verify)
			payload_fill(loop->scope.payload, link->id, sent, loop->out, size);
		// Before they can come back.
		atomic_store_explicit(&link->sent, sent + size, memory_order_relaxed);
		ssize_t count = send(link->fd, loop->out, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += count > 0 ? (uint64_t)count : 0;
		atomic_store_explicit(&link->sent, sent, memory_order_relaxed);
		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			// What the peer has sent before comes first. EPIPE: after its FIN.
			link->broken = errno == EPIPE ? 0 : errno;
			await_end(loop, link);
			return;
		}
		// After a part, too, the kernel tells when there is room again.
		if (count < (ssize_t)size && (count >= 0 || errno == EAGAIN))
			return;
	}
	if (loop->config->mode == MODE_HALF_CLOSE && link->state == LINK_OPEN && link->waiting > 0)
		end_sending(loop, link);
}

static void begin_messages(struct loop *loop, struct link *link, uint64_t now)
{
	if (link->state != LINK_OPEN || !link->loaded)
		return;
	messages_begin(loop, link, now);
	if (atomic_load_explicit(&link->sent, memory_order_relaxed) < link->goal)
		flush(loop, link);
}

// Whether all the messages of a visit of MODE_CHURN have been answered.
static bool is_visit_done(const struct loop *loop, const struct link *link)
{
	return loop->config->mode == MODE_CHURN && link->left == 0 && link->waiting == 0;
}

// A visit has ended as it should.
static void finish_visit(struct loop *loop, struct link *link, uint64_t now)
{
	if (loop_counts(loop, now))
		loop->tally.open->visits++;
	(void)link_end_verify(loop, link, true);
	link_close(loop, link, loop->now);
}

// Deals with `size` bytes that have come into the loop's buffer. Returns whether the link goes on.
static bool take_bytes(struct loop *loop, struct link *link, size_t size, uint64_t now)
{
	bool counts = loop_counts(loop, now);
	if (counts)
		loop->tally.open->bytes += size;
	link->moved_at = now;
	link->received += size;
	if (!loop->config->verify && link->received > link->goal) {
		link_fail(loop, link, LOAD_MISMATCH, 0);
		return false;
	}
	if (loop->config->verify && verify_bytes(&link->verify, loop->in, size) != 0) {
		link_fail(loop, link, LOAD_OUT_OF_MEMORY, errno);
		return false;
	}
	link_count_verified(loop, link, counts);
	if (link->verify.resync || link->verify.faults > 0) {
		// Nothing is trusted from here on: no new message, and the rest shows what it was.
		if (link->state == LINK_OPEN)
			end_sending(loop, link);
		timers_unset(&loop->timers, &link->timer);
		return true;
	}
	while (link->waiting > 0 && link->received >= link->messages[link->first].end &&
	       loop->config->mode != MODE_HALF_CLOSE)
		messages_answered(loop, link, now);
	return true;
}

// The peer has ended the stream: with FIN (`number` is 0) or with an error.
//
// A peer that closes sends FIN, or a reset if a message of ours was on its way; so it is chance
// which of them comes, and whether that message counts as sent. Therefore an end between two echoes
// is `early_close`, and so is a reset within one: it destroys bytes that were on their way. Only
// FIN within an echo proves that the peer has not sent the rest: `short`, and bytes `truncated`.
// After our own FIN, with nothing owed to us, either is a good end.
static void take_end(struct loop *loop, struct link *link, int number, uint64_t now)
{
	const struct verify *verify = &link->verify;
	bool wrong = verify->faults > 0;
	bool within = number == 0 && link->received > link->answered;
	bool whole = within || (number == 0 && (wrong || verify->resync));
	bool right = link_end_verify(loop, link, whole);
	enum load_error error = number ? load_error_of(number, false) : LOAD_EARLY_CLOSE;
	bool ended = error == LOAD_EARLY_CLOSE && link->state == LINK_ENDING;
	if (!wrong && within && link->received < link->goal) {
		link_note_error(loop, link, LOAD_SHORT, 0);
	} else if (!right) {
		link_note_error(loop, link, LOAD_MISMATCH, 0);
	} else if (within && loop->config->mode == MODE_HALF_CLOSE) {
		messages_answered(loop, link, now);
		finish_visit(loop, link, now);
		return;
	} else if (ended && is_visit_done(loop, link)) {
		finish_visit(loop, link, now);
		return;
	} else if (!ended || link->waiting > 0) {
		link_note_error(loop, link, error, error == LOAD_EARLY_CLOSE ? 0 : number);
	}
	link_close(loop, link, now + LINK_RETRY);
}

// Receives what there is, or as much as one turn takes: a peer that is faster than we are would
// keep the thread from its other links.
static void receive(struct loop *loop, struct link *link)
{
	for (unsigned i = 0; i < TURN; i++) {
		ssize_t count = recv(link->fd, loop->in, LOOP_BUFFER, MSG_DONTWAIT);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0 && errno == EAGAIN)
			return;
		uint64_t now = clock_now();
		if (count <= 0) {
			take_end(loop, link, count < 0 ? errno : link->broken, now);
			return;
		}
		if (!take_bytes(loop, link, (size_t)count, now))
			return;
		if (link->state == LINK_OPEN && is_visit_done(loop, link)) {
			if (loop->config->resets) {
				finish_visit(loop, link, now);
				return;
			}
			end_sending(loop, link);
		}
		begin_messages(loop, link, now);
		if (link->state == LINK_CLOSED || ((size_t)count < LOOP_BUFFER && !link->hung_up))
			return;
	}
	// More is there than one turn takes: epoll is to tell that again.
	int failed = connecting_listen(loop, link, EPOLL_CTL_MOD);
	ensure(!failed);
}

void link_wake(struct loop *loop, struct link *link, uint64_t now)
{
	if (link->state == LINK_CLOSED)
		connecting_begin(loop, link, now);
	else
		begin_messages(loop, link, now);
}

void link_events(struct loop *loop, struct link *link, uint32_t events, uint64_t now)
{
	if (link->state == LINK_CLOSED)
		return;
	if (link->state == LINK_CONNECTING) {
		if (!connecting_finish(loop, link, now))
			return;
		begin_messages(loop, link, now);
		if (link->state != LINK_OPEN)
			return;
	}
	link->hung_up = link->hung_up || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	if (events & EPOLLOUT && link->state == LINK_OPEN)
		flush(loop, link);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		receive(loop, link);
}

void link_check_time(struct loop *loop, struct link *link, uint64_t now)
{
	uint64_t limit = loop->config->timeout;
	if (limit == CLOCK_NEVER || now < link->moved_at || now - link->moved_at < limit)
		return;
	if (link->state == LINK_CONNECTING) {
		link_fail(loop, link, LOAD_CONNECT_TIMEOUT, 0);
	} else if (link->state == LINK_ENDING || (link->state == LINK_OPEN && link->waiting > 0)) {
		bool right = cut_verify(loop, link);
		link_note_error(loop, link, right ? LOAD_TIMEOUT : LOAD_MISMATCH, 0);
		link_close(loop, link, now + LINK_RETRY);
	}
}

static void give_up(struct loop *loop, struct link *link)
{
	if ((link->state == LINK_OPEN || link->state == LINK_ENDING) && !cut_verify(loop, link))
		link_note_error(loop, link, LOAD_MISMATCH, 0);
	link_close(loop, link, CLOCK_NEVER);
}

void link_plan(struct loop *loop, struct link *link)
{
	const struct period *period = loop->period;
	timers_unset(&loop->timers, &link->timer);
	link->due_since = 0;
	link->refused = false;
	if (period->kind == PERIOD_END && link->state == LINK_OPEN)
		end_sending(loop, link);
	if (!link->loaded)
		return;
	if (period->kind == PERIOD_CONNECT) {
		if (link->state == LINK_CLOSED && !link->failed)
			timers_set(&loop->timers, &link->timer, loop->now);
		return;
	}
	double share = (double)link->rank / (double)period->links;
	uint64_t begin = period->begin + (uint64_t)(share * (double)period->ramp);
	// Its first message is due whether it is connected by then or not.
	if (loop->config->rate > 0)
		messages_plan(loop, link, begin);
	link->free_since = begin;
	timers_set(&loop->timers, &link->timer, begin);
}

// Whether it was still being connected at the `last` moment of the period, and for too long.
static bool is_hung(const struct loop *loop, const struct link *link, uint64_t last)
{
	if (link->state != LINK_CONNECTING || !loop_counts(loop, last))
		return false;
	return (loop->period->kind == PERIOD_SLICE && link->failed) ||
	       (last > link->moved_at && last - link->moved_at >= NS_PER_S);
}

void link_rest(struct loop *loop, struct link *link)
{
	uint64_t stop = loop_stop(loop);
	uint64_t last = stop <= loop->now ? stop - 1 : loop->now;
	if (is_hung(loop, link, last))
		load_errors_note(&loop->tally.open->errors, LOAD_CONNECT_TIMEOUT, 0, link->id,
				 last - loop->period->begin);
	bool visits = loop->config->mode == MODE_CHURN || loop->config->mode == MODE_HALF_CLOSE;
	if (link->state != LINK_OPEN || link->waiting > 0 || visits)
		give_up(loop, link);
	messages_abandon_due(loop, link);
	timers_unset(&loop->timers, &link->timer);
}
