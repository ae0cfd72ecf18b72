// The acceptor. It decides capacity before it accepts, never waits for a client and never spins: at
// the limit and when the system runs out of something it pauses. It alone arms and disarms the
// listeners. After the last accept it sees the drain through.
#include "server/acceptor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/clock.h"
#include "net/errno_class.h"
#include "server/server.h"

#define ACCEPT_BATCH 64 // connections accepted from one listener before the others have their turn
#define RESOURCE_PAUSE (100 * NS_PER_MS)
#define PAUSE_ACCOUNT (1 * NS_PER_S) // how often the time of a long pause is added to its counter

enum pause_cause {
	PAUSE_NONE,
	PAUSE_LIMIT,	 // until a connection closes
	PAUSE_RESOURCES, // until a connection closes, or for RESOURCE_PAUSE
};

struct pause {
	enum pause_cause cause;
	uint64_t until;		// PAUSE_RESOURCES: when to try again
	uint64_t open;		// PAUSE_RESOURCES: how many connections were open when it began
	uint64_t accounted_for; // up to when its time has been counted
};

// What can go wrong again and again, each with its own limit on log lines.
enum complaint {
	COMPLAINT_ABORTED,
	COMPLAINT_NETWORK,
	COMPLAINT_DESCRIPTORS,
	COMPLAINT_MEMORY,
	COMPLAINT_OTHER,
	COMPLAINT_LIMIT,
	COMPLAINT_SOURCE,
	COMPLAINT_COUNT,
};

// The thread's own; on its stack.
struct acceptor {
	struct server *server;
	struct thread_stats *stats;
	struct pause pause;
	struct log_limit limits[COMPLAINT_COUNT];
};

static void complain(struct acceptor *acceptor, enum complaint complaint, const char *what,
		     const char *subject)
{
	struct log *log = acceptor->server->log;
	uint64_t suppressed;
	if (!log_limit_pass(log, &acceptor->limits[complaint], &suppressed))
		return;
	if (suppressed)
		log_write(log, LOG_WARNING, "%s%s (and %llu times more since the last line)", what,
			  subject, (unsigned long long)suppressed);
	else
		log_write(log, LOG_WARNING, "%s%s", what, subject);
}

static void pause_account(struct acceptor *acceptor)
{
	uint64_t now = clock_now();
	counter_add(acceptor->stats, COUNTER_accept_paused_seconds,
		    now - acceptor->pause.accounted_for);
	acceptor->pause.accounted_for = now;
}

static void pause_begin(struct acceptor *acceptor, enum pause_cause cause)
{
	struct admission *admission = &acceptor->server->admission;
	acceptor->pause = (struct pause){
		.cause = cause,
		.until = clock_deadline(RESOURCE_PAUSE),
		.open = admission_count(admission),
		.accounted_for = clock_now(),
	};
	counter_add(acceptor->stats, COUNTER_accept_pauses, 1);
	admission_watch(admission, true);
}

// Ends the pause if its cause may be gone.
static void pause_review(struct acceptor *acceptor)
{
	struct pause *pause = &acceptor->pause;
	struct admission *admission = &acceptor->server->admission;
	if (pause->cause == PAUSE_NONE)
		return;
	pause_account(acceptor);
	bool over = pause->cause == PAUSE_LIMIT ? admission_has_room(admission)
						: clock_now() >= pause->until ||
							  admission_count(admission) < pause->open;
	if (!over)
		return;
	pause->cause = PAUSE_NONE;
	admission_watch(admission, false);
}

// How long the acceptor may sleep.
static int sleep_timeout(const struct pause *pause)
{
	switch (pause->cause) {
	case PAUSE_LIMIT:
		return clock_poll_timeout(clock_deadline(PAUSE_ACCOUNT));
	case PAUSE_RESOURCES:
		return clock_poll_timeout(pause->until);
	default:
		return -1;
	}
}

struct failure {
	enum counter counter;
	enum complaint complaint;
	bool pauses;
	const char *text;
};

static struct failure failure_of(int number)
{
	switch (errno_classify(number)) {
	case ERRNO_PEER_GONE:
		return (struct failure){COUNTER_accept_errors_aborted, COMPLAINT_ABORTED, false,
					"a client went before it was accepted: "};
	case ERRNO_NETWORK:
	case ERRNO_TIMED_OUT:
		return (struct failure){COUNTER_accept_errors_network, COMPLAINT_NETWORK, false,
					"the network failed a client that was to be accepted: "};
	case ERRNO_NO_DESCRIPTORS:
		return (struct failure){COUNTER_accept_errors_descriptors, COMPLAINT_DESCRIPTORS,
					true, "out of descriptors, accepting pauses: "};
	case ERRNO_NO_MEMORY:
		return (struct failure){COUNTER_accept_errors_memory, COMPLAINT_MEMORY, true,
					"out of memory, accepting pauses: "};
	default:
		return (struct failure){COUNTER_accept_errors_other, COMPLAINT_OTHER, true,
					"cannot accept, accepting pauses: "};
	}
}

enum accept_result {
	ACCEPT_GO_ON,
	ACCEPT_STOP, // nothing more to accept here and now
};

static enum accept_result accept_failed(struct acceptor *acceptor, int number)
{
	enum errno_class class = errno_classify(number);
	if (class == ERRNO_TRY_AGAIN)
		return ACCEPT_STOP;
	if (class == ERRNO_INTERRUPTED)
		return ACCEPT_GO_ON;
	struct failure failure = failure_of(number);
	counter_add(acceptor->stats, failure.counter, 1);
	complain(acceptor, failure.complaint, failure.text, error_text(number));
	if (!failure.pauses)
		return ACCEPT_GO_ON;
	pause_begin(acceptor, PAUSE_RESOURCES);
	return ACCEPT_STOP;
}

// Our end of the connection: the listener's address, unless that stands for many.
static union inet_end local_end(int fd, const struct endpoint *bound)
{
	struct endpoint local = {.length = sizeof(local.as)};
	bool any = bound->as.any.sa_family == AF_INET
			   ? bound->as.v4.sin_addr.s_addr == htonl(INADDR_ANY)
			   : IN6_IS_ADDR_UNSPECIFIED(&bound->as.v6.sin6_addr);
	if (bound->as.any.sa_family == AF_UNIX || !any ||
	    getsockname(fd, &local.as.any, &local.length) != 0)
		return inet_end_from(bound);
	return inet_end_from(&local);
}

static void describe_origin(const struct server *server, size_t index, int fd,
			    const struct endpoint *peer, struct conn_origin *origin)
{
	const struct listener *listener = &server->listeners[index];
	*origin = (struct conn_origin){
		.fd = fd,
		.accepted_at = clock_now(),
		.peer = inet_end_from(peer),
		.local = local_end(fd, &listener->endpoint),
		.local_name = server->names[index],
	};
	if (listener->endpoint.as.any.sa_family != AF_UNIX)
		return;
	struct ucred credentials = {0};
	socklen_t size = sizeof(credentials);
	origin->peer.any.sa_family = AF_UNIX;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
		origin->peer_user = credentials.uid;
}

static void reject(struct acceptor *acceptor, int fd, enum counter counter,
		   enum complaint complaint, const char *what, const char *subject)
{
	counter_add(acceptor->stats, counter, 1);
	conn_close_fd(fd, false);
	complain(acceptor, complaint, what, subject);
}

// Hands an accepted connection to the pool, or turns it away.
static void admit(struct acceptor *acceptor, const struct conn_origin *origin)
{
	struct server *server = acceptor->server;
	char text[ADDRESS_TEXT_SIZE];
	if (!admission_has_room(&server->admission)) {
		reject(acceptor, origin->fd, COUNTER_connections_rejected_limit, COMPLAINT_LIMIT,
		       "at --max-connections, reset a connection from ",
		       inet_end_format(&origin->peer, text));
		return;
	}
	if (!admission_enter(&server->admission, origin)) {
		reject(acceptor, origin->fd, COUNTER_connections_rejected_source, COMPLAINT_SOURCE,
		       "at --max-per-source, reset a connection from ",
		       inet_end_format(&origin->peer, text));
		return;
	}
	struct timeval idle = clock_timeval(server->config.idle_timeout);
	if (server->config.idle_timeout != CLOCK_NEVER)
		setsockopt(origin->fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
	struct conn *conn = conn_table_add(&server->conns, origin);
	if (log_wants(server->log, LOG_DEBUG))
		log_write(server->log, LOG_DEBUG, "connection %llu from %s accepted on %s",
			  (unsigned long long)conn->id, inet_end_format(&origin->peer, text),
			  origin->local_name);
	counter_add(acceptor->stats, COUNTER_connections_accepted, 1);
	pool_submit(&server->pool, &conn->work);
}

static enum accept_result accept_one(struct acceptor *acceptor, size_t index)
{
	struct server *server = acceptor->server;
	if (server->config.overload == OVERLOAD_WAIT && !admission_has_room(&server->admission)) {
		complain(acceptor, COMPLAINT_LIMIT,
			 "at --max-connections, accepting pauses until one closes", "");
		pause_begin(acceptor, PAUSE_LIMIT);
		return ACCEPT_STOP;
	}
	struct endpoint peer = {.length = sizeof(peer.as)};
	int fd = accept4(server->listeners[index].fd, &peer.as.any, &peer.length, SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(acceptor, errno);
	struct conn_origin origin;
	describe_origin(server, index, fd, &peer, &origin);
	admit(acceptor, &origin);
	return ACCEPT_GO_ON;
}

static void accept_batch(struct acceptor *acceptor, size_t index)
{
	for (int i = 0; i < ACCEPT_BATCH && acceptor->pause.cause == PAUSE_NONE; i++) {
		if (accept_one(acceptor, index) == ACCEPT_STOP)
			break;
	}
}

// Sleeps until something is to be done: a client has come, a pause may end, the phase has changed.
static void accept_round(struct acceptor *acceptor)
{
	struct server *server = acceptor->server;
	struct pollfd fds[1 + SERVER_MAX_LISTENERS];
	fds[0] = (struct pollfd){.fd = server->acceptor_waker.fd, .events = POLLIN};
	for (size_t i = 0; i < server->listener_count; i++)
		fds[1 + i] = (struct pollfd){.fd = server->listeners[i].fd, .events = POLLIN};

	// After the watch was set, before the sleep: a connection that closed in between is seen
	// here.
	pause_review(acceptor);
	bool accepting = acceptor->pause.cause == PAUSE_NONE;
	nfds_t count = accepting ? 1 + server->listener_count : 1;
	int ready = poll(fds, count, sleep_timeout(&acceptor->pause));
	ensure(ready >= 0 || errno == EINTR || errno == ENOMEM);
	if (fds[0].revents)
		waker_clear(&server->acceptor_waker);
	for (size_t i = 0; ready > 0 && accepting && i < server->listener_count; i++) {
		if (fds[1 + i].revents)
			accept_batch(acceptor, i);
	}
}

// No more clients from here on. Those that the kernel has already connected count as accepted:
// closing a listener would reset them.
static void close_listeners(struct acceptor *acceptor)
{
	struct server *server = acceptor->server;
	if (acceptor->pause.cause != PAUSE_NONE) {
		pause_account(acceptor);
		acceptor->pause.cause = PAUSE_NONE;
	}
	for (size_t i = 0; i < server->listener_count; i++) {
		while (server->listeners[i].fd >= 0 && admission_has_room(&server->admission) &&
		       accept_one(acceptor, i) == ACCEPT_GO_ON)
			;
		listener_close(&server->listeners[i]);
	}
}

// Waits until the last connection has ended or, unless `all` are waited for, the drain's deadline
// has passed, which may move meanwhile.
static void wait_for_connections(struct server *server, bool all)
{
	struct pollfd fd = {.fd = server->acceptor_waker.fd, .events = POLLIN};
	admission_watch(&server->admission, true);
	for (;;) {
		uint64_t deadline = all ? CLOCK_NEVER : atomic_load(&server->drain_deadline);
		if (admission_count(&server->admission) == 0 || clock_now() >= deadline)
			return;
		poll(&fd, 1, clock_poll_timeout(deadline));
		waker_clear(&server->acceptor_waker);
	}
}

// Ends all connections that are left, and waits until their workers have closed them. Returns how
// many there were.
static uint64_t cut_connections(struct server *server)
{
	uint64_t left = admission_count(&server->admission);
	if (left == 0)
		return 0;
	log_write(server->log, LOG_WARNING, "time is up: cutting %llu connections",
		  (unsigned long long)left);
	atomic_store_explicit(&server->cut.now, true, memory_order_release);
	waker_wake(&server->cut.waker);
	conn_table_shut_reading(&server->conns);
	wait_for_connections(server, true);
	return left;
}

static void drain(struct acceptor *acceptor)
{
	struct server *server = acceptor->server;
	close_listeners(acceptor);
	uint64_t deadline = atomic_load(&server->drain_deadline);
	uint64_t now = clock_now();
	log_write(server->log, LOG_INFO, "draining: %llu connections are open, %.1f s left",
		  (unsigned long long)admission_count(&server->admission),
		  deadline > now ? (double)(deadline - now) / (double)NS_PER_S : 0.0);
	wait_for_connections(server, false);
	uint64_t cut = cut_connections(server);
	uint64_t accepted = atomic_load_explicit(
		&acceptor->stats->counter[COUNTER_connections_accepted], memory_order_relaxed);
	log_write(server->log, LOG_INFO, "stopped: %llu connections accepted, %llu of them cut",
		  (unsigned long long)accepted, (unsigned long long)cut);
}

void *acceptor_run(void *argument)
{
	struct server *server = argument;
	struct acceptor acceptor = {
		.server = server,
		.stats = &server->stats.threads[SERVER_THREAD_ACCEPTOR],
	};
	gate_arrive(&server->acceptor_ready);
	struct pollfd fd = {.fd = server->acceptor_waker.fd, .events = POLLIN};
	while (!atomic_load(&server->started))
		poll(&fd, 1, -1);
	while (!atomic_load(&server->draining))
		accept_round(&acceptor);
	drain(&acceptor);
	pool_close(&server->pool);
	waker_wake(&server->done);
	return NULL;
}
