// The parking lot: where work waits for an event without a worker. It is an epoll set, in which
// each connection is registered once, edge-triggered, the first time it is parked. The work's own
// state says what an event means. Workers park; one of them at a time, the leader, waits.
#ifndef ECHOD_POOL_PARKING_LOT_H
#define ECHOD_POOL_PARKING_LOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "net/waker.h"
#include "pool/timeouts.h"
#include "pool/work.h"

#define PARKING_LOT_EVENTS 256 // taken at once

struct parking_lot {
	int epoll;
	struct waker waker; // in the set: makes the leader return; any thread
	struct timeouts timeouts;
	_Atomic uint64_t refused; // how often work was parked without a place in the set; relaxed
};

int parking_lot_open(struct parking_lot *lot, uint64_t idle_limit, uint64_t stuck_limit,
		     struct echod_error *error);
void parking_lot_close(struct parking_lot *lot);

// Parks `work`, in state SERVED or NOTIFIED, until there is something to receive (TIMEOUT_IDLE), or
// also room to send (TIMEOUT_STUCK). If the kernel has no room for it in the set, it comes back
// soon, in any case. Returns true when it is parked, and not the caller's any more. Returns false
// when an event came meanwhile: it is still the caller's, who must check again.
bool parking_lot_park(struct parking_lot *lot, struct work *work, enum timeout kind);

// The owner of `work` will wait for its socket itself, or close it.
void parking_lot_forget(struct parking_lot *lot, struct work *work);

// Waits for events and time-outs until `deadline`, or a wake-up; with `polling`, by polling again
// and again, once at least. Appends to `unparked` what has come back: it is the caller's. Returns
// whether there was something: events, also of those that are served, time-outs, or a wake-up. The
// leader.
bool parking_lot_wait(struct parking_lot *lot, uint64_t deadline, bool polling,
		      struct work_list *unparked);

#endif
