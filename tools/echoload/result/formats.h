// What --csv, --hlog and --hgrm write: comma-separated values, HdrHistogram's interval log
// (`.hlog`, V2) and its percentile distribution as text (`.hgrm`), as its log processors and
// plotters read them. Whether all could be written, ferror(file) says. One thread for each file.
#ifndef ECHOLOAD_FORMATS_H
#define ECHOLOAD_FORMATS_H

#include <stdio.h>

#include "echoload/common/hdr.h"
#include "result.h"

// Writes the line that names the columns.
void csv_begin(FILE *file);

// Writes the line of an interval that has just ended, and flushes it, so that a reader sees it at
// once. `latency` is what the interval recorded (of `interval`, neither the percentiles nor the
// text are looked at), `connections` how many are open at its end. The columns of an interval in
// which nothing came back have no latencies: they are empty, not 0.
void csv_interval(FILE *file, const struct result_interval *interval, const struct hdr *latency,
		  unsigned connections);

// Writes the header lines of a log that began `started` ns after the epoch. Its histograms are in
// nanoseconds, its column of maxima is in milliseconds, as that format wants it.
void hlog_begin(FILE *file, uint64_t started);

// Writes the line of an interval: when it began, ns since `started`, and how long it was, ns.
// Returns 0, or -1: no memory.
int hlog_interval(FILE *file, uint64_t from, uint64_t length, const struct hdr *hdr);

// Writes five lines for each halving of the distance to 100 %, as HdrHistogram has it. Values in
// microseconds, which with the three decimals of the format are exact to the nanosecond; the last
// line says the unit.
void hgrm_write(FILE *file, const struct hdr *hdr);

#endif
