// The fixed pool of workers. Each takes work from the queue, lets the owner of the pool serve it
// for a turn, and does with it what the turn's end asks for. The pool knows a connection only as
// `struct work`.
#ifndef ECHOD_POOL_POOL_H
#define ECHOD_POOL_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/thread.h"
#include "pool/work_queue.h"
#include "stats/stats.h"

struct pool;

// One worker. What is atomic is written by the worker and read by the stats thread, to be shown;
// nothing else hangs on it, so relaxed order will do. The rest is set before the thread starts.
struct worker {
	pthread_t thread;
	unsigned id; // from 1
	struct pool *pool;
	struct thread_stats *stats;
	char *buffer;		  // of the pool's buffer_size; the worker's alone
	_Atomic uint64_t since;	  // since when it has been doing what it does (clock_now)
	_Atomic uint64_t serving; // name of the work it serves, 0: idle
	_Atomic uint64_t served;  // work it has served to the end
};

// What a turn ended with: what is to become of the work. (The pool that parks quiet connections
// will know more ends than this one.)
enum turn_end {
	TURN_CLOSE, // it is over, for `reason`
};

struct turn {
	enum turn_end end;
	enum close_reason reason;
};

// What the pool's owner does with work. Called by workers, with no lock held; `context` is the
// pool's.
struct pool_calls {
	// A name for `work`, not 0, for worker_info. The worker owns the work.
	uint64_t (*name)(const struct work *work);

	// Serves `work` for a turn. The worker owns it before and after.
	struct turn (*serve)(struct work *work, struct worker *worker, void *context);

	// Ends `work`, whose ownership passes to the callee.
	void (*close)(struct work *work, enum close_reason reason, struct worker *worker,
		      void *context);
};

struct pool {
	struct pool_calls calls;
	void *context; // for the calls
	size_t buffer_size;
	struct work_queue queue;
	struct gate ready; // workers arrive here when they run
	struct worker *workers;
	unsigned worker_count;
	unsigned started; // how many of them have a thread
};

// A worker as it is shown.
struct worker_info {
	unsigned id;
	uint64_t since;
	uint64_t serving; // 0: idle
	uint64_t served;
};

struct pool_config {
	unsigned workers;
	size_t buffer_size;
	size_t capacity;	    // of the queue
	struct thread_stats *stats; // one for each worker, owned by the caller, outlives the pool
	struct pool_calls calls;
	void *context;
};

// Starts the workers; when it returns, all of them have reported in. On failure nothing is left.
int pool_start(struct pool *pool, const struct pool_config *config, struct error *error);

// Hands `work` over. Any thread but a worker; never blocks for long, never fails.
void pool_submit(struct pool *pool, struct work *work);

// No more work is submitted; workers end when all that was has been closed.
void pool_close(struct pool *pool);

// After pool_close: waits for the workers to end. The pool can still be looked at.
void pool_join(struct pool *pool);

// After pool_join.
void pool_free(struct pool *pool);

void pool_worker_info(const struct pool *pool, unsigned index, struct worker_info *info);

#endif
