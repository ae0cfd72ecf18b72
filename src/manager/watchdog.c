#include "manager/watchdog.h"

#include <stdio.h>

// All of it rises.
static uint64_t progress_of(const struct worker *worker)
{
	uint64_t sum = atomic_load_explicit(&worker->since, memory_order_relaxed);
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		sum += atomic_load_explicit(&worker->stats->counter[i], memory_order_relaxed);
	return sum;
}

static const char *find_stuck(struct watchdog *watchdog, const struct server *server)
{
	static const char *const names[SERVER_FIXED_THREADS] = {"echod/accept", "echod/stats",
								"echod/http"};
	for (size_t i = 0; i < SERVER_FIXED_THREADS; i++) {
		uint32_t steps = atomic_load(&server->pulse[i].steps); // 0: there is no such thread
		if (steps > 0 && steps % 2 == 0 && steps == watchdog->steps[i])
			return names[i];
	}
	for (unsigned i = 0; i < server->config.workers; i++) {
		const struct worker *worker = &server->pool.workers[i];
		int state = atomic_load_explicit(&worker->state, memory_order_relaxed);
		if ((state != WORKER_SERVING && state != WORKER_POLLING) ||
		    progress_of(worker) != watchdog->workers[i])
			continue;
		snprintf(watchdog->stuck, sizeof(watchdog->stuck), "echod/work-%u", worker->id);
		return watchdog->stuck;
	}
	return NULL;
}

const char *watchdog_check(struct watchdog *watchdog, const struct server *server)
{
	const char *stuck = find_stuck(watchdog, server);
	if (stuck)
		return stuck;
	for (size_t i = 0; i < SERVER_FIXED_THREADS; i++)
		watchdog->steps[i] = atomic_load(&server->pulse[i].steps);
	for (unsigned i = 0; i < server->config.workers; i++)
		watchdog->workers[i] = progress_of(&server->pool.workers[i]);
	return NULL;
}
