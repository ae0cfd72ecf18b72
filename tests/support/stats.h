// The server's counters as oracle: taken over its control socket, waited for, and held against the
// laws. One thread.
#ifndef ECHOD_TESTS_STATS_H
#define ECHOD_TESTS_STATS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "daemon.h"

// One snapshot; the caller gives it back with json_decref.
json_t *stats_take(struct daemon *daemon);

// Of a snapshot: an integer; a number; the member `part` of a histogram.
uint64_t stats_get(const json_t *snapshot, const char *name);
double stats_number(const json_t *snapshot, const char *name);
double stats_part(const json_t *snapshot, const char *name, const char *part);

// A counter's value at this moment.
uint64_t stats_counter(struct daemon *daemon, const char *name);

// Waits until the counter has the value, or at least the value. Going past it in the first case
// fails too, for it is waited for until the deadline.
void stats_wait(struct daemon *daemon, const char *name, uint64_t value);
void stats_wait_at_least(struct daemon *daemon, const char *name, uint64_t value);

// How many members of a list that the control socket shows ("workers", "connections") are in the
// state `what`.
size_t stats_count_in_state(struct daemon *daemon, const char *list, const char *what);

// The laws of docs/counters.md: what was accepted is open or closed for one reason; what is open is
// queued, served or parked; a worker is busy or idle; and if all peers ended in order, what came in
// has gone out.
void stats_assert_laws(struct daemon *daemon);

// Those that hold when nobody is connected: waits for that, and that what was parked has been
// unparked, what was queued has been taken, and nothing is unsent.
void stats_wait_at_rest(struct daemon *daemon);

#endif
