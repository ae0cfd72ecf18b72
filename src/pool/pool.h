// The fixed pool of workers. Each takes work from the queue and lets the owner of the pool serve it
// for a turn. How the turn ends decides what becomes of the work. The pool knows a connection only
// as `struct work`.
#ifndef ECHOD_POOL_POOL_H
#define ECHOD_POOL_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread.h"
#include "pool/parking_lot.h"
#include "pool/work_queue.h"
#include "stats/stats.h"

struct pool;

// The state of a worker.
enum worker_state {
	WORKER_WAITING, // asleep, for something to do
	WORKER_LEADING, // at the parking lot
	WORKER_SERVING,
	WORKER_POLLING, // its client or the parking lot, again and again, for a short time
	WORKER_BLOCKED, // waits for its client
	WORKER_STATES,
};

// One worker. It writes its atomic fields, and the stats thread reads them to show them. Nothing
// else depends on them, so relaxed order suffices. The rest is set before the thread starts.
struct worker {
	pthread_t thread;
	unsigned id; // from 1
	struct pool *pool;
	struct thread_stats *stats;
	char *buffer;		// of the pool's buffer_size; the worker's alone
	struct sleeper sleeper; // in the queue
	uint64_t now;		// when its turn began, or it was last back from a wait; its own
	uint64_t polls_until;	// while it polls; its own
	bool more_queued;  // it has taken more than one connection and must wait for none; its own
	_Atomic int state; // enum worker_state
	_Atomic uint64_t since;	  // since when it has served what it serves, or nothing (clock_now)
	_Atomic uint64_t serving; // id of the work it serves, 0: none
	_Atomic uint64_t served;  // work it has served to the end
};

// How a turn ended, which decides what becomes of the work.
enum turn_end {
	TURN_GOES_ON, // it has not; never seen by the pool
	TURN_QUIET,   // nothing to receive: park it
	TURN_STUCK,   // no room to send: park it until there is
	TURN_QUANTUM, // it has had its share, and others wait: to the back of the queue
	TURN_CLOSE,   // it is over, for `reason`
};

struct turn {
	enum turn_end end;
	enum close_reason reason; // of TURN_CLOSE
};

struct pool_config {
	unsigned workers;
	size_t buffer_size;
	size_t capacity;   // of the queue
	uint64_t patience; // how long a worker waits for one client, ns; CLOCK_NEVER: without end
	uint64_t spin;	   // how long it polls before it blocks, where that pays, ns
	uint64_t idle_timeout;	    // how long a peer may send nothing, ns, or CLOCK_NEVER
	uint64_t send_timeout;	    // how long it may take no byte of its echo
	struct thread_stats *stats; // one for each worker, owned by the caller, outlives the pool

	// The functions of the pool's owner. The worker that owns the work calls them, with no lock
	// held. `serve`, which may change, serves it for a turn; `close` ends it, and owns it then.
	struct turn (*_Atomic serve)(struct work *work, struct worker *worker, void *context);
	void (*close)(struct work *work, enum close_reason reason, struct worker *worker,
		      void *context);
	void *context;
};

struct pool {
	struct pool_config config;
	struct work_queue queue;
	struct parking_lot lot;
	struct gate ready; // workers arrive here when they run
	struct worker *workers;
	unsigned started; // how many of them have a thread
	int spin_credit;  // of polling the parking lot; the leader's

	// How many workers may poll at a time, and up to how many connections have a worker to
	// themselves: from the CPUs, or 0 for a while (control/tracing.c). Then, work submitted and
	// not yet closed, and workers that poll, written by the acceptor and by workers. The policy
	// reads them. Relaxed order, as a value that is slightly old suffices.
	_Atomic unsigned polling_max;
	_Atomic unsigned dedicated_max;
	_Atomic size_t connections;
	_Atomic unsigned polling;
};

// Starts the workers; when it returns, all of them have reported in. On failure nothing is left.
int pool_start(struct pool *pool, const struct pool_config *config, struct echod_error *error);

// Hands new work over. Any thread but a worker; never blocks for long, never fails.
void pool_submit(struct pool *pool, struct work *work);

// No more work is submitted, and all that was has been closed: workers end.
void pool_close(struct pool *pool);

// After pool_close: waits for the workers to end. The pool can still be read.
void pool_join(struct pool *pool);

// After pool_join.
void pool_free(struct pool *pool);

static inline void worker_show_state(struct worker *worker, enum worker_state state)
{
	atomic_store_explicit(&worker->state, (int)state, memory_order_relaxed);
}

#endif
