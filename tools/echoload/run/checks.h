// Which options contradict each other. Main thread only.
#ifndef ECHOLOAD_CHECKS_H
#define ECHOLOAD_CHECKS_H

#include "arguments.h"
#include "base/error.h"

// Refuses what contradicts itself; before anything is filled in that was not given.
int checks_run(const struct arguments *arguments, struct error *error);

#endif
