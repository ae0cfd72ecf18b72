// The measurement of `echoload ab`. All targets hold their connections, and one at a time is loaded
// for a slice of some milliseconds. In a round each has two, one in each half, in random order.
// What disturbs the machine for longer disturbs all alike, so that each round gives ratios to the
// first target, also of its second half to its first. A target that had more slices than another
// would find more of its connections in the caches. Main thread.
#ifndef ECHOLOAD_AB_ROUNDS_H
#define ECHOLOAD_AB_ROUNDS_H

#include "echoload/judge/server_process.h"
#include "echoload/load/engine.h"
#include "median.h"

// RATE is that of each slice, TOTAL of a quarter of a second: that of a server that stalls now and
// then is less.
enum measure { MEASURE_RATE, MEASURE_TOTAL, MEASURE_P50, MEASURE_P99, MEASURE_CPU, MEASURES };
extern const char *const measure_names[MEASURES];

struct sums {
	uint64_t messages, lasted; // recorded
	uint64_t answered, cpu; // recorded or not, and the ns of CPU that the server used for them
	struct hdr latency;
};

// A target, or the second part of the first one.
struct contender {
	struct median ratio[MEASURES]; // to the first target; of its second part, to its first part
	double *ratios[MEASURES];      // in the order of time
	size_t ratio_count[MEASURES];
	struct sums all;
	struct sums since[MEASURES]; // the last ratio
};

// What is known of the server at a target.
struct server {
	struct processes processes;  // none: not known
	uint64_t clocks;	     // ns of CPU that they had used; 0: not known
	struct processes_usage used; // then
};

struct rounds {
	struct load_config *config; // by target
	const char *const *names;   // of the targets
	uint64_t slice;		    // ns, 0: as suits the load
	uint64_t most;		    // rounds, 0: no limit
	double until; // an end when the intervals of all rates are narrower than this; 0: none

	struct engine *engine;
	struct book *book;	      // of the last slice
	struct contender *contenders; // one for each target, then the second part of the first
	struct server *servers;
	size_t count; // of contenders
	struct random random;
	uint64_t done;		 // rounds
	uint64_t lasted;	 // ns, all of them
	uint64_t slices, worked; // ns: in slices, and of the generator on a CPU
	double others; // CPUs that were in use by others, and by servers that are not known
	bool interrupted;
};

// Measures for `config->duration` at most. Returns EXIT_OK, also when a signal ended it; or, with
// `error`, the status to exit with: a target could not be reached, did not answer, or sent wrong
// bytes.
int rounds_run(struct rounds *rounds, struct error *error);
void rounds_free(struct rounds *rounds);

// Of all slices together: messages a second, ns, ns of CPU a message; NAN: not known.
double rounds_value(const struct sums *sums, enum measure measure);

#endif
