// Time-outs of parked work. Workers set them, the leader looks.
#include "pool/watch.h"

#include <stddef.h>

#include "base/assert.h"
#include "base/clock.h"

#define STEPS 16 // of a limit; each member is looked at every two to three of them
#define STUCK_STEP_MAX (NS_PER_S / 3)
#define POLLED_STEP (NS_PER_S / 30) // each is served ten times a second at least

void watch_init(struct watch *watch, uint64_t idle_limit, uint64_t stuck_limit)
{
	uint64_t stuck_step = stuck_limit / STEPS + 1;
	*watch = (struct watch){0};
	watch->lists[WATCH_NONE].limit = CLOCK_NEVER;
	watch->lists[WATCH_IDLE].limit = idle_limit;
	watch->lists[WATCH_IDLE].step = idle_limit / STEPS + 1;
	watch->lists[WATCH_STUCK].limit = stuck_limit;
	watch->lists[WATCH_STUCK].step = stuck_step < STUCK_STEP_MAX ? stuck_step : STUCK_STEP_MAX;
	watch->lists[WATCH_POLLED].limit = CLOCK_NEVER;
	watch->lists[WATCH_POLLED].step = POLLED_STEP;
	pthread_mutex_init(&watch->lock, NULL);
}

void watch_destroy(struct watch *watch)
{
	for (int kind = 0; kind < WATCH_KINDS; kind++)
		ensure(!watch->lists[kind].first);
	pthread_mutex_destroy(&watch->lock);
}

// The same for all who ask within 1/16 of the limit, and never earlier than for one who asked
// before: so lists stay in order by appending.
static uint64_t next_look(const struct watch_list *list, uint64_t now)
{
	return (now + 2 * list->step) / list->step * list->step + list->step;
}

static void append_locked(struct watch_list *list, struct work *work)
{
	work->look_at = next_look(list, clock_now());
	work->watch_next = NULL;
	work->watch_previous = list->last;
	if (list->last)
		list->last->watch_next = work;
	else
		list->first = work;
	list->last = work;
}

static void unlink_locked(struct watch_list *list, struct work *work)
{
	if (work->watch_previous)
		work->watch_previous->watch_next = work->watch_next;
	else
		list->first = work->watch_next;
	if (work->watch_next)
		work->watch_next->watch_previous = work->watch_previous;
	else
		list->last = work->watch_previous;
}

bool watch_set(struct watch *watch, struct work *work, enum watch_kind kind)
{
	if (kind == WATCH_IDLE && watch->lists[kind].limit == CLOCK_NEVER)
		kind = WATCH_NONE;
	bool first = false;
	if (work->watched == kind)
		return first;
	pthread_mutex_lock(&watch->lock);
	if (work->watched != WATCH_NONE)
		unlink_locked(&watch->lists[work->watched], work);
	if (kind != WATCH_NONE) {
		first = !watch->lists[kind].first;
		append_locked(&watch->lists[kind], work);
	}
	pthread_mutex_unlock(&watch->lock);
	work->watched = kind;
	return first;
}

uint64_t watch_deadline(struct watch *watch)
{
	uint64_t deadline = CLOCK_NEVER;
	pthread_mutex_lock(&watch->lock);
	for (int kind = 0; kind < WATCH_KINDS; kind++) {
		const struct work *first = watch->lists[kind].first;
		if (first && first->look_at < deadline)
			deadline = first->look_at;
	}
	pthread_mutex_unlock(&watch->lock);
	return deadline;
}

// Unparks `work`. It is the caller's then.
static bool unpark(struct work *work)
{
	int parked = WORK_PARKED;
	return atomic_compare_exchange_strong(&work->state, &parked, WORK_QUEUED);
}

static bool is_over(const struct watch_list *list, uint64_t now, uint64_t active)
{
	return now > active && now - active >= list->limit;
}

static struct work *expire_list_locked(struct watch *watch, enum watch_kind kind, uint64_t now,
				       uint64_t (*active_at)(const struct work *work),
				       struct work *expired)
{
	struct watch_list *list = &watch->lists[kind];
	for (int looks = 0; looks < WATCH_LOOKS; looks++) {
		struct work *work = list->first;
		if (!work || work->look_at > now)
			break;
		bool over = is_over(list, now, active_at(work));
		unlink_locked(list, work);
		if ((over || kind != WATCH_IDLE) && unpark(work)) {
			// It may have been served, and parked again, since it was looked at.
			work->expired = is_over(list, now, active_at(work));
			work->watched = WATCH_NONE;
			work->next = expired;
			expired = work;
		} else {
			append_locked(list, work);
		}
	}
	return expired;
}

struct work *watch_expire(struct watch *watch, uint64_t now,
			  uint64_t (*active_at)(const struct work *work))
{
	struct work *expired = NULL;
	pthread_mutex_lock(&watch->lock);
	for (int kind = WATCH_IDLE; kind < WATCH_KINDS; kind++)
		expired = expire_list_locked(watch, (enum watch_kind)kind, now, active_at, expired);
	pthread_mutex_unlock(&watch->lock);
	return expired;
}
