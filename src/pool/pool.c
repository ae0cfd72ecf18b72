// The fixed pool of workers. worker_run is what each worker thread runs; the rest is start-up and
// shut-down.
#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"

#define PAGE_SIZE 4096U

static void worker_show(struct worker *worker, uint64_t serving, uint64_t since)
{
	atomic_store_explicit(&worker->since, since, memory_order_relaxed);
	atomic_store_explicit(&worker->serving, serving, memory_order_relaxed);
}

// One turn: from the queue to wherever the turn's end sends the work. Returns the moment it ended.
static void worker_turn(struct worker *worker, struct work *work)
{
	const struct pool *pool = worker->pool;
	uint64_t started = clock_now();
	counter_add(worker->stats, COUNTER_connections_taken, 1);
	histogram_record(&worker->stats->histogram[HISTOGRAM_queue_wait_seconds],
			 started - work->queued_at);
	worker_show(worker, pool->calls.name(work), started);

	struct turn turn = pool->calls.serve(work, worker, pool->context);

	uint64_t ended = clock_now();
	histogram_record(&worker->stats->histogram[HISTOGRAM_service_time_seconds],
			 ended - started);
	switch (turn.end) {
	case TURN_CLOSE:
		atomic_fetch_add_explicit(&worker->served, 1, memory_order_relaxed);
		pool->calls.close(work, turn.reason, worker, pool->context);
		break;
	}
	worker_show(worker, 0, ended);
}

static void *worker_run(void *argument)
{
	struct worker *worker = argument;
	worker_show(worker, 0, clock_now());
	gate_arrive(&worker->pool->ready);

	struct work *work;
	while ((work = work_queue_take(&worker->pool->queue)))
		worker_turn(worker, work);
	return NULL;
}

static int worker_start(struct worker *worker, struct error *error)
{
	size_t pages = (worker->pool->buffer_size + PAGE_SIZE - 1) / PAGE_SIZE;
	worker->buffer = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);
	if (!worker->buffer)
		return error_set(error, ERROR_SYSTEM, "no memory for the buffer of worker %u",
				 worker->id);
	char name[16];
	snprintf(name, sizeof(name), "echod/work-%u", worker->id % 10000);
	struct error why;
	if (thread_start(&worker->thread, name, worker_run, worker, &why) != 0)
		return error_set(error, ERROR_SYSTEM, "worker %u of %u: %s; try fewer --workers",
				 worker->id, worker->pool->worker_count, why.message);
	return 0;
}

int pool_start(struct pool *pool, const struct pool_config *config, struct error *error)
{
	*pool = (struct pool){
		.calls = config->calls,
		.context = config->context,
		.buffer_size = config->buffer_size,
		.worker_count = config->workers,
	};
	pool->workers = calloc(config->workers, sizeof(struct worker));
	if (!pool->workers)
		return error_set(error, ERROR_SYSTEM, "no memory for %u workers", config->workers);
	work_queue_init(&pool->queue, config->capacity);
	gate_init(&pool->ready);
	for (unsigned i = 0; i < config->workers; i++) {
		pool->workers[i].id = i + 1;
		pool->workers[i].pool = pool;
		pool->workers[i].stats = &config->stats[i];
	}
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
	for (unsigned i = 0; i < pool->worker_count; i++)
		free(pool->workers[i].buffer);
	free(pool->workers);
	gate_destroy(&pool->ready);
	work_queue_destroy(&pool->queue);
	*pool = (struct pool){0};
}

void pool_worker_info(const struct pool *pool, unsigned index, struct worker_info *info)
{
	ensure(index < pool->worker_count);
	const struct worker *worker = &pool->workers[index];
	*info = (struct worker_info){
		.id = worker->id,
		.since = atomic_load_explicit(&worker->since, memory_order_relaxed),
		.serving = atomic_load_explicit(&worker->serving, memory_order_relaxed),
		.served = atomic_load_explicit(&worker->served, memory_order_relaxed),
	};
}
