// The intervals of a run as comma-separated values: `--csv`. One thread for each file.
#ifndef ECHOLOAD_CSV_H
#define ECHOLOAD_CSV_H

#include <stdio.h>

#include "echoload/common/hdr.h"
#include "result.h"

// Writes the line that names the columns. Whether all could be written, ferror(file) says.
void csv_begin(FILE *file);

// Writes the line of an interval that has just ended, and flushes it, so that a reader sees it at
// once. `latency` is what the interval recorded (of `interval`, neither the percentiles nor the
// text are looked at), `connections` how many are open at its end. The columns of an interval in
// which nothing came back have no latencies: they are empty, not 0.
void csv_interval(FILE *file, const struct result_interval *interval, const struct hdr *latency,
		  unsigned connections);

#endif
