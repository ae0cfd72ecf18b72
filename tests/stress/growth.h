// Whether the resident memory of a server grows, over rounds of load. A file keeps what was
// measured, so that later runs add to it. Any failure fails the running test. One thread.
#ifndef ECHOD_TESTS_GROWTH_H
#define ECHOD_TESTS_GROWTH_H

#include <stdio.h>

#include "process.h"

// Adds a line to the file: the run, the hours since its start, and what the server at rest has
// resident. Does nothing without a path.
void growth_note(const char *path, const struct process *server);

// Fits a line to each run in the file, all of one slope and without their first two rounds, and
// prints the slope with its 95 % interval, which must be below 64 KiB an hour. Does nothing without
// a path.
void growth_judge(const char *path, FILE *report);

#endif
