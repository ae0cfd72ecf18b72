// Whether results may stand side by side or be added up. One thread each.
#ifndef ECHOLOAD_SAME_H
#define ECHOLOAD_SAME_H

#include "base/error.h"
#include "result.h"

// Whether `left` and `right` were loaded alike, in all their runs, and have no run in common.
// Returns 0, or -1 with `error`, a usage error, that calls the right one `it`.
int same_check(const struct result *left, const struct result *right, struct error *error);

// Member `index` of what stands in a result once (index 0), or for each of its runs where that
// differs: its configuration, machine or evidence. NULL: there are no more.
json_t *same_member(const json_t *object, size_t index);

#endif
