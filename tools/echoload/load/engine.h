// The load engine: starts the threads, collects what they count once a second, stops them. Main
// thread.
#ifndef ECHOLOAD_ENGINE_H
#define ECHOLOAD_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config.h"
#include "tally.h"
#include "usage.h"

// A second of the run, or the rest of one.
struct interval {
	uint64_t from, to; // ns since recording began
	uint64_t started;  // when that was, ns since the epoch
	const struct book *book;
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
	// Called once for each interval from the moment on at which recording began.
	void (*interval)(void *context, const struct interval *interval);
	// Called about ten times a second. Returns false to end the run.
	bool (*idle)(void *context, const struct progress *progress);
	void *context;
};

// What a run has come to.
struct engine_result {
	struct book *book;  // of all threads and intervals; the caller's, until engine_result_free
	uint64_t started;   // when recording began, ns since the epoch
	uint64_t lasted;    // ns, of recording
	unsigned live;	    // connections open at its end
	unsigned connected; // connects that came about, in all
	struct usage usage;
};

// Runs the load. Returns 0, or -1 when it could not begin: no memory, no thread.
int engine_run(const struct load_config *config, const struct engine_calls *calls,
	       struct engine_result *result, struct error *error);

void engine_result_free(struct engine_result *result);

#endif
