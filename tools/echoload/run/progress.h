// What people see while echoload runs: on a terminal a line refreshed in place, else a line for
// each interval. Main thread only.
#ifndef ECHOLOAD_PROGRESS_H
#define ECHOLOAD_PROGRESS_H

#include <stdint.h>

#include "base/screen.h"

// How far a run has come.
struct screen_moment {
	uint64_t elapsed;	  // ns of recording
	uint64_t duration;	  // ns in all, CLOCK_NEVER: not known
	uint64_t messages, count; // until now and in all, 0: not known
	unsigned connections;	  // open
	double rate;		  // messages a second; this and what follows but `errors` lately
	double bytes_per_second;
	uint64_t p50, p99; // ns, 0: nothing came
	uint64_t errors;   // until now; of a line of an interval, in it
	bool first;	   // of the lines of intervals, so that the heading comes before it
};

// Draws the progress over that of before; nothing unless it is a terminal.
void screen_progress(struct screen *screen, const struct screen_moment *moment);

// Prints the line of an interval; nothing if it is a terminal.
void screen_interval(struct screen *screen, const struct screen_moment *moment);

#endif
