// The messages of a link: when each is due, begun and answered, and what is recorded of it. The
// thread of its loop.
#ifndef ECHOLOAD_MESSAGES_H
#define ECHOLOAD_MESSAGES_H

#include <stdint.h>

#include "link.h"

struct loop;

// Begins those that may begin now, `goal` grows: in a closed loop as many as may be on their way,
// in the open loop those that are due, and then sets the timer for the next.
void messages_begin(struct loop *loop, struct link *link, uint64_t now);

// The echo of the first one on its way is complete.
void messages_answered(struct loop *loop, struct link *link, uint64_t now);

// The period begins, for this link at `begin`: plans its first message of the open loop.
void messages_plan(struct loop *loop, struct link *link, uint64_t begin);

// Whether messages of the open loop that were due before the end of the period may still begin.
bool messages_may_begin(const struct loop *loop, const struct link *link);

// Those on their way will not be answered any more, however their connection has ended. Each counts
// with the time until now: to leave it out would make the latency look better than it was.
void messages_abandon(struct loop *loop, struct link *link);

// At the end of a period of the open loop: the same for those that were due and never begun, in
// constant time however many they are.
void messages_abandon_due(struct loop *loop, struct link *link);

#endif
