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
const char *worker_state_name(enum worker_state state);

// One worker. What is atomic is written by the worker and read by the stats thread, to be shown;
// nothing else hangs on it, so relaxed order will do. The rest is set before the thread starts.
struct worker {
	pthread_t thread;
	unsigned id; // from 1
	struct pool *pool;
	struct thread_stats *stats;
	char *buffer;		// of the pool's buffer_size; the worker's alone
	struct sleeper sleeper; // in the queue
	bool hurried;	   // it has taken more than one connection and must wait for none; its own
	_Atomic int state; // enum worker_state
	_Atomic uint64_t since;	  // since when it has served what it serves, or nothing (clock_now)
	_Atomic uint64_t serving; // name of the work it serves, 0: none
	_Atomic uint64_t served;  // work it has served to the end
};

// What a turn ended with: what is to become of the work.
enum turn_end {
	TURN_QUIET,   // nothing to receive: park it
	TURN_STUCK,   // no room to send: park it until there is
	TURN_QUANTUM, // it has had its share, and others wait: to the back of the queue
	TURN_CLOSE,   // it is over, for `reason`
};

struct turn {
	enum turn_end end;
	enum close_reason reason; // of TURN_CLOSE
};

// What the pool's owner does with work. Called by workers, with no lock held; `context` is the
// pool's.
struct pool_calls {
	// A name for `work`, not 0, for worker_info. The worker owns the work.
	uint64_t (*name)(const struct work *work);

	// When `work` was last active; clock_now. The leader calls it, and need not own the work.
	uint64_t (*active_at)(const struct work *work);

	// Serves `work` for a turn. The worker owns it before and after.
	struct turn (*serve)(struct work *work, struct worker *worker, void *context);

	// `work`, which the worker owns, is about to be handed to the queue or the parking lot.
	void (*leave)(struct work *work, void *context);

	// Ends `work`, whose ownership passes to the callee.
	void (*close)(struct work *work, enum close_reason reason, struct worker *worker,
		      void *context);
};

struct pool_config {
	unsigned workers;
	size_t buffer_size;
	size_t capacity;   // of the queue
	uint64_t patience; // how long a worker waits for one client, ns; CLOCK_NEVER: without end
	uint64_t spin;	   // how long the leader polls before it blocks, where that pays, ns
	uint64_t idle_timeout; // of parked work, ns, or CLOCK_NEVER
	uint64_t send_timeout;
	struct thread_stats *stats; // one for each worker, owned by the caller, outlives the pool
	struct pool_calls calls;
	void *context;
};

struct pool {
	struct pool_config config;
	struct work_queue queue;
	struct parking_lot lot;
	struct gate ready; // workers arrive here when they run
	struct worker *workers;
	unsigned started; // how many of them have a thread
	int heat;	  // of polling the parking lot; the leader's

	// How many workers may poll at a time, and up to how many connections have a worker to
	// themselves. They follow from the CPUs; read by workers, relaxed order.
	_Atomic unsigned spinners_max;
	_Atomic unsigned own_max;

	// Work submitted and not yet closed, and workers that poll. Written by the acceptor and by
	// workers, read by workers to decide whether to wait for a client; relaxed order, as a
	// moment late will do.
	_Atomic size_t members;
	_Atomic unsigned spinners;
};

// A worker as it is shown.
struct worker_info {
	unsigned id;
	enum worker_state state;
	uint64_t since;
	uint64_t serving; // 0: nothing
	uint64_t served;
};

// Starts the workers; when it returns, all of them have reported in. On failure nothing is left.
int pool_start(struct pool *pool, const struct pool_config *config, struct echod_error *error);

// Hands new work over. Any thread but a worker; never blocks for long, never fails.
void pool_submit(struct pool *pool, struct work *work);

// Finds out how many CPUs the workers may use now, and uses as many. Any thread.
void pool_follow_cpus(struct pool *pool);

// No more work is submitted, and all that was has been closed: workers end.
void pool_close(struct pool *pool);

// After pool_close: waits for the workers to end. The pool can still be looked at.
void pool_join(struct pool *pool);

// After pool_join.
void pool_free(struct pool *pool);

void pool_worker_info(const struct pool *pool, unsigned index, struct worker_info *info);

// ---- For who serves a turn: the worker that does.

// Whether the worker may wait for its client. Not when there are more connections than workers that
// can run, or it has more to do: then it receives what is there, and goes on to the next.
bool worker_may_wait(const struct worker *worker);

// Whether others wait for a worker, or may do without our knowing.
bool worker_others_wait(const struct worker *worker);

// It is going to wait for the socket of `work`, which leaves the parking lot's set: its events
// would wake the leader for nothing.
void worker_keeps(struct worker *worker, struct work *work);

// It begins to wait, or is back.
void worker_waits(struct worker *worker);
void worker_goes_on(struct worker *worker);

// It begins to poll; false when enough do, or there is something else to see to. Then: it has
// stopped, and polling has paid (`hit`) or not, which changes the heat.
bool worker_spins(struct worker *worker);
void worker_stops_spinning(struct worker *worker, int *heat, bool hit);

#endif
