// The waiting policy: the one place that decides whether a worker blocks for its client, polls,
// parks the connection or yields to others. Called by workers.
#ifndef ECHOD_POOL_POLICY_H
#define ECHOD_POOL_POLICY_H

#include "base/clock.h"
#include "pool/pool.h"

// What a worker is to do next. The caller holds the queue's lock.
enum next policy_next(const struct work_queue *queue);

// Reads how many CPUs the workers may use now, and lets as many of them run. Any thread.
void policy_follow_cpus(struct pool *pool);

// Whether the worker may block for its client. If there are more connections than dedicated
// workers, or it has more queued, it may not: it receives what is there, and parks the connection.
static inline bool policy_may_block(const struct worker *worker)
{
	const struct pool_config *config = &worker->pool->config;
	if (config->patience == CLOCK_NEVER)
		return true;
	return config->patience > 0 && !worker->more_queued &&
	       atomic_load_explicit(&worker->pool->connections, memory_order_relaxed) <=
		       atomic_load_explicit(&worker->pool->dedicated_max, memory_order_relaxed);
}

// After a recv that took less than it could have: whether to park `work` without another recv. An
// event tells of what is still to come, but not of an end of stream that came along with data; and
// urgent data, which counts as hung up too, ends a recv early.
static inline bool policy_parks_at_once(const struct worker *worker, const struct work *work)
{
	return !policy_may_block(worker) && !atomic_load(&work->hung_up);
}

// Whether the worker yields: others wait for one, or parked ones may have events not yet collected.
bool policy_must_yield(const struct worker *worker);

// The worker starts to poll, and true is returned, unless polling has not recently helped (`credit`
// is 0), enough workers poll, or there is something else to do.
bool policy_begin_polling(struct worker *worker, int credit);

// Between two polls: whether to go on. Yields the CPU before.
bool policy_goes_on_polling(const struct worker *worker);

// The worker stops polling; `hit`: it has found something.
void policy_end_polling(struct worker *worker, int *credit, bool hit);

// The worker starts to block for its client, so another takes its place if needed; it is back.
void policy_begin_blocking(struct worker *worker);
void policy_end_blocking(struct worker *worker);

// Blocking has found something after `waited` ns, perhaps so soon that polling would have.
void policy_note_found(const struct pool *pool, int *credit, uint64_t waited);

#endif
