// Bytes received and not yet sent, of connections whose peers do not read: kept with each
// connection while it is parked, and bounded in all.
#ifndef ECHOD_ECHO_PENDING_H
#define ECHOD_ECHO_PENDING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "echo/conn.h"

// Workers change `bytes` and `max`, the stats thread reads them. Relaxed order: each is a sum by
// itself.
struct pending {
	uint64_t limit;
	_Atomic uint64_t bytes;
	_Atomic uint64_t max;
};

// Whether there is no room for `more` bytes. Then a connection is to be echoed without taking its
// bytes out of the kernel before they are sent, so that nothing has to be kept. As workers ask
// independently, the limit can be exceeded by a buffer for each.
bool pending_is_full(const struct pending *pending, size_t more);

// Keeps a copy of `length` bytes as the tail of `conn`, which has none. False when memory is short.
// The owner.
bool pending_keep(struct pending *pending, struct conn *conn, const char *bytes, size_t length);

// Frees the tail of `conn`, sent or not; it may have none. The owner.
void pending_drop(struct pending *pending, struct conn *conn);

#endif
