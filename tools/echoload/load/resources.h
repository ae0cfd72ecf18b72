// What the load needs of the system: descriptors, CPUs, local addresses. Main thread.
#ifndef ECHOLOAD_RESOURCES_H
#define ECHOLOAD_RESOURCES_H

#include "base/error.h"
#include "config.h"

// Raises the limit on descriptors as far as needed and allowed. Returns 0, or -1: a CPU or a source
// cannot be used.
int resources_check(const struct load_config *config, struct error *error);

#endif
