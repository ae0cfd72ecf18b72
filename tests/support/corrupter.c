// The corrupting proxy. All but what is public runs in its thread, which cannot fail a test: what
// cannot happen aborts it.
#include "corrupter.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "peer.h"
#include "spoil.h"
#include "test.h"

#define PAIRS 512
#define ROOM 131072
#define CONNECTIONS 1024 // of echoload
#define LARGEST_PIECE_BITS 16
#define IDENTITY 24 // bytes that show whose they are, wherever in a word they begin
#define ECHO 4096   // bytes of an echo, where several are in one message of the plan
#define AFTER 32    // right bytes at least that come after a fault

// One direction.
struct flow {
	int from, to;
	size_t first, ready, end; // bytes[first, ready) may be sent, [ready, end) not yet
	uint64_t total;		  // bytes received
	bool discards;		  // what is received from now on
	bool ended, shut;	  // received, passed on
	uint8_t bytes[ROOM];
};

struct pair {
	struct flow up, down; // to the server, to echoload
	bool known;	      // whose it is
	bool spoilt;
	uint64_t next; // place in the stream of down.bytes[down.ready], until it is spoilt
	struct spoil spoil;
	struct fault *fault;
};

struct corrupter {
	struct corrupter_plan plan;
	struct payload payload;
	struct sockaddr_in server;
	struct random random; // for the pieces
	int listener;
	int stop; // an eventfd
	uint16_t port;
	pthread_t thread;
	_Atomic unsigned settled; // the thread counts, the test's reads; no order is needed

	struct pair *pairs[PAIRS];
	size_t count;
	struct pair *waiting;	     // FAULT_CROSSED: for one to exchange with
	bool unsettled[CONNECTIONS]; // had a fault, and has not come again since
	unsigned spoilt;
	struct fault *faults; // plan.faults
};

static struct corrupter *last; // that was started and not stopped

static int prepare(int fd) {
	const int one = 1;
	ensure(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void accept_pair(struct corrupter *corrupter) {
	int client = accept4(corrupter->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return;
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ensure(corrupter->count < PAIRS && server >= 0);
	int failed = connect(server, (const struct sockaddr *)&corrupter->server,
			     sizeof(corrupter->server));
	ensure(!failed);
	struct pair *pair = calloc(1, sizeof(*pair));
	ensure(pair);
	pair->up.from = pair->down.to = prepare(client);
	pair->up.to = pair->down.from = prepare(server);
	corrupter->pairs[corrupter->count++] = pair;
}

static void settle(struct corrupter *corrupter) {
	atomic_fetch_add_explicit(&corrupter->settled, 1, memory_order_relaxed);
}

// Decides what is done to the connection that carries the stream of `connection` from `start` on.
static void plan(struct spoil *spoil, const struct corrupter *corrupter, uint32_t connection,
		 uint64_t start) {
	static const enum spoil_kind kinds[FAULT_KINDS][2] = {
		[FAULT_FLIPPED] = {SPOIL_FLIP, SPOIL_FLIP},
		[FAULT_LOST] = {SPOIL_DROP, SPOIL_DROP},
		[FAULT_REPEATED] = {SPOIL_REPEAT, SPOIL_REPEAT_EARLIER},
		[FAULT_REORDERED] = {SPOIL_SWAP, SPOIL_SWAP},
		[FAULT_CROSSED] = {SPOIL_CROSS, SPOIL_CROSS},
		[FAULT_FOREIGN] = {SPOIL_INJECT, SPOIL_OVERWRITE},
		[FAULT_TRUNCATED] = {SPOIL_TRUNCATE, SPOIL_TRUNCATE},
		[FAULT_SURPLUS] = {SPOIL_APPEND, SPOIL_APPEND}};
	const struct corrupter_plan *wanted = &corrupter->plan;
	struct random random = {wanted->seed ^ (uint64_t)connection << 40 ^ start << 4 ^
				wanted->kind};
	uint64_t message = start + random_next(&random) % wanted->messages * wanted->message;
	uint64_t most = wanted->message / 4;
	*spoil = (struct spoil){kinds[wanted->kind][random_next(&random) % 2],
				.payload = &corrupter->payload, .connection = connection,
				.start = start, .random = random};
	// Between two echoes a truncation would be an end and no fault.
	spoil_plan(spoil, message + (spoil->kind == SPOIL_TRUNCATE),
		   message + wanted->message - AFTER, most < SPOIL_MOST ? most : SPOIL_MOST);
	if (spoil->kind == SPOIL_TRUNCATE && (spoil->at - start) % ECHO == 0)
		spoil->at++;
	if (spoil->kind == SPOIL_APPEND)
		spoil->at = UINT64_MAX; // not known yet
}

static void begin(struct corrupter *corrupter, struct pair *pair, uint32_t connection,
		  uint64_t start) {
	ensure(connection < CONNECTIONS);
	if (corrupter->unsettled[connection])
		settle(corrupter);
	corrupter->unsettled[connection] = false;
	pair->known = true;
	pair->next = start;
	plan(&pair->spoil, corrupter, connection, start);
}

// Finds out whose bytes these are, which begin anywhere in the stream.
static void identify(struct corrupter *corrupter, struct pair *pair) {
	const uint8_t *bytes = pair->up.bytes;
	for (unsigned i = 0; i < PAYLOAD_WORD; i++) {
		struct payload_place place = payload_locate(&corrupter->payload, bytes + i);
		if (place.position < i ||
		    payload_match(&corrupter->payload, place.connection, place.position - i, bytes,
				  IDENTITY) < IDENTITY)
			continue;
		begin(corrupter, pair, place.connection, place.position - i);
		return;
	}
	ensure(pair->known);
}

// Makes the fault of what is next.
static void make(struct corrupter *corrupter, struct pair *pair) {
	struct flow *flow = &pair->down;
	uint8_t bytes[SPOIL_BYTES], *at = flow->bytes + flow->ready;
	size_t count = spoil_make(&pair->spoil, bytes), takes = pair->spoil.takes;
	ensure(flow->end - takes + count <= ROOM);
	memmove(at + count, at + takes, flow->end - flow->ready - takes);
	memcpy(at, bytes, count);
	flow->end = flow->ready = flow->end - takes + count;
	pair->spoilt = true;
	corrupter->unsettled[pair->spoil.connection] = true;
	pair->fault = &corrupter->faults[corrupter->spoilt++];
	*pair->fault = pair->spoil.fault;
}

static void cross(struct corrupter *corrupter, struct pair *pair) {
	struct pair *other = corrupter->waiting;
	if (!other || other == pair || other->spoil.connection == pair->spoil.connection) {
		corrupter->waiting = pair;
		return;
	}
	spoil_exchange(&pair->spoil, &other->spoil);
	make(corrupter, pair);
	make(corrupter, other);
	corrupter->waiting = NULL;
}

// Decides what of the bytes that have come back may be sent, right or wrong: all up to the place of
// the fault, and the rest once so much of it is there that the fault can be made.
static void judge(struct corrupter *corrupter, struct pair *pair) {
	struct flow *flow = &pair->down;
	if (pair->spoilt || corrupter->spoilt >= corrupter->plan.faults) {
		flow->ready = flow->end;
		return;
	}
	uint64_t there = flow->end - flow->ready;
	uint64_t right = pair->spoil.at - pair->next;
	if (right > there)
		right = there;
	ensure(payload_match(&corrupter->payload, pair->spoil.connection, pair->next,
			     flow->bytes + flow->ready, there) == there);
	flow->ready += right;
	pair->next += right;
	if (pair->spoil.kind == SPOIL_APPEND) {
		if (!flow->ended)
			return;
		pair->spoil.at = pair->next;
	} else if (there - right < pair->spoil.takes + AFTER) {
		return;
	}
	if (pair->spoil.kind == SPOIL_CROSS) {
		cross(corrupter, pair);
		return;
	}
	if (pair->spoil.kind == SPOIL_TRUNCATE) {
		flow->end = flow->ready;
		flow->discards = true;
	}
	make(corrupter, pair);
}

// Returns false when the connection is broken.
static bool receive(struct flow *flow) {
	if (flow->first > 0) {
		memmove(flow->bytes, flow->bytes + flow->first, flow->end - flow->first);
		flow->ready -= flow->first;
		flow->end -= flow->first;
		flow->first = 0;
	}
	ssize_t count = recv(flow->from, flow->bytes + flow->end, ROOM - SPOIL_BYTES - flow->end,
			     MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	flow->ended = count == 0;
	flow->total += (uint64_t)count;
	if (!flow->discards)
		flow->end += (size_t)count;
	return true;
}

// Returns false when the connection is broken.
static bool pass_on(struct flow *flow, size_t most) {
	size_t piece = flow->ready - flow->first;
	if (piece > most)
		piece = most;
	ssize_t count =
		send(flow->to, flow->bytes + flow->first, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR;
	flow->first += (size_t)count;
	return true;
}

// Of any order of magnitude.
static size_t piece_size(struct corrupter *corrupter) {
	uint64_t most = UINT64_C(1) << random_next(&corrupter->random) % (LARGEST_PIECE_BITS + 1);
	return 1 + (size_t)(random_next(&corrupter->random) % most);
}

// Passes the end on after all bytes.
static void pass_end(struct flow *flow) {
	if (flow->shut || (!flow->ended && !flow->discards) || flow->first < flow->end)
		return;
	shutdown(flow->to, SHUT_WR);
	flow->shut = true;
}

static bool has_room(const struct flow *flow) {
	return !flow->ended && flow->end - flow->first < ROOM - SPOIL_BYTES;
}

static short events_of(const struct flow *in, const struct flow *out) {
	return (short)((has_room(in) ? POLLIN : 0) | (out->first < out->ready ? POLLOUT : 0));
}

static void fill_polls(const struct pair *pair, struct pollfd *polls) {
	short client = events_of(&pair->up, &pair->down);
	short server = events_of(&pair->down, &pair->up);
	polls[0] = (struct pollfd){.fd = client ? pair->up.from : -1, .events = client};
	polls[1] = (struct pollfd){.fd = server ? pair->down.from : -1, .events = server};
}

// Does what its two sockets allow. Returns whether the connection goes on.
static bool serve(struct corrupter *corrupter, struct pair *pair, const struct pollfd *polls) {
	const short in = POLLIN | POLLHUP | POLLERR;
	struct flow *up = &pair->up, *down = &pair->down;
	if ((polls[0].revents & in && has_room(up) && !receive(up)) ||
	    (polls[1].revents & in && has_room(down) && !receive(down)))
		return false;
	if (!pair->known && corrupter->plan.faults > 0 && up->end >= IDENTITY)
		identify(corrupter, pair);
	if (pair->known || corrupter->plan.faults == 0 || up->ended)
		up->ready = up->end;
	if (pair->known)
		judge(corrupter, pair);
	else
		down->ready = down->end;
	if ((polls[1].revents & POLLOUT && !pass_on(up, SIZE_MAX)) ||
	    (polls[0].revents & POLLOUT && !pass_on(down, piece_size(corrupter))))
		return false;
	pass_end(up);
	pass_end(down);
	return !up->shut || !down->shut || !down->ended;
}

static void close_pair(struct corrupter *corrupter, size_t i) {
	struct pair *pair = corrupter->pairs[i];
	close(pair->up.from);
	close(pair->up.to);
	if (corrupter->waiting == pair)
		corrupter->waiting = NULL;
	if (pair->spoilt) {
		// How much echoload has sent is only known now.
		if (pair->spoil.kind == SPOIL_TRUNCATE)
			pair->fault->length = pair->spoil.start + pair->up.total - pair->spoil.at;
		settle(corrupter);
	}
	free(pair);
	corrupter->pairs[i] = corrupter->pairs[--corrupter->count];
}

static void *run(void *argument) {
	struct corrupter *corrupter = argument;
	static struct pollfd polls[2 * PAIRS + 2];
	for (;;) {
		size_t count = corrupter->count;
		for (size_t i = 0; i < count; i++)
			fill_polls(corrupter->pairs[i], &polls[2 * i]);
		struct pollfd *more = &polls[2 * count];
		more[0] = (struct pollfd){.fd = corrupter->listener, .events = POLLIN};
		more[1] = (struct pollfd){.fd = corrupter->stop, .events = POLLIN};
		int ready = poll(polls, 2 * count + 2, -1);
		ensure(ready > 0 || errno == EINTR);
		if (more[1].revents)
			break;
		if (more[0].revents)
			accept_pair(corrupter);
		// From the last on, as one that is closed gets the last into its place.
		for (size_t i = count; i-- > 0;)
			if (!serve(corrupter, corrupter->pairs[i], &polls[2 * i]))
				close_pair(corrupter, i);
	}
	while (corrupter->count > 0)
		close_pair(corrupter, 0);
	return NULL;
}

struct corrupter *corrupter_start(const struct corrupter_plan *plan, uint16_t port) {
	struct corrupter *corrupter = test_keep(calloc(1, sizeof(*corrupter)));
	corrupter->plan = *plan;
	corrupter->random.state = ~plan->seed;
	corrupter->faults = test_keep(calloc(plan->faults + 1, sizeof(*corrupter->faults)));
	payload_init(&corrupter->payload, plan->run);
	corrupter->server = (struct sockaddr_in){AF_INET, .sin_port = htons(port),
						 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	corrupter->stop = eventfd(0, EFD_CLOEXEC);
	ensure(corrupter->stop >= 0);
	corrupter->listener = peer_listen(SOCK_NONBLOCK, PAIRS, &corrupter->port);
	int failed = pthread_create(&corrupter->thread, NULL, run, corrupter);
	ensure(!failed);
	last = corrupter;
	return corrupter;
}

uint16_t corrupter_port(const struct corrupter *corrupter) { return corrupter->port; }

unsigned corrupter_settled(const struct corrupter *corrupter) {
	return atomic_load_explicit(&corrupter->settled, memory_order_relaxed) / 2;
}

unsigned corrupter_stop(struct corrupter *corrupter, const struct fault **faults) {
	if (corrupter == last) {
		last = NULL;
		eventfd_write(corrupter->stop, 1);
		pthread_join(corrupter->thread, NULL);
		close(corrupter->listener);
		close(corrupter->stop);
	}
	if (faults)
		*faults = corrupter->faults;
	return corrupter->spoilt;
}

static void stop_last(void) {
	if (last)
		corrupter_stop(last, NULL);
}
CLEANUP(stop_last, 0)
