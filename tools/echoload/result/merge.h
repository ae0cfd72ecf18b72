// Several results become one: `echoload merge`. Main thread.
#ifndef ECHOLOAD_MERGE_H
#define ECHOLOAD_MERGE_H

#include "base/error.h"
#include "result.h"

// Whether `left` and `right` were loaded alike, in all their runs, and have no run in common.
// Returns 0, or -1 with `error`, a usage error, that calls the right one `it`.
int merge_check(const struct result *left, const struct result *right, struct echod_error *error);

// Member `index` of what stands in a result once (index 0), or for each of its runs where that
// differs: its configuration, machine or evidence. NULL: there are no more.
json_t *merge_member(const json_t *object, size_t index);

// Adds `result` to `sum`. Both have a run. Counts and histograms add exactly; the intervals of runs
// that ran at the same time add up second by second. What differs of configuration, machine and
// evidence is listed. Returns 0, or -1: merge_check fails, intervals differ, or no memory; `sum` is
// of no use then.
int merge_add(struct result *sum, const struct result *result, struct echod_error *error);

// The subcommand; argv[0] is its name. Returns the exit status.
int merge_main(int argc, char **argv);

#endif
