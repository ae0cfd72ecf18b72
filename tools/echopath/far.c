#include "far.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/connect.h"
#include "net/errno_class.h"
#include "net/listener.h"
#include "net/resolve.h"
#include "pair.h"

#define BACKLOG 512

struct session {
	struct channel channel;
	struct listener listener;
	bool accepts;
	int filler;   // in the queue of a listener that looks dead
	size_t count; // of the pairs that were in use since `listen`
	// Only their servers are here. One without an ID is a stray: no end has claimed it yet.
	struct pair pairs[MOST_CONNECTIONS];
};

// The end with that ID; 0: a free one. NULL: there is none.
static struct end *find(struct session *session, unsigned id)
{
	for (size_t i = 0; i < session->count; i++) {
		struct end *end = &session->pairs[i].server;
		if (end->id == id && (id || end->fd < 0))
			return end;
	}
	if (id || session->count == MOST_CONNECTIONS)
		return NULL;
	pair_init(&session->pairs[session->count]);
	return &session->pairs[session->count++].server;
}

static void forget(struct end *end, bool reset)
{
	end_leave(end, reset);
	*end = end_none("server", 2);
}

// Gives the connection to the end that waits for it, if its first bytes have come. If they name
// another, it is somebody else's, or an old one.
static void claim(struct session *session, struct end *stray)
{
	char hello[CHANNEL_HELLO_SIZE + 1] = "";
	unsigned id = 0;
	const int one = 1;
	struct pollfd gone = {.fd = stray->fd, .events = POLLRDHUP};
	stray->mute = poll(&gone, 1, 0) > 0;
	bool whole = !(gone.revents & POLLERR) && // which recv(2) would tell once only
		     recv(stray->fd, hello, CHANNEL_HELLO_SIZE, MSG_PEEK | MSG_DONTWAIT) ==
			     CHANNEL_HELLO_SIZE &&
		     sscanf(hello, CHANNEL_HELLO, &id) == 1;
	for (size_t i = 0; i < session->count; i++) {
		struct end *end = &session->pairs[i].server;
		if (!end->id || end->accepted || !(end->any || end->id == id))
			continue;
		(void)setsockopt(stray->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
		if (end->id == id)
			(void)recv(stray->fd, hello, CHANNEL_HELLO_SIZE, 0);
		memcpy(end->peer, stray->peer, sizeof(end->peer));
		end_take(end, stray->fd);
		*stray = end_none("server", 2);
		return;
	}
	if (whole)
		forget(stray, true);
}

static void accept_all(struct session *session)
{
	const int whole = CHANNEL_HELLO_SIZE;
	struct end *end = NULL;
	while (session->accepts && (end = find(session, 0))) {
		struct endpoint peer = {.length = sizeof(peer.as)};
		end->fd = accept4(session->listener.fd, &peer.as.any, &peer.length,
				  SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (end->fd < 0)
			break;
		const union inet_end from = inet_end_from(&peer);
		inet_end_format(&from, end->peer);
		(void)setsockopt(end->fd, SOL_SOCKET, SO_RCVLOWAT, &whole, sizeof(whole));
		claim(session, end);
	}
	if (session->accepts && end && errno_classify(errno) >= ERRNO_NO_DESCRIPTORS)
		channel_send(&session->channel, "unable %s\n", error_text(errno));
	// Full of strays, it accepts no more until it is to listen again.
	session->accepts &= end && errno_classify(errno) < ERRNO_NO_DESCRIPTORS;
}

static void report(struct session *session)
{
	char line[END_LINE];
	for (size_t i = 0; i < session->count; i++) {
		struct end *end = &session->pairs[i].server;
		if (!end->id || !end->changed)
			continue;
		channel_write_facts(end, line);
		channel_send(&session->channel, "%s", line);
		end->changed = false;
	}
}

static int listen_as(struct session *session, const char *how, const char *text,
		     struct echod_error *error)
{
	struct listener *listener = &session->listener;
	struct endpoint endpoint = listener->endpoint; // of before: a port 0 stays the same one
	struct address address;
	bool dead = strcmp(how, "dead") == 0;
	accept_all(session);
	for (size_t i = 0; i < session->count; i++)
		forget(&session->pairs[i].server, true);
	session->count = 0;
	if (session->accepts && strcmp(how, "accept") == 0)
		return 0;
	session->accepts = false;
	listener_close(listener);
	if (session->filler >= 0)
		close(session->filler);
	session->filler = -1;
	if (strcmp(how, "refuse") == 0)
		return 0;
	if ((endpoint.length == 0 &&
	     (address_parse(text, &address, error) != 0 ||
	      resolve_within(&address, &endpoint, 1, CHANNEL_PATIENCE / 2, -1, error) != 1)) ||
	    listener_bind(listener, &endpoint, false, error) != 0 ||
	    listener_open(listener, dead ? 0 : BACKLOG, error) != 0)
		return -1;
	// Linux drops a SYN if the queue of the listener is full; one of 0 has room for one.
	if (dead)
		session->filler = connect_begin(&listener->endpoint, NULL);
	session->accepts = !dead;
	return 0;
}

static void take_orders(struct session *session, unsigned id, char *orders)
{
	struct end *end = find(session, id);
	end = end ? end : find(session, 0);
	if (!end || id == 0)
		return;
	end->id = id;
	channel_read_orders(end, orders);
	if (end->leave)
		forget(end, end->leave == LEAVE_RESET);
}

// Returns false if the line cannot be understood.
static bool obey(struct session *session, char *line)
{
	unsigned id;
	int used = 0;
	char how[8];
	struct echod_error error;
	if (sscanf(line, "end %u%n", &id, &used) == 1)
		take_orders(session, id, line + used);
	else if (strcmp(line, "sync") == 0)
		channel_send(&session->channel, "synced\n");
	else if (sscanf(line, "listen %7s %n", how, &used) != 1)
		return false;
	else if (listen_as(session, how, line + used, &error) == 0)
		channel_send(&session->channel, "listens %s\n", session->listener.name);
	else
		channel_send(&session->channel, "fails %.300s\n", error.message);
	return true;
}

// Until the side channel ends.
_Noreturn static void run(int fd)
{
	static struct session far = {.listener.fd = -1, .filler = -1};
	char *line;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	channel_open(&far.channel, fd);
	channel_send(&far.channel, CHANNEL_GREETING "\n");
	for (;;) {
		while ((line = channel_read(&far.channel)) && obey(&far, line))
			;
		if (line || far.channel.lost)
			_exit(0);
		accept_all(&far);
		for (size_t i = 0; i < far.count; i++) {
			struct end *end = &far.pairs[i].server;
			if (!end->id && end->fd >= 0)
				claim(&far, end);
		}
		if (step_pairs(far.pairs, far.count))
			continue;
		report(&far);
		wait_for_pairs(far.pairs, far.count, fd, far.accepts ? far.listener.fd : -1,
			       CLOCK_NEVER);
	}
}

int far_fork(struct echod_error *error)
{
	int ends[2];
	pid_t child = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
	    (child = fork()) == 0) {
		close(ends[0]);
		run(ends[1]);
	}
	if (child < 0)
		return error_set(error, ECHOD_ERROR_SYSTEM, "cannot start the server's end: %s",
				 error_text(errno));
	close(ends[1]);
	return ends[0];
}

int far_serve(const struct address *address, struct echod_error *error)
{
	struct endpoint endpoint;
	struct listener listener;
	if (resolve_within(address, &endpoint, 1, CLOCK_NEVER, -1, error) != 1 ||
	    listener_bind(&listener, &endpoint, false, error) != 0 ||
	    listener_open(&listener, 1, error) != 0)
		return -1;
	printf("serving on %s\n", listener.name);
	fflush(stdout);
	for (;;) {
		wait_for_pairs(NULL, 0, listener.fd, -1, CLOCK_NEVER);
		int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (fork() == 0)
			run(fd);
		close(fd);
		(void)wait(NULL);
	}
}
