// Rates of the counters over the last 1, 10 and 60 seconds. The stats thread only.
#ifndef ECHOD_STATS_RATES_H
#define ECHOD_STATS_RATES_H

#include "stats/stats.h"

#define RATES_HISTORY 61 // one sample a second, and one that begins the longest span

struct rate_sample {
	uint64_t taken;
	uint64_t counter[COUNTER_COUNT];
};

struct rates {
	struct rate_sample sample[RATES_HISTORY]; // a ring
	size_t count;				  // samples taken since the start
};

enum { RATE_SPANS = 3 };
extern const unsigned rate_spans[RATE_SPANS]; // in seconds

// Stores the counters of `snapshot` as a sample. Call it when the server starts and then once a
// second.
void rates_sample(struct rates *rates, const struct snapshot *snapshot);

// The growth of `counter` a second over the last `seconds` before `now`, or over the server's life
// if that is shorter.
double rates_per_second(const struct rates *rates, const struct snapshot *now, enum counter counter,
			unsigned seconds);

#endif
