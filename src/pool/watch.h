// Time-outs of parked work, O(1) each and without a thread. For each kind a list in the order in
// which to look at its members; who is looked at and has been active goes to the end, so activity
// costs nothing. Each is looked at five times within its limit at least, at moments that many
// share, so a time-out comes at most 3/16 of the limit late and a watch wakes its leader at most 16
// times within a limit, however many it watches. Who is stuck is looked at once a second at least,
// even without a limit: a send that failed for lack of memory is told of no room later. One call
// looks at a bounded number of each kind, so that those who are active need not wait for all those
// whose time is up at once.
#ifndef ECHOD_POOL_WATCH_H
#define ECHOD_POOL_WATCH_H

#include <pthread.h>

#include "pool/work.h"

#define WATCH_LOOKS 16

struct watch_list {
	uint64_t limit; // ns, or CLOCK_NEVER
	uint64_t step;	// ns; looks are at multiples of it
	struct work *first;
	struct work *last;
};

// The lists and links are guarded by `lock`; the limits are set once.
struct watch {
	pthread_mutex_t lock;
	struct watch_list lists[WATCH_KINDS];
};

void watch_init(struct watch *watch, uint64_t idle_limit, uint64_t stuck_limit);
void watch_destroy(struct watch *watch);

// Puts `work` under the time-out `kind` (WATCH_NONE: none) instead of the one it is under. The
// owner of `work`. Takes the lock only if that changes anything. Returns true if the deadline may
// be nearer now, so that the leader must ask for it again.
bool watch_set(struct watch *watch, struct work *work, enum watch_kind kind);

// When to call watch_expire next: clock_now (which may have passed), or CLOCK_NEVER.
uint64_t watch_deadline(struct watch *watch);

// Looks at those whose time has come, WATCH_LOOKS of a kind at most. `active_at` says when one was
// last active; those that are parked, and have not been active for their limit, are unparked,
// marked `expired` (unless they have been active in that very moment) and returned, linked by
// `next`. Of the other kinds, all that are looked at are unparked: whether there is something to
// do, only the socket knows. The leader.
struct work *watch_expire(struct watch *watch, uint64_t now,
			  uint64_t (*active_at)(const struct work *work));

#endif
