// The experiment after the recorded time of a closed loop: short slices of load with as many
// connections as the run had take turns with slices with half as many again. They show whether more
// connections bring more, or the server or the path is full. Main thread.
#ifndef ECHOLOAD_EXPERIMENT_H
#define ECHOLOAD_EXPERIMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "echoload/load/engine.h"

enum experiment_outcome {
	EXPERIMENT_NONE,    // it was not made, or it failed: `why` says why
	EXPERIMENT_UNCLEAR, // the noise is too large
	// More connections bring some more: each message may cost a full server less, or it gets a
	// larger share of a CPU or a path that others use, too.
	EXPERIMENT_PARTLY,
	EXPERIMENT_MORE,    // they bring more, at least half in proportion
	EXPERIMENT_NO_MORE, // they do not
};

// NAN: not known.
struct experiment {
	enum experiment_outcome outcome;
	const char *why;
	unsigned connections, extra;
	unsigned pairs;
	uint64_t slice;		// ns
	double rate;		// the mean without the added connections, bytes a second
	double gain, low, high; // relative, the median and its interval of 99 %
	bool lighter;		// it had fewer messages on their way than the run
	double load;		// of our busiest thread with the added ones: share of the time
	// ns, of connects beside the load: the least, and the upper quartile, as the path's queues
	// are not full when a slice begins.
	double least_round_trip, round_trip;
};

// Makes the experiment with the connections of `engine`, opened with `config`, in slices of `slice`
// ns, until the outcome is clear or for `time` ns. `found` gets the faults.
void experiment_make(struct experiment *experiment, struct engine *engine,
		     const struct load_config *config, uint64_t slice, uint64_t time,
		     struct counters *found);

// Judges `experiment->pairs` pairs of slices by the gain of each.
void experiment_judge(struct experiment *experiment, const double *gains);

#endif
