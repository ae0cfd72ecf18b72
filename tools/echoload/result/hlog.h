// HdrHistogram's interval log (`.hlog`), V2, as its log processors read it: a line for each
// interval. The histograms are in nanoseconds, the column of maxima is in milliseconds, as that
// format wants it. One thread for each file.
#ifndef ECHOLOAD_HLOG_H
#define ECHOLOAD_HLOG_H

#include <stdio.h>

#include "echoload/common/hdr.h"

// Writes the header lines of a log that began `started` ns after the epoch.
void hlog_begin(FILE *file, uint64_t started);

// Writes the line of an interval: when it began, ns since `started`, and how long it was, ns.
// Returns 0, or -1: no memory. Whether all could be written, ferror(file) says.
int hlog_interval(FILE *file, uint64_t from, uint64_t length, const struct hdr *hdr);

#endif
