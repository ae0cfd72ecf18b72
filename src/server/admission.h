// How many connections are open, and whether one more may be admitted. A connection that waits for
// its PROXY header has its place reserved. Only the acceptor admits and reserves, so the limit is
// never exceeded. Workers report the closed ones.
#ifndef ECHOD_SERVER_ADMISSION_H
#define ECHOD_SERVER_ADMISSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/waker.h"
#include "server/sources.h"

struct admission {
	uint64_t limit;
	struct sources sources;
	const struct waker *waker; // the acceptor's

	// The acceptor adds, workers subtract. Before it sleeps, the acceptor sets `notifies`, then
	// reads `open`. A worker subtracts, then reads `notifies`. So the acceptor sees the
	// subtraction, or the worker sees `notifies` and wakes it. This requires sequential
	// consistency, the default order.
	_Atomic uint64_t open;
	_Atomic bool notifies;
	_Atomic uint64_t reserved; // only the acceptor writes it; no order is needed

	// For admission_obstacle. The first is the acceptor's, for a pause (server/pause.h); any
	// thread writes the second. Nothing else depends on either.
	_Atomic bool lacks_resources;
	_Atomic bool was_full;
};

// `per_source` and `prefix6` as in sources_open. While admission_notify is on, each connection that
// leaves wakes `waker`.
int admission_open(struct admission *admission, uint64_t limit, uint64_t per_source,
		   unsigned prefix6, const struct waker *waker, struct echod_error *error);
void admission_close(struct admission *admission);

// The acceptor only.
bool admission_has_room(struct admission *admission);
bool admission_enter(struct admission *admission,
		     const struct conn_origin *origin); // false: its source is full
void admission_reserve(struct admission *admission);	// there must be room
void admission_release(struct admission *admission);
void admission_notify(struct admission *admission, bool notifies);

// Any thread.
uint64_t admission_count(const struct admission *admission);
uint64_t admission_reserved(const struct admission *admission);

// Why new clients should go elsewhere, a constant text; NULL: there is no reason. Once the limit
// has been seen to be reached, that lasts until fewer than 95 % of it are open. Any thread.
const char *admission_obstacle(struct admission *admission);

// For a worker, when a connection is closed and its descriptor is free again.
void admission_leave(struct admission *admission, const struct conn_origin *origin);

#endif
