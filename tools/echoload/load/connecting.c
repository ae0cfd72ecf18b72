// How connections of the generator begin and end. The threads of the loops.
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/connect.h"

#define PATHS 1000	    // connects of a thread whose round trip is looked at
#define MOST_CONNECTING 256 // of a thread at a time: a backlog that overflows costs seconds

void link_note_error(struct loop *loop, const struct link *link, enum load_error error, int number)
{
	// Wrong bytes are wrong whenever they come.
	if ((link->loaded && loop_counts(loop, loop->now)) || error == LOAD_MISMATCH)
		load_errors_note(&loop->tally.open->errors, error, number, link->id,
				 loop->now - loop->period->begin);
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

bool link_end_verify(const struct loop *loop, struct link *link, bool whole)
{
	bool right = !loop->config->verify || verify_end(&link->verify, whole);
	link_count_verified(loop, link, loop_counts(loop, loop->now));
	return right;
}

void link_close(struct loop *loop, struct link *link, uint64_t again)
{
	bool was_open = link->state == LINK_OPEN || link->state == LINK_ENDING;
	if (link->fd >= 0)
		close(link->fd);
	if (was_open) {
		atomic_fetch_sub_explicit(&loop->tally.live, 1, memory_order_relaxed);
		verify_free(&link->verify);
	}
	messages_abandon(loop, link);
	loop->owed -= link->state == LINK_ENDING;
	bool was_connecting = link->state == LINK_CONNECTING;
	link->fd = -1;
	link->state = LINK_CLOSED;
	if (was_connecting)
		end_connecting(loop);
	timers_unset(&loop->timers, &link->timer);
	// Before a slice that is tried once.
	bool enough = loop->period->kind == PERIOD_CONNECT && link->failed;
	if (again != CLOCK_NEVER && link->loaded && !enough && loop->now < loop_stop(loop))
		timers_set(&loop->timers, &link->timer, again);
}

void link_fail(struct loop *loop, struct link *link, enum load_error error, int number)
{
	link_note_error(loop, link, error, number);
	if (link->state == LINK_OPEN || link->state == LINK_ENDING) {
		(void)link_end_verify(loop, link, false);
	} else {
		if (!link->failed)
			atomic_fetch_add_explicit(&loop->tally.failed, 1, memory_order_relaxed);
		link->failed = true;
		load_errors_note(&loop->unconnected, error, number, link->id,
				 loop->now - loop->period->begin);
	}
	link_close(loop, link, loop->now + LINK_RETRY);
}

bool connecting_finish(struct loop *loop, struct link *link, uint64_t now)
{
	int number = connect_result(link->fd);
	if (number != 0) {
		link_fail(loop, link, load_error_of(number, true), number);
		return false;
	}
	end_connecting(loop);
	link->state = LINK_OPEN;
	link->failed = false;
	link->before = (struct usage_tcp){0};
	atomic_fetch_add_explicit(&loop->tally.live, 1, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&loop->tally.connected, 1, memory_order_relaxed) < PATHS)
		usage_note_connect(&loop->sockets, link->fd);
	uint64_t at = atomic_load_explicit(&link->sent, memory_order_relaxed);
	verify_init(&link->verify, &loop->scope, link->id);
	link->verify.start = at;
	link->verify.position = at;
	link->goal = at;
	link->received = at;
	link->answered = at;
	link->first = 0;
	link->waiting = 0;
	link->left = loop->config->mode == MODE_CHURN	     ? loop->config->visit
		     : loop->config->mode == MODE_HALF_CLOSE ? 1
							     : UINT64_MAX;
	// Who comes for one message waits for the connection too.
	link->due_since = loop->config->mode == MODE_CHURN ? link->moved_at : 0;
	link->free_since = now;
	return true;
}

// Connections go to the targets in turn, and those of a target come from the sources in turn.
// Returns what connect_begin does.
static int open_socket(const struct load_config *config, uint32_t id)
{
	const struct endpoint *target = config_target(config, id);
	const struct endpoint *source = NULL;
	if (config->source_count > 0)
		source = &config->sources[id / config->target_count % config->source_count];
	int fd = connect_begin(target, source);
	const struct linger reset = {.l_onoff = 1};
	if (fd >= 0 && config->resets)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

// Why a connect could not begin. EADDRNOTAVAIL means that no port is left, or that we have no
// address of the target's family at all; UDP, which has ports of its own, tells which.
static enum load_error why_not(const struct endpoint *target, int number)
{
	enum load_error error = load_error_of(number, true);
	if (error != LOAD_OUT_OF_PORTS)
		return error;
	int fd = socket(target->as.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error;
	if (connect(fd, &target->as.any, target->length) != 0 && errno == EADDRNOTAVAIL)
		error = LOAD_UNREACHABLE;
	close(fd);
	return error;
}

int connecting_listen(const struct loop *loop, struct link *link, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = link};
	return epoll_ctl(loop->epoll, operation, link->fd, &event);
}

void connecting_begin(struct loop *loop, struct link *link, uint64_t now)
{
	if (loop->connecting >= MOST_CONNECTING) {
		link->behind = NULL;
		*(loop->queue ? &loop->queue_end->behind : &loop->queue) = link;
		loop->queue_end = link;
		return;
	}
	loop->connecting++;
	link->broken = 0;
	link->hung_up = false;
	link->fd = open_socket(loop->config, link->id);
	link->state = LINK_CONNECTING;
	if (!link->refused)
		link->moved_at = now;
	link->refused = link->fd < 0;
	bool failed = link->fd < 0 || connecting_listen(loop, link, EPOLL_CTL_ADD) != 0;
	int number = failed ? errno : 0;
	if (link->fd < 0 && number == EAGAIN && now - link->moved_at < loop->config->timeout)
		link_close(loop, link, now + NS_PER_MS); // a full backlog of a Unix-domain socket
	else if (failed)
		link_fail(loop, link, why_not(config_target(loop->config, link->id), number),
			  number);
}
