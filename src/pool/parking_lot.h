// The parking lot: where work waits for an event without a worker. An epoll set, edge-triggered, in
// which each connection is registered once, the first time it is parked; the work's own state says
// what an event means. Workers park; one of them at a time, the leader, waits.
#ifndef ECHOD_POOL_PARKING_LOT_H
#define ECHOD_POOL_PARKING_LOT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "net/waker.h"
#include "pool/watch.h"
#include "pool/work.h"

#define PARKING_LOT_EVENTS 256 // taken at once

struct parking_lot {
	int epoll;
	struct waker kick; // in the set: wakes the leader
	struct watch watch;
	_Atomic uint64_t refused; // times the kernel had no room in the set; a sum, relaxed
};

int parking_lot_open(struct parking_lot *lot, uint64_t idle_limit, uint64_t stuck_limit,
		     struct echod_error *error);
void parking_lot_close(struct parking_lot *lot);

// Parks `work`, in state SERVED or NOTIFIED, until there is something to receive (WATCH_IDLE), or
// also room to send (WATCH_STUCK). Where the kernel has no room for it in the set it comes back
// after a moment, in any case. Returns true when it is parked, and not the caller's any more; false
// when an event came meanwhile: the caller, whose it is still, must look once more.
bool parking_lot_park(struct parking_lot *lot, struct work *work, enum watch_kind kind);

// The owner of `work` will wait for its socket itself, or close it.
void parking_lot_forget(struct parking_lot *lot, struct work *work);

// What the leader found: work that is its own now, linked by `next`.
struct unparked {
	struct work *first;
	struct work *last;
	size_t count;
	bool woken; // there were events, or a kick
};

// Looks for events and time-outs again and again, until there are some, or a kick, or `deadline`
// has come. The leader.
struct unparked parking_lot_poll(struct parking_lot *lot, uint64_t deadline,
				 uint64_t (*active_at)(const struct work *work));

// Waits for events and time-outs until `deadline`, or a kick. The leader.
struct unparked parking_lot_wait(struct parking_lot *lot, uint64_t deadline,
				 uint64_t (*active_at)(const struct work *work));

// How many times work was parked without a place in the set. Any thread.
static inline uint64_t parking_lot_refused(const struct parking_lot *lot)
{
	return atomic_load_explicit(&lot->refused, memory_order_relaxed);
}

// Makes the leader return. Any thread.
void parking_lot_kick(struct parking_lot *lot);

#endif
