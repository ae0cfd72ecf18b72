// The gnuplot script for results: the latency over the percentiles, and the throughput over time.
// Main thread.
#ifndef ECHOLOAD_CHART_SCRIPT_H
#define ECHOLOAD_CHART_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

#include "result.h"

// One line of each chart.
struct chart_run {
	struct result result;
	char label[100]; // nothing in it means anything to gnuplot or HTML
};

// Whether a run has something to draw.
bool chart_run_draws(const struct chart_run *run);

// Writes the script, which makes an SVG. At least one run draws.
void chart_script_write(FILE *file, const struct chart_run *runs, size_t count);

#endif
