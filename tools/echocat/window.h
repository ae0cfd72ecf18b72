// The bytes under way: read from standard input and not yet written to standard output. One ring
// and four counters, each a position in the stream:
//
//     written <= received <= sent <= read <= written + capacity
//
// A byte has one place from the moment it is read. It is sent from there, what comes back is
// compared with it there, and since the two are equal it is written out from there. So receiving
// needs no room: whatever the state of the rest, all that was sent can come back, and nothing can
// deadlock with a peer that echoes what it gets. Memory is constant because no more is read while
// the ring is full.
//
// The limit: a peer that wants more than the capacity before it echoes the first byte gets no
// further. That is not an echo server, and the time-out ends it. Main thread only.
#ifndef ECHOCAT_WINDOW_H
#define ECHOCAT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "difference.h"

struct window {
	unsigned char *ring; // the caller's
	size_t capacity;     // a power of two
	uint64_t read;
	uint64_t sent;
	uint64_t received;
	uint64_t written;
};

// A piece of the ring, as long as it goes without wrapping round.
struct span {
	unsigned char *bytes;
	size_t length;
};

void window_init(struct window *window, unsigned char *ring, size_t capacity);

// Where to read into, what to send, what to write out. Having done so with some of it, the caller
// adds to `read`, `sent` or `written`.
struct span window_room(const struct window *window);
struct span window_unsent(const struct window *window);
struct span window_unwritten(const struct window *window);

// Takes in what came back and adds to `received`. Returns whether it is what was sent; if not,
// `difference` says where, and the bytes that differ will be written out as they came, but none of
// a surplus.
bool window_receive(struct window *window, const unsigned char *bytes, size_t length,
		    struct difference *difference);

#endif
