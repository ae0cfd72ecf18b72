// Connections of the generator. The threads of the loops.
#include "link.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "loop.h"
#include "messages.h"
#include "net/connect.h"

#define TURN 8		    // times that a link receives before others have their turn
#define PATHS 1000	    // connects of a thread whose round trip is looked at
#define MOST_CONNECTING 256 // of a thread at a time: a backlog that overflows costs seconds

static void note_error(struct loop *loop, const struct link *link, enum load_error error,
		       int number)
{
	load_errors_note(&loop_book(loop)->errors, error, number, link->id,
			 loop->now - loop->schedule->begin);
}

// One connect fewer is under way: the first link that waits for its turn may begin.
static void end_connecting(struct loop *loop)
{
	struct link *next = loop->queue;
	loop->connecting--;
	if (!next)
		return;
	loop->queue = next->behind;
	timers_set(&loop->timers, &next->timer, loop->now);
}

static void wait_for_turn(struct loop *loop, struct link *link)
{
	link->behind = NULL;
	if (loop->queue)
		loop->queue_end->behind = link;
	else
		loop->queue = link;
	loop->queue_end = link;
}

// The end of the verification, if there is one. Returns whether there was no fault.
static bool end_verify(const struct loop *loop, struct link *link, bool whole)
{
	return !loop->config->verify || verify_end(&link->verify, whole);
}

// Closes the socket. `again`: when to connect again, CLOCK_NEVER: not at all.
static void close_link(struct loop *loop, struct link *link, uint64_t again)
{
	if (link->fd >= 0)
		close(link->fd);
	if (link->state == LINK_OPEN || link->state == LINK_ENDING) {
		atomic_fetch_sub_explicit(&loop->tally->live, 1, memory_order_relaxed);
		loop_book(loop)->verified += link->verify.verified;
		verify_free(&link->verify);
	}
	if (link->state == LINK_CONNECTING)
		end_connecting(loop);
	messages_abandon(loop, link, false);
	link->fd = -1;
	link->state = LINK_CLOSED;
	timers_unset(&loop->timers, &link->timer);
	if (again != CLOCK_NEVER && !loop_is_over(loop))
		timers_set(&loop->timers, &link->timer, again);
}

// The connection has failed with `error`, for the reason `number` if that is not 0.
static void fail(struct loop *loop, struct link *link, enum load_error error, int number)
{
	note_error(loop, link, error, number);
	if (link->state == LINK_OPEN || link->state == LINK_ENDING)
		(void)end_verify(loop, link, false);
	else if (!link->failed)
		atomic_fetch_add_explicit(&loop->tally->failed, 1, memory_order_relaxed);
	link->failed = true;
	close_link(loop, link, loop->now + LINK_RETRY);
}

// Ends our side of the stream.
static void end_sending(struct link *link)
{
	shutdown(link->fd, SHUT_WR);
	link->state = LINK_ENDING;
}

static const char *piece_to_send(struct loop *loop, const struct link *link, uint64_t sent,
				 size_t size)
{
	if (loop->config->verify)
		payload_fill(loop->scope.payload, link->id, sent, loop->out, size);
	return loop->out;
}

// Sends what has been begun, as far as there is room.
static void flush(struct loop *loop, struct link *link)
{
	uint64_t sent = atomic_load_explicit(&link->sent, memory_order_relaxed);
	while (sent < link->goal) {
		uint64_t left = link->goal - sent;
		size_t size = left < LOOP_BUFFER ? (size_t)left : LOOP_BUFFER;
		const char *bytes = piece_to_send(loop, link, sent, size);
		// Before they can come back.
		atomic_store_explicit(&link->sent, sent + size, memory_order_relaxed);
		ssize_t count = send(link->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += count > 0 ? (uint64_t)count : 0;
		atomic_store_explicit(&link->sent, sent, memory_order_relaxed);
		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			// What the peer has sent before comes first.
			link->broken = errno;
			link->state = LINK_ENDING;
			return;
		}
		// After a part, too, the kernel tells when there is room again.
		if (count < (ssize_t)size && (count >= 0 || errno == EAGAIN))
			return;
	}
	if (loop->config->mode == MODE_HALF_CLOSE && link->state == LINK_OPEN && link->waiting > 0)
		end_sending(link);
}

static void begin_messages(struct loop *loop, struct link *link, uint64_t now)
{
	if (link->state != LINK_OPEN)
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
		loop_book(loop)->visits++;
	(void)end_verify(loop, link, true);
	close_link(loop, link, loop->now);
}

// Deals with `size` bytes that have come into the loop's buffer. Returns whether the link goes on.
static bool take_bytes(struct loop *loop, struct link *link, size_t size, uint64_t now)
{
	if (loop_counts(loop, now))
		loop_book(loop)->bytes += size;
	link->moved_at = now;
	link->received += size;
	if (!loop->config->verify) {
		if (link->received > link->goal) {
			fail(loop, link, LOAD_MISMATCH, 0);
			return false;
		}
	} else if (verify_bytes(&link->verify, loop->in, size) != 0) {
		fail(loop, link, LOAD_OUT_OF_MEMORY, errno);
		return false;
	} else if (link->verify.suspicion || link->verify.faults > 0) {
		// Nothing is trusted from here on: no new message, and the rest shows what it was.
		if (link->state == LINK_OPEN)
			end_sending(link);
		timers_unset(&loop->timers, &link->timer);
		return true;
	}
	while (link->waiting > 0 && link->received >= link->messages[link->first].end &&
	       loop->config->mode != MODE_HALF_CLOSE)
		messages_answered(loop, link, now);
	return true;
}

// The peer has ended the stream.
static void take_end(struct loop *loop, struct link *link, uint64_t now)
{
	if (link->broken) { // send(2) was told first, and took the socket's error with it
		fail(loop, link, load_error_of(link->broken, false), link->broken);
		return;
	}
	bool ours = link->state == LINK_ENDING;
	bool wrong = loop->config->verify && link->verify.faults > 0;
	uint64_t sent = atomic_load_explicit(&link->sent, memory_order_relaxed);
	bool right = end_verify(loop, link, true);
	if (!wrong && link->received < sent)
		note_error(loop, link, LOAD_SHORT, 0);
	else if (wrong || !right)
		note_error(loop, link, LOAD_MISMATCH, 0);
	else if (!ours)
		note_error(loop, link, LOAD_EARLY_CLOSE, 0);
	else if (loop->config->mode == MODE_HALF_CLOSE && link->waiting > 0) {
		messages_answered(loop, link, now);
		finish_visit(loop, link, now);
		return;
	} else if (is_visit_done(loop, link)) {
		finish_visit(loop, link, now);
		return;
	}
	close_link(loop, link, now + LINK_RETRY);
}

// Has epoll tell again what there is to do: more is there than one turn takes.
static void end_turn(struct loop *loop, struct link *link)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = link};
	int failed = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, link->fd, &event);
	ensure(!failed);
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
		if (count < 0) {
			fail(loop, link, load_error_of(errno, false), errno);
			return;
		}
		if (count == 0) {
			take_end(loop, link, now);
			return;
		}
		if (!take_bytes(loop, link, (size_t)count, now))
			return;
		if (link->state == LINK_OPEN && is_visit_done(loop, link)) {
			if (loop->config->resets) {
				finish_visit(loop, link, now);
				return;
			}
			end_sending(link);
		}
		begin_messages(loop, link, now);
		if (link->state == LINK_CLOSED || ((size_t)count < LOOP_BUFFER && !link->hung_up))
			return;
	}
	end_turn(loop, link);
}

static void finish_connecting(struct loop *loop, struct link *link, uint64_t now)
{
	int number = connect_result(link->fd);
	if (number != 0) {
		fail(loop, link, load_error_of(number, true), number);
		return;
	}
	end_connecting(loop);
	link->state = LINK_OPEN;
	if (loop->paths < PATHS) {
		loop->paths++;
		usage_note_connect(&loop->sockets, link->fd);
	}
	atomic_fetch_add_explicit(&loop->tally->live, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&loop->tally->connected, 1, memory_order_relaxed);
	uint64_t at = atomic_load_explicit(&link->sent, memory_order_relaxed);
	verify_init(&link->verify, &loop->scope, link->id);
	link->verify.start = at;
	link->verify.position = at;
	link->goal = at;
	link->received = at;
	link->first = 0;
	link->waiting = 0;
	link->left = loop->config->mode == MODE_CHURN	     ? loop->config->visit
		     : loop->config->mode == MODE_HALF_CLOSE ? 1
							     : UINT64_MAX;
	// Who comes for one message waits for the connection too.
	link->due_since = loop->config->mode == MODE_CHURN ? link->moved_at : 0;
	link->free_since = now;
	begin_messages(loop, link, now);
}

// Connections go to the targets in turn, and those of a target come from the sources in turn.
// Returns what connect_begin does.
static int open_socket(const struct load_config *config, uint32_t id)
{
	const struct endpoint *target = &config->targets[id % config->target_count];
	const struct endpoint *source = NULL;
	if (config->source_count > 0)
		source = &config->sources[id / config->target_count % config->source_count];
	int fd = connect_begin(target, source);
	const struct linger reset = {.l_onoff = 1};
	if (fd >= 0 && config->resets)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void begin_connecting(struct loop *loop, struct link *link, uint64_t now)
{
	if (loop->connecting >= MOST_CONNECTING) {
		wait_for_turn(loop, link);
		return;
	}
	loop->connecting++;
	link->broken = 0;
	link->hung_up = false;
	link->fd = open_socket(loop->config, link->id);
	link->state = LINK_CONNECTING;
	if (link->refused_since == 0)
		link->moved_at = now;
	if (link->fd >= 0)
		link->refused_since = 0;
	else if (link->refused_since == 0)
		link->refused_since = now;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = link};
	if (link->fd < 0 && errno == EAGAIN && now - link->refused_since < loop->config->timeout)
		close_link(loop, link, now + NS_PER_MS); // a full backlog of a Unix-domain socket
	else if (link->fd < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, link->fd, &event) != 0)
		fail(loop, link, load_error_of(errno, true), errno);
}

void link_wake(struct loop *loop, struct link *link, uint64_t now)
{
	if (link->state == LINK_CLOSED)
		begin_connecting(loop, link, now);
	else
		begin_messages(loop, link, now);
}

void link_events(struct loop *loop, struct link *link, uint32_t events, uint64_t now)
{
	if (link->state == LINK_CLOSED)
		return;
	if (link->state == LINK_CONNECTING) {
		finish_connecting(loop, link, now);
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
		fail(loop, link, LOAD_CONNECT_TIMEOUT, 0);
	} else if (link->state == LINK_ENDING || (link->state == LINK_OPEN && link->waiting > 0)) {
		// A stream that stops in the middle of a fault still has a fault to be named.
		note_error(loop, link, LOAD_TIMEOUT, 0);
		messages_abandon(loop, link, true);
		(void)end_verify(loop, link, link->verify.suspicion != NULL);
		close_link(loop, link, now + LINK_RETRY);
	}
}

void link_give_up(struct loop *loop, struct link *link)
{
	if (link->state == LINK_OPEN || link->state == LINK_ENDING)
		(void)end_verify(loop, link, link->verify.suspicion != NULL);
	if (link->state == LINK_CONNECTING && clock_now() - link->moved_at >= NS_PER_S)
		note_error(loop, link, LOAD_CONNECT_TIMEOUT, 0);
	messages_abandon(loop, link, true);
	close_link(loop, link, CLOCK_NEVER);
	messages_abandon_due(loop, link);
}
