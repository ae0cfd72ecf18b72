// A pause of the acceptor: its cause, and when to accept again. The acceptor only.
#ifndef ECHOD_SERVER_PAUSE_H
#define ECHOD_SERVER_PAUSE_H

#include <stdint.h>

#include "server/admission.h"
#include "stats/stats.h"

enum pause_cause {
	PAUSE_NONE,
	PAUSE_LIMIT,	 // at --max-connections: until one closes
	PAUSE_RESOURCES, // out of descriptors or memory: until a connection closes, or for 100 ms
};

struct pause {
	enum pause_cause cause;
	struct admission *admission;
	struct thread_stats *stats;
	uint64_t until;		// PAUSE_RESOURCES: when to try again
	uint64_t open;		// PAUSE_RESOURCES: how many connections were open when it began
	uint64_t accounted_for; // its time has been counted up to here
};

void pause_begin(struct pause *pause, enum pause_cause cause);

// Ends the pause if its cause may be gone, and counts its time so far. Call it before each sleep: a
// connection may have closed after the pause began and before notification was on.
void pause_review(struct pause *pause);

// Ends the pause. It may have any cause.
void pause_end(struct pause *pause);

// The time until which the acceptor may sleep: clock_now, or CLOCK_NEVER.
uint64_t pause_deadline(const struct pause *pause);

#endif
