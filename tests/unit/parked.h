// A piece of work, which is one end of a socketpair, and a parking lot for it. The test wraps
// epoll_ctl and epoll_wait. Main thread, unless said otherwise.
#ifndef ECHOD_UNIT_PARKED_H
#define ECHOD_UNIT_PARKED_H

#include <stdatomic.h>
#include <sys/types.h>

#include "pool/parking_lot.h"

struct parked {
	int pair[2];		   // the work's end, the peer's
	unsigned changes;	   // of the epoll set
	int failure;		   // of the next change
	void (*with_events)(void); // called while the leader has events in its hand
	atomic_uint waits;	   // that have begun; any thread
};

extern struct parked parked;
extern struct parking_lot lot;
extern struct work work;

// The fixture of each test; and a setup with time-outs.
void parked_begin(void);
int parked_begin_with(uint64_t idle_limit, uint64_t stuck_limit);
void parked_end(void);

// A new pair for the work, which is new too and served.
void connect_work(void);

// The peer sends a byte.
void say(void);

// Parks, hears a byte, and comes back.
void park_and_return(void);

// The list that parking_lot_wait has filled, and what it has returned.
struct unparked {
	struct work *first;
	struct work *last;
	size_t count;
	bool woken;
};
struct unparked unpark(uint64_t deadline, bool polling);

void park(enum timeout kind);

// Nothing has come back so far.
void expect_nothing(void);

// The work comes back. It is served from then on.
void expect_unparked(void);

// It receives so many bytes; -1: nothing, and no end either.
void expect_bytes(ssize_t expected);

#endif
