// Made-up results of echoload for its tests. One thread.
#ifndef ECHOD_UNIT_ECHOLOAD_RUNS_H
#define ECHOD_UNIT_ECHOLOAD_RUNS_H

#include <stdio.h>

#include "echoload/result/result.h"
#include "test.h"

// A run that the same numbers always make the same.
struct made_run {
	uint64_t seed;
	uint64_t started; // ns since the epoch
	unsigned seconds;
	double rate;	  // messages a second, on average
	double swing;	  // how far a second's rate is off that, as a share
	double memory;	  // how much of that the next second keeps
	double median;	  // ns, of the latency, which is log-normal
	unsigned samples; // latencies recorded each second
};

// Fills an initialised result with the run, its intervals, settings and a verdict.
void made_run_fill(struct result *result, const struct made_run *run);

// The same, written to a file of that name in the test's directory (place_path); returns its path.
const char *made_run_write(const char *name, const struct made_run *run);

// Runs a subcommand (`argv` ends with NULL). What it prints on `stream`, standard output or error,
// goes into `said`, as much as fits. Returns its exit status.
int subcommand_run(int (*subcommand)(int argc, char **argv), char **argv, FILE *stream, char *said,
		   size_t size);

#endif
