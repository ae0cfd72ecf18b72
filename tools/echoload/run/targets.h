// The addresses that the connections go to. Main thread only.
#ifndef ECHOLOAD_TARGETS_H
#define ECHOLOAD_TARGETS_H

#include <stddef.h>

#include "base/error.h"
#include "echoload/load/config.h"

// Finds one address for each target, so that all connections of a run go the same way: of several
// behind a name, and of the sources' family, it is the one that answers first. To find it takes one
// connection, which is closed before the run. Waits for config->timeout at most for each target.
// Returns 0, or -1: a name is unknown, none of its addresses answers, or a source cannot reach it.
int targets_find(struct load_config *config, const struct address *targets, size_t count,
		 struct error *error);

#endif
