// Many clients of the server under test at once. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_CROWD_H
#define ECHOD_TESTS_CROWD_H

#include <stddef.h>
#include <stdint.h>

#include "daemon.h"

// A number from the environment, or `otherwise` without that variable.
size_t crowd_number(const char *name, size_t otherwise);

// For how many of `wanted` clients, besides `others`, the limit of descriptors has room, in this
// process and in servers that it starts from now on. Raises the limit if it may.
size_t crowd_room(size_t wanted, size_t others);

struct crowd {
	int *fds;
	size_t count;
};

// Connects `count` clients, and waits until the server has accepted them.
struct crowd crowd_connect(struct daemon *daemon, const char *address, size_t count);
void crowd_close(struct crowd *crowd);

// Sends a byte from all of them, then receives the echo of each, in an order that differs.
void crowd_ping(const struct crowd *crowd, uint64_t round);

// Waits for a span of two seconds in which the server uses no processor time. It must come within a
// few tries.
void crowd_expect_no_cpu(struct daemon *daemon);

// The value that 99 % of the `count` values do not exceed. Sorts them.
uint64_t percentile_99(uint64_t *values, size_t count);

#endif
