// What people see of a run: on a terminal a line refreshed in place, else a line for each interval;
// and the report at its end. Main thread only.
#ifndef ECHOLOAD_REPORT_H
#define ECHOLOAD_REPORT_H

#include <stdint.h>

#include "base/screen.h"
#include "echoload/result/result.h"

// How far a run has come.
struct report_line {
	uint64_t elapsed;	  // ns of recording
	uint64_t duration;	  // ns in all, CLOCK_NEVER: not known
	uint64_t messages, count; // until now and in all, 0: not known
	double rate;		  // messages a second; this and what follows but `errors` lately
	uint64_t p50, p99;	  // ns, 0: nothing came
	uint64_t errors;	  // until now
};

// Draws the progress over that of before; nothing unless it is a terminal.
void report_progress(struct screen *screen, const struct report_line *state);

// Prints the line of an interval, before the first one the heading; nothing if it is a terminal.
void report_interval(struct screen *screen, const struct result_interval *interval,
		     const struct hdr *latency, unsigned connections);

// Prints the report at the end of a run, at most 80 columns wide.
struct run;
void report_print(struct screen *screen, const struct run *run);

// A small histogram of at most 12 lines of 79 columns: how many samples were up to which duration,
// each step the same factor wider up to p99.9, then all the rest.
void report_histogram(const struct screen *screen, const struct hdr *hdr);

#endif
