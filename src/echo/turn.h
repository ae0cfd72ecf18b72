// The echo turn: receive, send all of it, receive again. The heart of the program.
#ifndef ECHOD_ECHO_TURN_H
#define ECHOD_ECHO_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/conn.h"
#include "net/errno_class.h"
#include "net/waker.h"
#include "pool/pool.h"

#define ECHO_QUANTUM (512UL << 10) // bytes that one may echo before others have their turn

// What all turns of a server share.
struct echo {
	// The end of all turns, when a drain's time is up or the server stops. The acceptor writes
	// it once, before it wakes the waker and shuts down the sockets for reading. Workers read
	// it with acquire order, so a worker that either wakes sees it.
	_Atomic bool aborted;
	struct waker abort_waker; // readable from then on, for a worker that waits to send

	// Bytes received and not yet sent, kept with each connection whose peer does not read, and
	// bounded in all. Workers change them, the stats thread reads them. Relaxed order: each is
	// a sum by itself.
	uint64_t unsent_limit;
	_Atomic uint64_t unsent;
	_Atomic uint64_t unsent_max;
};

// Serves `conn` for a turn on the thread of `worker`, its owner. Waits for its peer, to send or to
// read, only while the policy says so, and for the patience at most. Returns how the turn ended.
struct turn echo_turn(struct conn *conn, struct worker *worker, struct echo *echo);

// The end of a turn for an error of recv or send, other than "not now".
struct turn echo_close_for(enum errno_class class);

// Takes note that the peer does not read. A socket polls writable only when a third of its buffer
// is free, which a slow reader may not achieve in time; so what it has acknowledged counts as
// progress too. The owner.
void echo_note_stuck(struct conn *conn);

// Whether there is no room for `more` unsent bytes. Then a connection is echoed by peeking: its
// bytes leave the kernel only when they have been sent, so nothing has to be kept. As workers ask
// independently, the limit can be exceeded by a buffer for each.
bool unsent_is_full(const struct echo *echo, size_t more);

// Keeps a copy of `length` bytes as the unsent bytes of `conn`, which has none. False when memory
// is short. The owner.
bool unsent_keep(struct echo *echo, struct conn *conn, const char *bytes, size_t length);

// Frees the unsent bytes of `conn`, sent or not; it may have none. The owner.
void unsent_drop(struct echo *echo, struct conn *conn);

#endif
