// The work queue: first in, first out, one mutex. The acceptor and the leader push, workers take.
// It also knows what the workers are at, so that it wakes as many as can run and no more.
#ifndef ECHOD_POOL_WORK_QUEUE_H
#define ECHOD_POOL_WORK_QUEUE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool/work.h"

#define WORK_QUEUE_BATCH 64 // taken at once at most

struct work_queue_config {
	size_t capacity;  // how much can be admitted at all, so that a push cannot fail
	unsigned workers; // who take
	unsigned cpus;	  // of them, how many are to run at a time; see work_queue_set_cpus
	unsigned batch;	  // how much a worker may take at once, 1 to WORK_QUEUE_BATCH
};

// A worker as the queue knows it. `next` is guarded by the queue's lock while the worker sleeps,
// and by nobody but the thread that wakes it from then until it has posted `woken`.
struct sleeper {
	sem_t woken; // posted once for each time that it is taken out of `sleepers`
	struct sleeper *next;
};

// All but `config`, without its `cpus`, is guarded by `lock`; the atomics are written under it, or
// by workers that are about to wait for a client, and read by them without it.
struct work_queue {
	pthread_mutex_t lock;
	struct work_queue_config config;
	struct work *head;
	struct work *tail;
	size_t depth_max;
	struct sleeper *sleepers; // the one that fell asleep last first: its caches are warm
	bool look;		  // the parking lot has not been looked at for long
	unsigned taken;		  // batches since it was
	bool closed;
	uint64_t wakes_withheld; // times that queued work woke nobody, as enough were awake

	// Work in the queue, workers that wait for a client of their own, and whether a worker is
	// at the parking lot. A worker adds itself to `waiting` and then looks at the others; who
	// pushes adds to `depth`, and who leaves the parking lot clears `leading`, and then looks
	// at `waiting`, or will itself wait. So one of them sees the other, and wakes another
	// worker for what is to be done. Sequentially consistent for that.
	_Atomic size_t depth;
	_Atomic unsigned waiting;
	_Atomic bool leading;

	_Atomic unsigned sleeping; // how many are in `sleepers`
};

void work_queue_init(struct work_queue *queue, const struct work_queue_config *config);

// Appends `work`, in state QUEUED, and wakes a worker if one more can run. The caller has no right
// to touch it afterwards. Returns true if the leader must be woken, as nobody else could be. Not
// allowed once closed, or beyond the capacity.
bool work_queue_push(struct work_queue *queue, struct work *work);

// What a worker is to do next.
enum duty {
	DUTY_SERVE, // what it took
	DUTY_LEAD,  // wait at the parking lot, until it has given that duty back
	DUTY_LOOK,  // the same, but only look: there is work
	DUTY_END,
};

// Waits for something to do; the caller is `sleeper` meanwhile. With DUTY_SERVE, `*count` pieces of
// work, the oldest, are in `works`.
enum duty work_queue_take(struct work_queue *queue, struct sleeper *sleeper, struct work **works,
			  unsigned *count);

// The leader is back, with `count` pieces of work from `first` to `last`. Wakes workers for all
// that is queued but one: the leader goes on to take itself.
void work_queue_led(struct work_queue *queue, struct work *first, struct work *last, size_t count);

// Puts work whose share is used up at the end, without waking anybody: the caller goes on to take
// itself. The parking lot is looked at before.
void work_queue_put_back(struct work_queue *queue, struct work *work);

// A worker is about to wait for a client of its own; if there is work, or nobody is at the parking
// lot, another takes its place. Returns true if only the leader can, and must be woken. Then: it is
// back.
bool work_queue_wait_begins(struct work_queue *queue);
void work_queue_wait_ends(struct work_queue *queue);

// Whether anybody waits for a worker, as far as is known. No lock.
static inline bool work_queue_is_empty(const struct work_queue *queue)
{
	return atomic_load_explicit(&queue->depth, memory_order_relaxed) == 0;
}

// Whether nobody is at the parking lot although somebody could be: a worker that may go on for long
// without asking for work must see to it, by work_queue_wait_begins. No lock.
static inline bool work_queue_needs_leader(const struct work_queue *queue)
{
	return !atomic_load_explicit(&queue->leading, memory_order_relaxed) &&
	       atomic_load_explicit(&queue->sleeping, memory_order_relaxed) > 0;
}

// How many CPUs there are, from now on.
void work_queue_set_cpus(struct work_queue *queue, unsigned cpus);

// No more pushes; workers end when nothing is left. The leader must be woken.
void work_queue_close(struct work_queue *queue);

struct work_queue_info {
	size_t depth;
	size_t depth_max;
	uint64_t wakes_withheld;
	unsigned cpus;
};
void work_queue_inspect(struct work_queue *queue, struct work_queue_info *info);

// Nobody may use it any more, and it must be empty.
void work_queue_destroy(struct work_queue *queue);

#endif
