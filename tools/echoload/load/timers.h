// The timers of connections, in a binary heap. One thread; memory is allocated once.
#ifndef ECHOLOAD_TIMERS_H
#define ECHOLOAD_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define TIMER_UNSET SIZE_MAX

struct timer {
	uint64_t at;  // clock_now
	size_t place; // in the heap; TIMER_UNSET: not in it
};

struct timers {
	struct timer **heap; // with room for all that may be set
	size_t count;
};

static inline void timers_put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

// Moves `timer` from `place` up to where it belongs, then down.
static inline void timers_settle(struct timers *timers, size_t place, struct timer *timer)
{
	struct timer **heap = timers->heap;
	for (; place > 0 && heap[(place - 1) / 2]->at > timer->at; place = (place - 1) / 2)
		timers_put(timers, place, heap[(place - 1) / 2]);
	for (;;) {
		size_t child = 2 * place + 1;
		child += child + 1 < timers->count && heap[child + 1]->at < heap[child]->at;
		if (child >= timers->count || heap[child]->at >= timer->at)
			break;
		timers_put(timers, place, heap[child]);
		place = child;
	}
	timers_put(timers, place, timer);
}

// Sets `timer` to `at`, whether it was set or not.
static inline void timers_set(struct timers *timers, struct timer *timer, uint64_t at)
{
	timer->at = at;
	if (timer->place == TIMER_UNSET)
		timer->place = timers->count++;
	timers_settle(timers, timer->place, timer);
}

static inline void timers_unset(struct timers *timers, struct timer *timer)
{
	if (timer->place == TIMER_UNSET)
		return;
	size_t place = timer->place;
	struct timer *last = timers->heap[--timers->count];
	timer->place = TIMER_UNSET;
	if (last != timer)
		timers_settle(timers, place, last);
}

// When the first is due; CLOCK_NEVER if none is set.
static inline uint64_t timers_next(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->at : CLOCK_NEVER;
}

// Unsets the first if it is due by `now`, and returns it, else NULL.
static inline struct timer *timers_take(struct timers *timers, uint64_t now)
{
	struct timer *first = timers->count ? timers->heap[0] : NULL;
	if (!first || first->at > now)
		return NULL;
	timers_unset(timers, first);
	return first;
}

#endif
