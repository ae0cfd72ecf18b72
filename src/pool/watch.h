// Time-outs of parked work, O(1) each and without a thread. For each kind a list in the order in
// which its members are due; one that is due and has been active goes to the end, so activity costs
// nothing. Each is looked at five times within its limit at least, at moments that many share: so
// it expires at most 3/16 of the limit late, and the leader is woken at most 16 times within a
// limit. Stuck work is looked at once a second, even without a limit: a send that failed for lack
// of memory gets no event. One call looks at a bounded number, so that active work does not wait.
#ifndef ECHOD_POOL_WATCH_H
#define ECHOD_POOL_WATCH_H

#include <pthread.h>

#include "pool/work.h"

#define WATCH_LOOKS 16

struct watch_list {
	uint64_t limit; // ns, or CLOCK_NEVER
	uint64_t step;	// ns; looks are at multiples of it
	struct work *first;
	struct work **end; // the link that ends the list
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

// Looks at those whose time has come, WATCH_LOOKS of a kind at most. Those that are parked, and
// have not been active for their limit, are unparked, marked `expired` (unless they have been
// active in that very moment) and appended to `expired`. Of the other kinds, all that are looked at
// are unparked: whether there is something to do, only the socket knows. The leader.
void watch_expire(struct watch *watch, uint64_t now, struct work_list *expired);

#endif
