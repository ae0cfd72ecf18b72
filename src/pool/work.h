// Work of the pool: a connection, known to it as something that is queued, served or parked.
#ifndef ECHOD_POOL_WORK_H
#define ECHOD_POOL_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Its state, which says who owns it (docs/architecture.md has the picture):
//
//   QUEUED ──take──► SERVED ──park──► PARKED ──event──► QUEUED
//                      │ event
//                      ▼
//                   NOTIFIED ──check once more──► SERVED
//
// The owner in the states QUEUED, SERVED and NOTIFIED is the queue, or the worker that took it. In
// PARKED it is the parking lot: the thread that changes PARKED to QUEUED, by compare-and-swap, owns
// it then.
enum work_state {
	WORK_QUEUED, // also when new: a stale event of the one before finds nothing to do
	WORK_SERVED,
	WORK_NOTIFIED, // served, and an event has come that the worker may not have seen
	WORK_PARKED,
};

// Which time-out work is under while it is parked.
enum timeout {
	TIMEOUT_NONE,
	TIMEOUT_IDLE,	// its peer sends nothing
	TIMEOUT_STUCK,	// its peer reads nothing
	TIMEOUT_POLLED, // it gets no events
	TIMEOUT_KINDS,
};

// Part of the thing itself, so that neither pushing nor parking needs memory.
struct work {
	// Workers and the leader; sequentially consistent, as it hands over all that is not atomic
	// below.
	_Atomic int state;

	// Its peer will send nothing more, or has sent urgent data: read on to the end, even after
	// a short recv. The leader writes it before it reads the state. The worker reads it after
	// it has set the state to SERVED. Sequentially consistent: so the leader finds the work
	// served and notifies the worker, or the worker sees this.
	_Atomic bool hung_up;

	// Written by the owner, read by others at any time; nothing depends on them: relaxed order.
	_Atomic unsigned worker;    // the id of the worker that serves it, 0: none does
	_Atomic uint64_t active_at; // when it was last active, clock_now

	// The owner's.
	uint64_t id; // not 0
	int fd;
	struct work *next;  // in a list
	uint64_t queued_at; // clock_now when it was pushed
	uint32_t events;    // that the parking lot's epoll set tells of; 0: it does not have it
	enum timeout timeout;
	bool expired; // it was parked for too long

	// Guarded by the lock of the time-outs.
	struct work *timeout_next;
	struct work **timeout_link; // that leads here
	uint64_t due_at;	    // clock_now
};

// First in, first out.
struct work_list {
	struct work *first;
	struct work *last;
	size_t count;
};

static inline void work_list_append(struct work_list *list, struct work *work)
{
	work->next = NULL;
	if (list->last)
		list->last->next = work;
	else
		list->first = work;
	list->last = work;
	list->count++;
}

#endif
