// A binary heap of moments at which links are to be seen to. One thread; memory is taken once.
#ifndef ECHOLOAD_TIMERS_H
#define ECHOLOAD_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#define TIMER_UNSET SIZE_MAX

struct timer {
	uint64_t at;  // clock_now
	size_t place; // in the heap; TIMER_UNSET: not in it
};

struct timers {
	struct timer **heap;
	size_t count;
};

int timers_init(struct timers *timers, size_t capacity); // -1: no memory
void timers_free(struct timers *timers);

// Sets `timer` to `at`, whether it was set or not.
void timers_set(struct timers *timers, struct timer *timer, uint64_t at);
void timers_unset(struct timers *timers, struct timer *timer);

// When the first is due; CLOCK_NEVER if none is set.
uint64_t timers_next(const struct timers *timers);

// Unsets the first if it is due by `now`, and returns it, else NULL.
struct timer *timers_take(struct timers *timers, uint64_t now);

#endif
