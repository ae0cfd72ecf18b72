// Several results become one: `echoload merge`. Main thread.
#ifndef ECHOLOAD_MERGE_H
#define ECHOLOAD_MERGE_H

#include "base/error.h"
#include "result.h"

// Whether `left` and `right` were loaded alike, in all their runs, and have no run in common.
// Returns 0, or -1 with `error`, a usage error, that calls the right one `it`.
int merge_check(const struct result *left, const struct result *right, struct echod_error *error);

// Entry `index` of the configuration, machine or evidence of a result: one for each run if they
// differ, else one. NULL: there are no more.
json_t *merge_entry(const json_t *object, size_t index);

// Adds `result` to `sum`. Both have a run. Counts and histograms add exactly; the intervals of runs
// that ran at the same time add up second by second. Configurations, machines and evidence that
// differ stand one after the other. Returns 0, or -1: merge_check fails, intervals differ, or no
// memory; `sum` is of no use then.
int merge_add(struct result *sum, const struct result *result, struct echod_error *error);

// The subcommand; argv[0] is its name. Returns the exit status.
int merge_main(int argc, char **argv);

#endif
