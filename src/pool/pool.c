#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "pool/policy.h"

#define PAGE_SIZE 4096U

static void show_work(struct worker *worker, uint64_t id, uint64_t since)
{
	atomic_store_explicit(&worker->since, since, memory_order_relaxed);
	atomic_store_explicit(&worker->serving, id, memory_order_relaxed);
}

static void close_work(struct worker *worker, struct work *work, enum close_reason reason)
{
	struct pool *pool = worker->pool;
	timeouts_set(&pool->lot.timeouts, work, TIMEOUT_NONE);
	uint64_t served = atomic_load_explicit(&worker->served, memory_order_relaxed);
	atomic_store_explicit(&worker->served, served + 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&pool->connections, 1, memory_order_relaxed);
	pool->config.close(work, reason, worker, pool->config.context);
}

// Parks work at the end of a turn; all is counted before the hand-over. Returns false when an event
// has come meanwhile, so that it must be served again: it counts as unparked and taken then.
static bool park_work(struct worker *worker, struct work *work, bool stuck)
{
	atomic_store_explicit(&work->worker, 0, memory_order_relaxed);
	counter_add(worker->stats, stuck ? COUNTER_parks_writing : COUNTER_parks_reading, 1);
	if (parking_lot_park(&worker->pool->lot, work, stuck ? TIMEOUT_STUCK : TIMEOUT_IDLE))
		return true;
	counter_add(worker->stats, COUNTER_unparks, 1);
	counter_add(worker->stats, COUNTER_connections_taken, 1);
	return false;
}

// Turns of one connection, until it is not the worker's any more.
static void serve_work(struct worker *worker, struct work *work)
{
	struct pool_config *config = &worker->pool->config;
	for (;;) {
		atomic_store_explicit(&work->worker, worker->id, memory_order_relaxed);
		struct turn turn = atomic_load(&config->serve)(work, worker, config->context);
		if (turn.end == TURN_CLOSE) {
			close_work(worker, work, turn.reason);
			return;
		}
		if (turn.end != TURN_QUANTUM && park_work(worker, work, turn.end == TURN_STUCK))
			return;
		// A client that sends all the time is never quiet for long enough to be parked.
		if (turn.end == TURN_QUANTUM || policy_must_yield(worker))
			break;
	}
	counter_add(worker->stats, COUNTER_quantum_expiries, 1);
	atomic_store_explicit(&work->worker, 0, memory_order_relaxed);
	atomic_store(&work->state, WORK_QUEUED);
	work_queue_put_back(&worker->pool->queue, work);
}

// From the queue to wherever each turn's end sends the work.
static void serve_batch(struct worker *worker, struct work **works, unsigned count)
{
	struct histogram *histogram = worker->stats->histogram;
	worker_show_state(worker, WORKER_SERVING);
	for (unsigned i = 0; i < count; i++) {
		uint64_t begun = worker->now;
		worker->more_queued = i + 1 < count;
		counter_add(worker->stats, COUNTER_connections_taken, 1);
		histogram_record(&histogram[HISTOGRAM_queue_wait_seconds],
				 begun > works[i]->queued_at ? begun - works[i]->queued_at : 0);
		show_work(worker, works[i]->id, begun);
		atomic_store(&works[i]->state, WORK_SERVED);
		serve_work(worker, works[i]);
		worker->now = clock_now();
		histogram_record(&histogram[HISTOGRAM_service_time_seconds], worker->now - begun);
	}
	show_work(worker, 0, worker->now);
	worker_show_state(worker, WORKER_WAITING);
}

// At the parking lot: to `wait`, after polling where that has recently helped, or only to poll it.
static void lead(struct worker *worker, bool wait)
{
	struct pool *pool = worker->pool;
	struct work_list found = {0};
	bool woken = false;
	if (wait && policy_begin_polling(worker, pool->spin_credit)) {
		woken = parking_lot_wait(&pool->lot, worker->polls_until, true, &found);
		// Events of those that are served already gave the leader nothing to do.
		policy_end_polling(worker, &pool->spin_credit, found.count > 0);
	}
	worker_show_state(worker, WORKER_LEADING);
	if (!woken) {
		uint64_t began = worker->now;
		parking_lot_wait(&pool->lot, wait ? CLOCK_NEVER : 0, false, &found);
		worker->now = clock_now();
		if (wait && found.count)
			policy_note_found(pool, &pool->spin_credit, worker->now - began);
	}
	counter_add(worker->stats, COUNTER_leader_wakeups, 1);
	counter_add(worker->stats, COUNTER_unparks, found.count);
	worker_show_state(worker, WORKER_WAITING);
	work_queue_poll_results(&pool->queue, &found, worker->now);
}

static void *worker_run(void *argument)
{
	struct worker *worker = argument;
	struct work *works[WORK_QUEUE_BATCH];
	unsigned count = 0;
	worker->now = clock_now();
	show_work(worker, 0, worker->now);
	gate_arrive(&worker->pool->ready);
	for (;;) {
		enum next next =
			work_queue_take(&worker->pool->queue, &worker->sleeper, works, &count);
		if (worker->sleeper.woken_at > worker->now)
			worker->now = worker->sleeper.woken_at;
		if (next == NEXT_EXIT)
			return NULL;
		if (next == NEXT_SERVE)
			serve_batch(worker, works, count);
		else
			lead(worker, next == NEXT_WAIT);
	}
}

static int worker_start(struct worker *worker, struct echod_error *error)
{
	const struct pool_config *config = &worker->pool->config;
	size_t pages = (config->buffer_size + PAGE_SIZE - 1) / PAGE_SIZE;
	worker->buffer = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
	if (!worker->buffer)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for the buffer of worker %u",
				 worker->id);
	char name[16];
	snprintf(name, sizeof(name), "echod/work-%u", worker->id % 10000);
	struct echod_error why;
	if (thread_start(&worker->thread, name, worker_run, worker, &why) != 0)
		return error_set(error, ECHOD_ERROR_SYSTEM,
				 "worker %u of %u: %s; try fewer --workers", worker->id,
				 config->workers, why.message);
	return 0;
}

static int prepare(struct pool *pool, struct echod_error *error)
{
	const struct pool_config *config = &pool->config;
	if (parking_lot_open(&pool->lot, config->idle_timeout, config->send_timeout, error) != 0)
		return -1;
	pool->workers = calloc(config->workers, sizeof(struct worker));
	if (!pool->workers) {
		parking_lot_close(&pool->lot);
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for %u workers",
				 config->workers);
	}
	// With --patience never a worker keeps its connection, so it may take only one.
	unsigned batch = config->patience == CLOCK_NEVER ? 1 : WORK_QUEUE_BATCH;
	work_queue_init(&pool->queue, config->capacity, config->workers, 1, batch,
			&pool->lot.waker);
	policy_follow_cpus(pool);
	gate_init(&pool->ready);
	for (unsigned i = 0; i < config->workers; i++) {
		pool->workers[i].id = i + 1;
		pool->workers[i].pool = pool;
		pool->workers[i].stats = &config->stats[i];
		sem_init(&pool->workers[i].sleeper.woken, 0, 0);
	}
	return 0;
}

int pool_start(struct pool *pool, const struct pool_config *config, struct echod_error *error)
{
	*pool = (struct pool){.config = *config};
	if (prepare(pool, error) != 0)
		return -1;
	for (; pool->started < config->workers; pool->started++) {
		if (worker_start(&pool->workers[pool->started], error) != 0) {
			pool_close(pool);
			pool_join(pool);
			pool_free(pool);
			return -1;
		}
	}
	gate_wait(&pool->ready, pool->started);
	return 0;
}

void pool_submit(struct pool *pool, struct work *work)
{
	atomic_fetch_add_explicit(&pool->connections, 1, memory_order_relaxed);
	work_queue_push(&pool->queue, work);
}

void pool_close(struct pool *pool)
{
	work_queue_close(&pool->queue);
}

void pool_join(struct pool *pool)
{
	for (unsigned i = 0; i < pool->started; i++) {
		int failed = pthread_join(pool->workers[i].thread, NULL);
		ensure(!failed);
	}
}

void pool_free(struct pool *pool)
{
	for (unsigned i = 0; i < pool->config.workers; i++) {
		sem_destroy(&pool->workers[i].sleeper.woken);
		free(pool->workers[i].buffer);
	}
	free(pool->workers);
	gate_destroy(&pool->ready);
	work_queue_destroy(&pool->queue);
	parking_lot_close(&pool->lot);
	*pool = (struct pool){0};
}
