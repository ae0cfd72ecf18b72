// The work queue: first in, first out, one mutex. The acceptor and the leader push, workers take.
// It also knows the workers' states, so that it wakes as many as can run and no more.
#ifndef ECHOD_POOL_WORK_QUEUE_H
#define ECHOD_POOL_WORK_QUEUE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/waker.h"
#include "pool/work.h"

#define WORK_QUEUE_BATCH 64 // taken at once at most

// A worker as the queue knows it. While the worker sleeps, the queue's lock guards `next`. Then it
// belongs to the thread that wakes the worker, until that has posted `woken`.
struct sleeper {
	sem_t woken; // posted once for each time that it is taken out of `sleepers`
	struct sleeper *next;
	uint64_t woken_at; // clock_now when it last woke
};

// `lock` guards all except the constants. The atomics are read without it, and written under it,
// except two: workers that are about to wait for a client write `waiting`, any thread `cpus`.
struct work_queue {
	size_t capacity;	    // how much can be admitted at all, so that a push cannot fail
	unsigned workers;	    // that take
	unsigned batch;		    // how much a worker may take at once, 1 to WORK_QUEUE_BATCH
	const struct waker *leader; // wakes the worker at the parking lot
	_Atomic unsigned cpus;	    // how many workers are to run at a time; may be slightly old

	pthread_mutex_t lock;
	struct work_list works;
	struct sleeper *sleepers; // the one that fell asleep last first: its caches are warm
	bool poll_due;		  // the parking lot has not been polled for long
	unsigned taken;		  // batches since it was
	bool closed;

	// Work in the queue, workers that block for a client of their own, and whether a worker is
	// at the parking lot. Before it blocks, a worker increments `waiting`, then checks the
	// other two. A thread that pushes raises `depth`, and one that leaves the parking lot
	// clears `leading`; then they check `waiting`, or will increment it themselves. So one of
	// them notices the other, and wakes another worker. Sequentially consistent for that.
	_Atomic size_t depth;
	_Atomic unsigned waiting;
	_Atomic bool leading;

	_Atomic unsigned sleeping;	 // how many are in `sleepers`
	_Atomic size_t depth_max;	 // the greatest depth so far, never less than it
	_Atomic uint64_t wakes_withheld; // times that queued work woke nobody, as enough were awake
};

void work_queue_init(struct work_queue *queue, size_t capacity, unsigned workers, unsigned cpus,
		     unsigned batch, const struct waker *leader);

// Appends `work`, in state QUEUED, and wakes a worker if one more can run; the leader, if nobody
// else can be woken. The caller has no right to touch it afterwards. Not allowed once closed, or
// beyond the capacity.
void work_queue_push(struct work_queue *queue, struct work *work);

// What a worker is to do next.
enum next {
	NEXT_SERVE, // what it took
	NEXT_WAIT,  // wait at the parking lot as the leader
	NEXT_POLL,  // the same, but only poll it: there is work
	NEXT_SLEEP, // until it is woken; work_queue_take does that
	NEXT_EXIT,
};

// Waits for something to do; the caller is `sleeper` meanwhile. With NEXT_SERVE, `*count` pieces of
// work, the oldest, are in `works`. Never NEXT_SLEEP.
enum next work_queue_take(struct work_queue *queue, struct sleeper *sleeper, struct work **works,
			  unsigned *count);

// The leader is back at `now`, with `found`. Wakes workers for all that is queued except one piece,
// which the leader takes next.
void work_queue_poll_results(struct work_queue *queue, const struct work_list *found, uint64_t now);

// Puts work whose share is used up at the end, without waking a worker, as the caller takes next.
// The parking lot is polled before.
void work_queue_put_back(struct work_queue *queue, struct work *work);

// How many more workers can run while no more are awake than there are CPUs. Late without the lock.
unsigned work_queue_room(const struct work_queue *queue);

// A worker is about to wait for a client of its own. If there is work, or nobody is at the parking
// lot, another takes its place. When it is back it takes itself from `waiting`.
void work_queue_wait_begins(struct work_queue *queue);

// No more pushes; workers end when nothing is left.
void work_queue_close(struct work_queue *queue);

// Nobody may use it any more, and it must be empty.
void work_queue_destroy(struct work_queue *queue);

#endif
