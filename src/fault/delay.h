// A time-out of parked work at a time of its own, without a worker or a thread: in the parking lot,
// among those of stuck work, whose list it keeps in order. Worker threads.
#ifndef ECHOD_FAULT_DELAY_H
#define ECHOD_FAULT_DELAY_H

#include <stdint.h>

#include "pool/parking_lot.h"

// `work`, which the caller owns and parks as stuck next, is to be served again at `due`
// (clock_now), and sooner in any case: once a second, and when something comes. Room to send is no
// event then.
void delay_until(struct parking_lot *lot, struct work *work, uint64_t due);

// `work` is parked as stuck next because it has no room to send: that is an event again.
void delay_for_room(struct work *work);

#endif
