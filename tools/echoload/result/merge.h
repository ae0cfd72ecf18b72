// Several results become one: `echoload merge`. Main thread.
#ifndef ECHOLOAD_MERGE_H
#define ECHOLOAD_MERGE_H

#include "base/error.h"
#include "result.h"

// Adds `result` to `sum`, which result_init or earlier calls have filled. Counts and histograms add
// exactly; the intervals of runs that ran at the same time add up second by second. What differs of
// configuration, machine and evidence is listed. Returns 0, or -1: the same run is in both, or no
// memory; `sum` is of no use then.
int merge_add(struct result *sum, const struct result *result, struct error *error);

// The subcommand; argv[0] is its name. Returns the exit status.
int merge_main(int argc, char **argv);

#endif
