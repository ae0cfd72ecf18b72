#include "control/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "control/tracing.h"
#include "net/waker.h"

#define SAMPLE_INTERVAL NS_PER_S
#define ACCEPT_PAUSE (100 * NS_PER_MS)
#define CLIENTS_A_ROUND 8 // new clients before the others have their turn
#define LISTEN_BACKLOG 64

// The set for poll(2): the waker, the listener unless it is paused, and then the open sessions.
struct poll_set {
	struct pollfd fds[2 + CONTROL_MAX_CLIENTS];
	nfds_t count;
	struct pollfd *listener;		     // NULL: it is paused
	struct pollfd *session[CONTROL_MAX_CLIENTS]; // NULL: a free slot
};

// Listens at `path`, or with the socket `given`.
static int listen_at(struct listener *listener, const char *path, int given,
		     struct echod_error *error)
{
	struct endpoint endpoint;
	if (given >= 0 && listener_adopt(listener, given, error) != 0)
		return -1;
	if (given >= 0 && listener->endpoint.as.any.sa_family == AF_UNIX)
		return 0;
	if (given >= 0)
		return error_set(error, ECHOD_ERROR_USAGE,
				 "%s is no Unix-domain socket; its unit needs ListenStream=/PATH",
				 listener->name);
	if (endpoint_from_path(path, &endpoint, error) != 0 ||
	    listener_bind(listener, &endpoint, false, error) != 0)
		return -1;
	if (unix_path_listen(&listener->path, listener->fd, path, LISTEN_BACKLOG, true, error) == 0)
		return 0;
	listener_close(listener);
	return -1;
}

int control_open(struct control *control, const char *path, int given, struct server *server,
		 struct echod_error *error)
{
	memset(control, 0, sizeof(*control));
	control->server = server;
	control->stats = &server->stats.threads[SERVER_THREAD_STATS];
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control->sessions[i] = SESSION_FREE;
	if (waker_open(&control->waker, error) != 0)
		return -1;
	if (listen_at(&control->listener, path, given, error) != 0) {
		waker_close(&control->waker);
		return -1;
	}
	gate_init(&control->ready);
	return 0;
}

static void take_sample(struct control *control)
{
	server_sample(control->server, &control->snapshot);
	rates_sample(&control->rates, &control->snapshot);
	tracing_expire(control->server, control->snapshot.taken);
	control->next_sample = control->snapshot.taken + SAMPLE_INTERVAL;
}

// Whether unread bytes, perhaps a request, have come from a client that still listens for the
// answer.
static bool has_unread(const struct session *session)
{
	struct pollfd pollfd = {.fd = session->fd, .events = POLLIN};
	return poll(&pollfd, 1, 0) > 0 && !(pollfd.revents & POLLHUP);
}

// A free slot. If there is none, it closes the client that has been silent the longest. NULL when
// all clients have replies to read or requests to be answered.
static struct session *find_slot(struct control *control)
{
	struct session *oldest = NULL;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct session *session = &control->sessions[i];
		if (session->fd < 0)
			return session;
		if (session_is_idle(session) &&
		    (!oldest || session->active_at < oldest->active_at) && !has_unread(session))
			oldest = session;
	}
	if (oldest)
		session_end(oldest);
	return oldest;
}

// Whether the client is our own user or root.
static bool may_enter(int fd)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return false;
	return credentials.uid == 0 || credentials.uid == geteuid();
}

// Sends one line to a client that gets no session.
static void turn_away(struct control *control, int fd, const char *reply)
{
	counter_add(control->stats, COUNTER_control_requests, 1);
	counter_add(control->stats, COUNTER_control_errors, 1);
	send(fd, reply, strlen(reply), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

// Accepts one new client. Returns false when none waits, or none can be accepted now.
static bool accept_client(struct control *control)
{
	int fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR)
			control->accept_again = clock_deadline(ACCEPT_PAUSE);
		return false;
	}
	if (!may_enter(fd)) {
		turn_away(control, fd, "403 24\nthis is not your server\n");
		return true;
	}
	struct session *session = find_slot(control);
	if (session)
		session_begin(session, fd);
	else
		turn_away(control, fd, "429 25\ntoo many control clients\n");
	return true;
}

static struct pollfd *add_fd(struct poll_set *set, int fd, short events)
{
	struct pollfd *added = &set->fds[set->count++];
	*added = (struct pollfd){.fd = fd, .events = events};
	return added;
}

// Fills in the set and returns the deadline.
static uint64_t prepare_poll(struct control *control, struct poll_set *set)
{
	uint64_t now = clock_now();
	uint64_t until = control->next_sample;
	*set = (struct poll_set){0};
	add_fd(set, control->waker.fd, POLLIN);
	if (now >= control->accept_again)
		set->listener = add_fd(set, control->listener.fd, POLLIN);
	else if (control->accept_again < until)
		until = control->accept_again;
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		const struct session *session = &control->sessions[i];
		if (session->fd < 0)
			continue;
		set->session[i] = add_fd(set, session->fd, session_events(session));
		uint64_t deadline = session_has_work(session) ? now : session_deadline(session);
		if (deadline < until)
			until = deadline;
	}
	return until;
}

static void serve_sessions(struct control *control, const struct poll_set *set)
{
	struct command_context context = {
		.server = control->server,
		.rates = &control->rates,
		.snapshot = &control->snapshot,
	};
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct session *session = &control->sessions[i];
		if (!set->session[i])
			continue;
		if (set->session[i]->revents || session_has_work(session))
			session_step(session, &context, control->stats);
		else if (clock_now() >= session_deadline(session))
			session_expire(session, control->stats);
	}
}

static void serve_round(struct control *control)
{
	struct poll_set set;
	uint64_t until = prepare_poll(control, &set);
	pulse_poll(&control->server->pulse[SERVER_THREAD_STATS], set.fds, set.count, until);
	if (clock_now() >= control->next_sample)
		take_sample(control);
	serve_sessions(control, &set);
	if (!set.listener || !set.listener->revents)
		return;
	for (int i = 0; i < CLIENTS_A_ROUND; i++) {
		if (!accept_client(control))
			break;
	}
}

static void *control_run(void *argument)
{
	struct control *control = argument;
	take_sample(control);
	gate_arrive(&control->ready);
	while (!atomic_load(&control->stop))
		serve_round(control);
	for (size_t i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->sessions[i].fd >= 0)
			session_end(&control->sessions[i]);
	}
	return NULL;
}

int control_start(struct control *control, struct echod_error *error)
{
	if (thread_start(&control->thread, "echod/stats", control_run, control, error) != 0)
		return -1;
	gate_wait(&control->ready, 1);
	return 0;
}

void control_stop(struct control *control)
{
	atomic_store(&control->stop, true);
	waker_wake(&control->waker);
	int failed = pthread_join(control->thread, NULL);
	ensure(!failed);
}

void control_close(struct control *control)
{
	listener_close(&control->listener);
	waker_close(&control->waker);
	gate_destroy(&control->ready);
}
