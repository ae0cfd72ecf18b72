// The load engine: starts the threads, collects what they count, stops them. Main thread.
#ifndef ECHOLOAD_ENGINE_H
#define ECHOLOAD_ENGINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "counters.h"
#include "load_config.h"
#include "usage.h"

// A piece of the run: `config->interval`, or the rest of it.
struct interval {
	uint64_t from, to; // ns since recording began
	uint64_t started;  // when that was, ns since the epoch
	const struct counters *counters;
	unsigned live; // connections open at its end
	bool last;
};

// How far a run has come.
struct progress {
	uint64_t elapsed;   // ns of recording
	unsigned live;	    // connections open
	unsigned connected; // connects so far
	unsigned failed;    // connections that could not be made at least once
};

struct engine_calls {
	// Called for each interval of recording, at its end.
	void (*interval)(void *context, const struct interval *interval);
	// Called about ten times a second. Returns false to end the run.
	bool (*idle)(void *context, const struct progress *progress);
	void *context;
};

// The result of a run.
struct engine_result {
	const struct load_config *config;
	struct counters
		*counters; // of all threads and intervals; the caller's, until engine_result_free
	struct endings *endings; // the caller's, too; NULL: no --control, or no memory
	json_t *ledger;		 // the same: what the server has on these (judge/ledger.h), or NULL
	uint64_t started;	 // when recording began, ns since the epoch
	uint64_t lasted;	 // ns, of recording
	unsigned live;		 // connections open at its end
	unsigned connected;	 // connects that came about, in all
	struct load_errors unconnected; // why others did not, in all
	struct usage usage;		// of the recorded time
};

// A count as a rate, a second; 0 if the run took no time.
static inline double engine_rate(const struct engine_result *result, uint64_t count)
{
	return result->lasted ? 1e9 * (double)count / (double)result->lasted : 0;
}

struct engine;

// Starts the threads; `config` outlives them. Connections beyond `config->connections`, of which
// there are `config->extra`, are made and loaded by slices only. NULL: no memory, no thread, or a
// CPU or source address that cannot be used.
struct engine *engine_open(const struct load_config *config, struct echod_error *error);

// The run proper: ramp, warm-up, recorded time. Its connections are open afterwards, those that
// live. Returns 0, or -1: no memory.
int engine_run(struct engine *engine, const struct engine_calls *calls,
	       struct engine_result *result, struct echod_error *error);

// Loads the connections whose group (config_group) is in the bit set `groups` for `config->settle`
// and then for `duration` ns, and waits until all that is on its way is answered: for
// `config->timeout` at most. Those that are not open are connected before the time begins, unless
// the mode connects for each visit; all others rest, open. `counters` gets the messages answered in
// `duration` or, if `settle` is 0, all that began in it, answered or not; and the faults found
// since the last period. `lasted` gets `duration` or, if `settle` is 0, the ns until the last
// answer. Returns 0, or -1: interrupted, or none could be connected.
int engine_slice(struct engine *engine, uint64_t groups, uint64_t duration,
		 struct counters *counters, uint64_t *lasted);

// Ends the connections as a client does, with FIN, and the threads. It receives until the peer's
// FIN, for 250 ms at most, so that bytes after the last echo are found. (With `resets` a visit ends
// at once, and bytes after it are not seen.) `counters` gets the faults that are found in this
// time, and their errors; NULL: not wanted.
void engine_close(struct engine *engine, struct counters *counters);

void engine_result_free(struct engine_result *result);

#endif
