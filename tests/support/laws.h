// The laws of the counters (docs/counters.md): judged in one snapshot, from one to the next, and
// all along by a process beside the load, a thousand times a second. One thread.
#ifndef ECHOD_TESTS_LAWS_H
#define ECHOD_TESTS_LAWS_H

#include "daemon.h"
#include "expect.h"

// The first law that `now` breaks, by itself or as the successor of `before` (NULL: none); NULL if
// all hold. A string that lives as long as `now`.
const char *laws_broken(json_t *before, json_t *now);

// Starts the process, law_watcher, for this server, and waits for its first snapshot. It ends when
// the server does.
struct process *laws_watch(const struct daemon *daemon);

// Ends it, unless it has ended. All laws must have held in `least` snapshots or more. Returns in
// how many, and prints it.
size_t laws_expect(struct process *watcher, size_t least);

#endif
