// The standard streams. Main thread, first thing.
#ifndef ECHOD_BASE_STREAMS_H
#define ECHOD_BASE_STREAMS_H

#include "base/error.h"

// Holds the descriptors 0, 1 and 2 that the program was started without: else a socket would get
// such a number, and a peer would read what was meant for standard error. What stands there instead
// fails as a closed one does. Returns 0, or -1 when one is missing and /dev/null cannot be opened.
int streams_hold(struct echod_error *error);

#endif
