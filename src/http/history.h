// Ten minutes of the pool, a row a second: what the page draws. One thread.
#ifndef ECHOD_HTTP_HISTORY_H
#define ECHOD_HTTP_HISTORY_H

#include <stdint.h>
#include <stdio.h>

#include "stats/stats.h"

#define HISTORY_ROWS 600

// One span between two samples. Times are of the connections that a worker took, or let go, in it;
// STATS_UNKNOWN without any.
struct history_row {
	uint64_t uptime_ms; // at its end
	uint64_t messages;  // a second
	struct {
		uint64_t p50, p99; // ns, to 1/64
	} time[HISTOGRAM_COUNT];
};

// All zero at first.
struct history {
	struct history_row row[HISTORY_ROWS]; // a ring
	uint64_t rows;			      // ever added
	uint64_t taken;			      // the last sample: clock_now, 0 before the first
	uint64_t messages;
	struct histogram_sum histogram[HISTOGRAM_COUNT];
};

// Adds the row from the last sample to `snapshot`; the first sample begins one.
void history_add(struct history *history, const struct snapshot *snapshot);

// Writes the rows that end later than `after`, an uptime in ms, as a JSON array of arrays:
// [uptime_ms, messages, p50 and p99 of the queue wait, p50 and p99 of the service time]. Unknown
// values are null.
void history_write(const struct history *history, uint64_t after, FILE *out);

#endif
