// The echo turn: receive, send all of it, receive again. The heart of the program.
#ifndef ECHOD_ECHO_TURN_H
#define ECHOD_ECHO_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/conn.h"
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

// What a turn works with. The worker's own, but for `cut`, which all share.
struct turn_tools {
	char *buffer;
	size_t buffer_size;
	uint64_t
		send_timeout; // how long a peer may take no byte of its echo, in ns, or CLOCK_NEVER
	const struct cut *cut;
	struct thread_stats *stats;
};

// Serves `conn` on the calling thread, which owns it. Blocks while its peer is quiet, until
// SO_RCVTIMEO if the socket has one. Returns what the turn ended with.
struct turn echo_turn(struct conn *conn, const struct turn_tools *tools);

#endif
