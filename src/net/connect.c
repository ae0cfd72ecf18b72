#include "net/connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/units.h"
#include "net/resolve.h"
#include "net/socket.h"
#include "net/waker.h"

#define ATTEMPT_DELAY (250 * NS_PER_MS) // RFC 8305, section 5
#define FULL_PAUSE (5 * NS_PER_MS)	// between two tries at a full backlog

const char *connect_reason(int why)
{
	switch (why) {
	case CONNECT_TO_ITSELF:
		return "connected to itself: no server listens there";
	case CONNECT_LATE:
		return "no answer in time";
	case CONNECT_INTERRUPTED:
		return "interrupted";
	default:
		return error_text(why);
	}
}

static int set_flag(int fd, int level, int option)
{
	const int on = 1;
	return setsockopt(fd, level, option, &on, sizeof(on));
}

static int set_up(int fd, const struct endpoint *source)
{
	if (set_flag(fd, IPPROTO_TCP, TCP_NODELAY) != 0)
		return -1;
	if (!source)
		return 0;
	if (set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) != 0)
		return -1;
	return bind(fd, &source->as.any, source->length);
}

int connect_begin(const struct endpoint *target, const struct endpoint *source)
{
	int family = target->as.any.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if ((family == AF_UNIX || set_up(fd, source) == 0) &&
	    (connect(fd, &target->as.any, target->length) == 0 || errno == EINPROGRESS))
		return fd;
	int number = errno;
	close(fd);
	errno = number;
	return -1;
}

// Makes the close of a connection to itself a reset, because a server may want its port.
static int check_ends(int fd)
{
	struct endpoint local = {.length = sizeof(local.as)};
	struct endpoint remote = {.length = sizeof(remote.as)};
	if (getpeername(fd, &remote.as.any, &remote.length) != 0)
		return errno;
	if (remote.as.any.sa_family == AF_UNIX)
		return 0;
	if (getsockname(fd, &local.as.any, &local.length) != 0)
		return errno;
	if (local.length != remote.length || memcmp(&local.as, &remote.as, local.length) != 0)
		return 0;
	const struct linger reset = {.l_onoff = 1};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return CONNECT_TO_ITSELF;
}

int connect_result(int fd)
{
	int number = socket_take_error(fd);
	return number ? number : check_ends(fd);
}

// One address and the state of its attempt.
struct attempt {
	const struct endpoint *endpoint;
	int fd;	 // -1: no attempt is under way
	int why; // it has failed; EAGAIN: the backlog is full, the attempt goes on
};

struct race {
	struct attempt attempts[CONNECT_ADDRESSES];
	size_t count, begun;
	uint64_t next; // when the next attempt begins, if others are under way
	const struct connect_terms *terms;
};

static bool is_on_its_way(const struct attempt *attempt)
{
	return attempt->fd >= 0 || attempt->why == EAGAIN;
}

// Takes the next of the first address's family and the next of the others in turn.
static void line_up(struct race *race, const struct endpoint *endpoints, size_t count)
{
	size_t at[2] = {0, 0}; // of each kind, the next to consider
	sa_family_t first = endpoints[0].as.any.sa_family;
	for (unsigned other = 0; race->count < count && race->count < CONNECT_ADDRESSES;
	     other = !other) {
		size_t *i = &at[other];
		while (*i < count && (endpoints[*i].as.any.sa_family != first) != other)
			++*i;
		if (*i < count)
			race->attempts[race->count++] =
				(struct attempt){.endpoint = &endpoints[(*i)++], .fd = -1};
	}
}

static void begin(struct race *race, struct attempt *attempt)
{
	attempt->fd = connect_begin(attempt->endpoint, race->terms->source);
	attempt->why = attempt->fd < 0 ? errno : 0;
}

// Begins the attempts that are due. Returns whether any is under way.
static bool begin_due(struct race *race)
{
	bool running = false;
	for (size_t i = 0; i < race->begun; i++) {
		if (race->attempts[i].why == EAGAIN)
			begin(race, &race->attempts[i]);
		running = running || is_on_its_way(&race->attempts[i]);
	}
	while (race->begun < race->count && (!running || clock_now() >= race->next)) {
		struct attempt *attempt = &race->attempts[race->begun++];
		begin(race, attempt);
		if (is_on_its_way(attempt)) {
			running = true;
			race->next = clock_deadline(ATTEMPT_DELAY);
		}
	}
	return running;
}

// Waits until something may have changed. Returns whether the interrupt ended the wait.
static bool wait_for_change(const struct race *race, struct pollfd *ready, uint64_t deadline)
{
	uint64_t until = deadline;
	if (race->begun < race->count && race->next < until)
		until = race->next;
	for (size_t i = 0; i < race->begun; i++) {
		ready[i] = (struct pollfd){.fd = race->attempts[i].fd, .events = POLLOUT};
		uint64_t again = clock_deadline(FULL_PAUSE);
		if (race->attempts[i].why == EAGAIN && again < until)
			until = again;
	}
	ready[race->begun] = (struct pollfd){.fd = race->terms->interrupt_fd, .events = POLLIN};
	return poll_until(ready, race->begun + 1, until) > 0 && ready[race->begun].revents;
}

static void stop(struct attempt *attempt, int why)
{
	if (attempt->fd >= 0)
		close(attempt->fd);
	attempt->fd = -1;
	attempt->why = why;
}

// Ends all attempts.
static void stop_all(struct race *race, int why)
{
	for (size_t i = 0; i < race->begun; i++) {
		if (is_on_its_way(&race->attempts[i]))
			stop(&race->attempts[i], why);
	}
}

// Returns the winner, or NULL with the reason in each attempt that has begun.
static const struct attempt *run(struct race *race, uint64_t deadline)
{
	while (begin_due(race)) {
		struct pollfd ready[CONNECT_ADDRESSES + 1];
		if (wait_for_change(race, ready, deadline)) {
			stop_all(race, CONNECT_INTERRUPTED);
			return NULL;
		}
		for (size_t i = 0; i < race->begun; i++) {
			struct attempt *attempt = &race->attempts[i];
			if (attempt->fd < 0 || !ready[i].revents)
				continue;
			int why = connect_result(attempt->fd);
			if (why == 0)
				return attempt;
			stop(attempt, why);
			race->next = 0;
		}
		if (clock_now() >= deadline) {
			stop_all(race, CONNECT_LATE);
			return NULL;
		}
	}
	return NULL;
}

static int fail(const struct race *race, struct echod_error *error)
{
	char reasons[sizeof(error->message)] = "";
	size_t used = 0;
	for (size_t i = 0; i < race->begun && used < sizeof(reasons); i++) {
		const struct attempt *attempt = &race->attempts[i];
		char name[ADDRESS_TEXT_SIZE];
		char late[40];
		char limit[16];
		snprintf(late, sizeof(late), "no answer within %s",
			 units_format_duration(race->terms->timeout, limit, sizeof(limit)));
		used += (size_t)snprintf(
			reasons + used, sizeof(reasons) - used, "%s%s: %s", i ? ", nor to " : "",
			endpoint_format(attempt->endpoint, name),
			attempt->why == CONNECT_LATE ? late : connect_reason(attempt->why));
	}
	return error_set(error, ECHOD_ERROR_SYSTEM, "cannot connect to %s", reasons);
}

// Returns the winner's descriptor, or -1.
static int take_winner(struct race *race, const struct attempt *winner)
{
	if (!winner)
		return -1;
	int fd = winner->fd;
	race->attempts[winner - race->attempts].fd = -1;
	stop_all(race, 0);
	return fd;
}

static int connect_until(const struct endpoint *endpoints, size_t count, uint64_t deadline,
			 const struct connect_terms *terms, struct endpoint *reached,
			 struct echod_error *error)
{
	struct race race = {.terms = terms};
	line_up(&race, endpoints, count);
	const struct attempt *winner = run(&race, deadline);
	if (!winner)
		return fail(&race, error);
	*reached = *winner->endpoint;
	return take_winner(&race, winner);
}

int connect_first(const struct endpoint *endpoints, size_t count, const struct connect_terms *terms,
		  struct endpoint *reached, struct echod_error *error)
{
	uint64_t deadline = clock_deadline(terms->timeout);
	return connect_until(endpoints, count, deadline, terms, reached, error);
}

int connect_one(const struct endpoint *endpoint, const struct connect_terms *terms, int *why)
{
	struct race race = {.terms = terms};
	line_up(&race, endpoint, 1);
	const struct attempt *winner = run(&race, clock_deadline(terms->timeout));
	*why = race.attempts[0].why;
	return take_winner(&race, winner);
}

int connect_to(const struct address *address, const struct connect_terms *terms,
	       struct endpoint *reached, struct echod_error *error)
{
	uint64_t deadline = clock_deadline(terms->timeout);
	struct endpoint endpoints[CONNECT_ADDRESSES];
	int count = resolve_within(address, endpoints, CONNECT_ADDRESSES, terms->timeout,
				   terms->interrupt_fd, error);
	if (count < 0)
		return -1;
	return connect_until(endpoints, (size_t)count, deadline, terms, reached, error);
}
