// The server's counters as oracle: taken over its control socket, waited for, and compared with the
// laws. One thread.
#ifndef ECHOD_TESTS_STATS_H
#define ECHOD_TESTS_STATS_H

#include "daemon.h"
#include "expect.h"

// The JSON reply to a command, and one snapshot. Valid until the test ends.
json_t *stats_ask(struct daemon *daemon, const char *command);
json_t *stats_take(struct daemon *daemon);

// Of a snapshot: an integer; a number; the member `part` of a histogram.
uint64_t stats_get(const json_t *snapshot, const char *name);
double stats_number(const json_t *snapshot, const char *name);
double stats_part(const json_t *snapshot, const char *name, const char *part);

// A counter's value now.
uint64_t stats_counter(struct daemon *daemon, const char *name);

// Waits until the counter has the value, or at least the value. In the first case a counter that
// passes the value fails the test too, at the deadline.
void stats_wait(struct daemon *daemon, const char *name, uint64_t value);
void stats_wait_at_least(struct daemon *daemon, const char *name, uint64_t value);

// How many members of a list that the control socket shows ("workers", "connections") are in
// `state`.
size_t stats_count_in_state(struct daemon *daemon, const char *list, const char *state);

// The laws of docs/counters.md, in one snapshot.
void stats_assert_laws(struct daemon *daemon);

// Those that hold when nobody is connected: waits for that, and for all that was parked to be
// unparked, all that was queued to be taken, and no byte to be unsent.
void stats_wait_at_rest(struct daemon *daemon);

#endif
