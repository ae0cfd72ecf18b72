// Many clients of the server under test at once. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_CROWD_H
#define ECHOD_TESTS_CROWD_H

#include "daemon.h"
#include "peer.h"

// A number from the environment, or `otherwise` without that variable.
size_t crowd_number(const char *name, size_t otherwise);

// For how many of `wanted` clients, besides `others`, the limit of descriptors has room, in this
// process and in servers that it starts from now on. Raises the limit if it may.
size_t crowd_room(size_t wanted, size_t others);

// How many clients that variable wants, for which there must be room then; `otherwise`, or as many
// of them as there is room for.
size_t crowd_size(const char *name, size_t otherwise, size_t others);

struct crowd {
	int *fds;
	size_t count;
};

// Connects `count` clients to the server's first address, and waits until it has accepted them.
struct crowd crowd_connect(struct daemon *daemon, size_t count);
void crowd_close(const struct crowd *crowd);

// Closes them, and waits until the server is at rest.
void crowd_leave(struct daemon *daemon, const struct crowd *crowd);

// Opens streams of clients that will not read at once: two over TCP, as each takes megabytes in the
// kernel, the others over the server's second address, with several times its buffers.
void crowd_open_unread(const struct daemon *daemon, struct stream *streams, size_t count,
		       uint64_t bytes_over_tcp);

// Sends a byte from all of them, then receives the echo of each, in an order that differs.
void crowd_ping(const struct crowd *crowd, uint64_t round);

// Waits for a span of two seconds in which the server uses no processor time. It must come within a
// few tries.
void crowd_expect_no_cpu(struct daemon *daemon);

// The value that 99 % of the `count` values do not exceed. Sorts them.
uint64_t percentile_99(uint64_t *values, size_t count);

#endif
