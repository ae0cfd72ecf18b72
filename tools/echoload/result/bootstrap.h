// How sure a difference between two runs is. A run is cut into blocks of successive intervals, so
// that what lasts for seconds stays together; as many blocks as there are are then drawn with
// replacement, over and over, and what the figures do under that is how much chance there is in
// them. The same runs give the same answer: the seed is fixed. One thread.
#ifndef ECHOLOAD_BOOTSTRAP_H
#define ECHOLOAD_BOOTSTRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "result.h"

#define BOOTSTRAP_INTERVALS 10 // the fewest that something can be said of
#define BOOTSTRAP_BLOCKS 8     // the most

enum measure { MEASURE_RATE, MEASURE_P50, MEASURE_P99, MEASURES };

// A run in blocks.
struct sample {
	unsigned blocks;
	double amount[BOOTSTRAP_BLOCKS]; // messages or bytes
	double seconds[BOOTSTRAP_BLOCKS];
	unsigned values;
	uint64_t *value; // the latencies that occur, ns, ascending
	uint64_t *up_to; // for each of them and each block: how many of the block's it is not below
};

// Cuts up a result of at least BOOTSTRAP_INTERVALS intervals. The rate is of bytes or of messages.
// Returns 0, or -1: no memory, or a histogram that is none.
int sample_make(struct sample *sample, const struct result *result, bool bytes,
		struct error *error);
void sample_free(struct sample *sample); // also after a make that failed

// The 95 % interval of (right - left) / left.
struct confidence {
	double low, high;
};

// Fills `confidence[MEASURES]`. A percentile's interval is 0.1 % wider on each side than chance
// makes it, as that is what the histogram knows it to. Returns 0, or -1: no memory.
int bootstrap_compare(const struct sample *left, const struct sample *right,
		      struct confidence *confidence, struct error *error);

#endif
