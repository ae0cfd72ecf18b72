// Looking up an address within a time limit. Any thread.
#ifndef ECHOD_NET_RESOLVE_H
#define ECHOD_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"

// address_resolve with a limit on its wait for a name server. It gives up after `timeout` ns
// (CLOCK_NEVER: never), or when `interrupt_fd` (-1: none) becomes readable. The resolver itself has
// no limit. So if there is one, a detached thread asks the resolver, and outlives this call if that
// takes too long. Returns how many endpoints, or -1.
int resolve_within(const struct address *address, struct endpoint *endpoints, size_t capacity,
		   uint64_t timeout, int interrupt_fd, struct echod_error *error);

#endif
