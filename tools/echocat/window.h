// The bytes under way: read from standard input and not yet written to standard output. One ring
// and four counters, each a position in the stream:
//
//     written <= received <= sent <= read <= written + capacity
//
// A byte keeps its place once it has been read. It is sent from there, and its echo is
// compared with it there. As the two are equal, it is written out from there. So receiving needs no
// room: everything sent can always come back, and a peer that echoes its input cannot cause a
// deadlock. While the ring is full, nothing is read, so memory is constant.
//
// The limit: if a peer needs more than the capacity before it echoes the first byte, it gets no
// further. Such a peer is no echo server, and the time-out ends the wait. Main thread only.
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

// A piece of the ring up to where it wraps round.
struct span {
	unsigned char *bytes;
	size_t length;
};

void window_init(struct window *window, unsigned char *ring, size_t capacity);

// The room to read into, the bytes to send, and the bytes to write out. After using some of them,
// the caller adds their number to `read`, `sent` or `written`.
struct span window_room(const struct window *window);
struct span window_unsent(const struct window *window);
struct span window_unwritten(const struct window *window);

// Takes received bytes and adds to `received`. Returns whether they equal the sent ones. If not,
// `difference` says where. Different bytes will be written out as they came; surplus bytes will
// not.
bool window_receive(struct window *window, const unsigned char *bytes, size_t length,
		    struct difference *difference);

#endif
