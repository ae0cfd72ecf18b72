// `echopath idle`: how long the path keeps a connection on which nothing is sent. Main thread only.
#ifndef ECHOPATH_IDLE_H
#define ECHOPATH_IDLE_H

#include "path.h"

// Opens the connections, waits for up to `longest` ns, and prints what became of each. Returns the
// exit status, or -1 with `error`.
int idle_run(const struct path *path, uint64_t longest, struct echod_error *error);

#endif
