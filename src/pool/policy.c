#include "pool/policy.h"

#include <sched.h>

#include "base/clock.h"
#include "base/cpus.h"

// Spin credit: whether polling before blocking has recently helped. A worker polls while the credit
// is above 0, so a server that is idle, or whose clients take their time, does not poll.
#define CREDIT_MAX 64
#define CREDIT_OF_HIT 1	 // polling found something
#define CREDIT_OF_SOON 2 // blocking did, so soon that polling would have
#define CREDIT_OF_MISS (-8)
#define CREDIT_LOW 8
#define CREDIT_OF_RIVAL (-4096) // another thread gets the CPU at each yield: it is better to block
#define CROWD 16 // connections; to poll the parking lot for more costs CPU time and gains nothing

enum next policy_next(const struct work_queue *queue)
{
	bool leading = atomic_load(&queue->leading);
	if (queue->works.first)
		return queue->poll_due && !leading ? NEXT_POLL : NEXT_SERVE;
	if (queue->closed)
		return NEXT_EXIT;
	return leading ? NEXT_SLEEP : NEXT_WAIT;
}

// One CPU is left to others: to a client on this machine at least, when we may use but one.
void policy_follow_cpus(struct pool *pool)
{
	unsigned cpus = cpus_usable(pool->started ? pool->workers[0].thread : pthread_self());
	unsigned workers = pool->config.workers;
	unsigned spare = cpus > 1 ? cpus - 1 : 1;
	atomic_store_explicit(&pool->queue.cpus, cpus, memory_order_relaxed);
	pool->dedicated_max = workers < spare ? workers : spare;
	pool->polling_max = cpus_online() > 1 ? spare : 0;
}

static bool is_queued(const struct pool *pool)
{
	return atomic_load_explicit(&pool->queue.depth, memory_order_relaxed) > 0;
}

static bool has_leader(const struct pool *pool)
{
	return atomic_load_explicit(&pool->queue.leading, memory_order_relaxed);
}

bool policy_must_yield(const struct worker *worker)
{
	if (worker->pool->config.patience == CLOCK_NEVER)
		return false;
	if (worker->more_queued || is_queued(worker->pool))
		return true;
	// Parked connections may have events that nobody has collected.
	return !policy_may_block(worker) && !has_leader(worker->pool);
}

static void change_credit(int *credit, int by)
{
	int changed = *credit + by;
	*credit = by < 0 && changed < 0 ? 0 : changed > CREDIT_MAX ? CREDIT_MAX : changed;
}

// It must not while there is work, or while another could be at the parking lot and is not.
bool policy_begin_polling(struct worker *worker, int credit)
{
	struct pool *pool = worker->pool;
	size_t connections = atomic_load_explicit(&pool->connections, memory_order_relaxed);
	if (credit <= 0 || is_queued(pool) ||
	    (connections > CROWD && connections > pool->dedicated_max) ||
	    (!has_leader(pool) &&
	     atomic_load_explicit(&pool->queue.sleeping, memory_order_relaxed) > 0))
		return false;
	if (atomic_fetch_add_explicit(&pool->polling, 1, memory_order_relaxed) <
	    atomic_load_explicit(&pool->polling_max, memory_order_relaxed)) {
		worker_show_state(worker, WORKER_POLLING);
		worker->polls_until = clock_deadline(pool->config.spin);
		return true;
	}
	atomic_fetch_sub_explicit(&pool->polling, 1, memory_order_relaxed);
	return false;
}

bool policy_goes_on_polling(const struct worker *worker)
{
	if (!policy_may_block(worker) || is_queued(worker->pool) ||
	    clock_now() >= worker->polls_until)
		return false;
	sched_yield(); // a thread that has something to do goes first
	return true;
}

void policy_end_polling(struct worker *worker, int *credit, bool hit)
{
	atomic_fetch_sub_explicit(&worker->pool->polling, 1, memory_order_relaxed);
	counter_add(worker->stats, hit ? COUNTER_spin_hits : COUNTER_spin_misses, 1);
	worker->now = clock_now();
	// Data came, but another thread had the CPU.
	if (hit && worker->now > worker->polls_until + worker->pool->config.spin)
		*credit = *credit > CREDIT_LOW ? *credit / 2 : CREDIT_OF_RIVAL;
	else
		change_credit(credit, hit ? CREDIT_OF_HIT : CREDIT_OF_MISS);
	worker_show_state(worker, WORKER_SERVING);
}

void policy_begin_blocking(struct worker *worker)
{
	worker_show_state(worker, WORKER_BLOCKED);
	work_queue_wait_begins(&worker->pool->queue);
}

void policy_end_blocking(struct worker *worker)
{
	atomic_fetch_sub(&worker->pool->queue.waiting, 1);
	worker->now = clock_now();
	worker_show_state(worker, WORKER_SERVING);
}

void policy_note_found(const struct pool *pool, int *credit, uint64_t waited)
{
	if (waited < pool->config.spin)
		change_credit(credit, CREDIT_OF_SOON);
}
