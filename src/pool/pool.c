// The fixed pool of workers: start, submission, shut-down. What the workers do is in worker.c.
#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "pool/worker.h"

#define PAGE_SIZE 4096U

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

// One CPU is left to others: to a client on this machine at least, when we may use but one.
static void use_cpus(struct pool *pool, unsigned cpus)
{
	unsigned workers = pool->config.workers;
	unsigned spare = cpus > 1 ? cpus - 1 : 1;
	work_queue_set_cpus(&pool->queue, cpus);
	pool->own_max = workers < spare ? workers : spare;
	pool->spinners_max = cpus_online() > 1 ? spare : 0;
}

void pool_follow_cpus(struct pool *pool)
{
	use_cpus(pool, cpus_usable(pool->workers[0].thread));
}

static int prepare(struct pool *pool, struct echod_error *error)
{
	const struct pool_config *config = &pool->config;
	pool->workers = calloc(config->workers, sizeof(struct worker));
	if (!pool->workers)
		return error_set(error, ECHOD_ERROR_SYSTEM, "no memory for %u workers",
				 config->workers);
	if (parking_lot_open(&pool->lot, config->idle_timeout, config->send_timeout, error) != 0) {
		free(pool->workers);
		pool->workers = NULL;
		return -1;
	}
	struct work_queue_config queue = {
		.capacity = config->capacity,
		.workers = config->workers,
		// With --patience never a worker keeps its connection, so it may take only one.
		.batch = config->patience == CLOCK_NEVER ? 1 : WORK_QUEUE_BATCH,
	};
	work_queue_init(&pool->queue, &queue);
	use_cpus(pool, cpus_usable(pthread_self()));
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
	atomic_fetch_add_explicit(&pool->members, 1, memory_order_relaxed);
	if (work_queue_push(&pool->queue, work))
		parking_lot_kick(&pool->lot);
}

void pool_close(struct pool *pool)
{
	work_queue_close(&pool->queue);
	parking_lot_kick(&pool->lot);
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

void pool_worker_info(const struct pool *pool, unsigned index, struct worker_info *info)
{
	ensure(index < pool->config.workers);
	const struct worker *worker = &pool->workers[index];
	*info = (struct worker_info){
		.id = worker->id,
		.state = (enum worker_state)atomic_load_explicit(&worker->state,
								 memory_order_relaxed),
		.since = atomic_load_explicit(&worker->since, memory_order_relaxed),
		.serving = atomic_load_explicit(&worker->serving, memory_order_relaxed),
		.served = atomic_load_explicit(&worker->served, memory_order_relaxed),
	};
}
