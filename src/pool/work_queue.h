// The work queue: first in, first out, one mutex, one condition variable. The acceptor pushes,
// workers take.
#ifndef ECHOD_POOL_WORK_QUEUE_H
#define ECHOD_POOL_WORK_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What waits in the queue; part of the thing itself, so that pushing needs no memory. It belongs to
// the queue from the push until it is taken.
struct work {
	struct work *next;
	uint64_t queued_at; // clock_now when it was pushed
};

// All members but `capacity` are guarded by `lock`.
struct work_queue {
	pthread_mutex_t lock;
	pthread_cond_t filled; // signalled for each push, broadcast on close
	struct work *head;
	struct work *tail;
	size_t depth;
	size_t depth_max;
	size_t capacity; // set once
	bool closed;
};

// `capacity` is how much can be admitted at all, so that a push cannot fail.
void work_queue_init(struct work_queue *queue, size_t capacity);

// Appends `work` and wakes one waiting worker. The caller has no right to touch it afterwards.
// Not allowed once closed, or beyond the capacity.
void work_queue_push(struct work_queue *queue, struct work *work);

// Takes the oldest work, waiting for it. NULL when the queue is closed and empty.
struct work *work_queue_take(struct work_queue *queue);

// No more pushes; who waits wakes up when nothing is left.
void work_queue_close(struct work_queue *queue);

void work_queue_depth(struct work_queue *queue, size_t *depth, size_t *depth_max);

// Nobody may use it any more, and it must be empty.
void work_queue_destroy(struct work_queue *queue);

#endif
