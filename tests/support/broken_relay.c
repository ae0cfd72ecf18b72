// broken_relay BEHAVIOUR LISTEN BACKEND: a relay, each ADDRESS:PORT of IPv4. As `sound` it keeps
// what a relay in user space can keep. Each of the other behaviours breaks one thing. One thread.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define PAIRS 512
#define ROOM 65536
#define SOCKET_ROOM 65536 // of the kernel, so that a reader that stops is noticed
#define TICK 5		  // ms
#define LATE (700 * NS_PER_MS)
#define SHORT (200 * NS_PER_MS)
#define HELD (60 * NS_PER_MS)

enum broken {
#define BROKEN(constant, ...) constant,
#include "broken_relay.def"
	BEHAVIOURS,
};

static const char *const names[BEHAVIOURS] = {
#define BROKEN(constant, name, ...) name,
#include "broken_relay.def"
};

// One direction.
struct lane {
	int from, to; // -1: not connected yet
	size_t first, end;
	uint64_t total;	  // bytes received
	uint64_t fin_at;  // when FIN came; 0: it has not
	uint64_t held_at; // since when it is held; 0: it is not
	bool fin_sent, urgent;
	char bytes[ROOM];
};

struct pair {
	struct lane up, down; // to the server, to the client
	uint64_t begun, moved;
	uint64_t answered; // bytes that had come down when the last small write came up
	bool connected;
	bool stuck; // nothing is done any more until an end is reset
};

static enum broken broken;
static struct sockaddr_in server;
static struct pair *pairs[PAIRS];
static size_t count;

static int prepare(int fd) {
	const int on = 1, size = SOCKET_ROOM, inlines = broken != DROPS_URGENT;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &inlines, sizeof(inlines));
	return fd;
}

static void connect_server(struct pair *pair) {
	int fd = prepare(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	(void)connect(fd, (const struct sockaddr *)&server, sizeof(server));
	pair->up.to = pair->down.from = fd;
}

static void close_fd(int fd, bool reset) {
	const struct linger linger = {.l_onoff = 1};
	if (fd < 0)
		return;
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

// Returns false, for the caller to return.
static bool end_pair(struct pair *pair, bool reset) {
	close_fd(pair->up.from, reset);
	close_fd(pair->up.to, reset);
	pair->up.from = pair->up.to = -1;
	return false;
}

static void accept_pair(int listener) {
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	struct pair *pair = calloc(1, sizeof(*pair));
	if (count == (broken == FEW_CONNECTIONS ? 100 : PAIRS) || !pair) {
		close_fd(fd, true);
		free(pair);
		return;
	}
	pair->up.from = pair->down.to = prepare(fd);
	pair->up.to = pair->down.from = -1;
	pair->begun = pair->moved = clock_now();
	pair->answered = UINT64_MAX;
	pairs[count++] = pair;
	if (broken != CONNECTS_LATE)
		connect_server(pair);
}

static bool is_early(const struct pair *pair) {
	return pair->up.total == 0 && pair->down.total == 0;
}

static bool take_reset(struct pair *pair, bool of_client) {
	bool early = is_early(pair), unread = pair->up.total > 0 && pair->down.total == 0;
	if (of_client && broken == KEEPS_CLIENT_RESET) {
		close(pair->up.from);
		pair->up.from = -1;
		return pair->stuck = true;
	}
	bool fin = of_client ? broken == FIN_FOR_CLIENT_RESET
			     : broken == FIN_FOR_SERVER_RESET ||
				       (broken == FIN_FOR_RESET_AT_ACCEPT && early) ||
				       (broken == FIN_FOR_UNREAD && unread);
	return end_pair(pair, !fin);
}

static bool take_fin(struct pair *pair, struct lane *lane) {
	bool of_client = lane == &pair->up;
	lane->fin_at = clock_now();
	if (is_early(pair) && broken == (of_client ? RESET_FOR_EARLY_FIN : RESET_FOR_FIN_AT_ACCEPT))
		return end_pair(pair, true);
	if (lane->to < 0)
		connect_server(pair);
	return true;
}

// What is broken in the bytes that came last.
static void spoil(struct pair *pair, struct lane *lane, size_t got) {
	const uint64_t flipped = 5 << 20;
	char next;
	if (broken == FLIPS_BIT && lane->total > flipped && lane->total - got <= flipped)
		lane->bytes[lane->end - 1] ^= 1;
	if (broken == LOSES_PIECE && lane->total > 300 && lane->total <= 500)
		lane->end--;
	if (broken == LOSES_LAST_BYTES && lane->total > 10000 && lane->total < 60000 &&
	    recv(lane->from, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		lane->end -= got;
	if (broken == HOLDS_SMALL_WRITES && lane == &pair->up && got <= 2) {
		if (lane->held_at == 0 && (got == 2 || pair->answered == pair->down.total))
			lane->held_at = clock_now();
		pair->answered = pair->down.total;
	}
}

// Returns false when the pair has ended.
static bool receive(struct pair *pair, struct lane *lane) {
	bool urgent =
		broken != DROPS_URGENT && broken != INLINES_URGENT && sockatmark(lane->from) == 1;
	if (urgent && lane->end > 0) // after what came before it
		return true;
	size_t most = urgent ? 1 : ROOM - lane->end;
	ssize_t got = recv(lane->from, lane->bytes + lane->end, most, MSG_DONTWAIT);
	if (got == 0)
		return take_fin(pair, lane);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR || take_reset(pair, lane == &pair->up);
	lane->urgent = urgent;
	lane->end += (size_t)got;
	lane->total += (uint64_t)got;
	pair->moved = clock_now();
	spoil(pair, lane, (size_t)got);
	if (lane->to < 0)
		connect_server(pair);
	return true;
}

// Sends what is there, and FIN after it. Returns false when the pair has ended.
static bool pass_on(struct pair *pair, struct lane *lane) {
	if (lane->first < lane->end) {
		ssize_t sent = send(lane->to, lane->bytes + lane->first, lane->end - lane->first,
				    MSG_DONTWAIT | MSG_NOSIGNAL | (lane->urgent ? MSG_OOB : 0));
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return take_reset(pair, lane == &pair->down);
		lane->first += sent > 0 ? (size_t)sent : 0;
		pair->moved = sent > 0 ? clock_now() : pair->moved;
		lane->urgent &= sent <= 0;
	}
	if (lane->first == lane->end)
		lane->first = lane->end = 0;
	if (lane->fin_at == 0 || lane->fin_sent || lane->end > 0)
		return true;
	if (broken == (lane == &pair->up ? ENDS_ON_CLIENT_FIN : ENDS_ON_SERVER_FIN))
		return end_pair(pair, false);
	shutdown(lane->to, SHUT_WR);
	lane->fin_sent = true;
	return (pair->up.fin_sent && pair->down.fin_sent) ? end_pair(pair, false) : true;
}

static bool is_half_closed(const struct pair *pair) {
	return pair->up.fin_sent && !pair->down.fin_sent;
}

static bool has_passed(uint64_t since, uint64_t duration) {
	return since > 0 && clock_now() - since > duration;
}

static bool is_full(const struct lane *lane) { return lane->end == ROOM; }

static bool is_held(struct lane *lane) {
	if (lane->held_at > 0 && !has_passed(lane->held_at, HELD))
		return true;
	lane->held_at = 0;
	return false;
}

// What is broken with time. Returns whether the pair is to end.
static bool is_late(struct pair *pair) {
	size_t half_closed = 0;
	for (size_t i = 0; i < count; i++)
		half_closed += is_half_closed(pairs[i]);
	switch (broken) {
	case CUTS_AFTER_CLIENT_FIN:
		return has_passed(pair->up.fin_at, LATE);
	case CUTS_AFTER_SERVER_FIN:
		return has_passed(pair->down.fin_at, LATE);
	case CUTS_LONG_ANSWER:
		return is_half_closed(pair) && pair->down.total > 2 << 20;
	case FEW_HALF_CLOSED:
		return half_closed > 25;
	case IMPATIENT:
		return count < 10 && is_early(pair) && has_passed(pair->begun, 2 * SHORT);
	case SEIZES:
		pair->stuck |= pair->up.first < pair->up.end && pair->down.first < pair->down.end &&
			       has_passed(pair->moved, SHORT);
		return false;
	default:
		return false;
	}
}

static short events_of(const struct pair *pair, const struct lane *in, const struct lane *out) {
	bool reads = in->fin_at == 0 && !is_full(in) && !in->urgent &&
		     !(broken == ONE_WAY && out->first < out->end);
	bool connects = in == &pair->down && !pair->connected;
	if (pair->stuck)
		return 0;
	return (short)((reads ? POLLIN : 0) | (connects || out->first < out->end ? POLLOUT : 0));
}

// Does what is possible. Returns false when the pair has ended.
static bool serve(struct pair *pair, const struct pollfd *polls) {
	struct lane *lanes[2] = {&pair->up, &pair->down};
	for (int i = 0; i < 2; i++) {
		short happened = polls[i].revents;
		bool gone = happened & POLLERR;
		if (pair->stuck && happened)
			return end_pair(pair, true);
		if (gone && (lanes[i]->fin_at > 0 || is_full(lanes[i])))
			return take_reset(pair, i == 0);
		if ((gone || (happened && polls[i].events & POLLIN)) && !receive(pair, lanes[i]))
			return false;
	}
	pair->connected |= polls[1].revents & POLLOUT;
	if (is_late(pair))
		return end_pair(pair, false);
	for (int i = 0; i < 2 && !pair->stuck; i++)
		if ((i == 1 || pair->connected) && !is_held(lanes[i]) && !pass_on(pair, lanes[i]))
			return false;
	return true;
}

static void run(int listener) {
	static struct pollfd polls[1 + 2 * PAIRS];
	for (;;) {
		polls[0] = (struct pollfd){.fd = listener, .events = POLLIN};
		for (size_t i = 0; i < count; i++) {
			struct pair *pair = pairs[i];
			struct lane *up = &pair->up, *down = &pair->down;
			polls[1 + 2 * i] = (struct pollfd){up->from, events_of(pair, up, down), 0};
			polls[2 + 2 * i] = (struct pollfd){up->to, events_of(pair, down, up), 0};
		}
		(void)poll(polls, 1 + 2 * count, TICK);
		// From the last on, as one that ends gets the last into its place.
		for (size_t i = count; i-- > 0;) {
			if (serve(pairs[i], &polls[1 + 2 * i]))
				continue;
			free(pairs[i]);
			pairs[i] = pairs[--count];
		}
		if (polls[0].revents)
			accept_pair(listener);
	}
}

static bool parse(const char *text, struct sockaddr_in *address) {
	char host[INET_ADDRSTRLEN];
	unsigned short port;
	*address = (struct sockaddr_in){.sin_family = AF_INET};
	if (sscanf(text, "%15[0-9.]:%hu", host, &port) != 2)
		return false;
	address->sin_port = htons(port);
	return inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

int main(int argc, char **argv) {
	const int on = 1;
	struct sockaddr_in own;
	if (argc != 4 || !parse(argv[2], &own) || !parse(argv[3], &server))
		return 2;
	while (broken < BEHAVIOURS && strcmp(names[broken], argv[1]) != 0)
		broken++;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (broken == BEHAVIOURS || bind(listener, (struct sockaddr *)&own, sizeof(own)) != 0 ||
	    listen(listener, PAIRS) != 0)
		return 3;
	puts("ready");
	fflush(stdout);
	run(listener);
}
