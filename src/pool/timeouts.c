#include "pool/timeouts.h"

#include "base/assert.h"
#include "base/clock.h"

#define STEPS 16 // of a limit; each piece of work is checked every two to three of them
#define STUCK_STEP_MAX (NS_PER_S / 3)
#define POLLED_STEP (NS_PER_S / 30) // each is served ten times a second at least

void timeouts_init(struct timeouts *timeouts, uint64_t idle_limit, uint64_t stuck_limit)
{
	uint64_t stuck_step = stuck_limit / STEPS + 1;
	*timeouts = (struct timeouts){
		.lists = {
			[TIMEOUT_NONE] = {.limit = CLOCK_NEVER},
			[TIMEOUT_IDLE] = {.limit = idle_limit, .step = idle_limit / STEPS + 1},
			[TIMEOUT_STUCK] = {.limit = stuck_limit,
					   .step = stuck_step < STUCK_STEP_MAX ? stuck_step
									       : STUCK_STEP_MAX},
			[TIMEOUT_POLLED] = {.limit = CLOCK_NEVER, .step = POLLED_STEP},
		}};
	for (int kind = 0; kind < TIMEOUT_KINDS; kind++)
		timeouts->lists[kind].end = &timeouts->lists[kind].first;
	timeouts->idle = idle_limit == CLOCK_NEVER ? TIMEOUT_NONE : TIMEOUT_IDLE;
	pthread_mutex_init(&timeouts->lock, NULL);
}

void timeouts_destroy(struct timeouts *timeouts)
{
	for (int kind = 0; kind < TIMEOUT_KINDS; kind++)
		ensure(!timeouts->lists[kind].first);
	pthread_mutex_destroy(&timeouts->lock);
}

// The same for all calls within 1/16 of the limit, and never earlier than for a call before: so
// lists stay in order by appending.
static uint64_t next_check(const struct timeout_list *list, uint64_t now)
{
	return (now + 2 * list->step) / list->step * list->step + list->step;
}

static void append_locked(struct timeout_list *list, struct work *work)
{
	work->due_at = next_check(list, clock_now());
	work->timeout_next = NULL;
	work->timeout_link = list->end;
	*list->end = work;
	list->end = &work->timeout_next;
}

static void unlink_locked(struct timeout_list *list, struct work *work)
{
	*work->timeout_link = work->timeout_next;
	if (work->timeout_next)
		work->timeout_next->timeout_link = work->timeout_link;
	else
		list->end = work->timeout_link;
}

bool timeouts_change(struct timeouts *timeouts, struct work *work, enum timeout kind)
{
	pthread_mutex_lock(&timeouts->lock);
	if (work->timeout != TIMEOUT_NONE)
		unlink_locked(&timeouts->lists[work->timeout], work);
	bool first = kind != TIMEOUT_NONE && !timeouts->lists[kind].first;
	if (kind != TIMEOUT_NONE)
		append_locked(&timeouts->lists[kind], work);
	pthread_mutex_unlock(&timeouts->lock);
	work->timeout = kind;
	return first;
}

uint64_t timeouts_deadline(struct timeouts *timeouts)
{
	uint64_t deadline = CLOCK_NEVER;
	pthread_mutex_lock(&timeouts->lock);
	for (int kind = 0; kind < TIMEOUT_KINDS; kind++) {
		const struct work *first = timeouts->lists[kind].first;
		if (first && first->due_at < deadline)
			deadline = first->due_at;
	}
	pthread_mutex_unlock(&timeouts->lock);
	return deadline;
}

static bool is_over(const struct timeout_list *list, uint64_t now, const struct work *work)
{
	uint64_t active = atomic_load_explicit(&work->active_at, memory_order_relaxed);
	return now > active && now - active >= list->limit;
}

static void expire_list_locked(struct timeouts *timeouts, enum timeout kind, uint64_t now,
			       struct work_list *expired)
{
	struct timeout_list *list = &timeouts->lists[kind];
	for (int checks = 0; checks < TIMEOUT_CHECKS; checks++) {
		struct work *work = list->first;
		if (!work || work->due_at > now)
			break;
		int parked = WORK_PARKED;
		bool wanted = kind != TIMEOUT_IDLE || is_over(list, now, work);
		unlink_locked(list, work);
		if (wanted && atomic_compare_exchange_strong(&work->state, &parked, WORK_QUEUED)) {
			// It may have been served, and parked again, since it was checked.
			work->expired = is_over(list, now, work);
			work->timeout = TIMEOUT_NONE;
			work_list_append(expired, work);
		} else {
			if (parked == WORK_SERVED) // it checks again before it is parked
				atomic_compare_exchange_strong(&work->state, &parked,
							       WORK_NOTIFIED);
			append_locked(list, work);
		}
	}
}

void timeouts_expire(struct timeouts *timeouts, uint64_t now, struct work_list *expired)
{
	pthread_mutex_lock(&timeouts->lock);
	for (int kind = TIMEOUT_IDLE; kind < TIMEOUT_KINDS; kind++)
		expire_list_locked(timeouts, (enum timeout)kind, now, expired);
	pthread_mutex_unlock(&timeouts->lock);
}
