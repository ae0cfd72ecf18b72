// The echo turn: receive, send all of it, receive again. The heart of the program.
#ifndef ECHOD_ECHO_TURN_H
#define ECHOD_ECHO_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/conn.h"
#include "echo/pending.h"
#include "net/waker.h"
#include "pool/pool.h"
#include "stats/stats.h"

// The end of all turns, when a drain's time is up or the server stops.
struct cut {
	// Written once by the acceptor, before it wakes the waker and shuts down the sockets for
	// reading; read by workers, with acquire order, so that who was woken by either sees it.
	_Atomic bool now;
	struct waker waker; // readable from then on, for who waits to send
};

// What all turns of a server share. Set once, except what is behind the pointers.
struct echo {
	size_t buffer_size;    // of each worker's buffer
	uint64_t patience;     // how long to wait for a peer to send or to read, ns; CLOCK_NEVER:
			       // without end
	uint64_t send_timeout; // how long a peer may take no byte of its echo, ns, or CLOCK_NEVER
	uint64_t spin;	       // how long to poll before blocking, where that pays, ns
	struct cut *cut;
	struct pending *pending;
};

// Serves `conn` for a turn on the thread of `worker`, which owns it. Waits for its peer only while
// worker_may_wait says so, and then for SO_RCVTIMEO at most. Returns what the turn ended with.
struct turn echo_turn(struct conn *conn, const struct echo *echo, struct worker *worker);

#endif
