// The report at the end of a run, for people: at most 80 columns. Main thread only.
#ifndef ECHOLOAD_REPORT_H
#define ECHOLOAD_REPORT_H

#include <stdbool.h>

#include "echoload/judge/facts.h"
#include "echoload/judge/verdict.h"
#include "echoload/load/config.h"
#include "progress.h"

// `interrupted`: the run ended before its time, by a signal.
void report_print(struct screen *screen, const struct load_config *config,
		  const struct facts *facts, const struct verdict *verdict, bool interrupted);

// A small histogram of at most 12 lines of 79 columns: how many samples were up to which duration,
// each step the same factor wider up to p99.9, then all the rest.
void report_histogram(const struct screen *screen, const struct hdr *hdr);

#endif
