#include "generator.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/connect.h"

#define CONNECTS_MEASURED 1000 // of a thread, for their round trip
#define MOST_CONNECTING 256    // of a thread at a time: a backlog that overflows costs seconds

// Notes what the connection has seen, which ends now. One that was reset while it connected had
// nothing to say, but the server may have had it.
static void note_ending(const struct thread *thread, const struct connection *conn, bool was_open)
{
	struct endings *endings = thread->endings;
	struct endpoint local = {.length = sizeof(local.as)};
	uint64_t sent = atomic_load_explicit(&conn->sent, memory_order_relaxed);
	uint64_t start = was_open ? conn->verify.start : sent;
	if (!endings || !(was_open || conn->error == LOAD_EARLY_CLOSE) ||
	    getsockname(conn->fd, &local.as.any, &local.length) != 0)
		return;
	uint64_t index = atomic_fetch_add_explicit(&endings->count, 1, memory_order_relaxed);
	if (index >= ENDINGS_MOST)
		return;
	endings->of[index] = (struct ending){
		.connection = conn->id,
		.local = inet_end_from(&local),
		.start = start,
		.sent = sent - start,
		.received = was_open ? conn->received - start : 0,
		.wrong = was_open ? conn->verify.faults - conn->verify.truncated : 0,
		.end = conn->end,
		.ended = conn->state == CONNECTION_ENDING,
		.unanswered = conn->waiting > 0,
		.counts = conn->error_counts,
		.error = conn->error,
	};
}

void connection_note_error(struct thread *thread, struct connection *conn, enum load_error error,
			   int number)
{
	// Wrong bytes count at any time.
	conn->error = error;
	conn->error_counts =
		(conn->loaded && thread_counts(thread, thread->now)) || error == LOAD_MISMATCH;
	if (conn->error_counts)
		load_errors_note(&thread->buffers.open->errors, error, number, conn->id,
				 thread->now - thread->period->begin);
}

// One connect fewer is under way: the first connection that waits for its turn may begin.
static void end_connecting(struct thread *thread)
{
	struct connection *next = thread->queue;
	thread->connecting--;
	if (!next)
		return;
	thread->queue = next->next_in_queue;
	timers_set(&thread->timers, &next->timer, thread->now);
}

bool connection_end_verify(const struct thread *thread, struct connection *conn, bool whole)
{
	bool right = !thread->config->verify || verify_end(&conn->verify, whole);
	connection_count_verified(thread, conn, thread_counts(thread, thread->now));
	return right;
}

void connection_close(struct thread *thread, struct connection *conn, uint64_t again)
{
	bool was_open = conn->state == CONNECTION_OPEN || conn->state == CONNECTION_ENDING;
	if (conn->fd >= 0) {
		note_ending(thread, conn, was_open);
		close(conn->fd);
	}
	if (was_open) {
		atomic_fetch_sub_explicit(&thread->buffers.live, 1, memory_order_relaxed);
		verify_free(&conn->verify);
	}
	messages_abandon(thread, conn);
	thread->owed -= conn->state == CONNECTION_ENDING;
	bool was_connecting = conn->state == CONNECTION_CONNECTING;
	conn->fd = -1;
	conn->state = CONNECTION_CLOSED;
	if (was_connecting)
		end_connecting(thread);
	timers_unset(&thread->timers, &conn->timer);
	// Before a slice, a connect is tried once.
	bool enough = thread->period->kind == PERIOD_CONNECT && conn->failed;
	if (again != CLOCK_NEVER && conn->loaded && !enough && thread->now < thread_stop(thread))
		timers_set(&thread->timers, &conn->timer, again);
}

void connection_fail(struct thread *thread, struct connection *conn, enum load_error error,
		     int number)
{
	connection_note_error(thread, conn, error, number);
	if (conn->state == CONNECTION_OPEN || conn->state == CONNECTION_ENDING) {
		(void)connection_end_verify(thread, conn, false);
	} else {
		if (!conn->failed)
			atomic_fetch_add_explicit(&thread->buffers.failed, 1, memory_order_relaxed);
		conn->failed = true;
		load_errors_note(&thread->unconnected, error, number, conn->id,
				 thread->now - thread->period->begin);
	}
	connection_close(thread, conn, thread->now + CONNECTION_RETRY);
}

bool connecting_finish(struct thread *thread, struct connection *conn, uint64_t now)
{
	int number = connect_result(conn->fd);
	if (number == 0)
		number = proxy_send(conn->fd, thread->config->proxy);
	if (number != 0) {
		connection_fail(thread, conn, load_error_of(number, true), number);
		return false;
	}
	end_connecting(thread);
	conn->state = CONNECTION_OPEN;
	conn->failed = false;
	conn->before = (struct usage_tcp){0};
	atomic_fetch_add_explicit(&thread->buffers.live, 1, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&thread->buffers.connected, 1, memory_order_relaxed) <
	    CONNECTS_MEASURED)
		usage_note_connect(&thread->sockets, conn->fd);
	uint64_t at = atomic_load_explicit(&conn->sent, memory_order_relaxed);
	conn->verify = (struct verify){
		.scope = &thread->scope, .connection = conn->id, .start = at, .position = at};
	conn->goal = at;
	conn->received = at;
	conn->answered = at;
	conn->first = 0;
	conn->waiting = 0;
	conn->left = thread->config->mode == MODE_CHURN	       ? thread->config->visit
		     : thread->config->mode == MODE_HALF_CLOSE ? 1
							       : UINT64_MAX;
	// The first message of a visit waits for the connection, too.
	conn->due_since = thread->config->mode == MODE_CHURN ? conn->moved_at : 0;
	conn->free_since = now;
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
// address of the target's family at all. UDP has ports of its own, so it shows which of the two.
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

int connecting_listen(const struct thread *thread, struct connection *conn, int operation)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = conn};
	return epoll_ctl(thread->epoll, operation, conn->fd, &event);
}

void connecting_begin(struct thread *thread, struct connection *conn, uint64_t now)
{
	if (thread->connecting >= MOST_CONNECTING) {
		conn->next_in_queue = NULL;
		*(thread->queue ? &thread->queue_end->next_in_queue : &thread->queue) = conn;
		thread->queue_end = conn;
		return;
	}
	thread->connecting++;
	conn->broken = 0;
	conn->hung_up = false;
	conn->end = NULL;
	conn->error = LOAD_ERRORS;
	conn->fd = open_socket(thread->config, conn->id);
	conn->state = CONNECTION_CONNECTING;
	if (!conn->refused)
		conn->moved_at = now;
	conn->refused = conn->fd < 0;
	bool failed = conn->fd < 0 || connecting_listen(thread, conn, EPOLL_CTL_ADD) != 0;
	int number = failed ? errno : 0;
	if (conn->fd < 0 && number == EAGAIN && now - conn->moved_at < thread->config->timeout)
		connection_close(thread, conn,
				 now + NS_PER_MS); // a full backlog of a Unix-domain socket
	else if (failed)
		connection_fail(thread, conn,
				why_not(config_target(thread->config, conn->id), number), number);
}
