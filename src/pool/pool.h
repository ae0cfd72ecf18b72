// The fixed pool of workers. Each takes work from the queue, lets the owner of the pool serve it
// for a turn, and does with it what the turn's end asks for. The pool knows a connection only as
// `struct work`.
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

// What a worker is at.
enum worker_state {
	WORKER_WAITING, // asleep, for something to do
	WORKER_LEADING, // at the parking lot
	WORKER_SERVING,
	WORKER_POLLING, // its client or the parking lot, again and again, for a moment
	WORKER_BLOCKED, // waits for its client
	WORKER_STATES,
};

// One worker. What is atomic is written by the worker and read by the stats thread, to be shown;
// nothing else hangs on it, so relaxed order will do. The rest is set before the thread starts.
struct worker {
	pthread_t thread;
	unsigned id; // from 1
	struct pool *pool;
	struct thread_stats *stats;
	char *buffer;		// of the pool's buffer_size; the worker's alone
	struct sleeper sleeper; // in the queue
	bool more_queued;  // it has taken more than one connection and must wait for none; its own
	_Atomic int state; // enum worker_state
	_Atomic uint64_t since;	  // since when it has served what it serves, or nothing (clock_now)
	_Atomic uint64_t serving; // id of the work it serves, 0: none
	_Atomic uint64_t served;  // work it has served to the end
};

// What a turn ended with: what is to become of the work.
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

	// What the pool's owner does with work. Called by the worker that owns it, with no lock
	// held. `serve` serves it for a turn; `close` ends it, and its ownership passes to the
	// callee.
	struct turn (*serve)(struct work *work, struct worker *worker, void *context);
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
	// themselves. They follow from the CPUs. Then, work submitted and not yet closed, and
	// workers that poll, written by the acceptor and by workers. Read by the policy; relaxed
	// order, as a moment late will do.
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

// After pool_close: waits for the workers to end. The pool can still be looked at.
void pool_join(struct pool *pool);

// After pool_join.
void pool_free(struct pool *pool);

static inline void worker_show_state(struct worker *worker, enum worker_state state)
{
	atomic_store_explicit(&worker->state, (int)state, memory_order_relaxed);
}

#endif
