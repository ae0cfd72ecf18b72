#include "server/pause.h"

#include "base/clock.h"

#define RESOURCE_PAUSE (100 * NS_PER_MS)
#define ACCOUNT_INTERVAL NS_PER_S // how often the time of a long pause is added to its counter

void pause_begin(struct pause *pause, enum pause_cause cause)
{
	uint64_t now = clock_now();
	pause->cause = cause;
	pause->until = now + RESOURCE_PAUSE;
	pause->open = admission_count(pause->admission);
	pause->accounted_for = now;
	counter_add(pause->stats, COUNTER_accept_pauses, 1);
	atomic_store(&pause->admission->lacks_resources, cause == PAUSE_RESOURCES);
	admission_notify(pause->admission, true);
}

static bool is_over(const struct pause *pause)
{
	if (pause->cause == PAUSE_LIMIT)
		return admission_has_room(pause->admission);
	return clock_now() >= pause->until || admission_count(pause->admission) < pause->open;
}

static void account(struct pause *pause)
{
	uint64_t now = clock_now();
	counter_add(pause->stats, COUNTER_accept_paused_seconds, now - pause->accounted_for);
	pause->accounted_for = now;
}

void pause_review(struct pause *pause)
{
	if (pause->cause == PAUSE_NONE)
		return;
	if (is_over(pause))
		pause_end(pause);
	else
		account(pause);
}

void pause_end(struct pause *pause)
{
	if (pause->cause == PAUSE_NONE)
		return;
	account(pause);
	pause->cause = PAUSE_NONE;
	atomic_store(&pause->admission->lacks_resources, false);
	admission_notify(pause->admission, false);
}

uint64_t pause_deadline(const struct pause *pause)
{
	switch (pause->cause) {
	case PAUSE_LIMIT:
		return clock_deadline(ACCOUNT_INTERVAL);
	case PAUSE_RESOURCES:
		return pause->until;
	default:
		return CLOCK_NEVER;
	}
}
