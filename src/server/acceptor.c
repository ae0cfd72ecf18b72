#include "server/acceptor.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/errno_class.h"
#include "net/socket.h"
#include "net/waker.h"
#include "pool/policy.h"
#include "server/complaints.h"
#include "server/drain.h"
#include "server/listeners.h"
#include "server/pause.h"
#include "server/server.h"

#define NO_QUOTA SIZE_MAX
#define ACCEPT_BATCH 64 // connections accepted from one listener before the others have their turn
#define CPUS_INTERVAL (2 * NS_PER_S) // how often the CPUs are counted
#define ACCEPT_FAILURES 16	     // of a batch; more would be a busy loop, so a pause follows
#define FIXED_DESCRIPTORS 2	     // that it waits for, besides listeners

// The acceptor's own data, on its stack.
struct acceptor {
	struct server *server;
	struct thread_stats *stats;
	struct pause pause;
	struct complaints complaints;

	// How many connections each listener may still accept. There is no limit until the server
	// drains; then only those that the kernel had connected by that time.
	size_t quota[SERVER_MAX_LISTENERS];
	size_t first;	  // the listener that comes first in the next round
	uint64_t refused; // parks without an event that have been logged
	uint64_t cpus_at; // when to count the CPUs again
};

// By errno_class, except those that mean to try again.
static const struct failure {
	enum counter counter;
	enum complaint complaint;
	bool pauses;
	const char *text;
} known_failures[] = {
	[ERRNO_PEER_GONE] = {COUNTER_accept_errors_aborted, COMPLAINT_ABORTED, false,
			     "a client left before it was accepted: "},
	[ERRNO_TIMED_OUT] = {COUNTER_accept_errors_network, COMPLAINT_NETWORK, false,
			     "the network failed before a client was accepted: "},
	[ERRNO_NETWORK] = {COUNTER_accept_errors_network, COMPLAINT_NETWORK, false,
			   "the network failed before a client was accepted: "},
	[ERRNO_NO_DESCRIPTORS] = {COUNTER_accept_errors_descriptors, COMPLAINT_DESCRIPTORS, true,
				  "out of descriptors, accepting pauses: "},
	[ERRNO_NO_MEMORY] = {COUNTER_accept_errors_memory, COMPLAINT_MEMORY, true,
			     "out of memory, accepting pauses: "},
	[ERRNO_OUR_FAULT] = {COUNTER_accept_errors_other, COMPLAINT_OTHER, true,
			     "cannot accept, accepting pauses: "},
};

enum accept_result {
	ACCEPT_DONE,  // a connection was accepted, or refused
	ACCEPT_RETRY, // none was, for a passing reason
	ACCEPT_EMPTY, // none waits
	ACCEPT_PAUSE, // none can be accepted for a while
};

static enum accept_result accept_failed(struct acceptor *acceptor, int number)
{
	enum errno_class class = errno_classify(number);
	if (class == ERRNO_TRY_AGAIN)
		return ACCEPT_EMPTY;
	if (class == ERRNO_INTERRUPTED)
		return ACCEPT_RETRY;
	const struct failure *failure = &known_failures[class];
	counter_add(acceptor->stats, failure->counter, 1);
	complain(&acceptor->complaints, failure->complaint, failure->text, error_text(number));
	if (!failure->pauses)
		return ACCEPT_RETRY;
	pause_begin(&acceptor->pause, PAUSE_RESOURCES);
	return ACCEPT_PAUSE;
}

// Our end of the connection: the listener's address, unless that stands for several.
static union inet_end local_end(int fd, const struct endpoint *bound)
{
	const union inet_end end = inet_end_from(bound);
	struct endpoint local = *bound;
	local.length = sizeof(local.as);
	if (inet_end_is_any(&end))
		getsockname(fd, &local.as.any, &local.length); // or it stays as it is
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
		.listener = (unsigned)index,
	};
	if (listener->endpoint.as.any.sa_family != AF_UNIX)
		return;
	struct ucred credentials = {0};
	socklen_t size = sizeof(credentials);
	origin->peer.any.sa_family = AF_UNIX;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0)
		origin->peer_user = credentials.uid;
}

static void reject(void *context, const struct conn_origin *origin, enum counter counter,
		   enum complaint complaint, const char *what)
{
	struct acceptor *acceptor = context;
	char text[ADDRESS_TEXT_SIZE];
	counter_add(acceptor->stats, counter, 1);
	by_listener_add(&acceptor->server->by_listener, origin->listener,
			LISTENER_connections_rejected, 1);
	socket_close(origin->fd, false, true);
	complain(&acceptor->complaints, complaint, what, conn_peer_text(origin, text));
}

// `proxy`: its address, if it has told the peer's; else NULL.
static void log_accepted(struct log *log, uint64_t id, const struct conn_origin *origin,
			 const union inet_end *proxy)
{
	char peer[ADDRESS_TEXT_SIZE];
	char local[ADDRESS_TEXT_SIZE];
	char through[ADDRESS_TEXT_SIZE] = "";
	if (!log_wants(log, ECHOD_LOG_DEBUG))
		return;
	conn_peer_text(origin, peer);
	if (proxy)
		inet_end_format(proxy, through);
	log_write(log, ECHOD_LOG_DEBUG, "accepted",
		  LOG_FIELDS({"connection", .number = id}, {"peer", .text = peer},
			     {"local", .text = conn_local_text(origin, local)},
			     {"listener", .text = origin->local_name},
			     {proxy ? "proxy" : NULL, .text = through}),
		  "connection %llu from %s%s%s accepted on %s", (unsigned long long)id, peer,
		  proxy ? " through " : "", through, origin->local_name);
}

// Hands an accepted connection for which there is room to the pool, or refuses it.
static void admit(void *context, const struct conn_origin *origin, const union inet_end *proxy)
{
	struct acceptor *acceptor = context;
	struct server *server = acceptor->server;
	if (!admission_enter(&server->admission, origin)) {
		reject(acceptor, origin, COUNTER_connections_rejected_source, COMPLAINT_SOURCE,
		       "at --max-per-source, reset a connection from ");
		return;
	}
	if (origin->local.any.sa_family == AF_UNIX) // TCP sockets inherit it from their listener
		server_set_patience(server, origin->fd);
	struct conn_origin decided = *origin;
	decided.faults = faults_decide(&server->faults, origin->listener);
	struct conn *conn = conn_table_add(&server->conns, &decided);
	if (decided.faults)
		faults_assign(&server->faults, (size_t)(conn - server->conns.slots));
	if (server->ledger.size)
		conn->unsent.bytes = (char *)conn; // its first bytes are to be noted
	log_accepted(server->log, conn->work.id, origin, proxy);
	counter_add(acceptor->stats, COUNTER_connections_accepted, 1);
	by_listener_add(&server->by_listener, origin->listener, LISTENER_connections_accepted, 1);
	pool_submit(&server->pool, &conn->work);
}

static enum accept_result accept_one(struct acceptor *acceptor, size_t index)
{
	struct server *server = acceptor->server;
	const struct trust *trust = server->trusts[index]; // NULL: no PROXY headers
	if (trust && !server->proxy_wait.free)
		return ACCEPT_PAUSE;
	if (server->config.overload == OVERLOAD_WAIT && !admission_has_room(&server->admission)) {
		complain(&acceptor->complaints, COMPLAINT_LIMIT_WAIT,
			 "at --max-connections, accepting pauses until one closes", "");
		pause_begin(&acceptor->pause, PAUSE_LIMIT);
		return ACCEPT_PAUSE;
	}
	struct endpoint peer = {.length = sizeof(peer.as)};
	int fd = accept4(server->listeners[index].fd, &peer.as.any, &peer.length, SOCK_CLOEXEC);
	if (fd < 0)
		return accept_failed(acceptor, errno);
	struct conn_origin origin;
	describe_origin(server, index, fd, &peer, &origin);
	if (!admission_has_room(&server->admission))
		reject(acceptor, &origin, COUNTER_connections_rejected_limit, COMPLAINT_LIMIT,
		       "at --max-connections, reset a connection from ");
	else if (trust)
		proxy_wait_add(&server->proxy_wait, trust, &origin);
	else
		admit(acceptor, &origin, NULL);
	return ACCEPT_DONE;
}

// Accepts from one listener while there are clients, room and quota. Closes a listener whose quota
// is used up. While the server drains, also closes one without clients.
static void accept_batch(struct acceptor *acceptor, size_t index)
{
	struct server *server = acceptor->server;
	size_t *quota = &acceptor->quota[index];
	acceptor->first = index + 1; // the remaining room is for the others
	enum accept_result result = ACCEPT_RETRY;
	int failures = 0;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (*quota == 0)
			break;
		result = accept_one(acceptor, index);
		if (result == ACCEPT_RETRY && ++failures == ACCEPT_FAILURES) {
			pause_begin(&acceptor->pause, PAUSE_RESOURCES);
			break;
		}
		if (result == ACCEPT_EMPTY || result == ACCEPT_PAUSE)
			break;
		if (result == ACCEPT_DONE && *quota != NO_QUOTA)
			(*quota)--;
	}
	if (*quota == 0 || (*quota != NO_QUOTA && result == ACCEPT_EMPTY))
		listener_close(&server->listeners[index]);
}

// Checks whether the kernel still takes sockets into the pool's epoll set, and how many CPUs we may
// use.
static void review_resources(struct acceptor *acceptor)
{
	struct pool *pool = &acceptor->server->pool;
	uint64_t refused = atomic_load_explicit(&pool->lot.refused, memory_order_relaxed);
	if (refused != acceptor->refused) {
		acceptor->refused = refused;
		complain(&acceptor->complaints, COMPLAINT_EVENTS,
			 "the epoll set is full (see fs.epoll.max_user_watches), some connections "
			 "are served late, accepting pauses",
			 "");
		if (acceptor->pause.cause == PAUSE_NONE)
			pause_begin(&acceptor->pause, PAUSE_RESOURCES);
	}
	if (clock_now() < acceptor->cpus_at)
		return;
	policy_follow_cpus(pool);
	acceptor->cpus_at = clock_deadline(CPUS_INTERVAL);
}

// Sleeps until a client has come, a pause may end, the server is to drain, or `deadline` has
// passed. Then does what is due.
static void accept_round(struct acceptor *acceptor, uint64_t deadline)
{
	struct server *server = acceptor->server;
	struct proxy_wait *wait = &server->proxy_wait;
	struct pollfd fds[FIXED_DESCRIPTORS + SERVER_MAX_LISTENERS];
	size_t listener_of[FIXED_DESCRIPTORS + SERVER_MAX_LISTENERS];
	nfds_t count = FIXED_DESCRIPTORS;
	fds[0] = (struct pollfd){.fd = server->acceptor_waker.fd, .events = POLLIN};
	fds[1] = (struct pollfd){.fd = wait->epoll, .events = POLLIN};
	pause_review(&acceptor->pause);
	review_resources(acceptor);
	for (size_t k = 0; k < server->listener_count; k++) {
		size_t i = (acceptor->first + k) % server->listener_count;
		int fd = server->listeners[i].fd;
		if (fd < 0 || acceptor->pause.cause != PAUSE_NONE ||
		    (server->trusts[i] && !wait->free))
			continue;
		listener_of[count] = i;
		fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	uint64_t pause = pause_deadline(&acceptor->pause);
	uint64_t until = pause < acceptor->cpus_at ? pause : acceptor->cpus_at;
	until = wait->soonest < until ? wait->soonest : until;
	pulse_poll(&server->pulse[SERVER_THREAD_ACCEPTOR], fds, count,
		   until < deadline ? until : deadline);
	// Where workers keep all CPUs busy they go first, so that more clients are accepted at
	// once.
	if (work_queue_room(&server->pool.queue) == 0)
		sched_yield();
	if (fds[0].revents)
		waker_clear(&server->acceptor_waker);
	proxy_wait_review(wait, fds[1].revents, clock_now());
	for (nfds_t i = FIXED_DESCRIPTORS; i < count && acceptor->pause.cause == PAUSE_NONE; i++) {
		if (fds[i].revents)
			accept_batch(acceptor, listener_of[i]);
	}
}

static bool is_listening(const struct server *server)
{
	for (size_t i = 0; i < server->listener_count; i++) {
		if (server->listeners[i].fd >= 0)
			return true;
	}
	return false;
}

// Closes the listeners. A close resets the clients that the kernel has already connected, so these
// are accepted first, as far as room and the drain's deadline allow. PROXY headers may still come.
static void finish_accepting(struct acceptor *acceptor)
{
	struct server *server = acceptor->server;
	for (size_t i = 0; i < server->listener_count; i++) {
		acceptor->quota[i] = listener_backlog(&server->listeners[i]);
		if (acceptor->quota[i] == 0 || acceptor->pause.cause == PAUSE_NONE)
			accept_batch(acceptor, i);
	}
	for (;;) {
		uint64_t deadline = atomic_load(&server->drain_deadline);
		if ((!is_listening(server) && !admission_reserved(&server->admission)) ||
		    clock_now() >= deadline)
			break;
		accept_round(acceptor, deadline);
	}
	proxy_wait_review(&server->proxy_wait, false, CLOCK_NEVER);
	listeners_close(server);
	pause_end(&acceptor->pause);
}

// Goes on accepting until the delay of the drain is over, then sees the drain through.
static void drain(struct acceptor *acceptor)
{
	struct server *server = acceptor->server;
	uint64_t begin;
	drain_log_delay(server);
	while (clock_now() < (begin = atomic_load(&server->drain_at)))
		accept_round(acceptor, begin);
	drain_log_begin(server);
	finish_accepting(acceptor);
	drain_connections(server);
}

void *acceptor_run(void *argument)
{
	struct server *server = argument;
	struct thread_stats *stats = &server->stats.threads[SERVER_THREAD_ACCEPTOR];
	struct acceptor acceptor = {
		.server = server,
		.complaints = {.log = server->log},
		.stats = stats,
		.pause = {.admission = &server->admission, .stats = stats},
	};
	server->proxy_wait.context = &acceptor;
	server->proxy_wait.admit = admit;
	server->proxy_wait.refuse = reject;
	for (size_t i = 0; i < SERVER_MAX_LISTENERS; i++)
		acceptor.quota[i] = NO_QUOTA;
	gate_arrive(&server->acceptor_ready);
	while (!atomic_load(&server->started))
		drain_sleep(server, CLOCK_NEVER);
	if (is_listening(server)) { // false if the start failed
		while (!atomic_load(&server->draining))
			accept_round(&acceptor, CLOCK_NEVER);
		drain(&acceptor);
	}
	pool_close(&server->pool);
	waker_wake(&server->done);
	return NULL;
}
