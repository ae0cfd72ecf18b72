// What each worker thread runs: from the queue to its duties and back.
#include "pool/worker.h"

#include "base/assert.h"
#include "base/clock.h"
#include "pool/heat.h"

const char *worker_state_name(enum worker_state state)
{
	static const char *const names[WORKER_STATES] = {"waiting", "leading", "serving", "polling",
							 "blocked"};
	return names[state];
}

static void show_state(struct worker *worker, enum worker_state state)
{
	atomic_store_explicit(&worker->state, (int)state, memory_order_relaxed);
}

static void show_work(struct worker *worker, uint64_t name, uint64_t since)
{
	atomic_store_explicit(&worker->since, since, memory_order_relaxed);
	atomic_store_explicit(&worker->serving, name, memory_order_relaxed);
}

bool worker_may_wait(const struct worker *worker)
{
	const struct pool *pool = worker->pool;
	if (pool->config.patience == CLOCK_NEVER)
		return true;
	return pool->config.patience > 0 && !worker->hurried &&
	       atomic_load_explicit(&pool->members, memory_order_relaxed) <=
		       atomic_load_explicit(&pool->own_max, memory_order_relaxed);
}

bool worker_others_wait(const struct worker *worker)
{
	const struct work_queue *queue = &worker->pool->queue;
	if (worker->pool->config.patience == CLOCK_NEVER)
		return false;
	if (worker->hurried || !work_queue_is_empty(queue))
		return true;
	// Who is parked may have something for us that nobody has seen.
	return !worker_may_wait(worker) &&
	       !atomic_load_explicit(&queue->leading, memory_order_relaxed);
}

void worker_keeps(struct worker *worker, struct work *work)
{
	if (work->registered || work->watched != WATCH_NONE)
		parking_lot_forget(&worker->pool->lot, work);
}

void worker_waits(struct worker *worker)
{
	show_state(worker, WORKER_BLOCKED);
	if (work_queue_wait_begins(&worker->pool->queue))
		parking_lot_kick(&worker->pool->lot);
}

void worker_goes_on(struct worker *worker)
{
	work_queue_wait_ends(&worker->pool->queue);
	show_state(worker, WORKER_SERVING);
}

bool worker_spins(struct worker *worker)
{
	struct pool *pool = worker->pool;
	if (!work_queue_is_empty(&pool->queue) || work_queue_needs_leader(&pool->queue))
		return false;
	if (atomic_fetch_add_explicit(&pool->spinners, 1, memory_order_relaxed) <
	    atomic_load_explicit(&pool->spinners_max, memory_order_relaxed)) {
		show_state(worker, WORKER_POLLING);
		return true;
	}
	atomic_fetch_sub_explicit(&pool->spinners, 1, memory_order_relaxed);
	return false;
}

void worker_stops_spinning(struct worker *worker, int *heat, bool hit)
{
	atomic_fetch_sub_explicit(&worker->pool->spinners, 1, memory_order_relaxed);
	counter_add(worker->stats, hit ? COUNTER_spin_hits : COUNTER_spin_misses, 1);
	heat_change(heat, hit ? HEAT_OF_HIT : HEAT_OF_MISS);
	show_state(worker, WORKER_SERVING);
}

static void close_work(struct worker *worker, struct work *work, enum close_reason reason)
{
	struct pool *pool = worker->pool;
	watch_set(&pool->lot.watch, work, WATCH_NONE);
	uint64_t served = atomic_load_explicit(&worker->served, memory_order_relaxed);
	atomic_store_explicit(&worker->served, served + 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&pool->members, 1, memory_order_relaxed);
	pool->config.calls.close(work, reason, worker, pool->config.context);
}

// Parks work at the end of a turn. Returns false when an event has come meanwhile, so that it must
// be served again: it counts as parked, unparked and taken then. All is counted before the
// hand-over.
static bool park_work(struct worker *worker, struct work *work, enum turn_end end)
{
	struct pool *pool = worker->pool;
	bool stuck = end == TURN_STUCK;
	pool->config.calls.leave(work, pool->config.context);
	counter_add(worker->stats, stuck ? COUNTER_parks_writing : COUNTER_parks_reading, 1);
	if (parking_lot_park(&pool->lot, work, stuck ? WATCH_STUCK : WATCH_IDLE))
		return true;
	counter_add(worker->stats, COUNTER_unparks, 1);
	counter_add(worker->stats, COUNTER_connections_taken, 1);
	return false;
}

// To the back of the queue: it has had its share, and others wait.
static void put_back(struct worker *worker, struct work *work)
{
	struct pool *pool = worker->pool;
	counter_add(worker->stats, COUNTER_quantum_expiries, 1);
	pool->config.calls.leave(work, pool->config.context);
	atomic_store(&work->state, WORK_QUEUED);
	work_queue_put_back(&pool->queue, work);
}

// Turns of one connection, until it is not the worker's any more.
static void serve_work(struct worker *worker, struct work *work)
{
	struct pool *pool = worker->pool;
	for (;;) {
		struct turn turn = pool->config.calls.serve(work, worker, pool->config.context);
		switch (turn.end) {
		case TURN_CLOSE:
			close_work(worker, work, turn.reason);
			return;
		case TURN_QUANTUM:
			put_back(worker, work);
			return;
		case TURN_QUIET:
		case TURN_STUCK:
			if (park_work(worker, work, turn.end))
				return;
			// Who sends all the time is never quiet for long enough to be parked.
			if (worker_others_wait(worker)) {
				put_back(worker, work);
				return;
			}
			break;
		}
	}
}

// From the queue to wherever the turn's end sends the work. `now` is when it begins; returns when
// it ended.
static uint64_t take_work(struct worker *worker, struct work *work, uint64_t now)
{
	counter_add(worker->stats, COUNTER_connections_taken, 1);
	histogram_record(&worker->stats->histogram[HISTOGRAM_queue_wait_seconds],
			 now > work->queued_at ? now - work->queued_at : 0);
	show_work(worker, worker->pool->config.calls.name(work), now);
	atomic_store(&work->state, WORK_SERVED);

	serve_work(worker, work);

	uint64_t ended = clock_now();
	histogram_record(&worker->stats->histogram[HISTOGRAM_service_time_seconds], ended - now);
	return ended;
}

static void take_batch(struct worker *worker, struct work **works, unsigned count)
{
	uint64_t now = clock_now();
	show_state(worker, WORKER_SERVING);
	for (unsigned i = 0; i < count; i++) {
		worker->hurried = i + 1 < count;
		now = take_work(worker, works[i], now);
	}
	show_work(worker, 0, now);
	show_state(worker, WORKER_WAITING);
}

// Polls the parking lot where that has lately paid. Returns what was found, if anything.
static struct unparked lead_polling(struct worker *worker)
{
	struct pool *pool = worker->pool;
	if (pool->heat == 0 || !worker_spins(worker))
		return (struct unparked){0};
	struct unparked unparked = parking_lot_poll(&pool->lot, clock_deadline(pool->config.spin),
						    pool->config.calls.active_at);
	// Events of those that are served already gave the leader nothing to do.
	worker_stops_spinning(worker, &pool->heat, unparked.count > 0);
	show_state(worker, WORKER_LEADING);
	return unparked;
}

static struct unparked lead_waiting(struct worker *worker, bool may_wait)
{
	struct pool *pool = worker->pool;
	uint64_t began = pool->config.spin ? clock_now() : 0;
	show_state(worker, WORKER_LEADING);
	struct unparked unparked = parking_lot_wait(&pool->lot, may_wait ? CLOCK_NEVER : 0,
						    pool->config.calls.active_at);
	if (may_wait && unparked.count && clock_now() - began < pool->config.spin)
		heat_change(&pool->heat, HEAT_OF_SOON);
	return unparked;
}

static void lead(struct worker *worker, bool may_wait)
{
	struct pool *pool = worker->pool;
	struct unparked unparked = may_wait ? lead_polling(worker) : (struct unparked){0};
	if (!unparked.woken && !unparked.count)
		unparked = lead_waiting(worker, may_wait);
	counter_add(worker->stats, COUNTER_leader_wakeups, 1);
	counter_add(worker->stats, COUNTER_unparks, unparked.count);
	show_state(worker, WORKER_WAITING);
	work_queue_led(&pool->queue, unparked.first, unparked.last, unparked.count);
}

void *worker_run(void *argument)
{
	struct worker *worker = argument;
	struct work *works[WORK_QUEUE_BATCH];
	unsigned count = 0;
	show_work(worker, 0, clock_now());
	gate_arrive(&worker->pool->ready);
	for (;;) {
		switch (work_queue_take(&worker->pool->queue, &worker->sleeper, works, &count)) {
		case DUTY_SERVE:
			take_batch(worker, works, count);
			break;
		case DUTY_LEAD:
			lead(worker, true);
			break;
		case DUTY_LOOK:
			lead(worker, false);
			break;
		case DUTY_END:
			return NULL;
		}
	}
}
