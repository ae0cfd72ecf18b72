// Looking up an address within a time. Any thread.
#ifndef ECHOD_NET_RESOLVE_H
#define ECHOD_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

// address_resolve, which may wait for a name server, with a limit: gives up after `timeout` ns
// (CLOCK_NEVER: never), or when `interrupt_fd` (-1: none) becomes readable. The resolver itself has
// no limit, so where there is one, a thread asks it, and is left to itself when it takes too long.
// Returns how many, or -1.
int resolve_within(const struct address *address, struct endpoint *endpoints, size_t capacity,
		   uint64_t timeout, int interrupt_fd, struct echod_error *error);

#endif
