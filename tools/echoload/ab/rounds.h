// `echoload ab`: which of several servers is faster. Main thread.
//
// All targets hold their connections, and one at a time is loaded for a slice of some milliseconds.
// In a round each has two, one in each half, in random order, so that a longer disturbance hits all
// alike. Each round gives ratios to the first target, and of that one's second half to its first. A
// target with more slices than another would find more of its connections in the caches.
#ifndef ECHOLOAD_AB_ROUNDS_H
#define ECHOLOAD_AB_ROUNDS_H

#include <stdio.h>

#include "echoload/common/rank.h"
#include "echoload/judge/server_view.h"
#include "echoload/load/engine.h"
#include "echoload/result/result.h"

// The subcommand; argv[0] is its name. Returns the exit status.
int ab_main(int argc, char **argv);

// What a target did in a slice, or in some.
struct sums {
	uint64_t messages, lasted; // recorded
	uint64_t answered, cpu; // recorded or not, and the ns of CPU that the server used for them
	uint64_t took, worked;	// ns, and those that the generator was on a CPU
	struct hdr latency;
};

// A measure's ratios of a target to the first one; of that, of its second half to its first.
struct ratios {
	struct sums since; // the last ratio; of the first target, only its first halves
	double *values;	   // in the order of time
	size_t count;
	// Of another target it is widened, as two starts of one program differ.
	struct rank_interval median;
};

// What the processes behind a target, or behind all, had used at some time.
struct server_usage {
	struct processes processes; // none: not known
	struct processes_usage usage;
	uint64_t clocks; // ns of CPU that they had used, by their own clocks; 0: not known
	double others;	 // ns of CPU that others than they and the generator had; NAN: not known
};

#define AB_NAME 17 // bytes of a target's name

struct target {
	char name[AB_NAME];
	struct server_usage server;
	struct sums all;
	struct ratios ratios[MEASURES];
};

struct rounds {
	struct load_config *config; // by target
	uint64_t slice;		    // ns, 0: as suits the load
	uint64_t most;		    // rounds, 0: no limit
	double until; // an end when the intervals of all rates are narrower than this; 0: none

	struct engine *engine;
	struct random random;
	struct counters counters; // of the last slice, with the faults
	struct sums last;	  // the same, as it is counted
	struct target targets[CONFIG_ENDPOINTS];
	struct sums second[MEASURES]; // the other halves of the first target, since the last ratio
	uint64_t done;		      // rounds
	uint64_t lasted;	      // ns, all of them
	double others;		      // CPUs that others used; NAN: not known
	bool apart;		      // the servers may not run on the same CPUs
	bool interrupted;
};

// Measures for `config->duration` at most. Returns EXIT_OK, also when a signal ended it; or, with
// `error`, the status to exit with: a target could not be reached, did not answer, or sent wrong
// bytes.
int rounds_run(struct rounds *rounds, struct echod_error *error);

// Messages a second, ns, ns of CPU a message; NAN: not known.
double rounds_value(const struct sums *sums, enum measure measure);

// For people.
void rounds_print(const struct rounds *rounds, FILE *file);

// As JSON; `path` may be `-`, standard output. Returns 0 or -1.
int rounds_write(const struct rounds *rounds, const char *path, struct echod_error *error);

// Judges a check such as `b.rate>=0.98`. Returns EXIT_OK if the whole interval keeps to the limit,
// EXIT_CHECK_FAILED if all of it misses it, else EXIT_INCONCLUSIVE, with an `error` that says what
// was measured; or EXIT_USAGE: it is no check of these targets, also before anything is measured.
int check_judge(const char *check, const struct rounds *rounds, struct echod_error *error);

#endif
