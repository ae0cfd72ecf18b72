// Which options contradict each other. Main thread only.
#ifndef ECHOLOAD_RULES_H
#define ECHOLOAD_RULES_H

#include "base/error.h"
#include "reading.h"

// Refuses what contradicts itself; before anything is filled in that was not given.
int rules_check(const struct reading *reading, struct error *error);

#endif
