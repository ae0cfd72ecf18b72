#include "fault/delay.h"

#include <stddef.h>
#include <sys/epoll.h>

// Changes places with the work before it in the list.
static void move_forward(struct timeout_list *list, struct work *work, struct work *before)
{
	before->timeout_next = work->timeout_next;
	if (before->timeout_next)
		before->timeout_next->timeout_link = &before->timeout_next;
	else
		list->end = &before->timeout_next;
	work->timeout_link = before->timeout_link;
	*work->timeout_link = work;
	work->timeout_next = before;
	before->timeout_link = &work->timeout_next;
}

void delay_for_room(struct work *work)
{
	work->events &= ~(uint32_t)EPOLLOUT; // so the parking lot asks for it, again if need be
}

void delay_until(struct parking_lot *lot, struct work *work, uint64_t due)
{
	struct timeouts *timeouts = &lot->timeouts;
	struct timeout_list *list = &timeouts->lists[TIMEOUT_STUCK];
	if (work->events) // there would be room at once
		work->events |= EPOLLOUT;
	timeouts_set(timeouts, work, TIMEOUT_NONE);
	timeouts_set(timeouts, work, TIMEOUT_STUCK); // at the end, to be checked within a second
	pthread_mutex_lock(&timeouts->lock);
	if (due < work->due_at)
		work->due_at = due;
	while (work->timeout_link != &list->first) {
		struct work *before = (struct work *)((uintptr_t)work->timeout_link -
						      offsetof(struct work, timeout_next));
		if (before->due_at <= work->due_at)
			break;
		move_forward(list, work, before);
	}
	bool is_first = list->first == work;
	pthread_mutex_unlock(&timeouts->lock);
	if (is_first)
		waker_wake(&lot->waker);
}
