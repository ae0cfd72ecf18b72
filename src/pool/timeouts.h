// Time-outs of parked work, O(1) each and without a thread. Each kind has a list, in the order in
// which the work is due. Due work that has been active goes to the end, so activity costs nothing.
// Work is checked at least five times within its limit, so it expires at most 3/16 of it late. Many
// share the time of a check, so the leader is woken at most 16 times within a limit. Stuck work is
// checked once a second, even without a limit: without memory to send, it gets no event.
#ifndef ECHOD_POOL_TIMEOUTS_H
#define ECHOD_POOL_TIMEOUTS_H

#include <pthread.h>

#include "pool/work.h"

#define TIMEOUT_CHECKS 16

struct timeout_list {
	uint64_t limit; // ns, or CLOCK_NEVER
	uint64_t step;	// ns; checks are at multiples of it
	struct work *first;
	struct work **end; // the link that ends the list
};

// The lists and links are guarded by `lock`; the limits are set once.
struct timeouts {
	pthread_mutex_t lock;
	struct timeout_list lists[TIMEOUT_KINDS];
	enum timeout idle; // TIMEOUT_IDLE; without a limit TIMEOUT_NONE
};

void timeouts_init(struct timeouts *timeouts, uint64_t idle_limit, uint64_t stuck_limit);
void timeouts_destroy(struct timeouts *timeouts);

// Puts `work` under the time-out `kind` (TIMEOUT_NONE: none), not the one it is under. The owner of
// `work`. Returns true if the deadline may be nearer now: then the leader must ask for it again.
bool timeouts_change(struct timeouts *timeouts, struct work *work, enum timeout kind);
static inline bool timeouts_set(struct timeouts *timeouts, struct work *work, enum timeout kind)
{
	if (kind == TIMEOUT_IDLE)
		kind = timeouts->idle;
	return work->timeout != kind && timeouts_change(timeouts, work, kind);
}

// When to call timeouts_expire next: clock_now (which may have passed), or CLOCK_NEVER.
uint64_t timeouts_deadline(struct timeouts *timeouts);

// Checks work whose time has come, at most TIMEOUT_CHECKS of a kind, so that active work does not
// wait. If it is parked and has not been active for its limit, it is unparked, marked `expired`
// (unless it becomes active meanwhile) and appended to `expired`. Of kinds other than TIMEOUT_IDLE
// all parked work is unparked, and served work notified: their sockets know more. The leader.
void timeouts_expire(struct timeouts *timeouts, uint64_t now, struct work_list *expired);

#endif
