#include "pool/watch.h"

#include "base/assert.h"
#include "base/clock.h"

#define STEPS 16 // of a limit; each member is looked at every two to three of them
#define STUCK_STEP_MAX (NS_PER_S / 3)
#define POLLED_STEP (NS_PER_S / 30) // each is served ten times a second at least

void watch_init(struct watch *watch, uint64_t idle_limit, uint64_t stuck_limit)
{
	uint64_t stuck_step = stuck_limit / STEPS + 1;
	*watch = (struct watch){
		.lists = {
			[WATCH_NONE] = {.limit = CLOCK_NEVER},
			[WATCH_IDLE] = {.limit = idle_limit, .step = idle_limit / STEPS + 1},
			[WATCH_STUCK] = {.limit = stuck_limit,
					 .step = stuck_step < STUCK_STEP_MAX ? stuck_step
									     : STUCK_STEP_MAX},
			[WATCH_POLLED] = {.limit = CLOCK_NEVER, .step = POLLED_STEP},
		}};
	for (int kind = 0; kind < WATCH_KINDS; kind++)
		watch->lists[kind].end = &watch->lists[kind].first;
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
	work->watch_link = list->end;
	*list->end = work;
	list->end = &work->watch_next;
}

static void unlink_locked(struct watch_list *list, struct work *work)
{
	*work->watch_link = work->watch_next;
	if (work->watch_next)
		work->watch_next->watch_link = work->watch_link;
	else
		list->end = work->watch_link;
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

static bool is_over(const struct watch_list *list, uint64_t now, const struct work *work)
{
	uint64_t active = atomic_load_explicit(&work->active_at, memory_order_relaxed);
	return now > active && now - active >= list->limit;
}

static void expire_list_locked(struct watch *watch, enum watch_kind kind, uint64_t now,
			       struct work_list *expired)
{
	struct watch_list *list = &watch->lists[kind];
	for (int looks = 0; looks < WATCH_LOOKS; looks++) {
		struct work *work = list->first;
		if (!work || work->look_at > now)
			break;
		int parked = WORK_PARKED;
		bool wanted = kind != WATCH_IDLE || is_over(list, now, work);
		unlink_locked(list, work);
		if (wanted && atomic_compare_exchange_strong(&work->state, &parked, WORK_QUEUED)) {
			// It may have been served, and parked again, since it was looked at.
			work->expired = is_over(list, now, work);
			work->watched = WATCH_NONE;
			work_list_append(expired, work);
		} else {
			append_locked(list, work);
		}
	}
}

void watch_expire(struct watch *watch, uint64_t now, struct work_list *expired)
{
	pthread_mutex_lock(&watch->lock);
	for (int kind = WATCH_IDLE; kind < WATCH_KINDS; kind++)
		expire_list_locked(watch, (enum watch_kind)kind, now, expired);
	pthread_mutex_unlock(&watch->lock);
}
