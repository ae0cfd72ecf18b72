// Histograms and intervals as text. A histogram is HdrHistogram's V2 compressed encoding in base64;
// then there is what --csv, --hlog and --hgrm write: comma-separated values, HdrHistogram's
// interval log (V2) and its percentile distribution, as its log processors and plotters read them.
// ferror(file) says whether everything could be written. One thread for each file.
#ifndef ECHOLOAD_FORMATS_H
#define ECHOLOAD_FORMATS_H

#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "echoload/common/hdr.h"
#include "result.h"

// Its buckets are ours (one nanosecond, three digits), so nothing is lost except the exact sum,
// minimum and maximum. Returns the text, one line without its end, which the caller frees; NULL: no
// memory. Takes less than a millisecond.
char *hdr_v2_encode(const struct hdr *hdr);

// Adds a text of hdr_v2_encode to `hdr`; the sum, minimum and maximum are as exact as the buckets.
// Returns 0, or -1: `hdr` is of no use then.
int hdr_v2_add(struct hdr *hdr, const char *text, struct echod_error *error);

// Bytes as text (RFC 4648, with padding). Returns the text, which the caller frees; NULL: no
// memory.
char *base64_encode(const unsigned char *bytes, size_t length);

// Returns the bytes, which the caller frees; NULL: `text` is not in base64 (EINVAL), or no memory
// (ENOMEM), in errno.
unsigned char *base64_decode(const char *text, size_t *length);

// Each writes the line of an interval that has just ended, before the first one (which is `from` 0)
// the head of the file. `latency` is what the interval recorded.

// Flushes it, so that a reader sees it at once. `connections`: how many are open at its end. Where
// nothing came back the columns of latencies are empty, not 0.
void csv_interval(FILE *file, const struct result_interval *interval, const struct hdr *latency,
		  unsigned connections);

// The log began `started` ns after the epoch. Its histograms are in nanoseconds, its column of
// maxima is in milliseconds, as that format wants it. Without memory there is no line.
void hlog_interval(FILE *file, uint64_t started, const struct result_interval *interval,
		   const struct hdr *latency);

// As atomic_file_write wants it, `context` being a struct hdr: writes five lines for each halving
// of the distance to 100 %, as HdrHistogram has it. Values in microseconds, which with the three
// decimals of the format are exact to the nanosecond; the last line says the unit. Returns 0.
int hgrm_write(FILE *file, const void *context);

#endif
