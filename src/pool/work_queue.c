#include "pool/work_queue.h"

#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "pool/policy.h"

#define SMALL_BATCH 4
#define BATCHES_A_POLL 64 // taken between two polls of the parking lot, however much is queued

void work_queue_init(struct work_queue *queue, size_t capacity, unsigned workers, unsigned cpus,
		     unsigned batch, const struct waker *leader)
{
	ensure(batch >= 1 && batch <= WORK_QUEUE_BATCH);
	*queue = (struct work_queue){.capacity = capacity,
				     .workers = workers,
				     .cpus = cpus,
				     .batch = batch,
				     .leader = leader};
	pthread_mutex_init(&queue->lock, NULL);
}

static void append_locked(struct work_queue *queue, const struct work_list *more)
{
	if (queue->works.last)
		queue->works.last->next = more->first;
	else
		queue->works.first = more->first;
	queue->works.last = more->last;
	queue->works.count += more->count;
	ensure(!queue->closed && queue->works.count <= queue->capacity);
	if (queue->works.count > queue->depth_max)
		queue->depth_max = queue->works.count; // before a snapshot can see the depth
	atomic_store(&queue->depth, queue->works.count);
}

static unsigned remove_first_locked(struct work_queue *queue, struct work **works)
{
	unsigned cpus = atomic_load_explicit(&queue->cpus, memory_order_relaxed);
	unsigned runners = queue->workers < cpus ? queue->workers : cpus;
	size_t share = queue->works.count / runners;
	// With other workers beside it, it leaves them half of a large share: what it has taken
	// waits whenever it is kept from its CPU.
	if (runners > 1 && share > SMALL_BATCH)
		share = share / 2 > SMALL_BATCH ? share / 2 : SMALL_BATCH;
	unsigned count = share < 1 ? 1 : share > queue->batch ? queue->batch : (unsigned)share;
	for (unsigned i = 0; i < count; i++) {
		works[i] = queue->works.first;
		queue->works.first = works[i]->next;
	}
	if (!queue->works.first)
		queue->works.last = NULL;
	queue->works.count -= count;
	atomic_store(&queue->depth, queue->works.count);
	return count;
}

unsigned work_queue_room(const struct work_queue *queue)
{
	unsigned cpus = atomic_load_explicit(&queue->cpus, memory_order_relaxed);
	unsigned at_rest = queue->sleeping + atomic_load(&queue->waiting) +
			   (atomic_load(&queue->leading) ? 1U : 0U);
	unsigned awake = queue->workers > at_rest ? queue->workers - at_rest : 0;
	return cpus > awake ? cpus - awake : 0;
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

// Gives the lock back, and wakes those that were chosen, and the `leader`. Each sleeps until its
// semaphore is posted, so `next` is not its own before.
static void unlock_and_wake(struct work_queue *queue, struct sleeper *chosen, bool leader)
{
	pthread_mutex_unlock(&queue->lock);
	while (chosen) {
		struct sleeper *next = chosen->next;
		sem_post(&chosen->woken);
		chosen = next;
	}
	if (leader)
		waker_wake(queue->leader);
}

// `work` as it is appended now, alone.
static struct work_list list_of(struct work *work)
{
	work->queued_at = clock_now();
	work->next = NULL;
	return (struct work_list){work, work, 1};
}

void work_queue_push(struct work_queue *queue, struct work *work)
{
	const struct work_list one = list_of(work);
	pthread_mutex_lock(&queue->lock);
	append_locked(queue, &one);
	unsigned room = work_queue_room(queue);
	struct sleeper *chosen = choose_sleepers_locked(queue, 1, room);
	unlock_and_wake(queue, chosen, !chosen && room > 0 && atomic_load(&queue->leading));
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
	sleeper->woken_at = clock_now();
	pthread_mutex_lock(&queue->lock);
}

enum next work_queue_take(struct work_queue *queue, struct sleeper *sleeper, struct work **works,
			  unsigned *count)
{
	enum next next;
	pthread_mutex_lock(&queue->lock);
	while ((next = policy_next(queue)) == NEXT_SLEEP)
		sleep_locked(queue, sleeper);
	if (next == NEXT_SERVE) {
		*count = remove_first_locked(queue, works);
		queue->poll_due = queue->poll_due || ++queue->taken >= BATCHES_A_POLL;
	} else if (next != NEXT_EXIT) {
		atomic_store(&queue->leading, true);
	}
	pthread_mutex_unlock(&queue->lock);
	return next;
}

void work_queue_poll_results(struct work_queue *queue, const struct work_list *found, uint64_t now)
{
	for (struct work *work = found->first; work; work = work->next)
		work->queued_at = now;
	pthread_mutex_lock(&queue->lock);
	atomic_store(&queue->leading, false);
	queue->poll_due = false;
	queue->taken = 0;
	if (found->count)
		append_locked(queue, found);
	// All that is queued counts: the leader may take what was put back before it polled.
	size_t others = queue->works.count > 1 ? queue->works.count - 1 : 0;
	unlock_and_wake(queue, choose_sleepers_locked(queue, others, work_queue_room(queue)),
			false);
}

void work_queue_put_back(struct work_queue *queue, struct work *work)
{
	const struct work_list one = list_of(work);
	pthread_mutex_lock(&queue->lock);
	append_locked(queue, &one);
	queue->poll_due = true;
	pthread_mutex_unlock(&queue->lock);
}

void work_queue_wait_begins(struct work_queue *queue)
{
	atomic_fetch_add(&queue->waiting, 1);
	if (atomic_load(&queue->depth) == 0 && atomic_load(&queue->leading))
		return;
	pthread_mutex_lock(&queue->lock);
	unsigned room = work_queue_room(queue);
	struct sleeper *chosen = room ? choose_sleepers_locked(queue, 1, room) : NULL;
	unlock_and_wake(queue, chosen,
			!chosen && room > 0 && queue->works.first && atomic_load(&queue->leading));
}

void work_queue_close(struct work_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	unlock_and_wake(queue, choose_sleepers_locked(queue, queue->sleeping, queue->sleeping),
			true);
}

void work_queue_destroy(struct work_queue *queue)
{
	ensure(!queue->works.first && atomic_load(&queue->depth) == 0);
	pthread_mutex_destroy(&queue->lock);
}
