// The waiting policy: the one place that decides whether a worker blocks for its client, polls,
// parks the connection or yields to others. Workers.
#ifndef ECHOD_POOL_POLICY_H
#define ECHOD_POOL_POLICY_H

#include "pool/pool.h"

// What a worker that asks for something to do is to do. The caller holds the queue's lock.
enum next policy_next(const struct work_queue *queue);

// Finds out how many CPUs the workers may use now, and uses as many. Any thread.
void policy_follow_cpus(struct pool *pool);

// Whether the worker may block for its client. Not when there are more connections than workers
// that can run, or it has more to do: then it receives what is there, and goes on to the next.
bool policy_may_block(const struct worker *worker);

// Whether `work` is parked without asking again, after a recv that took less than it could have.
bool policy_parks_at_once(const struct worker *worker, const struct work *work);

// Whether the worker yields: others wait for one, or may do without our knowing.
bool policy_must_yield(const struct worker *worker);

// It begins to poll; false when that has not paid lately (`credit` is 0), enough do, or there
// is something else to see to. Then: whether it goes on, until `deadline`; it has yielded its CPU
// to whoever has something to do. Then: it has stopped, and found something (`hit`) or not.
bool policy_begin_polling(struct worker *worker, int credit);
bool policy_goes_on_polling(const struct worker *worker, uint64_t deadline);
void policy_end_polling(struct worker *worker, int *credit, bool hit);

// It begins to block for its client, and another takes its place if need be. Then: it is back.
void policy_begin_blocking(struct worker *worker);
void policy_end_blocking(struct worker *worker);

// Blocking since `began` has found something, perhaps so soon that polling would have.
void policy_note_found(const struct pool *pool, int *credit, uint64_t began);

#endif
