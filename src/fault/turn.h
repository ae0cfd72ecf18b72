// The turn of a connection with faults, in place of the echo turn. It never waits for anything:
// what is to come later, it leaves in the kernel, and the parking lot's time-outs bring it back.
#ifndef ECHOD_FAULT_TURN_H
#define ECHOD_FAULT_TURN_H

#include "echo/turn.h"
#include "fault/faults.h"

// Serves `conn`, whose plan is `plan`, on the thread of `worker`, which owns both.
struct turn fault_turn(struct conn *conn, struct fault_plan *plan, struct faults *faults,
		       struct echo *echo, struct worker *worker);

// How a connection with faults ends that is closed for `reason`: in order, or with a reset.
bool fault_ends_in_order(const struct conn *conn, const struct fault_plan *plan,
			 enum close_reason reason);

#endif
