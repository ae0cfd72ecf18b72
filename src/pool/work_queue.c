// The work queue. The acceptor and the leader push, workers take.
#include "pool/work_queue.h"

#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"

#define SMALL_BATCH 4
#define BATCHES_A_LOOK 64 // taken between two looks at the parking lot, however much is queued

void work_queue_init(struct work_queue *queue, const struct work_queue_config *config)
{
	ensure(config->batch >= 1 && config->batch <= WORK_QUEUE_BATCH);
	*queue = (struct work_queue){.config = *config};
	pthread_mutex_init(&queue->lock, NULL);
}

static void append_locked(struct work_queue *queue, struct work *first, struct work *last,
			  size_t count)
{
	last->next = NULL;
	if (queue->tail)
		queue->tail->next = first;
	else
		queue->head = first;
	queue->tail = last;
	size_t depth = atomic_fetch_add(&queue->depth, count) + count;
	ensure(!queue->closed && depth <= queue->config.capacity);
	if (depth > queue->depth_max)
		queue->depth_max = depth;
}

static unsigned remove_first_locked(struct work_queue *queue, struct work **works)
{
	size_t depth = atomic_load(&queue->depth);
	unsigned runners = queue->config.workers < queue->config.cpus ? queue->config.workers
								      : queue->config.cpus;
	size_t share = depth / runners;
	// With other workers beside it, it leaves them half of a large share: what it has taken
	// waits whenever it is kept from its CPU.
	if (runners > 1 && share > SMALL_BATCH)
		share = share / 2 > SMALL_BATCH ? share / 2 : SMALL_BATCH;
	unsigned count = share < 1		       ? 1
			 : share > queue->config.batch ? queue->config.batch
						       : (unsigned)share;
	for (unsigned i = 0; i < count; i++) {
		works[i] = queue->head;
		queue->head = works[i]->next;
	}
	if (!queue->head)
		queue->tail = NULL;
	atomic_fetch_sub(&queue->depth, count);
	return count;
}

// How many more workers can run: no more are to be awake than there are CPUs.
static unsigned room_locked(struct work_queue *queue)
{
	unsigned at_rest = queue->sleeping + atomic_load(&queue->waiting) +
			   (atomic_load(&queue->leading) ? 1U : 0U);
	unsigned awake = queue->config.workers > at_rest ? queue->config.workers - at_rest : 0;
	return queue->config.cpus > awake ? queue->config.cpus - awake : 0;
}

// Takes out the sleepers to be woken for `wanted` pieces of work; returns them, linked by `next`.
// Those workers that are awake take the rest when they are done.
static struct sleeper *choose_sleepers_locked(struct work_queue *queue, size_t wanted,
					      unsigned room)
{
	struct sleeper *chosen = NULL;
	size_t granted = wanted < room ? wanted : room;
	queue->wakes_withheld += wanted - granted;
	for (; granted > 0 && queue->sleepers; granted--) {
		struct sleeper *sleeper = queue->sleepers;
		queue->sleepers = sleeper->next;
		queue->sleeping--;
		sleeper->next = chosen;
		chosen = sleeper;
	}
	return chosen;
}

// Without the lock. Each sleeps until its semaphore is posted, so `next` is not its own before.
static void wake(struct sleeper *chosen)
{
	while (chosen) {
		struct sleeper *next = chosen->next;
		sem_post(&chosen->woken);
		chosen = next;
	}
}

bool work_queue_push(struct work_queue *queue, struct work *work)
{
	work->queued_at = clock_now();
	pthread_mutex_lock(&queue->lock);
	append_locked(queue, work, work, 1);
	unsigned room = room_locked(queue);
	struct sleeper *chosen = choose_sleepers_locked(queue, 1, room);
	bool leader = !chosen && room > 0 && atomic_load(&queue->leading);
	pthread_mutex_unlock(&queue->lock);
	wake(chosen);
	return leader;
}

// Gives the lock back meanwhile. A semaphore remembers, so a wake-up before the wait is not lost.
static void sleep_locked(struct work_queue *queue, struct sleeper *sleeper)
{
	sleeper->next = queue->sleepers;
	queue->sleepers = sleeper;
	queue->sleeping++;
	pthread_mutex_unlock(&queue->lock);
	while (sem_wait(&sleeper->woken) != 0)
		ensure(errno == EINTR);
	pthread_mutex_lock(&queue->lock);
}

static enum duty take_locked(struct work_queue *queue, struct sleeper *sleeper, struct work **works,
			     unsigned *count)
{
	for (;;) {
		bool led = atomic_load(&queue->leading);
		if (queue->look && queue->head && !led) {
			atomic_store(&queue->leading, true);
			return DUTY_LOOK;
		}
		if (queue->head) {
			*count = remove_first_locked(queue, works);
			queue->look = queue->look || ++queue->taken >= BATCHES_A_LOOK;
			return DUTY_SERVE;
		}
		if (queue->closed)
			return DUTY_END;
		if (!led) {
			atomic_store(&queue->leading, true);
			return DUTY_LEAD;
		}
		sleep_locked(queue, sleeper);
	}
}

enum duty work_queue_take(struct work_queue *queue, struct sleeper *sleeper, struct work **works,
			  unsigned *count)
{
	pthread_mutex_lock(&queue->lock);
	enum duty duty = take_locked(queue, sleeper, works, count);
	pthread_mutex_unlock(&queue->lock);
	return duty;
}

void work_queue_led(struct work_queue *queue, struct work *first, struct work *last, size_t count)
{
	uint64_t now = count ? clock_now() : 0;
	for (struct work *work = first; work; work = work->next)
		work->queued_at = now;
	pthread_mutex_lock(&queue->lock);
	atomic_store(&queue->leading, false);
	queue->look = false;
	queue->taken = 0;
	if (count)
		append_locked(queue, first, last, count);
	// All that is queued counts: the leader may take what was put back before it looked.
	size_t depth = atomic_load(&queue->depth);
	struct sleeper *chosen =
		depth > 1 ? choose_sleepers_locked(queue, depth - 1, room_locked(queue)) : NULL;
	pthread_mutex_unlock(&queue->lock);
	wake(chosen);
}

void work_queue_put_back(struct work_queue *queue, struct work *work)
{
	work->queued_at = clock_now();
	pthread_mutex_lock(&queue->lock);
	append_locked(queue, work, work, 1);
	queue->look = true;
	pthread_mutex_unlock(&queue->lock);
}

bool work_queue_wait_begins(struct work_queue *queue)
{
	atomic_fetch_add(&queue->waiting, 1);
	if (atomic_load(&queue->depth) == 0 && atomic_load(&queue->leading))
		return false;
	pthread_mutex_lock(&queue->lock);
	unsigned room = room_locked(queue);
	struct sleeper *chosen = room ? choose_sleepers_locked(queue, 1, room) : NULL;
	bool leader = !chosen && room > 0 && queue->head && atomic_load(&queue->leading);
	pthread_mutex_unlock(&queue->lock);
	wake(chosen);
	return leader;
}

void work_queue_wait_ends(struct work_queue *queue)
{
	atomic_fetch_sub(&queue->waiting, 1);
}

void work_queue_set_cpus(struct work_queue *queue, unsigned cpus)
{
	pthread_mutex_lock(&queue->lock);
	queue->config.cpus = cpus;
	pthread_mutex_unlock(&queue->lock);
}

void work_queue_close(struct work_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	struct sleeper *all = choose_sleepers_locked(queue, queue->sleeping, queue->sleeping);
	pthread_mutex_unlock(&queue->lock);
	wake(all);
}

void work_queue_inspect(struct work_queue *queue, struct work_queue_info *info)
{
	pthread_mutex_lock(&queue->lock);
	*info = (struct work_queue_info){
		.depth = atomic_load(&queue->depth),
		.depth_max = queue->depth_max,
		.wakes_withheld = queue->wakes_withheld,
		.cpus = queue->config.cpus,
	};
	pthread_mutex_unlock(&queue->lock);
}

void work_queue_destroy(struct work_queue *queue)
{
	ensure(!queue->head && atomic_load(&queue->depth) == 0);
	pthread_mutex_destroy(&queue->lock);
}
