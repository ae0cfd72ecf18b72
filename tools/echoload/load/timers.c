// The heap of timers.
#include "timers.h"

#include <stdlib.h>

#include "base/clock.h"

int timers_init(struct timers *timers, size_t capacity)
{
	*timers = (struct timers){.heap = calloc(capacity, sizeof(struct timer *))};
	return timers->heap ? 0 : -1;
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){0};
}

static void put(struct timers *timers, size_t place, struct timer *timer)
{
	timers->heap[place] = timer;
	timer->place = place;
}

// Moves `timer` from `place` up to where it belongs, then down.
static void settle(struct timers *timers, size_t place, struct timer *timer)
{
	while (place > 0 && timers->heap[(place - 1) / 2]->at > timer->at) {
		put(timers, place, timers->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * place + 1;
		if (child >= timers->count)
			break;
		if (child + 1 < timers->count &&
		    timers->heap[child + 1]->at < timers->heap[child]->at)
			child++;
		if (timers->heap[child]->at >= timer->at)
			break;
		put(timers, place, timers->heap[child]);
		place = child;
	}
	put(timers, place, timer);
}

void timers_set(struct timers *timers, struct timer *timer, uint64_t at)
{
	timer->at = at;
	if (timer->place == TIMER_UNSET)
		timer->place = timers->count++;
	settle(timers, timer->place, timer);
}

void timers_unset(struct timers *timers, struct timer *timer)
{
	if (timer->place == TIMER_UNSET)
		return;
	size_t place = timer->place;
	struct timer *last = timers->heap[--timers->count];
	timer->place = TIMER_UNSET;
	if (last != timer)
		settle(timers, place, last);
}

uint64_t timers_next(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->at : CLOCK_NEVER;
}

struct timer *timers_take(struct timers *timers, uint64_t now)
{
	if (timers->count == 0 || timers->heap[0]->at > now)
		return NULL;
	struct timer *first = timers->heap[0];
	timers_unset(timers, first);
	return first;
}
